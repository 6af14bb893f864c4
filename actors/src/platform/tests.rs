//! The platform on twins of its ports: actors are counted, put to sleep and woken, the journal
//! fails under them, the process is lost between any two checkpoints.

use std::future::Future;

use carbon_protocol::account::{Channel, Consent, ErrandOutcome, Look, Open, Purpose, Summary};
use carbon_protocol::behaviour::{Behaviour, Bus};
use carbon_protocol::courier::PushKind;
use carbon_protocol::intake::{Batch, CheckedRow, RowVerdict};
use carbon_protocol::issuance::Scope;
use carbon_protocol::methodology::{Formula, Methodology};
use carbon_protocol::registry::{App, AppRole, Partner, Scene, SceneKind};
use carbon_protocol::{
    AppId, Did, Grams, Label, MethodologyId, OperatorId, PartnerId, PartnerUid, Points, Reason,
    SceneCode, SceneNo, Serial, TextNo,
};

use super::*;
use crate::followers::batches::RowState;
use crate::machines::fixtures::{agreement, policy};
use crate::ports::Person;
use crate::twins::{
    CollectingSubscribers, MemoryJournal, MemoryStore, MemoryVault, ScriptedIdentity,
    ScriptedPartners, SettableClock,
};

pub(super) const METRO: AppNo = AppNo(1);
const TRIPS: SceneNo = SceneNo(1);
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn noon() -> Timestamp {
    "2026-11-24T12:00:00+08:00".parse().unwrap()
}

fn limits() -> Limits {
    Limits {
        partitions: 64,
        arbiters: 2,
        mailbox_messages: 256,
        waiting_commands: 1024,
        reserved_commands: 512,
        group_commands: 256,
        group_entries: 512,
        lane_groups: 64,
        lane_parcels: 500,
        idle_seconds: 3600,
        awake_actors: 100_000,
        checkpoint_ms: 10,
        unwritten_keys: 100_000,
        lag_entries: 50_000,
        errands_per_app: 8,
        errand_tries: 3,
        push_events: 500,
        issuance_accounts: 16,
    }
}

/// What outlives a process.
#[derive(Clone)]
pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) journal: Arc<MemoryJournal>,
    pub(super) clock: Arc<SettableClock>,
    vault: Arc<MemoryVault>,
    partners: Arc<ScriptedPartners>,
    identity: Arc<ScriptedIdentity>,
    pub(super) subscribers: Arc<CollectingSubscribers>,
    pub(super) limits: Limits,
}

impl World {
    pub(super) fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        Self {
            journal: Arc::new(MemoryJournal::new(store.clone())),
            store,
            clock: Arc::new(SettableClock::at(noon())),
            vault: Arc::default(),
            partners: Arc::default(),
            identity: Arc::default(),
            subscribers: Arc::default(),
            limits: limits(),
        }
    }

    pub(super) async fn start(&self) -> (Platform, Followers) {
        let ports = Ports {
            journal: self.journal.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            vault: self.vault.clone(),
            partners: self.partners.clone(),
            identity: self.identity.clone(),
            subscribers: self.subscribers.clone(),
        };
        let started = Platform::start(ports, self.limits.clone(), policy(), Wires::InProcess);
        started.await.unwrap()
    }
}

pub(super) fn run(work: impl Future<Output = ()>) {
    crate::run(work).unwrap();
}

/// Waits until something holds, and says what when it never does.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not after {PATIENCE:?}");
}

fn consent() -> Consent {
    Consent { text: TextNo(1), at: noon(), channel: Channel::CityApp }
}

/// A partner with one application and one scene for buses.
pub(super) async fn declare(platform: &Platform) {
    let (partner, methodology) =
        (PartnerId::parse("p").unwrap(), MethodologyId::parse("m").unwrap());
    let app = App {
        no: AppNo(0),
        id: AppId::parse("metro").unwrap(),
        partner: partner.clone(),
        role: AppRole::Scene,
        name: "地铁".into(),
        chain_code: "metro".into(),
        base_url: "http://127.0.0.1:1".into(),
        return_hosts: Vec::new(),
        mall_url: None,
        no_account_text: None,
        sandbox: true,
        keys: Vec::new(),
        newest_key: 0,
        suspended: false,
        tokens: [Timestamp(0); 2],
    };
    let day = |text: &str| text.parse::<Day>().unwrap();
    let scene = Scene {
        no: SceneNo(0),
        code: SceneCode::parse("bus").unwrap(),
        name: "公交".into(),
        kind: SceneKind::Standard,
        link: None,
        methodology: methodology.clone(),
        apps: vec![METRO],
        active_from: day("2026-01-01"),
        active_to: day("2027-12-31"),
    };
    let priced = Methodology {
        id: methodology,
        title: "公交".into(),
        version: 1,
        effective: day("2026-01-01"),
        source: "test".into(),
        verified: false,
        formula: Formula::Bus { g_per_ride: "100".parse().unwrap() },
    };
    for command in [
        RegistryCommand::RegisterPartner(Partner {
            id: partner,
            name: "一".into(),
            credit_code: None,
            did: None,
        }),
        RegistryCommand::PublishAgreement(Box::new(agreement())),
        RegistryCommand::AdoptMethodologies(vec![priced]),
        RegistryCommand::RegisterApp(Box::new(app)),
        RegistryCommand::DeclareScene(Box::new(scene)),
    ] {
        platform.register(command).await.unwrap();
    }
}

pub(super) fn account(no: u16) -> AccountId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&no.to_be_bytes());
    AccountId(id)
}

pub(super) async fn open(world: &World, platform: &Platform, no: u16) -> AccountId {
    let id_no = format!("99010119900101{no:04}");
    let person = Person { name: "张三".into(), id_no: id_no.clone(), phone: None };
    world.partners.knows(METRO, &id_no, PartnerUid::parse(&format!("u{no}")).unwrap());
    let did: Did = world.identity.enrol(&person);
    let person = platform.vault().seal_person(person).await.unwrap();
    let open = Open { did, person, channel: Channel::CityApp, consents: vec![consent()] };
    platform.account(account(no), AccountCommand::Open(open)).await.unwrap();
    account(no)
}

pub(super) async fn summary(platform: &Platform, id: AccountId) -> Summary {
    match platform.account(id, AccountCommand::Look(Look::Summary)).await {
        Ok(AccountReply::Summary(summary)) => *summary,
        other => panic!("{other:?}"),
    }
}

/// Consents, and waits until the errand runner has lit the scene.
pub(super) async fn light(platform: &Platform, id: AccountId) -> Ccid {
    let scenes = vec![(TRIPS, vec![consent()])];
    let purpose = Purpose::Light { app: METRO, scenes };
    platform.account(id, AccountCommand::Begin(purpose)).await.unwrap();
    until("lit", || async { !summary(platform, id).await.scenes.is_empty() }).await;
    summary(platform, id).await.links[0].ccid.clone()
}

pub(super) fn batch(platform: &Platform, name: &str, ccids: &[Ccid]) -> IntakeCommand {
    let rows = ccids.iter().enumerate().map(|(row, ccid)| CheckedRow {
        serial: Serial::parse(&format!("{name}-{row}")).unwrap(),
        digest: [1; 16],
        ccid: ccid.clone(),
        account: platform.resolve(METRO, ccid),
        scene: Some(TRIPS),
        behaviour: Some(Behaviour::Bus(Bus {
            line: Label::parse("71").unwrap(),
            boarding_time: noon().plus_ms(60_000),
            order_no: Label::parse("o").unwrap(),
        })),
        amends: None,
        claimed_grams: Grams(100),
        grams: Grams(100),
        priced_by: None,
        refused: None,
    });
    let (serial, digest) = (Serial::parse(name).unwrap(), [1; 16]);
    IntakeCommand::Accept(Batch { serial, digest, rows: rows.collect() })
}

async fn submitted(platform: &Platform, batch: u32) -> usize {
    let page = platform.batch(METRO, batch).await.unwrap().unwrap();
    let is = |state: &RowState| matches!(state, RowState::Submitted { .. });
    page.rows.iter().filter(|row| is(&row.state)).count()
}

pub(super) fn start_run(serial: &str) -> IssuanceCommand {
    let (serial, through) = (Serial::parse(serial).unwrap(), noon().day());
    let scope = Scope { through, scenes: Vec::new(), excluded: Vec::new() };
    IssuanceCommand::Start { serial, scope, by: OperatorId::parse("root").unwrap() }
}

pub(super) async fn finished(platform: &Platform) -> bool {
    match platform.issuance(IssuanceCommand::Look(None)).await {
        Ok(IssuanceReply::Run(run, _)) => run.finished_at.is_some(),
        _ => false,
    }
}

#[test]
fn every_awake_citizen_is_an_actor_of_its_own_and_sleeps_when_nobody_speaks_to_it() {
    run(async {
        let mut world = World::new();
        world.limits.idle_seconds = 1;
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        for no in 0..40 {
            open(&world, &platform, no).await;
        }
        // One is an errand away from being lit, so that it is spoken to while the others idle.
        assert_eq!(platform.health().awake, 40, "as many actors as citizens");
        until("asleep", || async { platform.health().awake == 0 }).await;
        // Woken by a message, each knows what it knew.
        for no in 0..40 {
            assert!(summary(&platform, account(no)).await.open, "{no}");
        }
        assert_eq!(platform.health().awake, 40);
        followers.stop().await;
    });
}

#[test]
fn messages_that_meet_a_passivation_are_not_lost() {
    run(async {
        let mut world = World::new();
        world.limits.idle_seconds = 0;
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let id = open(&world, &platform, 1).await;
        let house = platform.0.clone();
        // Sweeps without a pause while it is asked without a pause.
        let sweeping = tokio::spawn(async move {
            loop {
                house.accounts.sweep(Duration::ZERO);
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..2_000 {
            assert!(summary(&platform, id).await.open);
        }
        sweeping.abort();
        followers.stop().await;
    });
}

#[test]
fn a_day_of_trips_is_lit_submitted_issued_and_pushed() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        for kind in PushKind::of(AppRole::Scene).iter().copied() {
            let url = format!("http://127.0.0.1:1/{}", kind.code());
            platform.courier(METRO, CourierCommand::SetAddress { kind, url }).await.unwrap();
        }
        let mut ccids = Vec::new();
        for no in 0..20 {
            let id = open(&world, &platform, no).await;
            ccids.push(light(&platform, id).await);
        }
        world.clock.advance_ms(3_600_000);
        let reply = platform.intake(METRO, batch(&platform, "b1", &ccids)).await.unwrap();
        let IntakeReply::Receipt(receipt) = reply else { panic!() };
        assert!(receipt.verdicts.iter().all(|verdict| *verdict == RowVerdict::Received));
        until("submitted", || async { submitted(&platform, 1).await == 20 }).await;
        // The same batch again is the same batch.
        let again = platform.intake(METRO, batch(&platform, "b1", &ccids)).await.unwrap();
        assert!(matches!(again, IntakeReply::Receipt(again) if again.replay));
        platform.issuance(start_run("r1")).await.unwrap();
        until("finished", || async { finished(&platform).await }).await;
        let totals = platform.run_totals(RunNo(1)).await.unwrap();
        assert_eq!((totals.records, totals.grams, totals.points), (20, Grams(2000), Points(200)));
        for no in 0..20 {
            let summary = summary(&platform, account(no)).await;
            assert_eq!(summary.points.available, Points(10), "{no}");
        }
        // Twenty scenes lit, twenty issuances, and each submission and issuance on the bill, once,
        // however they were packed.
        until("pushed", || async { pushed_items(&world) == [20, 20, 40, 0] }).await;
        followers.stop().await;
    });
}

#[test]
fn batches_that_share_an_entry_are_all_decided() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let mut ccids = Vec::new();
        for no in 0..10 {
            let id = open(&world, &platform, no).await;
            ccids.push(light(&platform, id).await);
        }
        world.clock.advance_ms(3_600_000);
        // While the first waits for the journal, the others gather for one turn and one entry.
        world.journal.hold();
        let batches = (0..20).map(|no| batch(&platform, &format!("b{no}"), &ccids));
        let accepted: Vec<_> = batches.map(|batch| platform.intake(METRO, batch)).collect();
        let all = futures::future::join_all(accepted);
        let released = async {
            until("held", || async { world.journal.held() > 0 }).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.journal.release();
        };
        let (receipts, ()) = tokio::join!(all, released);
        assert!(receipts.iter().all(Result::is_ok), "{receipts:?}");
        let entries = world.journal.entries();
        let shared = entries.iter().filter(|committed| committed.entry.events.len() > 1);
        assert!(shared.count() > 0, "no two batches came to share an entry");
        for number in 1..=20 {
            until("submitted", || async { submitted(&platform, number).await == 10 }).await;
        }
        followers.stop().await;
    });
}

/// Items pushed by kind: Z203, Z305, Z503, Z404.
fn pushed_items(world: &World) -> [usize; 4] {
    let count = |kind| {
        let pushes = world.partners.pushed().into_iter().filter(|push| push.kind == kind);
        pushes
            .map(|push| {
                let body: serde_json::Value = serde_json::from_slice(&push.body).unwrap();
                body["items"].as_array().map_or(0, Vec::len)
            })
            .sum()
    };
    PushKind::ALL.map(count)
}

#[test]
fn a_journal_that_fails_changes_nothing_and_the_same_can_be_asked_again() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let id = open(&world, &platform, 1).await;
        light(&platform, id).await;
        let revoke =
            || AccountCommand::Revoke { app: METRO, scene: TRIPS, channel: Channel::CityApp };
        world.journal.fail_next(1);
        let broken = platform.account(id, revoke()).await;
        assert!(matches!(broken, Err(Refusal::Broken(_))), "{broken:?}");
        let periods = summary(&platform, id).await.scenes[0].periods.clone();
        assert!(periods[0].to.is_none(), "still lit");
        platform.account(id, revoke()).await.unwrap();
        assert!(summary(&platform, id).await.scenes[0].periods[0].to.is_some());
        followers.stop().await;
    });
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_any_checkpoint() {
    for crash_after in [0, 1, 5, 50] {
        let world = World::new();
        let mut ccids = Vec::new();
        run(async {
            let (platform, followers) = world.start().await;
            declare(&platform).await;
            for no in 0..6 {
                let id = open(&world, &platform, no).await;
                ccids.push(light(&platform, id).await);
            }
            world.clock.advance_ms(3_600_000);
            platform.intake(METRO, batch(&platform, "b1", &ccids)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(crash_after)).await;
            // As if the process were gone: from here on nothing becomes durable any more. Its
            // threads are ended all the same, or they would go on in the next life.
            world.journal.hold();
            world.store.fail_next(usize::MAX);
            followers.stop().await;
        });
        world.journal.lose_held();
        world.journal.release();
        world.store.crash();
        world.store.fail_next(0);
        run(async {
            let (platform, followers) = world.start().await;
            until("submitted", || async { submitted(&platform, 1).await == 6 }).await;
            for no in 0..6 {
                let summary = summary(&platform, account(no)).await;
                assert_eq!(summary.grams.pending, Grams(100), "{no} after {crash_after} ms");
            }
            platform.issuance(start_run("r1")).await.unwrap();
            until("finished", || async { finished(&platform).await }).await;
            assert_eq!(platform.run_totals(RunNo(1)).await.unwrap().records, 6);
            followers.stop().await;
        });
    }
}

#[test]
fn a_partner_without_an_account_ends_the_errand_with_its_reason() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let person = Person { name: "无".into(), id_no: "x".into(), phone: None };
        let did = world.identity.enrol(&person);
        let person = platform.vault().seal_person(person).await.unwrap();
        let open = Open { did, person, channel: Channel::CityApp, consents: vec![consent()] };
        let id = account(7);
        platform.account(id, AccountCommand::Open(open)).await.unwrap();
        let scenes = vec![(TRIPS, vec![consent()])];
        let purpose = Purpose::Light { app: METRO, scenes };
        platform.account(id, AccountCommand::Begin(purpose.clone())).await.unwrap();
        let failed =
            || async { summary(&platform, id).await.errand.and_then(|errand| errand.failed) };
        until("failed", || async { failed().await == Some(Reason::NoPartnerAccount) }).await;
        // A partner that is down is tried so often, and then the citizen is told.
        world.partners.fail_next(3);
        platform.account(id, AccountCommand::Begin(purpose)).await.unwrap();
        until("told", || async { failed().await == Some(Reason::PartnerUnavailable) }).await;
        // A late result of an errand that ended is ignored.
        let late = AccountCommand::ErrandDone {
            errand: carbon_protocol::ErrandNo(1),
            outcome: ErrandOutcome::Failed(Reason::Internal),
        };
        platform.account(id, late).await.unwrap();
        assert_eq!(failed().await, Some(Reason::PartnerUnavailable));
        followers.stop().await;
    });
}

#[test]
fn errands_to_two_applications_are_carried_out_side_by_side() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let id = open(&world, &platform, 1).await;
        // The second is begun while the first waits for its partner.
        world.partners.hold();
        let scenes = vec![(TRIPS, vec![consent()])];
        let light = Purpose::Light { app: METRO, scenes };
        platform.account(id, AccountCommand::Begin(light)).await.unwrap();
        let link = Purpose::LinkMall { app: AppNo(9), consents: vec![consent()] };
        platform.account(id, AccountCommand::Begin(link)).await.unwrap();
        assert_eq!(summary(&platform, id).await.running.len(), 2);
        world.partners.release();
        let none = || async { summary(&platform, id).await.running.is_empty() };
        until("both ended", none).await;
        assert_eq!(summary(&platform, id).await.scenes.len(), 1, "lit");
        followers.stop().await;
    });
}
