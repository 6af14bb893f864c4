//! Issuance at the door: what one operator prepares, another sees and approves, whole or in part.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Door, with_door};

/// A trip of a citizen on a scene of an application: 92 grams.
fn trip(serial: &str, ccid: &str, scene: &str, minute: u32) -> Value {
    json!({
        "serial": serial, "ccid": ccid, "scene": scene, "reductionGrams": 92,
        "behaviour": {"rail": {
            "inStation": "E01", "outStation": "E02",
            "inTime": format!("2026-11-24T12:{minute:02}:00+08:00"),
            "outTime": format!("2026-11-24T12:{:02}:00+08:00", minute + 5),
        }},
    })
}

impl Door {
    /// Submits trips, and waits until all are pending.
    pub(super) async fn pending(&self, app: &'static str, batch: &str, records: Vec<Value>) {
        let caller = self.caller(app).await;
        let body = json!({"batchSerial": batch, "records": records});
        let receipt = self.post(&caller, "01/Z304", body).await;
        assert_eq!(receipt.data()["refused"], 0, "{}", receipt.json);
        for _ in 0..500 {
            let answer = self.post(&caller, "01/Z306", json!({"batchSerial": batch})).await;
            let records = answer.data()["records"].as_array().unwrap();
            if records.iter().all(|record| record["status"] == "SUBMITTED") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{batch} did not become pending");
    }

    /// Adopts the test's policy with what differs.
    pub(super) async fn adopt(&self, version: u32, differs: Value) {
        let mut policy = serde_json::to_value(super::policy()).unwrap();
        policy["version"] = json!(version);
        for (name, value) in differs.as_object().unwrap() {
            policy[name] = value.clone();
        }
        self.operate("POST", "/admin/v1/policies", policy).await.data();
    }

    /// A run when it has finished.
    pub(super) async fn finished(&self, run: u32) -> Value {
        for _ in 0..500 {
            let path = format!("/admin/v1/issuance-runs/{run}");
            let answer = self.operate("GET", &path, Value::Null).await;
            if answer.data()["status"] == "FINISHED" {
                return answer.data().clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("run {run} did not end");
    }
}

#[test]
fn a_run_is_prepared_seen_and_approved_in_part_by_another() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101001X";
        let rail = door.lit(id_no, "metro", "rail").await.ccid.to_string();
        let bus = door.lit(id_no, "bus", "bus-rail").await.ccid.to_string();
        door.clock.advance_ms(3_600_000);
        let trips = vec![trip("r1", &rail, "rail", 10), trip("r2", &rail, "rail", 20)];
        door.pending("metro", "b1", trips).await;
        door.pending("bus", "b2", vec![trip("r3", &bus, "bus-rail", 40)]).await;
        door.adopt(2, json!({"four_eyes": true})).await;
        let (li, wang) = (door.enrol("li", "operator").await, door.enrol("wang", "approver").await);
        let runs = "/admin/v1/issuance-runs";
        let wish = json!({"serial": "run-1", "through": "2026-11-24"});
        let alone = door.operate("POST", runs, wish.clone()).await;
        alone.refused("40302", "", "one person alone");
        let prepare = "/admin/v1/issuance-runs/prepare";
        let prepared = door.operate_as(&li, "POST", prepare, wish.clone()).await;
        assert_eq!(prepared.data()["status"], "PREPARED", "{}", prepared.json);
        let seen =
            door.operate_as(&wang, "GET", "/admin/v1/issuance-runs/1/preview", Value::Null).await;
        assert_eq!((&seen.data()["accounts"], &seen.data()["records"]), (&json!(1), &json!(3)));
        assert_eq!(seen.data()["reductionGrams"], 276);
        let lines = seen.data()["lines"].as_array().unwrap();
        let line = |at: usize| (lines[at]["scene"].clone(), lines[at]["reductionGrams"].clone());
        assert_eq!(
            (line(0), line(1)),
            ((json!("rail"), json!(184)), (json!("bus-rail"), json!(92)))
        );
        let approve = "/admin/v1/issuance-runs/1/approve";
        let own = door.operate_as(&li, "POST", approve, json!({})).await;
        own.refused("40301", "", "an operator approves");
        let part = json!({"scenes": ["rail"], "excluded": [{"appId": "metro", "serial": "r2"}]});
        let approved = door.operate_as(&wang, "POST", approve, part.clone()).await;
        assert_eq!(approved.data()["approvedBy"], "wang", "{}", approved.json);
        let run = door.finished(1).await;
        assert_eq!((&run["records"], &run["refused"]), (&json!(1), &json!(1)));
        assert_eq!((&run["reductionGrams"], &run["scenes"]), (&json!(92), &json!(["rail"])));
        assert_eq!((&run["preparedBy"], &run["approvedBy"]), (&json!("li"), &json!("wang")));
        // What was left out waits for the next one.
        let next = json!({"serial": "run-2", "through": "2026-11-24"});
        door.operate_as(&li, "POST", prepare, next).await.data();
        let seen = door.operate("GET", "/admin/v1/issuance-runs/2/preview", Value::Null).await;
        assert_eq!(seen.data()["reductionGrams"], 92);
        let withdraw = "/admin/v1/issuance-runs/2/withdraw";
        let withdrawn = door.operate_as(&wang, "POST", withdraw, json!({})).await;
        assert_eq!(withdrawn.data()["status"], "WITHDRAWN");
        let late = door.operate("POST", "/admin/v1/issuance-runs/2/approve", json!({})).await;
        late.refused("40924", "", "a withdrawn run");
        let all = door.operate("GET", "/admin/v1/issuance-runs?limit=1", Value::Null).await;
        assert_eq!(all.data()["runs"][0]["run"], 2);
        let path = format!("{runs}?limit=1&cursor={}", all.data()["cursor"].as_str().unwrap());
        let rest = door.operate("GET", &path, Value::Null).await;
        assert_eq!(rest.data()["runs"][0]["run"], 1);
    });
}

#[test]
fn runs_that_cannot_be_are_refused_with_their_field() {
    with_door(100_000, async |door: Door| {
        door.adopt(2, json!({"issuance_cycle": "month"})).await;
        let prepare = "/admin/v1/issuance-runs/prepare";
        let wish = |through: &str| json!({"serial": "run", "through": through});
        let early = door.operate("POST", prepare, wish("2026-11-30")).await;
        early.refused("40003", "through", "a month that is not over");
        let mut scene = wish("2026-10-31");
        scene["scenes"] = json!(["rail", "nowhere"]);
        let unknown = door.operate("POST", prepare, scene).await;
        unknown.refused("40403", "scenes[1]", "a scene that is none");
        door.operate("POST", prepare, wish("2026-10-31")).await.data();
        for (path, code) in [("1/approve", "0"), ("9/approve", "40401"), ("x/approve", "40401")] {
            let path = format!("/admin/v1/issuance-runs/{path}");
            let answer = door.operate("POST", &path, json!({})).await;
            assert_eq!(answer.code(), code, "{path}: {}", answer.json);
        }
    });
}
