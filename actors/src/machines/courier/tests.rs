//! Tests of the courier: addresses, the schedule, Retry-After, 410, parking, stale results.

use proptest::prelude::*;

use super::*;
use crate::machines::fixtures::policy;

const KIND: PushKind = PushKind::Issuance;

#[derive(Default)]
struct Desk {
    courier: Courier,
    now: Timestamp,
}

impl Desk {
    fn with_address() -> Self {
        let mut desk = Self::default();
        desk.ask(CourierCommand::SetAddress { kind: KIND, url: "https://a/1".into() }).unwrap();
        desk
    }

    fn ask(&mut self, command: CourierCommand) -> Result<Vec<CourierEvent>, Reason> {
        let facts = Facts { now: self.now, policy: &policy() };
        let decision = self.courier.decide(&facts, &command).map_err(|no| no.reason)?;
        for event in &decision.events {
            self.courier.apply(self.now, event);
        }
        self.courier.check().unwrap();
        let stream = Stream::Courier(carbon_protocol::AppNo(1));
        let again = Courier::restore(stream, &self.courier.snapshot(), &[]);
        assert_eq!(again.as_ref(), Some(&self.courier));
        Ok(decision.events)
    }

    fn lane(&self) -> LaneView {
        self.courier.lane(KIND).unwrap().view()
    }

    fn fail(&mut self, through: u64, status: u16, retry_after: Option<u32>) {
        let through = id(through);
        let (kind, count, jitter) = (KIND, 3, 500);
        let failed = CourierCommand::Failed { kind, through, count, status, retry_after, jitter };
        self.ask(failed).unwrap();
    }

    fn deliver(&mut self, through: u64, count: u32) -> usize {
        let delivered = CourierCommand::Delivered { kind: KIND, through: id(through), count };
        self.ask(delivered).unwrap().len()
    }
}

fn id(sequence: u64) -> MessageId {
    MessageId { sequence, item: 0 }
}

#[test]
fn the_schedule_is_the_contracts() {
    let minutes = |minutes: i64| minutes * 60;
    let expected = [
        15,
        15,
        30,
        minutes(3),
        minutes(10),
        minutes(20),
        minutes(30),
        minutes(30),
        minutes(30),
        minutes(60),
        minutes(180),
        minutes(180),
        minutes(180),
        minutes(360),
        minutes(360),
    ];
    assert_eq!(expected.iter().sum::<i64>(), minutes(24 * 60 + 4), "24 h 4 min");
    let mut desk = Desk::with_address();
    for seconds in expected {
        let before = desk.now;
        desk.fail(10, 500, None);
        let next = desk.lane().next_at.unwrap();
        let waited = next.0 - before.0;
        assert_eq!(waited, seconds * 1000, "with a jitter in the middle");
        assert_eq!(desk.lane().retrying, Some(id(10)));
        desk.now = next;
    }
    desk.fail(10, 0, None);
    let lane = desk.lane();
    assert_eq!(lane.parked, [(id(0), id(10), 3)]);
    assert_eq!((lane.cursor, lane.attempts, lane.retrying), (id(10), 0, None));
    assert_eq!(desk.deliver(11, 1), 1, "later events go on");
}

#[test]
fn jitter_stays_within_a_tenth() {
    for (jitter, expected) in [(0, 13_500), (500, 15_000), (999, 16_485), (u16::MAX, 16_485)] {
        let failed =
            Failed { kind: KIND, through: id(1), count: 1, status: 0, retry_after: None, jitter };
        assert_eq!(schedule::wait_ms(1, &failed), Some(expected), "{jitter}");
    }
}

#[test]
fn a_receiver_that_is_overloaded_is_left_alone() {
    // Status, Retry-After, milliseconds until the next try.
    for (status, asked, expected) in [
        (429, Some(120), 120_000),
        (503, Some(60), 60_000),
        (503, Some(0), 15_000),
        (503, Some(14), 15_000),
        (503, Some(16), 16_000),
        (503, Some(u32::MAX), 86_400_000),
        (503, None, 15_000),
        (500, Some(120), 15_000),
        (0, Some(120), 15_000),
    ] {
        let mut desk = Desk::with_address();
        desk.fail(10, status, asked);
        assert_eq!(desk.lane().next_at, Some(Timestamp(expected)), "{status} {asked:?}");
    }
}

#[test]
fn gone_means_paused_until_the_partner_resumes() {
    let mut desk = Desk::with_address();
    desk.fail(10, 410, None);
    assert!(desk.lane().address.unwrap().paused);
    assert_eq!(desk.lane().cursor, id(0), "nothing is lost");
    desk.ask(CourierCommand::Pause { kind: KIND, paused: false }).unwrap();
    assert!(!desk.lane().address.unwrap().paused);
    assert_eq!(desk.deliver(10, 3), 1);
}

#[test]
fn stale_results_are_ignored() {
    let mut desk = Desk::with_address();
    assert_eq!(desk.deliver(10, 4), 1);
    assert_eq!(desk.deliver(10, 4), 0, "the same again");
    assert_eq!(desk.deliver(9, 4), 0, "one from before");
    desk.fail(9, 500, None);
    assert_eq!(desk.lane().attempts, 0, "a late failure of what was delivered");
    desk.fail(20, 500, None);
    assert_eq!(desk.deliver(21, 1), 0, "another range than the one being retried");
    assert_eq!(desk.deliver(20, 6), 1);
    assert_eq!((desk.lane().delivered, desk.lane().cursor), (10, id(20)));
}

#[test]
fn addresses_are_set_changed_and_paused() {
    let mut desk = Desk::default();
    let pause = |paused| CourierCommand::Pause { kind: KIND, paused };
    let set = |url: &str| CourierCommand::SetAddress { kind: KIND, url: url.into() };
    assert_eq!(desk.ask(pause(true)).unwrap_err(), Reason::NotFound);
    for (command, events) in [
        (set("https://a/1"), 1),
        (set("https://a/1"), 0),
        (pause(true), 1),
        (pause(true), 0),
        (set("https://a/1"), 1),
        (pause(false), 0),
        (set("https://a/2"), 1),
    ] {
        assert_eq!(desk.ask(command.clone()).unwrap().len(), events, "{command:?}");
    }
    desk.fail(5, 500, None);
    desk.ask(set("https://a/3")).unwrap();
    assert_eq!(desk.lane().next_at, None, "a new address is tried at once");
}

/// Delivered to 10, parked to 20, delivered to 30.
fn parked() -> Desk {
    let mut desk = Desk::with_address();
    desk.deliver(10, 10);
    for _ in 0..16 {
        desk.fail(20, 500, None);
    }
    assert_eq!(desk.lane().parked, [(id(10), id(20), 3)]);
    desk.deliver(30, 10);
    desk
}

#[test]
fn a_replay_sends_what_was_done_and_takes_it_off_the_parked() {
    let mut desk = parked();
    let replay = |after, through| CourierCommand::Replay {
        kind: KIND,
        after: id(after),
        through: id(through),
    };
    let replayed =
        |through| CourierCommand::Replayed { kind: KIND, through: id(through), count: 5 };
    assert_eq!(desk.ask(replay(30, 99)).unwrap().len(), 0, "what was not tried comes anyway");
    assert_eq!(desk.ask(replay(10, 20)).unwrap().len(), 1);
    assert_eq!(desk.ask(replay(10, 20)).unwrap().len(), 0, "asked twice");
    assert_eq!(desk.ask(replay(25, 99)).unwrap().len(), 1, "cut to what was tried");
    assert_eq!(desk.ask(replayed(9)).unwrap().len(), 0, "a result of long ago");
    assert_eq!(desk.ask(replayed(21)).unwrap().len(), 0, "beyond the range");
    desk.ask(replayed(15)).unwrap();
    assert_eq!(desk.lane().parked.len(), 1, "not all of it");
    desk.ask(replayed(20)).unwrap();
    let lane = desk.lane();
    assert_eq!((lane.parked.len(), lane.replays.len(), lane.delivered), (0, 1, 30));
    assert_eq!((lane.replays[0].after, lane.replays[0].through), (id(25), id(30)));
    assert_eq!(lane.cursor, id(30), "what is owed anew goes on beside it");
    let mut nobody = Desk::default();
    assert_eq!(nobody.ask(replay(0, 9)).unwrap_err(), Reason::NotFound);
}

#[test]
fn a_replay_that_fails_has_the_schedule_too_and_ends_parked() {
    let mut desk = parked();
    let replay = CourierCommand::Replay { kind: KIND, after: id(10), through: id(20) };
    desk.ask(replay.clone()).unwrap();
    let failed = |status| CourierCommand::ReplayFailed {
        kind: KIND,
        through: id(20),
        status,
        retry_after: None,
        jitter: 500,
    };
    desk.ask(failed(500)).unwrap();
    let first = desk.lane().replays[0];
    assert_eq!((first.attempts, first.next_at), (1, Some(desk.now.plus_seconds(15))));
    desk.ask(failed(410)).unwrap();
    assert!(desk.lane().address.unwrap().paused);
    desk.ask(CourierCommand::Pause { kind: KIND, paused: false }).unwrap();
    assert_eq!(desk.lane().replays[0].attempts, 0, "tried anew");
    for _ in 0..16 {
        desk.ask(failed(0)).unwrap();
    }
    let lane = desk.lane();
    assert_eq!((lane.replays.len(), lane.parked.len()), (0, 1), "it stays parked");
    for number in 0..20 {
        let replay =
            CourierCommand::Replay { kind: KIND, after: id(number), through: id(number + 1) };
        let asked = desk.ask(replay);
        assert_eq!(asked.is_ok(), number < 16, "{number}: {asked:?}");
    }
}

#[test]
fn a_cursor_that_goes_back_is_noticed() {
    let mut desk = Desk::with_address();
    desk.deliver(10, 1);
    let back = CourierEvent::Delivered { kind: KIND, through: id(9), count: 1 };
    desk.courier.apply(Timestamp(0), &back);
    assert_eq!(desk.courier.check().unwrap_err().invariant, "INV-07");
}

/// What may happen next to a courier.
#[derive(Debug, Clone)]
enum Step {
    /// The next push is answered; `more` events go into it where it is a new one.
    Push {
        more: u64,
        status: u16,
        retry_after: Option<u32>,
        jitter: u16,
    },
    /// Something that was reported before is reported again.
    Again(prop::sample::Index),
    /// A result for events that nobody sent now.
    Stray {
        through: u64,
        arrived: bool,
    },
    Pause(bool),
    Address(u8),
    /// Time passes, in seconds.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(vec![200_u16, 200, 500, 0, 429, 503, 410, 500, 500]);
    let push = (1..5_u64, status, prop::option::of(0..5000_u32), 0..1000_u16).prop_map(
        |(more, status, retry_after, jitter)| Step::Push { more, status, retry_after, jitter },
    );
    prop_oneof![
        12 => push,
        3 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => (0..40_u64, any::<bool>())
            .prop_map(|(through, arrived)| Step::Stray { through, arrived }),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => (0..3_u8).prop_map(Step::Address),
        2 => (0..90_000_i64).prop_map(Step::Wait),
    ]
}

/// What a naive receiver of the events knows of the feed.
#[derive(Debug, Default)]
struct Ledger {
    cursor: u64,
    retrying: Option<u64>,
    tries: u32,
    delivered: u64,
    parked: u64,
}

impl Ledger {
    fn follow(&mut self, desk: &Desk, event: &CourierEvent) {
        match event {
            CourierEvent::Delivered { through, count, .. } => {
                self.move_on(through.sequence);
                self.delivered += u64::from(*count);
            }
            CourierEvent::Parked { through, .. } => {
                assert!(self.tries >= 15, "parked after {} tries", self.tries);
                self.parked += through.sequence - self.cursor;
                self.move_on(through.sequence);
            }
            CourierEvent::AttemptFailed { through, next_at, .. } => {
                assert!(self.retrying.is_none_or(|range| range == through.sequence));
                assert!(*next_at > desk.now, "the next try lies ahead");
                assert!(*next_at <= desk.now.plus_seconds(86_400), "and within a day");
                self.retrying = Some(through.sequence);
                self.tries += 1;
            }
            CourierEvent::Paused { .. }
            | CourierEvent::AddressSet { .. }
            | CourierEvent::ReplayAsked { .. }
            | CourierEvent::Replayed { .. }
            | CourierEvent::ReplayFailed { .. }
            | CourierEvent::ReplayGivenUp { .. } => {}
        }
    }

    fn move_on(&mut self, through: u64) {
        assert!(through > self.cursor, "nothing is delivered or parked twice");
        (self.cursor, self.retrying, self.tries) = (through, None, 0);
    }
}

fn report(desk: &Desk, step: &Step, told: &[CourierCommand]) -> CourierCommand {
    let kind = KIND;
    match step {
        Step::Push { more, status, retry_after, jitter } => {
            let lane = desk.lane();
            let through = lane.retrying.unwrap_or(id(lane.cursor.sequence + more));
            let count = (through.sequence - lane.cursor.sequence) as u32;
            let (status, retry_after, jitter) = (*status, *retry_after, *jitter);
            match status {
                200 => CourierCommand::Delivered { kind, through, count },
                _ => CourierCommand::Failed { kind, through, count, status, retry_after, jitter },
            }
        }
        Step::Again(which) if !told.is_empty() => which.get(told).clone(),
        Step::Stray { through, arrived: true } => {
            // Only what was sent can arrive: a stray arrival is of the past.
            let through = id((*through).min(desk.lane().cursor.sequence));
            CourierCommand::Delivered { kind, through, count: 1 }
        }
        Step::Stray { through, .. } => {
            let through = id((*through).min(desk.lane().cursor.sequence));
            let (status, retry_after) = (500, None);
            CourierCommand::Failed { kind, through, count: 1, status, retry_after, jitter: 0 }
        }
        Step::Pause(paused) => CourierCommand::Pause { kind, paused: *paused },
        Step::Address(n) => CourierCommand::SetAddress { kind, url: format!("https://a/{n}") },
        Step::Again(_) | Step::Wait(_) => CourierCommand::Look,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    /// Whatever is answered, repeated and late: every event of the feed is delivered or parked
    /// once, in order, a retry carries the same events, and the journal gives the same state.
    #[test]
    fn every_event_is_delivered_or_parked_once(steps in prop::collection::vec(step(), 1..120)) {
        let mut desk = Desk::with_address();
        let mut journal = vec![CourierEvent::AddressSet { kind: KIND, url: "https://a/1".into() }];
        let mut told = Vec::new();
        let mut ledger = Ledger::default();
        for step in steps {
            if let Step::Wait(seconds) = step {
                desk.now = desk.now.plus_seconds(seconds);
            }
            let command = report(&desk, &step, &told);
            let events = desk.ask(command.clone()).unwrap();
            for event in &events {
                ledger.follow(&desk, event);
            }
            // Only results are reported twice: a setting that comes again is a new wish.
            let result = matches!(step, Step::Push { .. });
            told.extend(result.then_some(command));
            journal.extend(events);

            let lane = desk.lane();
            prop_assert_eq!(lane.cursor, id(ledger.cursor));
            prop_assert_eq!(lane.retrying, ledger.retrying.map(id));
            prop_assert_eq!(lane.delivered, ledger.delivered);
            prop_assert_eq!(ledger.delivered + ledger.parked, ledger.cursor);
            prop_assert!(lane.attempts <= ledger.tries && lane.attempts <= 15);
        }
        let mut again = Courier::default();
        journal.iter().for_each(|event| again.apply(Timestamp(0), event));
        prop_assert_eq!(again, desk.courier);
    }
}
