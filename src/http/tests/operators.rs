//! Operators at the door: each role's duties, keys that come and go, and the audit log of it all.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{Answered, Door, OPERATOR, with_door};

impl Door {
    /// What an operator with this key is answered.
    pub(super) async fn operate_as(
        &self,
        key: &str,
        method: &'static str,
        path: &str,
        body: Value,
    ) -> Answered {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.ask(request).await
    }

    /// Enrols an operator; the key.
    pub(super) async fn enrol(&self, id: &str, role: &str) -> String {
        let body = json!({"id": id, "role": role});
        let answer = self.operate("POST", "/admin/v1/operators", body).await;
        answer.data()["key"].as_str().unwrap().to_owned()
    }
}

fn partner(id: &str) -> Value {
    json!({"id": id, "name": id})
}

#[test]
fn every_role_does_its_own_and_nothing_else() {
    with_door(100_000, async |door: Door| {
        let policy = serde_json::to_value(super::policy()).unwrap();
        let enrol = || json!({"id": "mallory", "role": "administrator"});
        for (role, reads, declares, approves) in [
            ("viewer", true, false, false),
            ("operator", true, true, false),
            ("approver", true, false, true),
        ] {
            let key = door.enrol(role, role).await;
            let told = |answer: Answered| match answer.code() {
                "40301" => false,
                "0" => true,
                other => panic!("{role}: {other} {}", answer.json),
            };
            let read = door.operate_as(&key, "GET", "/admin/v1/scenes", Value::Null).await;
            assert_eq!(told(read), reads, "{role} reads");
            let declared = door.operate_as(&key, "POST", "/admin/v1/partners", partner("p")).await;
            assert_eq!(told(declared), declares, "{role} declares");
            let adopted = door.operate_as(&key, "POST", "/admin/v1/policies", policy.clone()).await;
            assert_eq!(told(adopted), approves, "{role} adopts");
            let enrolled = door.operate_as(&key, "POST", "/admin/v1/operators", enrol()).await;
            assert!(!told(enrolled), "{role} enrols");
        }
        let all = door.operate("GET", "/admin/v1/operators", Value::Null).await;
        let ids = all.data()["operators"].as_array().unwrap().iter();
        let ids: Vec<&str> = ids.map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["approver", "operator", "viewer"]);
        assert!(!all.json.to_string().contains("keySm3"), "digests are nobody's matter");
    });
}

#[test]
fn a_key_ends_with_its_rotation_and_its_holder() {
    with_door(100_000, async |door: Door| {
        let first = door.enrol("li", "operator").await;
        let again = json!({"id": "li", "role": "operator"});
        let taken = door.operate("POST", "/admin/v1/operators", again).await;
        taken.refused("40918", "id", "an id that is taken");
        let rotated = door.operate("POST", "/admin/v1/operators/li/rotate", json!({})).await;
        let second = rotated.data()["key"].as_str().unwrap().to_owned();
        assert_ne!(first, second);
        let path = "/admin/v1/scenes";
        let old = door.operate_as(&first, "GET", path, Value::Null).await;
        old.refused("40106", "authorization", "the key before");
        door.operate_as(&second, "GET", path, Value::Null).await.data();
        let revoked = door.operate("POST", "/admin/v1/operators/li/revoke", json!({})).await;
        assert_eq!(revoked.data()["replay"], false);
        let gone = door.operate_as(&second, "GET", path, Value::Null).await;
        gone.refused("40106", "authorization", "a key whose holder has gone");
        let nobody = door.operate("POST", "/admin/v1/operators/zhao/rotate", json!({})).await;
        nobody.refused("40401", "id", "nobody");
    });
}

#[test]
fn the_audit_log_tells_who_did_what_and_what_came_of_it() {
    with_door(100_000, async |door: Door| {
        let li = door.enrol("li", "operator").await;
        door.operate_as(&li, "POST", "/admin/v1/partners", partner("acme")).await.data();
        let other = json!({"id": "acme", "name": "another"});
        let conflict = door.operate_as(&li, "POST", "/admin/v1/partners", other).await;
        let malformed = door.operate_as(&li, "POST", "/admin/v1/partners", json!({"x": 1})).await;
        let forbidden = door.operate_as(&li, "POST", "/admin/v1/operators", partner("p")).await;
        door.operate_as(&li, "GET", "/admin/v1/scenes", Value::Null).await.data();
        door.operate_as("nobody's", "POST", "/admin/v1/partners", partner("q")).await;
        let log = door.operate("GET", "/admin/v1/audit?operator=li", Value::Null).await;
        let acts = log.data()["acts"].as_array().unwrap();
        let told = |act: &Value| {
            let text = |name: &str| act[name].as_str().unwrap_or("-").to_owned();
            (text("act"), text("about"), text("outcome"))
        };
        let line = |act: &str, about: &str, outcome: &str| {
            (act.to_owned(), about.to_owned(), outcome.to_owned())
        };
        let expected = [
            line("POST /admin/v1/partners", "acme", "0"),
            line("POST /admin/v1/partners", "acme", "40918"),
            line("POST /admin/v1/partners", "-", malformed.code()),
            line("POST /admin/v1/operators", "-", "40301"),
        ];
        assert_eq!(acts.iter().map(told).collect::<Vec<_>>(), expected);
        for (act, answer) in acts[1..].iter().zip([&conflict, &malformed, &forbidden]) {
            assert_eq!(act["requestId"], answer.json["requestId"]);
        }
        assert!(!log.json.to_string().contains(&li), "a key is in the log");
        assert!(!log.json.to_string().contains(OPERATOR), "the key file is in the log");
    });
}

#[test]
fn the_audit_log_is_read_by_time_and_page_by_page() {
    with_door(100_000, async |door: Door| {
        let before = door.platform.now().unwrap();
        door.clock.advance_ms(60_000);
        for number in 0..5 {
            let body = partner(&format!("late-{number}"));
            door.operate("POST", "/admin/v1/partners", body).await.data();
        }
        let from = serde_json::to_value(door.platform.now().unwrap()).unwrap();
        let from = from.as_str().unwrap().replace('+', "%2B");
        let question = format!("/admin/v1/audit?from={from}&limit=2");
        let (mut path, mut seen) = (question.clone(), Vec::new());
        loop {
            let page = door.operate("GET", &path, Value::Null).await;
            let acts = page.data()["acts"].as_array().unwrap().iter();
            seen.extend(acts.map(|act| act["about"].as_str().unwrap().to_owned()));
            let Some(cursor) = page.data()["cursor"].as_str() else { break };
            path = format!("{question}&cursor={cursor}");
        }
        let expected: Vec<String> = (0..5).map(|number| format!("late-{number}")).collect();
        assert_eq!(seen, expected);
        let to = serde_json::to_value(before.plus_ms(1)).unwrap();
        let to = to.as_str().unwrap().replace('+', "%2B");
        let path = format!("/admin/v1/audit?to={to}");
        let early = door.operate("GET", &path, Value::Null).await;
        let early = early.data()["acts"].as_array().unwrap();
        assert!(!early.is_empty() && early.iter().all(|act| act["operator"] == "root"));
        let other = format!("{question}&cursor=made-up");
        let refused = door.operate("GET", &other, Value::Null).await;
        refused.refused("40004", "cursor", "a cursor of nobody's");
    });
}
