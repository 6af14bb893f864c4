//! The client against a server that checks signatures and answers as told.

use carbon_protocol::envelope::Envelope;

use super::*;
use crate::signed::rehearsal::Rehearsal;

const KEY: &[u8] = &[7; 32];
const DATA_KEY: &str = "0123456789abcdeffedcba9876543210";

fn client(url: &str, timeout_ms: u64) -> SaasIdentity {
    let config = Config {
        base_url: format!("{url}/"),
        app_code: "platform".into(),
        key_hex: hex::encode(KEY),
        data_key_hex: DATA_KEY.into(),
        timeout_ms,
    };
    SaasIdentity::new(Outbound::new(Duration::from_secs(2)).unwrap(), &config).unwrap()
}

fn person() -> Person {
    let (name, id_no) = ("张三".into(), "990101199001010016".into());
    Person { name, id_no, phone: Some("13800001234".into()) }
}

fn sealed(field: &str, plain: &str) -> SealedField {
    let key = DataKey::from_hex(DATA_KEY).unwrap();
    SealedField::seal(&key, "platform", field, plain, [3; 12])
}

#[tokio::test]
async fn registering_sends_sealed_data_and_reads_the_did() {
    let server = Rehearsal::start(KEY).await;
    let identity = client(&server.url, 2000);
    let did = Did::parse("did:sh:1").unwrap();
    server.answers(&Registered { did: Some(did.clone()) });
    let found = identity.register_did(person(), "123456".into()).await.unwrap();
    assert_eq!(found, Some(did));
    server.answers(&Registered { did: None });
    assert_eq!(identity.register_did(person(), "000000".into()).await.unwrap(), None);

    let calls = server.calls.lock().clone();
    assert_eq!((calls[0].0.as_str(), calls[0].1.as_str()), (REGISTER, "platform"));
    let text = String::from_utf8(calls[0].2.clone()).unwrap();
    assert!(!text.contains("990101") && !text.contains("张三") && !text.contains("1380000"));
    let request: RegisterRequest = serde_json::from_str(&text).unwrap();
    let key = DataKey::from_hex(DATA_KEY).unwrap();
    let id_no = request.id_no.open(&key, "platform", "idNo").unwrap();
    assert_eq!(id_no.as_str(), "990101199001010016");
}

#[tokio::test]
async fn a_parent_is_opened_and_none_is_none() {
    let server = Rehearsal::start(KEY).await;
    let identity = client(&server.url, 2000);
    let ccid = Ccid::parse("c-1").unwrap();
    let did = Did::parse("did:sh:1").unwrap();
    server.answers(&Parent {
        person: Some(ParentPerson {
            did: did.clone(),
            name: sealed("name", "张三"),
            id_no: sealed("idNo", "990101199001010016"),
            phone: Some(sealed("phone", "13800001234")),
        }),
    });
    let found = identity.parent(ccid.clone(), "metro".into()).await.unwrap();
    assert!(found == Some((did.clone(), person())));
    server.answers(&Parent { person: None });
    assert!(identity.parent(ccid.clone(), "metro".into()).await.unwrap().is_none());
    server.answers(&SubDid { ccid: ccid.clone() });
    assert_eq!(identity.register_sub_did(did, "metro".into()).await.unwrap(), ccid);
    server.answers(&Sent {});
    identity.send_code("13800001234".into()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_signed_or_not_understood_is_no_answer_and_tells_nothing_personal() {
    let server = Rehearsal::start(KEY).await;
    let identity = client(&server.url, 2000);
    let ask =
        async || identity.register_did(person(), "1234".into()).await.unwrap_err().to_string();

    server.answers(&Registered { did: None });
    server.script.lock().key = vec![8; 32];
    assert!(ask().await.contains("not signed"));
    server.script.lock().key = KEY.to_vec();

    let mut refused = Envelope::ok((), "r");
    (refused.code, refused.data) = ("40103".into(), None);
    server.script.lock().answer = (401, serde_json::to_string(&refused).unwrap());
    let error = ask().await;
    assert!(error.contains("status 401, code 40103"), "{error}");

    server.script.lock().answer = (200, "990101199001010016 张三 13800001234".into());
    let error = ask().await;
    assert!(error.contains("not of the contract"), "{error}");
    for personal in ["990101", "张三", "1380000"] {
        assert!(!error.contains(personal), "{error}");
    }

    // Bound to another field: it does not open as this one.
    let did = Did::parse("did:sh:1").unwrap();
    let wrong = ParentPerson {
        did,
        name: sealed("idNo", "张三"),
        id_no: sealed("idNo", "990101199001010016"),
        phone: None,
    };
    server.answers(&Parent { person: Some(wrong) });
    let error = identity.parent(Ccid::parse("c").unwrap(), "m".into()).await.err().unwrap();
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_configured_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let identity = client(&url, 100);
    let error = identity.send_code("13800001234".into()).await.unwrap_err().to_string();
    assert!(error.contains("in time"), "{error}");
    assert!(
        SaasIdentity::new(
            Outbound::new(Duration::from_secs(1)).unwrap(),
            &Config {
                base_url: url,
                app_code: "p".into(),
                key_hex: "zz".into(),
                data_key_hex: DATA_KEY.into(),
                timeout_ms: 1
            }
        )
        .is_err()
    );
}

#[tokio::test]
async fn signatures_and_pre_filled_pages_are_asked_for_in_the_contracts_words() {
    let server = Rehearsal::start(KEY).await;
    let identity = client(&server.url, 2000);
    let (did, ccid) = (Did::parse("did:sh:1").unwrap(), Ccid::parse("c-1").unwrap());
    let code = CreditCode::parse("91350100M000100Y43").unwrap();
    let text = |text: &str| text.to_owned();
    let signature =
        DidSignature { verification_method: text("did:sh:1#key-1"), proof_value: text("30") };

    server.answers(&LegalRegistered { did: did.clone() });
    assert_eq!(identity.register_legal(text("地铁"), code.clone()).await.unwrap(), did);
    server.answers(&PersonSigned { signature: Some(signature.clone()) });
    let signed = identity.sign_as_person(did.clone(), text("246810"), text("同意")).await.unwrap();
    assert_eq!(signed, Some(signature.clone()));
    server.answers(&PersonSigned { signature: None });
    let wrong = identity.sign_as_person(did, text("0"), text("同意")).await.unwrap();
    assert_eq!(wrong, None);
    server.answers(&signature);
    assert_eq!(identity.sign_as_application(text("结算")).await.unwrap(), signature);
    let h5 = H5 { url: text("https://h5.example/1"), serial: text("s-1") };
    server.answers(&h5);
    let back = text("https://carbon.example/back");
    let opened = identity.open_legal_h5(text("地铁"), code, person(), back.clone()).await;
    assert_eq!(opened.unwrap(), h5);
    assert_eq!(identity.open_signing_h5(ccid.clone(), text("同意"), back).await.unwrap(), h5);
    let result = H5Result {
        status: carbon_protocol::contracts::identity::H5Status::Done,
        ccid: Some(ccid),
        did: None,
        signature: Some(signature),
    };
    server.answers(&result);
    assert_eq!(identity.h5_result(text("s-1")).await.unwrap(), result);

    let calls = server.calls.lock().clone();
    let paths: Vec<&str> = calls.iter().map(|call| call.0.trim_start_matches("/api/v1/")).collect();
    assert_eq!(paths, ["3.2", "3.3", "3.3", "4.4.1", "4.4.3", "4.4.4", "4.4.5"]);
    let legal = String::from_utf8(calls[4].2.clone()).unwrap();
    assert!(!legal.contains("990101") && !legal.contains("张三") && !legal.contains("1380000"));
    let legal: LegalH5Request = serde_json::from_str(&legal).unwrap();
    let key = DataKey::from_hex(DATA_KEY).unwrap();
    let phone = legal.agent_phone.unwrap().open(&key, "platform", "agentPhone").unwrap();
    assert_eq!(phone.as_str(), "13800001234");
}
