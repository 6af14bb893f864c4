//! For tests: a stage on which a story is played, one turn of one machine after the other, as the
//! shell plays them, and the journal and store that come of it.

use std::sync::Arc;

use carbon_protocol::account::{
    AccountCommand as A, AccountReply, Channel, Consent, ErrandOutcome, Issue, Open, OrderAction,
    OrderCommand, Purpose, Submit, SubmitRow,
};
use carbon_protocol::behaviour::{Behaviour, Bus};
use carbon_protocol::claims::{ClaimsCommand, ResourceRow};
use carbon_protocol::courier::{CourierCommand, PushKind};
use carbon_protocol::entry::{Entry, Event, FORMAT, Stream};
use carbon_protocol::intake::{Batch, CheckedRow, IntakeCommand, IntakeReply};
use carbon_protocol::issuance::{IssuanceCommand, Scope};
use carbon_protocol::methodology::{Formula, Methodology};
use carbon_protocol::registry::{AppRole, Partner, RegistryCommand, Scene, SceneKind};
use carbon_protocol::seal::SealedPerson;
use carbon_protocol::{
    AccountId, AppNo, Ccid, Day, Did, ErrandNo, Grams, Label, MessageId, MethodologyId, OperatorId,
    OrderNo, PartnerId, PartnerUid, Points, Reason, RecordRef, RunNo, SceneCode, SceneNo, Serial,
    TextNo, Timestamp,
};
use parking_lot::Mutex;

use crate::machines::account::Account;
use crate::machines::claims::Claims;
use crate::machines::courier::Courier;
use crate::machines::fixtures::{agreement, app, policy};
use crate::machines::intake::Intake;
use crate::machines::issuance::Issuance;
use crate::machines::registry::Registry;
use crate::machines::{Facts, Machine};
use crate::ports::{Append, Journal};
use crate::snapshot;
use crate::twins::{MemoryJournal, MemoryStore};

/// The scene partner's application.
pub const METRO: AppNo = AppNo(1);
/// The mall's.
pub const MALL: AppNo = AppNo(2);
/// The scene that citizens light.
pub const TRIPS: SceneNo = SceneNo(1);
/// One that nobody lights.
const BIKES: SceneNo = SceneNo(2);
const HOUR: i64 = 3_600_000;

/// Journal, store and a clock.
pub struct Stage {
    /// The journal.
    pub journal: Arc<MemoryJournal>,
    /// The store that snapshots are put into.
    pub store: Arc<MemoryStore>,
    now: Mutex<Timestamp>,
}

impl Stage {
    /// Empty, in the morning.
    pub fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let journal = Arc::new(MemoryJournal::new(store.clone()));
        Self { journal, store, now: Mutex::new(morning()) }
    }

    /// With everything that can happen having happened, to two citizens.
    pub fn played() -> Self {
        let stage = Self::new();
        stage.partners();
        for (number, account) in (1..).zip([account(1), account(2)]) {
            stage.settle_in(account);
            stage.ride(account, number);
        }
        stage.issue(1, &[account(1), account(2)], vec![]);
        stage.shop(account(1));
        stage.leave(account(2));
        stage
    }

    /// One turn of one machine, appended with its snapshot.
    pub fn turn<M: Machine>(&self, stream: Stream, command: M::Command) -> M::Reply {
        let snapshot::Loaded { mut machine, version, .. } =
            snapshot::load::<M>(&*self.store, stream).unwrap();
        let (now, policy) = (*self.now.lock(), policy());
        let facts = Facts { now, policy: &policy };
        let mut events = machine.due(&facts);
        events.iter().for_each(|event| machine.apply(now, event));
        let decision = machine.decide(&facts, &command).unwrap();
        decision.events.iter().for_each(|event| machine.apply(now, event));
        machine.check().unwrap();
        events.extend(decision.events);
        if !events.is_empty() {
            let puts = snapshot::puts(stream, version + 1, 1, &mut machine);
            let events = events.into_iter().map(Into::into).collect();
            let entry =
                Entry { format: FORMAT, stream, version: version + 1, epoch: 1, at: now, events };
            self.append(entry, puts);
        }
        decision.reply
    }

    /// Appends an entry as it is, right or wrong.
    pub fn append(&self, entry: Entry, puts: Vec<crate::ports::Put>) {
        let bytes = rmp_serde::to_vec(&entry).unwrap();
        let append = Append { entry: Arc::new(entry), bytes, puts };
        self.journal.append(vec![append]).try_recv().unwrap().unwrap();
    }

    /// An entry that follows a stream's last one, with events of one's own.
    pub fn forge(&self, stream: Stream, events: Vec<Event>) -> Entry {
        let entries = self.journal.entries();
        let last = entries.iter().rev().find(|one| one.entry.stream == stream);
        let version = last.map_or(0, |one| one.entry.version) + 1;
        Entry { format: FORMAT, stream, version, epoch: 1, at: *self.now.lock(), events }
    }

    /// The account's turn.
    pub fn ask(&self, account: AccountId, command: A) -> AccountReply {
        self.turn::<Account>(Stream::Account(account), command)
    }

    /// Lets time pass.
    pub fn later(&self) -> Timestamp {
        let mut now = self.now.lock();
        *now = now.plus_ms(HOUR);
        *now
    }

    /// Registers partner and applications, sets an address, makes a claim.
    pub fn partners(&self) {
        let id = PartnerId::parse("p").unwrap();
        let partner = Partner { id, name: "一".into(), credit_code: None, did: None };
        self.turn::<Registry>(Stream::Registry, RegistryCommand::RegisterPartner(partner));
        let publish = RegistryCommand::PublishAgreement(Box::new(agreement()));
        self.turn::<Registry>(Stream::Registry, publish);
        for (id, role) in [("metro.app", AppRole::Scene), ("mall", AppRole::Mall)] {
            let command = RegistryCommand::RegisterApp(Box::new(app(id, role)));
            self.turn::<Registry>(Stream::Registry, command);
        }
        let bus = Methodology {
            id: MethodologyId::parse("m").unwrap(),
            title: "公交".into(),
            version: 1,
            effective: today().plus(-300),
            source: "test".into(),
            verified: false,
            formula: Formula::Bus { g_per_ride: "1000".parse().unwrap() },
        };
        let adopted = RegistryCommand::AdoptMethodologies(vec![bus]);
        self.turn::<Registry>(Stream::Registry, adopted);
        for code in ["trips", "bikes"] {
            let declared = RegistryCommand::DeclareScene(Box::new(scene(code)));
            self.turn::<Registry>(Stream::Registry, declared);
        }
        let (kind, url) = (PushKind::Issuance, "http://127.0.0.1:1/z305".into());
        let address = CourierCommand::SetAddress { kind, url };
        self.turn::<Courier>(Stream::Courier(METRO), address);
        let (keep_until, resources) = (morning().day().plus(40), vec![7]);
        let rows = vec![ResourceRow { serial: serial("car-1"), resources, keep_until }];
        self.turn::<Claims>(Stream::Claims, ClaimsCommand::Reserve { app: METRO, rows });
    }

    /// Opens an account, lights the scene, links the mall.
    pub fn settle_in(&self, account: AccountId) {
        self.ask(account, open(account));
        self.lit(account);
        let mall = Purpose::LinkMall { app: MALL, consents: vec![consent()] };
        self.errand(account, mall);
    }

    /// Lights the scene.
    pub fn lit(&self, account: AccountId) {
        let scenes = vec![(TRIPS, vec![consent()])];
        self.errand(account, Purpose::Light { app: METRO, scenes });
    }

    /// Begins an errand.
    pub fn begin(&self, account: AccountId, purpose: Purpose) -> ErrandNo {
        match self.ask(account, A::Begin(purpose)) {
            AccountReply::Errand(errand) => errand,
            other => panic!("{other:?}"),
        }
    }

    fn errand(&self, account: AccountId, purpose: Purpose) {
        let ccid = ccid(account, purpose.app());
        let errand = self.begin(account, purpose);
        let outcome = ErrandOutcome::Matched { ccid, partner_uid: uid() };
        self.ask(account, A::ErrandDone { errand, outcome });
    }

    /// A batch of three rides for an account: one is of a scene that is not lit.
    pub fn batch(&self, account: AccountId, number: u32) -> (u32, Vec<SubmitRow>) {
        let at = self.later();
        self.later();
        let scenes = [TRIPS, TRIPS, BIKES];
        let behaviours = [0, 600_000, 0].map(|after| bus(at.plus_ms(after)));
        let rows: Vec<CheckedRow> = (0..)
            .zip(behaviours.iter().zip(scenes))
            .map(|(row, (behaviour, scene))| CheckedRow {
                serial: serial(&format!("r-{number}-{row}")),
                digest: [row; 16],
                ccid: ccid(account, METRO),
                account: Some(account),
                scene: Some(scene),
                behaviour: Some(behaviour.clone()),
                amends: None,
                claimed_grams: Grams(1000),
                grams: Grams(1000),
                priced_by: None,
                refused: None,
            })
            .collect();
        let batch = Batch { serial: serial(&format!("b-{number}")), digest: [9; 16], rows };
        let accept = IntakeCommand::Accept(batch);
        let reply = self.turn::<Intake>(Stream::Intake(METRO), accept.into());
        let IntakeReply::Receipt(receipt) = reply else { panic!("{reply:?}") };
        let submit = (0..).zip(behaviours.into_iter().zip(scenes));
        let submit = submit.map(|(row, (behaviour, scene))| SubmitRow {
            record: RecordRef { app: METRO, batch: receipt.batch, row },
            ccid: ccid(account, METRO),
            scene,
            behaviour: Some(behaviour),
            amends: None,
            grams: Grams(1000),
            daily_cap: None,
            monthly_cap: None,
        });
        (receipt.batch, submit.collect())
    }

    /// Routes rows to an account.
    pub fn submit(&self, account: AccountId, rows: Vec<SubmitRow>) {
        let id = MessageId { sequence: *self.journal.durable().borrow(), item: 0 };
        self.ask(account, A::Submit(Submit { id, floor: 0, rows }));
    }

    fn ride(&self, account: AccountId, number: u32) {
        let (_, rows) = self.batch(account, number);
        self.submit(account, rows);
    }

    /// A run over accounts.
    pub fn issue(&self, run: u32, accounts: &[AccountId], excluded: Vec<RecordRef>) {
        let (through, scenes) = (morning().day(), Vec::new());
        let no = RunNo(run);
        let serial = serial(&format!("run-{run}"));
        let (first, desk) = (excluded.clone(), Stream::Issuance);
        let start = IssuanceCommand::Start {
            serial,
            scope: Scope { through, scenes, excluded: first },
            by: OperatorId::parse("root").unwrap(),
        };
        self.turn::<Issuance>(desk, start);
        let id = MessageId { sequence: *self.journal.durable().borrow(), item: 0 };
        for account in accounts {
            let (scenes, excluded) = (Vec::new(), excluded.clone());
            let issue = Issue { id, floor: 0, run: no, through, scenes, excluded };
            self.ask(*account, A::Issue(issue));
            let advance = IssuanceCommand::Advance { run: no, through: *account, accounts: 1 };
            self.turn::<Issuance>(desk, advance);
        }
        self.turn::<Issuance>(desk, IssuanceCommand::Finish { run: no });
    }

    /// An order action; each has a serial of its own.
    pub fn order(&self, account: AccountId, no: &str, action: OrderAction, points: Option<u64>) {
        let command = OrderCommand {
            app: MALL,
            ccid: ccid(account, MALL),
            order: OrderNo::parse(no).unwrap(),
            serial: serial(&format!("{no}-{action:?}")),
            action,
            points: points.map(Points),
            digest: 1,
        };
        self.ask(account, A::Order(command));
    }

    fn shop(&self, account: AccountId) {
        self.order(account, "o1", OrderAction::Freeze, Some(60));
        self.order(account, "o1", OrderAction::Confirm, None);
        self.order(account, "o2", OrderAction::Pay, Some(30));
        self.order(account, "o2", OrderAction::Refund, Some(10));
        self.order(account, "o3", OrderAction::Freeze, Some(20));
        self.order(account, "o4", OrderAction::Pay, Some(9_999));
    }

    fn leave(&self, account: AccountId) {
        let (app, channel) = (METRO, Channel::CityApp);
        self.ask(account, A::Revoke { app, scene: TRIPS, channel });
        self.ask(account, A::UnlinkMall { app: MALL, channel });
        let scenes = vec![(TRIPS, vec![consent()])];
        let light = |scenes| Purpose::Light { app: METRO, scenes };
        let errand = self.begin(account, light(scenes.clone()));
        let outcome = ErrandOutcome::Failed(Reason::UnknownCcid);
        self.ask(account, A::ErrandDone { errand, outcome });
        self.begin(account, light(scenes));
    }
}

/// An account of one's own.
pub fn account(number: u8) -> AccountId {
    AccountId([number; 16])
}

/// By which CCID an application knows an account.
pub fn ccid(account: AccountId, app: AppNo) -> Ccid {
    Ccid::parse(&format!("ccid-{}-{app}", account.0[0])).unwrap()
}

/// 2026-11-24T08:00:00+08:00.
pub fn morning() -> Timestamp {
    "2026-11-24T08:00:00+08:00".parse().unwrap()
}

/// The day of the story.
pub fn today() -> Day {
    morning().day()
}

/// Opens an account.
pub fn open(account: AccountId) -> A {
    A::Open(Open {
        did: Did::parse(&format!("did:sh:{}", account.0[0])).unwrap(),
        person: SealedPerson { slot: 1, bytes: vec![1, 2, 3] },
        channel: Channel::CityApp,
        consents: vec![consent()],
    })
}

fn uid() -> PartnerUid {
    PartnerUid::parse("u-1").unwrap()
}

fn serial(text: &str) -> Serial {
    Serial::parse(text).unwrap()
}

/// A consent to something.
pub fn consent() -> Consent {
    Consent { text: TextNo(1), at: morning(), channel: Channel::CityApp }
}

fn bus(at: Timestamp) -> Behaviour {
    let (line, order_no) = (Label::parse("71").unwrap(), Label::parse("o").unwrap());
    Behaviour::Bus(Bus { line, boarding_time: at, order_no })
}

fn scene(code: &str) -> Scene {
    Scene {
        no: SceneNo(0),
        code: SceneCode::parse(code).unwrap(),
        name: code.into(),
        kind: SceneKind::Standard,
        link: None,
        methodology: MethodologyId::parse("m").unwrap(),
        apps: vec![METRO],
        active_from: today().plus(-300),
        active_to: today().plus(300),
    }
}
