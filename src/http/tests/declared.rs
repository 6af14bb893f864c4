//! What was declared, listed; partners that are suspended; policies that count from their day.

use serde_json::{Value, json};

use super::{Door, with_door};

#[test]
fn partners_are_listed_and_suspended_with_all_their_applications() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        let suspend = |suspended: bool| json!({"suspended": suspended});
        let path = "/admin/v1/partners/metro-co/suspend";
        for (suspended, code) in [(true, "40102"), (false, "0")] {
            let done = door.operate("POST", path, suspend(suspended)).await;
            assert_eq!(done.data()["replay"], false);
            let list = door.operate("GET", "/admin/v1/partners", Value::Null).await;
            let partners = list.data()["partners"].as_array().unwrap();
            let found = partners.iter().find(|one| one["id"] == "metro-co").unwrap();
            assert_eq!((&found["suspended"], partners.len()), (&json!(suspended), 3));
            let answer = door.post(&metro, "Z201", json!({"scenes": ["rail"]})).await;
            assert_eq!(answer.code(), code, "{}", answer.json);
        }
        let nobody = door.operate("POST", "/admin/v1/partners/x/suspend", suspend(true)).await;
        nobody.refused("40401", "id", "nobody");
        let all = door.operate("GET", "/admin/v1/agreements", Value::Null).await;
        let ids = all.data()["agreements"].as_array().unwrap().iter();
        let ids: Vec<&str> = ids.map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["mall", "rail", "user"]);
    });
}

#[test]
fn a_policy_takes_effect_at_its_date_and_never_rewrites_the_past() {
    with_door(100_000, async |door: Door| {
        door.adopt(1, json!({})).await;
        door.adopt(2, json!({"effective": "2026-11-01", "grams_per_point": 1})).await;
        door.adopt(3, json!({"effective": "2026-11-26"})).await;
        let in_force = async || {
            let list = door.operate("GET", "/admin/v1/policies", Value::Null).await;
            let all = list.data()["policies"].as_array().unwrap();
            let now = all.iter().find(|one| one["inForce"] == true).unwrap();
            now["policy"]["version"].as_u64().unwrap()
        };
        let list = door.operate("GET", "/admin/v1/policies", Value::Null).await;
        let from: Vec<&str> = list.data()["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["countsFrom"].as_str().unwrap())
            .collect();
        // One says November 1st, and counts from the day it was adopted.
        assert_eq!(from, ["2024-01-01", "2026-11-24", "2026-11-26"]);
        assert_eq!(in_force().await, 2);
        door.clock.advance_ms(2 * 24 * 3_600_000);
        assert_eq!(in_force().await, 3);
        let mut other = serde_json::to_value(super::policy()).unwrap();
        other["grams_per_point"] = json!(7);
        let conflict = door.operate("POST", "/admin/v1/policies", other).await;
        conflict.refused("40918", "version", "a version with other numbers");
    });
}

#[test]
fn a_policy_of_numbers_that_cannot_be_meant_is_refused() {
    with_door(100_000, async |door: Door| {
        let cap = |scene: &str| json!({"scene": scene, "grams": 1});
        for (field, value, named) in [
            ("grams_per_point", json!(0), "grams_per_point"),
            ("points_months", json!(121), "points_months"),
            ("acceptance_days", json!(0), "acceptance_days"),
            ("freeze_seconds", json!(0), "freeze_seconds"),
            ("source", json!(""), "source"),
            ("version", json!(0), "version"),
            ("issuance_cycle", json!("century"), "issuance_cycle"),
            ("daily_caps", json!([cap("rail"), cap("car"), cap("rail")]), "daily_caps[2].scene"),
        ] {
            let mut policy = serde_json::to_value(super::policy()).unwrap();
            policy[field] = value;
            let refused = door.operate("POST", "/admin/v1/policies", policy).await;
            assert_eq!(refused.status, 400 + 9 * u16::from(field == "daily_caps"), "{field}");
            assert_eq!(refused.field(), named, "{}", refused.json);
        }
    });
}

#[test]
fn a_cap_counts_for_trips_of_its_days_whenever_they_are_reported() {
    with_door(100_000, async |door: Door| {
        let ccid = door.lit("31010119900101001X", "metro", "rail").await.ccid.to_string();
        let trip = |serial: &str, day: u8, minute: u8| {
            json!({
                "serial": serial, "ccid": ccid, "scene": "rail", "reductionGrams": 92,
                "behaviour": {"rail": {
                    "inStation": "E01", "outStation": "E02",
                    "inTime": format!("2026-11-{day}T12:{minute}:00+08:00"),
                    "outTime": format!("2026-11-{day}T12:{}:00+08:00", minute + 5),
                }},
            })
        };
        door.adopt(1, json!({})).await;
        let caps = json!([{"scene": "rail", "grams": 50}]);
        door.adopt(2, json!({"effective": "2026-11-25", "daily_caps": caps})).await;
        door.clock.advance_ms(3_600_000);
        door.pending("metro", "before", vec![trip("r1", 24, 10)]).await;
        door.clock.advance_ms(24 * 3_600_000);
        let later = vec![trip("r2", 25, 10), trip("r3", 24, 30)];
        door.pending("metro", "after", later).await;
        let metro = door.caller("metro").await;
        let serials = json!({"recordSerials": ["r1", "r2", "r3"]});
        let answer = door.post(&metro, "01/Z306", serials).await;
        let records = answer.data()["records"].as_array().unwrap().iter();
        let grams: Vec<u64> =
            records.map(|record| record["reductionGrams"].as_u64().unwrap()).collect();
        // Reported late, a trip of the day before is still of the day before.
        assert_eq!(grams, [92, 50, 92]);
    });
}

#[test]
fn a_scene_is_prolonged_and_gets_another_route() {
    with_door(100_000, async |door: Door| {
        let path = "/admin/v1/scenes/rail/amend";
        let change = json!({"activeTo": "2031-12-31", "moreAppIds": ["bus"]});
        for replay in [false, true] {
            let amended = door.operate("POST", path, change.clone()).await;
            assert_eq!(amended.data()["replay"], replay);
        }
        let list = door.operate("GET", "/admin/v1/scenes", Value::Null).await;
        let scene = &list.data()["scenes"][0];
        assert_eq!((&scene["scene"], &scene["activeTo"]), (&json!("rail"), &json!("2031-12-31")));
        assert_eq!(scene["appIds"], json!(["metro", "bus"]));
        for (path, change, code, field) in [
            (path, json!({"activeTo": "2026-11-23"}), "40003", "activeTo"),
            (path, json!({"moreAppIds": ["mall"]}), "40401", "moreAppIds"),
            (path, json!({"moreAppIds": ["x"]}), "40401", "moreAppIds[0]"),
            (path, json!({"name": ""}), "40003", "name"),
            ("/admin/v1/scenes/x/amend", json!({}), "40403", "scene"),
        ] {
            let what = change.to_string();
            door.operate("POST", path, change).await.refused(code, field, &what);
        }
    });
}
