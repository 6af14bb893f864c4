//! Batches as they are read (Z306, bills, pushes): what of a row never changes, and how far it has
//! come.
//!
//! | tree | key | value |
//! |---|---|---|
//! | Batches | app 2, batch 4, `0` | `BatchHead` |
//! | Batches | app 2, batch 4, `1`, block 2 | states of 64 rows, 16 bytes each ([`super::rows`]) |
//! | Batches | app 2, batch 4, `2`, block 2 | up to 16 `HeadRow`s: what never changes |
//! | BatchTimes | app 2, received at 8, batch 4 | nothing |
//!
//! The states of a batch are apart from its rows because every account's turn changes one of them.
//! Both lie in blocks because a citizen's records are of as many batches: a turn, a push or a bill
//! concerns one row of each.

use carbon_protocol::intake::PricedBy;
use carbon_protocol::{
    AppNo, Ccid, Day, Grams, Reason, RecordRef, RunNo, SceneNo, Serial, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::models::{behind, damaged, decode, instant, instant_of, part};
use super::rows;
use crate::ports::{Failure, Store, Tree};

/// Where a batch is in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchPlace {
    /// When it was received.
    pub at: Timestamp,
    /// The application's counter.
    pub batch: u32,
}

/// A batch with the state of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPage {
    /// The application's counter.
    pub batch: u32,
    /// Its serial.
    pub serial: Serial,
    /// When it was received.
    pub at: Timestamp,
    /// Its rows, in the order sent.
    pub rows: Vec<PageRow>,
}

/// A row of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRow {
    /// The record's serial.
    pub serial: Serial,
    /// The pseudonym it was sent for.
    pub ccid: Ccid,
    /// Its scene, when it is one of the application's.
    pub scene: Option<SceneNo>,
    /// The day it counts for.
    pub day: Day,
    /// Grams the partner computed.
    pub claimed_grams: Grams,
    /// Grams the platform computed.
    pub grams: Grams,
    /// By what it computed them.
    pub priced_by: Option<PricedBy>,
    /// The earlier record that it corrects or voids.
    pub amends: Option<Amendment>,
    /// How far it has come.
    pub state: RowState,
}

/// How far a row has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowState {
    /// Claimed; the account has not decided yet.
    Received,
    /// It is this record, received before.
    Replayed(RecordRef),
    /// Pending in the account.
    Submitted {
        /// Grams that count, after caps.
        grams: Grams,
        /// Whether a cap cut it.
        capped: bool,
    },
    /// Issued by a run.
    Issued {
        /// Grams issued.
        grams: Grams,
        /// The run.
        run: RunNo,
    },
    /// Refused: at the door, by the account, or by a run.
    Refused {
        /// Why.
        reason: Reason,
        /// The run, when one refused it.
        run: Option<RunNo>,
    },
    /// Another record counts in its place.
    Corrected {
        /// Which.
        by: RecordRef,
    },
    /// It counts no more.
    Voided {
        /// The record that voided it.
        by: RecordRef,
    },
    /// It voids another record, which was done.
    Applied,
}

/// What a row means to an earlier record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// The earlier record's serial.
    pub original: Serial,
    /// Whether it is voided, not corrected.
    pub void: bool,
}

/// A batch as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchHead {
    pub serial: Serial,
    pub at: Timestamp,
}

/// What of a row never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadRow {
    pub serial: Serial,
    pub ccid: Ccid,
    pub scene: Option<SceneNo>,
    pub day: Day,
    pub claimed_grams: Grams,
    pub grams: Grams,
    pub priced_by: Option<PricedBy>,
    pub amends: Option<Amendment>,
}

/// Rows of a block.
pub(crate) const BLOCK: u16 = 16;
/// Rows whose states are a block.
pub(crate) const STATES: u16 = 64;

/// A part of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// What it is as a whole.
    Head,
    /// The block of a row's state, with its neighbours'.
    States(u16),
    /// The block of a row, with its neighbours.
    Row(u16),
}

/// The key of a part of a batch.
pub(crate) fn batch_key(app: AppNo, batch: u32, part: Part) -> Vec<u8> {
    let part = match part {
        Part::Head => vec![0],
        Part::States(row) => [&[1][..], &(row / STATES).to_be_bytes()].concat(),
        Part::Row(row) => [&[2][..], &(row / BLOCK).to_be_bytes()].concat(),
    };
    [&app.0.to_be_bytes()[..], &batch.to_be_bytes(), &part].concat()
}

/// Whether a key of a batch is of its states.
pub(crate) fn is_of_states(key: &[u8]) -> bool {
    key.get(6) == Some(&1)
}

pub(crate) fn batch_time_key(app: AppNo, place: BatchPlace) -> Vec<u8> {
    [&app.0.to_be_bytes()[..], &instant(place.at), &place.batch.to_be_bytes()].concat()
}

/// A batch with the state of its rows.
pub fn batch(store: &dyn Store, app: AppNo, batch: u32) -> Result<Option<BatchPage>, Failure> {
    let tree = Tree::Batches;
    let Some(head) = store.get(tree, &batch_key(app, batch, Part::Head))? else {
        return Ok(None);
    };
    let head: BatchHead = decode(tree, &head)?;
    let blocks = |first: Part, last: Part| {
        let (from, to) = (batch_key(app, batch, first), batch_key(app, batch, last));
        store.scan(tree, &from, &to, usize::MAX, false)
    };
    let states = blocks(Part::States(0), Part::States(u16::MAX))?;
    let states: Vec<u8> = states.into_iter().flat_map(|(_, block)| block).collect();
    let mut rows: Vec<HeadRow> = Vec::new();
    for (_, block) in blocks(Part::Row(0), Part::Row(u16::MAX))? {
        rows.extend(decode::<Vec<HeadRow>>(tree, &block)?);
    }
    let row = |(index, row): (usize, HeadRow)| {
        Ok(PageRow {
            serial: row.serial,
            ccid: row.ccid,
            scene: row.scene,
            day: row.day,
            claimed_grams: row.claimed_grams,
            grams: row.grams,
            priced_by: row.priced_by,
            amends: row.amends,
            state: rows::read(&states, index).ok_or_else(|| damaged(tree))?,
        })
    };
    let rows = rows.into_iter().enumerate().map(row).collect::<Result<_, Failure>>()?;
    Ok(Some(BatchPage { batch, serial: head.serial, at: head.at, rows }))
}

/// A record's row, out of its block.
pub(crate) fn row_in(block: &[u8], record: RecordRef) -> Result<Option<HeadRow>, Failure> {
    let rows: Vec<HeadRow> = decode(Tree::Batches, block)?;
    Ok(rows.into_iter().nth(usize::from(record.row % BLOCK)))
}

/// A record's row.
pub(crate) fn row(store: &dyn Store, record: RecordRef) -> Result<Option<HeadRow>, Failure> {
    let key = batch_key(record.app, record.batch, Part::Row(record.row));
    let block = store.get(Tree::Batches, &key)?;
    Ok(block.map(|block| row_in(&block, record)).transpose()?.flatten())
}

/// Serials of records; none of one that nobody knows.
pub fn serials(store: &dyn Store, records: &[RecordRef]) -> Result<Vec<Option<Serial>>, Failure> {
    let serial = |record: &RecordRef| Ok(row(store, *record)?.map(|row| row.serial));
    records.iter().map(serial).collect()
}

/// The serial of a batch.
pub(crate) fn batch_serial(
    store: &dyn Store,
    app: AppNo,
    batch: u32,
) -> Result<Option<Serial>, Failure> {
    let head = store.get(Tree::Batches, &batch_key(app, batch, Part::Head))?;
    let head = head.map(|head| decode::<BatchHead>(Tree::Batches, &head)).transpose()?;
    Ok(head.map(|head| head.serial))
}

/// Batches received in `from..to`, oldest first, behind a place of an earlier answer.
pub fn batches(
    store: &dyn Store,
    app: AppNo,
    from: Timestamp,
    to: Timestamp,
    after: Option<BatchPlace>,
    limit: usize,
) -> Result<Vec<BatchPlace>, Failure> {
    let tree = Tree::BatchTimes;
    let start = batch_time_key(app, BatchPlace { at: from, batch: 0 });
    let start = match after {
        Some(place) => start.max(behind(&batch_time_key(app, place))),
        None => start,
    };
    let end = batch_time_key(app, BatchPlace { at: to, batch: 0 });
    let pairs = store.scan(tree, &start, &end, limit, false)?;
    let place = |(key, _): (Vec<u8>, Vec<u8>)| {
        Ok(BatchPlace {
            at: instant_of(part(tree, &key, 2)?),
            batch: u32::from_be_bytes(part(tree, &key, 10)?),
        })
    };
    pairs.into_iter().map(place).collect()
}
