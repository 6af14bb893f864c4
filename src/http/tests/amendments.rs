//! Corrections and voids through the door: receipts, states with links both ways, debts.

use serde_json::{Value, json};

use super::wholes::{issued, results, trip};
use super::{Answered, Caller, Door, with_door};

/// A trip that corrects another one: 2,900 metres are 205 grams.
fn correction(serial: &str, ccid: &str, original: &str) -> Value {
    let mut row = trip(serial, ccid, 10, 205);
    row["behaviour"]["rail"]["outStation"] = json!("E03");
    row["corrects"] = json!(original);
    row
}

fn void(serial: &str, ccid: &str, original: &str) -> Value {
    json!({"serial": serial, "ccid": ccid, "scene": "rail", "voids": original})
}

fn batch(serial: &str, records: &[Value], voids: &[Value]) -> Value {
    json!({"batchSerial": serial, "records": records, "voids": voids})
}

async fn record(door: &Door, metro: &Caller, serial: &str, status: &str) -> Value {
    let found = results(door, metro, json!({"recordSerials": [serial]}), status).await;
    found["records"][0].clone()
}

fn statuses(receipt: &Answered) -> Vec<&str> {
    let verdicts = receipt.data()["verdicts"].as_array().unwrap().iter();
    verdicts.map(|verdict| verdict["status"].as_str().unwrap()).collect()
}

#[test]
fn an_issued_record_is_corrected_and_voided_and_what_was_spent_is_owed() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101001X";
        let (metro, ccid) = issued(&door, id_no).await;
        let visitor = door.linked(id_no, "mall").await.ccid;
        let mall = door.caller("mall").await;
        let sent = batch("b2", &[correction("c1", &ccid, "r1")], &[]);
        let receipt = door.post(&metro, "01/Z304", sent.clone()).await;
        assert_eq!(statuses(&receipt), ["RECEIVED"]);
        let corrected = record(&door, &metro, "c1", "SUBMITTED").await;
        assert_eq!(
            (&corrected["corrects"], &corrected["reductionGrams"]),
            (&json!("r1"), &json!(205))
        );
        // By what it was priced stays with it: the stations' distance is the dictionary's.
        assert_eq!(corrected["methodologyVersion"], 1);
        let dictionaries = door.operate("GET", "/admin/v1/dictionaries", Value::Null).await;
        let version = &dictionaries.data()["dictionaries"][0]["version"];
        assert!(version.is_string() && corrected["dictionaryVersion"] == *version);
        let original = record(&door, &metro, "r1", "CORRECTED").await;
        assert_eq!(
            (&original["amendedBy"], &original["reductionGrams"]),
            (&json!("c1"), &json!(0))
        );
        assert_eq!(original["submittedGrams"], 92);
        let whose = json!({"ccid": ccid});
        let totals = door.post(&metro, "01/Z501", whose.clone()).await;
        assert_eq!(
            (&totals.data()["issuedGrams"], &totals.data()["pendingGrams"]),
            (&json!(92), &json!(113))
        );
        // The same batch again is a replay of the same receipt.
        let again = door.post(&metro, "01/Z304", sent).await;
        assert_eq!((&again.data()["replay"], statuses(&again)), (&json!(true), vec!["RECEIVED"]));
        let points = async || door.post(&mall, "02/Z402", json!({"ccid": visitor})).await;
        assert_eq!(points().await.data()["availablePoints"], 9);
        let pay = json!({"serial": "s", "orderNo": "o", "ccid": visitor, "action": "PAY",
            "points": 6});
        door.post(&mall, "02/Z303", pay).await.data();
        let ended = batch("b3", &[], &[void("v1", &ccid, "r1"), void("v2", &ccid, "nothing")]);
        let receipt = door.post(&metro, "01/Z304", ended).await;
        assert_eq!(statuses(&receipt), ["RECEIVED", "REFUSED"]);
        assert_eq!(receipt.data()["verdicts"][1]["reason"], "UNKNOWN_RECORD");
        assert_eq!(record(&door, &metro, "v1", "APPLIED").await["voids"], "r1");
        assert_eq!(record(&door, &metro, "c1", "VOIDED").await["amendedBy"], "v1");
        let owed = points().await;
        assert_eq!(
            (&owed.data()["availablePoints"], &owed.data()["owedPoints"]),
            (&json!(0), &json!(6))
        );
        let totals = door.post(&metro, "01/Z501", whose.clone()).await;
        let told =
            ["pendingGrams", "issuedGrams", "voidedGrams"].map(|name| totals.data()[name].clone());
        assert_eq!(told, [json!(0), json!(0), json!(205)]);
        let bill = door.post(&metro, "01/Z502", whose).await;
        let entries = bill.data()["entries"].as_array().unwrap();
        let kinds: Vec<&Value> = entries.iter().map(|entry| &entry["kind"]).take(3).collect();
        assert_eq!(kinds, ["ISSUED_VOIDED", "PENDING_VOIDED", "SUBMITTED"]);
        assert_eq!(entries[0]["serial"], "v1");
    });
}

#[test]
fn what_cannot_be_amended_is_refused_and_told() {
    with_door(100_000, async |door: Door| {
        let (metro, ccid) = issued(&door, "31010119900101001X").await;
        let stranger = door.lit("31010119900101002X", "metro", "rail").await.ccid.to_string();
        let mut elsewhere = void("v2", &ccid, "r1");
        elsewhere["scene"] = json!("car");
        let rows = [void("v1", &stranger, "r1"), elsewhere];
        let receipt = door.post(&metro, "01/Z304", batch("b2", &[], &rows)).await;
        assert_eq!(statuses(&receipt), ["RECEIVED", "RECEIVED"]);
        let refused = record(&door, &metro, "v1", "REFUSED").await;
        assert_eq!(refused["reason"], "NOT_AMENDABLE");
        assert_eq!(record(&door, &metro, "v2", "REFUSED").await["reason"], "AMENDMENT_MISMATCH");
        assert_eq!(record(&door, &metro, "r1", "ISSUED").await["reductionGrams"], 92);
        // Another application's serial is one that does not exist.
        let bus = door.caller("bus").await;
        let foreign = json!({"serial": "v", "ccid": ccid, "scene": "bus-rail", "voids": "r1"});
        let receipt = door.post(&bus, "01/Z304", batch("b", &[], &[foreign])).await;
        assert_eq!(receipt.data()["verdicts"][0]["reason"], "UNKNOWN_CCID");
        let own = door.lit("31010119900101003X", "bus", "bus-rail").await.ccid;
        let foreign = json!({"serial": "w", "ccid": own, "scene": "bus-rail", "voids": "r1"});
        let receipt = door.post(&bus, "01/Z304", batch("c", &[], &[foreign])).await;
        assert_eq!(receipt.data()["verdicts"][0]["reason"], "UNKNOWN_RECORD");
        let none = door.post(&metro, "01/Z304", batch("b9", &[], &[])).await;
        none.refused("40003", "records", "neither records nor voids");
    });
}

#[test]
fn a_car_is_corrected_under_its_own_claim_and_a_negative_sum_says_so() {
    with_door(100_000, async |door: Door| {
        let ccid = door.lit("31010119900101001X", "metro", "car").await.ccid.to_string();
        door.clock.advance_ms(36 * 3_600_000);
        let metro = door.caller("metro").await;
        let car = |serial: &str, energy: u64, grams: u64| {
            json!({"serial": serial, "ccid": ccid, "scene": "car", "reductionGrams": grams,
                "behaviour": {"electricCar": {"vehicleHash": "v", "periodStart": "2026-11-25",
                    "periodEnd": "2026-11-25", "distanceMetres": 10_000, "energyWh": energy}}})
        };
        let first = batch("b1", &[car("r1", 1000, 1680)], &[]);
        assert_eq!(statuses(&door.post(&metro, "01/Z304", first).await), ["RECEIVED"]);
        record(&door, &metro, "r1", "SUBMITTED").await;
        // 2,100 g of fuel are less than 10 kWh of the grid: it counts as zero, and says so.
        let mut worse = car("c1", 10_000, 0);
        worse["corrects"] = json!("r1");
        let receipt = door.post(&metro, "01/Z304", batch("b2", &[worse], &[])).await;
        assert_eq!(statuses(&receipt), ["RECEIVED"]);
        assert_eq!(receipt.data()["verdicts"][0]["negative"], true);
        assert_eq!(record(&door, &metro, "c1", "SUBMITTED").await["reductionGrams"], 0);
        // The vehicle's day stays claimed by the first record.
        let receipt =
            door.post(&metro, "01/Z304", batch("b3", &[car("r2", 1000, 1680)], &[])).await;
        assert_eq!(receipt.data()["verdicts"][0]["reason"], "RESOURCE_CLAIMED");
    });
}

#[test]
fn what_was_issued_of_a_record_stays_when_the_account_is_closed() {
    with_door(100_000, async |door: Door| {
        let (metro, ccid) = issued(&door, "31010119900101001X").await;
        let sent = batch("b2", &[correction("c1", &ccid, "r1")], &[]);
        door.post(&metro, "01/Z304", sent).await.data();
        assert_eq!(record(&door, &metro, "c1", "SUBMITTED").await["reductionGrams"], 205);
        let whose = json!({"appId": "metro", "ccid": ccid});
        door.operate("POST", "/admin/v1/accounts/close", whose).await.data();
        assert_eq!(record(&door, &metro, "c1", "ISSUED").await["reductionGrams"], 92);
    });
}
