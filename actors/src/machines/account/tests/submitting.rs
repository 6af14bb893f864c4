//! Submission and issuance: the ladder of a row, caps, INV-10, repeated messages, runs.

use super::*;

const MINUTE: i64 = 60_000;

fn capped(row: SubmitRow, daily: Option<u64>, monthly: Option<u64>) -> SubmitRow {
    SubmitRow { daily_cap: daily.map(Grams), monthly_cap: monthly.map(Grams), ..row }
}

#[test]
fn the_ladder_of_a_row_first_fault_wins() {
    let at = morning().plus_ms(HOUR);
    let stranger = |row: SubmitRow| SubmitRow { ccid: ccid(AppNo(99)), ..row };
    let unlit = |row: SubmitRow| SubmitRow { scene: SceneNo(9), ..row };
    type Row = (&'static str, Desk, SubmitRow, Result<u64, Reason>);
    let rows: Vec<Row> = vec![
        ("not opened", Desk::new(), ride(METRO, 1, 0, at, 5), Err(Reason::AccountNotOpen)),
        ("no link", Desk::opened(), ride(METRO, 1, 0, at, 5), Err(Reason::UnknownCcid)),
        ("CCID", Desk::ready(), stranger(ride(METRO, 1, 0, at, 5)), Err(Reason::UnknownCcid)),
        (
            "CCID before scene",
            Desk::ready(),
            stranger(unlit(ride(METRO, 1, 0, at, 5))),
            Err(Reason::UnknownCcid),
        ),
        ("scene", Desk::ready(), unlit(ride(METRO, 1, 0, at, 5)), Err(Reason::SceneNotLit)),
        (
            "before lighting",
            Desk::ready(),
            ride(METRO, 1, 0, morning().plus_ms(-1), 5),
            Err(Reason::SceneNotLit),
        ),
        ("at lighting", Desk::ready(), ride(METRO, 1, 0, morning(), 5), Ok(5)),
        (
            "begun before lighting",
            Desk::ready(),
            bike(METRO, 1, morning().plus_ms(-MINUTE), 10, 5),
            Err(Reason::SceneNotLit),
        ),
        ("good", Desk::ready(), ride(METRO, 1, 0, at, 5), Ok(5)),
        ("zero grams", Desk::ready(), ride(METRO, 1, 0, at, 0), Ok(0)),
        (
            "too much for a book",
            Desk::ready(),
            ride(METRO, 1, 0, at, u64::MAX),
            Err(Reason::OutOfRange),
        ),
        ("under the cap", Desk::ready(), capped(ride(METRO, 1, 0, at, 5), Some(6), None), Ok(5)),
        ("at the cap", Desk::ready(), capped(ride(METRO, 1, 0, at, 6), Some(6), None), Ok(6)),
        ("cut by the cap", Desk::ready(), capped(ride(METRO, 1, 0, at, 7), Some(6), None), Ok(6)),
        ("cut by the month", Desk::ready(), capped(ride(METRO, 1, 0, at, 7), None, Some(4)), Ok(4)),
        (
            "the smaller cap",
            Desk::ready(),
            capped(ride(METRO, 1, 0, at, 7), Some(3), Some(4)),
            Ok(3),
        ),
        (
            "a cap of nothing",
            Desk::ready(),
            capped(ride(METRO, 1, 0, at, 7), Some(0), None),
            Err(Reason::DailyCapReached),
        ),
        ("nothing under it", Desk::ready(), capped(ride(METRO, 1, 0, at, 0), Some(0), None), Ok(0)),
    ];
    for (name, mut desk, row, expected) in rows {
        desk.later(2 * HOUR);
        assert_eq!(desk.submit(vec![row]), [expected.map(Grams)], "{name}");
    }
}

#[test]
fn caps_count_by_scene_and_day_over_all_applications() {
    let mut desk = Desk::ready();
    let at = |minutes: i64| morning().plus_ms(minutes * MINUTE);
    let row = |app, batch, minutes, grams| {
        capped(ride(app, batch, 0, at(minutes), grams), Some(100), Some(250))
    };
    desk.later(10 * HOUR);
    let refused = Err(Reason::DailyCapReached);
    assert_eq!(desk.submit(vec![row(METRO, 1, 0, 60)]), [Ok(Grams(60))]);
    assert_eq!(desk.submit(vec![row(RIVAL, 1, 10, 60)]), [Ok(Grams(40))], "cut to the rest");
    assert_eq!(desk.submit(vec![row(METRO, 2, 20, 1)]), [refused]);
    // The next day has its own cap, the month goes on.
    let tomorrow = |batch, hours: i64, grams| {
        let at = morning().plus_ms(DAY + hours * HOUR);
        capped(ride(METRO, batch, 0, at, grams), Some(100), Some(250))
    };
    desk.later(2 * DAY);
    assert_eq!(desk.submit(vec![tomorrow(3, 0, 120)]), [Ok(Grams(100))]);
    assert_eq!(desk.submit(vec![tomorrow(4, 24, 100)]), [Ok(Grams(50))], "the month is full");
    assert_eq!(desk.submit(vec![tomorrow(5, 48, 100)]), [refused]);
    let other = capped(bike(METRO, 6, at(200), 10, 30), Some(100), Some(250));
    assert_eq!(desk.submit(vec![other]), [Ok(Grams(30))], "another scene has its own");
}

#[test]
fn rows_of_one_message_are_decided_upon_each_other() {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    let rows = (0_u16..4)
        .map(|row| {
            let at = morning().plus_ms(i64::from(row) * 5 * MINUTE);
            capped(ride(METRO, 1, row, at, 40), Some(100), None)
        })
        .collect();
    let refused = Err(Reason::DailyCapReached);
    assert_eq!(desk.submit(rows), [Ok(Grams(40)), Ok(Grams(40)), Ok(Grams(20)), refused]);
}

#[test]
fn a_trip_reported_by_two_applications_counts_once() {
    // From, minutes of the second report against a first one from minute 0 to 30.
    let table: [(i64, i64, bool); 9] = [
        (0, 30, false),
        (0, 5, false),
        (10, 5, false),
        (29, 60, false),
        (-20, 21, false),
        (-5, 40, false),
        (30, 10, true),
        (31, 10, true),
        (-20, 20, true),
    ];
    for (from, minutes, counts) in table {
        let mut desk = Desk::ready();
        let begin = morning().plus_ms(HOUR);
        desk.later(5 * HOUR);
        assert_eq!(desk.submit(vec![bike(METRO, 1, begin, 30, 9)]), [Ok(Grams(9))]);
        let second = bike(RIVAL, 1, begin.plus_ms(from * MINUTE), minutes, 9);
        let expected = if counts { Ok(Grams(9)) } else { Err(Reason::TripAlreadyReported) };
        assert_eq!(desk.submit(vec![second]), [expected], "from {from} for {minutes}");
    }
}

#[test]
fn a_bus_ride_is_no_bike_ride() {
    let mut desk = Desk::ready();
    let at = morning().plus_ms(HOUR);
    desk.later(5 * HOUR);
    assert_eq!(desk.submit(vec![bike(METRO, 1, at, 30, 9)]), [Ok(Grams(9))]);
    assert_eq!(desk.submit(vec![ride(RIVAL, 1, 0, at, 9)]), [Ok(Grams(9))]);
}

#[test]
fn a_repeated_message_decides_nothing_again() {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    let id = MessageId { sequence: 500, item: 3 };
    let submit = |floor| {
        let rows = vec![ride(METRO, 1, 0, morning(), 50)];
        AccountCommand::Submit(Submit { id, floor, rows })
    };
    let decided = |reply| match reply {
        Ok(AccountReply::Routed { decided }) => decided,
        other => panic!("{other:?}"),
    };
    assert_eq!(decided(desk.ask(submit(0))), 1);
    for floor in [0, 10, 499] {
        assert_eq!(decided(desk.ask(submit(floor))), 0, "floor {floor}");
    }
    // A later message lets ids go; what is at or below the floor is never decided again.
    let other = MessageId { sequence: 600, item: 0 };
    let rows = vec![ride(METRO, 2, 0, morning().plus_ms(10 * MINUTE), 50)];
    desk.ask(AccountCommand::Submit(Submit { id: other, floor: 550, rows })).unwrap();
    assert_eq!(decided(desk.ask(submit(550))), 0);
    assert_eq!(desk.summary().grams.pending, Grams(100));
}

#[test]
fn a_refused_row_is_remembered_as_decided() {
    let mut desk = Desk::opened();
    let id = MessageId { sequence: 500, item: 0 };
    let rows = vec![ride(METRO, 1, 0, morning(), 50)];
    let submit = AccountCommand::Submit(Submit { id, floor: 0, rows });
    desk.ask(submit.clone()).unwrap();
    let events = desk.events.len();
    // Lighting afterwards does not turn a repetition into an acceptance.
    desk.errand(Purpose::Light { app: METRO, scenes: vec![(TRIPS, vec![consent(SCENE_TEXT)])] });
    desk.ask(submit).unwrap();
    assert_eq!(desk.events[events..].iter().filter_map(|(_, e)| outcome(e)).count(), 0);
}

#[test]
fn issuance_credits_pending_grams_and_carries_the_remainder() {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    let rows: Vec<SubmitRow> = (0_u16..3)
        .map(|row| ride(METRO, 1, row, morning().plus_ms(i64::from(row) * 5 * MINUTE), 47))
        .collect();
    let excluded = rows[1].record;
    desk.submit(rows);
    desk.issue(1, morning().day(), vec![excluded]);
    let summary = desk.summary();
    assert_eq!(summary.grams.issued, Grams(94));
    assert_eq!(summary.grams.refused, Grams(47));
    assert_eq!(summary.grams.pending, Grams(0));
    assert_eq!(summary.points.available, Points(9), "94 g at 10 g a point, 4 g carried");
    desk.submit(vec![ride(METRO, 2, 0, morning().plus_ms(40 * MINUTE), 6)]);
    desk.issue(2, morning().day(), Vec::new());
    assert_eq!(desk.summary().points.available, Points(10), "6 g and the 4 carried");
}

#[test]
fn a_run_takes_what_lies_before_its_day_and_of_its_scenes() {
    let mut desk = Desk::ready();
    desk.later(3 * DAY);
    desk.submit(vec![ride(METRO, 1, 0, morning(), 10)]);
    desk.submit(vec![ride(METRO, 2, 0, morning().plus_ms(DAY), 20)]);
    desk.submit(vec![bike(METRO, 3, morning().plus_ms(HOUR), 10, 40)]);
    let id = MessageId { sequence: 900, item: 0 };
    let (through, scenes) = (morning().day(), vec![TRIPS]);
    let issue = Issue { id, floor: 0, run: RunNo(1), through, scenes, excluded: Vec::new() };
    desk.ask(AccountCommand::Issue(issue.clone())).unwrap();
    assert_eq!(desk.summary().grams.issued, Grams(10));
    assert_eq!(desk.summary().grams.pending, Grams(60));
    let passed = desk.events.iter().rev().find_map(|(_, event)| match event {
        AccountEvent::RunPassed { pending_from, .. } => Some(*pending_from),
        _ => None,
    });
    assert_eq!(passed, Some(Some(morning().day())), "the bike ride of the first day is left");
    // The same run again, as after a crash.
    let before = desk.events.len();
    desk.ask(AccountCommand::Issue(issue)).unwrap();
    assert_eq!(desk.events.len(), before);
}

#[test]
fn what_was_refused_at_issuance_frees_its_cap() {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    let row = |batch, minutes: i64| {
        capped(ride(METRO, batch, 0, morning().plus_ms(minutes * MINUTE), 100), Some(100), None)
    };
    desk.submit(vec![row(1, 0)]);
    assert_eq!(desk.submit(vec![row(2, 5)]), [Err(Reason::DailyCapReached)]);
    desk.issue(1, morning().day(), vec![RecordRef { app: METRO, batch: 1, row: 0 }]);
    assert_eq!(desk.submit(vec![row(3, 10)]), [Ok(Grams(100))]);
}

#[test]
fn revoking_ends_acceptance_from_that_moment_on() {
    let mut desk = Desk::ready();
    desk.later(HOUR);
    let revoke = AccountCommand::Revoke { app: METRO, scene: TRIPS, channel: Channel::CityApp };
    desk.ask(revoke).unwrap();
    desk.later(HOUR);
    let minutes = |minutes: i64| morning().plus_ms(minutes * MINUTE);
    assert_eq!(desk.submit(vec![ride(METRO, 1, 0, minutes(30), 9)]), [Ok(Grams(9))]);
    for late in [60, 61, 90] {
        let row = ride(METRO, 2, 0, minutes(late), 9);
        assert_eq!(desk.submit(vec![row]), [Err(Reason::SceneNotLit)], "minute {late}");
    }
}
