//! Tests of replay and audits: crashes at every place, a rebuilt store beside the live one, and
//! planted faults that the audit must find.

use std::sync::Arc;

use carbon_protocol::account::{AccountEvent, Consent, LotPoints};
use carbon_protocol::entry::{Event, Stream};
use carbon_protocol::{Day, Grams, Points, RunNo, SceneNo, TextNo};

use super::*;
use crate::followers::stage::{MALL, METRO, Stage, account, ccid, consent};
use crate::ports::Put;
use crate::twins::MemoryStore;

fn empty() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::default())
}

fn recovered(stage: &Stage) -> Result<(Recovered, Arc<Directory>), Failure> {
    let directory = Arc::new(Directory::new());
    let recovered = recover(stage.journal.clone(), stage.store.clone(), directory.clone())?;
    Ok((recovered, directory))
}

#[test]
fn a_rebuilt_store_is_what_the_live_one_is() {
    let stage = Stage::played();
    let (done, directory) = recovered(&stage).unwrap();
    let entries = stage.journal.entries().len() as u64;
    assert_eq!(done, Recovered { position: entries, replayed: entries });
    assert_eq!(directory.resolve(METRO, &ccid(account(1), METRO)), Some(account(1)));
    let store = empty();
    let rebuilt = rebuild(stage.journal.clone(), store.clone()).unwrap();
    assert_eq!(rebuilt.position, entries);
    assert_eq!(store.cursor(CURSOR).unwrap(), entries);
    assert_eq!(compare(&*stage.store, &*store).unwrap(), []);
    assert!(rebuild(stage.journal.clone(), store).is_err(), "it is not empty any more");
}

#[test]
fn whatever_a_crash_took_comes_back() {
    let whole = Stage::played();
    recovered(&whole).unwrap();
    let entries = whole.journal.entries().len() as u64;
    for cursor in 0..=entries {
        // Everything or nothing of the store had reached the disk when its cursor was here.
        for ahead in [true, false] {
            let stage = Stage::played();
            recovered(&stage).unwrap();
            if ahead {
                stage.store.checkpoint(&[(CURSOR, cursor)]).unwrap();
            } else {
                stage.store.crash();
                assert!(stage.store.is_empty(Tree::Snapshots));
            }
            let (done, directory) = recovered(&stage).unwrap();
            assert_eq!(done.position, entries);
            assert_eq!(done.replayed, if ahead { entries - cursor } else { entries });
            assert_eq!(directory.resolve(MALL, &ccid(account(2), MALL)), Some(account(2)));
            assert_eq!(compare(&*whole.store, &*stage.store).unwrap(), [], "{cursor} {ahead}");
        }
    }
}

#[test]
fn a_store_and_a_journal_that_do_not_fit_are_refused_with_advice() {
    let stage = Stage::played();
    stage.store.checkpoint(&[(CURSOR, 9_999)]).unwrap();
    let ahead = recovered(&stage).unwrap_err().to_string();
    assert!(ahead.contains("carbon store rebuild"), "{ahead}");

    let stage = Stage::played();
    recovered(&stage).unwrap();
    stage.store.checkpoint(&[(CURSOR, 5)]).unwrap();
    stage.journal.archive(5);
    assert!(recovered(&stage).is_ok(), "the next entry is still there");
    stage.journal.archive(6);
    let archived = recovered(&stage).unwrap_err().to_string();
    assert!(archived.contains("archived"), "{archived}");
    assert!(rebuild(stage.journal.clone(), empty()).is_err());
    assert!(verify(stage.journal.clone()).is_err());
}

#[test]
fn a_gap_between_snapshot_and_journal_is_refused() {
    let stage = Stage::played();
    recovered(&stage).unwrap();
    // The store forgets a stream whose entries it has passed.
    let entries = stage.journal.entries();
    let last = entries.iter().rev().find(|one| one.entry.stream == Stream::Account(account(2)));
    let last = last.unwrap();
    assert!(last.entry.version > 1);
    let key = last.entry.stream.key();
    stage.store.put(vec![Put { tree: Tree::Snapshots, key, value: None }]);
    stage.store.checkpoint(&[(CURSOR, last.sequence - 1)]).unwrap();
    let gap = recovered(&stage).unwrap_err().to_string();
    assert!(gap.contains("INV-08") && gap.contains("rebuild"), "{gap}");
}

#[test]
fn compare_tells_every_kind_of_difference() {
    let (a, b) = (empty(), empty());
    let put =
        |tree, key: u8, value: u8| vec![Put { tree, key: vec![key], value: Some(vec![value]) }];
    for tree in Tree::ALL {
        a.put(put(tree, 1, 1));
        b.put(put(tree, 1, 1));
    }
    for key in 2..=250 {
        a.put(put(Tree::Runs, key, 0));
        b.put(put(Tree::Runs, key, 0));
    }
    assert_eq!(compare(&*a, &*b).unwrap(), []);
    a.put(put(Tree::Pages, 2, 2));
    b.put(put(Tree::Batches, 0, 2));
    b.put(put(Tree::Runs, 7, 1));
    b.put(put(Tree::Due, 2, 2));
    b.put(put(Tree::Cursors, 2, 2));
    let expected = [
        Difference::OnlyFirst(Tree::Pages, vec![2]),
        Difference::OnlySecond(Tree::Batches, vec![0]),
        Difference::Value(Tree::Runs, vec![7]),
    ];
    assert_eq!(compare(&*a, &*b).unwrap(), expected);
    assert_eq!(expected[0].to_string(), "Pages 02 is only in the first");
}

#[test]
fn a_sound_journal_is_verified_with_its_totals() {
    let stage = Stage::played();
    let verified = verify(stage.journal.clone()).unwrap();
    assert_eq!(verified.entries, stage.journal.entries().len() as u64);
    assert_eq!((verified.accounts, verified.streams), (2, 7));
    assert_eq!((verified.grams.submitted, verified.grams.issued), (Grams(4000), Grams(4000)));
    assert_eq!((verified.points.issued, verified.points.held), (Points(400), Points(20)));
    assert_eq!(verified.points.redeemed, Points(80));
}

/// What the audit says of a played journal with one more entry.
fn verdict(forge: impl FnOnce(&Stage)) -> String {
    let stage = Stage::played();
    forge(&stage);
    verify(stage.journal.clone()).unwrap_err().to_string()
}

#[test]
fn planted_faults_are_found() {
    let one = Stream::Account(account(1));
    let lot = LotPoints { expires: Day(30_000), points: Points(5) };
    let expired = || vec![Event::Account(AccountEvent::LotsExpired { lots: vec![lot] })];
    let gap = verdict(|stage| {
        let mut entry = stage.forge(one, Vec::new());
        entry.version += 1;
        stage.append(entry, Vec::new());
    });
    assert!(gap.contains("INV-08"), "{gap}");
    let fork = verdict(|stage| {
        let mut entry = stage.forge(one, Vec::new());
        entry.version -= 1;
        stage.append(entry, Vec::new());
    });
    assert!(fork.contains("INV-08"), "{fork}");
    let epoch = verdict(|stage| {
        let mut entry = stage.forge(one, Vec::new());
        entry.epoch = 0;
        stage.append(entry, Vec::new());
    });
    assert!(epoch.contains("INV-08"), "{epoch}");
    let foreign = verdict(|stage| stage.append(stage.forge(Stream::Claims, expired()), vec![]));
    assert!(foreign.contains("another kind"), "{foreign}");
    let format = verdict(|stage| {
        let entry = carbon_protocol::entry::Entry { format: 99, ..stage.forge(one, Vec::new()) };
        stage.append(entry, Vec::new());
    });
    assert!(format.contains("format 99"), "{format}");
    let unbalanced = verdict(|stage| stage.append(stage.forge(one, expired()), Vec::new()));
    assert!(unbalanced.contains("INV-01"), "{unbalanced}");
    let unshown = verdict(|stage| {
        let text = Consent { text: TextNo(2), ..consent() };
        let (app, consents, notice) = (METRO, vec![text], 1);
        let lit = AccountEvent::SceneLit { scene: SceneNo(9), app, consents, notice };
        stage.append(stage.forge(Stream::Account(account(9)), vec![lit.into()]), Vec::new());
    });
    assert!(unshown.contains("INV-04"), "{unshown}");
    let from_nothing = verdict(|stage| {
        let credited = AccountEvent::PointsCredited {
            run: RunNo(1),
            policy: 1,
            grams_per_point: 10,
            lot,
            grams: Grams(u64::MAX),
            remainder: 0,
        };
        let lot = LotPoints { points: Points(u64::MAX), ..lot };
        let AccountEvent::PointsCredited { run, policy, grams_per_point, grams, remainder, .. } =
            credited
        else {
            unreachable!()
        };
        let event =
            AccountEvent::PointsCredited { run, policy, grams_per_point, lot, grams, remainder };
        stage.append(stage.forge(one, vec![Event::Account(event)]), Vec::new());
    });
    assert!(from_nothing.contains("INV-01"), "{from_nothing}");
}

#[test]
fn faults_that_no_single_account_can_see_are_found() {
    let told = |wanted: fn(&AccountEvent) -> bool| {
        verdict(|stage| {
            let of_one = |event: &Event| match event {
                Event::Account(event) if wanted(event) => Some(event.clone()),
                _ => None,
            };
            let entries = stage.journal.entries();
            let one = entries.iter().filter(|one| one.entry.stream == Stream::Account(account(1)));
            let event = one.flat_map(|one| &one.entry.events).find_map(of_one).unwrap();
            let other = Stream::Account(account(7));
            stage.append(stage.forge(other, vec![Event::Account(event)]), Vec::new());
        })
    };
    let counted = told(|event| matches!(event, AccountEvent::RecordSubmitted { .. }));
    assert!(counted.contains("INV-02"), "{counted}");
    let opened = told(|event| matches!(event, AccountEvent::Opened { .. }));
    assert!(opened.contains("INV-03"), "{opened}");
}
