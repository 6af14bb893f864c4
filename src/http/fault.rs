//! What goes wrong at the door: a refusal with the hints of the envelope. Something that broke
//! becomes an honest 503 with its reason, never a 500.

use axum::response::{IntoResponse, Response};
use carbon_actors::ports::Failure;
use carbon_actors::refusal::Refusal;
use carbon_protocol::{Reason, Rejection};

/// Seconds that a 429 or 503 asks the caller to wait when nothing better is known.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Why a request is not answered with data. Rendered by the exchange, which knows the request's id
/// and language.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The refusal.
    pub rejection: Rejection,
    /// Seconds to wait before asking again.
    pub retry_after: Option<u32>,
    /// Whether asking again with the same serial may succeed, where it differs from the reason's
    /// own word.
    pub retryable: Option<bool>,
}

impl Fault {
    /// A fault of one reason that names the field at fault.
    pub fn of_field(reason: Reason, field: impl Into<String>) -> Self {
        Rejection::of_field(reason, field).into()
    }

    /// Adds a fact that helps.
    #[must_use]
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        self.rejection.detail = Some(detail.into());
        self
    }

    /// Says that the answer is remembered: the same serial gets it for ever.
    #[must_use]
    pub fn remembered(mut self) -> Self {
        self.retryable = Some(false);
        self
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let wait = matches!(rejection.reason.status(), 429 | 503);
        let retry_after = wait.then_some(RETRY_AFTER_SECONDS);
        Self { rejection, retry_after, retryable: None }
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Rejection::new(reason).into()
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let reason = match &failure {
            Failure::Partner(_) => Reason::PartnerUnavailable,
            Failure::Identity(_) => Reason::IdentityUnavailable,
            Failure::Clock(_) => Reason::ClockUnsafe,
            Failure::Full(_) => Reason::DiskFull,
            _ => Reason::Busy,
        };
        if !matches!(failure, Failure::Busy(_) | Failure::Stopping) {
            tracing::warn!(%failure, "broken");
        }
        let fault = Self::from(reason);
        match failure {
            Failure::Busy(what) => fault.with(what),
            _ => fault,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::No(rejection) => rejection.into(),
            Refusal::Broken(failure) => failure.into(),
        }
    }
}

impl IntoResponse for Fault {
    /// The bare fault; the exchange around every route turns it into an envelope.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// What a handler that asked for one kind of reply does with another one: the machine and the
/// handler disagree, which only a fault of ours explains.
pub fn misfit<T>() -> Result<T, Fault> {
    tracing::error!("a reply of another kind than asked for");
    Err(Reason::Busy.into())
}
