//! Limits of lists: rows of a request, entries of a page, cursors.

use carbon_protocol::contracts::PAGE_LIMIT;
use carbon_protocol::{AppNo, Reason};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::HttpState;
use super::fault::Fault;

/// Refuses lists that are empty or too long.
pub fn rows_within(count: usize, most: usize, field: &str) -> Result<(), Fault> {
    match count {
        0 => Err(Fault::of_field(Reason::OutOfRange, field).with(format!("1 to {most}"))),
        count if count > most => {
            Err(Fault::of_field(Reason::TooManyItems, field).with(format!("at most {most}")))
        }
        _ => Ok(()),
    }
}

/// Entries of a page, as asked for; the most where nothing was said.
pub fn page_size(limit: Option<u16>) -> Result<usize, Fault> {
    match limit {
        None => Ok(PAGE_LIMIT.into()),
        Some(limit) if (1..=PAGE_LIMIT).contains(&limit) => Ok(limit.into()),
        Some(_) => {
            let fault = Fault::of_field(Reason::OutOfRange, "limit");
            Err(fault.with(format!("1 to {PAGE_LIMIT}")))
        }
    }
}

/// Where a list goes on, when a cursor says so.
pub fn place<T: DeserializeOwned>(
    state: &HttpState,
    kind: &str,
    app: AppNo,
    cursor: Option<&str>,
) -> Result<Option<T>, Fault> {
    let Some(cursor) = cursor else { return Ok(None) };
    let place = state.seals.place(kind, app, cursor);
    place.map(Some).ok_or_else(|| Fault::of_field(Reason::BadCursor, "cursor"))
}

/// The cursor of the next page.
pub fn cursor<T: Serialize>(
    state: &HttpState,
    kind: &str,
    app: AppNo,
    place: Option<T>,
) -> Option<String> {
    place.and_then(|place| state.seals.cursor(kind, app, &place))
}
