//! What an intake remembers of serials: all of them in memory, the newest also in the snapshot, the
//! older ones in sealed pages, so that a turn writes what is new and not what is known.

use std::collections::{HashMap, VecDeque};

use carbon_protocol::Day;
use serde::{Deserialize, Serialize};

use crate::machines::pages::FreshPages;

/// Claims that ride in the snapshot at most; as many are sealed as a page. Some 45 bytes each.
pub const PAGE: usize = 512;
/// Days beyond that window for which serials are kept: late batches.
const LATE_DAYS: i32 = 3;

/// A serial as sixteen bytes of its SM3. Two that collide would have to be made on purpose, by the
/// very partner whose record would then be refused.
pub type Key = [u8; 16];

/// A claimed serial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Of which serial.
    #[serde(with = "serde_bytes")]
    pub key: Key,
    /// What it was claimed for.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// In which batch.
    pub batch: u32,
    /// In which row.
    pub row: u16,
    /// The day of the behaviour: claims are forgotten by it.
    pub day: Day,
}

/// A sealed page: its number, and the newest day in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    number: u64,
    newest: Day,
}

/// All claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// The newest, in the order they were made.
    riding: Vec<Claim>,
    /// Pages whose claims are remembered, oldest first.
    pages: VecDeque<Sealed>,
    /// Number of the next page.
    next_page: u64,
    /// Longest window ever decided under, in days: of acceptance, or of correction.
    window: u16,
    /// Behaviour before this day is not accepted any more: its serials may be forgotten.
    forgotten_before: Day,
    #[serde(skip)]
    known: HashMap<Key, Claim>,
    /// Pages made or let go since they were last handed out; an empty one was let go.
    #[serde(skip)]
    fresh: FreshPages,
}

impl Claims {
    /// What is known of a serial.
    pub fn find(&self, key: &Key) -> Option<&Claim> {
        self.known.get(key)
    }

    /// Behaviour of earlier days is refused as too old.
    pub fn forgotten_before(&self) -> Day {
        self.forgotten_before
    }

    /// Remembers a claim; seals a page when too many ride.
    pub fn remember(&mut self, claim: Claim) {
        self.known.insert(claim.key, claim.clone());
        self.riding.push(claim);
        if self.riding.len() < PAGE {
            return;
        }
        let page = std::mem::take(&mut self.riding);
        let newest = page.iter().map(|claim| claim.day).max().unwrap_or_default();
        let number = self.next_page;
        self.next_page += 1;
        self.pages.push_back(Sealed { number, newest });
        self.fresh.seal(number, &page);
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
            self.fresh.let_go(page.number);
        }
        // All claims of those days go together, in whatever page they lie.
        self.forgotten_before = self.forgotten_before.max(before);
        self.known.retain(|_, claim| claim.day >= before);
        self.riding.retain(|claim| claim.day >= before);
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
        let keep = self.forgotten_before;
        for page in &self.pages {
            let claims = stored
                .get(&page.number)
                .and_then(|bytes| rmp_serde::from_slice::<Vec<Claim>>(bytes).ok());
            let Some(claims) = claims else { return false };
            let kept = claims.into_iter().filter(|claim| claim.day >= keep);
            self.known.extend(kept.map(|claim| (claim.key, claim)));
        }
        self.known.extend(self.riding.iter().map(|claim| (claim.key, claim.clone())));
        true
    }
}
