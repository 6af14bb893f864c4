//! Tests of the account machine: a desk that plays the shell, tables of what is asked and what must
//! come of it, random walks, and planted faults that the invariants must notice.

mod amending;
mod closing;
mod consenting;
mod ordering;
mod planted;
mod submitting;
mod walks;

use carbon_protocol::account::{
    AccountCommand, AccountEvent, AccountReply, Channel, Consent, ErrandOutcome, Issue, Look, Open,
    OrderAction, OrderCommand, OrderReply, Purpose, Submit, SubmitRow, Summary,
};
use carbon_protocol::behaviour::{Behaviour, Bike, Bus};
use carbon_protocol::entry::Stream;
use carbon_protocol::policy::Policy;
use carbon_protocol::seal::SealedPerson;
use carbon_protocol::{
    AccountId, AppNo, Ccid, Day, Did, Grams, Label, MessageId, Metres, OrderNo, PartnerUid, Points,
    Reason, RecordRef, RunNo, SceneNo, Serial, TextNo, Timestamp,
};

use super::Account;
use crate::machines::fixtures::policy;
use crate::machines::{Facts, Machine};

/// A scene partner, its rival on the same scene, and a mall.
const METRO: AppNo = AppNo(1);
const RIVAL: AppNo = AppNo(2);
const MALL: AppNo = AppNo(3);
const TRIPS: SceneNo = SceneNo(1);
const BIKES: SceneNo = SceneNo(2);

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// 2026-11-24T08:00:00+08:00.
fn morning() -> Timestamp {
    "2026-11-24T08:00:00+08:00".parse().unwrap()
}

const PLATFORM_TEXT: TextNo = TextNo(1);
const SCENE_TEXT: TextNo = TextNo(2);
const MALL_TEXT: TextNo = TextNo(3);

fn consent(text: TextNo) -> Consent {
    Consent { text, at: morning(), channel: Channel::CityApp }
}

fn ccid(app: AppNo) -> Ccid {
    Ccid::parse(&format!("ccid-{app}")).unwrap()
}

fn uid() -> PartnerUid {
    PartnerUid::parse("u-1").unwrap()
}

/// Plays the shell: settles what is due, decides, applies, checks, keeps the events.
#[derive(Clone)]
struct Desk {
    account: Account,
    now: Timestamp,
    policy: Policy,
    /// Sequence of the next routed message.
    sequence: u64,
    /// Events with the time they were stamped with.
    events: Vec<(Timestamp, AccountEvent)>,
}

impl Desk {
    fn new() -> Self {
        let account = Account::new(stream());
        let (now, policy) = (morning(), policy());
        Self { account, now, policy, sequence: 100, events: Vec::new() }
    }

    /// Opened.
    fn opened() -> Self {
        let mut desk = Self::new();
        desk.ask(open()).unwrap();
        desk
    }

    /// Opened, with scenes lit at both partners since the morning, and the mall linked.
    fn ready() -> Self {
        let mut desk = Self::opened();
        for app in [METRO, RIVAL] {
            let scenes = [TRIPS, BIKES].map(|scene| (scene, vec![consent(SCENE_TEXT)]));
            desk.errand(Purpose::Light { app, scenes: scenes.into() });
        }
        desk.errand(Purpose::LinkMall { app: MALL, consents: vec![consent(MALL_TEXT)] });
        desk
    }

    /// Ready, with so many points.
    fn with_points(points: u64) -> Self {
        let mut desk = Self::ready();
        desk.credit(points);
        desk
    }

    fn ask(&mut self, command: AccountCommand) -> Result<AccountReply, Reason> {
        let policy = self.policy.clone();
        let facts = Facts { now: self.now, policy: &policy };
        for event in self.account.due(&facts) {
            self.apply(event);
        }
        let decided = self.account.decide(&facts, &command);
        let reply = decided.map(|decision| {
            decision.events.into_iter().for_each(|event| self.apply(event));
            decision.reply
        });
        self.account.check().unwrap_or_else(|wrong| panic!("after {command:?}: {wrong}"));
        reply.map_err(|rejection| rejection.reason)
    }

    fn apply(&mut self, event: AccountEvent) {
        self.account.apply(self.now, &event);
        self.events.push((self.now, event));
    }

    fn later(&mut self, ms: i64) -> &mut Self {
        self.now = self.now.plus_ms(ms);
        self
    }

    /// Begins an errand and lets it succeed.
    fn errand(&mut self, purpose: Purpose) {
        let app = purpose.app();
        let AccountReply::Errand(errand) = self.ask(AccountCommand::Begin(purpose)).unwrap() else {
            panic!("no errand")
        };
        let outcome = ErrandOutcome::Matched { ccid: ccid(app), partner_uid: uid() };
        self.ask(AccountCommand::ErrandDone { errand, outcome }).unwrap();
    }

    /// Routes rows as one message; the outcome of each.
    fn submit(&mut self, rows: Vec<SubmitRow>) -> Vec<Result<Grams, Reason>> {
        self.sequence += 1;
        let id = MessageId { sequence: self.sequence, item: 0 };
        let before = self.events.len();
        self.ask(AccountCommand::Submit(Submit { id, floor: 0, rows })).unwrap();
        self.events[before..].iter().filter_map(|(_, event)| outcome(event)).collect()
    }

    fn issue(&mut self, run: u32, through: Day, excluded: Vec<RecordRef>) {
        self.sequence += 1;
        let id = MessageId { sequence: self.sequence, item: 0 };
        let (run, scenes) = (RunNo(run), Vec::new());
        let issue = Issue { id, floor: 0, run, through, scenes, excluded };
        self.ask(AccountCommand::Issue(issue)).unwrap();
    }

    /// Submits and issues a ride worth so many points.
    fn credit(&mut self, points: u64) {
        let row = ride(METRO, self.sequence as u32, 0, self.now, points * 10);
        self.later(HOUR);
        assert_eq!(self.submit(vec![row]), [Ok(Grams(points * 10))]);
        self.issue(self.sequence as u32, self.now.day(), Vec::new());
    }

    fn order(
        &mut self,
        no: &str,
        serial: &str,
        action: OrderAction,
        points: Option<u64>,
    ) -> Result<OrderReply, Reason> {
        let digest = points.unwrap_or(0) ^ (action as u64) << 32;
        let command = OrderCommand {
            app: MALL,
            ccid: ccid(MALL),
            order: OrderNo::parse(no).unwrap(),
            serial: Serial::parse(serial).unwrap(),
            action,
            points: points.map(Points),
            digest,
        };
        match self.ask(AccountCommand::Order(command))? {
            AccountReply::Order(reply) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    fn summary(&mut self) -> Summary {
        match self.ask(AccountCommand::Look(Look::Summary)).unwrap() {
            AccountReply::Summary(summary) => *summary,
            other => panic!("{other:?}"),
        }
    }

    /// The state from its events alone.
    fn replayed(&self) -> Account {
        let mut account = Account::new(stream());
        self.events.iter().for_each(|(at, event)| account.apply(*at, event));
        account
    }
}

fn stream() -> Stream {
    Stream::Account(AccountId([9; 16]))
}

fn open() -> AccountCommand {
    AccountCommand::Open(Open {
        did: Did::parse("did:sh:1").unwrap(),
        person: SealedPerson { slot: 1, bytes: vec![1, 2, 3] },
        channel: Channel::CityApp,
        consents: vec![consent(PLATFORM_TEXT)],
    })
}

fn light(app: AppNo, scene: SceneNo) -> AccountCommand {
    AccountCommand::Begin(Purpose::Light { app, scenes: vec![(scene, vec![consent(SCENE_TEXT)])] })
}

/// A bus ride on `TRIPS`, worth so many grams.
fn ride(app: AppNo, batch: u32, row: u16, at: Timestamp, grams: u64) -> SubmitRow {
    let (line, order_no) = (Label::parse("71").unwrap(), Label::parse("o").unwrap());
    SubmitRow {
        record: RecordRef { app, batch, row },
        ccid: ccid(app),
        scene: TRIPS,
        behaviour: Some(Behaviour::Bus(Bus { line, boarding_time: at, order_no })),
        amends: None,
        grams: Grams(grams),
        daily_cap: None,
        monthly_cap: None,
    }
}

/// A bike ride on `BIKES` of so many minutes.
fn bike(app: AppNo, batch: u32, from: Timestamp, minutes: i64, grams: u64) -> SubmitRow {
    let behaviour = Some(Behaviour::Bike(Bike {
        start_time: from,
        end_time: from.plus_ms(minutes * 60_000),
        distance_metres: Metres(2000),
        order_no: Label::parse("b").unwrap(),
    }));
    SubmitRow { scene: BIKES, behaviour, ..ride(app, batch, 0, from, grams) }
}

fn outcome(event: &AccountEvent) -> Option<Result<Grams, Reason>> {
    match event {
        AccountEvent::RecordSubmitted { grams, .. } => Some(Ok(*grams)),
        AccountEvent::RecordAmended { grams, .. } => Some(Ok(*grams)),
        AccountEvent::RecordRefused { reason, .. } => Some(Err(*reason)),
        _ => None,
    }
}

#[test]
fn a_state_of_a_year_fits_its_budget() {
    let mut desk = Desk::ready();
    let fresh = desk.account.snapshot().len();
    for month in 0..12 {
        for trip in 0..20 {
            let row = ride(METRO, month * 100 + trip, 0, desk.now, 150);
            desk.later(HOUR * 30);
            assert_eq!(desk.submit(vec![row]), [Ok(Grams(150))]);
        }
        desk.sequence += 1;
        let id = MessageId { sequence: desk.sequence, item: 0 };
        let through = desk.now.day();
        // Everything before has been delivered for good: ids may be forgotten.
        desk.ask(AccountCommand::Issue(Issue {
            id,
            floor: desk.sequence - 1,
            run: RunNo(month + 1),
            through,
            scenes: Vec::new(),
            excluded: Vec::new(),
        }))
        .unwrap();
    }
    let year = desk.account.snapshot().len();
    println!("encoded account: {fresh} bytes with two partners and a mall, {year} after a year");
    assert!(year < 2_000, "{year} bytes after a year of 240 trips");
}
