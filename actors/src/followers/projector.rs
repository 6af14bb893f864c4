//! The projector: folds entries into the read models of `models.rs`.
//!
//! It may see an entry again after a crash, with the trees ahead of it: everything it then writes
//! is overwritten by the entries that follow (row states, pending days, errands), or is the same
//! (directory, feeds), or is a sum that remembers the last entry in it and passes older ones over.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_protocol::account::{AccountEvent, IssuedRecord, LotPoints};
use carbon_protocol::contracts::feed::KEPT_DAYS;
use carbon_protocol::courier::{CourierEvent, Notice, NoticeBody, PushKind};
use carbon_protocol::entry::{Event, Stream};
use carbon_protocol::intake::{BatchRow, IntakeEvent, RowVerdict};
use carbon_protocol::issuance::IssuanceEvent;
use carbon_protocol::{AccountId, AppNo, Day, MessageId, Reason, RecordRef, Timestamp};

use super::acts;
use super::batches::{
    self, Amendment, BLOCK, BatchHead, BatchPlace, HeadRow, Part, RowState, STATES, batch_key,
};
use super::bills::Bills;
use super::directory::{self, Directory};
use super::hot::Hot;
use super::links::{Link, Links};
use super::models::{self, day_bytes, decode, encode};
use super::owed::owed;
use super::sums::Sums;
use super::{rows, settlements};
use crate::ports::{Committed, Failure, Put, Store, Tree};

/// Blocks of row states kept in memory, twice at most; a kilobyte each.
const BATCHES: usize = 16 * 1024;
/// Small values kept in memory, twice at most.
const SMALL: usize = 50_000;

/// Notices that are looked at together when old ones are let go.
const TRIMMED: usize = 64;

type Key = (Tree, Vec<u8>);

/// What entries change in the trees, and whom that should wake.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Projected {
    /// Writes, one a key. To be put before further entries are projected.
    pub puts: Vec<Put>,
    /// Feeds with a new notice.
    pub touched_feeds: Vec<(AppNo, PushKind)>,
    /// Whether an errand began.
    pub errands: bool,
    /// Whether something will be due.
    pub dues: bool,
}

/// Folds entries, in order.
pub struct Projector {
    directory: Arc<Directory>,
    links: Links,
    bills: Bills,
    trees: Trees,
}

/// The trees as they are with the writes of the entries at hand.
pub(super) struct Trees {
    pub(super) store: Arc<dyn Store>,
    batches: Hot<Key, Vec<u8>>,
    small: Hot<Key, Vec<u8>>,
    /// Of the entries at hand.
    fresh: BTreeMap<Key, Option<Vec<u8>>>,
}

/// Where an event is in the journal, and when it happened.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub id: MessageId,
    pub at: Timestamp,
}

impl Trees {
    pub(super) fn get(&mut self, tree: Tree, key: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        let key = (tree, key);
        if let Some(fresh) = self.fresh.get(&key) {
            return Ok(fresh.clone());
        }
        let hot = if tree == Tree::Batches { &mut self.batches } else { &mut self.small };
        match hot.get(&key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.store.get(tree, &key.1),
        }
    }

    /// The value, to be changed in place: of a block's kilobyte every row changes sixteen bytes.
    fn get_mut(&mut self, tree: Tree, key: Vec<u8>) -> Result<Option<&mut Vec<u8>>, Failure> {
        if !self.fresh.contains_key(&(tree, key.clone())) {
            let Some(value) = self.get(tree, key.clone())? else { return Ok(None) };
            self.put(tree, key.clone(), value);
        }
        Ok(self.fresh.get_mut(&(tree, key)).and_then(Option::as_mut))
    }

    pub(super) fn put(&mut self, tree: Tree, key: Vec<u8>, value: Vec<u8>) {
        self.fresh.insert((tree, key), Some(value));
    }

    fn remove(&mut self, tree: Tree, key: Vec<u8>) {
        self.fresh.insert((tree, key), None);
    }

    /// Removes a range's values from its beginning, as long as they are to go.
    fn remove_while(
        &mut self,
        tree: Tree,
        mut from: Vec<u8>,
        to: &[u8],
        goes: impl Fn(&[u8]) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        loop {
            let mut page: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
            let stored = self.store.scan(tree, &from, to, TRIMMED, false)?;
            let more = stored.len() == TRIMMED;
            let end =
                stored.last().filter(|_| more).map_or(to.to_vec(), |last| models::behind(&last.0));
            page.extend(stored.into_iter().map(|(key, value)| (key, Some(value))));
            let fresh = self.fresh.range((tree, from)..(tree, end.clone()));
            page.extend(fresh.map(|((_, key), value)| (key.clone(), value.clone())));
            for (key, value) in page {
                let Some(value) = value else { continue };
                if !goes(&value)? {
                    return Ok(());
                }
                self.remove(tree, key);
            }
            if !more {
                return Ok(());
            }
            from = end;
        }
    }

    /// The writes of the entries; what is read again soon stays in memory.
    fn take(&mut self) -> Vec<Put> {
        let fresh = std::mem::take(&mut self.fresh);
        for (key, value) in &fresh {
            let hot = match key.0 {
                // Of a batch, only its states change.
                Tree::Batches if batches::is_of_states(&key.1) => &mut self.batches,
                Tree::Runs | Tree::Settlements | Tree::BillPushes => &mut self.small,
                _ => continue,
            };
            match value {
                Some(value) => drop(hot.put(key.clone(), value.clone())),
                None => hot.remove(key),
            }
        }
        let put = |((tree, key), value)| Put { tree, key, value };
        fresh.into_iter().map(put).collect()
    }
}

impl Projector {
    /// A projector into a store and the resident directory.
    pub fn new(store: Arc<dyn Store>, directory: Arc<Directory>) -> Self {
        let links = Links::new(store.clone());
        let (batches, small) = (Hot::new(BATCHES), Hot::new(SMALL));
        let trees = Trees { store, batches, small, fresh: BTreeMap::new() };
        Self { directory, links, bills: Bills::default(), trees }
    }

    /// What entries change, together: what several of them change is written once. After a failure
    /// the same entries can be projected again.
    pub fn project(&mut self, entries: &[Committed]) -> Result<Projected, Failure> {
        self.trees.fresh.clear();
        let mut projected = Projected::default();
        for committed in entries {
            self.entry(committed, &mut projected)?;
        }
        projected.puts = self.trees.take();
        Ok(projected)
    }

    fn entry(&mut self, committed: &Committed, projected: &mut Projected) -> Result<(), Failure> {
        let entry = &committed.entry;
        let mut sums = Sums::default();
        for (item, event) in (0..).zip(&entry.events) {
            let place =
                Place { id: MessageId { sequence: committed.sequence, item }, at: entry.at };
            match (entry.stream, event) {
                (Stream::Account(account), Event::Account(event)) => {
                    self.links.learn(account, event);
                    self.account(account, event, entry.at, projected)?;
                    self.rows(event)?;
                    if let Some((app, sequence, body)) = owed(event) {
                        self.notice((account, app, sequence), body, place, projected)?;
                    }
                    let booked = self.bills.fold(&mut self.trees, account, event, place)?;
                    let bill = Place { id: place.id.booked(), ..place };
                    for (app, sequence, body) in booked {
                        self.notice((account, app, sequence), body, bill, projected)?;
                    }
                    sums.add(entry.at.day(), event);
                    let (trees, links) = (&mut self.trees, &mut self.links);
                    settlements::project(trees, links, account, event, place)?;
                }
                (Stream::Intake(app), Event::Intake(event)) => self.batch(app, event, place)?,
                (Stream::Courier(app), Event::Courier(event)) => self.courier(app, event, place)?,
                (Stream::Issuance, Event::Issuance(IssuanceEvent::Started { run, .. })) => {
                    sums.runs.entry(*run).or_default().began = committed.sequence;
                }
                (Stream::Operators, Event::Operators(event)) => {
                    acts::project(&mut self.trees, entry.at, event)?;
                }
                // What claims and the registry decide is in their snapshots.
                _ => {}
            }
        }
        sums.put(&mut self.trees, committed.sequence)
    }

    fn account(
        &mut self,
        account: AccountId,
        event: &AccountEvent,
        at: Timestamp,
        projected: &mut Projected,
    ) -> Result<(), Failure> {
        match event {
            AccountEvent::Bound { app, ccid, .. } => {
                self.directory.insert(*app, ccid, account);
                let Put { tree, key, value } = directory::put(*app, ccid, account);
                self.trees.fresh.insert((tree, key), value);
            }
            AccountEvent::ErrandBegun { errand, purpose } => {
                let purpose = encode(Tree::Errands, purpose)?;
                self.trees.put(Tree::Errands, models::errand_key(account, *errand), purpose);
                projected.errands = true;
            }
            AccountEvent::ErrandFailed { errand, .. }
            | AccountEvent::ErrandSucceeded { errand } => {
                self.trees.remove(Tree::Errands, models::errand_key(account, *errand));
            }
            AccountEvent::OrderFrozen { lapses, .. } => {
                self.due(account, *lapses);
                projected.dues = true;
            }
            AccountEvent::RecordSubmitted { pending_from, .. } => {
                self.pending(account, Some(*pending_from));
            }
            AccountEvent::Closed { .. } => {
                self.pending(account, None);
                // The key is erased by the follower of what is due, should the door not come to it.
                self.due(account, at);
                projected.dues = true;
            }
            AccountEvent::PointsCredited { lot, .. } => self.expiries(account, &[*lot]),
            AccountEvent::OrderCancelled { lots, .. }
            | AccountEvent::OrderRefunded { lots, .. }
            | AccountEvent::FreezeLapsed { lots, .. } => self.expiries(account, lots),
            AccountEvent::RecordAmended { pending_from, .. }
            | AccountEvent::RunPassed { pending_from, .. } => self.pending(account, *pending_from),
            _ => {}
        }
        Ok(())
    }

    fn due(&mut self, account: AccountId, at: Timestamp) {
        self.trees.put(Tree::Due, models::due_key(at, account), Vec::new());
    }

    /// Lots end with their last day: somebody who sleeps is to be told then, too. Lots of one month
    /// share a key.
    fn expiries(&mut self, account: AccountId, lots: &[LotPoints]) {
        for lot in lots.iter().filter(|lot| !lot.points.is_zero()) {
            self.due(account, lot.expires.plus(1).start());
        }
    }

    fn pending(&mut self, account: AccountId, earliest: Option<Day>) {
        let key = account.0.to_vec();
        match earliest {
            Some(day) => self.trees.put(Tree::Pending, key, day_bytes(day).to_vec()),
            None => self.trees.remove(Tree::Pending, key),
        }
    }

    // -----------------------------------------------------------------------------------------
    // Batches

    fn batch(&mut self, app: AppNo, event: &IntakeEvent, place: Place) -> Result<(), Failure> {
        let IntakeEvent::BatchReceived { batch, serial, rows: received, .. } = event;
        let mut put = |part, value| {
            self.trees.put(Tree::Batches, batch_key(app, *batch, part), value);
        };
        let head = BatchHead { serial: serial.clone(), at: place.at };
        put(Part::Head, encode(Tree::Batches, &head)?);
        for (first, block) in (0..).step_by(BLOCK.into()).zip(received.chunks(BLOCK.into())) {
            let block: Vec<HeadRow> = block.iter().map(head_row).collect();
            put(Part::Row(first), encode(Tree::Batches, &block)?);
        }
        for (first, block) in (0..).step_by(STATES.into()).zip(received.chunks(STATES.into())) {
            put(Part::States(first), rows::block(block.iter().map(|row| first_state(row.verdict))));
        }
        let time = batches::batch_time_key(app, BatchPlace { at: place.at, batch: *batch });
        self.trees.put(Tree::BatchTimes, time, Vec::new());
        Ok(())
    }

    /// The rows whose state an account's event changes.
    fn rows(&mut self, event: &AccountEvent) -> Result<(), Failure> {
        match event {
            AccountEvent::RecordSubmitted { record, grams, capped, .. } => {
                self.row(*record, RowState::Submitted { grams: *grams, capped: *capped })
            }
            AccountEvent::RecordRefused { record, reason, .. } => {
                self.row(*record, RowState::Refused { reason: *reason, run: None })
            }
            AccountEvent::PendingRefused { record, run, reason, .. } => {
                let refused = RowState::Refused { reason: *reason, run: None };
                let kept = run.map(|run| RowState::Issued { grams: record.before, run });
                let kept = kept.filter(|_| !record.before.is_zero());
                self.row(record.record, kept.unwrap_or(refused))
            }
            AccountEvent::RecordAmended { record, replaced, span, grams, run, capped, .. } => {
                let (by, grams, capped) = (*record, *grams, *capped);
                if span.is_none() {
                    self.row(*replaced, RowState::Voided { by })?;
                    return self.row(by, RowState::Applied);
                }
                self.row(*replaced, RowState::Corrected { by })?;
                match *run {
                    Some(run) => self.row(by, RowState::Issued { grams, run }),
                    None => self.row(by, RowState::Submitted { grams, capped }),
                }
            }
            AccountEvent::Issued { run, issued, refused, .. } => {
                let run = *run;
                for IssuedRecord { record, grams, before, .. } in issued {
                    let grams = grams.saturating_add(*before);
                    self.row(*record, RowState::Issued { grams, run })?;
                }
                for IssuedRecord { record, before, .. } in refused {
                    let refused = RowState::Refused { reason: Reason::Excluded, run: Some(run) };
                    // What a correction was to add is refused: the rest stays issued.
                    let kept = RowState::Issued { grams: *before, run };
                    self.row(*record, if before.is_zero() { refused } else { kept })?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, record: RecordRef, state: RowState) -> Result<(), Failure> {
        let key = batch_key(record.app, record.batch, Part::States(record.row));
        let states = self.trees.get_mut(Tree::Batches, key)?;
        if !states
            .is_some_and(|states| rows::write(states, usize::from(record.row % STATES), state))
        {
            // Its balance is right all the same, and standing still would stop everybody.
            tracing::error!(?record, "a record's batch is not in the read models");
        }
        Ok(())
    }

    // -----------------------------------------------------------------------------------------
    // Feeds

    fn notice(
        &mut self,
        (account, app, sequence): (AccountId, AppNo, u32),
        body: NoticeBody,
        Place { id, at }: Place,
        projected: &mut Projected,
    ) -> Result<(), Failure> {
        let Some(Link { ccid, partner_uid }) = self.addressee(account, app, &body)? else {
            tracing::error!(?account, %app, "an event is owed, and no CCID is known for it");
            return Ok(());
        };
        let kind = body.kind();
        let notice = Notice { id, at, account, ccid, partner_uid, sequence, body };
        let notice = encode(Tree::Feeds, &notice)?;
        self.trees.put(Tree::Feeds, models::feed_key(app, kind, id), notice);
        if !projected.touched_feeds.contains(&(app, kind)) {
            projected.touched_feeds.push((app, kind));
        }
        Ok(())
    }

    /// What was delivered or parked stays for a while, to be pulled or replayed, and then goes: the
    /// journal keeps it.
    fn courier(&mut self, app: AppNo, event: &CourierEvent, place: Place) -> Result<(), Failure> {
        let (kind, through) = match event {
            CourierEvent::AddressSet { kind, .. } if kind.is_of_bill() => {
                return self.bills.begin(&mut self.trees, app, *kind, place.id.sequence);
            }
            CourierEvent::Delivered { kind, through, .. }
            | CourierEvent::Parked { kind, through, .. } => (*kind, *through),
            _ => return Ok(()),
        };
        let (from, to) = models::notice_range(app, kind, (MessageId::default(), through));
        let before = place.at.plus_seconds(i64::from(KEPT_DAYS).saturating_mul(-86_400));
        self.trees.remove_while(Tree::Feeds, from, &to, |value| {
            Ok(decode::<Notice>(Tree::Feeds, value)?.at < before)
        })
    }

    /// Whom an application is told about: the account's CCID for it; a refused record may name
    /// one that is not the account's, and is told under the CCID it was sent with.
    fn addressee(
        &mut self,
        account: AccountId,
        app: AppNo,
        body: &NoticeBody,
    ) -> Result<Option<Link>, Failure> {
        let link = self.links.of(account, app)?;
        let NoticeBody::RecordRefused { record, reason, .. } = body else { return Ok(link) };
        if link.is_some() && *reason != Reason::UnknownCcid {
            return Ok(link);
        }
        let block = batch_key(record.app, record.batch, Part::Row(record.row));
        let block = self.trees.get(Tree::Batches, block)?;
        let row = block.map(|block| batches::row_in(&block, *record)).transpose()?.flatten();
        Ok(row.map(|row| Link { ccid: row.ccid, partner_uid: None }).or(link))
    }
}

fn head_row(row: &BatchRow) -> HeadRow {
    HeadRow {
        serial: row.serial.clone(),
        ccid: row.ccid.clone(),
        scene: row.scene,
        day: row.day(),
        claimed_grams: row.claimed_grams,
        grams: row.grams,
        priced_by: row.priced_by,
        amends: row.amends.as_ref().map(|amends| Amendment {
            original: amends.original.clone(),
            void: row.behaviour.is_none(),
        }),
    }
}

fn first_state(verdict: RowVerdict) -> RowState {
    match verdict {
        RowVerdict::Received => RowState::Received,
        RowVerdict::Replayed(record) => RowState::Replayed(record),
        RowVerdict::Refused(reason) => RowState::Refused { reason, run: None },
    }
}
