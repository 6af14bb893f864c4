//! What partners read of a citizen: bills as of a time, names of scenes.

use serde_json::{Value, json};

use super::wholes::{issued, results, trip};
use super::{Door, with_door};

fn kinds(answer: &super::Answered) -> Vec<&str> {
    let entries = answer.data()["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_bill_is_read_as_of_a_time() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101001X";
        let (metro, ccid) = issued(&door, id_no).await;
        let first = door.post(&metro, "01/Z502", json!({"ccid": ccid})).await;
        let time = first.data()["entries"][0]["time"].clone();
        let visitor = door.linked(id_no, "mall").await.ccid;
        let mall = door.caller("mall").await;
        door.clock.advance_ms(60_000);
        let pay = json!({"serial": "s", "orderNo": "o", "ccid": visitor, "action": "PAY",
            "points": 4});
        door.post(&mall, "02/Z303", pay).await.data();
        let more = json!({"batchSerial": "b2", "records": [trip("r9", &ccid, 40, 92)]});
        door.post(&metro, "01/Z304", more).await.data();
        results(&door, &metro, json!({"batchSerial": "b2"}), "SUBMITTED").await;
        let ask = async |caller, path: &str, ccid: &str, as_of: Value| {
            door.post(caller, path, json!({"ccid": ccid, "asOf": as_of})).await
        };
        let grams = async |as_of| ask(&metro, "01/Z502", &ccid, as_of).await;
        assert_eq!(kinds(&grams(Value::Null).await), ["SUBMITTED", "ISSUED", "SUBMITTED"]);
        // The time of an entry is included.
        assert_eq!(kinds(&grams(time.clone()).await), ["ISSUED", "SUBMITTED"]);
        assert!(kinds(&grams(json!("2026-11-24T12:00:00+08:00")).await).is_empty());
        let points = async |as_of| ask(&mall, "02/Z403", visitor.as_str(), as_of).await;
        assert_eq!(kinds(&points(Value::Null).await), ["POINTS_REDEEMED", "POINTS_CREDITED"]);
        assert_eq!(kinds(&points(time.clone()).await), ["POINTS_CREDITED"]);
        // Page by page it is the same bill, and what is booked meanwhile does not come into it.
        let mut question = json!({"ccid": ccid, "asOf": time, "limit": 1});
        let page = door.post(&metro, "01/Z502", question.clone()).await;
        assert_eq!(kinds(&page), ["ISSUED"]);
        question["cursor"] = page.data()["cursor"].clone();
        let page = door.post(&metro, "01/Z502", question).await;
        assert_eq!(kinds(&page), ["SUBMITTED"]);
        assert!(page.data()["cursor"].is_null());
        let wrong = json!({"ccid": ccid, "asOf": "yesterday"});
        assert_eq!(door.post(&metro, "01/Z502", wrong).await.status, 400);
    });
}

#[test]
fn a_mall_reads_names_of_scenes_with_consent_only() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101001X";
        door.lit(id_no, "metro", "rail").await;
        let citizen = door.linked(id_no, "mall").await;
        let (mall, metro) = (door.caller("mall").await, door.caller("metro").await);
        let question = json!({"ccid": citizen.ccid});
        let answer = door.post(&mall, "02/Z401", question.clone()).await;
        assert_eq!(answer.data(), &json!({"ccid": citizen.ccid, "scenes": ["rail"]}));
        door.post(&metro, "02/Z401", question.clone()).await.refused("40301", "", "a scene's app");
        door.unlinked(citizen.account, "mall").await;
        door.post(&mall, "02/Z401", question).await.refused("40907", "", "consent taken back");
    });
}

#[test]
fn what_was_revoked_is_not_named() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101002X";
        let lit = door.lit(id_no, "metro", "rail").await;
        let citizen = door.linked(id_no, "mall").await;
        door.revoked(lit.account, "metro", "rail").await;
        let mall = door.caller("mall").await;
        let answer = door.post(&mall, "02/Z401", json!({"ccid": citizen.ccid})).await;
        assert_eq!(answer.data()["scenes"], json!([]));
    });
}
