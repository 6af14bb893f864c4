//! Calls as the platform makes them, and calls that nobody should take.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use carbon_protocol::signature::{self, MacType};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use url::{Position, Url};

use crate::sandbox::client::{answer_is_signed, http};
use crate::sandbox::wire::{self, Keys};

/// How far a stale timestamp lies back.
const STALE_MS: i64 = 10 * 60 * 1000;

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// The signature was made with another key.
    WrongSignature,
    /// There is none, nor any other header of a signature.
    Unsigned,
    /// Signed rightly, ten minutes ago.
    Stale,
    /// A right signature, of another body.
    Tampered,
}

/// One call, ready to be sent, and to be sent again as it is.
#[derive(Debug, Clone)]
pub struct Call {
    url: Url,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether it is a success.
    pub fn took(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The platform, as a partner meets it.
pub struct Platform {
    http: reqwest::Client,
    keys: Keys,
    patience: Duration,
}

impl Platform {
    /// The platform of an application with these keys.
    pub fn new(keys: &Keys, patience: Duration) -> anyhow::Result<Self> {
        Ok(Self { http: http(patience)?, keys: keys.clone(), patience })
    }

    /// The application's keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether anybody listens there at all.
    pub async fn reaches(&self, base: &Url) -> anyhow::Result<()> {
        let sent = self.http.get(base.clone()).send().await;
        match sent {
            // Slow is for the checks to say.
            Err(error) if !error.is_timeout() => {
                let error = error.without_url();
                Err(error).with_context(|| format!("nobody answers at {base}"))
            }
            _ => Ok(()),
        }
    }

    /// A call with a flaw, or without.
    pub fn call(&self, url: &Url, body: &[u8], flaw: Flaw) -> Call {
        let stamp = match flaw {
            Flaw::Stale => wire::now().0 - STALE_MS,
            _ => wire::now().0,
        };
        let (nonce, kind) = (wire::nonce(), MacType::HmacSm3);
        let string = signature::request_string(
            "POST",
            &url[Position::BeforePath..Position::AfterQuery],
            stamp,
            &nonce,
            body,
        );
        let key = match flaw {
            Flaw::WrongSignature => b"not the key that was agreed upon".as_slice(),
            _ => &self.keys.sign,
        };
        let headers = match flaw {
            Flaw::Unsigned => Vec::new(),
            _ => vec![
                (signature::APP_ID, self.keys.app.clone()),
                (signature::TIMESTAMP, stamp.to_string()),
                (signature::NONCE, nonce),
                (signature::SIGN_TYPE, kind.to_string()),
                (signature::SIGN, signature::sign(kind, key, &string)),
            ],
        };
        let mut body = body.to_vec();
        if flaw == Flaw::Tampered {
            // Still the same JSON: only who compares bytes sees it.
            body.push(b' ');
        }
        Call { url: url.clone(), headers, body }
    }

    /// Sends a call; an error says what came instead of an answer.
    pub async fn send(&self, call: &Call) -> Result<Answer, String> {
        let mut request = self.http.post(call.url.clone()).header(CONTENT_TYPE, "application/json");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let begun = Instant::now();
        let lost = |error: reqwest::Error| match error.is_timeout() {
            true => format!("no answer within {} ms", self.patience.as_millis()),
            false => format!("no answer: {}", error.without_url()),
        };
        let response = request.body(call.body.clone()).send().await.map_err(lost)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(lost)?.to_vec();
        if begun.elapsed() > self.patience {
            return Err(format!("an answer after {} ms", begun.elapsed().as_millis()));
        }
        Ok(Answer { status, headers, body })
    }

    /// Sends a call once.
    pub async fn post(&self, url: &Url, body: &[u8], flaw: Flaw) -> Result<Answer, String> {
        self.send(&self.call(url, body, flaw)).await
    }

    /// Whether an answer carries the partner's signature of just now.
    pub fn is_signed(&self, answer: &Answer) -> bool {
        let stamp = answer.headers.get(signature::TIMESTAMP).and_then(|value| value.to_str().ok());
        let recent = stamp.and_then(|text| text.parse::<i64>().ok()).is_some_and(|stamp| {
            wire::now().0.saturating_sub(stamp).saturating_abs() <= STALE_MS / 2
        });
        recent && answer_is_signed(&self.keys, answer.status, &answer.headers, &answer.body)
    }
}

/// What is right of a call that is to be refused.
pub fn refused(answer: Result<Answer, String>) -> Result<(), String> {
    match answer? {
        answer if (400..500).contains(&answer.status) => Ok(()),
        answer if answer.took() => Err(format!("it was taken (status {})", answer.status)),
        answer => Err(format!("status {}", answer.status)),
    }
}
