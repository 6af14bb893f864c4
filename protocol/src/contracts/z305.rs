//! 01.Z305 减排量签发结果推送: the push about records issued or refused. Up to 500 items, one per
//! account and issuance run (or refused record).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Ccid, Grams, PartnerUid, Reason, RunNo, SceneCode, Serial, Timestamp};

/// The body of the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuancePush {
    /// `"Z305"`.
    #[schema(max_length = 8)]
    pub kind: String,
    /// What happened, oldest first.
    #[schema(min_items = 1, max_items = 500)]
    pub items: Vec<IssuanceItem>,
}

/// Results for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuanceItem {
    /// The same on every try: take each once.
    #[schema(max_length = 32)]
    pub event_id: String,
    /// Counts from 1 per pseudonym, without gaps over all pushes of the application.
    pub sequence: u32,
    /// The pseudonym.
    pub ccid: Ccid,
    /// Your own id of the citizen, when known.
    pub partner_uid: Option<PartnerUid>,
    /// The issuance batch (签发批次); absent where the account refused a record at once.
    pub run: Option<RunNo>,
    /// The block of issued serials: `run-sequence`, from the journal position of the issuance.
    #[schema(max_length = 64)]
    pub serial_block: Option<String>,
    /// The records.
    #[schema(max_items = 1000)]
    pub records: Vec<IssuedRecord>,
    /// When it happened.
    pub time: Timestamp,
}

/// The result for one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedRecord {
    /// Your serial of the record.
    pub serial: Serial,
    /// Your serial of its batch.
    pub batch_serial: Serial,
    /// Its scene.
    pub scene: SceneCode,
    /// What became of it.
    pub status: IssuedStatus,
    /// Grams issued by this run; 0 where it was refused. Of a correction: grams that count from now
    /// on, pending and issued.
    pub reduction_grams: Grams,
    /// Serial of the record that this one corrects or voids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Serial>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IssuedStatus {
    /// Issued (已签发).
    Issued,
    /// Refused.
    Refused,
    /// It stands in the place of the record it corrects (已更正).
    Corrected,
    /// The record it names counts no more (已作废).
    Voided,
}
