//! Which plots a run's page shows, and of what.

use super::names;
use super::plot::{Plot, Series, Span, Stands};
use super::scale::{Scale, Unit};
use super::units::{clock, grouped, micros};
use crate::load::outcome::{Outcome, Slice, Tick};

/// Interfaces with a colour of their own in the stack of rates; the others share one.
const COLOURED: usize = 7;
/// Their colours: classes of the style sheet, the last for the others.
const COLOURS: [&str; COLOURED + 1] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];
/// Labels above the zero of an axis.
const LABELS: u64 = 4;
/// Heights in pixels: of a plot over the whole width, of half the width, of a strip.
const TALL: u64 = 240;
const LOW: u64 = 150;
const STRIP: u64 = 34;

/// A plot with its heading.
pub struct Chart {
    /// Chinese, then English.
    pub title: (String, String),
    /// What stands out, in numbers.
    pub note: String,
    /// Names and classes of its curves.
    pub legend: Vec<(String, &'static str)>,
    /// The plot, and the strip below it.
    pub plots: Vec<String>,
}

/// Answers a second of all interfaces, each standing on the next.
pub fn rates(outcome: &Outcome, span: &Span) -> Chart {
    let mut codes: Vec<(&String, u64)> =
        outcome.calls.iter().map(|(code, line)| (code, line.count)).collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let own = if codes.len() > COLOURS.len() { COLOURED } else { codes.len() };
    let (coloured, others) = codes.split_at(own);
    let mut series: Vec<Series> = coloured
        .iter()
        .zip(COLOURS)
        .map(|((code, _), class)| {
            let values = each(outcome, |tick| tick.calls.get(*code).map(|slice| slice.count));
            area((*code).clone(), class, values)
        })
        .collect();
    if !others.is_empty() {
        let rest = |tick: &Tick| {
            let counts = others.iter().filter_map(|(code, _)| tick.calls.get(*code));
            Some(counts.map(|slice| slice.count).sum())
        };
        series.push(area("others".into(), COLOURS[COLOURED], each(outcome, rest)));
    }
    let peak = busiest(outcome);
    let note = peak.map_or(String::new(), |(answers, at)| {
        format!("峰值 peak {}/s, {}", grouped(answers), clock(at))
    });
    let scale = Scale::linear(peak.map_or(0, |peak| peak.0), Unit::Count, LABELS);
    let label = format!("Answers a second by interface over time. {note}");
    chart("每秒应答", "Answers a second", note, |legend| Plot {
        label,
        span,
        height: TALL,
        scale,
        unit: Unit::Count,
        series: told(legend, series),
        stacked: true,
        stands: Stands::Alone,
    })
}

/// The busiest second: its answers and its time in seconds.
pub fn busiest(outcome: &Outcome) -> Option<(u64, u64)> {
    let answers = |tick: &Tick| tick.calls.values().map(|slice| slice.count).sum();
    outcome.timeline.iter().map(|tick| (answers(tick), tick.at_ms / 1_000)).max_by_key(|max| max.0)
}

/// For each interface its latency, on one scale for all, above its answers a second.
pub fn latencies(outcome: &Outcome, span: &Span) -> Vec<Chart> {
    let slices = || outcome.timeline.iter().flat_map(|tick| tick.calls.values());
    let lowest = slices().filter(|slice| slice.count > 0).map(|slice| slice.p50_us).min();
    let highest = slices().map(|slice| slice.max_us).max();
    let scale = Scale::log(lowest.unwrap_or(0), highest.unwrap_or(0));
    outcome.calls.keys().map(|code| latency(outcome, span, scale, code)).collect()
}

fn latency(outcome: &Outcome, span: &Span, scale: Scale, code: &str) -> Chart {
    let of = |pick: fn(&Slice) -> u64| {
        each(outcome, |tick| tick.calls.get(code).filter(|slice| slice.count > 0).map(pick))
    };
    let series = vec![
        line("max", "max", of(|slice| slice.max_us)),
        line("p99", "p99", of(|slice| slice.p99_us)),
        line("p50", "p50", of(|slice| slice.p50_us)),
    ];
    let count =
        |pick: fn(&Slice) -> u64| each(outcome, |tick| Some(tick.calls.get(code).map_or(0, pick)));
    let counts = vec![
        area("answers".into(), "rate", count(|slice| slice.count)),
        area("errors".into(), "errors", count(|slice| slice.errors)),
    ];
    let whole = outcome.calls.get(code).map(|line| line.latency).unwrap_or_default();
    let note = format!("p50 {}, p99 {}", micros(whole.p50_us), micros(whole.p99_us));
    let strip = Plot {
        label: format!("{code}: answers a second"),
        span,
        height: STRIP,
        scale: Scale::linear(highest(&counts), Unit::Count, 1),
        unit: Unit::Count,
        series: counts,
        stacked: false,
        stands: Stands::Above,
    };
    let label = format!("{code}: p50, p99 and slowest answer over time. {note}");
    let mut chart = chart(names::interface(code), code, note, |legend| Plot {
        label,
        span,
        height: LOW,
        scale,
        unit: Unit::Micros,
        series: told(legend, series),
        stacked: false,
        stands: Stands::Below,
    });
    chart.plots.insert(0, strip.draw());
    chart.legend.clear();
    chart
}

/// How the schedule was kept, what was outstanding, memory, and the platform's own words; without
/// those of which nothing is known.
pub fn standing(outcome: &Outcome, span: &Span) -> Vec<Chart> {
    let of = |pick: fn(&Tick) -> Option<u64>| each(outcome, pick);
    let said = |name: &str| each(outcome, |tick| tick.platform.get(name).copied());
    let errors = of(|tick| Some(tick.calls.values().map(|slice| slice.errors).sum()));
    let unsent = area("unsent".into(), "errors", of(|tick| Some(tick.unsent)));
    let arrivals = vec![line("scheduled", "plain", of(|tick| Some(tick.scheduled))), unsent];
    let memory = vec![
        line("generator", "second", of(|tick| Some(tick.own_bytes))),
        line("platform", "plain", of(|tick| tick.platform_bytes)),
    ];
    let behind = vec![
        line("followers' lag", "second", said("lag")),
        line("waiting for the store", "plain", said("waiting")),
    ];
    let one = |name: &str, values| vec![line(name, "plain", values)];
    let under_way = one("under way", of(|tick| Some(tick.under_way)));
    let owed = one("outstanding", of(|tick| Some(tick.pushes_outstanding)));
    let late = one("lateness", of(|tick| Some(tick.lag_us)));
    let awake = one("awake", said("awake"));
    let errors = vec![area("errors".into(), "errors", errors)];
    [
        ("到达", "Arrivals a second", Unit::Count, arrivals),
        ("进行中", "Journeys under way", Unit::Count, under_way),
        ("异常", "Errors a second", Unit::Count, errors),
        ("待到推送", "Pushes outstanding", Unit::Count, owed),
        ("内存", "Resident memory", Unit::Bytes, memory),
        ("发生器迟到", "Generator's lateness", Unit::Micros, late),
        ("平台积压", "Behind the journal", Unit::Count, behind),
        ("在线账户", "Accounts awake", Unit::Count, awake),
    ]
    .into_iter()
    .filter(|(.., series)| series.iter().any(Series::is_known))
    .map(|(chinese, english, unit, series)| plain(span, chinese, english, unit, series))
    .collect()
}

fn plain(span: &Span, chinese: &str, english: &str, unit: Unit, series: Vec<Series>) -> Chart {
    let peak = highest(&series);
    let note = format!("峰值 peak {}", unit.show(peak));
    let label = format!("{english} over time. {note}");
    chart(chinese, english, note, |legend| Plot {
        label,
        span,
        height: LOW,
        scale: Scale::linear(peak, unit, LABELS),
        unit,
        series: told(legend, series),
        stacked: false,
        stands: Stands::Alone,
    })
}

fn chart<'a>(
    chinese: &str,
    english: &str,
    note: String,
    plot: impl FnOnce(&mut Vec<(String, &'static str)>) -> Plot<'a>,
) -> Chart {
    let mut legend = Vec::new();
    let plots = vec![plot(&mut legend).draw()];
    Chart { title: (chinese.to_owned(), english.to_owned()), note, legend, plots }
}

/// Notes the names and colours of curves for the legend.
fn told(legend: &mut Vec<(String, &'static str)>, series: Vec<Series>) -> Vec<Series> {
    legend.extend(series.iter().map(|series| (series.name.clone(), series.class)));
    series
}

fn each(outcome: &Outcome, pick: impl Fn(&Tick) -> Option<u64>) -> Vec<Option<u64>> {
    outcome.timeline.iter().map(pick).collect()
}

fn highest(series: &[Series]) -> u64 {
    series.iter().map(Series::highest).max().unwrap_or(0)
}

fn area(name: String, class: &'static str, values: Vec<Option<u64>>) -> Series {
    Series { name, class, area: true, values }
}

fn line(name: &str, class: &'static str, values: Vec<Option<u64>>) -> Series {
    Series { name: name.into(), class, area: false, values }
}
