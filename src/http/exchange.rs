//! One exchange: gives a request its id, its span and its language, turns what a handler returned
//! into the envelope, and signs the answer as soon as the application is known.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carbon_protocol::envelope::{Envelope, OK};
use carbon_protocol::operators::ActRef;
use carbon_protocol::signature;
use parking_lot::Mutex;
use serde::Serialize;
use tracing::Instrument as _;

use super::HttpState;
use super::fault::Fault;
use super::operator;
use crate::connections::Sender;
use crate::signing::Signer;

/// Characters of a path that the audit log keeps.
const AUDITED_CHARS: usize = 200;

/// What the ladder and the answer share about one request.
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

struct Inner {
    request_id: String,
    signer: Mutex<Option<Signer>>,
    act: OnceLock<ActRef>,
    about: OnceLock<String>,
}

impl Exchange {
    /// The id of the request.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// From here on the answer is signed, with this from now on: first with what the caller claims
    /// to sign with, then with the key that the caller did sign with.
    pub fn sign_with(&self, signer: Option<Signer>) {
        *self.0.signer.lock() = signer;
    }

    /// The request is an act of an operator: its end belongs into the audit log.
    pub fn act_began(&self, act: ActRef) {
        // A request is one act: the first stays.
        let _ = self.0.act.set(act);
    }

    /// What the act is about. The first word stays.
    pub fn act_is_about(&self, what: String) {
        let _ = self.0.about.set(what);
    }
}

/// A successful answer's data, already JSON, with the headers it wants.
#[derive(Clone)]
struct Payload(Bytes);

/// Marks answers that are worth compressing.
#[derive(Debug, Clone, Copy)]
pub struct Compressible;

/// Data on its way into the envelope.
#[derive(Debug)]
pub struct Data<T>(pub T);

/// What handlers return.
pub type Answer<T> = Result<Data<T>, Fault>;

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        match serde_json::to_vec(&self.0) {
            Ok(json) => {
                response.extensions_mut().insert(Payload(json.into()));
                response
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written");
                Fault::from(carbon_protocol::Reason::Internal).into_response()
            }
        }
    }
}

/// The languages messages come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

/// The language a caller prefers; Chinese unless English is wanted more.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let mut best = (Language::Chinese, 0_u32);
    for part in text.unwrap_or_default().split(',').take(16) {
        let mut halves = part.trim().splitn(2, ";q=");
        let tag = halves.next().unwrap_or_default().trim().to_ascii_lowercase();
        let language = match tag.split('-').next() {
            Some("en") => Language::English,
            Some("zh") => Language::Chinese,
            _ => continue,
        };
        let quality = halves.next().map_or(1000, thousandths);
        if quality > best.1 {
            best = (language, quality);
        }
    }
    best.0
}

/// `0.8` as 800; what is no quality counts as none.
fn thousandths(text: &str) -> u32 {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    let whole = whole.parse::<u32>().unwrap_or(0).min(1);
    (whole * 1000 + digits.parse::<u32>().unwrap_or(0)).min(1000)
}

/// The middleware around every route of the door.
pub async fn exchange(
    State(state): State<HttpState>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = uuid::Uuid::now_v7().to_string();
    let exchange = Exchange(Arc::new(Inner {
        request_id: request_id.clone(),
        signer: Mutex::default(),
        act: OnceLock::new(),
        about: OnceLock::new(),
    }));
    request.extensions_mut().insert(exchange.clone());
    let language = language(request.headers());
    let audited = request.uri().path().starts_with("/admin/").then(|| {
        let path: String = request.uri().path().chars().take(AUDITED_CHARS).collect();
        (request.method().clone(), path)
    });
    let path = request.uri().path();
    let code = path.rsplit('/').next().unwrap_or_default();
    let span = tracing::info_span!(
        "request",
        code = code.get(..16).unwrap_or(code),
        id = %request_id,
        app = tracing::field::Empty,
        outcome = tracing::field::Empty,
    );
    let answer = match beyond(&request) {
        // Its body is not even read.
        Some(fault) => fault.into_response(),
        None => next.run(request).instrument(span.clone()).await,
    };
    let (answer, outcome) = render(answer, &request_id, language);
    span.record("outcome", outcome);
    span.in_scope(|| tracing::debug!(status = answer.status().as_u16(), "answered"));
    if let Some((method, path)) = audited {
        span.in_scope(|| tracing::info!(target: "audit", %method, path, outcome, "operator"));
    }
    if let Some(act) = exchange.0.act.get() {
        operator::conclude(&state, *act, exchange.0.about.get().cloned(), outcome).await;
    }
    seal(&state, &exchange, answer).await
}

/// The refusal of an address that asks too fast, whoever it says it is. Balancers are always told
/// how it stands: to them a refusal would mean that the process is gone.
fn beyond(request: &Request) -> Option<Fault> {
    if ["/healthz", "/readyz"].contains(&request.uri().path()) {
        return None;
    }
    let limit = request.extensions().get::<Sender>()?.beyond?;
    let detail = format!("addressRequestsPerSecond: {limit}");
    Some(Fault::from(carbon_protocol::Reason::RateLimited).with(detail))
}

/// Puts the envelope around what came back; says the code it carries.
fn render(mut answer: Response, request_id: &str, language: Language) -> (Response, &'static str) {
    if let Some(fault) = answer.extensions_mut().remove::<Fault>() {
        let code = fault.rejection.reason.code();
        return (refusal(fault, request_id, language), code);
    }
    if let Some(Payload(json)) = answer.extensions_mut().remove::<Payload>() {
        // The request's id is made of plain characters only.
        let head = format!("{{\"code\":\"{OK}\",\"msg\":\"success\",\"data\":");
        let tail = format!(",\"requestId\":\"{request_id}\"}}");
        let body = [head.as_bytes(), &json, tail.as_bytes()].concat();
        *answer.body_mut() = Body::from(body);
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    (answer, OK)
}

fn refusal(fault: Fault, request_id: &str, language: Language) -> Response {
    let reason = fault.rejection.reason;
    let envelope = Envelope::<()> {
        code: reason.code().into(),
        msg: match language {
            Language::Chinese => reason.zh().into(),
            Language::English => reason.en().into(),
        },
        data: None,
        request_id: request_id.into(),
        reason: Some(reason),
        field: fault.rejection.field,
        detail: fault.rejection.detail,
        retryable: Some(fault.retryable.unwrap_or(reason.retryable())),
    };
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, axum::Json(envelope)).into_response();
    if let Some(seconds) = fault.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds the request's id and, where the application is known, the signature.
async fn seal(state: &HttpState, exchange: &Exchange, answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    // Bodies were made here, in memory: reading them back cannot fail or grow.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let now = state.stamp().0;
    let nonce = hex::encode(rand::random::<[u8; 12]>());
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            parts.headers.insert(HeaderName::from_static(name), value);
        }
    };
    put(signature::REQUEST_ID, exchange.request_id());
    let signer = exchange.0.signer.lock().take();
    if let Some(signer) = signer {
        let status = parts.status.as_u16();
        let string = signature::answer_string(status, exchange.request_id(), now, &nonce, &body);
        put(signature::TIMESTAMP, &now.to_string());
        put(signature::NONCE, &nonce);
        put(signature::SIGN_TYPE, &signer.kind().to_string());
        match signer.sign(&string) {
            Ok(sign) => put(signature::SIGN, &sign),
            // The caller will not believe it, and ask again.
            Err(failure) => tracing::error!(%failure, "an answer cannot be signed"),
        }
    }
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_unless_english_is_wanted_more() {
        let cases = [
            ("", Language::Chinese),
            ("en", Language::English),
            ("en-GB,en;q=0.9", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("fr,en;q=0.3", Language::English),
            ("en;q=0.3,zh;q=0.8", Language::Chinese),
            ("en;q=banana", Language::Chinese),
            ("*", Language::Chinese),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text));
            assert_eq!(language(&headers), expected, "{text}");
        }
    }
}
