//! Before the first stage: the policy is adopted, accounts are opened, scenes are lit, malls are
//! linked, purses are filled. None of it is measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use carbon_protocol::Serial;
use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::contracts::issuance::{RunRequest, RunView};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};

use super::book::{LINKED, LINKING, OPENED};
use super::gauges::Gauges;
use super::ground::Ground;
use super::journeys::batch::Batch;
use super::journeys::{people, submit};
use super::scenario::Journey;

/// Points of one of the long trips that fill purses.
const POINTS_PER_TRIP: u32 = 106;
/// Rows of a batch of such trips.
const TRIP_ROWS: usize = 1000;
/// How long an issuance run, or the accounts' decisions, may take.
const WITHIN: Duration = Duration::from_secs(600);
/// One shopper of so many comes to the mall for the first time during the run.
const LATE_EVERY: u64 = 5;

/// Prepares everything that the stages rely on.
pub async fn prepare(ground: &Ground, gauges: &Gauges, quiet: bool) -> anyhow::Result<()> {
    let _: Declared = ground.operator.post("policies", &ground.policy).await?;
    let scenes = ground.cast.scenes.iter().chain(&ground.cast.homes);
    let methodologies: Vec<_> = scenes.map(|scene| &scene.methodology).collect();
    let methodologies = serde_json::json!({ "methodologies": methodologies });
    let _: Declared = ground.operator.post("methodologies", &methodologies).await?;
    let population = &ground.scenario.population;
    let settled = 0..ground.people.settled;
    let shoppers: Vec<u32> = settled.clone().filter(|no| ground.people.shops(*no)).collect();
    if population.already_opened {
        settled.for_each(|no| ground.book.mark(no, OPENED));
        for no in shoppers {
            ground.book.mark(no, LINKED | LINKING);
            ground.book.endow(no, population.points);
        }
        return Ok(());
    }
    each(ground, "opening accounts", settled.collect(), quiet, |no| {
        people::open_account(ground, no)
    })
    .await?;
    let late = ground.scenario.has(Journey::Mall);
    let early = |no: &u32| !late || !ground.people.draw(*no, 16).is_multiple_of(LATE_EVERY);
    let early: Vec<u32> = shoppers.into_iter().filter(early).collect();
    each(ground, "linking the mall", early.clone(), quiet, |no| people::link_mall(ground, no))
        .await?;
    if population.points > 0 {
        fill_purses(ground, gauges, &early).await?;
    }
    Ok(())
}

/// Does something for each of some citizens, many at once.
async fn each<F>(
    ground: &Ground,
    name: &'static str,
    citizens: Vec<u32>,
    quiet: bool,
    act: impl Fn(u32) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(citizens.len() as u64) };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len}") {
        bar.set_style(style);
    }
    bar.set_message(name);
    let at_once = ground.scenario.population.at_once.max(1).into();
    stream::iter(citizens)
        .map(|no| {
            let (acting, bar) = (act(no), bar.clone());
            async move {
                acting.await.with_context(|| format!("{name}: citizen {no}"))?;
                bar.inc(1);
                anyhow::Ok(())
            }
        })
        .buffer_unordered(at_once)
        .try_collect::<()>()
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Long metro trips of every shopper, issued at once.
async fn fill_purses(ground: &Ground, gauges: &Gauges, shoppers: &[u32]) -> anyhow::Result<()> {
    let points = ground.scenario.population.points;
    for trip in 0..points.div_ceil(POINTS_PER_TRIP) {
        for (number, some) in shoppers.chunks(TRIP_ROWS).enumerate() {
            let rows = some.iter().map(|no| (*no, ground.book.next_record(*no))).collect();
            let serial = format!("{}-purse-{trip}-{number}", ground.mark);
            // Shoppers light the metro first: it is the first scene.
            let batch = Batch { serial, scene: 0, long: true, rows };
            submit::send(ground, batch, Instant::now()).await?;
        }
    }
    settle(ground, gauges).await?;
    issue(ground).await?;
    shoppers.iter().for_each(|no| ground.book.endow(*no, points));
    Ok(())
}

/// Waits until every batch with a receipt is decided by its accounts.
pub async fn settle(ground: &Ground, gauges: &Gauges) -> anyhow::Result<()> {
    let deadline = Instant::now() + WITHIN;
    while ground.decided.waiting() > 0 {
        ensure!(Instant::now() < deadline, "batches are undecided after {WITHIN:?}");
        look(ground, gauges).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Looks how far the platform is, and notes the batches that are decided.
pub async fn look(ground: &Ground, gauges: &Gauges) {
    let fresh = ground.decided.look();
    let said = gauges.readyz().await;
    // Without an answer nothing is decided: the batches get their place at the next look.
    let durable = said.get("durable").copied();
    let (Some(durable), Some(lag)) = (durable, said.get("lag").copied()) else {
        fresh.into_iter().for_each(|batch| ground.decided.receipt(batch));
        return;
    };
    for batch in ground.decided.looked(fresh, durable, lag) {
        ground.meter.ended("decided", batch.due, true);
    }
}

/// The operator issues everything so far.
pub async fn issue(ground: &Ground) -> anyhow::Result<()> {
    let question = RunRequest {
        serial: Serial::parse(&format!("load-{:016x}", rand::random::<u64>()))?,
        // Behind the last day that is submitted.
        through: ground.first_day.plus(70),
        scenes: Vec::new(),
        excluded: Vec::new(),
    };
    let mut run: RunView = ground.operator.post("issuance-runs", &question).await?;
    let deadline = Instant::now() + WITHIN;
    while run.finished_at.is_none() {
        ensure!(Instant::now() < deadline, "issuance run {} has not ended", run.run);
        tokio::time::sleep(Duration::from_millis(50)).await;
        run = ground.operator.get(&format!("issuance-runs/{}", run.run)).await?;
    }
    ground.count("issuance_runs", 1);
    ground.count("records_issued", run.records);
    ground.count("points_credited", run.points.0);
    Ok(())
}
