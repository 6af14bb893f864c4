//! `carbon simulate --virtual`: stories of the virtual world, seed by seed.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use carbon_simulations::virtual_time::{Scenario, Story, tell_all};
use clap::Args;

/// How often the number of stories told is said.
const EVERY: u64 = 500;

/// Which stories to tell.
#[derive(Args)]
pub struct Stories {
    /// A scenario (TOML) for the platform under a virtual clock, with seeded faults.
    #[arg(long = "virtual", value_name = "SCENARIO")]
    virtual_scenario: Option<PathBuf>,
    /// Seeds, the last one not included.
    #[arg(long, value_name = "A..B", default_value = "0..200", value_parser = range)]
    seeds: Range<u64>,
    /// The whole history of every seed.
    #[arg(long, short, requires = "virtual_scenario")]
    verbose: bool,
}

impl Stories {
    /// Whether any are asked for.
    pub fn wanted(&self) -> bool {
        self.virtual_scenario.is_some()
    }

    /// Tells them, if any are asked for: success where all ended well, failure where one did not.
    pub fn tell(&self) -> Option<anyhow::Result<ExitCode>> {
        self.virtual_scenario.as_ref().map(|scenario| self.tell_of(scenario))
    }

    fn tell_of(&self, path: &Path) -> anyhow::Result<ExitCode> {
        let scenario = Scenario::read(path)?;
        println!("{}", scenario.about);
        let (began, count) = (Instant::now(), AtomicU64::new(0));
        let (lives, steps, entries) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let told = |story: &Story| {
            lives.fetch_add(story.lives.into(), Ordering::Relaxed);
            steps.fetch_add(story.steps, Ordering::Relaxed);
            entries.fetch_add(story.entries, Ordering::Relaxed);
            let count = count.fetch_add(1, Ordering::Relaxed) + 1;
            if self.verbose {
                println!("{}\n{story}", story.lines.join("\n"));
            } else if count.is_multiple_of(EVERY) {
                println!("{count} seeds in {} s", began.elapsed().as_secs());
            }
        };
        let wrong = tell_all(&scenario, self.seeds.clone(), self.verbose, || {}, told)
            .context("a runtime cannot be started")?;
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        println!(
            "{} seeds told in {} ms: {} lives, {} steps, {} entries",
            of(&count),
            began.elapsed().as_millis(),
            of(&lives),
            of(&steps),
            of(&entries)
        );
        let Some(story) = wrong else {
            println!("all of them ended well");
            return Ok(ExitCode::SUCCESS);
        };
        let (seed, next, path) = (story.seed, story.seed + 1, path.display());
        println!("{}\n{story}", story.lines.join("\n"));
        println!("replay: carbon simulate --virtual {path} --seeds {seed}..{next} -v");
        Ok(ExitCode::FAILURE)
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let numbers = text.split_once("..").and_then(|(from, to)| {
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from < to).then_some(from..to)
    });
    numbers.ok_or_else(|| "two numbers, as in 0..200, the second the larger".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers_in_order() {
        assert_eq!(range("3..9"), Ok(3..9));
        for text in ["", "3", "3..", "9..3", "3..3", "a..b"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
