//! The sandbox over real HTTP, and its client against a server that signs.

use axum::Router;
use axum::routing::post;
use carbon_protocol::contracts::c101::{MatchReply, MatchRequest};
use carbon_protocol::contracts::m203::{LinkReply, LinkRequest};
use carbon_protocol::contracts::z101::Token;
use carbon_protocol::seal::SealedField;
use carbon_protocol::signature::MacType;
use carbon_protocol::{Ccid, PartnerUid, Reason};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

use super::wire::Incoming;
use super::*;

const ID_NO: &str = "990101199001010016";

pub(super) async fn sandbox() -> Sandbox {
    let secret = b"a secret of tests".to_vec();
    let switches = Switches::default();
    Sandbox::start(SandboxConfig { seed: 7, secret, first_port: 0, switches }).await.unwrap()
}

/// Posts as the platform does: signed with the keys it shares with the partner.
async fn platform_posts(keys: &Keys, base: &str, path: &str, body: &Value) -> reqwest::Response {
    let body = body.to_string().into_bytes();
    let http = client::http(Duration::from_secs(10)).unwrap();
    let mut request = http.post(format!("{base}{path}"));
    for (name, value) in client::sign_request(keys, MacType::HmacSm3, "POST", path, &body) {
        request = request.header(name, value);
    }
    request.body(body).send().await.unwrap()
}

/// The data of an answer, whose signature must be right.
async fn data<T: DeserializeOwned>(keys: &Keys, response: reqwest::Response) -> T {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    assert!(client::answer_is_signed(keys, status, &headers, &bytes), "{status}");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let envelope: carbon_protocol::envelope::Envelope<T> = serde_json::from_slice(&bytes).unwrap();
    envelope.data.unwrap_or_else(|| panic!("{status} {text}"))
}

fn matching(keys: &Keys, id_no: &str) -> Value {
    let seal = |field: &str, plain: &str| {
        SealedField::seal(&keys.data, &keys.app, field, plain, rand::random())
    };
    let (name, id_no) = (seal("name", "张三"), seal("idNo", id_no));
    serde_json::to_value(MatchRequest { name, id_no, phone: None }).unwrap()
}

#[tokio::test]
async fn c101_answers_what_the_demo_was_told_and_some_have_no_account() {
    let sandbox = sandbox().await;
    for (partner, path) in [(&sandbox.scenes()[0], "/C101"), (sandbox.mall(), "/Q101")] {
        let (keys, base) = (partner.keys(), partner.base());
        let body = matching(keys, ID_NO);
        let reply: MatchReply = data(keys, platform_posts(keys, base, path, &body).await).await;
        assert!(reply.partner_uid.is_some());
        assert_eq!(reply.partner_uid, partner.account_of(ID_NO));
        let all = Switches { no_account_percent: 100, ..Switches::default() };
        partner.faults().set(all);
        let reply: MatchReply = data(keys, platform_posts(keys, base, path, &body).await).await;
        assert_eq!((reply.partner_uid, partner.account_of(ID_NO)), (None, None));
    }
    let uid = |no: usize| sandbox.scenes()[no].account_of(ID_NO);
    assert_ne!(uid(1), uid(2), "partners know a citizen under different ids");
}

#[tokio::test]
async fn strangers_and_replays_are_refused() {
    let sandbox = sandbox().await;
    let (metro, bus) = (&sandbox.scenes()[0], &sandbox.scenes()[1]);
    let body = matching(metro.keys(), ID_NO);
    let forged = Keys { app: metro.keys().app.clone(), ..bus.keys().clone() };
    for keys in [bus.keys(), &forged] {
        let answer = platform_posts(keys, metro.base(), "/C101", &body).await;
        assert_eq!(answer.status(), 401);
    }
    // The right keys, yet the same nonce twice.
    let bytes = body.to_string().into_bytes();
    let headers = client::sign_request(metro.keys(), MacType::HmacSha256, "POST", "/C101", &bytes);
    let http = client::http(Duration::from_secs(10)).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let mut request = http.post(format!("{}/C101", metro.base())).body(bytes.clone());
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 401]);
    // Sealed for another application: it does not open.
    let foreign = matching(bus.keys(), ID_NO);
    let answer = platform_posts(metro.keys(), metro.base(), "/C101", &foreign).await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_push_is_kept_with_its_headers_and_a_challenge_is_returned() {
    let sandbox = sandbox().await;
    let metro = &sandbox.scenes()[0];
    let keys = metro.keys();
    let challenge = json!({ "challenge": "c-1" });
    let answer = platform_posts(keys, metro.base(), "/push/Z203", &challenge).await;
    assert_eq!(answer.json::<Value>().await.unwrap(), challenge);
    assert_eq!(metro.deliveries().count(), 0, "a challenge is no push");
    let push = json!({ "kind": "Z203", "items": [] });
    for _ in 0..2 {
        let answer = platform_posts(keys, metro.base(), "/push/Z203", &push).await;
        assert_eq!(answer.status(), 200);
    }
    assert!(metro.deliveries().more_than(1, Duration::from_secs(5)).await);
    let kept = metro.deliveries().all();
    assert!(kept.iter().all(|delivery| delivery.verified && delivery.kind == "Z203"));
    assert_eq!(kept[0].read::<Value>().unwrap(), push);
    assert_eq!(kept[0].headers["x-app-id"], "metro-app");
    let wrong = sandbox.mall().keys();
    assert_eq!(platform_posts(wrong, metro.base(), "/push/Z203", &push).await.status(), 401);
    assert!(!metro.deliveries().after(2)[0].verified);
    assert!(!metro.deliveries().more_than(3, Duration::from_millis(20)).await);
}

#[tokio::test]
async fn the_mall_links_one_user_to_one_pseudonym_or_refuses() {
    let sandbox = sandbox().await;
    let mall = sandbox.mall();
    let ask = async |uid: &str| {
        let request = LinkRequest {
            event_id: "e-1".into(),
            ccid: Ccid::parse("did:shcc:1").unwrap(),
            partner_uid: PartnerUid::parse(uid).unwrap(),
        };
        let body = serde_json::to_value(request).unwrap();
        let answer = platform_posts(mall.keys(), mall.base(), "/Z203", &body).await;
        data::<LinkReply>(mall.keys(), answer).await.linked
    };
    assert!(ask("u-1").await && ask("u-1").await);
    assert!(!ask("u-2").await, "linked with another user already");
    mall.faults().set(Switches { refuse_link: true, ..Switches::default() });
    assert!(!ask("u-1").await);
}

#[tokio::test]
async fn the_switches_are_set_over_http_and_break_calls_only() {
    let sandbox = sandbox().await;
    let metro = &sandbox.scenes()[0];
    let http = client::http(Duration::from_secs(10)).unwrap();
    let url = format!("{}/sandbox/faults", metro.base());
    let set = http.post(&url).json(&json!({ "errorPercent": 100 })).send().await.unwrap();
    assert_eq!(set.status(), 200);
    assert_eq!(metro.faults().switches().error_percent, 100);
    let body = json!({ "kind": "Z203", "items": [] });
    let push = async || platform_posts(metro.keys(), metro.base(), "/push/Z203", &body).await;
    assert_eq!(push().await.status(), 500);
    assert_eq!(metro.deliveries().count(), 0, "an error carries nothing out");
    let set = http.post(&url).json(&json!({ "lostPercent": 100 })).send().await.unwrap();
    assert_eq!(set.status(), 200);
    assert_eq!(push().await.status(), 500);
    assert_eq!(metro.deliveries().count(), 1, "a lost answer was carried out");
    let unknown = http.post(&url).json(&json!({ "speed": 1 })).send().await.unwrap();
    assert!(unknown.status().is_client_error());
}

/// A platform of one interface: tokens it has forgotten are refused, answers are signed.
async fn platform(keys: Keys, calls: Arc<Mutex<Vec<String>>>) -> String {
    let answer = async move |incoming: Incoming| {
        let nonces = wire::Nonces::default();
        if let Err(no) = wire::verify(&incoming, &keys, &nonces) {
            return wire::answer::<Value>(&keys, Err(no));
        }
        let path = incoming.uri.path().to_owned();
        let bearer = incoming.header("authorization").map(str::to_owned);
        let mut calls = calls.lock();
        calls.push(path.clone());
        let tokens = calls.iter().filter(|path| path.ends_with("/Z101")).count();
        if path.ends_with("/Z101") {
            let token = format!("token-{tokens}");
            return wire::answer(&keys, Ok(Token { token, expires_in_seconds: 7200 }));
        }
        let stale = bearer.as_deref() != Some("Bearer token-2");
        let outcome = if stale { Err(Reason::BadToken.into()) } else { Ok(json!({ "ok": true })) };
        wire::answer(&keys, outcome)
    };
    let routes = Router::new().route("/api/v1/{*code}", post(answer));
    wire::serve(0, routes).await.unwrap()
}

#[tokio::test]
async fn the_client_renews_a_token_that_is_refused_and_wants_signed_answers() {
    let sandbox = sandbox().await;
    let metro = &sandbox.scenes()[0];
    let calls = Arc::new(Mutex::new(Vec::new()));
    let base = platform(metro.keys().clone(), calls.clone()).await;
    let noted = Arc::new(Mutex::new(Vec::new()));
    let note = {
        let noted = noted.clone();
        Arc::new(move |code: &str, _: Duration| noted.lock().push(code.to_owned()))
    };
    let client = sandbox.client(metro, &base).unwrap().noting(note);
    let answered = client.call::<_, Value>("01/Z304", &json!({})).await.unwrap();
    assert_eq!(answered.data().unwrap(), json!({ "ok": true }));
    assert_eq!(*noted.lock(), ["Z101", "01/Z304", "Z101", "01/Z304"]);
    client.call::<_, Value>("01/Z304", &json!({})).await.unwrap();
    assert_eq!(calls.lock().len(), 5, "the token is kept");
    // Whoever has other keys gets an answer that is not signed for it.
    let other = Client::new(&base, "metro-app", b"other", metro.keys().data.clone()).unwrap();
    let error = other.call_bare::<_, Value>("Z101", &json!({})).await.unwrap_err();
    assert!(matches!(error, CallError::Signature { status: 401, .. }), "{error}");
}
