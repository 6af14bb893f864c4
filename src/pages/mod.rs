//! The H5 pages (碳普惠专区): server-rendered, without scripts, Chinese first. Citizens enter by a
//! single-use ticket and walk by links and forms; whatever takes time is waited for on a page that
//! asks the account.

mod agreements;
mod closing;
mod entering;
mod errands;
mod frame;
mod guests;
mod home;
mod malls;
mod opening;
mod partner;
mod result;
mod scenes;
mod sessions;
mod speech;
mod sun_code;
#[cfg(test)]
mod tests;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use carbon_actors::platform::Platform;
use carbon_protocol::seal::DataKey;
use carbon_protocol::{Reason, Timestamp};
use serde::Deserialize;
use url::Url;

use self::sessions::{Sessions, Spent};
use self::trouble::Trouble;
use crate::tickets::{AuthTicket, EntryTicket, Tickets};

/// The largest form that is read.
const FORM_BYTES: usize = 32 * 1024;
/// How long a form may take to arrive.
const FORM_TIME: Duration = Duration::from_secs(20);

/// What can be set of the pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Sessions at a time; more are answered 503.
    pub sessions: usize,
    /// How long a session lives without a request.
    pub session_idle_seconds: u64,
    /// City tickets that are remembered as used.
    pub city_tickets: usize,
    /// Wrong SMS codes before a new one must be asked for.
    pub sms_tries: u32,
    /// SMS codes sent in one session.
    pub sms_sends: u32,
    /// Pause between two SMS codes.
    pub sms_pause_seconds: u64,
    /// How long a waiting page is held back for its errand to end, in milliseconds: most end
    /// sooner, and the citizen sees the result at once.
    pub errand_wait_ms: u64,
}

/// What the pages work with. Cloning it is cheap.
#[derive(Clone)]
pub struct PagesState(Arc<Inner>);

struct Inner {
    platform: Platform,
    config: Config,
    public_url: Url,
    city_app_key: DataKey,
    entries: Arc<Tickets<EntryTicket>>,
    codes: Arc<Tickets<AuthTicket>>,
    sessions: Sessions,
    spent: Spent,
}

impl PagesState {
    /// Pages over a platform, reached at `public_url`; `city_app_key` opens the tickets of 随申办.
    pub fn new(
        platform: Platform,
        config: Config,
        public_url: Url,
        city_app_key: DataKey,
        entries: Arc<Tickets<EntryTicket>>,
        codes: Arc<Tickets<AuthTicket>>,
    ) -> Self {
        let idle = Duration::from_secs(config.session_idle_seconds);
        let sessions = Sessions::new(config.sessions, idle);
        let spent = Spent::default();
        Self(Arc::new(Inner {
            platform,
            config,
            public_url,
            city_app_key,
            entries,
            codes,
            sessions,
            spent,
        }))
    }

    fn platform(&self) -> &Platform {
        &self.0.platform
    }

    fn config(&self) -> &Config {
        &self.0.config
    }

    fn public_url(&self) -> &Url {
        &self.0.public_url
    }

    fn city_app_key(&self) -> &DataKey {
        &self.0.city_app_key
    }

    fn entries(&self) -> &Tickets<EntryTicket> {
        &self.0.entries
    }

    fn codes(&self) -> &Tickets<AuthTicket> {
        &self.0.codes
    }

    fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    fn spend(&self, nonce: &str, now: Timestamp, expires: Timestamp) -> bool {
        self.0.spent.spend(nonce, now.0, expires.0, self.0.config.city_tickets)
    }
}

/// All pages, below `/h5`.
pub fn router(state: PagesState) -> Router {
    Router::new()
        .route("/h5/enter", get(entering::enter))
        .route("/h5/", get(home::show))
        .route("/h5", get(home::show))
        .route("/h5/open", get(opening::show).post(opening::agree))
        .route("/h5/open/code", get(opening::code_page).post(opening::check_code))
        .route("/h5/open/resend", post(opening::resend))
        .route("/h5/scenes", get(scenes::list))
        .route("/h5/scenes/{app}/{scene}/light", get(scenes::light_page).post(scenes::light))
        .route("/h5/scenes/{app}/{scene}/revoke", get(scenes::revoke_page).post(scenes::revoke))
        .route("/h5/errands/{app}", get(errands::show))
        .route("/h5/light", get(partner::show).post(partner::light))
        .route("/h5/return", get(partner::back))
        .route("/h5/malls/{app}/link", get(malls::link_page).post(malls::link))
        .route("/h5/malls/{app}/enter", post(malls::enter))
        .route("/h5/malls/{app}/unlink", get(malls::unlink_page).post(malls::unlink))
        .route("/h5/close", get(closing::show).post(closing::close))
        .route("/h5/style.css", get(frame::style))
        .route("/h5/{*rest}", get(nowhere))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(middleware::from_fn(frame::around))
        .with_state(state)
}

async fn nowhere() -> Trouble {
    Trouble::from(Reason::NotFound)
}
