//! What an issuance run would issue if it began now: read from the accounts that have pending
//! records, as they are when they are passed.

use std::collections::{BTreeMap, HashSet};

use carbon_protocol::entry::Stream;
use carbon_protocol::issuance::Scope;
use carbon_protocol::{AppNo, Grams, RecordRef, SceneNo};

use super::models;
use crate::machines::account::Account;
use crate::ports::{Failure, Store};
use crate::snapshot;

/// Accounts looked up at once.
const AT_ONCE: usize = 1_000;

/// What would be issued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// Accounts with a record of the run.
    pub accounts: u64,
    /// By application and scene.
    pub lines: BTreeMap<(AppNo, SceneNo), PreviewLine>,
}

/// Records of one application's scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PreviewLine {
    /// Records that would be issued.
    pub records: u64,
    /// Their grams.
    pub grams: Grams,
    /// Records that would be refused.
    pub excluded: u64,
}

/// Passes over all accounts with pending records. Takes as long as the run itself would: some ten
/// microseconds an account.
pub fn preview(store: &dyn Store, scope: &Scope) -> Result<Preview, Failure> {
    let excluded: HashSet<&RecordRef> = scope.excluded.iter().collect();
    let (mut preview, mut after) = (Preview::default(), None);
    loop {
        let accounts = models::pending(store, after, AT_ONCE)?;
        let Some((last, _)) = accounts.last().copied() else { return Ok(preview) };
        for (account, _) in accounts.iter().filter(|(_, earliest)| *earliest <= scope.through) {
            let account = snapshot::load::<Account>(store, Stream::Account(*account))?.machine;
            let mut concerned = false;
            for record in account.pending().filter(|record| {
                record.day <= scope.through
                    && (scope.scenes.is_empty() || scope.scenes.contains(&record.scene))
            }) {
                concerned = true;
                let line = preview.lines.entry((record.record.app, record.scene)).or_default();
                if excluded.contains(&record.record) {
                    line.excluded = line.excluded.saturating_add(1);
                } else {
                    line.records = line.records.saturating_add(1);
                    line.grams = line.grams.saturating_add(record.grams);
                }
            }
            preview.accounts = preview.accounts.saturating_add(u64::from(concerned));
        }
        after = Some(last);
    }
}
