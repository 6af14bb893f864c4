//! The identity service over real HTTP.

use carbon_protocol::Ccid;
use carbon_protocol::contracts::identity::H5Status;
use serde_json::json;

use super::*;
use crate::sandbox::client::{Answered, Client, http};
use crate::sandbox::tests::sandbox;

const ID_NO: &str = "990101199001010016";
const PHONE: &str = "19900000001";

async fn ask<T: serde::de::DeserializeOwned>(
    client: &Client,
    code: &str,
    request: &impl Serialize,
) -> Answered<T> {
    client.call_bare(code, request).await.unwrap()
}

fn registering(client: &Client, sms_code: &str) -> RegisterRequest {
    RegisterRequest {
        name: client.seal("name", "张三"),
        id_no: client.seal("idNo", ID_NO),
        phone: client.seal("phone", PHONE),
        sms_code: sms_code.to_owned(),
    }
}

/// Journey 1's first half as a citizen goes through it.
async fn through_the_h5(sandbox: &crate::sandbox::Sandbox, partner: &Client) -> Ccid {
    let request = H5Request {
        name: partner.seal("name", "张三"),
        id_no: partner.seal("idNo", ID_NO),
        phone: None,
        return_url: "http://127.0.0.1:1/return?state=s".into(),
    };
    let h5: H5 = ask(partner, "4.4.2", &request).await.data().unwrap();
    let web = http(std::time::Duration::from_secs(10)).unwrap();
    let page = web.get(&h5.url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("张*") && page.contains("name=\"phone\"") && !page.contains(ID_NO));
    let result = H5ResultRequest { serial: h5.serial.clone() };
    let pending: H5Result = ask(partner, "4.4.5", &result).await.data().unwrap();
    assert_eq!((pending.status, pending.ccid), (H5Status::Pending, None));
    let typed = web.post(format!("{}/code", h5.url)).form(&[("phone", PHONE)]);
    assert!(typed.send().await.unwrap().text().await.unwrap().contains("name=\"code\""));
    let wrong = web.post(&h5.url).form(&[("code", "x")]).send().await.unwrap();
    assert_eq!(wrong.status(), 403);
    let code = sandbox.sms_code(PHONE).await.unwrap();
    let over = web.post(&h5.url).form(&[("code", &code)]).send().await.unwrap();
    let back = over.headers()["location"].to_str().unwrap();
    assert_eq!(back, format!("http://127.0.0.1:1/return?state=s&serial={}", h5.serial));
    let done: H5Result = ask(partner, "4.4.5", &result).await.data().unwrap();
    assert_eq!(done.status, H5Status::Done);
    done.ccid.unwrap()
}

#[tokio::test]
async fn one_person_has_one_did_by_every_route() {
    let sandbox = sandbox().await;
    let platform = sandbox.platform_client().unwrap();
    let metro = sandbox.chain_client(&sandbox.scenes()[0]).unwrap();
    let ccid = through_the_h5(&sandbox, &metro).await;

    let request = ParentRequest { ccid: ccid.clone(), chain_code: "metro-app".into() };
    let parent: Parent = ask(&platform, "4.4.7", &request).await.data().unwrap();
    let person = parent.person.unwrap();
    assert_eq!(platform.open("idNo", &person.id_no).as_deref(), Some(ID_NO));
    assert_eq!(platform.open("phone", &person.phone.unwrap()).as_deref(), Some(PHONE));

    let sms = SmsCodeRequest { phone: platform.seal("phone", PHONE) };
    ask::<Sent>(&platform, "sms-code", &sms).await.data().unwrap();
    let wrong = registering(&platform, "000000x");
    let wrong: WithDocument = ask(&platform, "3.1", &wrong).await.data().unwrap();
    assert_eq!(wrong.did, None);
    let right = registering(&platform, &sandbox.sms_code(PHONE).await.unwrap());
    let registered: WithDocument = ask(&platform, "3.1", &right).await.data().unwrap();
    assert_eq!(registered.did.as_ref(), Some(&person.did));
    assert!(proves(&registered.document.unwrap()));

    let sub = SubDidRequest { did: person.did, chain_code: "metro-app".into() };
    for _ in 0..2 {
        let again: SubDid = ask(&platform, "4.4.6", &sub).await.data().unwrap();
        assert_eq!(again.ccid, ccid);
    }
    let elsewhere = SubDidRequest { chain_code: "mall-app".into(), ..sub };
    let other: SubDid = ask(&platform, "4.4.6", &elsewhere).await.data().unwrap();
    assert_ne!(other.ccid, ccid);
    let mismatch = ParentRequest { ccid, chain_code: "mall-app".into() };
    let nobody: Parent = ask(&platform, "4.4.7", &mismatch).await.data().unwrap();
    assert_eq!(nobody.person, None);
}

#[tokio::test]
async fn partners_may_not_do_what_only_the_platform_may() {
    let sandbox = sandbox().await;
    let metro = sandbox.chain_client(&sandbox.scenes()[0]).unwrap();
    let requests = [
        ("3.1", serde_json::to_value(registering(&metro, "1")).unwrap()),
        ("4.4.6", json!({ "did": "did:shid:1", "chainCode": "metro-app" })),
        ("4.4.7", json!({ "ccid": "did:shcc:1", "chainCode": "metro-app" })),
    ];
    for (code, request) in requests {
        let answered = ask::<Value>(&metro, code, &request).await;
        assert_eq!((answered.status, answered.reason()), (403, Some(Reason::Forbidden)), "{code}");
    }
    // Another partner's H5 does not exist for it.
    let bus = sandbox.chain_client(&sandbox.scenes()[1]).unwrap();
    let request = H5Request {
        name: bus.seal("name", "张三"),
        id_no: bus.seal("idNo", ID_NO),
        phone: Some(bus.seal("phone", PHONE)),
        return_url: "http://127.0.0.1:1/".into(),
    };
    let h5: H5 = ask(&bus, "4.4.2", &request).await.data().unwrap();
    let foreign = ask::<H5Result>(&metro, "4.4.5", &H5ResultRequest { serial: h5.serial }).await;
    assert_eq!(foreign.reason(), Some(Reason::NotFound));
    // A page that could run a script is no place to return to.
    let hostile = H5Request { return_url: "javascript:alert(1)".into(), ..request };
    assert_eq!(ask::<H5>(&bus, "4.4.2", &hostile).await.status, 400);
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let sandbox = sandbox().await;
    let access = sandbox.identity_access();
    let keys = crate::sandbox::wire::Keys { sign: b"wrong"[..].into(), ..access.keys };
    let web = http(std::time::Duration::from_secs(10)).unwrap();
    let client = Client::with(web.clone(), &access.base, keys).unwrap();
    let refused = client.call_bare::<_, Sent>("sms-code", &json!({ "phone": "x" })).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("401"), "{text}");
    let page = web.get(format!("{}/inbox?phone={PHONE}", access.base)).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("沙箱短信箱"));
}
