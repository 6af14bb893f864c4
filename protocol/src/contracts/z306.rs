//! 01.Z306 减排量签发结果查询: where records are, by batch serial, record serials or time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, Day, Grams, Reason, RunNo, SceneCode, Serial, Timestamp};

/// Most record serials of a request.
pub const SERIALS: usize = 200;

/// Which records: exactly one of `batchSerial`, `recordSerials`, or `from` with `to`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultsRequest {
    /// All records of a batch.
    #[serde(default)]
    pub batch_serial: Option<Serial>,
    /// These records, at most 200.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub record_serials: Option<Vec<Serial>>,
    /// Records of batches received from this time on…
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// … and before this one.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// Where the page before ended.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
    /// Records of a page, at most 200.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}

/// Records as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// The records, in the order of their batches.
    #[schema(max_items = 200)]
    pub records: Vec<RecordResult>,
    /// Where the next page begins; absent on the last one.
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordResult {
    /// Your serial of the record.
    pub serial: Serial,
    /// Your serial of the batch it came in.
    pub batch_serial: Serial,
    /// The pseudonym.
    pub ccid: Ccid,
    /// Its scene; absent where it was not one of yours.
    pub scene: Option<SceneCode>,
    /// The day it counts for.
    pub day: Day,
    /// Where it is.
    pub status: RecordStatus,
    /// Grams you submitted.
    pub submitted_grams: Grams,
    /// Grams that count: after the platform's computation and caps; 0 once it was corrected or
    /// voided.
    pub reduction_grams: Grams,
    /// Whether a cap cut them.
    pub capped: bool,
    /// Version of the scene's methodology that computed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub methodology_version: Option<u32>,
    /// Version of the distance dictionary (Z301) that measured the trip, where you told no length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub dictionary_version: Option<String>,
    /// The issuance batch that issued or refused it.
    pub run: Option<RunNo>,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// Serial of the record that it corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Serial>,
    /// Serial of the record that it voids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voids: Option<Serial>,
    /// Serial of the record that corrected or voided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amended_by: Option<Serial>,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordStatus {
    /// Received: the account has not decided yet.
    Received,
    /// Submitted: its grams are pending.
    Submitted,
    /// Issued: its grams are credited.
    Issued,
    /// Refused.
    Refused,
    /// It repeats a record of an earlier batch, which tells the rest.
    Replayed,
    /// It was corrected (已更正): `amendedBy` counts in its place.
    Corrected,
    /// It was voided (已作废) by `amendedBy`.
    Voided,
    /// It voids another record, which was done.
    Applied,
}
