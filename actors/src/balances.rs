//! The trial balance: the books of all accounts together, as they stood at one position of the
//! journal, while the platform goes on writing.
//!
//! Accounts are read from the store one after the other, so each is seen at another moment. What
//! the journal says happened between the position and that moment is taken off again: every event
//! is a list of postings, and a posting can be turned round.

use std::collections::HashMap;

use carbon_protocol::AccountId;
use carbon_protocol::entry::{Event, Stream};

use crate::invariants::{Verdict, inv01_zero_sum};
use crate::machines::Machine as _;
use crate::machines::account::{Account, GramsPlace, PointsPlace, Posting, postings};
use crate::ports::{Failure, Journal, Pair, Store, Tree};
use crate::snapshot;

/// Accounts read between two looks at the journal.
const AT_ONCE: usize = 1_000;
/// Entries read at once.
const READ: usize = 512;

/// Balances of all accounts together. The source of each book is as negative as all that ever came
/// into it; the sum of each is zero (INV-01).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalance {
    /// Everything in the journal up to here is in it, and nothing behind.
    pub position: u64,
    /// Accounts there were then, those included that were closed.
    pub accounts: u64,
    /// The grams book, place by place.
    pub grams: [i128; GramsPlace::ALL.len()],
    /// The points book, place by place.
    pub points: [i128; PointsPlace::ALL.len()],
}

impl TrialBalance {
    /// INV-01 over all accounts.
    pub fn check(&self) -> Verdict {
        inv01_zero_sum("grams of all accounts", &self.grams)?;
        inv01_zero_sum("points of all accounts", &self.points)
    }

    fn add(&mut self, account: &Account) {
        for (sum, place) in self.grams.iter_mut().zip(GramsPlace::ALL) {
            *sum += i128::from(account.books().grams(place));
        }
        for (sum, place) in self.points.iter_mut().zip(PointsPlace::ALL) {
            *sum += i128::from(account.books().points(place));
        }
    }

    fn take_off(&mut self, posting: &Posting) {
        match *posting {
            Posting::Grams { from, to, amount } => {
                self.grams[from as usize] += i128::from(amount.0);
                self.grams[to as usize] -= i128::from(amount.0);
            }
            Posting::Points { from, to, amount } => {
                self.points[from as usize] += i128::from(amount.0);
                self.points[to as usize] -= i128::from(amount.0);
            }
        }
    }
}

/// Draws the trial balance up; every account's own invariants are checked on the way. Some ten
/// seconds for a million accounts. Blocks.
pub fn trial_balance(journal: &dyn Journal, store: &dyn Store) -> Result<TrialBalance, Failure> {
    let position = *journal.durable().borrow();
    let mut balance = TrialBalance {
        position,
        accounts: 0,
        grams: [0; GramsPlace::ALL.len()],
        points: [0; PointsPlace::ALL.len()],
    };
    let mut since = Since { read: position, turns: HashMap::new() };
    let first = Stream::Account(AccountId([0; 16])).key();
    // The first key that is no account's: the tag behind theirs.
    let end = vec![first[0].saturating_add(1)];
    let mut from = first;
    loop {
        let page = store.scan(Tree::Snapshots, &from, &end, AT_ONCE, false)?;
        since.read_on(journal)?;
        for pair in &page {
            account(&mut balance, &mut since, pair)?;
        }
        match page.last() {
            Some((last, _)) if page.len() == AT_ONCE => from = [&last[..], &[0]].concat(),
            _ => return Ok(balance),
        }
    }
}

fn account(balance: &mut TrialBalance, since: &mut Since, pair: &Pair) -> Result<(), Failure> {
    let (key, value) = pair;
    let damaged = || Failure::Damaged("an account's snapshot: run `carbon store rebuild`".into());
    let (stream, (version, _, state)) =
        Stream::from_key(key).zip(snapshot::decode(value)).ok_or_else(damaged)?;
    let account = Account::restore(stream, state, &[]).ok_or_else(damaged)?;
    account.check().map_err(|violation| Failure::Invariant(violation.to_string()))?;
    balance.add(&account);
    let mut turns = since.turns.remove(&stream).unwrap_or_default();
    turns.retain(|turn| turn.version <= version);
    turns.iter().flat_map(|turn| &turn.postings).for_each(|posting| balance.take_off(posting));
    // An account whose very first turn came later was not there yet.
    let came_later = turns.iter().any(|turn| turn.version == 1);
    balance.accounts += u64::from(!came_later);
    Ok(())
}

/// What happened since the position, of accounts that are still to be read.
struct Since {
    read: u64,
    turns: HashMap<Stream, Vec<Turn>>,
}

/// One turn of an account.
struct Turn {
    version: u64,
    postings: Vec<Posting>,
}

impl Since {
    /// Reads on until everything is known whose outcome the store may have shown just now.
    fn read_on(&mut self, journal: &dyn Journal) -> Result<(), Failure> {
        let shown = journal.handed_over();
        loop {
            let entries = journal.read(self.read, READ)?;
            if entries.is_empty() && self.read >= shown {
                return Ok(());
            }
            if entries.is_empty() {
                // Its states are in the store, and it is called durable in a moment.
                std::thread::yield_now();
            }
            for committed in &entries {
                self.read = committed.sequence;
                let entry = &committed.entry;
                if !matches!(entry.stream, Stream::Account(_)) {
                    continue;
                }
                let of_account = entry.events.iter().filter_map(|event| match event {
                    Event::Account(event) => Some(postings(event)),
                    _ => None,
                });
                let (version, postings) = (entry.version, of_account.flatten().collect());
                self.turns.entry(entry.stream).or_default().push(Turn { version, postings });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::followers::stage::Stage;
    use crate::recovery;

    #[test]
    fn it_is_what_the_whole_journal_says_and_sums_to_nothing() {
        let stage = Stage::played();
        let balance = trial_balance(&*stage.journal, &*stage.store).unwrap();
        let verified = recovery::verify(stage.journal.clone()).unwrap();
        balance.check().unwrap();
        assert_eq!(balance.accounts, verified.accounts);
        let (grams, points) = (verified.grams, verified.points);
        let amounts =
            |amounts: &[u64]| -> Vec<i128> { amounts.iter().map(|one| i128::from(*one)).collect() };
        let expected = amounts(&[grams.pending.0, grams.issued.0, grams.refused.0, grams.voided.0]);
        assert_eq!(balance.grams[0], -i128::from(grams.submitted.0));
        assert_eq!(balance.grams[1..], expected);
        let expected = amounts(&[
            points.available.0,
            points.held.0,
            points.redeemed.0,
            points.expired.0,
            points.voided.0,
            points.owed.0,
        ]);
        let expected = [expected, vec![-i128::from(points.owed.0)]].concat();
        assert_eq!(balance.points[0], -i128::from(points.issued.0));
        assert_eq!(balance.points[1..], expected);
    }

    #[test]
    fn what_happens_meanwhile_is_taken_off_again() {
        // The store shows the whole story, the balance is drawn up as of every earlier position.
        let stage = Stage::played();
        let all = *stage.journal.durable().borrow();
        for position in 0..=all {
            let late = Late { journal: stage.journal.clone(), position };
            let balance = trial_balance(&late, &*stage.store).unwrap();
            let mut audit = recovery::Audit::default();
            let before = stage.journal.read(0, usize::try_from(position).unwrap()).unwrap();
            before.iter().for_each(|committed| audit.take(committed).unwrap());
            let expected = audit.balance().unwrap();
            assert_eq!(balance.accounts, expected.accounts, "at {position}");
            assert_eq!(-balance.grams[0], i128::from(expected.grams.submitted.0), "at {position}");
            assert_eq!(balance.grams[2], i128::from(expected.grams.issued.0), "at {position}");
            let available = i128::from(expected.points.available.0);
            assert_eq!(balance.points[1], available, "at {position}");
        }
    }

    /// A journal whose end is known late: the balance begins at an earlier position.
    struct Late {
        journal: std::sync::Arc<crate::twins::MemoryJournal>,
        position: u64,
    }

    impl Journal for Late {
        fn append(
            &self,
            group: Vec<crate::ports::Append>,
        ) -> tokio::sync::oneshot::Receiver<Result<u64, Failure>> {
            self.journal.append(group)
        }

        fn read(&self, after: u64, limit: usize) -> Result<Vec<crate::ports::Committed>, Failure> {
            self.journal.read(after, limit)
        }

        fn durable(&self) -> tokio::sync::watch::Receiver<u64> {
            tokio::sync::watch::Sender::new(self.position).subscribe()
        }

        fn handed_over(&self) -> u64 {
            *self.journal.durable().borrow()
        }

        fn first(&self) -> u64 {
            self.journal.first()
        }
    }
}
