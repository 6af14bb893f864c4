//! The ladder, rung by rung, and tokens over time.

use axum::body::Body;
use axum::http::Request;
use carbon_protocol::signature;
use serde_json::json;

use super::{BODY_BYTES, Caller, Door, Sending, with_door};

/// A request that has every fault from a rung upwards.
fn faulty(rung: usize, metro: &Caller, used: &str) -> Sending {
    let path = if rung <= 8 { "/api/v1/02/Z402" } else { "/api/v1/01/Z501" };
    let length = if rung <= 1 { BODY_BYTES + 1 } else { 10 };
    let mut sending = Sending::new(metro, "POST", path, vec![b'{'; length]);
    if rung <= 2 {
        sending.without = Some(signature::NONCE);
    }
    if rung <= 3 {
        sending.app = "nobody".into();
    }
    if rung <= 4 {
        sending.timestamp = Some("1000".into());
    }
    if rung <= 5 {
        sending.signature = Some("00".repeat(32));
    }
    if rung <= 6 {
        sending.nonce = used.into();
    }
    if rung <= 7 {
        sending.token = "no-token".into();
    }
    sending
}

#[test]
fn of_several_faults_the_lowest_rung_is_told() {
    with_door(5, async |door: Door| {
        let metro = door.caller("metro").await;
        let used = Sending::new(&metro, "POST", "/api/v1/noop", b"1".to_vec());
        door.clock.advance_ms(10_000);
        // The bucket is emptied: from here on every request is one too many.
        assert_eq!(door.send(&metro, &used).await.code(), "0");
        for _ in 0..4 {
            assert_eq!(door.post(&metro, "noop", json!({})).await.code(), "0");
        }
        let rungs = [
            (1, "41301", ""),
            (2, "40101", signature::NONCE),
            (3, "40102", signature::APP_ID),
            (4, "40104", signature::TIMESTAMP),
            (5, "40103", signature::SIGN),
            (6, "40105", signature::NONCE),
            (7, "40106", "authorization"),
            (8, "40301", ""),
            (9, "42901", ""),
        ];
        for (rung, code, field) in rungs {
            let answer = door.send(&metro, &faulty(rung, &metro, &used.nonce)).await;
            answer.refused(code, field, &format!("rung {rung}"));
            // From the application on, refusals are signed, too.
            assert_eq!(answer.headers.contains_key(signature::SIGN), rung >= 4, "rung {rung}");
            assert_eq!(answer.headers.contains_key("retry-after"), rung == 9, "rung {rung}");
        }
        door.clock.advance_ms(1000);
        let answer = door.send(&metro, &faulty(10, &metro, &used.nonce)).await;
        answer.refused("40001", "", "rung 10");
    });
}

#[test]
fn every_header_is_needed_and_bounded() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        let noop = || Sending::new(&metro, "POST", "/api/v1/noop", b"{}".to_vec());
        for name in [
            signature::APP_ID,
            signature::TIMESTAMP,
            signature::NONCE,
            signature::SIGN,
            "authorization",
        ] {
            let sending = Sending { without: Some(name), ..noop() };
            door.send(&metro, &sending).await.refused("40101", name, name);
        }
        for nonce in ["short", &"n".repeat(65)] {
            let sending = Sending { nonce: nonce.to_owned(), ..noop() };
            door.send(&metro, &sending).await.refused("40101", signature::NONCE, nonce);
        }
        for stamp in ["", "now", "-1", "1e9", "0001", "99999999999999999999"] {
            let sending = Sending { timestamp: Some(stamp.into()), ..noop() };
            let code = if stamp.is_empty() { "40101" } else { "40104" };
            door.send(&metro, &sending).await.refused(code, signature::TIMESTAMP, stamp);
        }
        let now = super::noon().0;
        for (apart, code) in
            [(-300_001, "40104"), (-300_000, "0"), (300_000, "0"), (300_001, "40104")]
        {
            let sending = Sending { timestamp: Some((now + apart).to_string()), ..noop() };
            assert_eq!(door.send(&metro, &sending).await.code(), code, "{apart}");
        }
        let default = Sending { without: Some(signature::SIGN_TYPE), ..noop() };
        assert_eq!(door.send(&metro, &default).await.code(), "0", "HMAC-SM3 is the default");
        let sha = Sending { kind: "HMAC-SHA256", ..noop() };
        let answer = door.send(&metro, &sha).await;
        assert_eq!(answer.code(), "0");
        assert_eq!(answer.headers[signature::SIGN_TYPE], "HMAC-SHA256");
        let unknown = Sending { kind: "MD5", ..noop() };
        door.send(&metro, &unknown).await.refused("40103", signature::SIGN_TYPE, "MD5");
        // A broken clock stops everything, honestly.
        door.clock.break_down();
        let answer = door.send(&metro, &noop()).await;
        answer.refused("50304", "", "clock");
        assert!(answer.headers.contains_key("retry-after"));
    });
}

#[test]
fn a_wrong_signature_is_explained_in_the_sandbox_only() {
    with_door(100_000, async |door: Door| {
        let (metro, bus) = (door.caller("metro").await, door.caller("bus").await);
        let wrong = |caller: &Caller| {
            let mut sending = Sending::new(caller, "POST", "/api/v1/noop", b"{\"a\":1}".to_vec());
            let now = super::noon().0;
            let string = signature::request_string("POST", &sending.path, now, &sending.nonce, b"");
            let kind = signature::MacType::HmacSm3;
            sending.signature = Some(signature::sign(kind, &caller.key, &string));
            sending
        };
        let answer = door.send(&metro, &wrong(&metro)).await;
        answer.refused("40103", signature::SIGN, "sandbox");
        assert!(answer.json["detail"].as_str().unwrap().starts_with("BODY"), "{}", answer.json);
        let other = Sending { signature: Some("00".repeat(32)), ..wrong(&metro) };
        let answer = door.send(&metro, &other).await;
        // The canonical string and its digest stand there, and nothing that signs.
        let detail = answer.json["detail"].as_str().unwrap();
        let string =
            format!("POST\n/api/v1/noop\n{}\n{}\n{{\"a\":1}}\n", super::noon().0, other.nonce);
        assert!(detail.contains(&json!(string).to_string()), "{detail}");
        assert!(detail.contains(&hex::encode(signature::sm3(string.as_bytes()))), "{detail}");
        let kind = signature::MacType::HmacSm3;
        let right = signature::sign(kind, &metro.key, string.as_bytes());
        for secret in [right, hex::encode(&metro.key)] {
            assert!(!answer.json.to_string().contains(&secret), "{detail}");
        }
        let long = Sending { body: vec![b'x'; 5000], ..other.clone() };
        let answer = door.send(&metro, &long).await;
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains("a body of 5000 bytes") && detail.len() < 1000, "{detail}");
        let answer = door.send(&bus, &wrong(&bus)).await;
        answer.refused("40103", signature::SIGN, "not the sandbox");
        assert!(answer.json["detail"].is_null(), "{}", answer.json);
    });
}

#[test]
fn tokens_live_two_hours_and_five_minutes_beside_their_successor() {
    with_door(100_000, async |door: Door| {
        let first = door.caller("metro").await;
        let works =
            async |caller: &Caller| door.post(caller, "noop", json!({})).await.code() == "0";
        door.clock.advance_ms(7_199_000);
        assert!(works(&first).await);
        let second = door.caller("metro").await;
        assert!(works(&second).await && works(&first).await);
        door.clock.advance_ms(1000);
        assert!(!works(&first).await, "two hours are two hours");
        assert!(works(&second).await);
        let third = door.caller("metro").await;
        door.clock.advance_ms(299_000);
        assert!(works(&second).await && works(&third).await);
        door.clock.advance_ms(1000);
        assert!(!works(&second).await, "five minutes after the refresh");
        assert!(works(&third).await);
        let stolen = Caller { token: third.token.clone(), ..door.caller("bus").await };
        door.post(&stolen, "noop", json!({})).await.refused("40106", "authorization", "stolen");
    });
}

#[test]
fn a_suspended_application_is_nobody() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        let path = "/admin/v1/applications/metro/suspend";
        door.operate("POST", path, json!({"suspended": true})).await.data();
        let answer = door.post(&metro, "noop", json!({})).await;
        answer.refused("40102", signature::APP_ID, "suspended");
        door.operate("POST", path, json!({"suspended": false})).await.data();
        assert_eq!(door.post(&metro, "noop", json!({})).await.code(), "0");
    });
}

#[test]
fn unknown_paths_and_methods_are_told_in_the_envelope() {
    with_door(100_000, async |door: Door| {
        for (method, path, code) in [
            ("GET", "/api/v1/01/Z304", "40501"),
            ("DELETE", "/api/v1/Z101", "40501"),
            ("POST", "/api/v1/01/Z301", "40501"),
            ("GET", "/api/v1/Z999", "40401"),
            ("POST", "/", "40401"),
            ("GET", "/admin/v1/nothing", "40401"),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            door.ask(request).await.refused(code, "", path);
        }
        for (language, word) in [("zh-CN", "不存在"), ("en", "It does not exist")] {
            let request = Request::builder()
                .uri("/x")
                .header("accept-language", language)
                .body(Body::empty());
            let answer = door.ask(request.unwrap()).await;
            assert_eq!(answer.json["msg"], word);
        }
    });
}

#[test]
fn the_operators_paths_need_the_operators_key() {
    with_door(100_000, async |door: Door| {
        let ask = async |key: Option<&str>| {
            let mut request = Request::builder().uri("/admin/v1/applications");
            if let Some(key) = key {
                request = request.header("authorization", key);
            }
            door.ask(request.body(Body::empty()).unwrap()).await
        };
        ask(None).await.refused("40101", "authorization", "no key");
        for key in ["", "Bearer ", "Bearer x", "the-operators-key", "Bearer the-operators-keyx"] {
            ask(Some(key)).await.refused("40106", "authorization", key);
        }
        let answer = ask(Some("Bearer the-operators-key")).await;
        assert_eq!(answer.data()["applications"].as_array().unwrap().len(), 4);
        assert!(!answer.json.to_string().contains("Key"), "lists show no keys");
    });
}

async fn broken() {
    panic!("a handler with 31010119900101001X in its hands")
}

#[test]
fn a_panic_is_an_envelope_that_tells_nothing() {
    with_door(100_000, async |door: Door| {
        let routes = axum::Router::new().route("/broken", axum::routing::get(broken));
        let router = super::super::routes::dressed(routes, door.state.clone());
        let request = Request::builder().uri("/broken").body(Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert!(answer.headers().contains_key(signature::REQUEST_ID));
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["code"], "50001");
        assert!(!json.to_string().contains("31010119900101001X"), "{json}");
    });
}
