//! 01.Z502 碳减排量账单查询: a pseudonym's grams, entry by entry, newest first.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::{BillEntry, BillKind};
use crate::{Ccid, Grams, RunNo, SceneCode, Serial, Timestamp};

/// Whose bill, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BillRequest {
    /// The pseudonym.
    pub ccid: Ccid,
    /// Entries booked at or before this time; all without it.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// Where the page before ended.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
    /// Entries of a page, at most 200.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
}

/// A page of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// The entries, newest first.
    #[schema(max_items = 200)]
    pub entries: Vec<BillLine>,
    /// Where the next page begins; absent on the last one.
    #[schema(max_length = 200)]
    pub cursor: Option<String>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BillLine {
    /// When it was booked.
    pub time: Timestamp,
    /// What it was: `SUBMITTED`, `ISSUED`, `ISSUE_REFUSED`, `PENDING_VOIDED` or `ISSUED_VOIDED`.
    pub kind: BillKind,
    /// The scene.
    pub scene: Option<SceneCode>,
    /// Your serial of the record, where it concerns one.
    pub serial: Option<Serial>,
    /// The issuance batch.
    pub run: Option<RunNo>,
    /// Grams.
    pub reduction_grams: Grams,
}

impl BillLine {
    /// An entry as the application sees it that it concerns.
    pub fn of(entry: &BillEntry, scene: Option<SceneCode>, serial: Option<Serial>) -> Self {
        let BillEntry { at: time, kind, run, grams: reduction_grams, .. } = *entry;
        Self { time, kind, scene, serial, run, reduction_grams }
    }
}
