//! What a run came to, for people: a table, one self-contained page, a comparison of two runs.

mod charts;
mod compare;
mod filters;
mod names;
mod page;
mod plot;
#[cfg(test)]
mod sample;
mod scale;
mod table;
mod thin;
pub mod units;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub use compare::compare;
pub use page::page;
pub use table::table;

use super::outcome::Outcome;

/// Writes `report.json` and `report.html` into a folder, which is made where it is missing; the
/// page's path.
pub fn write(outcome: &Outcome, folder: &Path) -> anyhow::Result<PathBuf> {
    outcome.write(folder)?;
    let path = folder.join("report.html");
    std::fs::write(&path, page(outcome)).with_context(|| format!("{}", path.display()))?;
    Ok(path)
}
