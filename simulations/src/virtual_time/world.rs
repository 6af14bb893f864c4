//! What outlives every crash: the dice, the count of steps, the wall clock, the history, and the
//! first thing that was found wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use carbon_actors::ports::{Clock, Failure};
use carbon_protocol::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sm3::{Digest as _, Sm3};
use tokio::sync::watch;
use tokio::time::Instant;

use super::scenario::Scenario;

/// The furthest that a clock may step and still be trusted.
const STEP_MS: i64 = 1_000;
/// Lines of history that are kept for whoever asks for none.
const LAST_LINES: usize = 12;

/// How a life of the platform ends, when it does before the story does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing that was not durable is left.
    Crash,
    /// In order.
    Stop,
}

/// The world.
pub struct World {
    /// What is played.
    pub scenario: Scenario,
    /// Whether somebody wants to read the whole history.
    pub verbose: bool,
    inner: Mutex<Inner>,
    /// Says so when the life at hand is to end.
    ending: watch::Sender<Option<End>>,
}

struct Inner {
    dice: StdRng,
    calm: bool,
    life: u32,
    steps: u64,
    end: Option<(u64, End)>,
    dead: bool,
    wall: i64,
    began: Option<Instant>,
    clock_broken: bool,
    lines: Vec<String>,
    digest: Sm3,
    wrong: Option<String>,
}

impl World {
    /// A world that begins at noon.
    pub fn new(scenario: Scenario, seed: u64, verbose: bool) -> Self {
        let inner = Inner {
            dice: StdRng::seed_from_u64(seed),
            calm: true,
            life: 0,
            steps: 0,
            end: None,
            dead: true,
            // 2026-11-24T12:00:00+08:00.
            wall: 1_795_492_800_000,
            began: None,
            clock_broken: false,
            lines: Vec::new(),
            digest: Sm3::new(),
            wrong: None,
        };
        Self { scenario, verbose, inner: Mutex::new(inner), ending: watch::Sender::new(None) }
    }

    // -----------------------------------------------------------------------------------------
    // Chance

    /// A number, drawn.
    pub fn draw(&self, range: RangeInclusive<u64>) -> u64 {
        self.inner.lock().dice.random_range(range)
    }

    /// An index into something of a length, drawn; zero into nothing.
    pub fn pick(&self, length: usize) -> usize {
        self.inner.lock().dice.random_range(0..length.max(1))
    }

    /// Whether something happens that does so often in a thousand.
    pub fn chance(&self, permille: u32) -> bool {
        self.inner.lock().dice.random_range(0..1000) < permille
    }

    /// Whether a fault strikes now. None does once the world is calm.
    pub fn strikes(&self, permille: u32) -> bool {
        permille > 0 && !self.inner.lock().calm && self.chance(permille)
    }

    /// Lets a drawn number of milliseconds pass.
    pub async fn wait(&self, ms: RangeInclusive<u64>) {
        let ms = self.draw(ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// From now on things go wrong.
    pub fn storm(&self) {
        self.inner.lock().calm = false;
    }

    /// From now on nothing goes wrong any more.
    pub fn calm_down(&self) {
        let mut inner = self.inner.lock();
        inner.calm = true;
    }

    // -----------------------------------------------------------------------------------------
    // Lives

    /// A new life begins, and with it the draw of when it ends.
    pub fn begin_life(&self, may_end: bool) {
        self.ending.send_replace(None);
        let mut inner = self.inner.lock();
        let Inner { dice, .. } = &mut *inner;
        let (least, most) = self.scenario.crash_after;
        let after = dice.random_range(least..=most.max(least));
        let orderly = dice.random_range(0..1000) < self.scenario.faults.orderly;
        let end = if orderly { End::Stop } else { End::Crash };
        inner.end = may_end.then_some((inner.steps + after, end));
        (inner.dead, inner.clock_broken, inner.began) = (false, false, Some(Instant::now()));
        inner.life += 1;
        let life = inner.life;
        drop(inner);
        self.note(|| format!("life {life} begins"));
    }

    /// The life at hand is over: the wall clock has gone on meanwhile.
    pub fn end_life(&self) {
        let mut inner = self.inner.lock();
        inner.wall = inner.now() + 1_000;
        (inner.dead, inner.began) = (true, None);
    }

    /// One step of a port. False where the process has died before it: then it must have no effect.
    pub fn step(&self) -> bool {
        let mut inner = self.inner.lock();
        if inner.dead {
            return false;
        }
        inner.steps += 1;
        let due = inner.end.filter(|(at, _)| *at <= inner.steps && !inner.calm);
        let Some((_, end)) = due else { return true };
        inner.end = None;
        inner.dead = end == End::Crash;
        let steps = inner.steps;
        drop(inner);
        self.note(|| format!("{end:?} at step {steps}"));
        self.ending.send_replace(Some(end));
        end == End::Stop
    }

    /// Whether the process is dead: what it says now nobody hears.
    pub fn is_dead(&self) -> bool {
        self.inner.lock().dead
    }

    /// Resolves when the life at hand is to end, and how.
    pub async fn ending(&self) -> End {
        let mut ending = self.ending.subscribe();
        match ending.wait_for(Option::is_some).await.map(|end| *end) {
            Ok(Some(end)) => end,
            // The sender is the world's own.
            _ => std::future::pending().await,
        }
    }

    /// Lives that have begun.
    pub fn lives(&self) -> u32 {
        self.inner.lock().life
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.inner.lock().steps
    }

    // -----------------------------------------------------------------------------------------
    // Findings and history

    /// Notes what is wrong; the first finding counts, and ends the story.
    pub fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("WRONG: {what}"));
        let mut inner = self.inner.lock();
        if inner.wrong.is_none() {
            let (life, steps) = (inner.life, inner.steps);
            inner.wrong = Some(format!("life {life}, step {steps}: {what}"));
        }
    }

    /// The first finding.
    pub fn finding(&self) -> Option<String> {
        self.inner.lock().wrong.clone()
    }

    /// Adds a line to the history, which is kept where somebody wants to read it.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let mut inner = self.inner.lock();
        let line = format!("{} {}", Timestamp(inner.now()), line());
        if !self.verbose && inner.lines.len() >= LAST_LINES {
            inner.lines.remove(0);
        }
        inner.lines.push(line);
    }

    /// Adds what was journaled to the digest of the history.
    pub fn digest(&self, bytes: &[u8]) {
        self.inner.lock().digest.update(bytes);
    }

    /// The digest of everything journaled so far, and the history's lines.
    pub fn history(&self) -> (String, Vec<String>) {
        let inner = self.inner.lock();
        (hex::encode(inner.digest.clone().finalize()), inner.lines.clone())
    }

    /// The time on the wall.
    pub fn wall(&self) -> Timestamp {
        Timestamp(self.inner.lock().now())
    }
}

impl Inner {
    fn now(&self) -> i64 {
        let passed = self.began.map_or(0, |began| began.elapsed().as_millis());
        self.wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

impl Clock for World {
    /// Small steps are followed; after a larger jump it is not trusted until the next start, when
    /// an operator has set it right.
    fn now(&self) -> Result<Timestamp, Failure> {
        let faults = &self.scenario.faults;
        if self.strikes(faults.clock_steps) {
            let by = i64::try_from(self.draw(0..=2_000)).unwrap_or(STEP_MS) - STEP_MS;
            self.inner.lock().wall += by;
            self.note(|| format!("the clock steps by {by} ms"));
        }
        if self.strikes(faults.clock_jumps) && !self.inner.lock().clock_broken {
            self.inner.lock().clock_broken = true;
            self.note(|| "the clock jumps: it is not trusted any more".into());
        }
        let inner = self.inner.lock();
        match inner.clock_broken {
            true => Err(Failure::Clock("it jumped".into())),
            false => Ok(Timestamp(inner.now())),
        }
    }
}
