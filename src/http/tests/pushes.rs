//! The push console: what is listed, filtered, inspected and replayed, by whom.

use std::time::Duration;

use carbon_protocol::courier::{CourierCommand, PushKind};
use serde_json::{Value, json};

use super::wholes::issued;
use super::{Answered, Caller, Door, Sending, with_door};

async fn look(door: &Door, caller: &Caller, query: &str) -> Answered {
    let path = format!("/api/v1/pushes{query}");
    door.send(caller, &Sending::new(caller, "GET", &path, Vec::new())).await
}

fn told<'a>(answer: &'a Answered, field: &str) -> Vec<&'a str> {
    let pushes = answer.data()["pushes"].as_array().unwrap().iter();
    pushes.map(|push| push[field].as_str().unwrap()).collect()
}

/// Waits until a list says what is expected of its statuses.
async fn settled(door: &Door, caller: &Caller, query: &str, expected: &[&str]) -> Answered {
    for _ in 0..500 {
        let answer = look(door, caller, query).await;
        if told(&answer, "status") == expected {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{query} never said {expected:?}: {}", look(door, caller, query).await.json);
}

/// How often an event was pushed.
fn times(door: &Door, event: &str) -> usize {
    let pushed = door.partners.pushed();
    pushed.iter().filter(|push| String::from_utf8_lossy(&push.body).contains(event)).count()
}

async fn with_address(door: &Door, app: &str, kind: PushKind) {
    let set = CourierCommand::SetAddress { kind, url: "https://partner.example/push".into() };
    door.platform.courier(door.app_no(app), set).await.unwrap();
}

#[test]
fn an_application_looks_through_its_pushes_and_replays_them() {
    with_door(100_000, async |door: Door| {
        with_address(&door, "metro", PushKind::Issuance).await;
        let (metro, _) = issued(&door, "31010119900101001X").await;
        // Z203 has no address: it waits.
        let all = settled(&door, &metro, "", &["WAITING", "DELIVERED"]).await;
        assert_eq!(told(&all, "kind"), ["Z203", "Z305"]);
        let delivered = look(&door, &metro, "?status=DELIVERED").await;
        assert_eq!(told(&delivered, "kind"), ["Z305"]);
        assert_eq!(told(&look(&door, &metro, "?kind=Z203").await, "status"), ["WAITING"]);
        let page = look(&door, &metro, "?limit=1").await;
        let cursor = page.data()["cursor"].as_str().unwrap();
        let rest = look(&door, &metro, &format!("?limit=1&cursor={cursor}")).await;
        assert_eq!(told(&rest, "kind"), ["Z305"]);
        let past = look(&door, &metro, "?to=2026-11-24T00:00:00%2B08:00").await;
        assert!(told(&past, "kind").is_empty());
        let event = told(&delivered, "eventId")[0].to_owned();
        let one = look(&door, &metro, &format!("?eventId={event}")).await;
        let shown = &one.data()["pushes"][0]["event"];
        assert_eq!((&shown["kind"], &shown["item"]["eventId"]), (&json!("Z305"), &json!(event)));
        let replay = async |body: Value| door.post(&metro, "pushes/replay", body).await;
        assert_eq!(times(&door, &event), 1);
        let again = replay(json!({"kind": "Z305", "eventId": event})).await;
        assert_eq!(again.data(), &json!({"kind": "Z305", "events": 1}));
        settled(&door, &metro, "?kind=Z305", &["DELIVERED"]).await;
        assert_eq!(times(&door, &event), 2, "the same event, under the same id");
        let day = json!({"kind": "Z305", "from": "2026-11-24T00:00:00+08:00",
            "to": "2026-11-25T00:00:00+08:00"});
        assert_eq!(replay(day.clone()).await.data()["events"], 1);
        settled(&door, &metro, "?kind=Z305", &["DELIVERED"]).await;
        assert_eq!(times(&door, &event), 3);
        // The operator does the same, and names the application.
        let path = "/admin/v1/pushes/events?appId=metro&kind=Z305";
        let seen = door.operate("GET", path, Value::Null).await;
        assert_eq!(told(&seen, "eventId"), [event.as_str()]);
        let mut named = day;
        named["appId"] = json!("metro");
        let again = door.operate("POST", "/admin/v1/pushes/replay", named).await;
        assert_eq!(again.data()["events"], 1);
        settled(&door, &metro, "?kind=Z305", &["DELIVERED"]).await;
        assert_eq!(times(&door, &event), 4);
    });
}

#[test]
fn what_cannot_be_replayed_is_refused_and_nobody_sees_anothers() {
    with_door(100_000, async |door: Door| {
        with_address(&door, "metro", PushKind::Issuance).await;
        let (metro, _) = issued(&door, "31010119900101001X").await;
        let all = settled(&door, &metro, "?kind=Z305", &["DELIVERED"]).await;
        let event = told(&all, "eventId")[0].to_owned();
        let bus = door.caller("bus").await;
        with_address(&door, "bus", PushKind::Issuance).await;
        assert!(told(&look(&door, &bus, "").await, "kind").is_empty());
        let ask = async |body: Value| door.post(&bus, "pushes/replay", body).await;
        for id in [event.as_str(), "00000000000fffff-0000", "nonsense", "%"] {
            let gone = ask(json!({"kind": "Z305", "eventId": id})).await;
            gone.refused("40401", "eventId", id);
        }
        look(&door, &bus, &format!("?eventId={event}")).await.refused("40401", "eventId", "seen");
        ask(json!({"kind": "Z203", "eventId": event})).await.refused("40401", "kind", "no address");
        ask(json!({"kind": "Z305"})).await.refused("40001", "", "nothing named");
        let backwards = json!({"kind": "Z305", "from": "2026-11-25T00:00:00+08:00",
            "to": "2026-11-24T00:00:00+08:00"});
        ask(backwards).await.refused("40003", "to", "backwards");
        let named = json!({"appId": "metro", "kind": "Z305", "eventId": event});
        ask(named).await.refused("40002", "appId", "another's name");
        assert_eq!(times(&door, &event), 1);
    });
}
