//! What a scenario file (TOML) says: who takes part, what happens when, what may not be passed.
//! Every fault names the key and what is allowed.

mod checks;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use carbon_protocol::signature::MacType;
use serde::Deserialize;

use super::schedule::{Ramp, Spacing};

/// A scenario.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its title.
    pub title: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// The citizens.
    pub population: Population,
    /// The partners.
    #[serde(default)]
    pub partners: Partners,
    /// The generator's own bounds.
    #[serde(default)]
    pub generator: Generator,
    /// What happens, one after the other.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
    /// What goes wrong meanwhile, and what the operator does.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
    /// What may not be passed.
    #[serde(default, rename = "threshold")]
    pub thresholds: Vec<Threshold>,
    /// What the auditor looks at.
    #[serde(default)]
    pub audit: Audit,
}

/// The citizens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// How many take part in `submit`, `query`, `redeem` and the like.
    pub citizens: u32,
    /// Whether all of them have their accounts, lit scenes, mall and points at the platform
    /// already: by a prepared data folder. Otherwise the run opens them before its first stage.
    #[serde(default)]
    pub already_opened: bool,
    /// How many more are strangers at first, for the journey `open`.
    #[serde(default)]
    pub newcomers: u32,
    /// Of a thousand, those who go to the mall.
    #[serde(default = "Population::shoppers")]
    pub shoppers_permille: u32,
    /// Of a thousand, those who may take a consent back (the journey `revoke`).
    #[serde(default)]
    pub revokers_permille: u32,
    /// Of a thousand, those whose household's electricity is reported (the journey `electricity`).
    #[serde(default)]
    pub households_permille: u32,
    /// Points that every shopper has at least before the first stage.
    #[serde(default)]
    pub points: u32,
    /// Citizens who are opened at the same time before the first stage.
    #[serde(default = "Population::at_once")]
    pub at_once: u16,
}

/// The partners, and how they behave from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Partners {
    /// Rows of a batch.
    pub batch_rows: u16,
    /// Of a thousand rows, those that are wrong on purpose.
    pub wrong_rows_permille: u32,
    /// How they sign.
    pub sign_type: MacType,
    /// Connections of each application.
    pub connections: u16,
    /// Answers a second whose signature is verified: up to this rate all, beyond it a sample.
    pub verify_per_second: u32,
}

/// The generator's own bounds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Generator {
    /// Journeys under way at most; an arrival beyond is counted as unsent.
    pub under_way: u32,
    /// Of a thousand arrivals, unsent ones that are forgiven; more, and the run is saturated.
    pub unsent_permille: u32,
    /// 99 of 100 arrivals begin within so many milliseconds of their time, or the run is
    /// saturated.
    pub lag_ms: u32,
    /// An answer is waited for so long.
    pub answer_seconds: u32,
    /// After the last stage, what is under way may take so long.
    pub settle_seconds: u32,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How long it lasts.
    pub seconds: u32,
    /// Arrivals a second by journey.
    #[serde(default)]
    pub rates: BTreeMap<Journey, Ramp>,
    /// Arrivals a second of several journeys together.
    #[serde(default)]
    pub mix: Option<Mix>,
    /// How arrivals lie in a second.
    #[serde(default)]
    pub spacing: Spacing,
}

/// A rate that journeys share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Of all together.
    pub rate: Ramp,
    /// Shares; only their proportions count.
    pub shares: BTreeMap<Journey, u32>,
}

/// What an arrival does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Journey {
    /// A signed call that does nothing (`noop`).
    Noop,
    /// A batch of a scene partner (01.Z304).
    Submit,
    /// A batch of households' electricity, a month each (01.Z304).
    Electricity,
    /// A look at points (02.Z402).
    Points,
    /// A look at grams (01.Z501).
    Totals,
    /// PAY of one point (02.Z303).
    Pay,
    /// FREEZE, then CONFIRM or CANCEL; or PAY, then REFUND (02.Z303).
    Order,
    /// A newcomer opens an account, by either way in, and lights scenes.
    Open,
    /// A shopper enters the mall.
    Mall,
    /// A revoker takes a consent back.
    Revoke,
}

/// Something at a second of the run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, seconds from the first stage's beginning.
    pub at_second: u32,
    /// What.
    pub what: Happening,
    /// Which partner's application, for those that strike one.
    #[serde(default)]
    pub app: Option<String>,
    /// Milliseconds, for `slow`.
    #[serde(default)]
    pub ms: u64,
    /// Of a hundred, for `errors`, `lost_answers`.
    #[serde(default)]
    pub percent: u8,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A partner's answers take `ms` longer.
    Slow,
    /// Of a hundred requests to a partner, `percent` are answered 500 and not carried out.
    Errors,
    /// Of a hundred requests to a partner, `percent` are carried out, yet answered 500.
    LostAnswers,
    /// A partner answers nothing but 500.
    Down,
    /// A partner is well again.
    Back,
    /// The identity service answers nothing but 500.
    IdentityDown,
    /// The identity service is well again.
    IdentityBack,
    /// The operator starts an issuance run.
    Issue,
}

/// What may not be passed. Exactly one limit is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The call it is about: `01.Z304`, `02.Z303`, `noop`, …
    #[serde(default)]
    pub call: Option<String>,
    /// 99 of 100 answers come within so many milliseconds.
    #[serde(default)]
    pub p99_ms: Option<u64>,
    /// So many answers a second at least, over the stages that call it.
    #[serde(default)]
    pub per_second: Option<u64>,
    /// Of a thousand answers, at most so many are refused or broken.
    #[serde(default)]
    pub refused_permille: Option<u64>,
    /// The journey that `failed_permille` is about.
    #[serde(default)]
    pub journey: Option<String>,
    /// Of a thousand journeys, at most so many break off.
    #[serde(default)]
    pub failed_permille: Option<u64>,
    /// Answers a second of `call`, in percent of those of `of`, at least.
    #[serde(default)]
    pub percent: Option<u64>,
    /// See `percent`.
    #[serde(default)]
    pub of: Option<String>,
    /// Records decided by their accounts a second, at least.
    #[serde(default)]
    pub records_per_second: Option<u64>,
    /// The platform's resident memory grows by at most so many percent over the second half.
    #[serde(default)]
    pub memory_growth_percent: Option<u64>,
}

/// What the auditor looks at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Citizens whose books are compared after the run, and as many newcomers; all, where there are
    /// not more.
    pub citizens: u32,
    /// Citizens a second who are looked at during the run.
    pub per_second: u32,
    /// Whether the operator issues everything at the end, so that points follow from grams.
    pub issue: bool,
}

impl Population {
    fn shoppers() -> u32 {
        300
    }

    fn at_once() -> u16 {
        32
    }
}

impl Default for Partners {
    fn default() -> Self {
        Self {
            batch_rows: 500,
            wrong_rows_permille: 0,
            sign_type: MacType::default(),
            connections: 16,
            verify_per_second: 2_000,
        }
    }
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            under_way: 5_000,
            unsent_permille: 1,
            lag_ms: 250,
            answer_seconds: 30,
            settle_seconds: 60,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { citizens: 20_000, per_second: 5, issue: true }
    }
}

impl Journey {
    /// Its name in reports, and in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Submit => "submit",
            Self::Electricity => "electricity",
            Self::Points => "points",
            Self::Totals => "totals",
            Self::Pay => "pay",
            Self::Order => "order",
            Self::Open => "open",
            Self::Mall => "mall",
            Self::Revoke => "revoke",
        }
    }
}

impl Stage {
    /// The rate of each journey: its own and its share of the mix.
    pub fn ramps(&self) -> Vec<(Journey, Ramp)> {
        let mut ramps: Vec<(Journey, Ramp)> =
            self.rates.iter().map(|(journey, ramp)| (*journey, *ramp)).collect();
        let Some(mix) = &self.mix else { return ramps };
        let whole: u64 = mix.shares.values().map(|share| u64::from(*share)).sum();
        for (journey, share) in &mix.shares {
            // A share of a rate is no more than the rate.
            let part = |rate: u32| (u64::from(rate) * u64::from(*share) / whole.max(1)) as u32;
            ramps.push((*journey, Ramp { from: part(mix.rate.from), to: part(mix.rate.to) }));
        }
        ramps
    }
}

impl Scenario {
    /// Reads a scenario file and checks it; its name is the file's stem.
    pub fn read(path: &Path) -> anyhow::Result<(String, Self)> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("{shown}"))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("scenario");
        let scenario = Self::parse(&text).with_context(|| format!("{shown}"))?;
        Ok((stem.to_owned(), scenario))
    }

    /// Reads and checks a scenario's text.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        checks::check(&scenario)?;
        Ok(scenario)
    }

    /// Seconds of all stages.
    pub fn seconds(&self) -> u32 {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }

    /// Whether a journey happens in it.
    pub fn has(&self, journey: Journey) -> bool {
        self.arrivals(journey) > 0
    }

    /// How often a journey is asked for.
    pub fn arrivals(&self, journey: Journey) -> u64 {
        let of_stage = |stage: &Stage| -> u64 {
            let ramps = stage.ramps().into_iter().filter(|(which, _)| *which == journey);
            ramps.map(|(_, ramp)| super::schedule::due(ramp, stage.seconds, stage.seconds)).sum()
        };
        self.stages.iter().map(of_stage).sum()
    }
}
