//! What a scenario must be beyond its shape; each fault names the key and what is allowed.

use anyhow::{bail, ensure};

use super::{Event, Happening, Journey, Scenario, Stage, Threshold};
use crate::load::citizens::RECORDS_EACH;

/// Highest rate that is asked of one stage, arrivals a second.
const RATE: u32 = 200_000;
/// Most citizens: their phone numbers end there.
const CITIZENS: u32 = 2_000_000;

pub(super) fn check(scenario: &Scenario) -> anyhow::Result<()> {
    let people = &scenario.population;
    within("population.citizens", people.citizens, 1, CITIZENS)?;
    within("population.newcomers", people.newcomers, 0, CITIZENS - people.citizens)?;
    within("population.shoppers_permille", people.shoppers_permille, 0, 1000)?;
    within("population.revokers_permille", people.revokers_permille, 0, 1000)?;
    within("population.households_permille", people.households_permille, 0, 1000)?;
    within("population.at_once", people.at_once.into(), 1, 1000)?;
    within("population.points", people.points, 0, 100_000)?;
    let partners = &scenario.partners;
    within("partners.batch_rows", partners.batch_rows.into(), 1, 1000)?;
    within("partners.wrong_rows_permille", partners.wrong_rows_permille, 0, 1000)?;
    within("partners.connections", partners.connections.into(), 1, 1000)?;
    let generator = &scenario.generator;
    within("generator.under_way", generator.under_way, 1, 1_000_000)?;
    within("generator.unsent_permille", generator.unsent_permille, 0, 1000)?;
    within("generator.answer_seconds", generator.answer_seconds, 1, 600)?;
    ensure!(!scenario.stages.is_empty(), "stage: at least one [[stage]] is needed");
    scenario.stages.iter().try_for_each(stage)?;
    let seconds = scenario.seconds();
    scenario.events.iter().try_for_each(|one| event(one, seconds))?;
    scenario.thresholds.iter().try_for_each(threshold)?;
    reach(scenario)
}

fn within(key: &str, value: u32, least: u32, most: u32) -> anyhow::Result<()> {
    ensure!((least..=most).contains(&value), "{key} = {value}: {least} to {most} is allowed");
    Ok(())
}

fn stage(stage: &Stage) -> anyhow::Result<()> {
    let key = format!("stage \"{}\"", stage.name);
    within(&format!("{key}: seconds"), stage.seconds, 1, 86_400)?;
    if let Some(mix) = &stage.mix {
        let whole: u32 = mix.shares.values().sum();
        ensure!(whole > 0, "{key}: mix.shares: at least one share above 0 is needed");
    }
    for (journey, ramp) in stage.ramps() {
        let most = ramp.from.max(ramp.to);
        within(&format!("{key}: rate of {}", journey.name()), most, 0, RATE)?;
    }
    Ok(())
}

fn event(event: &Event, seconds: u32) -> anyhow::Result<()> {
    let key = format!("event at second {}", event.at_second);
    ensure!(event.at_second < seconds, "{key}: the stages end at second {seconds}");
    let strikes_one = matches!(
        event.what,
        Happening::Slow
            | Happening::Errors
            | Happening::LostAnswers
            | Happening::Down
            | Happening::Back
    );
    ensure!(
        strikes_one == event.app.is_some(),
        "{key}: app: needed for slow, errors, lost_answers, down and back, and for nothing else"
    );
    ensure!(event.percent <= 100, "{key}: percent = {}: 0 to 100 is allowed", event.percent);
    Ok(())
}

fn threshold(threshold: &Threshold) -> anyhow::Result<()> {
    let of_a_call =
        [threshold.p99_ms, threshold.per_second, threshold.refused_permille, threshold.percent];
    let of_the_run =
        [threshold.records_per_second, threshold.memory_growth_percent, threshold.failed_permille];
    let given = of_a_call.iter().chain(&of_the_run).flatten().count();
    let limits = "p99_ms, per_second, refused_permille, percent, records_per_second, \
                  memory_growth_percent, failed_permille";
    ensure!(given == 1, "threshold: {given} limits are given: exactly one of {limits} is allowed");
    let about_call = of_a_call.iter().flatten().next().is_some();
    ensure!(
        about_call == threshold.call.is_some(),
        "threshold: call: needed for p99_ms, per_second, refused_permille and percent, and for \
         nothing else"
    );
    ensure!(
        threshold.failed_permille.is_some() == threshold.journey.is_some(),
        "threshold: failed_permille and journey go together"
    );
    ensure!(
        threshold.percent.is_some() == threshold.of.is_some(),
        "threshold: percent and of go together"
    );
    Ok(())
}

/// Whether there are citizens enough for what is asked of them.
fn reach(scenario: &Scenario) -> anyhow::Result<()> {
    let people = &scenario.population;
    let opened = scenario.arrivals(Journey::Open);
    if opened > u64::from(people.newcomers) {
        bail!(
            "population.newcomers = {}: the journey open arrives {opened} times",
            people.newcomers
        );
    }
    let batches = scenario.arrivals(Journey::Submit) + scenario.arrivals(Journey::Electricity);
    let records = batches * u64::from(scenario.partners.batch_rows);
    let most = u64::from(people.citizens) * u64::from(RECORDS_EACH) / 2;
    if records > most {
        bail!(
            "population.citizens = {}: {records} records are asked for, {most} is the most that so \
             many citizens can have made",
            people.citizens
        );
    }
    let shops = [Journey::Points, Journey::Pay, Journey::Order, Journey::Mall];
    if people.shoppers_permille == 0
        && let Some(journey) = shops.into_iter().find(|journey| scenario.has(*journey))
    {
        bail!("population.shoppers_permille = 0: the journey {} needs shoppers", journey.name());
    }
    if scenario.has(Journey::Electricity) && people.households_permille == 0 {
        bail!("population.households_permille = 0: the journey electricity needs households");
    }
    if scenario.has(Journey::Revoke) && people.revokers_permille == 0 {
        bail!("population.revokers_permille = 0: the journey revoke needs revokers");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::Ramp;

    const GOOD: &str = r#"
        title = "t"
        about = "a"
        [population]
        citizens = 100
        [[stage]]
        name = "only"
        seconds = 10
        rates = { noop = { from = 1, to = 5 } }
        mix = { rate = { from = 10, to = 10 }, shares = { points = 3, pay = 1 } }
        [[threshold]]
        call = "noop"
        p99_ms = 5
    "#;

    #[test]
    fn a_good_scenario_is_read() {
        let scenario = Scenario::parse(GOOD).unwrap();
        let ramps = scenario.stages[0].ramps();
        assert!(ramps.contains(&(Journey::Noop, Ramp { from: 1, to: 5 })));
        assert!(ramps.contains(&(Journey::Points, Ramp { from: 7, to: 7 })));
        assert!(ramps.contains(&(Journey::Pay, Ramp { from: 2, to: 2 })));
        assert_eq!(scenario.arrivals(Journey::Noop), 30);
        assert!(!scenario.has(Journey::Revoke));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let cases = [
            ("citizens = 100", "citizens = 0", "population.citizens = 0: 1 to"),
            ("citizens = 100", "citizen = 100", "unknown field `citizen`, expected one of"),
            ("seconds = 10", "seconds = 0", "stage \"only\": seconds = 0: 1 to"),
            ("noop = {", "nope = {", "unknown variant `nope`, expected one of"),
            ("p99_ms = 5", "", "exactly one of p99_ms"),
            ("p99_ms = 5", "p99_ms = 5\nper_second = 1", "2 limits are given"),
            ("p99_ms = 5", "memory_growth_percent = 5", "threshold: call"),
            ("p99_ms = 5", "percent = 5", "percent and of"),
            ("noop = {", "open = {", "population.newcomers = 0: the journey open arrives 30 times"),
            ("noop = {", "revoke = {", "revokers_permille"),
            ("shares = { points = 3, pay = 1 }", "shares = {}", "mix.shares"),
        ];
        for (good, bad, said) in cases {
            let error = format!("{:#}", Scenario::parse(&GOOD.replace(good, bad)).unwrap_err());
            assert!(error.contains(said), "{bad}: {error}");
        }
        let late = format!("{GOOD}\n[[event]]\nat_second = 10\nwhat = \"issue\"\n");
        assert!(format!("{:#}", Scenario::parse(&late).unwrap_err()).contains("end at second 10"));
        let whom = format!("{GOOD}\n[[event]]\nat_second = 1\nwhat = \"slow\"\n");
        assert!(format!("{:#}", Scenario::parse(&whom).unwrap_err()).contains("app: needed"));
        let crowd = GOOD.replace("noop = { from = 1", "submit = { from = 99999");
        assert!(format!("{:#}", Scenario::parse(&crowd).unwrap_err()).contains("is the most"));
    }
}
