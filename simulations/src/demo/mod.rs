//! The driver of `carbon demo`: synthetic citizens on the whole journey over real HTTP, and an
//! auditor whose books must agree with every answer.

pub mod assemble;
pub mod audit;
pub mod book;
pub mod browser;
pub mod caller;
pub mod cast;
pub mod day;
pub mod findings;
pub mod journeys;
pub mod latency;
pub mod mall;
pub mod play;
pub mod population;
pub mod pricing;
pub mod progress;
pub mod pushes;
pub mod report;
pub mod rules;
mod samples;
pub mod scenery;
pub mod sending;
pub mod shopping;
pub mod trips;
pub mod verdict;
pub mod visits;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::{Grams, SceneCode};

pub use self::assemble::run;
use self::book::Book;
use self::caller::Operator;
use self::cast::Cast;
use self::findings::Findings;
use self::play::Play;
use self::progress::Progress;
pub use self::report::{Checked, Invariants, Report};
use self::trips::Measure;

/// Grams that a citizen is credited a day on the bus: less than two rides, so that a second one is
/// cut and a third one refused.
const BUS_CAP: Grams = Grams(400);

/// What is asked of a run.
#[derive(Debug, Clone)]
pub struct DemoConfig {
    /// Synthetic citizens.
    pub users: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// No progress bar.
    pub quiet: bool,
    /// Where the platform is reached.
    pub platform_url: String,
    /// The operator's key, as text.
    pub operator_key: String,
    /// The key that the city's app shares with the platform, in hexadecimal.
    pub city_app_key: String,
    /// Citizens that act at the same time.
    pub at_once: usize,
}

/// Plays the whole journey with a cast that is registered, and compares everything with the books.
pub async fn play(
    config: &DemoConfig,
    cast: Cast,
    operator: Operator,
    progress: Arc<Progress>,
    began: Instant,
) -> anyhow::Result<Report> {
    let bus = cast.scenes.iter().find(|scene| scene.measure == Measure::Bus);
    let bus: SceneCode = bus.context("the sandbox has no bus")?.code.clone();
    let policy = scenery::policy(&bus, BUS_CAP);
    let _: Declared = operator.post("policies", &policy).await?;
    let methodologies: Vec<_> = cast.scenes.iter().map(|scene| &scene.methodology).collect();
    let methodologies = serde_json::json!({ "methodologies": methodologies });
    let _: Declared = operator.post("methodologies", &methodologies).await?;
    let citizens = population::population(config.users, config.seed, cast.scenes.len());
    let mut play = Play {
        config,
        cast,
        operator,
        book: Book::new(citizens.len()),
        citizens,
        policy,
        // Tomorrow: what the citizens light now is lit on all of it.
        day: caller::now().day().plus(1),
        findings: Findings::default(),
        progress,
        sent: Vec::new(),
        twice: Vec::new(),
        orders: Default::default(),
        steps: Default::default(),
        lit_before: Default::default(),
        run: None,
    };
    play.open_accounts().await?;
    play.send_the_day().await?;
    samples::draw(&play).await?;
    play.issue().await?;
    play.go_shopping().await?;
    play.revoke().await?;
    let report = verdict::report(&play, began).await?;
    play.progress.finish();
    Ok(report)
}
