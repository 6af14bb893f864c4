//! What an intake remembers of serials: the newest claims ride in the snapshot, the older ones lie
//! in sealed pages, so that a turn writes what is new and not what is known. In memory is, of every
//! serial, in which page it lies: some 32 bytes, where a city's month has hundreds of millions.

use std::collections::{HashMap, VecDeque};

use carbon_protocol::Day;
use carbon_protocol::intake::{Claim, SealedClaim, SerialKey};
use serde::{Deserialize, Serialize};

use crate::machines::pages::FreshPages;

/// Claims that ride in the snapshot at most; as many are sealed as a page. Some 45 bytes each.
pub const PAGE: usize = 512;
/// Days beyond that window for which serials are kept: late batches.
const LATE_DAYS: i32 = 3;

/// A sealed page: its number, and the newest day in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    number: u32,
    newest: Day,
}

/// Where a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'c> {
    /// At hand.
    Riding(&'c Claim),
    /// In a page.
    Sealed(SealedClaim),
}

/// All claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// The newest, in the order they were made.
    riding: Vec<Claim>,
    /// Pages whose claims are remembered, oldest first.
    pages: VecDeque<Sealed>,
    /// Number of the next page, in which all that ride will lie.
    next_page: u32,
    /// Longest window ever decided under, in days: of acceptance, or of correction.
    window: u16,
    /// Behaviour before this day is not accepted any more: its serials may be forgotten.
    forgotten_before: Day,
    /// The page of every claim.
    #[serde(skip)]
    known: HashMap<SerialKey, u32>,
    /// Pages made or let go since they were last handed out; an empty one was let go.
    #[serde(skip)]
    fresh: FreshPages,
}

impl Claims {
    /// Whether a serial is claimed.
    pub fn knows(&self, key: &SerialKey) -> bool {
        self.known.contains_key(key)
    }

    /// Where the claim of a serial is.
    pub fn find(&self, key: &SerialKey) -> Option<Place<'_>> {
        let page = *self.known.get(key)?;
        if page == self.next_page {
            return self.riding.iter().find(|claim| claim.key == *key).map(Place::Riding);
        }
        Some(Place::Sealed(SealedClaim { page: page.into(), key: *key }))
    }

    /// Behaviour of earlier days is refused as too old.
    pub fn forgotten_before(&self) -> Day {
        self.forgotten_before
    }

    /// Remembers a claim; seals a page when too many ride.
    pub fn remember(&mut self, claim: Claim) {
        self.known.insert(claim.key, self.next_page);
        self.riding.push(claim);
        if self.riding.len() < PAGE {
            return;
        }
        let page = std::mem::take(&mut self.riding);
        let newest = page.iter().map(|claim| claim.day).max().unwrap_or_default();
        let number = self.next_page;
        self.next_page += 1;
        self.pages.push_back(Sealed { number, newest });
        self.fresh.seal(number.into(), &page);
    }

    /// Lets go of pages whose newest day is accepted no more.
    pub fn forget(&mut self, today: Day, remembered_days: u16) {
        self.window = self.window.max(remembered_days);
        let days = i32::from(self.window).saturating_add(LATE_DAYS);
        let before = today.plus(days.saturating_neg());
        if self.pages.front().is_none_or(|page| page.newest >= before) {
            return;
        }
        while let Some(page) = self.pages.pop_front_if(|page| page.newest < before) {
            self.fresh.let_go(page.number.into());
        }
        self.forgotten_before = self.forgotten_before.max(before);
        let first = self.pages.front().map_or(self.next_page, |page| page.number);
        self.known.retain(|_, page| *page >= first);
    }

    /// Pages to be stored.
    pub fn take_pages(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.fresh.take()
    }

    /// Fills memory from the pages; false where one is missing or damaged.
    #[must_use]
    pub fn load(&mut self, pages: &[(u64, Vec<u8>)]) -> bool {
        let stored: HashMap<u64, &Vec<u8>> =
            pages.iter().map(|(number, bytes)| (*number, bytes)).collect();
        for Sealed { number, .. } in &self.pages {
            let bytes = stored.get(&u64::from(*number));
            let Some(claims) = bytes.and_then(|bytes| decode_page(bytes)) else { return false };
            self.known.extend(claims.into_iter().map(|claim| (claim.key, *number)));
        }
        self.known.extend(self.riding.iter().map(|claim| (claim.key, self.next_page)));
        true
    }
}

/// The claims in a sealed page; nothing where it is none.
pub fn decode_page(bytes: &[u8]) -> Option<Vec<Claim>> {
    rmp_serde::from_slice(bytes).ok()
}
