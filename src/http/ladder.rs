//! The ladder: every check between a request's arrival and its meaning, in one order, so that of
//! several faults always the same one is told. The type of the extractor is the permission.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::signature::{self, SignType};
use carbon_protocol::{AppId, AppNo, Reason, Timestamp};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::HttpState;
use super::exchange::Exchange;
use super::fault::Fault;
use super::json;
use super::nonces::Seen;
use super::trial::Trial;
use crate::signing::AppWire;

/// Shortest and longest nonce.
const NONCE_LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// Who may call an interface.
pub trait Permission: Send + Sync + 'static {
    /// Whether a bearer token is needed; only asking for one goes without.
    const TOKEN: bool = true;

    /// Whether an application of this role may.
    fn admits(_role: AppRole) -> bool {
        true
    }
}

/// Any application, without a token: Z101.
#[derive(Debug)]
pub struct Newcomer;
/// Any application.
#[derive(Debug)]
pub struct Anyone;
/// Applications of scene partners (场景方).
#[derive(Debug)]
pub struct SceneOnly;
/// Applications of benefit partners (权益方).
#[derive(Debug)]
pub struct MallOnly;

impl Permission for Newcomer {
    const TOKEN: bool = false;
}
impl Permission for Anyone {}
impl Permission for SceneOnly {
    fn admits(role: AppRole) -> bool {
        role == AppRole::Scene
    }
}
impl Permission for MallOnly {
    fn admits(role: AppRole) -> bool {
        role == AppRole::Mall
    }
}

/// A caller who has climbed the ladder.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The application.
    pub app: Arc<App>,
    /// When the request came in.
    pub now: Timestamp,
}

impl Caller {
    /// The application's number, the scope of everything it sees.
    pub fn no(&self) -> AppNo {
        self.app.no
    }
}

/// A signed request with a JSON body.
pub struct Signed<P, T> {
    /// Who calls.
    pub caller: Caller,
    /// What was asked.
    pub body: T,
    permission: PhantomData<P>,
}

/// A signed request whose meaning is in the query.
pub struct Queried<P, T> {
    /// Who calls.
    pub caller: Caller,
    /// What was asked.
    pub query: T,
    /// The request's headers.
    pub headers: HeaderMap,
    permission: PhantomData<P>,
}

/// A signed request whose body means nothing.
pub struct Raw<P> {
    /// Bytes of the body.
    pub bytes: usize,
    permission: PhantomData<P>,
}

impl<P: Permission, T: DeserializeOwned> FromRequest<HttpState> for Signed<P, T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, bytes, caller) = climb::<P>(request, state).await?;
        let body = json::body(&parts.headers, &bytes)?;
        Ok(Self { caller, body, permission: PhantomData })
    }
}

impl<P: Permission, T: DeserializeOwned> FromRequest<HttpState> for Queried<P, T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, _, caller) = climb::<P>(request, state).await?;
        let query = json::query(parts.uri.query())?;
        Ok(Self { caller, query, headers: parts.headers, permission: PhantomData })
    }
}

impl<P: Permission> FromRequest<HttpState> for Raw<P> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (_, bytes, _) = climb::<P>(request, state).await?;
        Ok(Self { bytes: bytes.len(), permission: PhantomData })
    }
}

/// Reads a body within the limits of size and time.
pub async fn read_body(body: Body, state: &HttpState) -> Result<Vec<u8>, Fault> {
    read_within(body, state.config.body_bytes, state).await
}

/// Reads a body of at most so many bytes within the limit of time.
pub async fn read_within(body: Body, most: usize, state: &HttpState) -> Result<Vec<u8>, Fault> {
    let too_large = || Fault::from(Reason::TooLarge).with(format!("at most {most} bytes"));
    let reading = async {
        let mut bytes = Vec::new();
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Fault::from(Reason::Malformed))?;
            if bytes.len() + chunk.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let limit = Duration::from_secs(state.config.body_seconds.into());
    let late = || Fault::from(Reason::Malformed).with("the body did not arrive in time");
    tokio::time::timeout(limit, reading).await.map_err(|_| late())?
}

/// What the headers say, shaped but not believed.
pub(super) struct Claimed<'h> {
    pub app: &'h str,
    pub timestamp: &'h str,
    pub nonce: &'h str,
    pub kind: Option<&'h str>,
    pub signature: &'h str,
    pub token: Option<&'h str>,
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

impl<'h> Claimed<'h> {
    pub fn read<P: Permission>(headers: &'h HeaderMap) -> Result<Self, Fault> {
        let needed = |name: &'static str| {
            header_text(headers, name).ok_or_else(|| Fault::of_field(Reason::Unauthenticated, name))
        };
        let app = needed(signature::APP_ID)?;
        let timestamp = needed(signature::TIMESTAMP)?;
        let nonce = needed(signature::NONCE)?;
        if !NONCE_LENGTH.contains(&nonce.len()) {
            let fault = Fault::of_field(Reason::Unauthenticated, signature::NONCE);
            return Err(fault.with("8 to 64 characters"));
        }
        let token = match P::TOKEN {
            true => Some(needed(header::AUTHORIZATION.as_str())?),
            false => None,
        };
        let signature = needed(signature::SIGN)?;
        let kind = header_text(headers, signature::SIGN_TYPE);
        Ok(Self { app, timestamp, nonce, kind, signature, token })
    }
}

/// Climbs the ladder up to the meaning of the request.
async fn climb<P: Permission>(
    request: Request,
    state: &HttpState,
) -> Result<(Parts, Vec<u8>, Caller), Fault> {
    let (parts, body) = request.into_parts();
    let exchange = parts.extensions.get::<Exchange>().cloned();
    let bytes = read_body(body, state).await?;
    let claimed = Claimed::read::<P>(&parts.headers)?;

    let registry = state.platform.registry();
    let unknown = || Fault::of_field(Reason::UnknownApp, signature::APP_ID);
    let id = AppId::parse(claimed.app).map_err(|_| unknown())?;
    let app = registry.app_by_id(&id).filter(|app| !app.suspended).ok_or_else(unknown)?.clone();
    tracing::Span::current().record("app", app.id.as_str());
    let kind = claimed.kind.map_or(Ok(SignType::default()), str::parse);
    let answer_with = |signer| {
        if let Some(exchange) = &exchange {
            exchange.sign_with(signer);
        }
    };
    let wire = AppWire { vault: state.platform.vault(), app: &app, at: state.stamp() };
    answer_with(wire.newest_for(kind.unwrap_or_default()));

    let now = state.platform.now()?;
    let timestamp = in_window(claimed.timestamp, now, state.config.window_seconds)?;
    let kind = kind.map_err(|error| {
        Fault::of_field(Reason::BadSignature, signature::SIGN_TYPE).with(error.to_string())
    })?;
    let trial =
        Trial { parts: &parts, timestamp, nonce: claimed.nonce, bytes: &bytes, kind, wire: &wire };
    let signer = trial.verdict(claimed.signature)?;
    answer_with(Some(signer));
    match state.nonces.take(app.no, claimed.nonce, now) {
        Seen::New => {}
        Seen::Before => {
            return Err(Fault::of_field(Reason::NonceReplayed, signature::NONCE));
        }
        Seen::Full => return Err(Fault::from(Reason::Busy).with("too many nonces at once")),
    }
    if let Some(token) = claimed.token {
        let bare =
            token.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let valid = bare.is_some_and(|(_, bare)| state.seals.is_valid(bare.trim(), &app, now));
        if !valid {
            return Err(Fault::of_field(Reason::BadToken, header::AUTHORIZATION.as_str()));
        }
    }
    if !P::admits(app.role) {
        return Err(Reason::Forbidden.into());
    }
    if !state.pace.take(app.no, now.0) {
        let limit = state.pace.per_second();
        let detail = format!("requestsPerSecond: {limit}");
        return Err(Fault::from(Reason::RateLimited).with(detail));
    }
    Ok((parts, bytes, Caller { app, now }))
}

/// A timestamp in milliseconds, as its only writing, within the window.
pub(super) fn in_window(text: &str, now: Timestamp, window_seconds: u32) -> Result<i64, Fault> {
    let stale = || Fault::of_field(Reason::StaleTimestamp, signature::TIMESTAMP);
    let parsed = text.parse::<i64>().ok().filter(|parsed| parsed.to_string() == text);
    let given = parsed.ok_or_else(|| stale().with("milliseconds since 1970"))?;
    let apart = given.abs_diff(now.0);
    if apart > u64::from(window_seconds) * 1000 {
        return Err(stale().with(format!("the platform's time is {now}")));
    }
    Ok(given)
}
