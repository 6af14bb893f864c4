//! The operator's ladder under `/admin/v1`: body limit, key, duty, JSON. The type of the extractor
//! is the permission. Every act is in the audit log before it begins and once more when it has
//! ended; a body never is.

use std::marker::PhantomData;

use axum::extract::{FromRequest, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{Method, header};
use carbon_protocol::operators::{
    ABOUT_MAX, ACT_MAX, ActRef, Duty, OperatorsCommand, OperatorsReply, Shown,
};
use carbon_protocol::signature::sm3;
use carbon_protocol::{OperatorId, Reason};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use super::HttpState;
use super::exchange::Exchange;
use super::fault::{Fault, misfit};
use super::json;
use super::ladder::{read_body, read_within};

/// What an interface of the operators demands.
pub trait Demand: Send + Sync + 'static {
    /// The duty.
    const DUTY: Duty;
}

/// Any operator: reading.
#[derive(Debug)]
pub struct Viewing;
/// Whoever declares and prepares.
#[derive(Debug)]
pub struct Operating;
/// Whoever lets take effect.
#[derive(Debug)]
pub struct Approving;
/// Administrators.
#[derive(Debug)]
pub struct Administering;

impl Demand for Viewing {
    const DUTY: Duty = Duty::View;
}
impl Demand for Operating {
    const DUTY: Duty = Duty::Operate;
}
impl Demand for Approving {
    const DUTY: Duty = Duty::Approve;
}
impl Demand for Administering {
    const DUTY: Duty = Duty::Administer;
}

/// An act of an operator, with a JSON body.
pub struct Operated<D, T> {
    /// Who acts.
    pub operator: OperatorId,
    /// What was asked.
    pub body: T,
    path: String,
    exchange: Exchange,
    demand: PhantomData<D>,
}

/// A look of an operator, whose meaning is in path and query.
pub struct Looked<D, T> {
    /// What was asked.
    pub query: T,
    path: String,
    demand: PhantomData<D>,
}

/// A call of the operator whose body is a text of its own kind (CSV), with the rest in the query.
pub struct Imported<D, T> {
    /// What is said of the text.
    pub query: T,
    /// The text.
    pub text: String,
    demand: PhantomData<D>,
}

impl<D, T> Operated<D, T> {
    /// A segment of the path, counted from 0 behind `/admin/v1/`.
    pub fn segment(&self, place: usize) -> &str {
        segment(&self.path, place)
    }

    /// Puts into the audit log what the act is about. Never a person.
    pub fn about(&self, what: impl std::fmt::Display) {
        self.exchange.act_is_about(what.to_string().chars().take(ABOUT_MAX).collect());
    }
}

impl<D, T> Looked<D, T> {
    /// A segment of the path, counted from 0 behind `/admin/v1/`.
    pub fn segment(&self, place: usize) -> &str {
        segment(&self.path, place)
    }
}

fn segment(path: &str, place: usize) -> &str {
    path.trim_start_matches("/admin/v1/").split('/').nth(place).unwrap_or_default()
}

impl<D: Demand, T: DeserializeOwned> FromRequest<HttpState> for Operated<D, T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, state).await?;
        let (operator, exchange) = admit(&parts, state, D::DUTY).await?;
        let body = json::body(&parts.headers, &bytes)?;
        let path = parts.uri.path().to_owned();
        Ok(Self { operator, body, path, exchange, demand: PhantomData })
    }
}

impl<D: Demand, T: DeserializeOwned> FromRequest<HttpState> for Looked<D, T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, _) = request.into_parts();
        admit(&parts, state, D::DUTY).await?;
        let query = json::query(parts.uri.query())?;
        Ok(Self { query, path: parts.uri.path().to_owned(), demand: PhantomData })
    }
}

async fn admit(
    parts: &Parts,
    state: &HttpState,
    duty: Duty,
) -> Result<(OperatorId, Exchange), Fault> {
    let name = header::AUTHORIZATION.as_str();
    let shown = shown(parts, state)?;
    let Some(exchange) = parts.extensions.get::<Exchange>().cloned() else { return misfit() };
    let pattern = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let what: String = format!("{} {pattern}", parts.method).chars().take(ACT_MAX).collect();
    let (act, request) = (parts.method != Method::GET, exchange.request_id().to_owned());
    let admit = OperatorsCommand::Admit { shown, duty, act, what, request };
    match state.platform.operators(admit).await {
        Ok(OperatorsReply::Admitted { operator, act }) => {
            if let Some(act) = act {
                exchange.act_began(act);
            }
            Ok((operator, exchange))
        }
        Ok(OperatorsReply::Refused) => Err(Reason::Forbidden.into()),
        Ok(_) => misfit(),
        Err(refusal) => {
            let mut fault = Fault::from(refusal);
            if fault.rejection.reason == Reason::BadToken {
                fault.rejection.field = Some(name.into());
            }
            Err(fault)
        }
    }
}

impl<D: Demand, T: DeserializeOwned> FromRequest<HttpState> for Imported<D, T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        // The other way round than elsewhere: nobody else may send so much.
        admit(&parts, state, D::DUTY).await?;
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
        Ok(Self { query, text, demand: PhantomData })
    }
}

/// By what the caller is known. The platform's key file is compared here, every other key by the
/// machine that knows its digest.
fn shown(parts: &Parts, state: &HttpState) -> Result<Shown, Fault> {
    let name = header::AUTHORIZATION.as_str();
    let given = parts.headers.get(name).and_then(|value| value.to_str().ok());
    let given = given.ok_or_else(|| Fault::of_field(Reason::Unauthenticated, name))?;
    let bare = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let bare = bare.map(|(_, key)| key.trim()).unwrap_or_default();
    // Digests are compared, so that not even the key's length can be measured.
    let digest = sm3(bare.as_bytes());
    let equal = digest.ct_eq(&sm3(state.operator_key.as_bytes()));
    Ok(match bool::from(equal) && !state.operator_key.is_empty() {
        true => Shown::KeyFile,
        false => Shown::Key(digest),
    })
}

/// Puts the end of an act into the audit log.
pub async fn conclude(state: &HttpState, act: ActRef, about: Option<String>, outcome: &str) {
    let conclude = OperatorsCommand::Conclude { act, about, outcome: outcome.to_owned() };
    if let Err(refusal) = state.platform.operators(conclude).await {
        // The act is in the log, and what came of it in the journal: the answer stands.
        tracing::warn!(?refusal, number = act.number, "the end of an act is not in the audit log");
    }
}
