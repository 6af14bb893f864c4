//! Issued records that can still be corrected: by run and application, for as long as a correction
//! would be accepted. Fourteen bytes a record; older ones are in totals and the bill only.

use carbon_protocol::{AppNo, Day, Grams, RecordRef, RunNo, SceneNo};
use serde::{Deserialize, Serialize};

use super::submission::Pending;

/// What runs issued, oldest run first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Issued(Vec<Share>);

/// Records of one application that one run issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    run: RunNo,
    app: AppNo,
    /// The price of the run's points: what is taken back is taken back at it.
    grams_per_point: u64,
    records: Vec<Part>,
}

/// What one run issued of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    /// Batch and row of the record that counts; the application is the share's.
    place: (u32, u16),
    /// Batch and row of the original, where it was corrected.
    original: Option<(u32, u16)>,
    scene: SceneNo,
    day: Day,
    grams: Grams,
}

/// Issued grams that are taken back, and at which price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenBack {
    /// How many.
    pub grams: Grams,
    /// Grams that made a point.
    pub grams_per_point: u64,
}

/// A record that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The record: the original, or its last correction.
    pub record: RecordRef,
    /// Its scene.
    pub scene: SceneNo,
    /// The day it counts for.
    pub day: Day,
    /// Its grams that wait for issuance.
    pub pending: Grams,
    /// Its grams that were issued.
    pub issued: Grams,
    /// The last run that issued any of it.
    pub run: Option<RunNo>,
}

impl Part {
    fn is_of(&self, original: (u32, u16)) -> bool {
        self.original.unwrap_or(self.place) == original
    }
}

impl Issued {
    /// Remembers a record that a run has issued.
    pub(super) fn add(&mut self, run: RunNo, pending: &Pending) {
        let Pending { record, scene, day, grams, original } = *pending;
        let part = Part { place: (record.batch, record.row), original, scene, day, grams };
        let app = record.app;
        match self.0.iter_mut().find(|share| share.run == run && share.app == app) {
            Some(share) => share.records.push(part),
            None => self.0.push(Share { run, app, grams_per_point: 0, records: vec![part] }),
        }
    }

    /// At which price a run's points were made.
    pub(super) fn price(&mut self, run: RunNo, grams_per_point: u64) {
        for share in self.0.iter_mut().filter(|share| share.run == run) {
            share.grams_per_point = grams_per_point;
        }
    }

    /// Adds what is issued of an original to what is known of it.
    pub(super) fn complete(
        &self,
        original: RecordRef,
        known: Option<Standing>,
    ) -> Option<Standing> {
        let mut standing = known;
        for (share, part) in self.parts(original) {
            let (batch, row) = part.place;
            let standing = standing.get_or_insert(Standing {
                record: RecordRef { app: share.app, batch, row },
                scene: part.scene,
                day: part.day,
                pending: Grams::ZERO,
                issued: Grams::ZERO,
                run: None,
            });
            standing.issued = standing.issued.saturating_add(part.grams);
            standing.run = Some(share.run);
        }
        standing
    }

    /// Grams that were issued of what a pending record corrects; none of one that is its own.
    pub(super) fn of(&self, pending: &Pending) -> Grams {
        self.corrected(pending).map(|(_, part)| part.grams).sum()
    }

    /// The last run that issued any of what a pending record corrects.
    pub(super) fn run_of(&self, pending: &Pending) -> Option<RunNo> {
        self.corrected(pending).map(|(share, _)| share.run).last()
    }

    fn corrected(&self, pending: &Pending) -> impl Iterator<Item = (&Share, &Part)> {
        let app = pending.record.app;
        let original = pending.original.map(|(batch, row)| RecordRef { app, batch, row });
        original.into_iter().flat_map(|original| self.parts(original))
    }

    fn parts(&self, original: RecordRef) -> impl Iterator<Item = (&Share, &Part)> {
        let place = (original.batch, original.row);
        let of_app = self.0.iter().filter(move |share| share.app == original.app);
        of_app.flat_map(move |share| {
            let own = share.records.iter().filter(move |part| part.is_of(place));
            own.map(move |part| (share, part))
        })
    }

    /// Which parts give so many grams back: the last run's first.
    pub(super) fn taken_back(&self, original: RecordRef, grams: Grams) -> Vec<TakenBack> {
        let mut parts: Vec<(&Share, &Part)> = self.parts(original).collect();
        parts.reverse();
        let mut left = grams;
        let back = parts.into_iter().map(|(share, part)| {
            let grams = part.grams.min(left);
            left = left.saturating_sub(grams);
            TakenBack { grams, grams_per_point: share.grams_per_point }
        });
        back.filter(|back| !back.grams.is_zero()).collect()
    }

    /// Another record stands in the place of an original, and so many grams were taken back; false
    /// where it did not have them.
    #[must_use]
    pub(super) fn amend(&mut self, original: RecordRef, by: RecordRef, back: Grams) -> bool {
        let place = (original.batch, original.row);
        let mut left = back;
        for share in self.0.iter_mut().rev().filter(|share| share.app == original.app) {
            for part in share.records.iter_mut().rev().filter(|part| part.is_of(place)) {
                let grams = part.grams.min(left);
                left = left.saturating_sub(grams);
                part.grams = part.grams.saturating_sub(grams);
                (part.place, part.original) = ((by.batch, by.row), Some(place));
            }
        }
        left.is_zero()
    }

    /// An original counts no more.
    pub(super) fn let_go(&mut self, original: RecordRef) {
        let place = (original.batch, original.row);
        for share in self.0.iter_mut().filter(|share| share.app == original.app) {
            share.records.retain(|part| !part.is_of(place));
        }
        self.0.retain(|share| !share.records.is_empty());
    }

    /// Whether there is anything of an earlier day.
    pub(super) fn outlived_by(&self, before: Day) -> bool {
        self.0.iter().any(|share| share.records.iter().any(|part| part.day < before))
    }

    /// Lets go of what cannot be corrected any more.
    pub(super) fn forget(&mut self, before: Day) {
        for share in &mut self.0 {
            share.records.retain(|part| part.day >= before);
        }
        self.0.retain(|share| !share.records.is_empty());
    }
}
