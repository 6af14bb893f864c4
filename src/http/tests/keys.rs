//! Keys through the door: SM2-SM3 beside the HMACs, no key taken for another kind's, and rotation
//! of signing and data keys while requests go on.

use axum::body::Body;
use axum::http::Request;
use carbon_protocol::seal::{DataKey, SealedField};
use carbon_protocol::signature;
use carbon_protocol::sm2::PrivateKey;
use serde_json::{Value, json};

use super::{Answered, Caller, Door, Sending, with_door};

const PLENTY: u32 = 100_000;

fn pair(seed: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[seed; 32]).unwrap()
}

/// The caller `metro` under the secret of one byte.
fn under(caller: &Caller, secret: u8) -> Caller {
    Caller { key: vec![secret; 32], ..caller.clone() }
}

impl Door {
    /// A no-op signed with a key pair.
    async fn sm2(&self, caller: &Caller, pair: &PrivateKey) -> Answered {
        self.send(caller, &self.by_sm2(caller, pair, "/api/v1/noop")).await
    }

    fn by_sm2(&self, caller: &Caller, pair: &PrivateKey, path: &str) -> Sending {
        let mut sending = Sending::new(caller, "POST", path, b"{}".to_vec());
        let now = self.platform.now().unwrap().0;
        let string = signature::request_string("POST", path, now, &sending.nonce, b"{}");
        (sending.kind, sending.signature) = ("SM2-SM3", Some(pair.sign(&string)));
        sending
    }

    async fn noop(&self, caller: &Caller) -> Answered {
        self.post(caller, "noop", json!({})).await
    }

    async fn add_key(&self, request: Value) -> Answered {
        self.operate("POST", "/admin/v1/applications/metro/keys", request).await
    }

    async fn retire(&self, no: u64, until: Value) -> Answered {
        let path = format!("/admin/v1/applications/metro/keys/{no}/retire");
        self.operate("POST", &path, json!({ "validUntil": until })).await
    }

    /// A time so many milliseconds from now.
    fn later(&self, milliseconds: i64) -> Value {
        let now = self.platform.now().unwrap().0;
        json!(carbon_protocol::Timestamp(now + milliseconds))
    }
}

#[test]
fn an_application_with_a_key_pair_speaks_sm2_both_ways() {
    with_door(PLENTY, async |door: Door| {
        let tram = pair(11);
        let request = json!({
            "appId": "tram", "partnerId": "metro-co", "role": "scene", "name": "tram",
            "chainCode": "chain-tram", "baseUrl": "https://partner.example/api", "sandbox": true,
            "publicKey": tram.public(), "dataKey": "00".repeat(16),
        });
        let answer = door.operate("POST", "/admin/v1/applications", request.clone()).await;
        assert!(answer.data()["signKey"].is_null(), "no secret was asked for: {}", answer.json);
        let again = door.operate("POST", "/admin/v1/applications", request).await;
        assert_eq!(again.data()["publicKey"], json!(tram.public()));

        let newcomer = Caller { app: "tram", key: vec![9; 32], token: String::new() };
        let asked = door.send(&newcomer, &door.by_sm2(&newcomer, &tram, "/api/v1/Z101")).await;
        assert_eq!(asked.signed_with, "SM2");
        let token = asked.data()["token"].as_str().unwrap().to_owned();
        let caller = Caller { token, ..newcomer };
        let answer = door.sm2(&caller, &tram).await;
        assert_eq!((answer.code(), &*answer.signed_with), ("0", "SM2"));
        assert_eq!(answer.headers[signature::SIGN_TYPE], "SM2-SM3");

        // Refusals are signed by the platform, too, whatever the caller says it signs with.
        let stranger = door.sm2(&caller, &pair(12)).await;
        stranger.refused("40103", signature::SIGN, "another key pair");
        assert_eq!(stranger.signed_with, "SM2");
        let hmac = door.noop(&caller).await;
        hmac.refused("40103", signature::SIGN_TYPE, "it has no secret");
        assert_eq!(hmac.signed_with, "SM2");
        assert!(
            hmac.json["detail"].as_str().unwrap().contains("keys for SM2-SM3"),
            "{}",
            hmac.json
        );

        let request = Request::builder().uri("/api/v1/keys").body(Body::empty()).unwrap();
        let published = door.ask(request).await;
        let keys = published.data()["keys"].as_array().unwrap();
        assert_eq!(keys, &[json!(door.platform.vault().public_key())]);
        assert_eq!(published.data()["signerId"], "1234567812345678");
    });
}

#[test]
fn a_key_of_one_kind_is_never_taken_for_anothers() {
    with_door(PLENTY, async |door: Door| {
        let metro = door.caller("metro").await;
        // The secret's own bytes as a private key; its public key was never registered.
        let answer = door.sm2(&metro, &pair(5)).await;
        answer.refused("40103", signature::SIGN_TYPE, "the secret as a private key");
        door.add_key(json!({"kind": "sm2", "publicKey": pair(7).public()})).await.data();
        assert_eq!(door.sm2(&metro, &pair(7)).await.signed_with, "SM2");
        // What everybody may know of a key pair is no secret: HMAC under it is refused.
        let public = hex::decode(pair(7).public().to_string()).unwrap();
        let scalar = vec![7; 32];
        for (key, what) in [(public[1..33].to_vec(), "x"), (public, "point"), (scalar, "scalar")] {
            let forged = Caller { key, ..metro.clone() };
            door.noop(&forged).await.refused("40103", signature::SIGN, what);
        }
        // The platform's public key is nobody's but the platform's.
        let platform = hex::decode(door.platform.vault().public_key().to_string()).unwrap();
        let forged = Caller { key: platform, ..metro.clone() };
        door.noop(&forged).await.refused("40103", signature::SIGN, "the platform's point");
        for bad in [
            json!({"kind": "sm2"}),
            json!({"kind": "sm2", "publicKey": pair(7).public(), "key": "00".repeat(32)}),
            json!({"kind": "secret", "publicKey": pair(7).public()}),
            json!({"kind": "secret", "key": "00".repeat(16)}),
            json!({"kind": "data", "key": "00".repeat(32)}),
        ] {
            assert_eq!(door.add_key(bad.clone()).await.code(), "40003", "{bad}");
        }
        let off_curve = json!({"kind": "sm2", "publicKey": "04".repeat(65)});
        assert_eq!(door.add_key(off_curve).await.status, 400);
    });
}

#[test]
fn a_secret_is_changed_while_both_sides_go_on() {
    with_door(PLENTY, async |door: Door| {
        let old = door.caller("metro").await;
        let new = under(&old, 17);
        door.noop(&new).await.refused("40103", signature::SIGN, "not yet a key");
        let request = json!({"kind": "secret", "key": hex::encode([17; 32])});
        let added = door.add_key(request.clone()).await;
        assert_eq!((&added.data()["keyNo"], &added.data()["replay"]), (&json!(3), &json!(false)));
        assert_eq!(door.add_key(request).await.data()["replay"], true);

        // Whichever key a request is signed with signs its answer.
        assert_eq!(door.noop(&old).await.signed_with, "5");
        assert_eq!(door.noop(&new).await.signed_with, "17");
        // A request that nobody signed is answered under the newest.
        assert_eq!(door.noop(&under(&old, 18)).await.signed_with, "17");

        let third = json!({"kind": "secret", "key": hex::encode([18; 32])});
        door.add_key(third.clone()).await.refused("40005", "validFrom", "three at once");

        // The old one ends at a time, without a restart.
        let list = door.operate("GET", "/admin/v1/applications/metro/keys", json!({})).await;
        let keys = list.data()["keys"].as_array().unwrap();
        let kinds: Vec<&str> = keys.iter().map(|key| key["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["data", "secret", "secret"]);
        assert!(!list.json.to_string().contains(&hex::encode([17; 8])), "lists show no keys");
        let until = door.later(60_000);
        assert_eq!(door.retire(2, until.clone()).await.data()["replay"], false);
        assert_eq!(door.retire(2, until).await.data()["replay"], true);
        door.clock.advance_ms(59_999);
        assert_eq!(door.noop(&old).await.code(), "0");
        door.clock.advance_ms(1);
        door.noop(&old).await.refused("40103", signature::SIGN, "retired");
        assert_eq!(door.noop(&new).await.code(), "0");
        door.retire(3, Value::Null).await.refused("40003", "validUntil", "the last one stays");
        door.retire(77, Value::Null).await.refused("40401", "keyNo", "there is none");

        // Room for the next one; the one that ended is forgotten, its number not given again.
        assert_eq!(door.add_key(third).await.data()["keyNo"], 4);
        door.retire(2, Value::Null).await.refused("40401", "keyNo", "forgotten");
        door.retire(3, Value::Null).await.data();
        door.noop(&new).await.refused("40103", signature::SIGN, "retired by an act");
        assert_eq!(door.noop(&under(&old, 18)).await.signed_with, "18");
    });
}

#[test]
fn a_key_with_a_beginning_to_come_waits_for_it_and_a_made_one_is_shown_once() {
    with_door(PLENTY, async |door: Door| {
        let old = door.caller("metro").await;
        let request = json!({"kind": "secret", "validFrom": door.later(60_000)});
        let added = door.add_key(request).await;
        let key = hex::decode(added.data()["key"].as_str().unwrap()).unwrap();
        assert_eq!(key.len(), 32);
        door.secrets.lock().push(key.clone());
        let new = Caller { key, ..old.clone() };
        door.noop(&new).await.refused("40103", signature::SIGN, "not yet");
        let far = json!({"kind": "data", "validFrom": door.later(401 * 24 * 3_600_000)});
        door.add_key(far).await.refused("40003", "validFrom", "too far ahead");
        // Until then it is not "another key that is valid".
        door.retire(2, door.later(1000)).await.refused("40003", "validUntil", "a gap");
        door.retire(2, door.later(60_000)).await.data();
        door.clock.advance_ms(60_000);
        assert_eq!(door.noop(&new).await.code(), "0");
        door.noop(&old).await.refused("40103", signature::SIGN, "retired");
    });
}

#[test]
fn from_a_secret_to_a_key_pair_is_a_rotation_like_any_other() {
    with_door(PLENTY, async |door: Door| {
        let metro = door.caller("metro").await;
        let request = json!({"kind": "sm2", "publicKey": pair(7).public()});
        let no = door.add_key(request.clone()).await.data()["keyNo"].as_u64().unwrap();
        assert_eq!(door.add_key(request).await.data()["replay"], true);
        assert_eq!(door.noop(&metro).await.signed_with, "5");
        assert_eq!(door.sm2(&metro, &pair(7)).await.signed_with, "SM2");
        door.retire(2, Value::Null).await.data();
        door.noop(&metro).await.refused("40103", signature::SIGN_TYPE, "no secret is left");
        assert_eq!(door.sm2(&metro, &pair(7)).await.code(), "0");
        door.retire(no, Value::Null).await.refused("40003", "validUntil", "the last one stays");
    });
}

#[test]
fn sealed_fields_open_under_both_data_keys_while_they_change() {
    with_door(PLENTY, async |door: Door| {
        let metro = door.caller("metro").await;
        let enter = async |key: [u8; 16]| {
            let seal = |field: &str, plain: &str| {
                SealedField::seal(&DataKey::new(key), "metro", field, plain, rand::random())
            };
            let request = json!({
                "page": "light", "scenes": ["rail"], "realNameVerified": true,
                "name": seal("name", "张三"), "idNo": seal("idNo", "990101199001010016"),
            });
            door.post(&metro, "Z102", request).await
        };
        assert_eq!(enter([0; 16]).await.code(), "0");
        enter([1; 16]).await.refused("40006", "name", "not yet a key");
        let request = json!({"kind": "data", "key": "01".repeat(16)});
        assert_eq!(door.add_key(request.clone()).await.data()["replay"], false);
        assert_eq!(door.add_key(request).await.data()["replay"], true);
        assert_eq!(enter([0; 16]).await.code(), "0");
        assert_eq!(enter([1; 16]).await.code(), "0");
        door.retire(1, Value::Null).await.data();
        enter([0; 16]).await.refused("40006", "name", "retired");
        assert_eq!(enter([1; 16]).await.code(), "0");
    });
}

#[test]
fn the_usual_faults_of_sm2_are_named_in_the_sandbox() {
    with_door(PLENTY, async |door: Door| {
        let metro = door.caller("metro").await;
        door.add_key(json!({"kind": "sm2", "publicKey": pair(7).public()})).await.data();
        let mut bare = door.by_sm2(&metro, &pair(7), "/api/v1/noop");
        let der = hex::decode(bare.signature.take().unwrap()).unwrap();
        bare.signature = Some(hex::encode(side_by_side(&der)));
        let answer = door.send(&metro, &bare).await;
        answer.refused("40103", signature::SIGN, "r and s");
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains("DER is expected"), "{detail}");
        let mut other = door.by_sm2(&metro, &pair(7), "/api/v1/noop");
        other.kind = "HMAC-SM3";
        let answer = door.send(&metro, &other).await;
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.starts_with("X-Sign-Type: it was signed with SM2-SM3"), "{detail}");
    });
}

/// r‖s of a signature in DER.
fn side_by_side(der: &[u8]) -> Vec<u8> {
    let (mut rest, mut both) = (&der[2..], Vec::new());
    while let [2, length, tail @ ..] = rest {
        let (number, tail) = tail.split_at(usize::from(*length));
        let number: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        both.extend(vec![0; 32 - number.len()]);
        both.extend(number);
        rest = tail;
    }
    both
}
