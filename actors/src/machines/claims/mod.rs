//! The claims machine: things that anybody may report once, a vehicle's day or a household's month,
//! whoever's account it is for (decision 9). One book for all applications, because the same car
//! may be reported by two of them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use carbon_protocol::claims::{Claim, ClaimsCommand, ClaimsEvent, ClaimsReply};
use carbon_protocol::entry::Stream;
use carbon_protocol::signature::digest8;
use carbon_protocol::{AppNo, Day, Rejection, Serial, Timestamp};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::pages::FreshPages;
use crate::machines::{Decision, Facts, Machine, encoding};

/// The format of an encoded book.
const SNAPSHOT_FORMAT: u8 = 1;
/// Claims that ride in the snapshot at most; as many are sealed as a page, some 30 bytes each.
const PAGE: usize = 512;

/// Who has claimed what. All of it is in memory, some 100 bytes a claim: good for the vehicles and
/// households of some millions of records in the acceptance window, not for tens of millions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    riding: Vec<Claim>,
    /// Sealed pages that still matter, with the newest day in each.
    pages: BTreeMap<u64, Day>,
    next_page: u64,
    /// Claims whose time was over before this day were let go.
    forgotten_before: Day,
    #[serde(skip)]
    owners: HashMap<u128, Claim>,
    #[serde(skip)]
    fresh: FreshPages,
    torn: bool,
}

/// The owner of a claim: a record, so that sending it again keeps what it has.
fn owner(app: AppNo, serial: &Serial) -> u64 {
    digest8(format!("{app} {serial}").as_bytes())
}

impl Claims {
    fn reserve(&self, today: Day, command: &ClaimsCommand) -> Decision<Self> {
        let ClaimsCommand::Reserve { app, rows } = command;
        let mut made: Vec<Claim> = Vec::new();
        let mut mine: HashMap<u128, u64> = HashMap::new();
        let mut verdicts = Vec::with_capacity(rows.len());
        for row in rows {
            let owner = owner(*app, &row.serial);
            let holder = |resource: &u128| {
                let known = self.owners.get(resource).map(|claim| claim.owner);
                known.or_else(|| mine.get(resource).copied())
            };
            // All of a row or nothing of it: a period that is taken on one day is taken.
            let free = row.resources.iter().all(|one| holder(one).is_none_or(|by| by == owner));
            verdicts.push(free);
            // What is over by now is not claimed: intake refuses such a record as too old, and a
            // claim that is forgotten at once would protect nothing.
            if !free || row.keep_until < today {
                continue;
            }
            let own: HashSet<u128> = row.resources.iter().copied().collect();
            let new: Vec<u128> = own.into_iter().filter(|one| holder(one).is_none()).collect();
            for resource in new {
                mine.insert(resource, owner);
                made.push(Claim { resource, owner, keep_until: row.keep_until });
            }
        }
        // In an order of its own: the sets above have none.
        made.sort_by_key(|claim| claim.resource);
        let events = match made.is_empty() {
            true => Vec::new(),
            false => vec![ClaimsEvent::Claimed { claims: made }],
        };
        Decision { events, reply: ClaimsReply(verdicts) }
    }

    fn remember(&mut self, claim: Claim) {
        self.torn |= self.owners.insert(claim.resource, claim).is_some();
        self.riding.push(claim);
        if self.riding.len() < PAGE {
            return;
        }
        let page = std::mem::take(&mut self.riding);
        let newest = page.iter().map(|claim| claim.keep_until).max().unwrap_or_default();
        self.pages.insert(self.next_page, newest);
        self.fresh.seal(self.next_page, &page);
        self.next_page += 1;
    }

    /// Lets go of what no record can claim any more: it would be too old to be accepted.
    fn forget(&mut self, today: Day) {
        let ended: Vec<u64> =
            self.pages.iter().filter(|(_, newest)| **newest < today).map(|(no, _)| *no).collect();
        if ended.is_empty() {
            return;
        }
        for number in ended {
            self.pages.remove(&number);
            self.fresh.let_go(number);
        }
        // In whatever page they lie: `restore` leaves out the same ones.
        self.forgotten_before = self.forgotten_before.max(today);
        let before = self.forgotten_before;
        self.riding.retain(|claim| claim.keep_until >= before);
        self.owners.retain(|_, claim| claim.keep_until >= before);
    }
}

impl Machine for Claims {
    type Command = ClaimsCommand;
    type Event = ClaimsEvent;
    type Reply = ClaimsReply;

    const LOADS_PAGES: bool = true;

    fn new(_stream: Stream) -> Self {
        Self::default()
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &ClaimsCommand,
    ) -> Result<Decision<Self>, Rejection> {
        Ok(self.reserve(facts.now.day(), command))
    }

    fn apply(&mut self, at: Timestamp, event: &ClaimsEvent) {
        let ClaimsEvent::Claimed { claims } = event;
        claims.iter().for_each(|claim| self.remember(*claim));
        self.forget(at.day());
    }

    fn check(&self) -> Result<(), Violation> {
        match self.torn {
            true => {
                let seen = "a vehicle's day or a household's month was claimed twice".into();
                Err(Violation { invariant: "INV-02", seen })
            }
            false => Ok(()),
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let mut book: Self = encoding::decode(SNAPSHOT_FORMAT, snapshot)?;
        let stored: HashMap<u64, &Vec<u8>> = pages.iter().map(|(no, page)| (*no, page)).collect();
        for number in book.pages.keys() {
            let page: Vec<Claim> = rmp_serde::from_slice(stored.get(number)?).ok()?;
            let kept = page.into_iter().filter(|claim| claim.keep_until >= book.forgotten_before);
            book.owners.extend(kept.map(|claim| (claim.resource, claim)));
        }
        book.owners.extend(book.riding.iter().map(|claim| (claim.resource, *claim)));
        (stream == Stream::Claims).then_some(book)
    }

    fn take_pages(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.fresh.take()
    }
}
