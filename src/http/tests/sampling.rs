//! Samplings through the door: raw data that bears out what was submitted, and each way in which it
//! does not.

use carbon_protocol::contracts::c201::RawRecord;
use serde_json::{Value, json};

use super::wholes::{results, trip};
use super::*;

/// Submits ten trips of a citizen; what was collected of them.
async fn submitted(door: &Door) -> Vec<RawRecord> {
    let citizen = door.lit("990101199001010016", "metro", "rail").await;
    door.clock.advance_ms(3_600_000);
    let metro = door.caller("metro").await;
    let ccid = citizen.ccid.to_string();
    let row = |no: u32| trip(&format!("r{no}"), &ccid, 5 * no, 92);
    let records: Vec<Value> = (0..10).map(row).collect();
    let mut sent = records.clone();
    // What is refused is not sampled: nobody has credited it.
    sent.push(trip("wrong", &ccid, 54, 9999));
    let batch = json!({"batchSerial": "b1", "records": sent});
    assert_eq!(door.post(&metro, "01/Z304", batch).await.data()["received"], 10);
    results(door, &metro, json!({"batchSerial": "b1"}), "SUBMITTED").await;
    let raw = |row: Value| RawRecord {
        serial: row["serial"].as_str().unwrap().parse().unwrap(),
        ccid: citizen.ccid.clone(),
        behaviour: serde_json::from_value(row["behaviour"].clone()).unwrap(),
    };
    records.into_iter().map(raw).collect()
}

fn asked(serial: &str, size: u16) -> Value {
    json!({"serial": serial, "appId": "metro", "from": "2026-11-24", "to": "2026-11-24",
        "size": size})
}

/// Another behaviour in one field.
fn otherwise(record: &mut RawRecord, field: &str, value: Value) {
    let mut behaviour = serde_json::to_value(&record.behaviour).unwrap();
    behaviour["rail"][field] = value;
    record.behaviour = serde_json::from_value(behaviour).unwrap();
}

#[test]
fn honest_raw_data_matches_and_a_repetition_asks_nobody() {
    with_door(1000, async |door| {
        door.partners.tells(submitted(&door).await);
        let whole = door.operate("POST", "/admin/v1/samplings", asked("s-1", 500)).await;
        let found = whole.data();
        assert_eq!((&found["population"], &found["sampled"]), (&json!(10), &json!(10)), "{found}");
        assert_eq!((&found["matched"], &found["flagged"]), (&json!(10), &json!(false)), "{found}");
        assert_eq!((&found["mismatches"], &found["mismatchPermille"]), (&json!([]), &json!(0)));
        // The same serial tells the same, though the partner would now tell something else.
        door.partners.tells([]);
        let again = door.operate("POST", "/admin/v1/samplings", asked("s-1", 500)).await;
        assert_eq!(again.data(), found);
        let other = door.operate("POST", "/admin/v1/samplings", asked("s-1", 499)).await;
        other.refused("40901", "serial", "another size");
        let quality = door.operate("GET", "/admin/v1/data-quality/metro", Value::Null).await;
        assert_eq!(quality.data()["newest"], json!([found]));
        assert_eq!(quality.data()["flagged"], false);
    });
}

#[test]
fn every_kind_of_difference_is_told_by_serial_and_flagged() {
    with_door(1000, async |door| {
        let mut raw = submitted(&door).await;
        raw[1].ccid = "someone-else".parse().unwrap();
        otherwise(&mut raw[2], "outTime", json!("2026-11-25T09:00:00+08:00"));
        otherwise(&mut raw[3], "outStation", json!("E03"));
        otherwise(&mut raw[4], "outStation", json!("nowhere"));
        otherwise(&mut raw[5], "inTime", json!("2026-11-24T12:24:59+08:00"));
        raw.remove(0);
        door.partners.tells(raw);
        let answer = door.operate("POST", "/admin/v1/samplings", asked("s-1", 500)).await;
        let found = answer.data();
        let mut told: Vec<String> = found["mismatches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["serial"], one["difference"]).replace('"', ""))
            .collect();
        told.sort();
        assert_eq!(told, ["r0 MISSING", "r1 CCID", "r2 DAY", "r3 GRAMS", "r4 GRAMS", "r5 CONTENT"]);
        assert_eq!((&found["matched"], &found["mismatchPermille"]), (&json!(4), &json!(600)));
        assert_eq!(found["flagged"], true);
        let all = door.operate("GET", "/admin/v1/data-quality", Value::Null).await;
        let metro = all.data()["applications"][0].clone();
        assert_eq!((&metro["appId"], &metro["flagged"]), (&json!("metro"), &json!(true)));
        assert_eq!((&metro["missing"], &metro["differing"]), (&json!(1), &json!(5)));
        assert_eq!(all.data()["applications"][1]["samplings"], 0, "the bus was not sampled");
        assert!(!all.json.to_string().contains("someone-else"), "no pseudonym in a report");
    });
}

#[test]
fn the_seed_draws_the_sample_and_silence_is_counted() {
    with_door(1000, async |door| {
        let raw = submitted(&door).await;
        door.partners.tells([]);
        let drawn = async |serial: &str, seed: u64| {
            let mut asked = asked(serial, 3);
            asked["seed"] = json!(seed);
            let answer = door.operate("POST", "/admin/v1/samplings", asked).await;
            assert_eq!(
                (&answer.data()["population"], &answer.data()["seed"]),
                (&json!(10), &json!(seed))
            );
            answer.data()["mismatches"].clone()
        };
        let first = drawn("s-1", 7).await;
        assert_eq!(first.as_array().unwrap().len(), 3);
        assert_eq!(first, drawn("s-2", 7).await);
        let mut others = Vec::new();
        for seed in 8..12 {
            others.push(drawn(&format!("s-{seed}"), seed).await);
        }
        assert!(others.iter().any(|other| *other != first));
        door.partners.tells(raw);
        door.partners.fail_next(1);
        let silent = door.operate("POST", "/admin/v1/samplings", asked("silent", 500)).await;
        assert_eq!(
            (&silent.data()["unanswered"], &silent.data()["flagged"]),
            (&json!(10), &json!(true))
        );
        assert_eq!(silent.data()["mismatchPermille"], 0);
    });
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    with_door(1000, async |door| {
        for (change, code, field) in [
            (json!({"size": 0}), "40003", "size"),
            (json!({"size": 501}), "40003", "size"),
            (json!({"to": "2026-11-23"}), "40003", "to"),
            (json!({"from": "2026-10-24"}), "40003", "to"),
            (json!({"appId": "mall"}), "40401", "appId"),
            (json!({"appId": "nobody"}), "40401", "appId"),
            (json!({}), "40401", "from"),
        ] {
            let mut asked = asked("s-1", 10);
            for (name, value) in change.as_object().unwrap() {
                asked[name] = value.clone();
            }
            let answer = door.operate("POST", "/admin/v1/samplings", asked.clone()).await;
            answer.refused(code, field, &asked.to_string());
        }
    });
}
