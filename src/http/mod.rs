//! The door: every contract as an HTTP interface. Shape, signature and scope are checked here;
//! what needs memory or time is decided by the machines behind the platform.

mod accounts;
mod books;
mod declared;
mod declaring;
mod dictionaries;
mod document;
mod exchange;
mod fault;
mod feed;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod issuance;
mod json;
mod keys;
mod ladder;
mod lists;
mod m303;
mod m401;
mod m402;
mod nonces;
mod noop;
mod operating;
mod operator;
mod operators;
mod pricing;
mod pushes;
mod routes;
mod sampling;
mod scope;
mod standing;
#[cfg(test)]
mod tests;
mod tokens;
mod trial;
mod z101;
mod z102;
mod z201;
mod z204;
mod z301;
mod z302;
mod z304;
mod z306;
mod z501;
mod z502;
mod z601;

use std::sync::Arc;

use carbon_actors::platform::Platform;
use carbon_protocol::{AppNo, Timestamp};
use serde::Deserialize;

use crate::outbound::Outbound;
use crate::pace::Pace;
use crate::tickets::{AuthTicket, EntryTicket, Tickets};
use dictionaries::Dictionaries;
use nonces::Nonces;
pub use routes::{openapi, router};
use scope::Confirmed;
use tokens::Seals;

/// The door's limits, by name; the configuration states them all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address that citizens and partners reach us by, without a slash at the end.
    pub public_url: String,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a distance dictionary that the operator imports.
    pub dictionary_bytes: usize,
    /// Seconds that a body may take to arrive.
    pub body_seconds: u32,
    /// Seconds that a caller's clock may differ from ours.
    pub window_seconds: u32,
    /// Nonces kept in memory for one application; above it, an honest 503.
    pub nonces_per_app: usize,
    /// Seconds that a token lives.
    pub token_seconds: u32,
    /// Seconds that a token lives on once it was refreshed.
    pub token_overlap_seconds: u32,
    /// Requests of one application in a second.
    pub requests_per_second: u32,
}

/// What the door is given by the wiring.
pub struct Fittings {
    /// The platform.
    pub platform: Platform,
    /// The limits.
    pub config: Config,
    /// Key of tokens and cursors; the same after a restart.
    pub token_key: [u8; 32],
    /// What the operator shows under `/admin/v1`.
    pub operator_key: String,
    /// Links of Z102, shared with the pages.
    pub entries: Arc<Tickets<EntryTicket>>,
    /// authCodes, shared with the pages.
    pub auths: Arc<Tickets<AuthTicket>>,
    /// Calls out, for the challenge of a push address.
    pub outbound: Outbound,
}

/// What every handler works with. Cloning it is cheap.
#[derive(Clone)]
pub struct HttpState(Arc<Inner>);

/// See [`HttpState`].
pub struct Inner {
    platform: Platform,
    config: Config,
    operator_key: String,
    entries: Arc<Tickets<EntryTicket>>,
    auths: Arc<Tickets<AuthTicket>>,
    outbound: Outbound,
    dictionaries: Dictionaries,
    confirmed: Confirmed,
    seals: Seals,
    nonces: Nonces,
    pace: Pace<AppNo>,
}

impl std::ops::Deref for HttpState {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl HttpState {
    /// The door's state, from what the wiring gives.
    pub fn new(fittings: Fittings) -> Self {
        let config = fittings.config;
        let lives = (config.token_seconds, config.token_overlap_seconds);
        Self(Arc::new(Inner {
            seals: Seals::new(fittings.token_key, lives.0, lives.1),
            nonces: Nonces::new(config.window_seconds, config.nonces_per_app),
            pace: Pace::new(config.requests_per_second),
            platform: fittings.platform,
            operator_key: fittings.operator_key,
            entries: fittings.entries,
            auths: fittings.auths,
            outbound: fittings.outbound,
            dictionaries: Dictionaries::default(),
            confirmed: Confirmed::default(),
            config,
        }))
    }

    /// The time put on answers: the platform's, or the wall's where that is not to be trusted.
    fn stamp(&self) -> Timestamp {
        let wall = || Timestamp(jiff::Timestamp::now().as_millisecond());
        self.platform.now().unwrap_or_else(|_| wall())
    }
}
