//! The virtual world: the real platform, its actors and followers, on one thread under a virtual
//! clock, over ports that crash, lose, double, delay and lie as the dice of a seed say. A seed is
//! one story; told twice it is the same to the byte.

mod auditor;
mod books;
mod bus;
mod citizens;
mod journal;
mod operator;
mod outside;
mod receipts;
mod scenario;
mod senders;
mod stage;
mod store;
#[cfg(test)]
mod tests;
mod world;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carbon_actors::followers::Followers;
use carbon_actors::house::{Limits, Ports};
use carbon_actors::platform::Platform;
use carbon_actors::recovery;
use carbon_actors::twins::{MemoryStore, MemoryVault};
use parking_lot::Mutex;

pub use scenario::{Faults, Scenario};

use auditor::Auditor;
use citizens::Citizen;
use journal::Files;
use operator::Operator;
use outside::Outside;
use stage::Stage;
use store::Shelves;
use world::{End, World};

/// Virtual time after which a life that goes on must have come to its end.
const LIFE: Duration = Duration::from_secs(8 * 3_600);
/// How often the auditor looks whether every push has arrived.
const LOOKS: u32 = 60;

/// How a story ended.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its seed.
    pub seed: u64,
    /// What is wrong, where something is: life, step, and what.
    pub wrong: Option<String>,
    /// Lives that the platform had.
    pub lives: u32,
    /// Steps of ports.
    pub steps: u64,
    /// Entries in the journal.
    pub entries: u64,
    /// SM3 over the journal's bytes and the whole history.
    pub digest: String,
    /// The history: all of it where that was asked for, the last lines otherwise.
    pub lines: Vec<String>,
}

/// Tells the stories of seeds on all cores, each thread prepared first, until one goes wrong: that
/// one is returned, the one of the smallest seed where several did.
pub fn tell_all(
    scenario: &Scenario,
    seeds: Range<u64>,
    verbose: bool,
    prepare: impl Fn() + Sync,
    told: impl Fn(&Story) + Sync,
) -> std::io::Result<Option<Story>> {
    let (next, wrong) = (AtomicU64::new(seeds.start), Mutex::new(None::<Story>));
    let work = || -> std::io::Result<()> {
        prepare();
        while wrong.lock().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let story = tell(scenario, seed, verbose)?;
            told(&story);
            if story.wrong.is_some() {
                let mut wrong = wrong.lock();
                *wrong = wrong.take().filter(|other| other.seed < seed).or(Some(story));
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a story panicked")))
        });
        ended.collect::<std::io::Result<()>>()
    })?;
    Ok(wrong.into_inner())
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, lives, steps, entries, digest, .. } = self;
        let digest = digest.get(..16).unwrap_or(digest);
        write!(f, "seed {seed}: {lives} lives, {steps} steps, {entries} entries, {digest}")?;
        match &self.wrong {
            Some(wrong) => write!(f, ", WRONG: {wrong}"),
            None => write!(f, ", all well"),
        }
    }
}

/// Tells the story of a seed.
pub fn tell(scenario: &Scenario, seed: u64, verbose: bool) -> std::io::Result<Story> {
    let world = Arc::new(World::new(scenario.clone(), seed, verbose));
    let cast = Cast::new(&world);
    while let Next::AnotherLife = carbon_actors::run_alone(cast.live())? {
        if world.finding().is_some() {
            break;
        }
    }
    let (digest, lines) = world.history();
    Ok(Story {
        seed,
        wrong: world.finding(),
        lives: world.lives(),
        steps: world.steps(),
        entries: cast.journal.len(),
        digest,
        lines,
    })
}

/// Everybody and everything that outlives the platform.
struct Cast {
    world: Arc<World>,
    store: Arc<Shelves>,
    journal: Files,
    vault: Arc<MemoryVault>,
    outside: Outside,
    auditor: Auditor,
}

/// What follows a life.
enum Next {
    AnotherLife,
    TheEnd,
}

impl Cast {
    fn new(world: &Arc<World>) -> Self {
        let store = Arc::new(Shelves::new(world.clone()));
        let outside = Outside::new(world.clone());
        let Scenario { citizens, deeds, batches, runs, .. } = world.scenario;
        let citizens = (1..=citizens).map(|number| Citizen::new(&outside, number, deeds));
        let citizens = Arc::new(citizens.collect::<Vec<_>>());
        let senders = Arc::new(auditor::senders(&citizens, batches));
        let operator = Arc::new(Operator::new(senders.clone(), runs));
        Self {
            world: world.clone(),
            journal: Files::new(world.clone(), store.clone()),
            store,
            vault: Arc::default(),
            outside,
            auditor: Auditor { citizens, senders, operator },
        }
    }

    /// One life of the platform, from its start to a crash, a stop, or the end of the story.
    async fn live(&self) -> Next {
        let world = &self.world;
        self.outside.begin_life();
        world.begin_life(world.lives() < world.scenario.crashes);
        let lived = tokio::time::timeout(LIFE, self.live_until_it_ends()).await;
        let next = lived.unwrap_or_else(|_| {
            world.wrong("the story does not come to its end");
            Next::TheEnd
        });
        world.end_life();
        next
    }

    async fn live_until_it_ends(&self) -> Next {
        let world = &self.world;
        let (platform, followers) = match self.start().await {
            Ok(started) => started,
            // A process that dies while it starts has not started.
            Err(_) if world.is_dead() => return self.crashed(),
            Err(failure) => {
                world.wrong(format!("the platform does not start: {failure}"));
                return Next::TheEnd;
            }
        };
        if world.is_dead() {
            return self.crashed();
        }
        self.compare_stores();
        let stage = Stage { world: world.clone(), outside: self.outside.clone(), platform };
        let acted = tokio::select! {
            biased;
            end = world.ending() => Err(end),
            () = self.found() => return Next::TheEnd,
            () = self.auditor.operator.watch_clock(&stage) => Err(End::Stop),
            acted = self.act(&stage) => Ok(acted),
        };
        match acted {
            Err(End::Crash) => self.crashed(),
            Err(End::Stop) => {
                followers.stop().await;
                // Whatever an actor may still have had under way dies with its thread.
                self.crashed()
            }
            Ok(acted) => {
                if let Err(error) = acted {
                    world.wrong(error.to_string());
                }
                followers.stop().await;
                self.compare_stores();
                self.journal.audit();
                Next::TheEnd
            }
        }
    }

    fn crashed(&self) -> Next {
        self.journal.after_crash();
        self.store.after_crash();
        self.journal.audit();
        Next::AnotherLife
    }

    async fn start(&self) -> Result<(Platform, Followers), carbon_actors::ports::Failure> {
        let ports = Ports {
            journal: Arc::new(self.journal.clone()),
            store: self.store.clone(),
            clock: self.world.clone(),
            vault: self.vault.clone(),
            partners: Arc::new(self.outside.clone()),
            identity: Arc::new(self.outside.clone()),
            subscribers: Arc::new(self.outside.clone()),
        };
        Platform::start(ports, limits(), stage::policy(), bus::wires(self.world.clone())).await
    }

    /// The whole story: peace, the storm, peace again, and judgement.
    async fn act(&self, stage: &Stage) -> anyhow::Result<()> {
        let Auditor { citizens, senders, operator } = &self.auditor;
        if self.world.lives() == 1 {
            stage.declare().await?;
            self.world.storm();
        }
        let citizens = futures::future::join_all(citizens.iter().map(|one| one.live(stage)));
        let senders = futures::future::join_all(senders.iter().map(|one| one.live(stage)));
        tokio::join!(citizens, senders, operator.live(stage));
        self.world.calm_down();
        operator.last_run(stage).await;
        operator.resume_pushes(stage).await.map_err(|reason| anyhow::anyhow!("{reason:?}"))?;
        self.auditor.judge(stage).await?;
        let mut missing = Ok(());
        for _ in 0..LOOKS {
            missing = self.auditor.pushes(stage).await;
            if missing.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        missing
    }

    /// Resolves when something was found wrong.
    async fn found(&self) {
        while self.world.finding().is_none() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The store must be what the journal alone would make of it.
    fn compare_stores(&self) {
        let fresh = Arc::new(MemoryStore::default());
        let journal = Arc::new(self.journal.clone());
        let compared = recovery::rebuild(journal, fresh.clone())
            .and_then(|_| recovery::compare(&*self.store, &*fresh));
        match compared {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => {
                let first = differences[0].to_string();
                let count = differences.len();
                self.world.wrong(format!("{count} differences to a rebuilt store: {first}"));
            }
            Err(failure) => self.world.wrong(format!("the store cannot be rebuilt: {failure}")),
        }
    }
}

/// Small limits, so that they are met.
fn limits() -> Limits {
    Limits {
        partitions: 64,
        arbiters: 2,
        mailbox_messages: 64,
        waiting_commands: 64,
        reserved_commands: 32,
        group_commands: 16,
        group_entries: 32,
        lane_groups: 64,
        lane_parcels: 8,
        idle_seconds: 3,
        awake_actors: 100_000,
        checkpoint_ms: 400,
        unwritten_keys: 100_000,
        lag_entries: 50_000,
        errands_per_app: 2,
        errand_tries: 3,
        push_events: 5,
        issuance_accounts: 2,
    }
}
