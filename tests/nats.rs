//! A NATS server beside the platform: events are heard on `carbon.events.>` without a word of
//! personal data, and the journey works with messages between actors crossing the server, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carbon_protocol::contracts::events::Happening;
use carbon_simulations::demo::sending;
use futures::StreamExt as _;

use super::harness::{Nats, skipped};
use super::stage::{Stage, batch, rows, submit};

/// Events that one citizen's first trips cause.
const KINDS: [&str; 4] = ["account-opened", "scene-lit", "batch-received", "reductions-submitted"];

async fn journey(mode: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let Some(nats) = Nats::start(folder.path()).await.unwrap() else {
        return skipped(test, "no nats-server");
    };
    let client = async_nats::connect(&nats.url).await.unwrap();
    let mut heard = client.subscribe("carbon.events.>").await.unwrap();
    client.flush().await.unwrap();
    let more = format!("[bus]\nmode = \"{mode}\"\n[nats]\nurl = \"{}\"", nats.url);
    let stage = Stage::start(u64::from(std::process::id()) ^ 0x4a75, &more).await.unwrap();
    stage.adopt_policy().await.unwrap();
    let lit = stage.lit(stage.first_on("bus")).await.unwrap();
    let rows = rows(&lit, "bus", 2);
    submit(stage.caller(&lit), &batch("nats", &rows)).await.unwrap();
    let decided = sending::decided(stage.caller(&lit), "nats").await.unwrap();
    assert_eq!(decided.len(), rows.len());

    let citizen = &stage.citizens[lit.citizen];
    let secrets = [&citizen.name, &citizen.id_no, &citizen.phone];
    let mut missing: BTreeSet<&str> = KINDS.into();
    let mut ids: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    while !missing.is_empty() {
        let next = tokio::time::timeout(Duration::from_secs(20), heard.next()).await;
        let Ok(Some(message)) = next else { panic!("{mode}: never heard {missing:?}") };
        let headers = message.headers.clone().unwrap_or_default();
        let shown = format!("{} {headers:?}", message.subject);
        let body = String::from_utf8(message.payload.to_vec()).unwrap();
        for secret in secrets {
            let said = shown.contains(secret.as_str()) || body.contains(secret.as_str());
            assert!(!said, "personal data in an event: {shown} {body}");
        }
        assert!(!body.contains("did:shc:"), "a DID in an event: {body}");
        let parts: Vec<&str> = message.subject.split('.').collect();
        let [_, _, owner, kind] = parts[..] else { panic!("subject {}", message.subject) };
        let own = stage.cast.players.iter().any(|player| player.app.as_str() == owner);
        assert!(own || owner == "platform", "{shown}");
        missing.remove(kind);
        let id = headers.get("Nats-Msg-Id").unwrap_or_else(|| panic!("no id: {shown}")).to_string();
        let first = ids.entry(id).or_insert_with(|| message.payload.to_vec());
        assert_eq!(*first, message.payload, "one id, two contents: {shown}");
        let known = Happening::parse(kind, &message.payload);
        assert!(known.is_some(), "not in the contract of events: {shown} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_heard_with_messages_in_process() {
    journey("in-process", "events_are_heard_with_messages_in_process").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_heard_with_messages_over_nats() {
    journey("nats", "events_are_heard_with_messages_over_nats").await;
}
