//! The intake machine of one application: accepts a batch once, and claims every record's serial
//! before the record is routed to its account (INV-02, INV-09, decision 9).

mod claims;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use carbon_protocol::entry::Stream;
use carbon_protocol::intake::{
    Amends, Batch, BatchRow, CheckedRow, Claim, IntakeAsk, IntakeCommand, IntakeEvent, IntakeReply,
    Receipt, RowVerdict, SealedClaim, SerialKey,
};
use carbon_protocol::signature::digest16;
use carbon_protocol::{AppNo, Reason, Rejection, Serial, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::claims::decode_page;
use self::claims::{Claims, Place};
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
fn record_key(serial: &Serial) -> SerialKey {
    digest16(format!("record {serial}").as_bytes())
}

/// The key of a batch's serial.
fn batch_key(serial: &Serial) -> SerialKey {
    digest16(format!("batch {serial}").as_bytes())
}

/// The keys of the serials that a command names.
#[derive(Default)]
struct Named {
    batch: Option<SerialKey>,
    records: Vec<SerialKey>,
    /// Of the records that those amend.
    amended: Vec<Option<SerialKey>>,
}

impl Named {
    fn by(command: &IntakeCommand) -> Self {
        match command {
            IntakeCommand::Accept(Batch { serial, rows, .. }) => Self {
                batch: Some(batch_key(serial)),
                records: rows.iter().map(|row| record_key(&row.serial)).collect(),
                amended: rows.iter().map(|row| row.amends.as_ref().map(record_key)).collect(),
            },
            IntakeCommand::FindBatch(serial) => {
                Self { batch: Some(batch_key(serial)), ..Self::default() }
            }
            IntakeCommand::FindRecords(serials) | IntakeCommand::FindDigests(serials) => {
                Self { records: serials.iter().map(record_key).collect(), ..Self::default() }
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &SerialKey> {
        self.batch.iter().chain(&self.records).chain(self.amended.iter().flatten())
    }
}

/// What is remembered of serials: by the state, and by what was read in its pages for this command.
#[derive(Clone, Copy)]
struct Memory<'m> {
    claims: &'m Claims,
    recalled: &'m HashMap<SerialKey, Claim>,
}

impl<'m> Memory<'m> {
    fn find(&self, key: &SerialKey) -> Option<&'m Claim> {
        match self.claims.find(key)? {
            Place::Riding(claim) => Some(claim),
            Place::Sealed(_) => self.recalled.get(key),
        }
    }

    /// Claims that must be read before a command can be decided.
    fn missing(&self, named: &Named) -> Vec<SealedClaim> {
        let unread = named.all().filter(|key| !self.recalled.contains_key(*key));
        let sealed = unread.filter_map(|key| match self.claims.find(key)? {
            Place::Riding(_) => None,
            Place::Sealed(claim) => Some(claim),
        });
        sealed.collect()
    }
}

impl Intake {
    fn accept(
        &self,
        facts: &Facts<'_>,
        batch: &Batch,
        named: &Named,
        memory: Memory<'_>,
    ) -> Result<Decision<Self>, Rejection> {
        if let Some(known) = named.batch.as_ref().and_then(|key| memory.find(key)) {
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
        let originals: Vec<Option<&Claim>> =
            named.amended.iter().map(|key| memory.find(key.as_ref()?)).collect();
        let keyed = batch.rows.iter().zip(&named.records).zip(&originals);
        let verdicts: Vec<RowVerdict> = keyed
            .map(|((row, key), original)| match seen.insert(key) {
                true => self.verdict(facts, row, memory.find(key), *original),
                false => RowVerdict::Refused(Reason::Duplicate),
            })
            .collect();
        let amends = |row: &CheckedRow, known: Option<&Claim>| {
            let original = row.amends.clone()?;
            let record = known.map(|claim| claim.record(self.app));
            let day = known.map_or(facts.now.day(), |claim| claim.day);
            Some(Amends { original, record, day })
        };
        let rows = batch.rows.iter().zip(originals).zip(&verdicts);
        let rows = rows.map(|((row, original), verdict)| BatchRow {
            serial: row.serial.clone(),
            digest: row.digest,
            ccid: row.ccid.clone(),
            account: row.account,
            scene: row.scene,
            behaviour: row.behaviour.clone(),
            amends: amends(row, original),
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
    fn verdict(
        &self,
        facts: &Facts<'_>,
        row: &CheckedRow,
        known: Option<&Claim>,
        original: Option<&Claim>,
    ) -> RowVerdict {
        if let Some(known) = known {
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
        let original = row.amends.as_ref().map(|_| original);
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
}

impl Machine for Intake {
    type Command = IntakeAsk;
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

    fn decide(&self, facts: &Facts<'_>, ask: &IntakeAsk) -> Result<Decision<Self>, Rejection> {
        let named = Named::by(&ask.command);
        let memory = Memory { claims: &self.claims, recalled: &ask.recalled };
        let missing = memory.missing(&named);
        if !missing.is_empty() {
            return Ok(Decision::answer(IntakeReply::Recall(missing)));
        }
        let batch = named.batch.as_ref().and_then(|key| memory.find(key));
        let records = named.records.iter().map(|key| memory.find(key));
        Ok(Decision::answer(match &*ask.command {
            IntakeCommand::Accept(batch) => return self.accept(facts, batch, &named, memory),
            IntakeCommand::FindBatch(_) => IntakeReply::Batch(batch.map(|claim| claim.batch)),
            IntakeCommand::FindRecords(_) => {
                let record = |claim: Option<&Claim>| claim.map(|claim| claim.record(self.app));
                IntakeReply::Records(records.map(record).collect())
            }
            IntakeCommand::FindDigests(_) => {
                let digest = |claim: Option<&Claim>| claim.map(|claim| claim.digest);
                IntakeReply::Digests(records.map(digest).collect())
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
                self.torn |= self.claims.knows(&key);
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
