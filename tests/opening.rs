//! What it costs to open an account and light a scene, and to visit the mall: citizens a second,
//! and microseconds of CPU for each, told apart by process. Ignored, as all measurements.

use std::ops::Range;
use std::sync::Arc;

use carbon_simulations::demo::journeys;
use carbon_simulations::demo::population::{Citizen, Way, population};

use super::figures::{Ground, SEED, line, rate, ticks};

/// Citizens who open before anything is measured: connections are made, code and caches warm.
const FIRST: usize = 500;
/// Citizens of one measurement.
const MANY: usize = 3_000;
/// How many are under way at once.
const AT_ONCE: [usize; 3] = [16, 64, 256];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo test --release --test all opening -- --ignored --nocapture"]
async fn opening() {
    let ground = Ground::prepare().await.unwrap();
    let place = ground.cast.scenes.iter().position(|scene| scene.code == ground.bus.code);
    let total = FIRST + MANY * AT_ONCE.len();
    let mut citizens = population(total, SEED, ground.cast.scenes.len());
    for citizen in &mut citizens {
        (citizen.way, citizen.lights) = (Way::PartnerApp, Vec::from_iter(place));
    }
    let citizens: Arc<[Citizen]> = citizens.into();
    wave(&ground, &citizens, Leg::Open, 0..FIRST, 16).await;
    wave(&ground, &citizens, Leg::Mall, 0..FIRST, 16).await;
    for (turn, at_once) in AT_ONCE.into_iter().enumerate() {
        let which = FIRST + turn * MANY..FIRST + (turn + 1) * MANY;
        wave(&ground, &citizens, Leg::Open, which.clone(), at_once).await;
        wave(&ground, &citizens, Leg::Mall, which, at_once).await;
    }
    for (code, line) in ground.cast.latencies.lines() {
        println!("  {code:<16} {:>7} calls   p50 {} ms, p99 {} ms", line.count, line.p50, line.p99);
    }
}

/// What is measured of a citizen's way.
#[derive(Debug, Clone, Copy)]
enum Leg {
    /// Journey 1: the account is opened and a scene lit.
    Open,
    /// Journey 4: the mall is linked and entered.
    Mall,
}

/// Sends citizens on their way, so many at once, and tells what it took.
async fn wave(
    ground: &Ground,
    citizens: &Arc<[Citizen]>,
    leg: Leg,
    which: Range<usize>,
    at_once: usize,
) {
    ground.quiet().await.unwrap();
    let calls = || ground.cast.latencies.lines().values().map(|line| line.count).sum::<u64>();
    let (asked, many, first) = (calls(), which.len(), which.start);
    let (cast, citizens) = (ground.cast.clone(), citizens.clone());
    let took = ground
        .drive(at_once, many, move |number| {
            let (cast, citizens) = (cast.clone(), citizens.clone());
            async move {
                let citizen = &citizens[first + number];
                match leg {
                    Leg::Open => journeys::open_and_light(&cast, citizen).await.map(drop),
                    Leg::Mall => journeys::visit_mall(&cast, citizen).await.map(drop),
                }
            }
        })
        .await
        .unwrap();
    let asked = (calls() - asked) * 100 / many as u64;
    let before = ticks(ground.server.pid()).unwrap();
    ground.quiet().await.unwrap();
    let behind = ticks(ground.server.pid()).unwrap() - before;
    let each = |ticks: u64| ticks * 10_000 / many as u64;
    line(
        &format!("{leg:?}, {at_once} at once"),
        &format!(
            "{:>7}/s   CPU a citizen: server {} µs (+{} µs behind), generator and sandbox {} µs; \
             p50 {} ms; {}.{:02} calls by the generator",
            rate(many, took.whole),
            each(took.ticks.0),
            each(behind),
            each(took.ticks.1),
            took.micros(50) / 1000,
            asked / 100,
            asked % 100,
        ),
    );
}
