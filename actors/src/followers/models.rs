//! The read models: what lies in the projector's trees, and how it is read.
//!
//! Integers in keys are big endian (signed ones with the sign bit turned), so that the order of
//! keys is the order of meaning. Values are rmp-serde unless said otherwise.
//!
//! | tree | key | value |
//! |---|---|---|
//! | Directory | CCID, text | account, 16 bytes |
//! | Batches, BatchTimes | see [`super::batches`] | |
//! | Feeds | app 2, push kind 1, sequence 8, item 4 | `Notice`, a week at least (see `KEPT_DAYS`) |
//! | Errands | account 16, errand 4 | `Purpose` |
//! | Due | at 8, account 16 | nothing: a freeze lapses, a lot ends, a key is to be erased |
//! | Pending | account 16 | earliest pending day, 4 |
//! | Runs | run 4 | `RunRow` |
//! | Settlements | app 2, day 4 | `SettlementRow` |
//! | SettlementLines | see [`super::settlements`] | |
//! | Audit | see [`super::acts`] | |

use carbon_protocol::account::Purpose;
use carbon_protocol::courier::{Notice, PushKind};
use carbon_protocol::issuance::RunTotals;
use carbon_protocol::{AccountId, AppNo, Day, ErrandNo, MessageId, Points, RunNo, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ports::{Failure, Store, Tree};

/// What malls captured and gave back on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SettlementTotals {
    /// Points captured, by CONFIRM and PAY.
    pub captured: Points,
    /// Points refunded.
    pub refunded: Points,
    /// Captures.
    pub orders: u64,
    /// Refunds.
    pub refunds: u64,
}

/// A run's totals, with where it began and the last entry that is in them: an older one that comes
/// again is passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRow {
    /// Sequence of the entry that started it; 0 while that is unknown.
    pub began: u64,
    pub last: u64,
    pub totals: RunTotals,
}

/// A day's settlement, with the last entry that is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SettlementRow {
    pub last: u64,
    pub totals: SettlementTotals,
}

// ---------------------------------------------------------------------------------------------
// Keys

const EARLIEST: Timestamp = Timestamp(i64::MIN);

/// A signed instant as bytes that sort by time.
pub(crate) fn instant(at: Timestamp) -> [u8; 8] {
    // The sign bit turned: what is negative sorts first.
    (at.0.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

pub(crate) fn instant_of(bytes: [u8; 8]) -> Timestamp {
    Timestamp((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed())
}

/// A signed day as bytes that sort by time.
pub(crate) fn day_bytes(day: Day) -> [u8; 4] {
    (day.0.cast_unsigned() ^ (1 << 31)).to_be_bytes()
}

pub(crate) fn day_of(bytes: [u8; 4]) -> Day {
    Day((u32::from_be_bytes(bytes) ^ (1 << 31)).cast_signed())
}

pub(crate) fn feed_key(app: AppNo, kind: PushKind, id: MessageId) -> Vec<u8> {
    let (app, kind) = (app.0.to_be_bytes(), [kind.tag()]);
    [&app[..], &kind, &id.sequence.to_be_bytes(), &id.item.to_be_bytes()].concat()
}

pub(crate) fn errand_key(account: AccountId, errand: ErrandNo) -> Vec<u8> {
    [&account.0[..], &errand.0.to_be_bytes()].concat()
}

/// The key of a freeze that lapses: the dues follower takes it out when it is settled.
pub fn due_key(at: Timestamp, account: AccountId) -> Vec<u8> {
    [&instant(at)[..], &account.0].concat()
}

pub(crate) fn run_key(run: RunNo) -> Vec<u8> {
    run.0.to_be_bytes().to_vec()
}

pub(crate) fn settlement_key(app: AppNo, day: Day) -> Vec<u8> {
    [&app.0.to_be_bytes()[..], &day_bytes(day)].concat()
}

/// The first key behind this one.
pub(crate) fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

// ---------------------------------------------------------------------------------------------
// Values

pub(crate) fn encode(tree: Tree, value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec(value).map_err(|error| Failure::Store(format!("{tree:?}: {error}")))
}

pub(crate) fn decode<T: DeserializeOwned>(tree: Tree, value: &[u8]) -> Result<T, Failure> {
    rmp_serde::from_slice(value).map_err(|_| damaged(tree))
}

pub(crate) fn damaged(tree: Tree) -> Failure {
    Failure::Damaged(format!("a value or key of {tree:?}: run `carbon store rebuild`"))
}

/// The bytes of a key from a place on.
pub(crate) fn part<const N: usize>(
    tree: Tree,
    key: &[u8],
    from: usize,
) -> Result<[u8; N], Failure> {
    let bytes = key.get(from..).and_then(|rest| rest.first_chunk::<N>());
    bytes.copied().ok_or_else(|| damaged(tree))
}

// ---------------------------------------------------------------------------------------------
// Reading

/// Notices of one kind owed to an application behind an id, in the order of the journal.
pub fn notices(
    store: &dyn Store,
    app: AppNo,
    kind: PushKind,
    after: MessageId,
    limit: usize,
) -> Result<Vec<Notice>, Failure> {
    let from = behind(&feed_key(app, kind, after));
    let last = MessageId { sequence: u64::MAX, item: u32::MAX };
    let pairs = store.scan(Tree::Feeds, &from, &feed_key(app, kind, last), limit, false)?;
    pairs.iter().map(|(_, value)| decode(Tree::Feeds, value)).collect()
}

/// One notice of an application, by its id.
pub fn notice(store: &dyn Store, app: AppNo, id: MessageId) -> Result<Option<Notice>, Failure> {
    for kind in PushKind::ALL {
        if let Some(value) = store.get(Tree::Feeds, &feed_key(app, kind, id))? {
            return decode(Tree::Feeds, &value).map(Some);
        }
    }
    Ok(None)
}

/// Notices of all kinds owed to an application behind an id, in the order of the journal.
pub fn feed(
    store: &dyn Store,
    app: AppNo,
    after: MessageId,
    limit: usize,
) -> Result<Vec<Notice>, Failure> {
    let mut feed = Vec::new();
    for kind in PushKind::ALL {
        feed.extend(notices(store, app, kind, after, limit)?);
    }
    feed.sort_by_key(|notice| notice.id);
    feed.truncate(limit);
    Ok(feed)
}

/// Where the notices of one kind lie behind an id, up to and including another.
pub(crate) fn notice_range(
    app: AppNo,
    kind: PushKind,
    (after, through): (MessageId, MessageId),
) -> (Vec<u8>, Vec<u8>) {
    (behind(&feed_key(app, kind, after)), behind(&feed_key(app, kind, through)))
}

/// Errands under way, by account and number.
pub fn errands(
    store: &dyn Store,
    after: Option<(AccountId, ErrandNo)>,
    limit: usize,
) -> Result<Vec<(AccountId, ErrandNo, Purpose)>, Failure> {
    let tree = Tree::Errands;
    let from = after.map_or_else(Vec::new, |(account, no)| behind(&errand_key(account, no)));
    let errand = |(key, value): (Vec<u8>, Vec<u8>)| {
        let account = AccountId(part(tree, &key, 0)?);
        let no = ErrandNo(u32::from_be_bytes(part(tree, &key, 16)?));
        Ok((account, no, decode(tree, &value)?))
    };
    store.scan(tree, &from, &[0xff; 21], limit, false)?.into_iter().map(errand).collect()
}

/// Accounts with a freeze that lapses at or before an instant, soonest first.
pub fn dues(
    store: &dyn Store,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(Timestamp, AccountId)>, Failure> {
    let tree = Tree::Due;
    let from = due_key(EARLIEST, AccountId([0; 16]));
    let to = due_key(now.plus_ms(1), AccountId([0; 16]));
    let due = |(key, _): (Vec<u8>, Vec<u8>)| {
        Ok((instant_of(part(tree, &key, 0)?), AccountId(part(tree, &key, 8)?)))
    };
    store.scan(tree, &from, &to, limit, false)?.into_iter().map(due).collect()
}

/// Accounts with pending records, in key order, each with the earliest day that is pending.
pub fn pending(
    store: &dyn Store,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<(AccountId, Day)>, Failure> {
    let tree = Tree::Pending;
    let from = after.map_or_else(Vec::new, |account| behind(&account.0));
    let row = |(key, value): (Vec<u8>, Vec<u8>)| {
        Ok((AccountId(part(tree, &key, 0)?), day_of(part(tree, &value, 0)?)))
    };
    store.scan(tree, &from, &[0xff; 17], limit, false)?.into_iter().map(row).collect()
}

/// At which sequence a run began.
pub fn run_began(store: &dyn Store, run: RunNo) -> Result<Option<u64>, Failure> {
    Ok(run_row(store, run)?.map(|row| row.began).filter(|began| *began > 0))
}

/// Totals of a run so far; none of anything for a run that nobody knows.
pub fn run_totals(store: &dyn Store, run: RunNo) -> Result<RunTotals, Failure> {
    Ok(run_row(store, run)?.unwrap_or_default().totals)
}

fn run_row(store: &dyn Store, run: RunNo) -> Result<Option<RunRow>, Failure> {
    let row = store.get(Tree::Runs, &run_key(run))?;
    row.map(|row| decode(Tree::Runs, &row)).transpose()
}

/// Settlement totals of a mall by day, `from` and `to` included; days without any are left out.
pub fn settlement(
    store: &dyn Store,
    app: AppNo,
    from: Day,
    to: Day,
) -> Result<Vec<(Day, SettlementTotals)>, Failure> {
    let tree = Tree::Settlements;
    let (from, to) = (settlement_key(app, from), behind(&settlement_key(app, to)));
    let row = |(key, value): (Vec<u8>, Vec<u8>)| {
        let row: SettlementRow = decode(tree, &value)?;
        Ok((day_of(part(tree, &key, 2)?), row.totals))
    };
    store.scan(tree, &from, &to, usize::MAX, false)?.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_what_they_mean() {
        let times = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp);
        assert!(times.map(instant).is_sorted());
        assert_eq!(times.map(|at| instant_of(instant(at))), times);
        let days = [i32::MIN, -1, 0, 1, i32::MAX].map(Day);
        assert!(days.map(day_bytes).is_sorted());
        assert_eq!(days.map(|day| day_of(day_bytes(day))), days);
        let (app, kind) = (AppNo(1), PushKind::Issuance);
        let ids = [(1, 2), (1, 300), (2, 0), (256, 0)];
        let ids = ids.map(|(sequence, item)| feed_key(app, kind, MessageId { sequence, item }));
        assert!(ids.is_sorted());
    }
}
