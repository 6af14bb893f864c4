//! Which entries of bills are owed as pushes: 01.Z503 to the application that submitted, 02.Z404 to
//! every mall that the citizen is linked to; from the entry on that first set an address for them.
//!
//! | tree | key | value |
//! |---|---|---|
//! | BillPushes | `0`, app 2, push kind 1 | sequence 8 of the entry that first set an address |
//! | BillPushes | `1`, app 2, push kind 1, account 16 | [`Row`] |

use std::collections::BTreeMap;

use carbon_protocol::account::{AccountEvent, BillEntry};
use carbon_protocol::courier::{NoticeBody, PushKind};
use carbon_protocol::{AccountId, AppNo, MessageId};
use serde::{Deserialize, Serialize};

use super::models::{decode, encode};
use super::projector::{Place, Trees};
use crate::machines::account::booked;
use crate::ports::{Failure, Store, Tree};

/// What is known of an account's bill towards an application.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Row {
    /// Whether the citizen is linked to the mall now.
    linked: bool,
    /// Events pushed so far.
    count: u32,
    /// The last event that changed this row: older ones, seen again after a crash, change nothing.
    seen: MessageId,
}

/// Who is owed entries of bills, by the sequence from which on; read once from the store.
#[derive(Debug, Default)]
pub(super) struct Bills {
    owed: Option<BTreeMap<(AppNo, PushKind), u64>>,
}

fn head_key(app: AppNo, kind: PushKind) -> Vec<u8> {
    [&[0][..], &app.0.to_be_bytes(), &[kind.tag()]].concat()
}

fn row_key(app: AppNo, kind: PushKind, account: AccountId) -> Vec<u8> {
    [&[1][..], &app.0.to_be_bytes(), &[kind.tag()], &account.0].concat()
}

impl Bills {
    /// An application has set an address for a kind of bill.
    pub fn begin(
        &mut self,
        trees: &mut Trees,
        app: AppNo,
        kind: PushKind,
        sequence: u64,
    ) -> Result<(), Failure> {
        let since = *self.owed(&*trees.store)?.entry((app, kind)).or_insert(sequence);
        trees.put(Tree::BillPushes, head_key(app, kind), since.to_be_bytes().to_vec());
        Ok(())
    }

    /// What an account's event is owed as to whom, and under which number.
    pub fn fold(
        &mut self,
        trees: &mut Trees,
        account: AccountId,
        event: &AccountEvent,
        place: Place,
    ) -> Result<Vec<(AppNo, u32, NoticeBody)>, Failure> {
        match event {
            AccountEvent::MallLinked { app, .. } => link(trees, account, *app, place.id, true)?,
            AccountEvent::MallUnlinked { app, .. } => link(trees, account, *app, place.id, false)?,
            _ => {}
        }
        let owed = self.owed(&*trees.store)?;
        if owed.is_empty() {
            return Ok(Vec::new());
        }
        let (grams, points): (Vec<_>, Vec<_>) =
            booked(place.at, event).into_iter().partition(|entry| entry.kind.is_of_grams());
        let mut told = Vec::new();
        for ((app, kind), since) in owed {
            if *since >= place.id.sequence {
                continue;
            }
            let entries: Vec<BillEntry> = match kind {
                PushKind::GramsBill => {
                    grams.iter().filter(|entry| entry.app == *app).cloned().collect()
                }
                _ => points.clone(),
            };
            if entries.is_empty() {
                continue;
            }
            let (key, mut row) = read(trees, *app, *kind, account)?;
            let withheld = *kind == PushKind::PointsBill && !row.linked;
            if withheld || place.id <= row.seen {
                continue;
            }
            (row.count, row.seen) = (row.count.saturating_add(1), place.id);
            trees.put(Tree::BillPushes, key, encode(Tree::BillPushes, &row)?);
            let body = match kind {
                PushKind::GramsBill => NoticeBody::GramsBooked(entries),
                _ => NoticeBody::PointsBooked(entries),
            };
            told.push((*app, row.count, body));
        }
        Ok(told)
    }

    fn owed(
        &mut self,
        store: &dyn Store,
    ) -> Result<&mut BTreeMap<(AppNo, PushKind), u64>, Failure> {
        if self.owed.is_none() {
            let pairs = store.scan(Tree::BillPushes, &[0], &[1], usize::MAX, false)?;
            self.owed = Some(pairs.iter().filter_map(|(key, value)| head(key, value)).collect());
        }
        Ok(self.owed.get_or_insert_default())
    }
}

fn head(key: &[u8], value: &[u8]) -> Option<((AppNo, PushKind), u64)> {
    let &[_, high, low, tag] = key else { return None };
    let kind = PushKind::ALL.into_iter().find(|kind| kind.tag() == tag)?;
    let since = u64::from_be_bytes(value.try_into().ok()?);
    Some(((AppNo(u16::from_be_bytes([high, low])), kind), since))
}

fn read(
    trees: &mut Trees,
    app: AppNo,
    kind: PushKind,
    account: AccountId,
) -> Result<(Vec<u8>, Row), Failure> {
    let key = row_key(app, kind, account);
    let row = trees.get(Tree::BillPushes, key.clone())?;
    let row = row.map(|row| decode(Tree::BillPushes, &row)).transpose()?;
    Ok((key, row.unwrap_or_default()))
}

/// Kept of every mall, whoever wants its pushes: an address may be set later.
fn link(
    trees: &mut Trees,
    account: AccountId,
    mall: AppNo,
    id: MessageId,
    linked: bool,
) -> Result<(), Failure> {
    let (key, mut row) = read(trees, mall, PushKind::PointsBill, account)?;
    if id > row.seen {
        (row.linked, row.seen) = (linked, id);
        trees.put(Tree::BillPushes, key, encode(Tree::BillPushes, &row)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use carbon_protocol::account::{AccountCommand, BillKind, Channel, OrderAction};
    use carbon_protocol::courier::{CourierCommand, Notice};
    use carbon_protocol::entry::Stream;

    use super::super::directory::Directory;
    use super::super::models;
    use super::super::projector::Projector;
    use super::super::stage::{MALL, METRO, Stage, account};
    use super::*;
    use crate::machines::courier::Courier;
    use crate::ports::Committed;
    use crate::recovery::compare;
    use crate::twins::MemoryStore;

    /// A citizen who travels before anybody wants bills; then both partners want them, and travels
    /// and orders follow, until the mall is left.
    fn told() -> Stage {
        let stage = Stage::new();
        let one = account(1);
        stage.partners();
        stage.settle_in(one);
        let (_, rows) = stage.batch(one, 1);
        stage.submit(one, rows);
        for (app, kind) in [(METRO, PushKind::GramsBill), (MALL, PushKind::PointsBill)] {
            for url in ["http://127.0.0.1:1/a", "http://127.0.0.1:1/b"] {
                let set = CourierCommand::SetAddress { kind, url: url.into() };
                stage.turn::<Courier>(Stream::Courier(app), set);
            }
        }
        let (_, rows) = stage.batch(one, 2);
        stage.submit(one, rows);
        stage.issue(1, &[one], vec![]);
        stage.order(one, "o1", OrderAction::Pay, Some(3));
        stage.ask(one, AccountCommand::UnlinkMall { app: MALL, channel: Channel::CityApp });
        let (_, rows) = stage.batch(one, 3);
        stage.submit(one, rows);
        stage.issue(2, &[one], vec![]);
        stage
    }

    fn project(store: &Arc<MemoryStore>, entries: &[Committed], slice: usize) {
        let mut projector = Projector::new(store.clone(), Arc::new(Directory::new()));
        for entries in entries.chunks(slice) {
            store.put(projector.project(entries).unwrap().puts);
        }
    }

    fn feed(store: &MemoryStore, app: AppNo, kind: PushKind) -> Vec<Notice> {
        models::notices(store, app, kind, MessageId::default(), 99).unwrap()
    }

    fn kinds(notices: &[Notice]) -> Vec<Vec<BillKind>> {
        let entries = |notice: &Notice| match &notice.body {
            NoticeBody::GramsBooked(entries) | NoticeBody::PointsBooked(entries) => {
                entries.iter().map(|entry| entry.kind).collect()
            }
            other => panic!("{other:?}"),
        };
        notices.iter().map(entries).collect()
    }

    #[test]
    fn bills_are_owed_from_the_first_address_on_and_to_a_mall_while_it_is_linked() {
        use BillKind::{Issued, PointsCredited, PointsRedeemed, Submitted};
        let stage = told();
        let entries = stage.journal.entries();
        project(&stage.store, &entries, 1);
        let grams = feed(&stage.store, METRO, PushKind::GramsBill);
        // A submission is an event a row; a run issues what is pending, the first batch as well.
        let rides = [vec![Submitted], vec![Submitted], vec![Issued]];
        assert_eq!(kinds(&grams), [rides.clone(), rides].concat());
        let points = feed(&stage.store, MALL, PushKind::PointsBill);
        assert_eq!(kinds(&points), [vec![PointsCredited], vec![PointsRedeemed]]);
        for notices in [&grams, &points] {
            let sequences: Vec<u32> = notices.iter().map(|notice| notice.sequence).collect();
            assert_eq!(sequences, (1..=notices.len() as u32).collect::<Vec<_>>());
        }
        let all = PushKind::ALL.map(|kind| feed(&stage.store, METRO, kind)).concat();
        let ids: BTreeSet<MessageId> = all.iter().map(|notice| notice.id).collect();
        assert_eq!(ids.len(), all.len(), "no id stands for two events");
        assert!(all.iter().all(|one| MessageId::parse(&one.id.to_string()) == Some(one.id)));
        assert!(feed(&stage.store, METRO, PushKind::PointsBill).is_empty());
        assert!(feed(&stage.store, MALL, PushKind::GramsBill).is_empty());
    }

    #[test]
    fn entries_that_come_again_book_nothing_again() {
        let stage = told();
        let entries = stage.journal.entries();
        project(&stage.store, &entries, 1);
        let pristine = MemoryStore::default();
        for tree in Tree::ALL {
            let pairs = stage.store.scan(tree, &[], &[0xff; 80], usize::MAX, false).unwrap();
            let put = |(key, value)| crate::ports::Put { tree, key, value: Some(value) };
            pristine.put(pairs.into_iter().map(put).collect());
        }
        // After a crash the trees may be ahead of the cursor by any number of entries.
        for from in 0..entries.len() {
            project(&stage.store, &entries[from..], 3);
            let differences = compare(&*stage.store, &pristine).unwrap();
            assert!(differences.is_empty(), "from {from}: {}", differences[0]);
        }
    }
}
