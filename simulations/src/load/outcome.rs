//! What a run came to: `report.json`, from which table, page and comparison are made.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario's name (its file's stem).
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// The platform's base URL.
    pub target: String,
    /// The seed all of it was drawn from.
    pub seed: u64,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// Wall time, milliseconds, from the first arrival to the last comparison.
    pub duration_ms: u64,
    /// Where it ran.
    pub machine: Machine,
    /// Citizens of the scenario.
    pub citizens: u64,
    /// The stages, in order.
    pub stages: Vec<StageLine>,
    /// What became of it.
    pub verdict: Verdict,
    /// Each threshold with what was measured.
    pub thresholds: Vec<ThresholdLine>,
    /// What the auditor compared.
    pub books: Books,
    /// What was counted: `records_accepted`, `points_redeemed`, `pushes_expected`, …
    pub counts: BTreeMap<String, u64>,
    /// Journeys by name.
    pub journeys: BTreeMap<String, JourneyLine>,
    /// HTTP calls by interface code (`01.Z304`, `02.Z303`, `page`, …).
    pub calls: BTreeMap<String, CallLine>,
    /// Faults in the order they happened.
    pub faults: Vec<FaultLine>,
    /// One tick a second.
    pub timeline: Vec<Tick>,
}

/// The machine that ran the generator (and, on loopback, the platform, too).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Cores.
    pub cores: u64,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Whether the platform ran on the same machine.
    pub shared_with_target: bool,
}

/// A stage with its place in the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageLine {
    /// Its name.
    pub name: String,
    /// Its start, milliseconds from the run's beginning.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
}

/// What became of a run, the worst first: the exit code of `carbon simulate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The generator could not keep to its schedule: nothing it measured means anything. Exit 2.
    Saturated,
    /// A threshold was passed, or a book differs. Exit 1.
    Failed,
    /// All is well. Exit 0.
    Passed,
}

/// A threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdLine {
    /// In words: `p99 of 02.Z303 ≤ 10 ms`.
    pub what: String,
    /// What was measured, with its unit.
    pub measured: String,
    /// Whether it held.
    pub holds: bool,
}

/// What the auditor compared through the public API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// What was compared, and how often.
    pub compared: BTreeMap<String, u64>,
    /// Rules INV-01 to INV-10 that were checked, and how often.
    pub invariants: BTreeMap<String, u64>,
    /// The first differences, in words, without personal data.
    pub differences: Vec<String>,
    /// How many there were in all.
    pub differences_total: u64,
}

/// A journey's arrivals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyLine {
    /// Arrivals that the schedule asked for.
    pub scheduled: u64,
    /// Arrivals that could not begin, because too much was under way.
    pub unsent: u64,
    /// Those that came to their end.
    pub done: u64,
    /// Those that broke off.
    pub failed: u64,
    /// From the scheduled time to the end.
    pub latency: Quantiles,
}

/// An interface's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLine {
    /// Answers.
    pub count: u64,
    /// Answers by envelope code other than success.
    pub refused: BTreeMap<String, u64>,
    /// Calls without a usable answer.
    pub broken: u64,
    /// Answers a second over the stages that called it, thousandths.
    pub per_second_milli: u64,
    /// From the scheduled time (of a journey's first call; of later ones from when they could be
    /// sent) to the answer's last byte.
    pub latency: Quantiles,
}

/// Quantiles of a latency, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half are faster.
    pub p50_us: u64,
    /// Nine of ten are faster.
    pub p90_us: u64,
    /// 99 of 100 are faster.
    pub p99_us: u64,
    /// 999 of 1000 are faster.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// A fault that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultLine {
    /// When, milliseconds from the run's beginning.
    pub at_ms: u64,
    /// What.
    pub what: String,
}

/// A second of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Its end, milliseconds from the run's beginning.
    pub at_ms: u64,
    /// Answers by interface code.
    pub calls: BTreeMap<String, Slice>,
    /// Arrivals that the schedule asked for in it.
    pub scheduled: u64,
    /// Of those, arrivals that could not begin.
    pub unsent: u64,
    /// Journeys under way at its end.
    pub under_way: u64,
    /// How late the generator's own clockwork was, at worst, microseconds.
    pub lag_us: u64,
    /// Push events owed and not yet arrived.
    pub pushes_outstanding: u64,
    /// Resident memory of the generator with its sandbox, bytes.
    pub own_bytes: u64,
    /// Resident memory of the platform, bytes, where it runs on the same machine.
    pub platform_bytes: Option<u64>,
    /// What the platform says of itself at `/readyz`: `awake`, `waiting`, `lag`, `durable`, …
    pub platform: BTreeMap<String, u64>,
}

/// Answers of one interface in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Answers.
    pub count: u64,
    /// Of them, those that were no success, and calls without a usable answer.
    pub errors: u64,
    /// Half are faster, microseconds.
    pub p50_us: u64,
    /// 99 of 100 are faster.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Outcome {
    /// Writes `report.json` into a folder, which is made where it is missing.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        let path = folder.join("report.json");
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))
    }

    /// Reads a report: the file itself or the folder it lies in.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is no report of this version", file.display()))
    }
}

impl Verdict {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Saturated => 2,
        }
    }
}
