//! Data quality (数据质量): samples of a partner's records, compared with its raw data (C201). No
//! personal data: serials, counts, and in what a record differs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Day, Serial, Timestamp};

/// One sampling of an application's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// The operator's serial.
    pub serial: Serial,
    /// Records received from this day…
    pub from: Day,
    /// … to this day.
    pub to: Day,
    /// Draws the sample: the same seed over the same records draws the same ones.
    pub seed: u64,
    /// Records wanted.
    pub size: u16,
    /// Records that the period had to draw from.
    pub population: u64,
    /// Records whose raw data is what was submitted.
    pub matched: u32,
    /// Records that the partner was asked for and did not answer at all.
    pub unanswered: u32,
    /// Records whose raw data is missing, or something else.
    pub mismatches: Vec<Mismatch>,
}

/// A record that its raw data does not bear out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// The partner's serial of the record.
    pub serial: Serial,
    /// In what it differs.
    pub difference: Difference,
}

/// In what raw data differs from what was submitted; the first of these that is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Difference {
    /// There is no raw data.
    Missing,
    /// It is another citizen's.
    Ccid,
    /// It is of another day.
    Day,
    /// It is worth other grams, or none.
    Grams,
    /// It is another behaviour of the same day, worth the same.
    Content,
}

/// A sampling with the time it was kept at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSampling {
    /// When it was made.
    pub at: Timestamp,
    /// What it found.
    pub sampling: Sampling,
}

/// Totals over all samplings of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QualityTotals {
    /// Samplings.
    pub samplings: u64,
    /// Records whose raw data is what was submitted.
    pub matched: u64,
    /// Records that were not answered.
    pub unanswered: u64,
    /// Records whose raw data is missing.
    pub missing: u64,
    /// Records whose raw data is something else.
    pub differing: u64,
}

/// What the quality desk of an application may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum QualityCommand {
    /// Keep a sampling.
    Keep(Box<Sampling>),
    /// Tell totals and the newest samplings.
    Look,
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum QualityReply {
    /// The sampling as it is kept; whether one of its serial had been kept before.
    Kept(Box<KeptSampling>, bool),
    /// The report.
    Report(Box<QualityReport>),
}

/// An application's data quality.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QualityReport {
    /// Totals over all samplings.
    pub totals: QualityTotals,
    /// The newest samplings, newest first.
    pub newest: Vec<KeptSampling>,
}

/// What can have happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QualityEvent {
    /// A sampling was made.
    Sampled(Box<Sampling>),
}
