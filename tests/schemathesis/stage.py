"""What the hooks need to know of a running demo: address, keys, identifiers that exist. Reads what
the demo has said, asks the sandbox which pushes came, writes JSON."""

import hmac
import json
import re
import sys
import urllib.request

# The sandbox's own secret; its keys are worth nothing outside of it.
SECRET = b"carbon sandbox"


def main(said, stage):
    text = open(said, encoding="utf-8").read()
    apps = dict(re.findall(r"^(\S+-app)\s+(http://\S+)", text, re.M))
    keys = {app: hmac.new(SECRET, f"sign|{app}".encode(), "sm3").hexdigest() for app in apps}
    # Suspended is only an application that makes no calls of its own here.
    known = {"ccid": set(), "batchSerial": set(), "recordSerials": set(), "appId": {"power-app"}}
    known["scene"] = known["scenes"] = {"metro"}
    with urllib.request.urlopen(apps["metro-app"] + "/sandbox/pushes") as answer:
        pushes = json.load(answer)
    for item in (item for push in pushes for item in push["body"].get("items", [])):
        known["ccid"].add(item["ccid"])
        for record in item.get("records", []):
            known["batchSerial"].add(record["batchSerial"])
            known["recordSerials"].add(record["serial"])
    # The mall knows its visitors by pseudonyms of its own; its calls draw from both.
    with urllib.request.urlopen(apps["mall-app"] + "/sandbox/citizens") as answer:
        known["ccid"].update(sorted(citizen["ccid"] for citizen in json.load(answer))[:40])
    document = {
        "url": re.search(r"(http://\S+)/openapi\.json", text)[1],
        "operator": re.search(r"Bearer ([0-9a-f]+)'", text)[1],
        "keys": keys,
        "known": {name: sorted(values)[:100] for name, values in known.items()},
    }
    with open(stage, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
