//! The identity service over real HTTP.

use carbon_protocol::contracts::identity::H5Status;
use carbon_protocol::{Ccid, CreditCode};
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
        ("3.2", json!({ "name": "x", "creditCode": "91350100M000100Y43" })),
        ("3.3", json!({ "did": "did:shid:1", "smsCode": "1", "content": "x" })),
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

/// SM2 keys of a document and the check of a signature, in words of its own: the document is read
/// as JSON, made canonical by hand, and the digest is put together as GB/T 32918.2 says.
mod verifier {
    use serde_json::Value;
    use sm2::dsa::signature::hazmat::PrehashVerifier as _;
    use sm3::{Digest as _, Sm3};

    /// a, b and the base point of the curve (GB/T 32918.5).
    const CURVE: &str = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC\
                         28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93\
                         32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7\
                         BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0";

    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort();
                out.push('{');
                for (place, name) in names.into_iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { "," });
                    out.push_str(&format!("\"{name}\":"));
                    write(&fields[name], out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place == 0 { "" } else { "," });
                    write(item, out);
                }
                out.push(']');
            }
            Value::String(text) => out.push_str(&format!("\"{text}\"")),
            other => panic!("a document holds no {other}"),
        }
    }

    pub fn verifies(public_key: &str, message: &[u8], der: &str) -> bool {
        let point = hex::decode(public_key).unwrap();
        assert_eq!((point.len(), point[0]), (65, 4), "an uncompressed point");
        let id = b"1234567812345678";
        let mut about = Sm3::new();
        about.update((id.len() as u16 * 8).to_be_bytes());
        about.update(id);
        about.update(hex::decode(CURVE).unwrap());
        about.update(&point[1..]);
        let digest = Sm3::new().chain_update(about.finalize()).chain_update(message).finalize();
        let key = sm2::dsa::VerifyingKey::from_sec1_bytes("", &point).unwrap();
        let sign = sm2::dsa::Signature::from_der(&hex::decode(der).unwrap()).unwrap();
        key.verify_prehash(&digest, &sign).is_ok()
    }

    /// Whether a document proves itself.
    pub fn proven(document: &Value) -> bool {
        let mut bare = document.clone();
        let proof = bare["proof"].as_object_mut().unwrap().remove("proofValue").unwrap();
        let mut text = String::new();
        write(&bare, &mut text);
        let key = &document["verificationMethod"][0];
        assert_eq!(key["controller"], document["id"]);
        assert_eq!(document["proof"]["verificationMethod"], key["id"]);
        verifies(key["publicKeyHex"].as_str().unwrap(), text.as_bytes(), proof.as_str().unwrap())
    }
}

/// The key of a verification method, out of the document that the service resolves its DID to.
async fn resolved(sandbox: &crate::sandbox::Sandbox, method: &str) -> Value {
    let did = method.split('#').next().unwrap();
    let url = format!("{}/did/{did}", sandbox.identity_access().base);
    let web = http(std::time::Duration::from_secs(10)).unwrap();
    let document: Value = web.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(document["id"], did);
    assert!(verifier::proven(&document) && proves(&document), "{document}");
    document
}

async fn assert_signed(sandbox: &crate::sandbox::Sandbox, signature: &DidSignature, text: &str) {
    let document = resolved(sandbox, &signature.verification_method).await;
    let key = document["verificationMethod"][0]["publicKeyHex"].as_str().unwrap().to_owned();
    assert!(verifier::verifies(&key, text.as_bytes(), &signature.proof_value));
    assert!(!verifier::verifies(&key, b"another text", &signature.proof_value));
    assert!(signed(&document, signature, text));
}

#[tokio::test]
async fn legal_persons_and_applications_have_dids_and_sign() {
    let sandbox = sandbox().await;
    let platform = sandbox.platform_client().unwrap();
    let legal = LegalRequest {
        name: "地铁公司".into(),
        credit_code: CreditCode::parse("91350100M000100Y43").unwrap(),
    };
    let first: LegalRegistered = ask(&platform, "3.2", &legal).await.data().unwrap();
    let again: LegalRegistered = ask(&platform, "3.2", &legal).await.data().unwrap();
    assert_eq!(first, again);
    let document = resolved(&sandbox, first.did.as_str()).await;
    assert!(document["id"].as_str().unwrap().starts_with("did:shlp:"));
    let renamed = LegalRequest { name: "另一家".into(), ..legal.clone() };
    assert_eq!(ask::<Value>(&platform, "3.2", &renamed).await.status, 403);
    let forged = json!({ "name": "地铁公司", "creditCode": "91350100M000100Y44" });
    assert_eq!(ask::<Value>(&platform, "3.2", &forged).await.status, 400);

    let metro = sandbox.chain_client(&sandbox.scenes()[0]).unwrap();
    let mine = AppSignRequest { content: "对账 2026-10".into() };
    let by_metro: DidSignature = ask(&metro, "4.4.1", &mine).await.data().unwrap();
    let by_platform: DidSignature = ask(&platform, "4.4.1", &mine).await.data().unwrap();
    assert_ne!(by_metro.verification_method, by_platform.verification_method);
    assert_signed(&sandbox, &by_metro, &mine.content).await;
    assert_signed(&sandbox, &by_platform, &mine.content).await;
    let nobody = format!("{}/did/did:shap:1", sandbox.identity_access().base);
    let web = http(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(web.get(nobody).send().await.unwrap().status(), 404);
}

/// Goes through an H5 whose phone is known, or typed.
async fn gone_through(sandbox: &crate::sandbox::Sandbox, h5: &H5, shown: &[&str]) {
    let web = http(std::time::Duration::from_secs(10)).unwrap();
    let page = web.get(&h5.url).send().await.unwrap().text().await.unwrap();
    for text in shown {
        assert!(page.contains(text), "{text} is not on {page}");
    }
    assert!(!page.contains(ID_NO) && !page.contains("<script>"), "{page}");
    web.post(format!("{}/code", h5.url)).form(&[("phone", PHONE)]).send().await.unwrap();
    let code = sandbox.sms_code(PHONE).await.unwrap();
    let over = web.post(&h5.url).form(&[("code", &code)]).send().await.unwrap();
    assert_eq!(over.status(), 303);
}

#[tokio::test]
async fn an_agent_registers_a_legal_person_in_an_h5() {
    let sandbox = sandbox().await;
    let bus = sandbox.chain_client(&sandbox.scenes()[1]).unwrap();
    let request = LegalH5Request {
        name: "<b>公交公司".into(),
        credit_code: CreditCode::parse("91350100M000100Y43").unwrap(),
        agent_name: bus.seal("agentName", "张三"),
        agent_id_no: bus.seal("agentIdNo", ID_NO),
        agent_phone: None,
        return_url: "http://127.0.0.1:1/".into(),
    };
    let h5: H5 = ask(&bus, "4.4.3", &request).await.data().unwrap();
    gone_through(&sandbox, &h5, &["法人认证", "&lt;b&gt;公交公司", "91350100M000100Y43", "张*"])
        .await;
    let result = H5ResultRequest { serial: h5.serial };
    let done: H5Result = ask(&bus, "4.4.5", &result).await.data().unwrap();
    assert_eq!((done.status, done.ccid, done.signature), (H5Status::Done, None, None));
    let legal = LegalRequest { name: request.name, credit_code: request.credit_code };
    let platform = sandbox.platform_client().unwrap();
    let known: LegalRegistered = ask(&platform, "3.2", &legal).await.data().unwrap();
    assert_eq!(done.did, Some(known.did));
}

#[tokio::test]
async fn a_citizen_signs_for_an_application_and_for_the_platform() {
    let sandbox = sandbox().await;
    let metro = sandbox.chain_client(&sandbox.scenes()[0]).unwrap();
    let ccid = through_the_h5(&sandbox, &metro).await;
    let content = "同意《授权协议》第 1 版 <script>".to_owned();
    let return_url = "http://127.0.0.1:1/".to_owned();
    let request = SigningH5Request { ccid: ccid.clone(), content, return_url };
    let h5: H5 = ask(&metro, "4.4.4", &request).await.data().unwrap();
    gone_through(&sandbox, &h5, &["数字签名", "第 1 版 &lt;script&gt;", "199****0001"]).await;
    let result = H5ResultRequest { serial: h5.serial };
    let done: H5Result = ask(&metro, "4.4.5", &result).await.data().unwrap();
    assert_eq!((done.ccid.as_ref(), done.did), (Some(&ccid), None));
    let signature = done.signature.unwrap();
    assert_eq!(signature.verification_method, format!("{ccid}#key-1"));
    assert_signed(&sandbox, &signature, &request.content).await;
    // Another application's pseudonym does not exist for this one.
    let bus = sandbox.chain_client(&sandbox.scenes()[1]).unwrap();
    let foreign = ask::<Value>(&bus, "4.4.4", &request).await;
    assert_eq!((foreign.reason(), foreign.status), (Some(Reason::NotFound), 404));

    // 3.3: the platform has the person sign with the DID itself.
    let platform = sandbox.platform_client().unwrap();
    let parent = ParentRequest { ccid, chain_code: "metro-app".into() };
    let parent: Parent = ask(&platform, "4.4.7", &parent).await.data().unwrap();
    let did = parent.person.unwrap().did;
    let sms = SmsCodeRequest { phone: platform.seal("phone", PHONE) };
    ask::<Sent>(&platform, "sms-code", &sms).await.data().unwrap();
    let sign = |sms_code: String| PersonSignRequest {
        did: did.clone(),
        sms_code,
        content: "注销账户".into(),
    };
    let wrong: PersonSigned = ask(&platform, "3.3", &sign("x".into())).await.data().unwrap();
    assert_eq!(wrong.signature, None);
    let right = sign(sandbox.sms_code(PHONE).await.unwrap());
    let right: PersonSigned = ask(&platform, "3.3", &right).await.data().unwrap();
    assert_signed(&sandbox, &right.signature.unwrap(), "注销账户").await;
}
