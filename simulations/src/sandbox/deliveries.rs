//! What a partner keeps of the pushes that it received: every try with its headers, for the
//! auditor to count and check.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use carbon_protocol::Timestamp;
use carbon_protocol::contracts::identity::Sent;
use carbon_protocol::contracts::z601::Challenge;
use carbon_protocol::courier::PushKind;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::watch;

use super::wire::{self, Incoming, Keys, Nonces};

/// One try of one push.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// When it came.
    pub at: Timestamp,
    /// The kind, as its address says: `Z203`, `Z305`.
    pub kind: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the platform had signed it; one that it had not was answered 401.
    pub verified: bool,
}

impl Delivery {
    /// The body as a contract's type.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }
}

/// All that came; clones share it.
#[derive(Clone)]
pub struct Deliveries {
    kept: Arc<Mutex<Vec<Delivery>>>,
    count: Arc<watch::Sender<usize>>,
    counted: Arc<Counted>,
}

/// What a load run knows of pushes: numbers alone, since to keep a city's pushes would take more
/// memory than a generator may have.
#[derive(Default)]
struct Counted {
    only: AtomicBool,
    items: AtomicU64,
    authorizations: AtomicU64,
    /// The numbers that came, by a hash of series and pseudonym; none where nobody asks for them.
    came: OnceLock<Mutex<HashMap<u64, Numbers>>>,
    hasher: RandomState,
}

/// As much of a push as is needed to count its items.
#[derive(Deserialize)]
struct Items<'b> {
    #[serde(borrow)]
    items: Vec<Numbered<'b>>,
}

#[derive(Deserialize)]
struct Numbered<'b> {
    ccid: &'b str,
    sequence: u32,
}

/// Numbers that came, as spans from the first to the last, in order: one span unless some are
/// missing.
#[derive(Default)]
struct Numbers(Vec<(u32, u32)>);

impl Numbers {
    fn add(&mut self, number: u32) {
        let at = self.0.partition_point(|(_, last)| last.saturating_add(1) < number);
        match self.0.get_mut(at) {
            Some((first, last)) if first.saturating_sub(1) <= number => {
                (*first, *last) = ((*first).min(number), (*last).max(number));
            }
            _ => self.0.insert(at, (number, number)),
        }
        // The gap to the next span may have been the last one.
        if let Some([one, next]) = self.0.get_mut(at..at + 2)
            && one.1.saturating_add(1) >= next.0
        {
            one.1 = next.1;
            self.0.remove(at + 1);
        }
    }
}

impl Counted {
    fn count(&self, kind: &str, items: &[Numbered<'_>]) {
        let many = items.len() as u64;
        self.items.fetch_add(many, Ordering::Relaxed);
        if kind == "Z203" {
            self.authorizations.fetch_add(many, Ordering::Relaxed);
        }
        let Some(came) = self.came.get() else { return };
        // Entries of either bill are numbered by themselves, everything else together.
        let bills = PushKind::ALL.into_iter().filter(|kind| kind.is_of_bill());
        let series = bills.map(PushKind::code).find(|code| *code == kind);
        let mut came = came.lock();
        for item in items {
            let key = self.hasher.hash_one((series, item.ccid));
            came.entry(key).or_default().add(item.sequence);
        }
    }
}

impl Default for Deliveries {
    fn default() -> Self {
        let (kept, counted) = (Arc::default(), Arc::default());
        Self { kept, count: Arc::new(watch::Sender::new(0)), counted }
    }
}

impl Deliveries {
    /// Everything so far, in the order it came.
    pub fn all(&self) -> Vec<Delivery> {
        self.kept.lock().clone()
    }

    /// How many tries there were.
    pub fn count(&self) -> usize {
        self.kept.lock().len()
    }

    /// The tries after the first `seen`: for an auditor that reads on.
    pub fn after(&self, seen: usize) -> Vec<Delivery> {
        self.kept.lock().get(seen..).unwrap_or_default().to_vec()
    }

    /// Waits until more than `seen` came; false when that took longer than `patience`.
    pub async fn more_than(&self, seen: usize, patience: Duration) -> bool {
        let mut count = self.count.subscribe();
        let more = count.wait_for(|count| *count > seen);
        matches!(tokio::time::timeout(patience, more).await, Ok(Ok(_)))
    }

    /// From now on only numbers are kept.
    pub fn count_only(&self) {
        self.counted.only.store(true, Ordering::Relaxed);
    }

    /// From now on numbers are kept, and of each pseudonym which of its events came.
    pub fn follow_only(&self) {
        self.counted.came.get_or_init(Mutex::default);
        self.count_only();
    }

    /// Items of all verified pushes since [`Self::count_only`], repeated ones included.
    pub fn items(&self) -> u64 {
        self.counted.items.load(Ordering::Relaxed)
    }

    /// Of them, those of Z203.
    pub fn authorizations(&self) -> u64 {
        self.counted.authorizations.load(Ordering::Relaxed)
    }

    /// Of how many pseudonyms events came since [`Self::follow_only`], and of how many of them some
    /// are missing between the first and the last that came (INV-07).
    pub fn sequences(&self) -> (u64, u64) {
        let Some(came) = self.counted.came.get() else { return (0, 0) };
        let came = came.lock();
        let gaps = came.values().filter(|numbers| numbers.0.len() > 1).count();
        (came.len() as u64, gaps as u64)
    }

    fn keep(&self, delivery: Delivery) {
        if self.counted.only.load(Ordering::Relaxed) {
            if delivery.verified
                && let Ok(Items { items }) = serde_json::from_slice(&delivery.body)
            {
                self.counted.count(&delivery.kind, &items);
            }
            return;
        }
        let mut kept = self.kept.lock();
        kept.push(delivery);
        self.count.send_replace(kept.len());
    }
}

/// Takes a push, or the challenge that verifies the address: returned as it was sent.
pub fn receive(
    kind: &str,
    incoming: &Incoming,
    keys: &Keys,
    nonces: &Nonces,
    deliveries: &Deliveries,
) -> Response {
    let checked = wire::verify(incoming, keys, nonces);
    if checked.is_ok() && incoming.read::<Challenge>().is_ok() {
        let request = uuid::Uuid::now_v7().to_string();
        return wire::signed(keys, 200, &request, incoming.body.to_vec());
    }
    let checked = checked.and_then(|()| incoming.read::<IgnoredAny>().map(|_| Sent {}));
    deliveries.keep(Delivery {
        at: wire::now(),
        kind: kind.to_owned(),
        headers: incoming.headers.clone(),
        body: incoming.body.to_vec(),
        verified: checked.is_ok(),
    });
    wire::answer(keys, checked)
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn numbers_are_whole_once_every_gap_is_filled() {
        for (came, spans) in [
            (&[1, 2, 3][..], &[(1, 3)][..]),
            (&[5, 4, 5, 6], &[(4, 6)]),
            (&[1, 3], &[(1, 1), (3, 3)]),
            (&[1, 3, 2], &[(1, 3)]),
            (&[9, 1, 5, 3, 2, 4], &[(1, 5), (9, 9)]),
            (&[7, 1, 8, 2, 7], &[(1, 2), (7, 8)]),
        ] {
            let mut numbers = Numbers::default();
            came.iter().for_each(|number| numbers.add(*number));
            assert_eq!(numbers.0, spans, "{came:?}");
        }
    }
}
