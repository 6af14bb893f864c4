"""Hooks of schemathesis: signs what it has made up, puts identifiers that exist in place of some
of it, and counts what became of every case.

What it needs to know comes in `CARBON_STAGE`, a JSON file that `stage.py` writes. With `CARBON_UNSIGNED`
set nothing is signed and no key is shown; the counts go to `CARBON_COUNTS`.
"""

import atexit
import collections
import json
import os
import sys
import zlib
from pathlib import Path

import requests
import schemathesis

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "protocol" / "signers"))
from carbon_sign import Signer  # noqa: E402

STAGE = json.loads(Path(os.environ["CARBON_STAGE"]).read_text())
SIGNED = not os.environ.get("CARBON_UNSIGNED")
SIGNERS = {app: Signer(app, bytes.fromhex(key)) for app, key in STAGE["keys"].items()}
# Headers of a signed call: what the generator made of them is replaced.
OWN = ["X-App-Id", "X-Timestamp", "X-Nonce", "X-Sign-Type", "X-Sign", "Authorization"]
COUNTS = collections.Counter()
TOKENS = {}


def token_of(app):
    """A token by Z101. Asked for once: another one would end the one before."""
    if app not in TOKENS:
        url, body = STAGE["url"] + "/api/v1/Z101", b"{}"
        headers = SIGNERS[app].headers("POST", "/api/v1/Z101", body)
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        answer.raise_for_status()
        TOKENS[app] = answer.json()["data"]["token"]
    return TOKENS[app]


def signed(method, path, body):
    """The headers of a call. Who asks for tokens here is nobody who uses one: a new token would end
    the one in use."""
    if path.startswith("/api/v1/Z101"):
        return SIGNERS["card-app"].headers(method, path, body)
    app = "mall-app" if path.startswith("/api/v1/02/") else "metro-app"
    return SIGNERS[app].headers(method, path, body, token_of(app))


class Door(requests.auth.AuthBase):
    """Signs the very bytes that go out; the operator's interfaces get the operator's key."""

    def __call__(self, request):
        if not SIGNED:
            return request
        path, body = request.path_url, request.body or b""
        if path.startswith("/admin/"):
            request.headers["Authorization"] = f"Bearer {STAGE['operator']}"
        elif path.startswith("/api/"):
            body = body.encode() if isinstance(body, str) else body
            headers = signed(request.method, path, body)
            # The type stays what was made up, be it wrong.
            del headers["Content-Type"]
            for name in OWN:
                request.headers.pop(name, None)
            request.headers.update(headers)
        return request


schemathesis.auth.set_from_requests(Door())


def known(value, name):
    """A value that exists, in three of four cases where there is one of that name."""
    candidates = STAGE["known"].get(name)
    if not candidates or not isinstance(value, str):
        return value
    draw = zlib.crc32(value.encode("utf-8", "replace"))
    return value if draw % 4 == 0 else candidates[draw // 4 % len(candidates)]


def furnished(value, name=""):
    """The same with identifiers that exist."""
    if isinstance(value, dict):
        return {key: furnished(below, key) for key, below in value.items()}
    if isinstance(value, list):
        return [furnished(below, name) for below in value]
    return known(value, name)


@schemathesis.hook
def map_body(context, body):
    return furnished(body)


@schemathesis.hook
def map_query(context, query):
    return furnished(query)


@schemathesis.hook
def map_path_parameters(context, parameters):
    return furnished(parameters)


@schemathesis.check
def no_fault_of_ours(context, response, case):
    """503 is an answer that the document tells of: busy, or a neighbour out of reach."""
    assert response.status_code < 500 or response.status_code == 503, response.text


@schemathesis.hook
def after_call(context, case, response):
    COUNTS["cases"] += 1
    COUNTS[f"status {response.status_code}"] += 1
    # 401 is what the ladder says of signatures, tokens and keys; a method that an interface does
    # not have never comes to the ladder.
    guarded = case.path.startswith(("/api/", "/admin/"))
    COUNTS["passed the door"] += guarded and response.status_code not in (401, 405, 429)
    COUNTS["5xx"] += response.status_code >= 500
    if response.status_code == 200:
        COUNTS[f"done {case.method} {case.path}"] += 1


@atexit.register
def tell():
    Path(os.environ["CARBON_COUNTS"]).write_text(json.dumps(COUNTS, indent=1, sort_keys=True))
