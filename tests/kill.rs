//! `kill -9` under load, at random moments: whatever was acknowledged is there afterwards, exactly
//! once (INV-02, INV-06); and a process that is stopped for some seconds goes on as if nothing was.

use std::process::Command;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::reckoning::{check_pushes, check_sums, settle};
use super::remembering::{Company, Heard, Memory, issue};
use super::stage::Stage;

/// How long a process that was continued may take until orders and batches are answered again.
const SERVES_AGAIN_WITHIN: Duration = Duration::from_secs(30);
/// How often the process is killed, where `CARBON_KILLS` does not say otherwise.
const KILLS: usize = 20;
/// Citizens under load.
const CITIZENS: usize = 4;
/// Between these the process runs under load before it is killed, in milliseconds.
const MOMENTS: std::ops::Range<u64> = 30..500;
/// How long the process stands still.
const STOPPED: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_exactly_once() {
    let kills = std::env::var("CARBON_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let seed = match std::env::var("CARBON_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => u64::from(std::process::id()) ^ 0x0116,
    };
    let mut stage = Stage::start(seed, "").await.unwrap();
    let company = Company::gather(&stage, CITIZENS).await.unwrap();
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut all, mut restarts, mut unknown) = (Memory::default(), Vec::new(), [0; 3]);
    for round in 0..kills {
        let after = Duration::from_millis(dice.random_range(MOMENTS));
        println!("seed {seed}, round {round}: killed after {after:?}");
        let mut memory = killed_under_load(&stage, &company, round, after).await;
        let began = Instant::now();
        stage.server.start_again().await.unwrap();
        restarts.push(began.elapsed());
        for (sum, more) in unknown.iter_mut().zip(memory.count(Heard::Nothing)) {
            *sum += more;
        }
        settle(&stage, &company, &mut memory).await;
        all.add(memory);
    }
    let [batches, actions, openings] = all.count(Heard::Acknowledged);
    restarts.sort_unstable();
    println!(
        "{kills} kills: acknowledged {batches} batches, {actions} actions of orders, {openings} \
         openings; never heard of {unknown:?}; ready again p50 {:?}, max {:?}",
        restarts[restarts.len() / 2],
        restarts[restarts.len() - 1],
    );
    assert!(batches > kills && actions > kills, "too little load to prove anything");
    assert!(openings > 0 && unknown.iter().sum::<usize>() > kills, "nothing was cut off");
    everything_is_there_once(&mut stage, &company, &mut all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stood_still_goes_on() {
    let seed = u64::from(std::process::id()) ^ 0x5705;
    let mut stage = Stage::start(seed, "").await.unwrap();
    let company = Company::gather(&stage, CITIZENS).await.unwrap();
    let memory = Mutex::<Memory>::default();
    let stopped_and_continued = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        signal(&stage, "-STOP");
        let before = memory.lock().definite();
        tokio::time::sleep(STOPPED).await;
        let meanwhile = memory.lock().definite();
        signal(&stage, "-CONT");
        // A machine with much else to do takes its time: what counts is that it serves again.
        let deadline = Instant::now() + SERVES_AGAIN_WITHIN;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let after = memory.lock().definite();
            let serves = after[0] > meanwhile[0] && after[1] > meanwhile[1];
            if serves || Instant::now() > deadline {
                return (before, meanwhile, serves);
            }
        }
    };
    let (before, meanwhile, serves) = tokio::select! {
        seen = stopped_and_continued => seen,
        () = company.load(&stage, 0, &memory) => unreachable!("the load never ends"),
    };
    // One answer a caller may have been on its way.
    let late: usize = meanwhile.iter().zip(before).map(|(more, less)| more - less).sum();
    assert!(late <= 3 * CITIZENS, "{late} answers of a process that stood still");
    assert!(serves, "it does not serve again: {meanwhile:?} answers before");
    let log = stage.server.log();
    assert!(!log.contains("the wall clock jumped"), "standing still is no jump of the clock");
    let mut memory = memory.into_inner();
    settle(&stage, &company, &mut memory).await;
    everything_is_there_once(&mut stage, &company, &mut memory).await;
}

/// Load, and in the middle of it the kill; what the load's client remembers.
async fn killed_under_load(
    stage: &Stage,
    company: &Company,
    round: usize,
    after: Duration,
) -> Memory {
    let memory = Mutex::<Memory>::default();
    let killed = async {
        tokio::time::sleep(after).await;
        signal(stage, "-KILL");
        // Everybody who waits for an answer meets the end of the connection.
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::select! {
        () = killed => {}
        () = company.load(stage, round, &memory) => unreachable!("the load never ends"),
    }
    memory.into_inner()
}

/// Sends the process a signal.
fn signal(stage: &Stage, name: &str) {
    let pid = stage.server.pid().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// The whole reckoning: every request once more, sums, pushes, the journal, and a log that names
/// nobody.
async fn everything_is_there_once(stage: &mut Stage, company: &Company, all: &mut Memory) {
    issue(stage, "run-last").await.unwrap();
    settle(stage, company, all).await;
    check_sums(stage, company, all).await;
    check_pushes(stage, all).await;
    stage.server.stop().await.unwrap();
    stage.verify();
    let logs = stage.server.logs();
    for citizen in &stage.citizens {
        for secret in [&citizen.name, &citizen.id_no, &citizen.phone] {
            assert!(!logs.contains(secret.as_str()), "personal data in the log");
        }
    }
}
