//! The store can be lost, the journal cannot: verify, rebuild, a start from sled alone, and a
//! flipped byte that is refused loudly.

use std::process::{Command, Output};
use std::time::Duration;

use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use carbon_simulations::demo::sending;

use super::harness::binary;
use super::stage::{Lit, Stage, batch, rows, segments, submit};

/// A journal of small segments, so that a few batches fill several, and a checkpoint now and then.
const SMALL: &str = "[journal]\nsegment_bytes = 65536\ngroup_bytes = 32768\n\
                     [actors]\ncheckpoint_ms = 20\n[store]\nopen_seconds = 10\n";

fn store(stage: &Stage, what: &str) -> Output {
    Command::new(binary())
        .args(["store", what, "--data"])
        .arg(stage.data())
        .arg("--config")
        .arg(stage.config())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(error))
}

async fn filled(seed: u64, batches: usize) -> (Stage, Lit, Totals) {
    let stage = Stage::start(seed, SMALL).await.unwrap();
    stage.adopt_policy().await.unwrap();
    let lit = stage.lit(stage.first_on("bus")).await.unwrap();
    for number in 0..batches {
        let serial = format!("s-{number}");
        let rows = rows(&lit, &serial, 12);
        submit(stage.caller(&lit), &batch(&serial, &rows)).await.unwrap();
        sending::decided(stage.caller(&lit), &serial).await.unwrap();
    }
    let totals = totals(&stage, &lit).await;
    assert!(totals.pending_grams.0 > 0);
    (stage, lit, totals)
}

async fn totals(stage: &Stage, lit: &Lit) -> Totals {
    let question = TotalsRequest { ccid: lit.ccid.clone() };
    stage.caller(lit).must("01/Z501", &question).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_and_rebuild_agree_with_what_was_served() {
    let (mut stage, lit, before) = filled(u64::from(std::process::id()) ^ 0x510, 6).await;
    stage.server.kill();
    let verified = store(&stage, "verify");
    assert!(verified.status.success(), "{}", said(&verified));
    let rebuilt = store(&stage, "rebuild");
    assert!(rebuilt.status.success(), "{}", said(&rebuilt));
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before);
    // The store is gone altogether.
    stage.server.kill();
    std::fs::remove_dir_all(stage.data().join("store")).unwrap();
    let rebuilt = store(&stage, "rebuild");
    assert!(rebuilt.status.success(), "{}", said(&rebuilt));
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_come_from_sled_when_old_segments_are_gone() {
    let (mut stage, lit, before) = filled(u64::from(std::process::id()) ^ 0x51ed, 60).await;
    // A stop in good order makes a checkpoint.
    stage.server.stop().await.unwrap();
    let all = segments(&stage.data());
    assert!(all.len() > 2, "the journal has {} segments only", all.len());
    for old in &all[..all.len() - 1] {
        std::fs::remove_file(old).unwrap();
    }
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before);
    let rows = rows(&lit, "after", 3);
    submit(stage.caller(&lit), &batch("after", &rows)).await.unwrap();
    sending::decided(stage.caller(&lit), "after").await.unwrap();
    assert!(totals(&stage, &lit).await.pending_grams > before.pending_grams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_refused_loudly() {
    let (mut stage, _, _) = filled(u64::from(std::process::id()) ^ 0xf11b, 12).await;
    stage.server.kill();
    let first = segments(&stage.data()).remove(0);
    let mut bytes = std::fs::read(&first).unwrap();
    // Well inside what was written and acknowledged long before the end.
    let place = 3000;
    bytes[place] ^= 0x10;
    std::fs::write(&first, &bytes).unwrap();
    let verified = store(&stage, "verify");
    assert!(!verified.status.success(), "{}", said(&verified));
    let name = first.file_name().unwrap().to_string_lossy().into_owned();
    assert!(said(&verified).contains(&name), "{}", said(&verified));
}

/// What is done to a store that lies still.
type Harm = fn(&std::path::Path);

fn flip(file: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 0x5a;
    std::fs::write(file, &bytes).unwrap();
}

/// sled's log, changed at every so many bytes.
fn riddle(store: &std::path::Path) {
    let file = store.join("db");
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    for at in (100..length).step_by(4_099) {
        flip(&file, at);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_missing_or_damaged_is_made_again_by_the_start() {
    let (mut stage, lit, before) = filled(u64::from(std::process::id()) ^ 0xda3a, 8).await;
    let harms: [(&str, Harm); 5] = [
        ("cut", |store| std::fs::write(store.join("db"), b"").unwrap()),
        ("no settings", |store| flip(&store.join("conf"), 7)),
        ("no last checkpoint", |store| {
            std::fs::remove_file(store.join("checkpoint.redo")).unwrap()
        }),
        ("another last checkpoint", |store| flip(&store.join("checkpoint.redo"), 11)),
        ("told damaged", |store| std::fs::write(store.join("damaged"), "by a reader").unwrap()),
    ];
    for (how, harm) in harms {
        // Some checkpoints are made meanwhile.
        tokio::time::sleep(Duration::from_millis(500)).await;
        stage.server.kill();
        harm(&stage.data().join("store"));
        stage.server.start_again().await.unwrap_or_else(|error| panic!("{how}: {error:#}"));
        let log = stage.server.log();
        assert!(log.contains("made again from the journal"), "{how}: {log}");
        assert!(stage.data().join("store.damaged").is_dir(), "{how}");
        assert_eq!(totals(&stage, &lit).await, before, "{how}");
    }
    // Damage that sled meets only when it reads: never served, and mended by the next start.
    stage.server.kill();
    riddle(&stage.data().join("store"));
    stage.server.start_again().await.unwrap();
    let question = TotalsRequest { ccid: lit.ccid.clone() };
    let asked = stage.caller(&lit).must::<_, Totals>("01/Z501", &question);
    match tokio::time::timeout(Duration::from_secs(3), asked).await {
        Ok(Ok(served)) => assert_eq!(served, before, "served from a riddled store"),
        refused => println!("a riddled store: {refused:?}; {}", stage.server.log()),
    }
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before, "riddled");
    stage.server.kill();
    std::fs::remove_dir_all(stage.data().join("store")).unwrap();
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before, "missing");
    goes_on(&stage, &lit, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_store_catches_up_and_a_mixed_one_is_made_again() {
    let (mut stage, lit, _) = filled(u64::from(std::process::id()) ^ 0x01d, 4).await;
    let (store, older) = (stage.data().join("store"), stage.data().join("older"));
    stage.server.kill();
    copy(&store, &older);
    stage.server.start_again().await.unwrap();
    for number in 0..6 {
        let serial = format!("later-{number}");
        submit(stage.caller(&lit), &batch(&serial, &rows(&lit, &serial, 5))).await.unwrap();
        sending::decided(stage.caller(&lit), &serial).await.unwrap();
    }
    let before = totals(&stage, &lit).await;
    stage.server.stop().await.unwrap();
    let newest = std::fs::read(store.join("checkpoint.redo")).unwrap();
    std::fs::remove_dir_all(&store).unwrap();
    copy(&older, &store);
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before, "an older store");
    assert!(!stage.server.log().contains("made again"), "the journal's tail was enough");
    // sled from before with the last checkpoint of today: what lies between them is lost.
    stage.server.kill();
    std::fs::remove_dir_all(&store).unwrap();
    copy(&older, &store);
    std::fs::write(store.join("checkpoint.redo"), newest).unwrap();
    stage.server.start_again().await.unwrap();
    let log = stage.server.log();
    assert!(log.contains("made again from the journal"), "{log}");
    assert_eq!(totals(&stage, &lit).await, before, "a mixed store");
    goes_on(&stage, &lit, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_beside_an_archived_journal_is_refused_with_advice() {
    let (mut stage, ..) = filled(u64::from(std::process::id()) ^ 0xa5c, 60).await;
    stage.server.stop().await.unwrap();
    let old = segments(&stage.data()).remove(0);
    std::fs::remove_file(&old).unwrap();
    let redo = stage.data().join("store").join("checkpoint.redo");
    flip(&redo, 11);
    let refused = stage.server.start_again().await.unwrap_err().to_string();
    assert!(refused.contains("bring them back"), "{refused}");
    assert!(redo.is_file(), "a store that cannot be made again was moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_hurt_behind_the_checkpoint_is_cut_or_refused_by_the_start() {
    let (mut stage, lit, before) = filled(u64::from(std::process::id()) ^ 0x0ff, 6).await;
    stage.server.kill();
    let last = segments(&stage.data()).pop().unwrap();
    let (whole, store) = (std::fs::read(&last).unwrap(), stage.data().join("store"));
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    std::fs::remove_dir_all(&store).unwrap();
    // Without a store the whole segment is walked; anything before the last group was stated.
    for place in [0, 9, 70, end / 4, end / 2, end / 4 * 3] {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x20;
        std::fs::write(&last, &bytes).unwrap();
        let refused = stage.server.start_again().await.unwrap_err().to_string();
        assert!(refused.contains(".seg") && refused.contains("offset"), "at {place}: {refused}");
    }
    // The last group, hurt: nobody states it, it is taken for torn, and said so.
    let mut bytes = whole.clone();
    bytes[end - 1] ^= 0x20;
    std::fs::write(&last, &bytes).unwrap();
    stage.server.start_again().await.unwrap();
    assert!(stage.server.log().contains("torn"), "a cut tail was not told");
    stage.server.kill();
    std::fs::write(&last, &whole).unwrap();
    std::fs::remove_dir_all(&store).unwrap();
    stage.server.start_again().await.unwrap();
    assert_eq!(totals(&stage, &lit).await, before);
}

/// New records are taken and counted on top of what there was.
async fn goes_on(stage: &Stage, lit: &Lit, before: &Totals) {
    submit(stage.caller(lit), &batch("after", &rows(lit, "after", 3))).await.unwrap();
    sending::decided(stage.caller(lit), "after").await.unwrap();
    assert!(totals(stage, lit).await.pending_grams > before.pending_grams);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}
