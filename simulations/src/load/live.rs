//! Shows how a load run goes while it goes: a few lines that are redrawn in a terminal, one plain
//! line every five seconds elsewhere; on standard error, so that a table can be piped.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::outcome::{StageLine, Tick};
use super::report::units::{bytes, clock, grouped, micros};

/// Seconds between two plain lines.
const LINE_EVERY: usize = 5;
/// Interfaces shown one by one in a terminal; the quieter ones share a line.
const SHOWN: usize = 10;

/// The view of a run that is under way.
pub struct Live {
    plan: Plan,
    bar: Option<ProgressBar>,
    seen: Mutex<Seen>,
}

/// What was planned.
struct Plan {
    stages: Vec<StageLine>,
    total_seconds: u64,
}

/// What went by since the run began, and since the last plain line.
#[derive(Default)]
struct Seen {
    unsent: u64,
    recent: Vec<Tick>,
}

impl Live {
    /// Begins the view of a run of so many seconds.
    pub fn new(title: &str, stages: &[StageLine], total_seconds: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total_seconds);
            let template = "{prefix}\n{bar:60.green} {pos} of {len} s\n{msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_prefix(title.to_owned());
            bar
        });
        if bar.is_none() {
            eprintln!("{title}: {} s", grouped(total_seconds));
        }
        let plan = Plan { stages: stages.to_vec(), total_seconds };
        Self { plan, bar, seen: Mutex::default() }
    }

    /// Shows a second that went by.
    pub fn tick(&self, tick: &Tick) {
        let mut seen = self.seen.lock();
        seen.unsent += tick.unsent;
        match &self.bar {
            Some(bar) => {
                bar.set_position((tick.at_ms / 1_000).min(self.plan.total_seconds));
                bar.set_message(self.plan.lines(tick, seen.unsent));
            }
            None => {
                seen.recent.push(tick.clone());
                if seen.recent.len() == LINE_EVERY {
                    let recent = std::mem::take(&mut seen.recent);
                    eprintln!("{}", self.plan.line(&recent, seen.unsent));
                }
            }
        }
    }

    /// Says something above the view, and keeps it: a fault that was made, a stage that ended.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// Ends the view: a terminal's lines go, the table can follow.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let mut seen = self.seen.lock();
        let recent = std::mem::take(&mut seen.recent);
        if !recent.is_empty() {
            eprintln!("{}", self.plan.line(&recent, seen.unsent));
        }
    }
}

impl Plan {
    /// The stage at a time, with the seconds it still has; after the last one the run is ending.
    fn stage(&self, at_ms: u64) -> (&str, u64) {
        let stage = self.stages.iter().find(|stage| stage.from_ms < at_ms && at_ms <= stage.to_ms);
        match stage {
            Some(stage) => (&stage.name, (stage.to_ms - at_ms) / 1_000),
            None => ("comparing", 0),
        }
    }

    /// What a terminal shows below the bar.
    fn lines(&self, tick: &Tick, unsent: u64) -> String {
        let (stage, left) = self.stage(tick.at_ms);
        let mut text = format!("{stage}, {} left\n", clock(left));
        let _ =
            writeln!(text, "  {:<10}{:>9}{:>12}{:>9}", "interface", "a second", "p99", "errors");
        let mut calls: Vec<_> = tick.calls.iter().collect();
        calls.sort_by_key(|(_, slice)| std::cmp::Reverse(slice.count));
        for (code, slice) in calls.iter().take(SHOWN) {
            let (rate, p99) = (grouped(slice.count), micros(slice.p99_us));
            let _ = writeln!(text, "  {code:<10}{rate:>9}{p99:>12}{:>9}", grouped(slice.errors));
        }
        if let Some(others) = calls.get(SHOWN..).filter(|others| !others.is_empty()) {
            let rate: u64 = others.iter().map(|(_, slice)| slice.count).sum();
            let _ = writeln!(text, "  {:<10}{:>9}", "others", grouped(rate));
        }
        let _ = write!(
            text,
            "  under way {}   unsent {}   pushes outstanding {}\n  memory: {}",
            grouped(tick.under_way),
            grouped(unsent),
            grouped(tick.pushes_outstanding),
            memory(tick),
        );
        text
    }

    /// A plain line about some seconds: the mean rate, the worst p99, the latest of the rest.
    fn line(&self, recent: &[Tick], unsent: u64) -> String {
        let Some(last) = recent.last() else { return String::new() };
        let (stage, _) = self.stage(last.at_ms);
        let slices = || recent.iter().flat_map(|tick| &tick.calls);
        let answers: u64 = slices().map(|(_, slice)| slice.count).sum();
        let errors: u64 = slices().map(|(_, slice)| slice.errors).sum();
        let mut text = format!(
            "{:>7}  {stage:<14} {:>7}/s",
            clock(last.at_ms / 1_000),
            grouped(answers / recent.len() as u64),
        );
        if let Some((code, slice)) = slices().max_by_key(|(_, slice)| slice.p99_us) {
            let _ = write!(text, "  p99 ≤ {} ({code})", micros(slice.p99_us));
        }
        let _ = write!(
            text,
            "  errors {}  under way {}  unsent {}  pushes {}  {}",
            grouped(errors),
            grouped(last.under_way),
            grouped(unsent),
            grouped(last.pushes_outstanding),
            memory(last),
        );
        text
    }
}

/// The memory of both sides.
fn memory(tick: &Tick) -> String {
    let own = format!("generator {}", bytes(tick.own_bytes));
    match tick.platform_bytes {
        Some(platform) => format!("platform {}, {own}", bytes(platform)),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Slice;
    use super::*;

    fn plan() -> Plan {
        let stage = |name: &str, from_ms, to_ms| StageLine { name: name.into(), from_ms, to_ms };
        Plan {
            stages: vec![stage("ramp", 0, 10_000), stage("rush", 10_000, 30_000)],
            total_seconds: 30,
        }
    }

    fn tick(at_ms: u64, interfaces: u64) -> Tick {
        let slice = |n| Slice { count: 100 + n, p99_us: 1_000 * n, ..Slice::default() };
        Tick {
            at_ms,
            calls: (1..=interfaces).map(|n| (format!("01.Z{n}"), slice(n))).collect(),
            pushes_outstanding: 7,
            own_bytes: 1 << 20,
            ..Tick::default()
        }
    }

    #[test]
    fn a_stage_ends_with_the_second_that_is_its_last() {
        assert_eq!(plan().stage(10_000), ("ramp", 0));
        assert_eq!(plan().stage(11_000), ("rush", 19));
        assert_eq!(plan().stage(31_000), ("comparing", 0));
    }

    #[test]
    fn a_terminal_shows_the_busiest_interfaces_and_sums_up_the_others() {
        let text = plan().lines(&tick(12_000, 12), 3);
        assert!(text.starts_with("rush, 0:18 left\n"), "{text}");
        assert!(text.contains("01.Z12          112     12.0 ms        0"), "{text}");
        assert!(text.contains("others          203"), "{text}");
        assert!(text.contains("unsent 3   pushes outstanding 7"), "{text}");
        assert!(text.ends_with("memory: generator 1.00 MiB"), "{text}");
    }

    #[test]
    fn a_plain_line_has_the_mean_rate_and_the_worst_interface() {
        let text = plan().line(&[tick(4_000, 1), tick(5_000, 2)], 0);
        assert_eq!(
            text,
            "   0:05  ramp               152/s  p99 ≤ 2.00 ms (01.Z2)  errors 0  under way 0  \
             unsent 0  pushes 7  generator 1.00 MiB"
        );
        assert_eq!(plan().line(&[], 0), "");
    }

    #[test]
    fn a_view_without_a_terminal_takes_every_call_in_its_stride() {
        let live = Live::new("a run", &plan().stages, 30);
        (1..=7).for_each(|second| live.tick(&tick(second * 1_000, 1)));
        live.say("a fault");
        live.finish();
        assert!(live.seen.lock().recent.is_empty());
    }
}
