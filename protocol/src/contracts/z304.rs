//! 01.Z304 减排量批量报送: up to 1,000 records under one batch serial; a durable receipt at once, with
//! a verdict per row that can be known at once. What takes longer is told by Z306 and Z305.
//!
//! A record that was wrong is corrected (更正) or voided (作废) by a later row with a serial of its
//! own. Both stay visible. Grams that were not issued yet are changed; issued ones are taken back
//! with their points, and what more there is waits for the next issuance.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::behaviour::Behaviour;
use crate::{Ccid, Grams, Reason, SceneCode, Serial, Timestamp};

/// Most records of a batch.
pub const ROWS: usize = 1000;

/// A batch of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitRequest {
    /// Your serial of the batch: the same again with the same content gets the same receipt.
    pub batch_serial: Serial,
    /// Records, corrections among them; empty where there are only voids. Both together are 1 to
    /// 1,000 rows.
    #[schema(max_items = 1000)]
    pub records: Vec<SubmitRecord>,
    /// Earlier records that shall count no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub voids: Vec<VoidRecord>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitRecord {
    /// Your serial of the record: counted once, whatever batch it comes in.
    pub serial: Serial,
    /// The citizen's pseudonym.
    pub ccid: Ccid,
    /// The scene.
    pub scene: SceneCode,
    /// What was done.
    pub behaviour: Behaviour,
    /// Grams by your own computation; the platform's is compared with it.
    pub reduction_grams: Grams,
    /// Serial of the record that this one corrects: always the first one of the behaviour, however
    /// often it was corrected since. Pseudonym, scene and day must be the original's. A reduction
    /// that comes out negative counts as zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Serial>,
}

/// A record that voids an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoidRecord {
    /// Your serial of the voiding itself.
    pub serial: Serial,
    /// The original's pseudonym.
    pub ccid: Ccid,
    /// The original's scene.
    pub scene: SceneCode,
    /// Serial of the record that is voided: always the first one of the behaviour. A vehicle's days
    /// and a household's month stay its own: correct them rather than report them anew.
    pub voids: Serial,
}

/// The receipt: what it acknowledges is never lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Your serial of the batch.
    pub batch_serial: Serial,
    /// Whether this very batch had been received before.
    pub replay: bool,
    /// Records that were received.
    pub received: u32,
    /// Records that were refused.
    pub refused: u32,
    /// When the batch was received first.
    pub received_at: Timestamp,
    /// One verdict per record, in the order sent, and then one per void.
    #[schema(min_items = 1, max_items = 1000)]
    pub verdicts: Vec<Verdict>,
}

/// What is known of a record at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Your serial of the record.
    pub serial: Serial,
    /// What became of it.
    pub status: VerdictStatus,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// True where the reduction comes out negative, and counts as zero.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negative: bool,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerdictStatus {
    /// Received: the account decides next.
    Received,
    /// It was received before, with the same content.
    Replayed,
    /// Refused; its serial can be used again.
    Refused,
}
