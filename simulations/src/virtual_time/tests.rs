//! Stories of the virtual world: the same seed twice, and the seeds of the normal run.

use carbon_actors::machines::planted::{Planted, plant};

use super::*;

/// Seeds of the normal run.
const SEEDS: u64 = 200;

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).unwrap()
}

fn storm() -> Scenario {
    scenario(include_str!("../../scenarios/virtual/storm.toml"))
}

fn report(story: &Story) -> String {
    let Story { seed, wrong, lines, .. } = story;
    let wrong = wrong.as_deref().unwrap_or("nothing");
    let next = seed + 1;
    format!(
        "seed {seed}: {wrong}\n  …\n  {}\nreplay: carbon simulate --virtual \
         simulations/scenarios/virtual/storm.toml --seeds {seed}..{next} -v",
        lines.join("\n  ")
    )
}

#[test]
fn a_seed_told_twice_is_the_same_story_to_the_byte() {
    for seed in [1, 2, 3] {
        let [first, second] = [(); 2].map(|()| tell(&storm(), seed, true).unwrap());
        let differs = first.lines.iter().zip(&second.lines).find(|(one, two)| one != two);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((first.digest, first.steps), (second.digest, second.steps), "seed {seed}");
    }
}

#[test]
fn in_calm_everything_goes_well() {
    let calm = scenario(include_str!("../../scenarios/virtual/calm.toml"));
    let story = tell(&calm, 1, false).unwrap();
    assert_eq!(story.wrong, None, "{}", report(&story));
    assert_eq!(story.lives, 1);
    assert!(story.entries > 100, "{} entries: hardly anything happened", story.entries);
}

#[test]
fn every_seed_of_the_normal_run_ends_well() {
    if let Some(story) = tell_all(&storm(), 0..SEEDS, false, || {}, |_| {}).unwrap() {
        panic!("{}", report(&story));
    }
}

#[test]
fn every_planted_bug_is_found_within_the_normal_run() {
    for bug in Planted::ALL {
        // That a finding is the bug's follows from the test above: without it there is none.
        let told = AtomicU64::new(0);
        let count = |_: &Story| {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let found = tell_all(&storm(), 0..SEEDS, false, || plant(bug), count).unwrap();
        let found = found.unwrap_or_else(|| panic!("{bug:?} is not found in {SEEDS} seeds"));
        let told = told.into_inner();
        println!("{bug:?}: found after {told} seeds, in {found}");
    }
}

/// Tells seeds of a scenario, and says how many and how fast.
fn long_run(name: &str, text: &str, seeds: u64) {
    let (began, steps) = (std::time::Instant::now(), AtomicU64::new(0));
    let told = |story: &Story| {
        steps.fetch_add(story.steps, Ordering::Relaxed);
    };
    let wrong = tell_all(&scenario(text), 0..seeds, false, || {}, told).unwrap();
    println!("{name}: up to {seeds} seeds, {steps:?} steps, {:?}", began.elapsed());
    if let Some(story) = wrong {
        panic!("{name}: {}", report(&story));
    }
}

#[test]
#[ignore = "minutes: after every change to what the actors do"]
fn ten_thousand_seeds_of_the_storm_end_well() {
    long_run("storm", include_str!("../../scenarios/virtual/storm.toml"), 10_000);
}

#[test]
#[ignore = "minutes: after every change to what the actors do"]
fn two_thousand_seeds_of_crash_upon_crash_end_well() {
    long_run("crashes", include_str!("../../scenarios/virtual/crashes.toml"), 2_000);
}

#[test]
#[ignore = "minutes: after every change to what the actors do"]
fn two_thousand_seeds_of_unreliable_neighbours_end_well() {
    long_run("outside", include_str!("../../scenarios/virtual/outside.toml"), 2_000);
}
