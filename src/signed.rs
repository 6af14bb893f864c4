//! Signed calls out: what the platform asks of the identity service and of partners carries a
//! signature, and an answer counts only with one.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carbon_protocol::envelope::{Envelope, OK};
use carbon_protocol::signature::{
    APP_ID, NONCE, REQUEST_ID, SIGN, SIGN_TYPE, SignType, TIMESTAMP, answer_string, request_string,
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use url::Url;

use crate::outbound::{Answer, NoAnswer, Outbound, Reach};
use crate::signing::Wire;

/// How far an answer's time may be from ours.
const WINDOW_MS: i64 = 5 * 60 * 1000;

/// Why a call came to nothing. Never holds a text of the other side: it may carry anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// There was no answer.
    #[error(transparent)]
    None(#[from] NoAnswer),
    /// The answer's signature is missing, wrong or out of time.
    #[error("the answer is not signed as agreed (status {0})")]
    Unsigned(u16),
    /// The other side refused.
    #[error("it was refused (status {status}, code {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The envelope's code; 0 where it is no number.
        code: u32,
    },
    /// The answer is not what the contract says.
    #[error("the answer is not of the contract")]
    Unreadable,
}

/// Posts a signed body.
pub async fn post(
    outbound: &Outbound,
    reach: Reach,
    url: &Url,
    (app, wire): (&str, &dyn Wire),
    body: Vec<u8>,
) -> Result<Answer, NoAnswer> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let timestamp = now_ms();
    let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
    let string = request_string("POST", &target, timestamp, &nonce, &body);
    let (kind, signature) = wire.sign(&string).map_err(|failure| {
        tracing::error!(%failure, app, "a call out cannot be signed");
        NoAnswer::Unsigned
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        (APP_ID, app),
        (TIMESTAMP, timestamp.to_string().as_str()),
        (NONCE, nonce.as_str()),
        (SIGN_TYPE, kind.to_string().as_str()),
        (SIGN, signature.as_str()),
    ] {
        // An application id that is no header value was declared in vain: nobody can be called.
        headers.insert(name, HeaderValue::from_str(value).map_err(|_| NoAnswer::Refused)?);
    }
    outbound.post(reach, url, headers, body).await
}

/// Posts a signed body and reads the signed envelope that answers it.
pub async fn ask<T: DeserializeOwned>(
    outbound: &Outbound,
    reach: Reach,
    url: &Url,
    caller: (&str, &dyn Wire),
    body: Vec<u8>,
) -> Result<T, Unanswered> {
    let answer = post(outbound, reach, url, caller, body).await?;
    if !is_signed(&answer, caller.1) {
        return Err(Unanswered::Unsigned(answer.status));
    }
    let envelope: Envelope<T> =
        serde_json::from_slice(&answer.body).map_err(|_| Unanswered::Unreadable)?;
    if envelope.code != OK || !(200..300).contains(&answer.status) {
        let code = envelope.code.parse().unwrap_or_default();
        return Err(Unanswered::Refused { status: answer.status, code });
    }
    envelope.data.ok_or(Unanswered::Unreadable)
}

/// Whether an answer was signed by the other end of the wire, just now.
pub fn is_signed(answer: &Answer, wire: &dyn Wire) -> bool {
    let header = |name| answer.header(name).unwrap_or_default();
    let (Ok(kind), Ok(timestamp)) =
        (header(SIGN_TYPE).parse::<SignType>(), header(TIMESTAMP).parse::<i64>())
    else {
        return false;
    };
    if timestamp.saturating_sub(now_ms()).saturating_abs() > WINDOW_MS {
        return false;
    }
    let (request, nonce) = (header(REQUEST_ID), header(NONCE));
    let string = answer_string(answer.status, request, timestamp, nonce, &answer.body);
    wire.is_theirs(kind, &string, header(SIGN)).unwrap_or_else(|failure| {
        tracing::error!(%failure, "an answer cannot be verified");
        false
    })
}

/// Signatures are about now, not about the platform's own order of events: the plain clock will do.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A partner's server for tests: takes one kind of call, checks its signature, signs its answer.
#[cfg(test)]
pub mod rehearsal {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::{HeaderMap, StatusCode, Uri};
    use axum::response::{IntoResponse, Response};
    use carbon_protocol::signature::{MacType, sign, verify};
    use carbon_protocol::sm2::{PrivateKey, PublicKey};
    use parking_lot::Mutex;

    use super::*;

    /// What was called: path, application, body.
    pub type Call = (String, String, Vec<u8>);

    /// How it answers.
    #[derive(Clone)]
    pub struct Script {
        /// Status and body.
        pub answer: (u16, String),
        /// The key it signs its answers with.
        pub key: Vec<u8>,
        /// The key pair it signs its answers with instead, and the public key that calls to it are
        /// then signed by.
        pub pair: Option<(PrivateKey, PublicKey)>,
        /// Headers beyond the signature's.
        pub extra: Vec<(&'static str, &'static str)>,
    }

    /// A running server.
    pub struct Rehearsal {
        /// Its address.
        pub url: String,
        /// How it answers from now on.
        pub script: Arc<Mutex<Script>>,
        /// What was called.
        pub calls: Arc<Mutex<Vec<Call>>>,
    }

    impl Rehearsal {
        /// Starts a server whose callers sign with `key`, as it does.
        pub async fn start(key: &[u8]) -> Self {
            let script = Script {
                answer: (200, "{}".into()),
                key: key.to_vec(),
                pair: None,
                extra: Vec::new(),
            };
            let script = Arc::new(Mutex::new(script));
            let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
            let (shared, kept, key) = (script.clone(), calls.clone(), key.to_vec());
            let app = Router::new().fallback(
                move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
                    answer(&uri, &headers, &body, &key, &shared.lock(), &mut kept.lock())
                },
            );
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, app).await });
            Self { url, script, calls }
        }

        /// Answers with data in an envelope from now on.
        pub fn answers(&self, data: &impl serde::Serialize) {
            let envelope = serde_json::to_string(&Envelope::ok(data, "r-1")).unwrap();
            self.script.lock().answer = (200, envelope);
        }
    }

    fn answer(
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
        key: &[u8],
        script: &Script,
        calls: &mut Vec<Call>,
    ) -> Response {
        let header = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let timestamp = header(TIMESTAMP).parse().unwrap_or_default();
        let target = uri.path_and_query().unwrap().as_str();
        let string = request_string("POST", target, timestamp, header(NONCE), body);
        let right = match &script.pair {
            Some((_, caller)) => {
                header(SIGN_TYPE) == "SM2-SM3" && caller.verify(&string, header(SIGN))
            }
            None => verify(MacType::HmacSm3, key, &string, header(SIGN)),
        };
        if !right {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        calls.push((target.to_owned(), header(APP_ID).to_owned(), body.to_vec()));
        let (status, text) = script.answer.clone();
        let (at, nonce) = (now_ms(), "nonce-of-answer");
        let string = answer_string(status, "r-1", at, nonce, text.as_bytes());
        let (kind, signature) = match &script.pair {
            Some((pair, _)) => ("SM2-SM3", pair.sign(&string)),
            None => ("HMAC-SM3", sign(MacType::HmacSm3, &script.key, &string)),
        };
        let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
        for (name, value) in [
            (REQUEST_ID, "r-1"),
            (TIMESTAMP, at.to_string().as_str()),
            (NONCE, nonce),
            (SIGN_TYPE, kind),
            (SIGN, signature.as_str()),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        for (name, value) in &script.extra {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    }
}
