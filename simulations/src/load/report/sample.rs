//! A made-up run for tests: twenty minutes with a ramp, two rush hours, a fault and its recovery.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::load::outcome::{
    Books, CallLine, FaultLine, JourneyLine, Machine, Outcome, Quantiles, Slice, StageLine,
    ThresholdLine, Tick, Verdict,
};

/// Stages: name, seconds, percent of the full rate at begin and end.
const STAGES: [(&str, u64, u64, u64); 5] = [
    ("warm-up", 180, 5, 35),
    ("morning rush", 300, 100, 100),
    ("noon", 240, 45, 40),
    ("evening rush", 360, 60, 115),
    ("drain", 120, 10, 0),
];
/// Interfaces: code, answers a second at the full rate, median in microseconds.
const CALLS: [(&str, u64, u64); 12] = [
    ("01.Z304", 420, 3_400),
    ("02.Z303", 260, 2_100),
    ("02.Z402", 180, 900),
    ("01.Z302", 140, 650),
    ("H5 page", 120, 1_900),
    ("02.Z403", 70, 1_600),
    ("01.Z501", 45, 1_100),
    ("01.Z306", 30, 2_600),
    ("01.Z504", 18, 800),
    ("02.Z405", 12, 1_300),
    ("01.Z301", 4, 9_500),
    ("Z101", 2, 700),
];
/// The second in which the platform is stopped, and how long it is away.
const FAULT: (u64, u64) = (620, 12);

/// A made-up run that passed but for one threshold.
pub fn run() -> Outcome {
    let mut draw = StdRng::seed_from_u64(7);
    let timeline: Vec<Tick> =
        (1..=STAGES.iter().map(|stage| stage.1).sum()).map(|at| tick(&mut draw, at)).collect();
    let calls = calls(&timeline);
    Outcome {
        scenario: "city-day".into(),
        title: "城市的一天 A day of the city".into(),
        about: "Commuters check in by the morning rush, spend points at noon, and come back in \
                the evening; the platform is killed once and must lose nothing."
            .into(),
        target: "http://127.0.0.1:8080".into(),
        seed: 20_261_124,
        started_at: "2026-11-24T08:00:00+08:00".into(),
        duration_ms: 1_231_400,
        machine: Machine { cores: 8, memory_bytes: 16 << 30, shared_with_target: true },
        citizens: 200_000,
        stages: stages(),
        verdict: Verdict::Failed,
        thresholds: thresholds(),
        books: books(),
        counts: counts(),
        journeys: journeys(),
        calls,
        faults: vec![
            FaultLine { at_ms: FAULT.0 * 1_000, what: "kill -9 of the platform".into() },
            FaultLine {
                at_ms: (FAULT.0 + FAULT.1) * 1_000,
                what: "the platform is started again".into(),
            },
            FaultLine { at_ms: 900_000, what: "partner 02 answers after 800 ms".into() },
        ],
        timeline,
    }
}

/// A run that ended before its first second.
pub fn empty() -> Outcome {
    Outcome {
        title: "nothing".into(),
        about: String::new(),
        duration_ms: 0,
        citizens: 0,
        stages: Vec::new(),
        verdict: Verdict::Saturated,
        thresholds: Vec::new(),
        books: Books::default(),
        counts: BTreeMap::new(),
        journeys: BTreeMap::new(),
        calls: BTreeMap::new(),
        faults: Vec::new(),
        timeline: Vec::new(),
        ..run()
    }
}

fn stages() -> Vec<StageLine> {
    let mut from_ms = 0;
    STAGES
        .iter()
        .map(|(name, seconds, ..)| {
            let to_ms = from_ms + seconds * 1_000;
            let line = StageLine { name: (*name).into(), from_ms, to_ms };
            from_ms = to_ms;
            line
        })
        .collect()
}

/// Percent of the full rate in a second.
fn intensity(at: u64) -> u64 {
    let mut from = 0;
    for (_, seconds, begin, end) in STAGES {
        if at <= from + seconds {
            return (begin * (from + seconds - at) + end * (at - from)) / seconds;
        }
        from += seconds;
    }
    0
}

fn tick(draw: &mut StdRng, at: u64) -> Tick {
    let percent = intensity(at);
    let away = (FAULT.0..FAULT.0 + FAULT.1).contains(&at);
    // After the fault a backlog is worked off within fifteen seconds.
    let behind = (FAULT.0 + FAULT.1 + 15).saturating_sub(at).min(15) * u64::from(at > FAULT.0);
    let slowness = 100 + percent * percent / 80 + behind * 60;
    let calls = CALLS
        .iter()
        .filter_map(|(code, rate, median)| {
            let full = (rate * percent / 100).max(1);
            let count = if away { 0 } else { draw.random_range(full * 9 / 10..=full * 11 / 10) };
            let p50_us = median * slowness / 100 * draw.random_range(92..=108) / 100;
            let p99_us = p50_us * draw.random_range(220..=520) / 100;
            let tail = if draw.random_range(0..60) == 0 { 9 } else { 1 };
            let max_us = p99_us * tail * draw.random_range(110..=240) / 100;
            let errors = u64::from(draw.random_range(0..40) == 0);
            (count > 0)
                .then(|| ((*code).to_owned(), Slice { count, errors, p50_us, p99_us, max_us }))
        })
        .collect();
    let full: u64 = CALLS.iter().map(|call| call.1).sum::<u64>() * percent / 100;
    Tick {
        at_ms: at * 1_000,
        calls,
        scheduled: full / 3,
        unsent: if away && at > FAULT.0 + 8 { full / 12 } else { 0 },
        under_way: if away { 40 + full * (at - FAULT.0) / 4 } else { 20 + full / 30 + behind * 60 },
        lag_us: draw.random_range(40..900) * if draw.random_range(0..90) == 0 { 9 } else { 1 },
        pushes_outstanding: full / 8
            + behind * 90
            + if at > 900 { (at - 900).min(1_140 - at.min(1_140)) * 9 } else { 0 },
        own_bytes: (180 << 20) + at * 90_000 + draw.random_range(0..4 << 20),
        platform_bytes: (!away).then(|| {
            (310 << 20) + at.saturating_sub(if at > FAULT.0 { FAULT.0 } else { 0 }) * 380_000
        }),
        platform: [
            ("awake", 2_000 + percent * 380),
            ("waiting", draw.random_range(0..=percent / 3)),
            ("lag", draw.random_range(0..=percent * 3) + behind * 200),
            ("durable", at * full * 2),
        ]
        .into_iter()
        .filter(|_| !away)
        .map(|(name, number)| (name.to_owned(), number))
        .collect(),
    }
}

fn calls(timeline: &[Tick]) -> BTreeMap<String, CallLine> {
    let mut calls = BTreeMap::new();
    for (code, slice) in timeline.iter().flat_map(|tick| &tick.calls) {
        let line: &mut CallLine = calls.entry(code.clone()).or_default();
        line.count += slice.count;
        line.broken += slice.errors;
        line.per_second_milli = line.count * 1_000 / timeline.len() as u64;
        line.latency.p50_us = line.latency.p50_us.max(slice.p50_us * 6 / 10);
        line.latency.p90_us = line.latency.p90_us.max(slice.p50_us * 12 / 10);
        line.latency.p99_us = line.latency.p99_us.max(slice.p99_us * 7 / 10);
        line.latency.p999_us = line.latency.p999_us.max(slice.p99_us);
        line.latency.max_us = line.latency.max_us.max(slice.max_us);
    }
    if let Some(line) = calls.get_mut("02.Z303") {
        line.refused = [("POINTS_SHORT".to_owned(), 312), ("BUSY".to_owned(), 18)].into();
    }
    calls
}

fn thresholds() -> Vec<ThresholdLine> {
    let row = |what: &str, measured: &str, holds| ThresholdLine {
        what: what.into(),
        measured: measured.into(),
        holds,
    };
    vec![
        row("p99 of 02.Z303 ≤ 50 ms", "31.7 ms", true),
        row("p99 of 01.Z304 ≤ 50 ms", "71.4 ms", false),
        row("unsent ≤ 0.5 %", "0.1 %", true),
        row("differences = 0", "0", true),
        row("pushes outstanding at the end = 0", "0", true),
    ]
}

fn books() -> Books {
    let numbers = |rows: &[(&str, u64)]| {
        rows.iter().map(|(name, times)| ((*name).to_owned(), *times)).collect()
    };
    Books {
        compared: numbers(&[
            ("balance of points", 20_000),
            ("bill of points", 20_000),
            ("issued grams", 20_000),
            ("order", 48_212),
            ("push", 301_995),
        ]),
        invariants: numbers(&[
            ("INV-01", 20_000),
            ("INV-02", 504_120),
            ("INV-03", 20_000),
            ("INV-05", 48_212),
            ("INV-07", 301_995),
        ]),
        differences: Vec::new(),
        differences_total: 0,
    }
}

fn counts() -> BTreeMap<String, u64> {
    [
        ("records_accepted", 504_120),
        ("records_refused", 9_871),
        ("records_issued", 498_002),
        ("grams_issued", 412_993_004),
        ("points_credited", 4_129_930),
        ("points_redeemed", 1_204_400),
        ("orders_confirmed", 44_013),
        ("pushes_expected", 301_995),
        ("pushes_delivered", 301_995),
    ]
    .into_iter()
    .map(|(name, number)| (name.to_owned(), number))
    .collect()
}

fn journeys() -> BTreeMap<String, JourneyLine> {
    let line = |scheduled, unsent, failed, p50_us| JourneyLine {
        scheduled,
        unsent,
        done: scheduled - unsent - failed,
        failed,
        latency: Quantiles {
            p50_us,
            p90_us: p50_us * 3,
            p99_us: p50_us * 11,
            p999_us: p50_us * 40,
            max_us: p50_us * 190,
        },
    };
    [
        ("commute", line(182_114, 120, 14, 9_800)),
        ("redeem", line(48_300, 61, 27, 12_400)),
        ("look", line(95_021, 32, 0, 3_100)),
        ("open", line(1_204, 0, 2, 88_000)),
    ]
    .into_iter()
    .map(|(name, line)| (name.to_owned(), line))
    .collect()
}
