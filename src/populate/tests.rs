//! A folder is populated, grown, audited, compacted and rebuilt.

use std::path::Path;

use super::*;
use crate::maintenance;

fn populate(data: &Path, citizens: u32) -> String {
    let wishes = Wishes { citizens, seed: 7, shoppers_permille: 500, points: 150, quiet: true };
    let (config, layout) = (Config::load(None).unwrap(), Layout::open(data).unwrap());
    carbon_actors::run(async move { run(config, &layout, 0, wishes).await }).unwrap().unwrap()
}

#[test]
fn everybody_is_opened_once_with_points_and_the_store_can_be_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let first = populate(folder.path(), 30);
    assert!(first.starts_with("30 accounts opened"), "{first}");
    let grown = populate(folder.path(), 40);
    assert!(grown.starts_with("10 accounts opened"), "{grown}");
    let config = Config::load(None).unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    let audited = maintenance::verify(&config, &layout).unwrap();
    assert!(audited.contains("of which 40 accounts"), "{audited}");
    assert!(!audited.contains("issued 0 ="), "{audited}");
    let sizes = maintenance::sizes(&config, &layout).unwrap();
    assert!(sizes.contains("Snapshots"), "{sizes}");
    maintenance::compact(&config, &layout).unwrap();
    // Every closing writes a group of its own: the books stand in the lines behind.
    let books = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(books(&maintenance::verify(&config, &layout).unwrap()), books(&audited));
    let rebuilt = maintenance::rebuild(&config, &layout).unwrap();
    assert!(rebuilt.ends_with("equal to the store that was there"), "{rebuilt}");
}
