//! `carbon store`: looks after the data of a platform that is stopped.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use carbon_actors::ports::{Put, Store as _, Tree};
use carbon_actors::recovery;

use crate::config::Config;
use crate::journal::{self, FileJournal};
use crate::store::SledStore;
use crate::wiring::Layout;

/// Where a rebuilt store is made before it takes the place of the one that was there.
const FRESH: &str = "store.fresh";
/// Where the one that was there is kept.
const BEFORE: &str = "store.before";

/// Pairs read at once.
const PAIRS: usize = 4096;
/// Keys that may wait before they are written.
const UNWRITTEN: usize = 100_000;

/// Walks the journal's chain, replays every stream, and derives every balance again.
pub fn verify(config: &Config, layout: &Layout) -> anyhow::Result<String> {
    exists(layout)?;
    let chain = journal::verify_all(&layout.journal())?;
    let (_, journal) = crate::wiring::open_truth(config, layout)?;
    let books = recovery::verify(journal.clone())?;
    journal.close();
    let (grams, points) = (books.grams, books.points);
    let mut text = String::new();
    writeln!(
        text,
        "journal   {} entries in {} groups, chain unbroken",
        chain.entries, chain.groups
    )?;
    writeln!(
        text,
        "streams   {}, of which {} accounts, versions without a gap",
        books.streams, books.accounts
    )?;
    writeln!(
        text,
        "grams     submitted {} = pending {} + issued {} + refused {} + voided {}",
        grams.submitted, grams.pending, grams.issued, grams.refused, grams.voided
    )?;
    write!(
        text,
        "points    issued {} = available {} + held {} + redeemed {} + expired {} + voided {}",
        points.issued,
        points.available,
        points.held,
        points.redeemed,
        points.expired,
        points.voided
    )?;
    Ok(text)
}

/// Makes the store again from the journal, compares it with the one that was there, and puts it in
/// its place; the other is kept beside it.
pub fn rebuild(config: &Config, layout: &Layout) -> anyhow::Result<String> {
    exists(layout)?;
    let (fresh_at, before_at) = (layout.data.join(FRESH), layout.data.join(BEFORE));
    for folder in [&fresh_at, &before_at] {
        if folder.exists() {
            bail!("{} is in the way: look at it, then remove it", folder.display());
        }
    }
    let had_store = layout.store().is_dir();
    let differences = {
        let fresh = Arc::new(SledStore::open(&fresh_at, &config.store)?);
        let journal =
            FileJournal::open(&layout.journal(), config.journal.clone(), 0, fresh.clone())?;
        let journal = Arc::new(journal);
        recovery::rebuild(journal.clone(), fresh.clone())?;
        let differences = match had_store {
            false => None,
            true => {
                let old = Arc::new(SledStore::open(&layout.store(), &config.store)?);
                // The old one may not have seen the journal's end.
                recovery::recover(journal.clone(), old.clone(), Arc::default())?;
                // What was sent already need not be sent again under the same ids.
                let (router, relay) = (old.cursor("router")?, old.cursor("relay")?);
                fresh.checkpoint(&[("router", router), ("relay", relay)])?;
                Some(recovery::compare(&*old, &*fresh)?)
            }
        };
        journal.close();
        let cursor = fresh.cursor("projector")?;
        tracing::info!(cursor, "rebuilt");
        differences
    };
    if had_store {
        std::fs::rename(layout.store(), &before_at).context("the old store cannot be set aside")?;
    }
    std::fs::rename(&fresh_at, layout.store()).context("the new store cannot be put in place")?;
    match differences {
        None => Ok("rebuilt from the journal; there was no store to compare it with".into()),
        Some(found) if found.is_empty() => {
            std::fs::remove_dir_all(&before_at)?;
            Ok("rebuilt from the journal: equal to the store that was there".into())
        }
        Some(found) => {
            let shown: Vec<String> = found.iter().take(10).map(ToString::to_string).collect();
            bail!(
                "rebuilt from the journal; the store that was there differed in {} places, and is \
                 kept in {}:\n{}",
                found.len(),
                before_at.display(),
                shown.join("\n")
            )
        }
    }
}

/// How much lies in each tree of the store, and how much the folder takes on the disk.
pub fn sizes(config: &Config, layout: &Layout) -> anyhow::Result<String> {
    exists(layout)?;
    let store = SledStore::open(&layout.store(), &config.store)?;
    let mut text = format!("{:<12} {:>12} {:>8} {:>8}\n", "tree", "items", "key B", "value B");
    for tree in Tree::ALL {
        let (mut from, mut items, mut keys, mut values) = (Vec::new(), 0_usize, 0, 0);
        loop {
            // No key is as long as this one is high.
            let pairs = store.scan(tree, &from, &[0xff; 80], PAIRS, false)?;
            let Some((last, _)) = pairs.last() else { break };
            from = [&last[..], &[0]].concat();
            items += pairs.len();
            keys += pairs.iter().map(|(key, _)| key.len()).sum::<usize>();
            values += pairs.iter().map(|(_, value)| value.len()).sum::<usize>();
        }
        let mean = |bytes: usize| bytes.checked_div(items);
        if let (Some(key), Some(value)) = (mean(keys), mean(values)) {
            writeln!(text, "{:<12} {items:>12} {key:>8} {value:>8}", format!("{tree:?}"))?;
        }
    }
    for folder in [layout.store(), layout.journal(), layout.vault()] {
        let bytes = on_disk(&folder)?;
        writeln!(text, "{:<40} {bytes:>14} bytes on the disk", folder.display())?;
    }
    Ok(text.trim_end().to_owned())
}

/// Writes the store anew in key order, without the room that sled never gives back, and puts it in
/// the place of the old one.
pub fn compact(config: &Config, layout: &Layout) -> anyhow::Result<String> {
    exists(layout)?;
    let (fresh_at, before_at) = (layout.data.join(FRESH), layout.data.join(BEFORE));
    for folder in [&fresh_at, &before_at] {
        if folder.exists() {
            bail!("{} is in the way: look at it, then remove it", folder.display());
        }
    }
    let before = on_disk(&layout.store())?;
    {
        // The journal's lock keeps everybody else out.
        let (old, journal) = crate::wiring::open_truth(config, layout)?;
        let fresh = SledStore::open(&fresh_at, &config.store)?;
        for tree in Tree::ALL.into_iter().filter(|tree| *tree != Tree::Cursors) {
            copy(tree, &old, &fresh)?;
        }
        // Cursors last: a copy that breaks off is one that has read nothing.
        let cursors = ["projector", "router", "relay"].map(|name| (name, old.cursor(name)));
        for (name, cursor) in cursors {
            fresh.checkpoint(&[(name, cursor?)])?;
        }
        journal.close();
    }
    std::fs::rename(layout.store(), &before_at).context("the old store cannot be set aside")?;
    std::fs::rename(&fresh_at, layout.store()).context("the new store cannot be put in place")?;
    std::fs::remove_dir_all(&before_at)?;
    Ok(format!("store: {before} bytes on the disk before, {} now", on_disk(&layout.store())?))
}

fn copy(tree: Tree, old: &SledStore, fresh: &SledStore) -> anyhow::Result<()> {
    let mut from = Vec::new();
    loop {
        // No key is as long as this one is high.
        let pairs = old.scan(tree, &from, &[0xff; 80], PAIRS, false)?;
        let Some((last, _)) = pairs.last() else { break };
        from = [&last[..], &[0]].concat();
        let put = |(key, value)| Put { tree, key, value: Some(value) };
        fresh.put(pairs.into_iter().map(put).collect());
        if fresh.waiting() > UNWRITTEN {
            fresh.checkpoint(&[])?;
        }
    }
    Ok(fresh.checkpoint(&[])?)
}

/// Bytes that the files of a folder take on the disk; what is only reserved does not count.
fn on_disk(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { on_disk(&entry.path())? } else { found.blocks() * 512 };
    }
    Ok(bytes)
}

fn exists(layout: &Layout) -> anyhow::Result<()> {
    match layout.journal().is_dir() {
        true => Ok(()),
        false => bail!("{} holds no journal", layout.data.display()),
    }
}
