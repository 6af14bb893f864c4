//! Scenarios of the virtual world: how many act, how much, and how often what goes wrong.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// A scenario, as a small TOML file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is good for, in a sentence.
    pub about: String,
    /// Citizens; each does one thing after the other.
    pub citizens: u16,
    /// What each of them does in all.
    pub deeds: u32,
    /// Batches that each scene partner sends.
    pub batches: u32,
    /// Issuance runs that the operator starts before the last one.
    pub runs: u32,
    /// Crashes at most.
    pub crashes: u32,
    /// Steps from a start to the next crash: fewest and most.
    pub crash_after: (u64, u64),
    /// How often what goes wrong.
    pub faults: Faults,
}

/// Chances, in a thousand times that it could happen. Zero switches a fault off.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// A crash is an orderly stop instead.
    pub orderly: u32,
    /// The disk is full from a group of the journal on, for seconds.
    pub disk_full: u32,
    /// A group of the journal takes fifty times as long.
    pub disk_slow: u32,
    /// A checkpoint fails.
    pub checkpoint: u32,
    /// A group on the bus never arrives.
    pub bus_lost: u32,
    /// It arrives twice.
    pub bus_doubled: u32,
    /// A copy of it arrives up to a minute later.
    pub bus_late: u32,
    /// Its parcels arrive in another order.
    pub bus_shuffled: u32,
    /// Its answer is lost.
    pub bus_unanswered: u32,
    /// A partner's call fails at once.
    pub partner_fails: u32,
    /// It is answered by silence until the time-out.
    pub partner_silent: u32,
    /// A partner says that it does not know a citizen it knows, or refuses one.
    pub partner_lies: u32,
    /// A push is refused.
    pub push_refused: u32,
    /// A push arrives, but its answer is lost.
    pub push_unanswered: u32,
    /// A push arrives twice.
    pub push_doubled: u32,
    /// The identity service is down from a call on, for up to half a minute.
    pub identity_down: u32,
    /// The clock steps by up to a second, forth or back.
    pub clock_steps: u32,
    /// The clock jumps further, and is not trusted until the next start.
    pub clock_jumps: u32,
    /// Subscribers cannot be told.
    pub subscribers: u32,
}

impl Scenario {
    /// Reads a scenario from its text.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).context("this is no scenario of the virtual world")
    }

    /// Reads a scenario from a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }
}
