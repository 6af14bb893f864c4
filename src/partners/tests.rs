//! The client against a partner's server that checks signatures and answers as told.

use std::time::Duration;

use carbon_actors::ports::Purpose;
use carbon_actors::twins::MemoryVault;
use carbon_protocol::keys::{AppKey, Material};
use carbon_protocol::seal::DataKey;
use carbon_protocol::sm2::PrivateKey;
use carbon_protocol::{AppId, AppNo, PartnerId, Timestamp};

use super::*;
use crate::signed::rehearsal::Rehearsal;

const KEY: &[u8] = b"the key that signs";
const DATA_KEY: [u8; 16] = [9; 16];

fn app(url: &str, role: AppRole, sandbox: bool) -> Arc<App> {
    let vault = MemoryVault::default();
    Arc::new(App {
        no: AppNo(1),
        id: AppId::parse("metro").unwrap(),
        partner: PartnerId::parse("p").unwrap(),
        role,
        name: "地铁".into(),
        chain_code: "c".into(),
        base_url: format!("{url}/partner"),
        return_hosts: Vec::new(),
        mall_url: None,
        no_account_text: None,
        sandbox,
        keys: vec![
            key(Material::Secret(vault.take(Purpose::Mac, KEY).unwrap())),
            key(Material::Data(vault.take(Purpose::Fields, &DATA_KEY).unwrap())),
        ],
        newest_key: 2,
        suspended: false,
        tokens: [Timestamp(0); 2],
    })
}

fn key(material: Material) -> AppKey {
    AppKey::new(material, Timestamp(0))
}

fn partners() -> HttpPartners {
    let outbound = Outbound::new(Duration::from_secs(2)).unwrap();
    HttpPartners::new(outbound, Arc::new(MemoryVault::default()))
}

fn person() -> Person {
    Person { name: "张三".into(), id_no: "990101199001010016".into(), phone: None }
}

#[tokio::test]
async fn matching_sends_sealed_data_to_the_roles_own_address() {
    let server = Rehearsal::start(KEY).await;
    let uid = PartnerUid::parse("u-1").unwrap();
    for (role, path) in [(AppRole::Scene, "/partner/C101"), (AppRole::Mall, "/partner/Q101")] {
        server.answers(&MatchReply { partner_uid: Some(uid.clone()) });
        let app = app(&server.url, role, true);
        let found = partners().match_account(app.clone(), person()).await.unwrap();
        assert_eq!(found, Some(uid.clone()));
        server.answers(&MatchReply { partner_uid: None });
        assert_eq!(partners().match_account(app, person()).await.unwrap(), None);
        let (called, who, body) = server.calls.lock().last().unwrap().clone();
        assert_eq!((called.as_str(), who.as_str()), (path, "metro"));
        let text = String::from_utf8(body).unwrap();
        assert!(!text.contains("990101") && !text.contains("张三"), "{text}");
        let request: MatchRequest = serde_json::from_str(&text).unwrap();
        let name = request.name.open(&DataKey::new(DATA_KEY), "metro", "name").unwrap();
        assert_eq!(name.as_str(), "张三");
        assert!(request.phone.is_none());
    }
}

#[tokio::test]
async fn a_mall_links_or_refuses_and_an_unsigned_answer_is_neither() {
    let server = Rehearsal::start(KEY).await;
    let app = app(&server.url, AppRole::Mall, true);
    let (ccid, uid) = (Ccid::parse("c-1").unwrap(), PartnerUid::parse("u-1").unwrap());
    let own = PartnerUid::parse("u-2").unwrap();
    let link =
        async || partners().link_mall(app.clone(), ccid.clone(), uid.clone(), "e-1".into()).await;
    server.answers(&LinkReply { linked: true, partner_uid: Some(own.clone()) });
    assert_eq!(link().await.unwrap(), LinkAnswer::Linked(own));
    server.answers(&LinkReply { linked: true, partner_uid: None });
    assert_eq!(link().await.unwrap(), LinkAnswer::Linked(uid.clone()));
    server.answers(&LinkReply { linked: false, partner_uid: None });
    assert_eq!(link().await.unwrap(), LinkAnswer::Refused);
    server.answers(&LinkReply { linked: true, partner_uid: None });
    server.script.lock().key = b"another key".to_vec();
    assert!(matches!(link().await, Err(Failure::Partner(_))));
    let (called, _, body) = server.calls.lock()[0].clone();
    assert_eq!(called, "/partner/Z203");
    let request: LinkRequest = serde_json::from_slice(&body).unwrap();
    assert_eq!((request.event_id.as_str(), request.ccid), ("e-1", ccid.clone()));
}

#[tokio::test]
async fn a_push_tells_the_status_and_when_to_come_again() {
    let server = Rehearsal::start(KEY).await;
    let url = format!("{}/push?a=1", server.url);
    let body = br#"{"kind":"Z203","items":[]}"#.to_vec();
    let push = async |sandbox| {
        let app = app(&server.url, AppRole::Scene, sandbox);
        partners().push(app, url.clone(), PushKind::Authorization, body.clone()).await
    };
    assert_eq!(push(true).await, PushAnswer { status: 200, retry_after: None });
    assert_eq!(server.calls.lock()[0], ("/push?a=1".into(), "metro".into(), body.clone()));
    server.script.lock().answer = (503, String::new());
    server.script.lock().extra = vec![("retry-after", "120")];
    assert_eq!(push(true).await, PushAnswer { status: 503, retry_after: Some(120) });
    server.script.lock().extra = vec![("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")];
    assert_eq!(push(true).await.retry_after, None);
    // Outside the sandbox an address in a private network is never called.
    let calls = server.calls.lock().len();
    assert_eq!(push(false).await, PushAnswer { status: 0, retry_after: None });
    assert_eq!(server.calls.lock().len(), calls);
}

#[tokio::test]
async fn raw_data_is_asked_for_by_serial() {
    use carbon_protocol::Serial;
    use carbon_protocol::behaviour::{Behaviour, Bus};
    use carbon_protocol::contracts::c201::{RawData, RawDataRequest, RawRecord};
    let server = Rehearsal::start(KEY).await;
    let app = app(&server.url, AppRole::Scene, true);
    let label = |text: &str| carbon_protocol::Label::parse(text).unwrap();
    let boarding_time = carbon_protocol::Timestamp(1_790_000_000_000);
    let record = RawRecord {
        serial: Serial::parse("r-1").unwrap(),
        ccid: Ccid::parse("c-1").unwrap(),
        behaviour: Behaviour::Bus(Bus { line: label("71"), boarding_time, order_no: label("o") }),
    };
    server.answers(&RawData { records: vec![record.clone()] });
    let serials = ["r-1", "r-2"].map(|serial| Serial::parse(serial).unwrap()).to_vec();
    let told = partners().raw_data(app.clone(), serials.clone()).await.unwrap();
    assert_eq!(told, [record]);
    let (called, _, body) = server.calls.lock()[0].clone();
    assert_eq!(called, "/partner/C201");
    let request: RawDataRequest = serde_json::from_slice(&body).unwrap();
    assert_eq!(request.serials, serials);
    server.script.lock().key = b"another key".to_vec();
    assert!(matches!(partners().raw_data(app, serials).await, Err(Failure::Partner(_))));
}

#[tokio::test]
async fn a_partner_with_a_key_pair_is_called_and_believed_by_sm2() {
    let server = Rehearsal::start(KEY).await;
    let pair = PrivateKey::from_bytes(&[3; 32]).unwrap();
    let mut app = Arc::unwrap_or_clone(app(&server.url, AppRole::Scene, true));
    // Newer than the secret, which stays valid for a while.
    let newer = Material::Sm2(pair.public());
    app.keys.push(AppKey { no: 3, ..AppKey::new(newer, Timestamp(1)) });
    let app = Arc::new(app);
    let platform = MemoryVault::default().public_key();
    server.script.lock().pair = Some((pair, platform));
    server.answers(&MatchReply { partner_uid: None });
    assert_eq!(partners().match_account(app.clone(), person()).await.unwrap(), None);
    let url = format!("{}/push", server.url);
    let pushed = partners().push(app.clone(), url, PushKind::Authorization, b"{}".to_vec());
    assert_eq!(pushed.await.status, 200);
    // An answer by somebody else's key pair is none.
    let stranger = PrivateKey::from_bytes(&[4; 32]).unwrap();
    server.script.lock().pair = Some((stranger, platform));
    assert!(partners().match_account(app.clone(), person()).await.is_err());
    // A retired secret is believed no more, though the partner still signs with it.
    server.script.lock().pair = None;
    let mut ended = Arc::unwrap_or_clone(app);
    ended.keys.retain(|key| key.no == 3 || !key.material.signs());
    let failed = partners().match_account(Arc::new(ended), person()).await.unwrap_err();
    assert!(
        failed.to_string().contains("401") || failed.to_string().contains("signed"),
        "{failed}"
    );
}

#[tokio::test]
async fn fields_are_sealed_under_the_newest_valid_data_key() {
    let server = Rehearsal::start(KEY).await;
    server.answers(&MatchReply { partner_uid: None });
    let mut app = Arc::unwrap_or_clone(app(&server.url, AppRole::Scene, true));
    let take = |bytes: [u8; 16]| {
        Material::Data(MemoryVault::default().take(Purpose::Fields, &bytes).unwrap())
    };
    app.keys.push(AppKey { no: 3, ..AppKey::new(take([8; 16]), Timestamp(1)) });
    // Of the year 2096: not yet.
    app.keys.push(AppKey { no: 4, ..AppKey::new(take([7; 16]), Timestamp(4_000_000_000_000)) });
    partners().match_account(Arc::new(app), person()).await.unwrap();
    let (_, _, body) = server.calls.lock()[0].clone();
    let request: MatchRequest = serde_json::from_slice(&body).unwrap();
    let name = request.name.open(&DataKey::new([8; 16]), "metro", "name").unwrap();
    assert_eq!(name.as_str(), "张三");
}
