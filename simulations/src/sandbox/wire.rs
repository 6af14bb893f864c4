//! The servers' side of the wire: whether a request is signed as the contract says, answers signed
//! the same way, and what of a request is kept for the auditor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::seal::DataKey;
use carbon_protocol::signature::{self, MacType};
use carbon_protocol::{Reason, Rejection, Timestamp};
use parking_lot::Mutex;
use rand::Rng as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How far a caller's clock may be off, in milliseconds.
const WINDOW_MS: i64 = 300_000;

/// Now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A fresh nonce for a signature.
pub fn nonce() -> String {
    hex::encode(rand::rng().random::<[u8; 16]>())
}

/// What two ends of a wire share: a name, the signing key, the key of personal-data fields.
#[derive(Clone)]
pub struct Keys {
    /// The application's id, or its code on the identity chain.
    pub app: String,
    /// Key of the signatures.
    pub sign: Arc<[u8]>,
    /// Key of the personal-data fields.
    pub data: DataKey,
}

impl Keys {
    /// Keys drawn from a secret: the same secret and name make the same keys, so that a sandbox
    /// that is started again is still known to the platform.
    pub fn derive(secret: &[u8], app: &str) -> Self {
        let draw = |what: &str| {
            let about = format!("{what}|{app}");
            signature::mac(MacType::HmacSm3, secret, about.as_bytes())
        };
        let mut data = [0; 16];
        data.copy_from_slice(&draw("data")[..16]);
        Self { app: app.to_owned(), sign: draw("sign").to_vec().into(), data: DataKey::new(data) }
    }
}

/// A request as it came in: what the signature is over.
pub struct Incoming {
    /// Method.
    pub method: Method,
    /// Address.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Incoming {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Rejection::new(Reason::Malformed).with(place(&error)))
    }
}

/// Where JSON went wrong; serde's own message may repeat a value, and values may be personal.
fn place(error: &serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

/// Digests of nonces seen, with their time; those older than the window are forgotten.
#[derive(Default)]
pub struct Nonces(Mutex<SeenNonces>);

#[derive(Default)]
struct SeenNonces {
    times: HashMap<u64, i64>,
    /// How many there may be before the old ones are looked for again.
    sweep_at: usize,
}

impl Nonces {
    fn fresh(&self, app: &str, nonce: &str, now: i64) -> bool {
        let digest = signature::digest8(format!("{app}|{nonce}").as_bytes());
        let mut seen = self.0.lock();
        if seen.times.len() >= seen.sweep_at {
            seen.times.retain(|_, at| now - *at <= 2 * WINDOW_MS);
            // Twice as many next time: under load a sweep for each call would be all it does.
            seen.sweep_at = (2 * seen.times.len()).max(50_000);
        }
        seen.times.insert(digest, now).is_none()
    }
}

/// Checks caller, time, signature and nonce, in this order.
pub fn verify(incoming: &Incoming, keys: &Keys, nonces: &Nonces) -> Result<(), Rejection> {
    let header = |name| incoming.header(name).ok_or(Rejection::new(Reason::Unauthenticated));
    if header(signature::APP_ID)? != keys.app {
        return Err(Reason::UnknownApp.into());
    }
    let stamp: i64 =
        header(signature::TIMESTAMP)?.parse().map_err(|_| Rejection::new(Reason::Malformed))?;
    let nonce = header(signature::NONCE)?;
    let kind: MacType = match incoming.header(signature::SIGN_TYPE) {
        Some(text) => text.parse().map_err(|_| Rejection::new(Reason::BadSignature))?,
        None => MacType::default(),
    };
    let path = incoming.uri.path_and_query().map_or("/", |path| path.as_str());
    let string =
        signature::request_string(incoming.method.as_str(), path, stamp, nonce, &incoming.body);
    if !signature::verify(kind, &keys.sign, &string, header(signature::SIGN)?) {
        return Err(Reason::BadSignature.into());
    }
    let now = now().0;
    if now.saturating_sub(stamp).saturating_abs() > WINDOW_MS {
        return Err(Reason::StaleTimestamp.into());
    }
    if !nonces.fresh(&keys.app, nonce, now) {
        return Err(Reason::NonceReplayed.into());
    }
    Ok(())
}

/// Answers in the envelope, signed.
pub fn answer<T: Serialize>(keys: &Keys, outcome: Result<T, Rejection>) -> Response {
    let request = uuid::Uuid::now_v7().to_string();
    let (status, envelope) = match outcome {
        Ok(data) => (200, Envelope::ok(data, request.clone())),
        Err(no) => (no.reason.status(), refusal(no, request.clone())),
    };
    // Only maps with keys that are no text fail to serialise; there is none here.
    let body = serde_json::to_vec(&envelope).unwrap_or_default();
    signed(keys, status, &request, body)
}

fn refusal<T>(no: Rejection, request_id: String) -> Envelope<T> {
    Envelope {
        code: no.reason.code().into(),
        msg: no.reason.zh().into(),
        data: None,
        request_id,
        reason: Some(no.reason),
        field: no.field,
        detail: no.detail,
        retryable: Some(no.reason.retryable()),
    }
}

/// An answer of these bytes, signed.
pub fn signed(keys: &Keys, status: u16, request: &str, body: Vec<u8>) -> Response {
    let (stamp, nonce) = (now().0, nonce());
    let string = signature::answer_string(status, request, stamp, &nonce, &body);
    let sign = signature::sign(MacType::HmacSm3, &keys.sign, &string);
    let mut response = body.into_response();
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in [
        (signature::REQUEST_ID, request.to_owned()),
        (signature::TIMESTAMP, stamp.to_string()),
        (signature::NONCE, nonce),
        (signature::SIGN_TYPE, MacType::HmacSm3.to_string()),
        (signature::SIGN, sign),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Serves a router on a loopback port (0 for any free one) until the process ends; its base URL.
pub async fn serve(port: u16, router: axum::Router) -> anyhow::Result<String> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("port {port} of the sandbox is taken"))?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "a sandbox server stopped");
        }
    });
    Ok(url)
}

/// Text as it may stand in HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A whole page around some HTML.
pub fn page(status: u16, title: &str, inner: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\
         <body><h1>{title}</h1>{inner}</body></html>",
        title = escape(title)
    );
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    (status, [("content-type", "text/html; charset=utf-8")], html).into_response()
}
