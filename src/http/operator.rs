//! The operator's ladder under `/admin/v1`: body limit, key, JSON. Every call leaves a line in the
//! audit log: path, method, outcome; never a body.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::http::request::Parts;
use carbon_protocol::Reason;
use carbon_protocol::signature::sm3;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use super::HttpState;
use super::fault::Fault;
use super::json;
use super::ladder::{read_body, read_within};

/// A call of the operator with a JSON body.
pub struct Operated<T> {
    /// What was asked.
    pub body: T,
    path: String,
}

/// A call of the operator whose meaning is in path and query.
pub struct Looked<T> {
    /// What was asked.
    pub query: T,
    path: String,
}

/// A call of the operator whose body is a text of its own kind (CSV), with the rest in the query.
pub struct Imported<T> {
    /// What is said of the text.
    pub query: T,
    /// The text.
    pub text: String,
}

impl<T> Operated<T> {
    /// A segment of the path, counted from 0 behind `/admin/v1/`.
    pub fn segment(&self, place: usize) -> &str {
        segment(&self.path, place)
    }
}

impl<T> Looked<T> {
    /// A segment of the path, counted from 0 behind `/admin/v1/`.
    pub fn segment(&self, place: usize) -> &str {
        segment(&self.path, place)
    }
}

fn segment(path: &str, place: usize) -> &str {
    path.trim_start_matches("/admin/v1/").split('/').nth(place).unwrap_or_default()
}

impl<T: DeserializeOwned> FromRequest<HttpState> for Operated<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, state).await?;
        admit(&parts, state)?;
        let body = json::body(&parts.headers, &bytes)?;
        Ok(Self { body, path: parts.uri.path().to_owned() })
    }
}

impl<T: DeserializeOwned> FromRequest<HttpState> for Looked<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, _) = request.into_parts();
        admit(&parts, state)?;
        let query = json::query(parts.uri.query())?;
        Ok(Self { query, path: parts.uri.path().to_owned() })
    }
}

impl<T: DeserializeOwned> FromRequest<HttpState> for Imported<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        // The other way round than elsewhere: nobody else may send so much.
        admit(&parts, state)?;
        let bytes = read_within(body, state.config.dictionary_bytes, state).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("text/csv") {
            let fault = Fault::of_field(Reason::Malformed, header::CONTENT_TYPE.as_str());
            return Err(fault.with("text/csv"));
        }
        let query = json::query(parts.uri.query())?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Fault::of_field(Reason::BadDictionary, "csv").with("not UTF-8"))?;
        Ok(Self { query, text })
    }
}

fn admit(parts: &Parts, state: &HttpState) -> Result<(), Fault> {
    let name = header::AUTHORIZATION.as_str();
    let given = parts.headers.get(name).and_then(|value| value.to_str().ok());
    let given = given.ok_or_else(|| Fault::of_field(Reason::Unauthenticated, name))?;
    let bare = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let bare = bare.map(|(_, key)| key.trim()).unwrap_or_default();
    // Digests are compared, so that not even the key's length can be measured.
    let equal = sm3(bare.as_bytes()).ct_eq(&sm3(state.operator_key.as_bytes()));
    match bool::from(equal) && !state.operator_key.is_empty() {
        true => Ok(()),
        false => Err(Fault::of_field(Reason::BadToken, name)),
    }
}
