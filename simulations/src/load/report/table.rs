//! The summary for a terminal: the verdict first, then what it rests on.

use std::fmt::Write as _;

use super::units::{clock, grouped, micros, per_second};
use crate::load::outcome::{Outcome, Quantiles, Verdict};

/// What a run came to, as lines for a terminal.
pub fn table(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, outcome);
    text
}

fn write(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let time = clock(outcome.duration_ms / 1_000);
    writeln!(text, "{}", verdict(outcome))?;
    writeln!(text, "{} ({}, seed {}, {time})", outcome.title, outcome.scenario, outcome.seed)?;
    thresholds(text, outcome)?;
    calls(text, outcome)?;
    journeys(text, outcome)?;
    counts(text, outcome)?;
    books(text, outcome)
}

/// The verdict in one line, with its reason.
fn verdict(outcome: &Outcome) -> String {
    let broken = outcome.thresholds.iter().filter(|threshold| !threshold.holds).count();
    let differences = outcome.books.differences_total;
    match outcome.verdict {
        Verdict::Passed => "PASSED: every threshold held, every book agrees".into(),
        Verdict::Failed => {
            let (of, differences) = (outcome.thresholds.len(), grouped(differences));
            format!("FAILED: {broken} of {of} thresholds passed over, {differences} differences")
        }
        Verdict::Saturated => {
            "SATURATED: the generator fell behind its schedule, the figures mean nothing".into()
        }
    }
}

fn thresholds(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    if outcome.thresholds.is_empty() {
        return Ok(());
    }
    let width = longest(outcome.thresholds.iter().map(|threshold| threshold.what.as_str()));
    writeln!(text)?;
    for threshold in &outcome.thresholds {
        let mark = if threshold.holds { '✓' } else { '✗' };
        writeln!(text, "  {mark} {:<width$}   {}", threshold.what, threshold.measured)?;
    }
    Ok(())
}

fn calls(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    if outcome.calls.is_empty() {
        return Ok(());
    }
    let width = longest(outcome.calls.keys().map(String::as_str)).max(9);
    writeln!(
        text,
        "\n  {:<width$}{:>12}{:>10}{:>9}{:>8}{}",
        "interface",
        "answers",
        "a second",
        "refused",
        "broken",
        quantile_heads()
    )?;
    for (code, line) in &outcome.calls {
        let refused: u64 = line.refused.values().sum();
        writeln!(
            text,
            "  {code:<width$}{:>12}{:>10}{:>9}{:>8}{}",
            grouped(line.count),
            per_second(line.per_second_milli),
            grouped(refused),
            grouped(line.broken),
            quantiles(&line.latency)
        )?;
    }
    Ok(())
}

fn journeys(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    if outcome.journeys.is_empty() {
        return Ok(());
    }
    let width = longest(outcome.journeys.keys().map(String::as_str)).max(9);
    writeln!(
        text,
        "\n  {:<width$}{:>12}{:>10}{:>9}{:>8}{}",
        "journey",
        "scheduled",
        "done",
        "failed",
        "unsent",
        quantile_heads()
    )?;
    for (name, line) in &outcome.journeys {
        writeln!(
            text,
            "  {name:<width$}{:>12}{:>10}{:>9}{:>8}{}",
            grouped(line.scheduled),
            grouped(line.done),
            grouped(line.failed),
            grouped(line.unsent),
            quantiles(&line.latency)
        )?;
    }
    Ok(())
}

fn counts(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let width = longest(outcome.counts.keys().map(String::as_str));
    for (place, (name, number)) in outcome.counts.iter().enumerate() {
        let gap = if place == 0 { "\n" } else { "" };
        writeln!(text, "{gap}  {:<width$}{:>16}", name.replace('_', " "), grouped(*number))?;
    }
    Ok(())
}

fn books(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let books = &outcome.books;
    let compared: u64 = books.compared.values().sum();
    let checked: u64 = books.invariants.values().sum();
    writeln!(
        text,
        "\n  {} answers compared with the books, {} rules checked {} times: {} differences",
        grouped(compared),
        books.invariants.len(),
        grouped(checked),
        grouped(books.differences_total)
    )?;
    for difference in &books.differences {
        writeln!(text, "  ✗ {difference}")?;
    }
    let untold = books.differences_total.saturating_sub(books.differences.len() as u64);
    if untold > 0 {
        writeln!(text, "  ✗ and {} more", grouped(untold))?;
    }
    Ok(())
}

fn quantile_heads() -> String {
    format!("{:>11}{:>11}{:>11}{:>11}", "p50", "p99", "p99.9", "max")
}

fn quantiles(latency: &Quantiles) -> String {
    [latency.p50_us, latency.p99_us, latency.p999_us, latency.max_us]
        .map(|time| format!("{:>11}", micros(time)))
        .concat()
}

/// Characters of the longest name.
fn longest<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_verdict_comes_first_and_every_threshold_has_its_mark() {
        let text = table(&sample::run());
        let first = text.lines().next().unwrap();
        assert_eq!(first, "FAILED: 1 of 5 thresholds passed over, 0 differences");
        assert!(text.contains("✓ p99 of 02.Z303 ≤ 50 ms              31.7 ms"), "{text}");
        assert!(text.contains("✗ p99 of 01.Z304 ≤ 50 ms              71.4 ms"), "{text}");
    }

    #[test]
    fn the_columns_of_calls_stand_below_their_heads() {
        let text = table(&sample::run());
        let mut lines = text.lines().skip_while(|line| !line.starts_with("  interface"));
        let head = lines.next().unwrap().chars().count();
        let rows: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        assert_eq!(rows.len(), sample::run().calls.len());
        assert!(rows.iter().all(|row| row.chars().count() == head), "{text}");
    }

    #[test]
    fn differences_that_are_not_told_are_counted() {
        let mut outcome = sample::run();
        outcome.books.differences = vec!["one".into(), "two".into()];
        outcome.books.differences_total = 1_002;
        let text = table(&outcome);
        assert!(
            text.contains("1,002 differences\n  ✗ one\n  ✗ two\n  ✗ and 1,000 more\n"),
            "{text}"
        );
    }

    #[test]
    fn a_run_without_anything_has_a_table_too() {
        let text = table(&sample::empty());
        assert!(text.starts_with("SATURATED"), "{text}");
        assert!(text.contains("0 answers compared"), "{text}");
    }
}
