//! What scene partners and malls have in common: who they are, whom they know, what they received.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use carbon_protocol::contracts::admin::AppKeys;
use carbon_protocol::contracts::c101::{MatchReply, MatchRequest};
use carbon_protocol::contracts::c201::RawDataRequest;
use carbon_protocol::contracts::z203::AuthorizationPush;
use carbon_protocol::contracts::z304::SubmitRequest;
use carbon_protocol::registry::AppRole;
use carbon_protocol::seal::SealedField;
use carbon_protocol::signature::{self, MacType};
use carbon_protocol::{AppId, Ccid, PartnerUid, Reason, Rejection};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::deliveries::{self, Deliveries};
use super::faults::Faults;
use super::raw::RawData;
use super::wire::{self, Incoming, Keys, Nonces};

/// Largest push that is taken: 500 items with all their records.
const PUSH_BYTES: usize = 32 * 1024 * 1024;

/// A partner's application in the sandbox, shared by its server and the demo.
#[derive(Clone)]
pub struct Partner(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) profile: Profile,
    pub(super) keys: Keys,
    pub(super) chain: Keys,
    pub(super) secret: Vec<u8>,
    pub(super) faults: Faults,
    pub(super) nonces: Nonces,
    pub(super) deliveries: Deliveries,
    pub(super) base: std::sync::OnceLock<String>,
    pub(super) links: Mutex<BTreeMap<Ccid, PartnerUid>>,
    pub(super) raw: Mutex<RawData>,
    pub(super) client: std::sync::OnceLock<super::client::Client>,
}

/// Which partner it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The organisation's id.
    pub partner: &'static str,
    /// Its name.
    pub partner_name: &'static str,
    /// Its unified social credit code.
    pub credit_code: &'static str,
    /// The application's id, which is its code on the identity chain, too.
    pub app: &'static str,
    /// The application's name as citizens know it.
    pub name: &'static str,
    /// What it is.
    pub role: AppRole,
    /// The scenes it submits for: code, name, methodology.
    pub scenes: &'static [(&'static str, &'static str, &'static str)],
}

impl Partner {
    pub(super) fn new(profile: Profile, secret: &[u8], faults: Faults) -> Self {
        let keys = Keys::derive(secret, profile.app);
        // The secret shared with the identity service is another one than that with the platform.
        let chain = Keys {
            app: profile.app.to_owned(),
            ..Keys::derive(secret, &format!("chain|{}", profile.app))
        };
        Self(Arc::new(Inner {
            profile,
            keys,
            chain,
            secret: secret.to_vec(),
            faults,
            nonces: Nonces::default(),
            deliveries: Deliveries::default(),
            base: std::sync::OnceLock::new(),
            links: Mutex::default(),
            raw: Mutex::default(),
            client: std::sync::OnceLock::new(),
        }))
    }

    /// Which partner it is.
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Its keys with the platform.
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Its keys with the identity service.
    pub fn chain_keys(&self) -> &Keys {
        &self.0.chain
    }

    /// Its server's base URL: C101 is at `{base}/C101`.
    pub fn base(&self) -> &str {
        self.0.base.get().map_or("", String::as_str)
    }

    /// Its switches.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The pushes it received.
    pub fn deliveries(&self) -> &Deliveries {
        &self.0.deliveries
    }

    /// Where pushes of a kind go.
    pub fn push_url(&self, kind: &str) -> String {
        format!("{}/push/{kind}", self.base())
    }

    /// What C101 / Q101 answers for a citizen, so that the demo can know before it asks: drawn
    /// from seed, application and ID number.
    pub fn account_of(&self, id_no: &str) -> Option<PartnerUid> {
        let id_no = id_no.trim().to_ascii_uppercase();
        if self.0.faults.without_account(self.0.profile.app, &id_no) {
            return None;
        }
        let about = format!("uid|{}|{id_no}", self.0.profile.app);
        let drawn = signature::mac(MacType::HmacSm3, &self.0.secret, about.as_bytes());
        PartnerUid::parse(&format!("u-{}", hex::encode(&drawn[..8]))).ok()
    }

    /// Keeps the raw data behind a batch that is sent for it, so that C201 can tell it.
    pub fn collected(&self, batch: &SubmitRequest) {
        let mut raw = self.0.raw.lock();
        batch.records.iter().for_each(|record| raw.collect(record));
    }

    /// The routes that every partner has.
    pub(super) fn routes(&self) -> Router {
        let calls = Router::new()
            .route("/C101", post(matched))
            .route("/Q101", post(matched))
            .route("/C201", post(told))
            .route("/push/{kind}", post(pushed))
            .with_state(self.clone());
        let pages = Router::new().route("/return", get(returned)).with_state(self.clone());
        let shown = Router::new()
            .route("/sandbox/pushes", get(shown))
            .route("/sandbox/keys", get(told_keys))
            .route("/sandbox/citizens", get(citizens))
            .with_state(self.clone());
        let calls = calls.layer(DefaultBodyLimit::max(PUSH_BYTES));
        self.0.faults.over(calls).merge(pages).merge(shown).merge(self.0.faults.routes())
    }

    /// Serves on a loopback port.
    pub(super) async fn serve(&self, port: u16, more: Router) -> anyhow::Result<()> {
        let base = wire::serve(port, self.routes().merge(more)).await?;
        let _ = self.0.base.set(base);
        Ok(())
    }
}

/// A request with all that its signature is over.
impl<S: Send + Sync> FromRequest<S> for Incoming {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
        let body = Bytes::from_request(Request::new(body), state)
            .await
            .map_err(|refused| refused.into_response())?;
        Ok(Self { method, uri, headers, body })
    }
}

async fn matched(State(partner): State<Partner>, incoming: Incoming) -> Response {
    let keys = &partner.0.keys;
    let work = || {
        wire::verify(&incoming, keys, &partner.0.nonces)?;
        let request: MatchRequest = incoming.read()?;
        let opened = |field: &str, sealed: &SealedField| {
            let plain = sealed.open(&keys.data, &keys.app, field);
            plain.ok_or(Rejection::of_field(Reason::BadCipherText, field))
        };
        opened("name", &request.name)?;
        if let Some(phone) = &request.phone {
            opened("phone", phone)?;
        }
        let id_no = opened("idNo", &request.id_no)?;
        Ok(MatchReply { partner_uid: partner.account_of(&id_no) })
    };
    wire::answer(keys, work())
}

async fn told(State(partner): State<Partner>, incoming: Incoming) -> Response {
    let inner = &partner.0;
    let work = || {
        wire::verify(&incoming, &inner.keys, &inner.nonces)?;
        let request: RawDataRequest = incoming.read()?;
        let raw = inner.raw.lock();
        Ok(raw.tell(&request.serials, |serial| inner.faults.lies_about(serial)))
    };
    wire::answer(&inner.keys, work())
}

async fn pushed(
    State(partner): State<Partner>,
    Path(kind): Path<String>,
    incoming: Incoming,
) -> Response {
    let inner = &partner.0;
    deliveries::receive(&kind, &incoming, &inner.keys, &inner.nonces, &inner.deliveries)
}

/// Where H5 pages come back to.
#[derive(Deserialize)]
struct Back {
    state: Option<String>,
}

async fn returned(State(partner): State<Partner>, Query(back): Query<Back>) -> Response {
    let state = wire::escape(&back.state.unwrap_or_default());
    wire::page(200, partner.0.profile.name, &format!("<p>已返回应用。</p><p>{state}</p>"))
}

/// One try of one push, for people.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    at: carbon_protocol::Timestamp,
    kind: String,
    verified: bool,
    body: serde_json::Value,
}

/// The newest pushes.
async fn shown(State(partner): State<Partner>) -> Json<Vec<Shown>> {
    let deliveries = &partner.0.deliveries;
    let newest = deliveries.after(deliveries.count().saturating_sub(50));
    let show = |delivery: deliveries::Delivery| Shown {
        at: delivery.at,
        verified: delivery.verified,
        body: delivery.read().unwrap_or_default(),
        kind: delivery.kind,
    };
    Json(newest.into_iter().rev().map(show).collect())
}

/// The application's keys, as a registration answers them. A sandbox's keys are worth nothing
/// outside of it, and whoever tries the platform out needs them.
async fn told_keys(State(partner): State<Partner>) -> Response {
    let keys = partner.keys();
    let app_id = match AppId::parse(&keys.app) {
        Ok(app_id) => app_id,
        Err(_) => return StatusCode::NOT_FOUND.into_response(),
    };
    let (sign_key, data_key) = (hex::encode(&keys.sign), hex::encode(keys.data.bytes()));
    let sign_key = Some(sign_key);
    Json(AppKeys { app_id, sign_key, public_key: None, data_key }).into_response()
}

/// A citizen as a partner knows them.
#[derive(Serialize)]
struct Known {
    ccid: Ccid,
}

/// The pseudonyms that the platform has told this partner: by 01.Z203 or 02.Z203.
async fn citizens(State(partner): State<Partner>) -> Json<Vec<Known>> {
    let mut told: BTreeSet<Ccid> = partner.0.links.lock().keys().cloned().collect();
    for delivery in partner.deliveries().all() {
        let push = delivery.verified.then(|| delivery.read::<AuthorizationPush>().ok());
        told.extend(push.flatten().into_iter().flat_map(|push| push.items).map(|item| item.ccid));
    }
    Json(told.into_iter().map(|ccid| Known { ccid }).collect())
}
