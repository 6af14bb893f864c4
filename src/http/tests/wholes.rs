//! Whole stories: submit, issue, ask; freeze, confirm, refund; the documents.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use super::{Caller, Door, Sending, with_door};

pub(super) fn trip(serial: &str, ccid: &str, minute: u32, grams: u64) -> Value {
    json!({
        "serial": serial, "ccid": ccid, "scene": "rail", "reductionGrams": grams,
        "behaviour": {"rail": {
            "inStation": "E01", "outStation": "E02",
            "inTime": format!("2026-11-24T12:{minute:02}:00+08:00"),
            "outTime": format!("2026-11-24T12:{:02}:00+08:00", minute + 5),
        }},
    })
}

pub(super) async fn results(door: &Door, metro: &Caller, question: Value, status: &str) -> Value {
    for _ in 0..500 {
        let answer = door.post(metro, "01/Z306", question.clone()).await;
        if answer.data()["records"][0]["status"] == status {
            return answer.data().clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the first row never became {status}");
}

/// Lights, submits and issues: the citizen has 92 grams, 9 points.
pub(super) async fn issued(door: &Door, id_no: &str) -> (Caller, String) {
    let citizen = door.lit(id_no, "metro", "rail").await;
    let ccid = citizen.ccid.to_string();
    door.clock.advance_ms(3_600_000);
    let metro = door.caller("metro").await;
    // E01 to E02 is 1300 m: 1300 × 71 ÷ 1000 = 92.3 g, rounded down.
    let body = json!({"batchSerial": "b1", "records": [
        trip("r1", &ccid, 10, 92), trip("r2", &ccid, 30, 99), trip("r1", &ccid, 10, 92),
    ]});
    let answer = door.post(&metro, "01/Z304", body.clone()).await;
    let receipt = answer.data();
    assert_eq!((&receipt["received"], &receipt["refused"]), (&json!(1), &json!(2)), "{receipt}");
    assert_eq!(receipt["verdicts"][1]["reason"], "GRAMS_MISMATCH");
    assert_eq!(receipt["verdicts"][2]["reason"], "DUPLICATE");
    results(door, &metro, json!({"batchSerial": "b1"}), "SUBMITTED").await;
    let again = door.post(&metro, "01/Z304", body.clone()).await;
    assert_eq!(again.data()["replay"], true);
    assert_eq!(again.data()["verdicts"], receipt["verdicts"]);
    let mut other = body;
    other["records"][0]["reductionGrams"] = json!(91);
    let conflict = door.post(&metro, "01/Z304", other).await;
    conflict.refused("40901", "batchSerial", "same serial, other content");
    let run = json!({"serial": "run-1", "through": "2026-11-24"});
    let started = door.operate("POST", "/admin/v1/issuance-runs", run.clone()).await;
    assert_eq!(started.data()["run"], 1);
    results(door, &metro, json!({"recordSerials": ["r1"]}), "ISSUED").await;
    let answer = door.operate("GET", "/admin/v1/issuance-runs/1", Value::Null).await;
    assert_eq!(answer.data()["reductionGrams"], 92, "{}", answer.json);
    (metro, ccid)
}

#[test]
fn what_is_submitted_is_issued_and_told() {
    with_door(100_000, async |door: Door| {
        let (metro, ccid) = issued(&door, "31010119900101001X").await;
        let whose = json!({"ccid": ccid});
        let totals = door.post(&metro, "01/Z501", whose.clone()).await;
        assert_eq!(totals.data()["issuedGrams"], 92);
        assert_eq!(totals.data()["byScene"][0]["scene"], "rail");
        let bill = door.post(&metro, "01/Z502", whose.clone()).await;
        let kinds: Vec<&str> = bill.data()["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["ISSUED", "SUBMITTED"]);
        assert_eq!(bill.data()["entries"][1]["serial"], "r1");
        let first = door.post(&metro, "01/Z502", json!({"ccid": ccid, "limit": 1})).await;
        let cursor = first.data()["cursor"].clone();
        let next = json!({"ccid": ccid, "limit": 1, "cursor": cursor});
        let second = door.post(&metro, "01/Z502", next).await;
        assert_eq!(second.data()["entries"][0]["kind"], "SUBMITTED");
        assert!(second.data()["cursor"].is_null());
        let lit = door.post(&metro, "01/Z504", whose.clone()).await;
        assert_eq!(lit.data()["scenes"][0]["scene"], "rail");
        let consents = door.post(&metro, "01/Z204", whose).await;
        assert_eq!(consents.data()["authorizations"][0]["status"], "LIT");
        let by_time = json!({"from": "2026-11-24T00:00:00+08:00",
            "to": "2026-11-25T00:00:00+08:00", "limit": 2});
        let page = door.post(&metro, "01/Z306", by_time.clone()).await;
        assert_eq!(page.data()["records"].as_array().unwrap().len(), 2);
        let mut rest = by_time;
        rest["cursor"] = page.data()["cursor"].clone();
        let page = door.post(&metro, "01/Z306", rest).await;
        assert_eq!(page.data()["records"].as_array().unwrap().len(), 1);
        assert!(page.data()["cursor"].is_null());
    });
}

#[test]
fn orders_are_definite_and_remembered() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101001X";
        issued(&door, id_no).await;
        let ccid = door.linked(id_no, "mall").await.ccid.to_string();
        let mall = door.caller("mall").await;
        let points = door.post(&mall, "02/Z402", json!({"ccid": ccid})).await;
        assert_eq!(points.data()["availablePoints"], 9);
        let order = |serial: &str, action: &str, points: Option<u64>| {
            json!({"serial": serial, "orderNo": "o1", "ccid": ccid, "action": action,
                "points": points})
        };
        let act = async |body: Value| door.post(&mall, "02/Z303", body).await;
        let too_much = act(order("s0", "FREEZE", Some(10))).await;
        too_much.refused("40904", "points", "more than there is");
        assert_eq!(too_much.json["retryable"], false);
        assert_eq!(too_much.json["detail"], "availablePoints: 9");
        let frozen = act(order("s1", "FREEZE", Some(6))).await;
        assert_eq!(frozen.data()["status"], "FROZEN");
        assert_eq!(frozen.data()["heldPoints"], 6);
        let again = act(order("s1", "FREEZE", Some(6))).await;
        assert_eq!(again.data()["replay"], true);
        act(order("s1", "FREEZE", Some(5))).await.refused("40901", "serial", "other content");
        assert_eq!(act(order("s2", "CONFIRM", None)).await.data()["status"], "CAPTURED");
        act(order("s3", "REFUND", Some(7))).await.refused("40906", "points", "too large");
        let refunded = act(order("s4", "REFUND", Some(2))).await;
        assert_eq!(refunded.data()["refundedPoints"], 2);
        assert_eq!(refunded.data()["availablePoints"], 5);
        let bill = door.post(&mall, "02/Z403", json!({"ccid": ccid})).await;
        let entries = bill.data()["entries"].as_array().unwrap();
        assert_eq!(entries[0]["kind"], "POINTS_REFUNDED", "{entries:?}");
        assert_eq!(entries[0]["orderNo"], "o1");
        assert!(entries.iter().all(|entry| entry["kind"] != "SUBMITTED"));
        let path = "/admin/v1/settlements?appId=mall&from=2026-11-24&to=2026-11-24";
        let settled = door.operate("GET", path, Value::Null).await;
        assert_eq!(settled.data()["netPoints"], 4, "{}", settled.json);
    });
}

#[test]
fn the_dictionary_is_paged_zipped_and_spared() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        let get = |path: &str, extra: Vec<(&'static str, String)>| Sending {
            extra,
            ..Sending::new(&metro, "GET", path, Vec::new())
        };
        let first = door.send(&metro, &get("/api/v1/01/Z301?limit=2", Vec::new())).await;
        assert_eq!(first.data()["pairs"].as_array().unwrap().len(), 2);
        let tag = first.headers[header::ETAG].to_str().unwrap().to_owned();
        let cursor = first.data()["cursor"].as_str().unwrap();
        let path = format!("/api/v1/01/Z301?limit=2&cursor={cursor}");
        let second = door.send(&metro, &get(&path, Vec::new())).await;
        assert_eq!(second.data()["pairs"].as_array().unwrap().len(), 1);
        assert!(second.data()["cursor"].is_null());
        let pair = door.send(&metro, &get("/api/v1/01/Z301?from=E02&to=E01", Vec::new())).await;
        assert_eq!(pair.data()["pairs"][0]["distanceMetres"], 1300);
        let known = get("/api/v1/01/Z301", vec![("if-none-match", tag)]);
        assert_eq!(door.send(&metro, &known).await.status, 304);
        let sending = get("/api/v1/01/Z301", vec![("accept-encoding", "gzip".into())]);
        let string = carbon_protocol::signature::request_string(
            "GET",
            &sending.path,
            door.platform.now().unwrap().0,
            &sending.nonce,
            b"",
        );
        let sign = carbon_protocol::signature::sign(Default::default(), &metro.key, &string);
        let request = Request::builder()
            .uri(&sending.path)
            .header("x-app-id", "metro")
            .header("x-timestamp", door.platform.now().unwrap().0)
            .header("x-nonce", &sending.nonce)
            .header("x-sign", sign)
            .header("authorization", format!("Bearer {}", metro.token))
            .header("accept-encoding", "gzip")
            .body(Body::empty());
        let answer =
            tower::ServiceExt::oneshot(door.router.clone(), request.unwrap()).await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    });
}

#[test]
fn agreements_links_and_sums_are_told() {
    with_door(100_000, async |door: Door| {
        let (metro, mall) = (door.caller("metro").await, door.caller("mall").await);
        let ids = |answer: &super::Answered| -> Vec<String> {
            let all = answer.data()["agreements"].as_array().unwrap();
            all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        let answer = door.post(&metro, "Z201", json!({"scenes": ["rail"]})).await;
        assert_eq!(ids(&answer), ["user", "rail"]);
        assert_eq!(ids(&door.post(&mall, "Z201", json!({})).await), ["user", "mall"]);
        let entry = json!({"page": "light", "scenes": ["rail"], "ccid": "c-1",
            "realNameVerified": true, "returnUrl": "https://partner.example/back", "state": "s"});
        let answer = door.post(&metro, "Z102", entry).await;
        let url = answer.data()["url"].as_str().unwrap();
        assert!(url.starts_with("https://carbon.example/h5/enter?ticket="), "{url}");
        assert_eq!(answer.data()["expiresInSeconds"], 300);
        let question = trip("r", "c", 10, 0);
        let question = json!({"scene": "rail", "behaviour": question["behaviour"]});
        let sum = door.post(&metro, "01/Z302", question.clone()).await;
        assert_eq!(sum.data()["reductionGrams"], 92);
        assert_eq!(sum.data()["verified"], false);
        let mut foreign = question.clone();
        foreign["scene"] = json!("bus-rail");
        let rows = json!({"rows": [question, foreign]});
        let answer = door.post(&metro, "01/Z303", rows).await;
        assert_eq!(answer.data()["rows"][0]["computed"]["reductionGrams"], 92);
        assert_eq!(answer.data()["rows"][1]["reason"], "UNKNOWN_SCENE");
    });
}

#[test]
fn a_push_address_is_verified_by_its_challenge() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = axum::Router::new()
            .route("/good", axum::routing::post(async |body: String| body))
            .route("/bad", axum::routing::post(async || "{\"challenge\":\"guess\"}"));
        tokio::spawn(async { axum::serve(listener, server).await });
        let set = |path: &str| json!({"set": {"kind": "Z203", "url": format!("{base}{path}")}});
        let bad = door.post(&metro, "01/Z601", set("/bad")).await;
        bad.refused("40008", "set.url", "a guess");
        let answer = door.post(&metro, "01/Z601", set("/good")).await;
        let address = &answer.data()["addresses"][0];
        assert_eq!(address["url"], format!("{base}/good"), "{address}");
        let pause = json!({"pause": {"kind": "Z203", "paused": true}});
        let answer = door.post(&metro, "01/Z601", pause).await;
        assert_eq!(answer.data()["addresses"][0]["paused"], true);
        let pushes = door.operate("GET", "/admin/v1/pushes?appId=metro", Value::Null).await;
        assert_eq!(pushes.data()["kinds"][0]["paused"], true);
    });
}

#[test]
fn the_document_has_every_route_of_the_table() {
    with_door(100_000, async |door: Door| {
        let request = Request::builder().uri("/openapi.json").body(Body::empty()).unwrap();
        let document = door.ask(request).await.json;
        assert!(
            document["openapi"].as_str().unwrap().starts_with("3.1"),
            "{}",
            document["openapi"]
        );
        let paths = document["paths"].as_object().unwrap();
        let table = super::super::routes::table().into_openapi();
        let served = paths.keys().filter(|path| !path.starts_with("/h5/")).count();
        assert_eq!(served, table.paths.paths.len());
        for code in [
            "Z101", "Z102", "Z201", "noop", "01/Z204", "01/Z301", "01/Z302", "01/Z303", "01/Z304",
            "01/Z306", "01/Z501", "01/Z502", "01/Z504", "01/Z601", "02/Z204", "02/Z303", "02/Z401",
            "02/Z402", "02/Z403", "02/Z405", "02/Z501",
        ] {
            let item = &paths[&format!("/api/v1/{code}")];
            let operation = if item["post"].is_object() { &item["post"] } else { &item["get"] };
            let parameters = operation["parameters"].as_array().unwrap();
            let signed = parameters.iter().any(|parameter| parameter["name"] == "x-sign");
            assert!(signed, "{code}: {operation}");
            assert_eq!(operation["security"].is_array(), code != "Z101", "{code}");
            assert!(operation["responses"]["401"].is_object(), "{code}");
        }
        for reference in references(&document) {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            let known = &document["components"]["schemas"][name];
            assert!(known.is_object(), "{reference} leads nowhere");
        }
        for (path, status) in [("/healthz", 200), ("/readyz", 200)] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            assert_eq!(door.ask(request).await.status, status);
        }
        door.clock.break_down();
        let request = Request::builder().uri("/readyz").body(Body::empty()).unwrap();
        assert_eq!(door.ask(request).await.status, 503);
    });
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "$ref" => vec![text.clone()],
                other => references(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
