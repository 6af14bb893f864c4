//! Switches that make a sandbox server behave badly, set at the start or over
//! `POST /sandbox/faults`; what they do is drawn from the seed, so that a run can be had again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use carbon_protocol::signature;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

/// What a server does wrong. All off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Switches {
    /// Every answer waits so many milliseconds.
    pub slow_ms: u64,
    /// Of a hundred requests, so many are answered 500 and not carried out.
    pub error_percent: u8,
    /// Of a hundred requests, so many are carried out, yet answered 500: the caller asks again and
    /// meets its own traces.
    pub lost_percent: u8,
    /// Of a hundred citizens, so many have no account here (C101, Q101).
    pub no_account_percent: u8,
    /// Whether 02.Z203 is refused.
    pub refuse_link: bool,
    /// Of a hundred records, C201 tells so many otherwise than they were submitted.
    pub lie_percent: u8,
    /// Whether answers carry a signature that is not theirs.
    pub forge: bool,
    /// Whether answers have a body that no contract knows.
    pub garble: bool,
}

/// The switches of one server.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    seed: u64,
    drawn: AtomicU64,
    switches: RwLock<Switches>,
}

impl Faults {
    /// Switches in their first position.
    pub fn new(seed: u64, switches: Switches) -> Self {
        Self(Arc::new(Inner { seed, drawn: AtomicU64::new(0), switches: RwLock::new(switches) }))
    }

    /// How the switches stand.
    pub fn switches(&self) -> Switches {
        *self.0.switches.read()
    }

    /// Sets all of them.
    pub fn set(&self, switches: Switches) {
        *self.0.switches.write() = switches;
    }

    /// Whether a citizen falls among those without an account here.
    pub fn without_account(&self, app: &str, id_no: &str) -> bool {
        let share = self.switches().no_account_percent;
        let about = format!("{}|{app}|{id_no}", self.0.seed);
        signature::digest8(about.as_bytes()) % 100 < u64::from(share)
    }

    /// Whether C201 lies about a record.
    pub fn lies_about(&self, serial: &str) -> bool {
        let about = format!("{}|raw|{serial}", self.0.seed);
        signature::digest8(about.as_bytes()) % 100 < u64::from(self.switches().lie_percent)
    }

    /// Two throws of a hundred-sided die for the next request.
    fn throw(&self) -> (u8, u8) {
        let turn = self.0.drawn.fetch_add(1, Ordering::Relaxed);
        let drawn = signature::digest8(format!("{}#{turn}", self.0.seed).as_bytes());
        // Both remainders are below 100.
        ((drawn % 100) as u8, (drawn / 100 % 100) as u8)
    }

    /// The routes that show and set the switches.
    pub fn routes(&self) -> Router {
        let shown = async |State(faults): State<Self>| Json(faults.switches());
        let set = async |State(faults): State<Self>, Json(switches): Json<Switches>| {
            faults.set(switches);
            Json(switches)
        };
        Router::new().route("/sandbox/faults", get(shown).post(set)).with_state(self.clone())
    }

    /// Puts the switches before a server's routes.
    pub fn over(&self, routes: Router) -> Router {
        routes.layer(axum::middleware::from_fn_with_state(self.clone(), misbehave))
    }
}

async fn misbehave(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let switches = faults.switches();
    let (first, second) = faults.throw();
    if switches.slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(switches.slow_ms)).await;
    }
    if first < switches.error_percent {
        return broken();
    }
    let mut answer = next.run(request).await;
    if switches.forge {
        answer.headers_mut().insert(signature::SIGN, HeaderValue::from_static("00"));
    }
    if switches.garble {
        *answer.body_mut() = "{\"answer\": 42".into();
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    if second < switches.lost_percent { broken() } else { answer }
}

fn broken() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "told to fail").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_faults() {
        let throws = |seed| {
            let faults = Faults::new(seed, Switches::default());
            (0..200).map(|_| faults.throw()).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        assert!(throws(7).iter().all(|(a, b)| *a < 100 && *b < 100));
    }

    #[test]
    fn about_the_share_asked_for_has_no_account() {
        let share = |percent| {
            let switches = Switches { no_account_percent: percent, ..Switches::default() };
            let faults = Faults::new(1, switches);
            (0..2000).filter(|no| faults.without_account("metro", &no.to_string())).count()
        };
        assert_eq!((share(0), share(100)), (0, 2000));
        assert!((120..=280).contains(&share(10)), "{}", share(10));
    }
}
