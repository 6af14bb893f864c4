//! C201 原始采集数据查询: the platform asks a scene partner for the raw data behind records that it
//! submitted. Provided by the partner at `{base}/C201`. What it tells is compared with what was
//! submitted; the operator sees every difference.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::behaviour::Behaviour;
use crate::{Ccid, Serial};

/// Most serials of one question.
pub const SERIALS: usize = 100;

/// The records that are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RawDataRequest {
    /// Your serials of 1 to 100 records.
    #[schema(min_items = 1, max_items = 100)]
    pub serials: Vec<Serial>,
}

/// What was collected (原始采集数据).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RawData {
    /// One for each record that you have raw data of; the others are left out.
    #[schema(max_items = 100)]
    pub records: Vec<RawRecord>,
}

/// What was collected of one record: out of your raw data, not out of what you submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RawRecord {
    /// Your serial of the record.
    pub serial: Serial,
    /// The citizen's pseudonym.
    pub ccid: Ccid,
    /// What was done.
    pub behaviour: Behaviour,
}
