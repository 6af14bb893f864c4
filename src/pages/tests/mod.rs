//! The pages on a platform of twins: whole journeys by the citizens' own browser, and single
//! requests that must be refused.

mod doors;
mod journeys;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use carbon_actors::house::{Limits, Ports};
use carbon_actors::platform::{Platform, Wires};
use carbon_actors::ports::{Person, Purpose, Vault as _};
use carbon_actors::twins::{
    CollectingSubscribers, MemoryJournal, MemoryStore, MemoryVault, ScriptedIdentity,
    ScriptedPartners, SettableClock,
};
use carbon_protocol::account::{AccountCommand, AccountReply, Consent, Look, Summary};
use carbon_protocol::contracts::page::CityTicket;
use carbon_protocol::keys::{AppKey, Material};
use carbon_protocol::registry::{
    Agreement, AgreementScope, App, AppRole, Partner, RegistryCommand, RegistryReply, Scene,
    SceneKind,
};
use carbon_protocol::seal::DataKey;
use carbon_protocol::signature::sm3;
use carbon_protocol::{
    AccountId, AgreementId, AppId, AppNo, Day, MethodologyId, PartnerId, SceneCode, SceneNo,
    TextNo, Timestamp,
};
use url::Url;

use super::{Config, PagesState, router};
use crate::tickets::{AuthTicket, EntryPage, EntryTicket, Tickets};

const SIGN_KEY: &[u8] = b"the key that signs";
const CITY_KEY: [u8; 16] = [5; 16];
const ID_NO: &str = "990101199001010016";

/// A platform with its pages, listening.
struct Stage {
    platform: Platform,
    identity: Arc<ScriptedIdentity>,
    partners: Arc<ScriptedPartners>,
    vault: Arc<MemoryVault>,
    entries: Arc<Tickets<EntryTicket>>,
    codes: Arc<Tickets<AuthTicket>>,
    router: Router,
    url: Url,
    metro: AppNo,
    mall: AppNo,
    rail: SceneNo,
    bus: SceneNo,
}

/// Plays a scene on a stage of its own.
fn play<F: Future<Output = ()>>(scene: impl FnOnce(Stage) -> F) {
    carbon_actors::run(async {
        let (stage, followers) = Stage::build().await;
        scene(stage).await;
        followers.stop().await;
    })
    .unwrap();
}

fn limits() -> Limits {
    Limits {
        partitions: 4,
        arbiters: 1,
        mailbox_messages: 64,
        waiting_commands: 64,
        reserved_commands: 16,
        group_commands: 16,
        group_entries: 16,
        lane_groups: 16,
        lane_parcels: 16,
        idle_seconds: 60,
        awake_actors: 100,
        checkpoint_ms: 1000,
        unwritten_keys: 100_000,
        lag_entries: 100_000,
        errands_per_app: 4,
        errand_tries: 2,
        push_events: 10,
        issuance_accounts: 10,
    }
}

fn config() -> Config {
    Config {
        sessions: 100,
        session_idle_seconds: 1800,
        city_tickets: 100,
        sms_tries: 5,
        sms_sends: 2,
        sms_pause_seconds: 60,
        errand_wait_ms: 20,
    }
}

impl Stage {
    async fn build() -> (Self, carbon_actors::followers::Followers) {
        let store = Arc::new(MemoryStore::default());
        let identity = Arc::new(ScriptedIdentity::default());
        let partners = Arc::new(ScriptedPartners::default());
        let vault = Arc::new(MemoryVault::default());
        let now: Timestamp = "2026-11-24T10:00:00+08:00".parse().unwrap();
        let ports = Ports {
            journal: Arc::new(MemoryJournal::new(store.clone())),
            store,
            clock: Arc::new(SettableClock::at(now)),
            vault: vault.clone(),
            partners: partners.clone(),
            identity: identity.clone(),
            subscribers: Arc::new(CollectingSubscribers::default()),
        };
        let policy = toml::from_str(include_str!("../../../config/policy.toml")).unwrap();
        let (platform, followers) =
            Platform::start(ports, limits(), policy, Wires::InProcess).await.unwrap();
        let (metro, mall, rail, bus) = declare(&platform, &vault).await;
        let entries = Arc::new(Tickets::new(100, Duration::from_secs(300)));
        let codes = Arc::new(Tickets::new(100, Duration::from_secs(60)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = router(PagesState::new(
            platform.clone(),
            config(),
            url.clone(),
            DataKey::new(CITY_KEY),
            entries.clone(),
            codes.clone(),
        ));
        let served = router.clone();
        tokio::spawn(async move { axum::serve(listener, served).await });
        let stage = Self {
            platform,
            identity,
            partners,
            vault,
            entries,
            codes,
            router,
            url,
            metro,
            mall,
            rail,
            bus,
        };
        (stage, followers)
    }

    /// A link of the city's app.
    fn city_link(&self, nonce: &str) -> Url {
        let ticket = CityTicket {
            name: "张三<b>".into(),
            id_no: ID_NO.into(),
            phone: "13800001234".into(),
            nonce: nonce.into(),
            expires_at: self.platform.now().unwrap().plus_seconds(200),
        };
        let text = ticket.seal(&DataKey::new(CITY_KEY), [1; 12]);
        self.url.join(&format!("/h5/enter?cityTicket={text}")).unwrap()
    }

    /// A link of the metro's app, as the door makes it of Z102.
    fn partner_link(&self, change: impl FnOnce(&mut EntryTicket)) -> Url {
        let did = self.identity.enrol(&person());
        let mut ticket = EntryTicket {
            app: self.metro,
            page: EntryPage::Light,
            scenes: vec![self.rail, self.bus],
            ccid: Some(self.identity.ccid_of(&did, "chain-metro")),
            person: None,
            partner_uid: None,
            real_name_verified: true,
            return_url: Some("https://metro.example/back?own=1".into()),
            state: Some("state-7".into()),
        };
        change(&mut ticket);
        let ticket = self.entries.issue(ticket).unwrap();
        self.url.join(&format!("/h5/enter?ticket={ticket}")).unwrap()
    }

    fn account(&self) -> AccountId {
        self.vault.account_of(ID_NO).unwrap()
    }

    /// The agreements that consents are to, in their order.
    fn agreements_of(&self, consents: &[Consent]) -> Vec<String> {
        let registry = self.platform.registry();
        consents.iter().map(|one| registry.text(one.text).unwrap().id.to_string()).collect()
    }

    async fn summary(&self) -> Summary {
        let look = AccountCommand::Look(Look::Summary);
        match self.platform.account(self.account(), look).await.unwrap() {
            AccountReply::Summary(summary) => *summary,
            other => panic!("{other:?}"),
        }
    }
}

fn person() -> Person {
    Person { name: "张三".into(), id_no: ID_NO.into(), phone: Some("13800001234".into()) }
}

fn app(id: &str, role: AppRole, vault: &MemoryVault) -> App {
    App {
        no: AppNo(0),
        id: AppId::parse(id).unwrap(),
        partner: PartnerId::parse("partner").unwrap(),
        role,
        name: format!("{id}<i>"),
        chain_code: format!("chain-{id}"),
        base_url: "http://127.0.0.1:9".into(),
        return_hosts: vec!["metro.example".into()],
        mall_url: (role == AppRole::Mall).then(|| "https://mall.example/h5?from=city".into()),
        no_account_text: None,
        sandbox: true,
        keys: vec![
            key(Material::Secret(vault.take(Purpose::Mac, SIGN_KEY).unwrap())),
            key(Material::Data(vault.take(Purpose::Fields, &[9; 16]).unwrap())),
        ],
        newest_key: 2,
        suspended: false,
        tokens: [Timestamp(0); 2],
    }
}

fn key(material: Material) -> AppKey {
    AppKey::new(material, Timestamp(0))
}

fn scene(code: &str, kind: SceneKind, apps: &[AppNo]) -> Scene {
    Scene {
        no: SceneNo(0),
        code: SceneCode::parse(code).unwrap(),
        name: format!("场景{code}"),
        kind,
        link: kind.has_link().then(|| format!("https://{code}.example/go?a=1&b=2")),
        methodology: MethodologyId::parse("SHCER02020022024II").unwrap(),
        apps: apps.to_vec(),
        active_from: "2024-01-01".parse().unwrap(),
        active_to: "2030-12-31".parse().unwrap(),
    }
}

/// An agreement, its title and text.
fn agreement(id: &str, scope: AgreementScope, version: u32) -> Agreement {
    let text = format!("<h2>{id}</h2><p>第 {version} 版</p><script>bad()</script>");
    Agreement {
        no: TextNo(0),
        id: AgreementId::parse(id).unwrap(),
        scope,
        title: format!("{id}协议"),
        version,
        effective: Day(19_000),
        language: "zh-CN".into(),
        sm3: sm3(text.as_bytes()),
        text,
    }
}

async fn register_app(platform: &Platform, app: App) -> AppNo {
    match platform.register(RegistryCommand::RegisterApp(Box::new(app))).await.unwrap() {
        RegistryReply::App(no) => no,
        other => panic!("{other:?}"),
    }
}

async fn register_scene(platform: &Platform, scene: Scene) -> SceneNo {
    match platform.register(RegistryCommand::DeclareScene(Box::new(scene))).await.unwrap() {
        RegistryReply::Scene(no) => no,
        other => panic!("{other:?}"),
    }
}

async fn publish(platform: &Platform, agreement: Agreement) {
    platform.register(RegistryCommand::PublishAgreement(Box::new(agreement))).await.unwrap();
}

async fn declare(platform: &Platform, vault: &MemoryVault) -> (AppNo, AppNo, SceneNo, SceneNo) {
    let id = PartnerId::parse("partner").unwrap();
    let partner = Partner { id, name: "合作方".into(), credit_code: None, did: None };
    platform.register(RegistryCommand::RegisterPartner(partner)).await.unwrap();
    let methodologies = include_str!("../../../config/methodologies.toml");
    let methodologies: toml::Table = toml::from_str(methodologies).unwrap();
    let methodologies = methodologies["methodology"].clone().try_into().unwrap();
    let adopt = RegistryCommand::AdoptMethodologies(methodologies);
    platform.register(adopt).await.unwrap();
    let metro = register_app(platform, app("metro", AppRole::Scene, vault)).await;
    let mall = register_app(platform, app("mall", AppRole::Mall, vault)).await;
    let rail = register_scene(platform, scene("rail", SceneKind::Standard, &[metro])).await;
    let bus = register_scene(platform, scene("bus", SceneKind::Standard, &[metro])).await;
    register_scene(platform, scene("car", SceneKind::SunCode, &[metro])).await;
    register_scene(platform, scene("home", SceneKind::Announced, &[metro])).await;
    register_scene(platform, scene("solar", SceneKind::External, &[metro])).await;
    let id = |id: &str| AppId::parse(id).unwrap();
    let code = |code: &str| SceneCode::parse(code).unwrap();
    for (name, scope) in [
        ("city", AgreementScope::CityApp),
        ("platform", AgreementScope::Platform),
        ("metro", AgreementScope::App(id("metro"))),
        ("matching", AgreementScope::Matching),
        ("rail", AgreementScope::Scene(id("metro"), code("rail"))),
        ("bus", AgreementScope::Scene(id("metro"), code("bus"))),
        ("mall", AgreementScope::Mall(id("mall"))),
    ] {
        publish(platform, agreement(name, scope, 1)).await;
    }
    (metro, mall, rail, bus)
}
