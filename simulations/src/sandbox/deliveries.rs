//! What a partner keeps of the pushes that it received: every try with its headers, for the
//! auditor to count and check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use carbon_protocol::Timestamp;
use carbon_protocol::contracts::identity::Sent;
use carbon_protocol::contracts::z601::Challenge;
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
}

/// As much of a push as is needed to count its items.
#[derive(Deserialize)]
struct Items {
    items: Vec<IgnoredAny>,
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

    /// Items of all verified pushes since [`Self::count_only`], repeated ones included.
    pub fn items(&self) -> u64 {
        self.counted.items.load(Ordering::Relaxed)
    }

    /// Of them, those of Z203.
    pub fn authorizations(&self) -> u64 {
        self.counted.authorizations.load(Ordering::Relaxed)
    }

    fn keep(&self, delivery: Delivery) {
        if self.counted.only.load(Ordering::Relaxed) {
            let items = delivery.read::<Items>().map_or(0, |push| push.items.len() as u64);
            if delivery.verified {
                self.counted.items.fetch_add(items, Ordering::Relaxed);
            }
            if delivery.verified && delivery.kind == "Z203" {
                self.counted.authorizations.fetch_add(items, Ordering::Relaxed);
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
