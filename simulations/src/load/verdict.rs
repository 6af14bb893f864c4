//! What a run came to: rates over the stages, thresholds, the verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use super::gauges::Gauges;
use super::ground::Ground;
use super::outcome::{CallLine, JourneyLine, Outcome, StageLine, ThresholdLine, Tick, Verdict};
use super::run::{Played, Wishes};
use super::scenario::{Journey, Threshold};

/// Puts everything together.
pub(super) fn outcome(
    ground: &Ground,
    gauges: &Gauges,
    wishes: &Wishes,
    played: Played,
    started_at: String,
) -> Outcome {
    let mut calls = played.calls;
    for (name, line) in &mut calls {
        line.per_second_milli = per_second_milli(name, &played.stages, &played.timeline);
    }
    let (mut counts, journeys) = (ground.counts(), ground.meter.journeys());
    counts.insert("records_decided".into(), ground.decided.records());
    counts.insert("push_events_arrived".into(), ground.pushes_arrived());
    counts.insert("push_events_outstanding".into(), ground.pushes_outstanding());
    let facts = Facts {
        calls: &calls,
        journeys: &journeys,
        stages: &played.stages,
        timeline: &played.timeline,
        records_per_second: played.records_decided / submitting_seconds(ground).max(1),
    };
    let thresholds: Vec<ThresholdLine> =
        ground.scenario.thresholds.iter().map(|threshold| facts.line(threshold)).collect();
    let books = ground.comparisons.books();
    let holds = books.differences_total == 0 && thresholds.iter().all(|line| line.holds);
    let verdict = match (is_saturated(ground, &played.timeline), holds) {
        (true, _) => Verdict::Saturated,
        (false, true) => Verdict::Passed,
        (false, false) => Verdict::Failed,
    };
    Outcome {
        scenario: wishes.name.clone(),
        title: ground.scenario.title.clone(),
        about: ground.scenario.about.clone(),
        target: wishes.access.target.clone(),
        seed: ground.seed,
        started_at,
        duration_ms: millis(played.took),
        machine: gauges.machine(),
        citizens: u64::from(ground.people.settled + ground.people.newcomers),
        verdict,
        thresholds,
        books,
        counts,
        journeys,
        calls,
        faults: std::mem::take(&mut played.happened.lock()),
        stages: played.stages,
        timeline: played.timeline,
    }
}

/// Whether the generator could not keep to its schedule.
fn is_saturated(ground: &Ground, timeline: &[Tick]) -> bool {
    let sum = |of: fn(&Tick) -> u64| timeline.iter().map(of).sum::<u64>();
    let (scheduled, unsent) = (sum(|tick| tick.scheduled), sum(|tick| tick.unsent));
    let generator = &ground.scenario.generator;
    let forgiven = scheduled * u64::from(generator.unsent_permille) / 1000;
    let late = Duration::from_millis(generator.lag_ms.into());
    unsent > forgiven || ground.meter.lag_p99() > late
}

fn submitting_seconds(ground: &Ground) -> u64 {
    let submits = |(journey, _): &(Journey, _)| *journey == Journey::Submit;
    let stages = ground.scenario.stages.iter().filter(|stage| stage.ramps().iter().any(submits));
    stages.map(|stage| u64::from(stage.seconds)).sum()
}

/// Answers a second, in thousandths, over the stages in which a call was answered at all.
fn per_second_milli(name: &str, stages: &[StageLine], timeline: &[Tick]) -> u64 {
    let (mut answers, mut millis) = (0, 0);
    for stage in stages {
        // A tick ends at its time: what is told at the stage's end happened in it.
        let inside = timeline.iter().filter(|tick| {
            let middle = tick.at_ms.saturating_sub(500);
            (stage.from_ms..stage.to_ms).contains(&middle)
        });
        let here: u64 = inside.filter_map(|tick| tick.calls.get(name)).map(|one| one.count).sum();
        if here > 0 {
            answers += here;
            millis += stage.to_ms - stage.from_ms;
        }
    }
    (answers * 1_000_000).checked_div(millis).unwrap_or(0)
}

/// What thresholds are measured by.
struct Facts<'r> {
    calls: &'r BTreeMap<String, CallLine>,
    journeys: &'r BTreeMap<String, JourneyLine>,
    stages: &'r [StageLine],
    timeline: &'r [Tick],
    records_per_second: u64,
}

impl Facts<'_> {
    /// A threshold with what was measured. One that nothing was measured for does not hold.
    fn line(&self, threshold: &Threshold) -> ThresholdLine {
        let name = threshold.call.as_deref().unwrap_or_default();
        let call = self.calls.get(name).filter(|line| line.count + line.broken > 0);
        let nothing = CallLine::default();
        let line = call.unwrap_or(&nothing);
        let rate = line.per_second_milli;
        let of_call = |what: String, measured: String, holds: bool| {
            let known = call.is_some();
            let measured = if known { measured } else { "never called".into() };
            ThresholdLine { what, measured, holds: known && holds }
        };
        if let Some(ms) = threshold.p99_ms {
            let micros = line.latency.p99_us;
            let measured = format!("{} ms", thousandths(micros));
            of_call(format!("p99 of {name} ≤ {ms} ms"), measured, micros <= ms * 1000)
        } else if let Some(least) = threshold.per_second {
            let measured = format!("{} a second", thousandths(rate));
            of_call(format!("{name} ≥ {least} a second"), measured, rate >= least * 1000)
        } else if let Some(most) = threshold.refused_permille {
            let refused = line.refused.values().sum::<u64>() + line.broken;
            let all = (line.count + line.broken).max(1);
            let measured = format!("{refused} of {all}");
            let holds = refused * 1000 <= most * all;
            of_call(format!("refused of {name} ≤ {most} ‰"), measured, holds)
        } else if let Some(percent) = threshold.percent {
            let of = threshold.of.as_deref().unwrap_or_default();
            let base = self.calls.get(of).map_or(0, |line| line.per_second_milli);
            let share = (rate * 100).checked_div(base);
            let measured = share.map_or("nothing".into(), |share| format!("{share} %"));
            let what = format!("{name} ≥ {percent} % of {of}");
            of_call(what, measured, share.is_some_and(|share| share >= percent))
        } else if let Some(most) = threshold.failed_permille {
            self.failed(threshold.journey.as_deref().unwrap_or_default(), most)
        } else if let Some(least) = threshold.records_per_second {
            let got = self.records_per_second;
            let what = format!("records decided ≥ {least} a second");
            ThresholdLine { what, measured: format!("{got} a second"), holds: got >= least }
        } else {
            self.memory(threshold.memory_growth_percent.unwrap_or(0))
        }
    }

    /// Journeys that broke off.
    fn failed(&self, name: &str, most: u64) -> ThresholdLine {
        let line = self.journeys.get(name);
        let (failed, all) = line.map_or((0, 0), |line| (line.failed, line.done + line.failed));
        ThresholdLine {
            what: format!("journeys {name} that break off ≤ {most} ‰"),
            measured: format!("{failed} of {all}"),
            holds: all > 0 && failed * 1000 <= most * all,
        }
    }

    /// The platform's memory at the end of the stages against that at their half.
    fn memory(&self, most: u64) -> ThresholdLine {
        let end = self.stages.last().map_or(0, |stage| stage.to_ms);
        let at = |ms: u64| {
            let known = self.timeline.iter().filter(|tick| tick.at_ms <= ms + 500);
            known.filter_map(|tick| tick.platform_bytes).next_back().filter(|bytes| *bytes > 0)
        };
        let grown =
            at(end / 2).zip(at(end)).map(|(half, end)| end.saturating_sub(half) * 100 / half);
        ThresholdLine {
            what: format!("memory of the platform, second half: growth ≤ {most} %"),
            measured: grown.map_or("not known".into(), |grown| format!("{grown} %")),
            holds: grown.is_some_and(|grown| grown <= most),
        }
    }
}

fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1000, number % 1000)
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::outcome::{Quantiles, Slice};

    fn stage(from_ms: u64, to_ms: u64) -> StageLine {
        StageLine { name: String::new(), from_ms, to_ms }
    }

    fn tick(second: u64, count: u64, bytes: u64) -> Tick {
        let slice = Slice { count, ..Slice::default() };
        Tick {
            at_ms: second * 1000 + 3,
            calls: [("noop".to_owned(), slice)].into(),
            platform_bytes: Some(bytes),
            ..Tick::default()
        }
    }

    #[test]
    fn a_rate_is_over_the_stages_that_call() {
        let stages = [stage(0, 2000), stage(2000, 4000)];
        let timeline = [tick(1, 10, 1), tick(2, 20, 1), tick(3, 0, 1), tick(4, 0, 1)];
        assert_eq!(per_second_milli("noop", &stages, &timeline), 15_000);
        assert_eq!(per_second_milli("01.Z304", &stages, &timeline), 0);
    }

    #[test]
    fn every_threshold_can_be_passed_and_broken() {
        let line = CallLine {
            count: 1000,
            refused: [("42901".to_owned(), 10)].into(),
            broken: 0,
            per_second_milli: 50_000,
            latency: Quantiles { p99_us: 7_000, ..Quantiles::default() },
        };
        let base = CallLine { count: 1, per_second_milli: 100_000, ..CallLine::default() };
        let calls = [("a".to_owned(), line), ("b".to_owned(), base)].into();
        let open = JourneyLine { done: 99, failed: 1, ..JourneyLine::default() };
        let journeys = [("open".to_owned(), open)].into();
        let timeline = [tick(1, 1, 100), tick(2, 1, 110)];
        let facts = Facts {
            calls: &calls,
            journeys: &journeys,
            stages: &[stage(0, 2000)],
            timeline: &timeline,
            records_per_second: 500,
        };
        let of_a = || Threshold { call: Some("a".into()), ..Threshold::default() };
        let of_open = || Threshold { journey: Some("open".into()), ..Threshold::default() };
        let of_b = || Threshold { of: Some("b".into()), ..of_a() };
        let cases = [
            (Threshold { p99_ms: Some(7), ..of_a() }, Threshold { p99_ms: Some(6), ..of_a() }),
            (
                Threshold { per_second: Some(50), ..of_a() },
                Threshold { per_second: Some(51), ..of_a() },
            ),
            (
                Threshold { refused_permille: Some(10), ..of_a() },
                Threshold { refused_permille: Some(9), ..of_a() },
            ),
            (Threshold { percent: Some(50), ..of_b() }, Threshold { percent: Some(51), ..of_b() }),
            (
                Threshold { records_per_second: Some(500), ..Threshold::default() },
                Threshold { records_per_second: Some(501), ..Threshold::default() },
            ),
            (
                Threshold { failed_permille: Some(10), ..of_open() },
                Threshold { failed_permille: Some(9), ..of_open() },
            ),
            (
                Threshold { memory_growth_percent: Some(10), ..Threshold::default() },
                Threshold { memory_growth_percent: Some(9), ..Threshold::default() },
            ),
        ];
        for (good, bad) in cases {
            assert!(facts.line(&good).holds, "{:?}", facts.line(&good));
            assert!(!facts.line(&bad).holds, "{:?}", facts.line(&bad));
        }
        let never = Threshold { call: Some("c".into()), p99_ms: Some(9), ..Threshold::default() };
        assert!(!facts.line(&never).holds, "what was never called holds nothing");
    }
}
