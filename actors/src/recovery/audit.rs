//! The audit of the whole journal: every machine replayed in memory, every invariant checked that
//! one journal can show, and the trial balance over all accounts.

use std::collections::HashMap;
use std::sync::Arc;

use carbon_protocol::account::{AccountEvent, Consent, GramsBook, PointsBook};
use carbon_protocol::entry::{Entry, Event, FORMAT, Stream};
use carbon_protocol::registry::RegistryEvent;
use carbon_protocol::{AppNo, Did, Grams, Points, RecordRef};

use super::replica::{AnyMachine, Replica};
use super::{READ, whole};
use crate::invariants::{Verdict, Violation, inv01_grams, inv01_points, inv04_consent};
use crate::ports::{Committed, Failure, Journal};

/// What an audit saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// Streams they are of.
    pub streams: u64,
    /// Accounts among them.
    pub accounts: u64,
    /// The grams books of all accounts together.
    pub grams: GramsBook,
    /// The points books of all accounts together.
    pub points: PointsBook,
}

/// Walks the whole journal. Fails at the first thing that is wrong, and says at which entry or of
/// which stream.
pub fn verify(journal: Arc<dyn Journal>) -> Result<Verified, Failure> {
    whole(&*journal)?;
    let mut audit = Audit::default();
    loop {
        let entries = journal.read(audit.position, READ)?;
        if entries.is_empty() {
            return audit.balance();
        }
        for committed in &entries {
            audit.take(committed)?;
        }
    }
}

/// An audit on its way.
#[derive(Default)]
pub struct Audit {
    position: u64,
    replicas: HashMap<Stream, Replica>,
    counted: Counted,
    /// Records that a correction or a void took the place of.
    replaced: Counted,
    /// Persons with their accounts (INV-03): one that was closed may be opened again.
    persons: HashMap<Did, Stream>,
    /// Texts that were published (INV-04).
    texts: usize,
}

impl Audit {
    /// Replays the next entry. Fails at whatever is wrong with it.
    pub fn take(&mut self, committed: &Committed) -> Result<(), Failure> {
        let (sequence, entry) = (committed.sequence, &committed.entry);
        let expected = self.position.saturating_add(1);
        if sequence != expected {
            let gap = format!("entry {sequence} follows where {expected} was due");
            return Err(Failure::Journal(gap));
        }
        if entry.format > FORMAT {
            let newer = format!("entry {sequence} is of format {}, newer than this", entry.format);
            return Err(Failure::Journal(newer));
        }
        self.position = sequence;
        self.replay(entry).map_err(|violation| {
            Failure::Invariant(format!("entry {sequence}, {:?}: {violation}", entry.stream))
        })
    }

    fn replay(&mut self, entry: &Entry) -> Verdict {
        let replica =
            self.replicas.entry(entry.stream).or_insert_with(|| Replica::new(entry.stream));
        replica.follow(entry)?;
        replica.drop_pages();
        // Accounts are small: each turn is checked, so that the entry at fault is named.
        if matches!(entry.stream, Stream::Account(_)) {
            replica.check()?;
        }
        for event in &entry.events {
            match event {
                Event::Account(AccountEvent::RecordSubmitted { record, .. }) => {
                    self.counted.once(*record)?;
                }
                Event::Account(AccountEvent::RecordAmended { record, replaced, .. }) => {
                    self.counted.once(*record)?;
                    self.replaced.once(*replaced)?;
                }
                Event::Account(AccountEvent::Opened { did, .. })
                    if self
                        .persons
                        .insert(did.clone(), entry.stream)
                        .is_some_and(|before| before != entry.stream) =>
                {
                    let seen = "a person has a second account".into();
                    return Err(Violation { invariant: "INV-03", seen });
                }
                Event::Account(event) => {
                    for consent in consents(event) {
                        inv04_consent(consent, self.texts)?;
                    }
                }
                Event::Registry(RegistryEvent::AgreementPublished(_)) => {
                    self.texts = self.texts.saturating_add(1);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A stream's own check; accounts are checked with every entry anyway.
    pub fn check(&self, stream: &Stream) -> Result<(), Failure> {
        let checked = self.replicas.get(stream).map_or(Ok(()), Replica::check);
        checked.map_err(|violation| Failure::Invariant(format!("{stream:?}: {violation}")))
    }

    /// Every machine's own check, and the trial balance over all accounts.
    pub fn balance(&self) -> Result<Verified, Failure> {
        self.balanced().map_err(|violation| Failure::Invariant(violation.to_string()))
    }

    fn balanced(&self) -> Result<Verified, Violation> {
        let mut verified = Verified {
            entries: self.position,
            streams: self.replicas.len() as u64,
            accounts: 0,
            grams: GramsBook::default(),
            points: PointsBook::default(),
        };
        for (stream, replica) in &self.replicas {
            replica.check().map_err(|violation| {
                let seen = format!("{stream:?}: {}", violation.seen);
                Violation { seen, ..violation }
            })?;
            if let AnyMachine::Account(account) = &replica.machine {
                let summary = account.summary();
                verified.accounts = verified.accounts.saturating_add(1);
                let sums = add_grams(&mut verified.grams, &summary.grams)
                    .and_then(|()| add_points(&mut verified.points, &summary.points));
                sums.ok_or_else(|| Violation {
                    invariant: "INV-01",
                    seen: "the sum over all accounts overflows".into(),
                })?;
            }
        }
        inv01_grams(&verified.grams)?;
        inv01_points(&verified.points)?;
        Ok(verified)
    }
}

/// Records that were counted by any account (INV-02): a bit a row.
#[derive(Default)]
struct Counted(HashMap<(AppNo, u32), Vec<u64>>);

impl Counted {
    fn once(&mut self, record: RecordRef) -> Verdict {
        let (word, bit) = (usize::from(record.row / 64), 1_u64 << (record.row % 64));
        let rows = self.0.entry((record.app, record.batch)).or_default();
        if rows.len() <= word {
            rows.resize(word + 1, 0);
        }
        if rows[word] & bit != 0 {
            let seen = format!("{record:?} is counted twice");
            return Err(Violation { invariant: "INV-02", seen });
        }
        rows[word] |= bit;
        Ok(())
    }
}

/// What an event says was agreed to.
fn consents(event: &AccountEvent) -> &[Consent] {
    match event {
        AccountEvent::Opened { consents, .. }
        | AccountEvent::SceneLit { consents, .. }
        | AccountEvent::MallLinked { consents, .. } => consents,
        _ => &[],
    }
}

fn add_grams(sum: &mut GramsBook, more: &GramsBook) -> Option<()> {
    let add = |sum: &mut Grams, more: Grams| {
        *sum = sum.checked_add(more)?;
        Some(())
    };
    add(&mut sum.submitted, more.submitted)?;
    add(&mut sum.pending, more.pending)?;
    add(&mut sum.issued, more.issued)?;
    add(&mut sum.refused, more.refused)?;
    add(&mut sum.voided, more.voided)
}

fn add_points(sum: &mut PointsBook, more: &PointsBook) -> Option<()> {
    let add = |sum: &mut Points, more: Points| {
        *sum = sum.checked_add(more)?;
        Some(())
    };
    add(&mut sum.issued, more.issued)?;
    add(&mut sum.available, more.available)?;
    add(&mut sum.held, more.held)?;
    add(&mut sum.redeemed, more.redeemed)?;
    add(&mut sum.expired, more.expired)?;
    add(&mut sum.voided, more.voided)?;
    add(&mut sum.owed, more.owed)
}
