//! Two runs side by side: each figure of both, their ratio, and which ones got worse.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::units::{bytes, clock, grouped, micros, per_second};
use crate::load::outcome::{CallLine, JourneyLine, Machine, Outcome, Tick, Verdict};

/// What got worse by more than this share, in per cent, is marked.
const TOLERATED: u128 = 10;

/// Which way a figure is worse.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worse {
    Higher,
    Lower,
    /// Neither: it only tells what happened.
    Never,
}

/// What is read of a call, a journey or a tick.
type Pick<T, N> = fn(&T) -> N;
/// How a figure is written.
type Show = fn(u64) -> String;
/// A row of the journeys.
type Row = (&'static str, Pick<JourneyLine, u64>, Worse, Show);
/// A row of the peaks; not every tick knows it.
type Peak = (&'static str, Pick<Tick, Option<u64>>, Show);

/// A table in the making.
struct Table {
    text: String,
    marking: bool,
    figures: u64,
    worse: u64,
}

/// Both runs as a table for a terminal. Runs of different scenarios, citizens or machines are set
/// side by side, too, but the table says so first and marks nothing.
pub fn compare(a: &Outcome, b: &Outcome) -> String {
    let apart = apart(a, b);
    let mut table = Table { text: String::new(), marking: apart.is_empty(), figures: 0, worse: 0 };
    let _ = writeln!(table.text, "A  {}\nB  {}", line(a), line(b));
    for difference in &apart {
        let _ = writeln!(table.text, "NOT COMPARABLE: {difference}");
    }
    if a.seed != b.seed {
        let _ = writeln!(table.text, "note: seed {} against seed {}", a.seed, b.seed);
    }
    table.all_of(a, b);
    let (worse, figures) = (grouped(table.worse), grouped(table.figures));
    let _ = if table.marking {
        writeln!(table.text, "\n{worse} of {figures} figures got worse by more than {TOLERATED} %")
    } else {
        writeln!(table.text, "\nnothing is marked: these runs are not comparable")
    };
    table.text
}

impl Table {
    fn all_of(&mut self, a: &Outcome, b: &Outcome) {
        for code in both(a.calls.keys(), b.calls.keys()) {
            self.call(code, a.calls.get(code), b.calls.get(code));
        }
        for name in both(a.journeys.keys(), b.journeys.keys()) {
            self.journey(name, a.journeys.get(name), b.journeys.get(name));
        }
        self.head("peaks");
        let peaks: [Peak; 5] = [
            ("platform memory", |tick| tick.platform_bytes, bytes),
            ("generator memory", |tick| Some(tick.own_bytes), bytes),
            ("generator late", |tick| Some(tick.lag_us), micros),
            ("under way", |tick| Some(tick.under_way), grouped),
            ("pushes owed", |tick| Some(tick.pushes_outstanding), grouped),
        ];
        for (name, pick, show) in peaks {
            let peak = |run: &Outcome| run.timeline.iter().filter_map(pick).max();
            self.row(name, peak(a), peak(b), Worse::Higher, show);
        }
        self.head("counts");
        for name in both(a.counts.keys(), b.counts.keys()) {
            let (a, b) = (a.counts.get(name).copied(), b.counts.get(name).copied());
            self.row(&name.replace('_', " "), a, b, Worse::Never, grouped);
        }
        let (a, b) = (a.books.differences_total, b.books.differences_total);
        self.row("differences", Some(a), Some(b), Worse::Higher, grouped);
    }

    fn call(&mut self, code: &str, a: Option<&CallLine>, b: Option<&CallLine>) {
        self.head(code);
        let of = |pick: Pick<CallLine, u64>| (a.map(pick), b.map(pick));
        let (rate, broken) = (of(|line| line.per_second_milli), of(|line| line.broken));
        self.row("a second", rate.0, rate.1, Worse::Lower, per_second);
        self.row("broken", broken.0, broken.1, Worse::Higher, grouped);
        let quantiles: [(&str, Pick<CallLine, u64>); 4] = [
            ("p50", |line| line.latency.p50_us),
            ("p99", |line| line.latency.p99_us),
            ("p99.9", |line| line.latency.p999_us),
            ("max", |line| line.latency.max_us),
        ];
        for (name, pick) in quantiles {
            let (a, b) = of(pick);
            self.row(name, a, b, Worse::Higher, micros);
        }
    }

    fn journey(&mut self, name: &str, a: Option<&JourneyLine>, b: Option<&JourneyLine>) {
        self.head(name);
        let of = |pick: Pick<JourneyLine, u64>| (a.map(pick), b.map(pick));
        let rows: [Row; 5] = [
            ("done", |line| line.done, Worse::Lower, grouped),
            ("failed", |line| line.failed, Worse::Higher, grouped),
            ("unsent", |line| line.unsent, Worse::Higher, grouped),
            ("p50", |line| line.latency.p50_us, Worse::Higher, micros),
            ("p99", |line| line.latency.p99_us, Worse::Higher, micros),
        ];
        for (name, pick, worse, show) in rows {
            let (a, b) = of(pick);
            self.row(name, a, b, worse, show);
        }
    }

    fn head(&mut self, name: &str) {
        let _ = writeln!(self.text, "\n  {name:<22}{:>16}{:>16}{:>9}", "A", "B", "B/A");
    }

    fn row(&mut self, name: &str, a: Option<u64>, b: Option<u64>, worse: Worse, show: Show) {
        let shown = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), show);
        let (mut ratio, mut mark) = ("–".to_owned(), "");
        if let (Some(a), Some(b)) = (a, b) {
            if let Some(hundredths) =
                (u128::from(b) * 100 + u128::from(a) / 2).checked_div(a.into())
            {
                ratio = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            }
            self.figures += u64::from(worse != Worse::Never);
            if self.marking && got_worse(a, b, worse) {
                self.worse += 1;
                mark = "  worse";
            }
        }
        let (a, b) = (shown(a), shown(b));
        let _ = writeln!(self.text, "    {name:<20}{a:>16}{b:>16}{ratio:>9}{mark}");
    }
}

fn got_worse(a: u64, b: u64, worse: Worse) -> bool {
    let (a, b) = (u128::from(a), u128::from(b));
    match worse {
        Worse::Higher => b * 100 > a * (100 + TOLERATED),
        Worse::Lower => b * 100 < a * (100 - TOLERATED),
        Worse::Never => false,
    }
}

/// A run in one line.
fn line(run: &Outcome) -> String {
    let verdict = match run.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Saturated => "saturated",
    };
    let took = clock(run.duration_ms / 1_000);
    format!("{} of {}, {took}, {verdict}: {}", run.scenario, run.started_at, run.title)
}

/// Why two runs cannot be compared.
fn apart(a: &Outcome, b: &Outcome) -> Vec<String> {
    let mut apart = Vec::new();
    if a.scenario != b.scenario {
        apart.push(format!("scenario {} against {}", a.scenario, b.scenario));
    }
    if a.stages != b.stages {
        apart.push("the stages differ".into());
    }
    if a.citizens != b.citizens {
        let (a, b) = (grouped(a.citizens), grouped(b.citizens));
        apart.push(format!("{a} citizens against {b}"));
    }
    // Two machines of a kind never report the very same memory: a tenth is no other machine.
    let (small, large) = (
        a.machine.memory_bytes.min(b.machine.memory_bytes),
        a.machine.memory_bytes.max(b.machine.memory_bytes),
    );
    let alike = a.machine.cores == b.machine.cores
        && a.machine.shared_with_target == b.machine.shared_with_target
        && large - small <= small / 10;
    if !alike {
        apart.push(format!("machine {} against {}", kind(&a.machine), kind(&b.machine)));
    }
    for (name, run) in [("A", a), ("B", b)] {
        if run.verdict == Verdict::Saturated {
            apart.push(format!("{name} was saturated, its figures mean nothing"));
        }
    }
    apart
}

fn kind(machine: &Machine) -> String {
    let shared = if machine.shared_with_target { "shared with" } else { "apart from" };
    let (cores, memory) = (machine.cores, bytes(machine.memory_bytes));
    format!("{cores} cores, {memory}, {shared} the platform")
}

/// The names that either has, in order.
fn both<'n>(
    a: impl Iterator<Item = &'n String>,
    b: impl Iterator<Item = &'n String>,
) -> BTreeSet<&'n str> {
    a.chain(b).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_run_is_no_worse_than_itself() {
        let text = compare(&sample::run(), &sample::run());
        assert!(text.ends_with("0 of 98 figures got worse by more than 10 %\n"), "{text}");
        assert!(!text.contains("  worse\n") && !text.contains("NOT COMPARABLE"), "{text}");
    }

    #[test]
    fn what_got_worse_by_more_than_a_tenth_is_marked_and_what_got_better_is_not() {
        let (a, mut b) = (sample::run(), sample::run());
        let call = b.calls.get_mut("02.Z303").unwrap();
        call.latency.p50_us = call.latency.p50_us * 109 / 100;
        call.latency.p99_us = call.latency.p99_us * 115 / 100;
        call.latency.max_us /= 2;
        call.per_second_milli = call.per_second_milli * 8 / 10;
        b.books.differences_total = 1;
        let text = compare(&a, &b);
        let part = text.split("  02.Z303").nth(1).unwrap().split("\n\n").next().unwrap();
        let marked: Vec<_> = part.lines().filter(|line| line.ends_with("  worse")).collect();
        assert_eq!(marked.len(), 2, "{part}");
        assert!(marked[0].contains("a second") && marked[0].contains("0.80"), "{part}");
        assert!(marked[1].contains("p99") && marked[1].contains("1.15"), "{part}");
        assert!(text.ends_with("3 of 98 figures got worse by more than 10 %\n"), "{text}");
    }

    #[test]
    fn different_scenarios_and_machines_are_named_and_nothing_is_marked() {
        let (a, mut b) = (sample::run(), sample::run());
        b.scenario = "smoke".into();
        b.machine.cores = 2;
        b.calls.values_mut().for_each(|call| call.latency.p99_us *= 2);
        let text = compare(&a, &b);
        assert!(text.contains("NOT COMPARABLE: scenario city-day against smoke\n"), "{text}");
        assert!(text.contains("NOT COMPARABLE: machine 8 cores, 16.0 GiB, shared"), "{text}");
        assert!(!text.contains("  worse\n"), "{text}");
    }

    #[test]
    fn an_interface_of_one_run_only_has_no_ratio() {
        let (a, mut b) = (sample::run(), sample::run());
        b.calls.remove("Z101");
        let text = compare(&a, &b);
        let part = text.split("  Z101").nth(1).unwrap();
        assert!(part.lines().nth(1).unwrap().ends_with("–        –"), "{part}");
        compare(&sample::empty(), &sample::empty());
    }
}
