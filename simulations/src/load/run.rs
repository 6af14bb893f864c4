//! The open loop: every arrival begins at its scheduled time, whatever became of those before it;
//! what cannot begin is counted. A ticker cuts the run into seconds meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::gauges::Gauges;
use super::ground::{Access, Ground};
use super::happenings::{self, Happened};
use super::journeys::{self, Arrival};
use super::live::Live;
use super::outcome::{CallLine, Outcome, StageLine, Tick};
use super::scenario::{Journey, Scenario, Stage};
use super::{auditor, prepare, schedule, verdict};
use crate::demo::caller::now;
use crate::sandbox::Sandbox;

/// Between two looks at how far the platform is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is wished of a run.
pub struct Wishes {
    /// The scenario's name.
    pub name: String,
    /// The scenario.
    pub scenario: Scenario,
    /// Where to, with which keys and seed.
    pub access: Access,
    /// The platform's process, where it cannot be found by its port.
    pub pid: Option<u32>,
    /// No progress on standard error.
    pub quiet: bool,
}

/// What the loop left behind.
pub(super) struct Played {
    pub(super) stages: Vec<StageLine>,
    pub(super) timeline: Vec<Tick>,
    pub(super) happened: Happened,
    pub(super) took: Duration,
    pub(super) records_decided: u64,
    /// As they stood before the auditor's own calls after the run.
    pub(super) calls: BTreeMap<String, CallLine>,
}

/// Runs a scenario against the platform, with the sandbox's partners.
pub async fn run(wishes: Wishes, sandbox: Sandbox) -> anyhow::Result<Outcome> {
    let started_at = now().to_string();
    let ground = Ground::prepare(wishes.scenario.clone(), &wishes.access, sandbox).await;
    let ground = Arc::new(ground.context("the platform cannot be prepared")?);
    happenings::check(&ground)?;
    let gauges = Arc::new(Gauges::new(&ground.cast.platform, wishes.pid)?);
    prepare::prepare(&ground, &gauges, wishes.quiet).await?;
    let auditor = auditor::Auditor::begin(&ground).await?;
    ground.meter.begin();
    drop(ground.kept.take());
    let prepared = ground.decided.records();
    let began = Instant::now();
    let mut played = play(&ground, &gauges, &auditor, &wishes).await;
    auditor.judge(&ground, &gauges).await?;
    played.records_decided = ground.decided.records() - prepared;
    played.took = began.elapsed();
    Ok(verdict::outcome(&ground, &gauges, &wishes, played, started_at))
}

async fn play(
    ground: &Arc<Ground>,
    gauges: &Arc<Gauges>,
    auditor: &auditor::Auditor,
    wishes: &Wishes,
) -> Played {
    let stages = stage_lines(&ground.scenario.stages);
    let live = (!wishes.quiet)
        .then(|| Live::new(&ground.scenario.title, &stages, ground.scenario.seconds().into()));
    let happened = Happened::default();
    let under_way = Arc::new(Semaphore::new(ground.scenario.generator.under_way as usize));
    let timeline = Mutex::new(Vec::new());
    let began = Instant::now();
    let looking = async {
        loop {
            prepare::look(ground, gauges).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let ticking = async {
        for second in 1_u64.. {
            tokio::time::sleep_until((began + Duration::from_secs(second)).into()).await;
            let tick = tick(ground, gauges, &under_way, began).await;
            if let Some(live) = &live {
                live.tick(&tick);
            }
            timeline.lock().push(tick);
        }
    };
    let playing = async {
        let happening = tokio::spawn(happenings::play(ground.clone(), began, happened.clone()));
        arrive(ground, &under_way, began).await;
        let all = ground.scenario.generator.under_way;
        let settled = Duration::from_secs(ground.scenario.generator.settle_seconds.into());
        // What is still under way then has failed: it is counted as neither done nor unsent.
        let _ = tokio::time::timeout(settled, under_way.acquire_many(all)).await;
        let _ = tokio::time::timeout(settled, happening).await;
    };
    tokio::select! {
        () = playing => {}
        () = looking => {}
        () = ticking => {}
        () = auditor.sample(ground) => {}
    }
    if let Some(live) = &live {
        live.finish();
    }
    let last = tick(ground, gauges, &under_way, began).await;
    timeline.lock().push(last);
    let (timeline, calls) = (timeline.into_inner(), ground.meter.calls());
    Played { stages, timeline, happened, took: began.elapsed(), records_decided: 0, calls }
}

/// Begins every arrival of all stages at its time.
async fn arrive(ground: &Arc<Ground>, under_way: &Arc<Semaphore>, began: Instant) {
    let mut numbers: BTreeMap<Journey, u32> = BTreeMap::new();
    let mut stage_began = began;
    for (place, stage) in ground.scenario.stages.iter().enumerate() {
        for second in 0..stage.seconds {
            let begins = stage_began + Duration::from_secs(second.into());
            for (micros, journey) in arrivals(stage, ground.seed ^ ((place as u64) << 8), second) {
                let due = begins + Duration::from_micros(micros);
                if Instant::now() < due {
                    tokio::time::sleep_until(due.into()).await;
                }
                let number = numbers.entry(journey).or_default();
                let arrival = Arrival { journey, number: *number, due };
                *number += 1;
                begin(ground, under_way, arrival);
            }
        }
        stage_began += Duration::from_secs(stage.seconds.into());
    }
    tokio::time::sleep_until(stage_began.into()).await;
}

/// All journeys' arrivals of one second, in order.
fn arrivals(stage: &Stage, seed: u64, second: u32) -> Vec<(u64, Journey)> {
    let mut all = Vec::new();
    for (number, (journey, ramp)) in stage.ramps().into_iter().enumerate() {
        let seed = super::citizens::scatter(seed ^ number as u64);
        let times = schedule::second(ramp, stage.seconds, stage.spacing, seed, second);
        all.extend(times.into_iter().map(|micros| (micros, journey)));
    }
    all.sort_unstable();
    all
}

fn begin(ground: &Arc<Ground>, under_way: &Arc<Semaphore>, arrival: Arrival) {
    let name = arrival.journey.name();
    ground.meter.arrival(name, arrival.due.elapsed());
    let Ok(place) = under_way.clone().try_acquire_owned() else {
        ground.meter.unsent(name);
        return;
    };
    let ground = ground.clone();
    tokio::spawn(async move {
        let ended = journeys::go(&ground, arrival).await;
        if let Err(error) = &ended {
            tracing::warn!(journey = name, number = arrival.number, "broke off: {error:#}");
        }
        ground.meter.ended(name, arrival.due, ended.is_ok());
        drop(place);
    });
}

async fn tick(ground: &Ground, gauges: &Gauges, under_way: &Semaphore, began: Instant) -> Tick {
    let platform = gauges.readyz().await;
    let (calls, second) = ground.meter.tick();
    let (own_bytes, platform_bytes) = gauges.resident();
    let all = ground.scenario.generator.under_way as usize;
    Tick {
        at_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        calls,
        scheduled: second.scheduled,
        unsent: second.unsent,
        under_way: (all - under_way.available_permits()) as u64,
        lag_us: second.lag_us,
        pushes_outstanding: ground.pushes_outstanding(),
        own_bytes,
        platform_bytes,
        platform,
    }
}

fn stage_lines(stages: &[Stage]) -> Vec<StageLine> {
    let mut at = 0;
    let line = |stage: &Stage| {
        let from_ms = at;
        at += u64::from(stage.seconds) * 1000;
        StageLine { name: stage.name.clone(), from_ms, to_ms: at }
    };
    stages.iter().map(line).collect()
}
