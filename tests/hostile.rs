//! Bad input of every kind at the door: each gets the documented code with its field and request
//! id, never a 500, and nothing is changed by it.

use carbon_protocol::Reason;
use carbon_protocol::contracts::z306::RecordStatus;
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use carbon_simulations::demo::caller::now;
use carbon_simulations::demo::{journeys, sending};
use reqwest::Method;
use serde_json::{Value, json};

use super::raw::{Raw, judge};
use super::stage::{Stage, batch, rows, submit};

struct Row(&'static str, Raw, &'static [Reason], Option<&'static str>);

/// A signed request of the first application, with its token.
async fn good(stage: &Stage) -> Raw {
    let player = &stage.cast.players[0];
    let mut raw = Raw {
        method: Method::POST,
        path: "/api/v1/Z101".into(),
        body: b"{}".to_vec(),
        signed_body: None,
        app: Some(player.app.to_string()),
        key: player.sign_key.clone(),
        token: None,
        timestamp: now().0.to_string(),
        nonce: format!("{:032x}", rand::random::<u128>()),
        kind: "HMAC-SM3".into(),
        content_type: "application/json".into(),
    };
    let answer = raw.send(&stage.server.url).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    raw.token = answer.body["data"]["token"].as_str().map(str::to_owned);
    raw
}

/// Who calls, when, and how it is signed.
fn callers(good: &Raw, stage: &Stage) -> Vec<Row> {
    let totals = good.to("01/Z501", &json!({"ccid": "nobody"}));
    let minutes = |minutes: i64| now().plus_seconds(minutes * 60).0.to_string();
    let mall = &stage.cast.players[stage.cast.mall()];
    let other = &stage.cast.players[1];
    let spent = good.nonce.clone();
    vec![
        Row(
            "no application",
            totals.with(|r| r.app = None),
            &[Reason::Unauthenticated],
            Some("x-app-id"),
        ),
        Row(
            "unknown application",
            totals.with(|r| r.app = Some("nobody".into())),
            &[Reason::UnknownApp],
            Some("x-app-id"),
        ),
        Row(
            "hostile application",
            totals.with(|r| r.app = Some("a'; DROP--/../".into())),
            &[Reason::UnknownApp],
            Some("x-app-id"),
        ),
        Row(
            "stale",
            totals.with(|r| r.timestamp = minutes(-6)),
            &[Reason::StaleTimestamp],
            Some("x-timestamp"),
        ),
        Row(
            "ahead",
            totals.with(|r| r.timestamp = minutes(6)),
            &[Reason::StaleTimestamp],
            Some("x-timestamp"),
        ),
        Row(
            "no time",
            totals.with(|r| r.timestamp = "soon".into()),
            &[Reason::StaleTimestamp],
            Some("x-timestamp"),
        ),
        Row(
            "another key",
            totals.with(|r| r.key = b"wrong".to_vec()),
            &[Reason::BadSignature],
            Some("x-sign"),
        ),
        Row(
            "unknown kind",
            totals.with(|r| r.kind = "MD5".into()),
            &[Reason::BadSignature],
            Some("x-sign-type"),
        ),
        Row(
            "changed body",
            totals.with(|r| r.signed_body = Some(b"{}".to_vec())),
            &[Reason::BadSignature],
            Some("x-sign"),
        ),
        Row(
            "replayed nonce",
            totals.with(|r| r.nonce = spent),
            &[Reason::NonceReplayed],
            Some("x-nonce"),
        ),
        Row(
            "short nonce",
            totals.with(|r| r.nonce = "1".into()),
            &[Reason::Unauthenticated],
            Some("x-nonce"),
        ),
        Row(
            "no token",
            totals.with(|r| r.token = None),
            &[Reason::Unauthenticated],
            Some("authorization"),
        ),
        Row(
            "made-up token",
            totals.with(|r| r.token = Some("x".repeat(40))),
            &[Reason::BadToken],
            Some("authorization"),
        ),
        Row(
            "another's token",
            totals.with(|r| {
                r.app = Some(other.app.to_string());
                r.key = other.sign_key.clone();
            }),
            &[Reason::BadToken],
            Some("authorization"),
        ),
        Row(
            "a mall's signature on a scene's",
            totals.with(|r| {
                r.app = Some(mall.app.to_string());
                r.key = mall.sign_key.clone();
            }),
            &[Reason::BadToken, Reason::Forbidden],
            None,
        ),
        Row(
            "a scene's call of a mall's",
            good.to("02/Z402", &json!({"ccid": "nobody"})),
            &[Reason::Forbidden],
            None,
        ),
        Row("no such interface", good.to("01/Z999", &json!({})), &[Reason::NotFound], None),
        Row(
            "wrong method",
            totals.with(|r| r.method = Method::DELETE),
            &[Reason::MethodNotAllowed],
            None,
        ),
        Row(
            "operator's, without a key",
            good.with(|r| {
                r.path = "/admin/v1/partners".into();
                r.token = None;
            }),
            &[Reason::Unauthenticated, Reason::BadToken],
            None,
        ),
        Row(
            "operator's, with a partner's token",
            good.with(|r| r.path = "/admin/v1/issuance-runs".into()),
            &[Reason::Unauthenticated, Reason::BadToken],
            None,
        ),
    ]
}

/// What is in the body.
fn bodies(good: &Raw, batch: &Value) -> Vec<Row> {
    let z304 = |change: &dyn Fn(&mut Value)| {
        let mut changed = batch.clone();
        change(&mut changed);
        good.to("01/Z304", &changed)
    };
    let text = |body: &[u8]| {
        let body = body.to_vec();
        good.with(|r| (r.path, r.body) = ("/api/v1/01/Z304".into(), body))
    };
    let many = |count: usize| z304(&|b| b["records"] = vec![b["records"][0].clone(); count].into());
    let deep = [b"{\"batchSerial\":".to_vec(), vec![b'['; 100_000]].concat();
    let malformed = &[Reason::Malformed];
    let range = &[Reason::OutOfRange];
    let either = &[Reason::Malformed, Reason::OutOfRange];
    vec![
        Row("nothing", text(b""), malformed, None),
        Row("no JSON", text(b"{\"batchSerial\": "), malformed, None),
        Row("a list", text(b"[]"), malformed, None),
        Row("not UTF-8", text(b"{\"batchSerial\":\"\xff\xfe\"}"), malformed, None),
        Row("deep", text(&deep), malformed, None),
        Row("two values", text(b"{} {}"), malformed, None),
        Row(
            "another type",
            good.to("01/Z304", batch).with(|r| r.content_type = "text/xml".into()),
            malformed,
            None,
        ),
        Row(
            "unknown field",
            z304(&|b| b["isAdmin"] = true.into()),
            &[Reason::UnknownField],
            Some("isAdmin"),
        ),
        Row(
            "unknown field below",
            z304(&|b| b["records"][0]["x"] = 1.into()),
            &[Reason::UnknownField],
            Some("records[0]"),
        ),
        Row(
            "missing field",
            z304(&|b| {
                b.as_object_mut().unwrap().remove("batchSerial");
            }),
            malformed,
            Some("batchSerial"),
        ),
        Row("number for text", z304(&|b| b["batchSerial"] = 7.into()), either, Some("batchSerial")),
        Row("null", z304(&|b| b["records"] = Value::Null), malformed, Some("records")),
        Row(
            "negative grams",
            z304(&|b| b["records"][0]["reductionGrams"] = (-1).into()),
            either,
            Some("reductionGrams"),
        ),
        Row(
            "half a gram",
            z304(&|b| b["records"][0]["reductionGrams"] = json!(0.5)),
            either,
            Some("reductionGrams"),
        ),
        Row(
            "huge grams",
            z304(&|b| b["records"][0]["reductionGrams"] = json!(1e300)),
            either,
            Some("reductionGrams"),
        ),
        Row(
            "serial with a space",
            z304(&|b| b["batchSerial"] = "a b".into()),
            range,
            Some("batchSerial"),
        ),
        Row(
            "serial with NUL",
            z304(&|b| b["batchSerial"] = "a\u{0}b".into()),
            range,
            Some("batchSerial"),
        ),
        Row(
            "serial right to left",
            z304(&|b| b["batchSerial"] = "a\u{202e}b".into()),
            range,
            Some("batchSerial"),
        ),
        Row(
            "serial of lookalikes",
            z304(&|b| b["batchSerial"] = "аbс-１".into()),
            range,
            Some("batchSerial"),
        ),
        Row(
            "overlong serial",
            z304(&|b| b["records"][0]["serial"] = "x".repeat(65).into()),
            range,
            Some("records[0].serial"),
        ),
        Row("empty serial", z304(&|b| b["batchSerial"] = "".into()), range, Some("batchSerial")),
        Row(
            "no such behaviour",
            z304(&|b| b["records"][0]["behaviour"] = json!({"fly": {}})),
            either,
            Some("behaviour"),
        ),
        Row(
            "no rows",
            z304(&|b| b["records"] = json!([])),
            &[Reason::OutOfRange, Reason::TooManyItems],
            Some("records"),
        ),
        Row("1001 rows", many(1001), &[Reason::TooManyItems], Some("records")),
        Row("a huge body", text(&vec![b' '; 2_100_000]), &[Reason::TooLarge], None),
    ]
}

/// What is meant.
fn meanings(good: &Raw, stranger: &str) -> Vec<Row> {
    let unknown = &[Reason::UnknownCcid];
    let ccid = |code: &str, ccid: &str| good.to(code, &json!({ "ccid": ccid }));
    let link = |more: Value| {
        let mut body = json!({"page": "light", "realNameVerified": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        good.to("Z102", &body)
    };
    vec![
        Row("nobody's totals", ccid("01/Z501", "nobody"), unknown, Some("ccid")),
        Row("another partner's citizen", ccid("01/Z501", stranger), unknown, Some("ccid")),
        Row("another partner's bill", ccid("01/Z502", stranger), unknown, Some("ccid")),
        Row("another partner's consents", ccid("01/Z204", stranger), unknown, Some("ccid")),
        Row("another partner's scenes", ccid("01/Z504", stranger), unknown, Some("ccid")),
        Row(
            "no such batch",
            good.to("01/Z306", &json!({"batchSerial": "none"})),
            &[Reason::UnknownBatch],
            None,
        ),
        Row(
            "two ways to ask",
            good.to(
                "01/Z306",
                &json!({"batchSerial": "a",
            "recordSerials": ["b"]}),
            ),
            &[Reason::OutOfRange, Reason::Malformed],
            None,
        ),
        Row(
            "a made-up cursor",
            good.to(
                "01/Z306",
                &json!({"from": "2026-01-01T00:00:00+08:00",
            "to": "2030-01-01T00:00:00+08:00", "cursor": "AAAA"}),
            ),
            &[Reason::BadCursor, Reason::OutOfRange],
            None,
        ),
        Row(
            "a page of 201",
            good.to("01/Z306", &json!({"batchSerial": "none", "limit": 201})),
            &[Reason::OutOfRange, Reason::TooManyItems],
            Some("limit"),
        ),
        Row(
            "real name not verified",
            link(json!({"realNameVerified": false, "scenes": ["metro"], "ccid": stranger})),
            &[Reason::RealNameRequired, Reason::UnknownCcid],
            None,
        ),
        Row(
            "a scene of nobody",
            link(json!({"scenes": ["no-such"], "ccid": "nobody"})),
            &[Reason::UnknownScene, Reason::UnknownCcid],
            None,
        ),
        Row(
            "return to anywhere",
            link(json!({"returnUrl": "https://evil.example/",
            "ccid": "nobody"})),
            &[Reason::OutOfRange, Reason::UnknownCcid],
            None,
        ),
        Row(
            "a push address that is none",
            good.to(
                "01/Z601",
                &json!({"set":
            {"kind": "Z203", "url": "file:///etc/passwd"}}),
            ),
            &[Reason::PushAddressRefused],
            None,
        ),
        Row(
            "a push address in the metadata net",
            good.to(
                "01/Z601",
                &json!({"set":
            {"kind": "Z203", "url": "http://169.254.169.254/latest"}}),
            ),
            &[Reason::PushAddressRefused],
            None,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_as_documented_and_changes_nothing() {
    let stage = Stage::start(u64::from(std::process::id()) ^ 0xbad, "").await.unwrap();
    stage.adopt_policy().await.unwrap();
    let lit = stage.lit(stage.first_on("metro")).await.unwrap();
    let stranger = stage.lit(stage.first_on("bus")).await.unwrap();
    let sent = batch("honest", &rows(&lit, "honest", 2));
    submit(stage.caller(&lit), &sent).await.unwrap();
    sending::decided(stage.caller(&lit), "honest").await.unwrap();
    let before = standing(&stage, &lit.ccid).await;

    let good = good(&stage).await;
    let honest = serde_json::to_value(batch("hostile", &rows(&lit, "hostile", 1))).unwrap();
    let stranger_ccid = stranger.ccid.to_string();
    let table = callers(&good, &stage)
        .into_iter()
        .chain(bodies(&good, &honest))
        .chain(meanings(&good, &stranger_ccid));
    let mut faults = Vec::new();
    let mut count = 0;
    for Row(name, raw, reasons, field) in table {
        let answer = raw.send(&stage.server.url).await;
        faults.extend(judge(name, &answer, reasons, field));
        count += 1;
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(standing(&stage, &lit.ccid).await, before);
}

/// What should not be changed: totals and the state of the rows.
async fn standing(stage: &Stage, ccid: &carbon_protocol::Ccid) -> String {
    let caller = &stage.cast.players[0].caller;
    let question = TotalsRequest { ccid: ccid.clone() };
    let totals: Totals = caller.must("01/Z501", &question).await.unwrap();
    let rows = sending::results(caller, "honest").await.unwrap();
    assert!(rows.iter().all(|row| row.status == RecordStatus::Submitted), "{rows:?}");
    format!("{totals:?} {rows:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_partners_order_is_not_there_and_points_stay() {
    let stage = Stage::start(u64::from(std::process::id()) ^ 0x0dd, "").await.unwrap();
    let lit = stage.lit(0).await.unwrap();
    let ccid = journeys::visit_mall(&stage.cast, &stage.citizens[lit.citizen]).await.unwrap();
    let mall = &stage.cast.players[stage.cast.mall()].caller;
    let order = |action: &str, points: Value, ccid: &str, serial: &str| {
        json!({"serial": serial, "orderNo": "o-1", "ccid": ccid, "action": action,
               "points": points})
    };
    let table = [
        (order("PAY", json!(1), ccid.as_str(), "s1"), Reason::InsufficientPoints),
        (order("PAY", json!(0), ccid.as_str(), "s2"), Reason::OutOfRange),
        (order("PAY", json!(u64::MAX), ccid.as_str(), "s3"), Reason::InsufficientPoints),
        (order("PAY", json!(1), "nobody", "s4"), Reason::UnknownCcid),
        // The pseudonym of the same person towards somebody else.
        (order("PAY", json!(1), lit.ccid.as_str(), "s5"), Reason::UnknownCcid),
        (order("CONFIRM", Value::Null, ccid.as_str(), "s6"), Reason::UnknownOrder),
        (order("REFUND", json!(1), ccid.as_str(), "s7"), Reason::UnknownOrder),
        (order("PAY", json!(2), ccid.as_str(), "s1"), Reason::SerialConflict),
    ];
    for (question, reason) in table {
        let no = mall.call::<_, Value>("02/Z303", &question).await.unwrap().unwrap_err();
        assert_eq!((no.reason, no.status), (Some(reason), reason.status()), "{question}");
    }
    let points: Value = mall.must("02/Z402", &json!({ "ccid": ccid })).await.unwrap();
    assert_eq!((&points["availablePoints"], &points["heldPoints"]), (&json!(0), &json!(0)));
}
