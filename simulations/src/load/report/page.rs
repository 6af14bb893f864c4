//! The page of a run: one file that needs nothing else, on a screen and on paper.

use askama::Template;

use super::charts::{self, Chart};
use super::plot::Span;
use super::units::{bytes, grouped, micros, share};
use super::{filters, names};
use crate::load::outcome::{CallLine, Outcome, Verdict};

const STYLE: &str = include_str!("page.css");

/// What the template shows.
#[derive(Template)]
#[template(path = "page.html", config = ".askama.toml")]
struct Page<'a> {
    outcome: &'a Outcome,
    style: &'static str,
    verdict: Words,
    tiles: Vec<Tile>,
    rates: Chart,
    latencies: Vec<Chart>,
    standing: Vec<Chart>,
    plotted: bool,
}

/// The verdict as a class of the style sheet and in both languages.
struct Words {
    class: &'static str,
    sign: char,
    chinese: &'static str,
    english: &'static str,
    why: &'static str,
}

/// A figure that is read before all others.
struct Tile {
    chinese: &'static str,
    english: &'static str,
    figure: String,
    beside: String,
    bad: bool,
}

/// The run as a self-contained HTML page.
pub fn page(outcome: &Outcome) -> String {
    let span = Span::new(outcome);
    let page = Page {
        outcome,
        style: STYLE,
        verdict: words(outcome.verdict),
        tiles: tiles(outcome),
        rates: charts::rates(outcome, &span),
        latencies: charts::latencies(outcome, &span),
        standing: charts::standing(outcome, &span),
        plotted: !span.is_empty(),
    };
    // Its fields are strings and integers: only the allocator could fail.
    page.render().unwrap_or_default()
}

impl Page<'_> {
    /// The command that makes the same arrivals again.
    fn again(&self) -> String {
        let (scenario, seed) = (&self.outcome.scenario, self.outcome.seed);
        format!("carbon simulate simulations/scenarios/{scenario}.toml --seed {seed}")
    }

    fn compared(&self) -> u64 {
        self.outcome.books.compared.values().sum()
    }

    fn refused(&self, line: &CallLine) -> u64 {
        line.refused.values().sum()
    }
}

fn words(verdict: Verdict) -> Words {
    let (class, sign, chinese, english, why) = match verdict {
        Verdict::Passed => {
            ("good", '✓', "通过", "Passed", "every threshold held and every book agrees")
        }
        Verdict::Failed => {
            ("bad", '✗', "未通过", "Failed", "a threshold was passed over or a book differs")
        }
        Verdict::Saturated => {
            let why = "the generator fell behind its own schedule: the figures mean nothing";
            ("void", '!', "发生器饱和", "Saturated", why)
        }
    };
    Words { class, sign, chinese, english, why }
}

fn tiles(outcome: &Outcome) -> Vec<Tile> {
    let answers: u64 = outcome.calls.values().map(|line| line.count).sum();
    let broken: u64 = outcome.calls.values().map(|line| line.broken).sum();
    let scheduled: u64 = outcome.journeys.values().map(|line| line.scheduled).sum();
    let unsent: u64 = outcome.journeys.values().map(|line| line.unsent).sum();
    let slowest = outcome.calls.iter().max_by_key(|(_, line)| line.latency.p99_us);
    let books = &outcome.books;
    let compared: u64 = books.compared.values().sum();
    let ticks = &outcome.timeline;
    let owed = ticks.last().map_or(0, |tick| tick.pushes_outstanding);
    let most_owed = ticks.iter().map(|tick| tick.pushes_outstanding).max().unwrap_or(0);
    let platform = ticks.iter().filter_map(|tick| tick.platform_bytes).max();
    let own = ticks.iter().map(|tick| tick.own_bytes).max().unwrap_or(0);
    let late = ticks.iter().map(|tick| tick.lag_us).max().unwrap_or(0);
    let peak = charts::busiest(outcome).map_or(0, |peak| peak.0);
    let tile =
        |chinese, english, figure, beside, bad| Tile { chinese, english, figure, beside, bad };
    vec![
        tile("应答", "answers", grouped(answers), format!("peak {}/s", grouped(peak)), false),
        tile(
            "最慢接口",
            "slowest p99",
            slowest.map_or("–".into(), |(_, line)| micros(line.latency.p99_us)),
            slowest.map_or(String::new(), |(code, _)| code.clone()),
            false,
        ),
        tile("无应答", "broken calls", grouped(broken), share(broken, answers), broken > 0),
        tile(
            "未发出",
            "unsent arrivals",
            grouped(unsent),
            format!("of {}", grouped(scheduled)),
            unsent > 0,
        ),
        tile(
            "账差",
            "differences",
            grouped(books.differences_total),
            format!("of {} compared", grouped(compared)),
            books.differences_total > 0,
        ),
        tile(
            "待到推送",
            "pushes outstanding",
            grouped(owed),
            format!("at most {}", grouped(most_owed)),
            owed > 0,
        ),
        tile(
            "平台内存",
            "platform memory",
            platform.map_or("–".into(), bytes),
            format!("generator {}", bytes(own)),
            false,
        ),
        tile("发生器迟到", "generator late", micros(late), "at worst".into(), false),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::load::outcome::Slice;

    /// Elements that are opened and not closed, or the other way round; every element of the page
    /// is closed, so that its balance can be told without knowing HTML.
    fn unbalanced(page: &str) -> Option<String> {
        let body = page.split_once("<!DOCTYPE html>")?.1;
        let mut open = Vec::new();
        for part in body.split('<').skip(1) {
            let Some((tag, _)) = part.split_once('>') else { return Some(part.to_owned()) };
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return Some(format!("</{name}>"));
                }
            } else if !tag.ends_with('/') {
                open.extend(tag.split_whitespace().next());
            }
        }
        open.pop().map(str::to_owned)
    }

    #[test]
    fn every_element_is_closed() {
        assert_eq!(unbalanced(&page(&sample::run())), None);
        assert_eq!(unbalanced(&page(&sample::empty())), None);
        assert_eq!(unbalanced("<!DOCTYPE html><p><b></p>"), Some("</p>".into()));
    }

    #[test]
    fn the_page_needs_nothing_from_outside_and_no_script() {
        let outcome = sample::run();
        let page = page(&outcome).replace(&outcome.target, "");
        for word in ["http", "//", "url(", "@import", "<script", "<link", "<img", " src=", " on"] {
            let inside = page.split('<').filter_map(|part| part.split_once('>'));
            let found = match word {
                " on" => inside.into_iter().any(|(tag, _)| tag.contains(" on")),
                _ => page.contains(word),
            };
            assert!(!found, "{word}");
        }
    }

    #[test]
    fn hostile_names_stay_text() {
        let hostile = "</title><script>alert('1')</script>\" onload=\"x";
        let mut outcome = sample::run();
        let name = || hostile.to_owned();
        (outcome.title, outcome.about, outcome.target) = (name(), name(), name());
        (outcome.scenario, outcome.started_at) = (name(), name());
        outcome.stages[0].name = name();
        outcome.faults[0].what = name();
        outcome.thresholds[0].what = name();
        outcome.thresholds[0].measured = name();
        outcome.books.differences = vec![name()];
        outcome.books.compared.insert(name(), 1);
        outcome.books.invariants.insert(name(), 1);
        outcome.counts.insert(name(), 1);
        let journey = outcome.journeys["look"].clone();
        outcome.journeys.insert(name(), journey);
        let mut call = outcome.calls["Z101"].clone();
        call.refused.insert(name(), 1);
        outcome.calls.insert(name(), call);
        outcome.timeline[3].calls.insert(name(), Slice { count: 5, ..Slice::default() });
        let page = page(&outcome);
        assert!(page.matches("&#60;script").count() > 15, "they are shown, though");
        assert!(!page.contains("<script") && !page.contains("\" onload"));
        assert_eq!(unbalanced(&page), None);
    }

    #[test]
    fn a_page_tells_verdict_seed_and_the_way_to_run_it_again() {
        let page = page(&sample::run());
        assert!(page.contains("未通过 <span lang=\"en\">Failed</span>"));
        let again = "carbon simulate simulations/scenarios/city-day.toml --seed 20261124";
        assert!(page.contains(again));
        assert_eq!(page.matches("<figure>").count(), 1 + 8 + sample::run().calls.len());
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
    }

    #[test]
    fn a_platform_elsewhere_leaves_no_empty_plots() {
        let mut outcome = sample::run();
        outcome.timeline.iter_mut().for_each(|tick| {
            tick.platform_bytes = None;
            tick.platform.clear();
        });
        let page = page(&outcome);
        assert!(!page.contains("Accounts awake") && !page.contains("Behind the journal"));
        assert!(page.contains("Resident memory"), "the generator's own is known");
    }

    /// Writes the page of the report that lies in the folder that `CARBON_PAGE` names; of the
    /// made-up run where none does.
    #[test]
    #[ignore = "for looking at the page"]
    fn a_page_to_look_at() {
        let folder = std::env::var("CARBON_PAGE").expect("CARBON_PAGE names a folder");
        let folder = std::path::Path::new(&folder);
        let outcome = Outcome::read(folder).unwrap_or_else(|_| sample::run());
        super::super::write(&outcome, folder).unwrap();
    }
}
