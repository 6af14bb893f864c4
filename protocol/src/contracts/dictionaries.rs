//! Distance dictionaries (Z301) under `/admin/v1`: imports, and what was imported.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::DictionaryHead;
use crate::{Day, Timestamp};

/// What is said of a distance dictionary that is imported, beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DictionaryQuery {
    /// Where it comes from.
    #[schema(min_length = 1, max_length = 256)]
    pub source: String,
    /// First day of behaviour that it measures.
    pub effective: Day,
    /// Whether it was agreed with the operator of the metro.
    #[serde(default)]
    pub verified: bool,
}

/// An imported distance dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedDictionary {
    /// What is said of it.
    #[serde(flatten)]
    pub dictionary: DictionaryHead,
    /// When it was imported.
    pub imported_at: Timestamp,
}

/// Distance dictionaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DictionariesView {
    /// All that were imported, in the order of their import.
    #[schema(max_items = 65535)]
    pub dictionaries: Vec<ImportedDictionary>,
}
