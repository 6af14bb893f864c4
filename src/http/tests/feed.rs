//! The pull feed: what is owed to an application, whether or not it is pushed.

use serde_json::{Value, json};

use super::wholes::issued;
use super::{Answered, Caller, Door, Sending, with_door};

async fn pull(door: &Door, caller: &Caller, query: &str) -> Answered {
    let path = format!("/api/v1/events{query}");
    door.send(caller, &Sending::new(caller, "GET", &path, Vec::new())).await
}

fn kinds(answer: &Answered) -> Vec<&str> {
    let events = answer.data()["events"].as_array().unwrap();
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[test]
fn everything_that_is_pushed_can_be_pulled_in_one_order() {
    with_door(100_000, async |door: Door| {
        let (metro, ccid) = issued(&door, "31010119900101001X").await;
        let all = pull(&door, &metro, "").await;
        assert_eq!(kinds(&all), ["Z203", "Z305"]);
        let events = &all.data()["events"];
        assert_eq!(events[1]["item"]["records"][0]["serial"], "r1");
        assert_eq!(events[1]["item"]["ccid"], ccid);
        let sequences = [0, 1].map(|place| events[place]["item"]["sequence"].clone());
        assert_eq!(sequences, [json!(1), json!(2)]);
        // Page by page it is the same, and the end is a place to go on from.
        let first = pull(&door, &metro, "?limit=1").await;
        let cursor = |answer: &Answered| answer.data()["cursor"].as_str().unwrap().to_owned();
        let second = pull(&door, &metro, &format!("?limit=1&after={}", cursor(&first))).await;
        assert_eq!(first.data()["events"][0], events[0]);
        assert_eq!(second.data()["events"][0], events[1]);
        let end = cursor(&second);
        let none = pull(&door, &metro, &format!("?after={end}")).await;
        assert_eq!(none.data()["events"], json!([]));
        let lit = door.lit("31010119900101002X", "metro", "rail").await;
        let next = pull(&door, &metro, &format!("?after={}", cursor(&none))).await;
        assert_eq!(kinds(&next), ["Z203"]);
        assert_eq!(next.data()["events"][0]["item"]["ccid"], lit.ccid.as_str());
        pull(&door, &metro, "?after=x").await.refused("40004", "after", "no cursor of ours");
        pull(&door, &metro, "?limit=201").await.refused("40003", "limit", "too many");
    });
}

#[test]
fn nobody_pulls_what_is_anothers() {
    with_door(100_000, async |door: Door| {
        let (metro, _) = issued(&door, "31010119900101001X").await;
        let (bus, mall) = (door.caller("bus").await, door.caller("mall").await);
        let own = pull(&door, &metro, "").await;
        for stranger in [&bus, &mall] {
            let none = pull(&door, stranger, "").await;
            assert_eq!(
                (&none.data()["events"], &none.data()["cursor"]),
                (&json!([]), &Value::Null)
            );
            let cursor = own.data()["cursor"].as_str().unwrap();
            let stolen = pull(&door, stranger, &format!("?after={cursor}")).await;
            stolen.refused("40004", "after", "another's cursor");
        }
    });
}
