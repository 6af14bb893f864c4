//! Push addresses that lead inward, at the door: refused however they are written.

use serde_json::{Value, json};

use super::{Door, with_door};

/// Into private networks, past the guard by spelling, or no address of a push at all.
const INWARD: [&str; 19] = [
    "https://[::]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://10.0.0.1:8443/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://169.254.169.254/latest/meta-data",
    "https://2852039166/latest/meta-data",
    "https://8.8.8.8@10.0.0.1/",
    "https://user:secret@8.8.8.8/",
    "https://8.8.8.8/#@10.0.0.1",
    "gopher://8.8.8.8/",
    "https:///",
    "//8.8.8.8/",
];

/// This machine, in as many spellings: only a sandbox application has business here.
const HERE: [&str; 12] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://localhost/",
    "http://127.0.0.1/",
];

fn set(url: &str) -> Value {
    json!({"set": {"kind": "Z203", "url": url}})
}

#[test]
fn push_addresses_that_lead_inward_are_refused_however_they_are_written() {
    with_door(100_000, async |door: Door| {
        let (bus, metro) = (door.caller("bus").await, door.caller("metro").await);
        for url in INWARD.into_iter().chain(HERE).chain(["http://8.8.8.8/"]) {
            let answer = door.post(&bus, "01/Z601", set(url)).await;
            answer.refused("40007", "set.url", url);
            assert!(!answer.json.to_string().contains("secret"), "{url} is told back");
        }
        for url in INWARD {
            door.post(&metro, "01/Z601", set(url)).await.refused("40007", "set.url", url);
        }
        // Nothing was kept of all that.
        let addresses = door.post(&bus, "01/Z601", json!({})).await;
        assert!(!addresses.json.to_string().contains("://"), "{}", addresses.json);
    });
}
