//! The intake machine of one application: accepts a batch once, and claims every record's serial
//! before the record is routed to its account (INV-02, INV-09, decision 9).

mod claims;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use carbon_protocol::entry::Stream;
use carbon_protocol::intake::{
    Amends, Batch, BatchRow, CheckedRow, IntakeCommand, IntakeEvent, IntakeReply, Receipt,
    RowVerdict,
};
use carbon_protocol::signature::digest16;
use carbon_protocol::{AppNo, Reason, RecordRef, Rejection, Serial, Timestamp};
use serde::{Deserialize, Serialize};

use self::claims::{Claim, Claims, Key};
use crate::invariants::Violation;
use crate::machines::{Decision, Facts, Machine, encoding};

/// The format of an encoded intake.
const SNAPSHOT_FORMAT: u8 = 1;
/// The row of a claim on a batch's own serial.
const WHOLE_BATCH: u16 = u16::MAX;

/// One application's intake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    app: AppNo,
    /// The number of the last batch.
    last: u32,
    claims: Claims,
    /// An event did not fit.
    torn: bool,
}

/// The key of a record's serial.
fn record_key(serial: &Serial) -> Key {
    digest16(format!("record {serial}").as_bytes())
}

/// The key of a batch's serial.
fn batch_key(serial: &Serial) -> Key {
    digest16(format!("batch {serial}").as_bytes())
}

impl Intake {
    fn accept(&self, facts: &Facts<'_>, batch: &Batch) -> Result<Decision<Self>, Rejection> {
        if let Some(known) = self.claims.find(&batch_key(&batch.serial)) {
            if known.digest != batch.digest {
                return Err(Rejection::of_field(Reason::SerialConflict, "batchSerial"));
            }
            let receipt = Receipt { batch: known.batch, replay: true, verdicts: Vec::new() };
            return Ok(Decision::answer(IntakeReply::Receipt(receipt)));
        }
        let Some(number) = self.last.checked_add(1) else {
            return Err(Reason::TooManyItems.into());
        };
        let mut seen = HashSet::with_capacity(batch.rows.len());
        let verdicts: Vec<RowVerdict> =
            batch.rows.iter().map(|row| self.verdict(facts, row, &mut seen)).collect();
        let amends = |row: &CheckedRow| {
            let original = row.amends.clone()?;
            let known = self.claims.find(&record_key(&original));
            let record = known.map(|claim| claim.record(self.app));
            let day = known.map_or(facts.now.day(), |claim| claim.day);
            Some(Amends { original, record, day })
        };
        let rows = batch.rows.iter().zip(&verdicts).map(|(row, verdict)| BatchRow {
            serial: row.serial.clone(),
            digest: row.digest,
            ccid: row.ccid.clone(),
            account: row.account,
            scene: row.scene,
            behaviour: row.behaviour.clone(),
            amends: amends(row),
            claimed_grams: row.claimed_grams,
            grams: row.grams,
            priced_by: row.priced_by,
            verdict: *verdict,
        });
        let event = IntakeEvent::BatchReceived {
            batch: number,
            serial: batch.serial.clone(),
            digest: batch.digest,
            remembered_days: facts.policy.remembered_days(),
            rows: rows.collect(),
        };
        let receipt = Receipt { batch: number, replay: false, verdicts };
        Ok(Decision { events: vec![event], reply: IntakeReply::Receipt(receipt) })
    }

    /// The ladder of a row: what the door found, then what needs memory, then what needs the time.
    fn verdict(&self, facts: &Facts<'_>, row: &CheckedRow, seen: &mut HashSet<Key>) -> RowVerdict {
        let key = record_key(&row.serial);
        if !seen.insert(key) {
            return RowVerdict::Refused(Reason::Duplicate);
        }
        if let Some(known) = self.claims.find(&key) {
            return match known.digest == row.digest {
                true => RowVerdict::Replayed(known.record(self.app)),
                false => RowVerdict::Refused(Reason::SerialConflict),
            };
        }
        if let Some(reason) = row.refused {
            return RowVerdict::Refused(reason);
        }
        if row.account.is_none() {
            return RowVerdict::Refused(Reason::UnknownCcid);
        }
        if row.scene.is_none() {
            return RowVerdict::Refused(Reason::UnknownScene);
        }
        let original = row.amends.as_ref().map(|serial| self.claims.find(&record_key(serial)));
        let (day, window) = match (original, &row.behaviour) {
            (Some(None), _) => return RowVerdict::Refused(Reason::UnknownRecord),
            (Some(Some(original)), _) => (original.day, facts.policy.correction_days),
            (None, Some(behaviour)) => (behaviour.day(), facts.policy.acceptance_days),
            (None, None) => return RowVerdict::Refused(Reason::Malformed),
        };
        let tolerance = i64::from(facts.policy.future_tolerance_seconds);
        let ended = row.behaviour.as_ref().map(|behaviour| behaviour.span().1);
        if ended.is_some_and(|ended| ended > facts.now.plus_seconds(tolerance)) {
            return RowVerdict::Refused(Reason::InFuture);
        }
        let oldest = facts.now.day().plus(i32::from(window).saturating_neg());
        // A longer window does not bring back what was forgotten under a shorter one.
        if day < oldest.max(self.claims.forgotten_before()) {
            return RowVerdict::Refused(Reason::TooOld);
        }
        RowVerdict::Received
    }

    fn find_record(&self, serial: &Serial) -> Option<RecordRef> {
        self.claims.find(&record_key(serial)).map(|claim| claim.record(self.app))
    }
}

impl Claim {
    fn record(&self, app: AppNo) -> RecordRef {
        RecordRef { app, batch: self.batch, row: self.row }
    }
}

impl Machine for Intake {
    type Command = IntakeCommand;
    type Event = IntakeEvent;
    type Reply = IntakeReply;

    const LOADS_PAGES: bool = true;

    fn new(stream: Stream) -> Self {
        let (app, torn) = match stream {
            Stream::Intake(app) => (app, false),
            _ => (AppNo(0), true),
        };
        Self { app, last: 0, claims: Claims::default(), torn }
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &IntakeCommand,
    ) -> Result<Decision<Self>, Rejection> {
        Ok(Decision::answer(match command {
            IntakeCommand::Accept(batch) => return self.accept(facts, batch),
            IntakeCommand::FindBatch(serial) => {
                IntakeReply::Batch(self.claims.find(&batch_key(serial)).map(|claim| claim.batch))
            }
            IntakeCommand::FindRecords(serials) => {
                IntakeReply::Records(serials.iter().map(|one| self.find_record(one)).collect())
            }
            IntakeCommand::FindDigests(serials) => {
                let digest = |one| self.claims.find(&record_key(one)).map(|claim| claim.digest);
                IntakeReply::Digests(serials.iter().map(digest).collect())
            }
        }))
    }

    fn apply(&mut self, at: Timestamp, event: &IntakeEvent) {
        let IntakeEvent::BatchReceived { batch, serial, digest, remembered_days, rows } = event;
        self.torn |= self.last.checked_add(1) != Some(*batch);
        self.last = *batch;
        let whole = Claim {
            key: batch_key(serial),
            digest: *digest,
            batch: *batch,
            row: WHOLE_BATCH,
            day: at.day(),
        };
        self.claims.remember(whole);
        for (row, content) in (0_u16..).zip(rows) {
            if content.verdict == RowVerdict::Received {
                let key = record_key(&content.serial);
                // INV-02: a serial that is claimed is never claimed again.
                self.torn |= self.claims.find(&key).is_some();
                let (digest, day) = (content.digest, content.day());
                self.claims.remember(Claim { key, digest, batch: *batch, row, day });
            }
        }
        self.claims.forget(at.day(), *remembered_days);
    }

    fn check(&self) -> Result<(), Violation> {
        match self.torn {
            true => Err(Violation {
                invariant: "INV-02",
                seen: format!("application {}: a batch or a claim did not fit", self.app),
            }),
            false => Ok(()),
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let mut intake: Self = encoding::decode(SNAPSHOT_FORMAT, snapshot)?;
        let own = stream == Stream::Intake(intake.app);
        (own && intake.claims.load(pages)).then_some(intake)
    }

    fn take_pages(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.claims.take_pages()
    }
}
