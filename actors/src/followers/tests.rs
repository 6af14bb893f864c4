//! Tests of projector and relay: which event changes which trees, what the models then say, and
//! that an entry that comes again changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carbon_protocol::account::{AccountCommand, AccountEvent, Channel, OrderAction, Purpose};
use carbon_protocol::contracts::events::Happening;
use carbon_protocol::courier::{CourierEvent, NoticeBody, PushKind};
use carbon_protocol::entry::{Entry, Event, FORMAT, Stream};
use carbon_protocol::issuance::RunTotals;
use carbon_protocol::{Day, ErrandNo, Grams, MessageId, Points, Reason, RecordRef, RunNo};
use tokio::sync::watch;

use super::batches::{self, BatchPlace, RowState};
use super::directory::Directory;
use super::models::{self, SettlementTotals};
use super::projector::{Projected, Projector};
use super::relay::Relay;
use super::stage::{MALL, METRO, Stage, TRIPS, account, ccid, consent, morning, open, today};
use crate::machines::registry::Registry;
use crate::ports::{Committed, Journal, Put, Store, Tree};
use crate::recovery::compare;
use crate::snapshot;
use crate::twins::{CollectingSubscribers, MemoryStore};

const START: MessageId = MessageId { sequence: 0, item: 0 };

fn projector(stage: &Stage) -> (Projector, Arc<Directory>) {
    let directory = Arc::new(Directory::new());
    (Projector::new(stage.store.clone(), directory.clone()), directory)
}

fn fold(stage: &Stage, projector: &mut Projector, entries: &[Committed]) {
    for committed in entries {
        let projected = projector.project(std::slice::from_ref(committed)).unwrap();
        stage.store.put(projected.puts);
    }
}

#[test]
fn each_event_changes_its_trees() {
    use Tree as T;
    let stage = Stage::new();
    let (mut projector, _) = projector(&stage);
    let (one, after) = (account(1), std::cell::Cell::new(0));
    // What a step changes, besides whom it wakes.
    let mut changed = || {
        let entries = stage.journal.read(after.get(), usize::MAX).unwrap();
        after.set(*stage.journal.durable().borrow());
        let (mut trees, mut woken) = (BTreeSet::new(), Projected::default());
        for committed in &entries {
            let projected = projector.project(std::slice::from_ref(committed)).unwrap();
            trees.extend(projected.puts.iter().map(|put| put.tree));
            woken.touched_feeds.extend(projected.touched_feeds);
            woken.errands |= projected.errands;
            woken.dues |= projected.dues;
            stage.store.put(projected.puts);
        }
        (Vec::from_iter(trees), woken.touched_feeds, woken.errands, woken.dues)
    };
    let (none, z203, z305) =
        (Vec::new(), vec![(METRO, PushKind::Authorization)], vec![(METRO, PushKind::Issuance)]);

    stage.partners();
    assert_eq!(changed(), (vec![], none.clone(), false, false), "registry, courier, claims");
    stage.ask(one, open(one));
    assert_eq!(changed(), (vec![], none.clone(), false, false), "opened");
    let bind = AccountCommand::Bind { app: METRO, ccid: ccid(one, METRO), partner_uid: None };
    stage.ask(one, bind);
    assert_eq!(changed(), (vec![T::Directory], none.clone(), false, false), "bound");
    let light = Purpose::Light { app: METRO, scenes: vec![(TRIPS, vec![consent()])] };
    stage.begin(one, light);
    assert_eq!(changed(), (vec![T::Errands], none.clone(), true, false), "errand");
    stage.ask(one, AccountCommand::Abandon);
    assert_eq!(changed(), (vec![T::Errands], none.clone(), false, false), "abandoned");
    stage.lit(one);
    let lit = vec![T::Directory, T::Feeds, T::Errands];
    assert_eq!(changed(), (lit, z203.clone(), true, false), "lit");
    let (batch, rows) = stage.batch(one, 1);
    assert_eq!(changed(), (vec![T::Batches, T::BatchTimes], none.clone(), false, false), "batch");
    stage.submit(one, rows);
    let submitted = vec![T::Batches, T::Feeds, T::Pending];
    assert_eq!(changed(), (submitted, z305.clone(), false, false), "submitted, one refused");
    stage.issue(1, &[one], vec![RecordRef { app: METRO, batch, row: 1 }]);
    // The lot's end is due one day.
    let issued = vec![T::Batches, T::Feeds, T::Due, T::Pending, T::Runs];
    assert_eq!(changed(), (issued, z305, false, false), "issued");
    let mall = Purpose::LinkMall { app: MALL, consents: vec![consent()] };
    let errand = stage.begin(one, mall);
    let outcome = carbon_protocol::account::ErrandOutcome::Matched {
        ccid: ccid(one, MALL),
        partner_uid: carbon_protocol::PartnerUid::parse("m-1").unwrap(),
    };
    stage.ask(one, AccountCommand::ErrandDone { errand, outcome });
    let linked = vec![T::Directory, T::BillPushes, T::Errands];
    assert_eq!(changed(), (linked, none.clone(), true, false), "mall");
    stage.order(one, "o", OrderAction::Freeze, Some(10));
    assert_eq!(changed(), (vec![T::Due], none.clone(), false, true), "frozen");
    stage.order(one, "o", OrderAction::Confirm, None);
    let settled = vec![T::Settlements, T::SettlementLines];
    assert_eq!(changed(), (settled, none.clone(), false, false), "confirmed");
    stage.order(one, "p", OrderAction::Pay, Some(9_999));
    assert_eq!(changed(), (vec![], none, false, false), "refused");
    let channel = Channel::CityApp;
    stage.ask(one, AccountCommand::Revoke { app: METRO, scene: TRIPS, channel });
    assert_eq!(changed(), (vec![T::Feeds], z203.clone(), false, false), "revoked");
    stage.ask(one, AccountCommand::Close(carbon_protocol::account::ClosedBy::Operator));
    // The mall is told, and the person is to be erased.
    let told = vec![(MALL, PushKind::Authorization)];
    let closed = vec![T::Feeds, T::BillPushes, T::Due, T::Pending];
    assert_eq!(changed(), (closed, told, false, true), "closed");
}

#[test]
fn the_models_say_what_happened() {
    let stage = Stage::played();
    let (mut projector, directory) = projector(&stage);
    fold(&stage, &mut projector, &stage.journal.entries());
    let store = &*stage.store;
    let (one, two) = (account(1), account(2));

    assert_eq!(directory.resolve(MALL, &ccid(two, MALL)), Some(two));
    let again = Directory::new();
    again.load(store).unwrap();
    assert_eq!((again.len(), again.resolve(METRO, &ccid(one, METRO))), (4, Some(one)));

    let page = batches::batch(store, METRO, 1).unwrap().unwrap();
    let states: Vec<RowState> = page.rows.iter().map(|row| row.state).collect();
    let issued = RowState::Issued { grams: Grams(1000), run: RunNo(1) };
    let refused = RowState::Refused { reason: Reason::SceneNotLit, run: None };
    assert_eq!(states, [issued, issued, refused]);
    assert_eq!(page.rows[1].ccid, ccid(one, METRO));
    assert_eq!(batches::batch(store, METRO, 9).unwrap(), None);
    assert_eq!(batches::batch(store, MALL, 1).unwrap(), None);

    let later = morning().plus_seconds(86_400);
    let batches = |from, after, limit| {
        let places = batches::batches(store, METRO, from, later, after, limit).unwrap();
        places.iter().map(|place| place.batch).collect::<Vec<_>>()
    };
    let first = BatchPlace { at: page.at, batch: 1 };
    assert_eq!(batches(morning(), None, 9), [1, 2]);
    assert_eq!(batches(morning(), None, 1), [1]);
    assert_eq!(batches(morning(), Some(first), 9), [2]);
    assert_eq!(batches(page.at.plus_ms(1), None, 9), [2]);

    let owed = models::notices(store, METRO, PushKind::Issuance, START, 9).unwrap();
    assert_eq!(owed.len(), 4, "one refused and one issued each");
    assert!(owed.is_sorted_by_key(|notice| notice.id));
    let next = models::notices(store, METRO, PushKind::Issuance, owed[1].id, 1).unwrap();
    assert_eq!(next, owed[2..3]);
    for citizen in [one, two] {
        let all = PushKind::ALL.map(|kind| models::notices(store, METRO, kind, START, 9).unwrap());
        let mut notices = all.concat();
        notices.retain(|notice| notice.account == citizen);
        assert!(notices.iter().all(|notice| notice.ccid == ccid(citizen, METRO)));
        notices.sort_by_key(|notice| notice.id);
        let numbers = notices.iter().map(|notice| notice.sequence).collect::<Vec<_>>();
        let expected: Vec<u32> = (1..=if citizen == two { 4 } else { 3 }).collect();
        assert_eq!(numbers, expected);
    }
    let mall = models::notices(store, MALL, PushKind::Authorization, START, 9).unwrap();
    assert!(matches!(&mall[..], [only] if matches!(only.body, NoticeBody::MallUnlinked { .. })));

    let errands = models::errands(store, None, 9).unwrap();
    assert_eq!(errands.len(), 1, "the others ended");
    let (who, no, _) = &errands[0];
    assert_eq!((*who, *no), (two, ErrandNo(4)));
    assert_eq!(models::errands(store, Some((two, ErrandNo(4))), 9).unwrap(), []);

    assert_eq!(models::dues(store, morning(), 9).unwrap(), []);
    let dues = models::dues(store, later, 9).unwrap();
    assert_eq!(dues.len(), 1, "two freezes at the same instant");
    assert_eq!(dues[0].1, one);
    assert_eq!(models::dues(store, dues[0].0, 9).unwrap(), dues, "due at the very instant");

    assert_eq!(models::pending(store, None, 9).unwrap(), [], "all was issued");
    let (records, grams, points) = (4, Grams(4000), Points(400));
    let totals = RunTotals { records, refused: 0, grams, points };
    assert_eq!(models::run_totals(store, RunNo(1)).unwrap(), totals);
    assert_eq!(models::run_totals(store, RunNo(2)).unwrap(), RunTotals::default());
    assert!(models::run_began(store, RunNo(1)).unwrap().is_some());
    let (captured, refunded) = (Points(90), Points(10));
    let totals = SettlementTotals { captured, refunded, orders: 2, refunds: 1 };
    let days = |from: Day, to: Day| models::settlement(store, MALL, from, to).unwrap();
    assert_eq!(days(today(), today()), [(today(), totals)]);
    assert_eq!(days(today().plus(1), today().plus(9)), []);
}

#[test]
fn pending_is_the_earliest_day_until_a_run_says_otherwise() {
    let stage = Stage::new();
    let one = account(1);
    stage.settle_in(one);
    let (mut projector, _) = projector(&stage);
    let (batch, rows) = stage.batch(one, 1);
    stage.submit(one, rows);
    fold(&stage, &mut projector, &stage.journal.entries());
    assert_eq!(models::pending(&*stage.store, None, 9).unwrap(), [(one, today())]);
    assert_eq!(models::pending(&*stage.store, Some(one), 9).unwrap(), []);
    let after = *stage.journal.durable().borrow();
    stage.issue(1, &[one], vec![RecordRef { app: METRO, batch, row: 1 }]);
    fold(&stage, &mut projector, &stage.journal.read(after, 99).unwrap());
    assert_eq!(models::pending(&*stage.store, None, 9).unwrap(), []);
    let page = batches::batch(&*stage.store, METRO, batch).unwrap().unwrap();
    let refused = RowState::Refused { reason: Reason::Excluded, run: Some(RunNo(1)) };
    assert_eq!(page.rows[1].state, refused);
}

#[test]
fn a_record_of_a_foreign_ccid_is_told_under_the_ccid_it_was_sent_with() {
    let stage = Stage::new();
    let (one, two) = (account(1), account(2));
    stage.ask(one, open(one));
    let (_, mut rows) = stage.batch(two, 1);
    rows.truncate(1);
    stage.submit(one, rows);
    let (mut projector, _) = projector(&stage);
    fold(&stage, &mut projector, &stage.journal.entries());
    let owed = models::notices(&*stage.store, METRO, PushKind::Issuance, START, 9).unwrap();
    assert_eq!(owed.iter().map(|notice| &notice.ccid).collect::<Vec<_>>(), [&ccid(two, METRO)]);
}

#[test]
fn what_was_delivered_or_parked_stays_for_a_week() {
    let stage = Stage::played();
    let (mut projector, _) = projector(&stage);
    fold(&stage, &mut projector, &stage.journal.entries());
    let kind = PushKind::Issuance;
    let owed = || models::notices(&*stage.store, METRO, kind, START, 9).unwrap();
    let all = owed();
    assert_eq!(all.len(), 4);
    let end = *stage.journal.durable().borrow();
    let told = |sequence, at, event| {
        let stream = Stream::Courier(METRO);
        let events = vec![Event::Courier(event)];
        let entry = Entry { format: FORMAT, stream, version: sequence, epoch: 1, at, events };
        Committed { sequence: end + sequence, entry: Arc::new(entry) }
    };
    let week = 7 * 86_400;
    let parked = CourierEvent::Parked { kind, through: all[0].id, count: 1 };
    let delivered =
        |through: usize| CourierEvent::Delivered { kind, through: all[through].id, count: 1 };
    let soon = [told(1, all[3].at, parked), told(2, all[3].at.plus_seconds(60), delivered(1))];
    fold(&stage, &mut projector, &soon);
    assert_eq!(owed(), all, "to be pulled, or replayed");
    // A week after the second one: it stays, what is older goes, and what was not tried to its end
    // stays however old it is.
    let late = told(3, all[1].at.plus_seconds(week), delivered(1));
    fold(&stage, &mut projector, std::slice::from_ref(&late));
    let kept: Vec<_> = all.iter().filter(|notice| notice.at >= all[1].at).cloned().collect();
    assert!(kept.len() < all.len());
    assert_eq!(owed(), kept);
    let later = told(4, all[3].at.plus_seconds(week + 1), delivered(2));
    fold(&stage, &mut projector, std::slice::from_ref(&later));
    assert_eq!(owed(), [all[3].clone()]);
    fold(&stage, &mut projector, &[late, later]);
    assert_eq!(owed(), [all[3].clone()], "a second time takes nothing");
    // All kinds in one order, page by page.
    let feed = |after, limit| models::feed(&*stage.store, METRO, after, limit).unwrap();
    let whole = feed(START, 99);
    assert!(whole.is_sorted_by_key(|notice| notice.id));
    assert!(whole.iter().any(|notice| notice.body.kind() == PushKind::Authorization));
    let (mut after, mut pages) = (START, Vec::new());
    loop {
        let page = feed(after, 2);
        let Some(last) = page.last() else { break };
        after = last.id;
        pages.extend(page);
    }
    assert_eq!(pages, whole);
    assert!(feed(whole[0].id, 0).is_empty());
}

#[test]
fn an_entry_that_comes_again_changes_nothing() {
    let stage = Stage::played();
    let (_, rows) = stage.batch(account(1), 9);
    stage.submit(account(1), rows);
    let (mut first, _) = projector(&stage);
    fold(&stage, &mut first, &stage.journal.entries());
    let all = [&[0xff; 80][..]];
    let trees = || -> Vec<_> {
        let scan = |tree| stage.store.scan(tree, &[], all[0], usize::MAX, false).unwrap();
        Tree::ALL.into_iter().map(|tree| (tree, scan(tree))).collect()
    };
    let once = trees();
    assert!(once.iter().filter(|(_, pairs)| !pairs.is_empty()).count() >= 10);
    // With what it remembers, and after a crash, from any place on.
    fold(&stage, &mut first, &stage.journal.entries());
    assert_eq!(trees(), once);
    for from in 0..stage.journal.entries().len() {
        let (mut fresh, _) = projector(&stage);
        fold(&stage, &mut fresh, &stage.journal.entries()[from..]);
        assert_eq!(trees(), once, "from {from}");
    }
}

#[test]
fn a_projection_that_was_not_kept_can_be_made_again() {
    let stage = Stage::played();
    let (mut projector, _) = projector(&stage);
    for committed in stage.journal.entries() {
        let entry = std::slice::from_ref(&committed);
        let first = projector.project(entry).unwrap();
        let second = projector.project(entry).unwrap();
        assert_eq!(first.touched_feeds, second.touched_feeds);
        stage.store.put(first.puts);
    }
    let other = Arc::new(MemoryStore::default());
    crate::recovery::rebuild(stage.journal.clone(), other.clone()).unwrap();
    assert_eq!(compare(&*stage.store, &*other).unwrap(), []);
}

#[test]
fn entries_projected_together_are_the_same_as_one_by_one() {
    let stage = Stage::played();
    let entries = stage.journal.entries();
    let (mut one_by_one, _) = projector(&stage);
    fold(&stage, &mut one_by_one, &entries);
    for together in [2, 7, entries.len()] {
        let other = Arc::new(MemoryStore::default());
        // Snapshots and pages are there before anybody follows their entries.
        for tree in [Tree::Snapshots, Tree::Pages] {
            let pairs = stage.store.scan(tree, &[], &[0xff; 40], usize::MAX, false).unwrap();
            let put = |(key, value)| Put { tree, key, value: Some(value) };
            other.put(pairs.into_iter().map(put).collect());
        }
        let mut projector = Projector::new(other.clone(), Arc::default());
        for slice in entries.chunks(together) {
            other.put(projector.project(slice).unwrap().puts);
        }
        assert_eq!(compare(&*stage.store, &*other).unwrap(), [], "{together} together");
    }
}

#[tokio::test]
async fn the_relay_loses_nothing_and_keeps_the_order() {
    let stage = Stage::played();
    let subscribers = Arc::new(CollectingSubscribers::default());
    subscribers.fail_next(2);
    let (position, (stop, stopped)) = (Arc::new(AtomicU64::new(0)), watch::channel(false));
    let view = snapshot::load::<Registry>(&*stage.store, Stream::Registry).unwrap().machine;
    let view = Arc::new(view);
    let relay = Relay {
        journal: stage.journal.clone(),
        store: stage.store.clone(),
        view: Arc::new(move || view.clone()),
        subscribers: subscribers.clone(),
        position: position.clone(),
    };
    let running = tokio::spawn(relay.run(0, stopped));
    let through = async |last: u64| {
        while position.load(Ordering::Acquire) < last {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    through(*stage.journal.durable().borrow()).await;
    // What comes later is told as well.
    stage.settle_in(account(3));
    through(*stage.journal.durable().borrow()).await;
    stop.send_replace(true);
    running.await.unwrap();

    let published = subscribers.published();
    let ids: Vec<&String> = published.iter().map(|bulletin| &bulletin.id).collect();
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    let count = |kind: &str| published.iter().filter(|one| one.kind == kind).count();
    for (kind, times) in [
        ("account-opened", 3),
        ("scene-lit", 3),
        ("scene-revoked", 1),
        ("mall-linked", 3),
        ("mall-unlinked", 1),
        ("batch-received", 2),
        ("reductions-submitted", 4),
        ("reductions-refused", 2),
        ("reductions-issued", 2),
        ("points-credited", 2),
        ("points-held", 2),
        ("points-redeemed", 2),
        ("points-refunded", 1),
        ("run-started", 1),
        ("run-finished", 1),
    ] {
        assert_eq!(count(&format!("carbon.{kind}.v1")), times, "{kind}");
    }
    let all_kinds = published.iter().all(|one| {
        let kind = one.subject.rsplit('.').next().unwrap();
        Happening::parse(kind, &one.data).is_some()
    });
    assert!(all_kinds, "every bulletin is one of the contract");
    let lit = published.iter().find(|one| one.kind == "carbon.scene-lit.v1").unwrap();
    assert_eq!(lit.subject, "carbon.events.metro%2Eapp.scene-lit");
    let text = String::from_utf8(lit.data.clone()).unwrap();
    assert!(text.contains(ccid(account(1), METRO).as_str()), "{text}");
    for bulletin in &published {
        let text = String::from_utf8(bulletin.data.clone()).unwrap();
        assert!(!text.contains("did:sh"), "{text}");
        assert!(!text.contains(&"01".repeat(16)), "{text}");
    }
}

#[test]
fn a_notice_is_numbered_by_its_place_in_the_entry() {
    let stage = Stage::new();
    stage.settle_in(account(1));
    let (mut projector, _) = projector(&stage);
    fold(&stage, &mut projector, &stage.journal.entries());
    let owed = models::notices(&*stage.store, METRO, PushKind::Authorization, START, 9).unwrap();
    let id = owed[0].id;
    let entry = &stage.journal.entries()[usize::try_from(id.sequence).unwrap() - 1].entry;
    let event = &entry.events[usize::try_from(id.item).unwrap()];
    assert!(matches!(event, Event::Account(AccountEvent::SceneLit { .. })));
}
