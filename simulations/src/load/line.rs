//! One application's line to the platform: signs calls, carries its token, verifies answers (all
//! of them up to a rate, a sample beyond it), and tells the meter of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use carbon_protocol::Reason;
use carbon_protocol::contracts::z101::{Token, TokenRequest};
use carbon_protocol::envelope::{Envelope, OK};
use carbon_protocol::signature::{self, MacType};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::meter::{Ended, Meter};
use crate::sandbox::client::answer_is_signed;
use crate::sandbox::wire::{Keys, now};
use crate::wire::{Reply, Wire};

/// Tries of a call before its outcome is called unknown.
const TRIES: u32 = 12;
/// Shortest and longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A definite no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// HTTP status.
    pub status: u16,
    /// Code of the envelope.
    pub code: String,
    /// Symbolic reason.
    pub reason: Option<Reason>,
}

/// Why a call has no definite answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unknown {
    /// Asked again and again without one: it may have been carried out.
    #[error("no definite answer")]
    NoAnswer,
    /// An answer that is not the platform's, or not what the contract says.
    #[error("an answer that cannot be used: {0}")]
    Unusable(String),
}

/// What a call comes to.
pub type Called<A> = Result<Result<A, No>, Unknown>;

/// One application at the door.
pub struct Line {
    wire: Wire,
    keys: Keys,
    kind: MacType,
    token: RwLock<String>,
    renewing: tokio::sync::Mutex<()>,
    nonces: AtomicU64,
    meter: Arc<Meter>,
    checks: Arc<Checks>,
}

/// How many signatures of answers are still verified in this second; shared by all lines.
pub struct Checks {
    per_second: u32,
    began: Instant,
    second: AtomicU64,
    used: AtomicU32,
}

impl Checks {
    /// Verifies so many a second at most.
    pub fn new(per_second: u32) -> Self {
        let (second, used) = (AtomicU64::new(0), AtomicU32::new(0));
        Self { per_second, began: Instant::now(), second, used }
    }

    /// Whether this answer is one of those that are verified.
    fn take(&self) -> bool {
        let second = self.began.elapsed().as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.used.store(0, Ordering::Relaxed);
        }
        self.used.fetch_add(1, Ordering::Relaxed) < self.per_second
    }
}

impl Line {
    /// A line for an application with these keys. It has no token yet.
    pub fn new(
        wire: Wire,
        keys: Keys,
        kind: MacType,
        meter: Arc<Meter>,
        checks: Arc<Checks>,
    ) -> Self {
        let (token, renewing) = (RwLock::default(), tokio::sync::Mutex::default());
        let nonces = AtomicU64::new(rand::random());
        Self { wire, keys, kind, token, renewing, nonces, meter, checks }
    }

    /// Calls an interface by its path behind `/api/v1/` until the answer is definite: the same
    /// bytes again where the platform is busy, or nothing came. `due` is when the call should have
    /// been sent; of later tries, latency counts from when they could be.
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
        due: Instant,
    ) -> Called<A> {
        let body = serde_json::to_vec(question).map_err(|no| Unknown::Unusable(no.to_string()))?;
        let body = Bytes::from(body);
        let (mut due, mut pause) = (due, PAUSES.0);
        for _ in 0..TRIES {
            match self.once(path, &body, due).await? {
                Once::Definite(answer) => return Ok(answer),
                Once::BadToken(old) => {
                    self.renew(&old).await?;
                    due = Instant::now();
                    continue;
                }
                Once::Again => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
            due = Instant::now();
        }
        Err(Unknown::NoAnswer)
    }

    async fn once<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Bytes,
        due: Instant,
    ) -> Result<Once<A>, Unknown> {
        let token = self.token.read().clone();
        let request = self.signed(path, body.clone(), &token)?;
        let reply = self.wire.send(request).await;
        let Ok(reply) = reply else {
            self.meter.call(path, due, Ended::Broken);
            return Ok(Once::Again);
        };
        // Who is not known cannot be answered under a key.
        let verified = reply.status == 401
            || !self.checks.take()
            || answer_is_signed(&self.keys, reply.status, &reply.headers, &reply.body);
        if !verified {
            self.meter.call(path, due, Ended::Broken);
            return Err(Unknown::Unusable(format!("{path}: the signature is wrong")));
        }
        match understand(path, &reply) {
            Ok(Ok(answer)) => {
                self.meter.call(path, due, Ended::Done);
                Ok(Once::Definite(Ok(answer)))
            }
            Ok(Err(no)) => {
                self.meter.call(path, due, Ended::Refused(&no.code));
                if no.reason == Some(Reason::BadToken) {
                    return Ok(Once::BadToken(token));
                }
                let busy = no.status == 503 || no.status == 429;
                Ok(if busy { Once::Again } else { Once::Definite(Err(no)) })
            }
            Err(unknown) => {
                self.meter.call(path, due, Ended::Broken);
                if reply.status >= 500 { Ok(Once::Again) } else { Err(unknown) }
            }
        }
    }

    /// The token in use: another one would end it.
    pub fn token(&self) -> String {
        self.token.read().clone()
    }

    /// A new token in place of one that is not taken any more, unless another call got one.
    pub async fn renew(&self, old: &str) -> Result<(), Unknown> {
        let _one_at_a_time = self.renewing.lock().await;
        if *self.token.read() != old {
            return Ok(());
        }
        let body =
            serde_json::to_vec(&TokenRequest {}).map_err(|no| Unknown::Unusable(no.to_string()))?;
        let body = Bytes::from(body);
        match self.once::<Token>("Z101", &body, Instant::now()).await? {
            Once::Definite(Ok(token)) => *self.token.write() = token.token,
            Once::Definite(Err(no)) => {
                return Err(Unknown::Unusable(format!("Z101: {no:?}")));
            }
            Once::BadToken(_) | Once::Again => {}
        }
        Ok(())
    }

    fn signed(
        &self,
        path: &str,
        body: Bytes,
        token: &str,
    ) -> Result<Request<Full<Bytes>>, Unknown> {
        let target = format!("/api/v1/{path}");
        let stamp = now().0;
        // Used once: a number that is counted up from a random beginning.
        let nonce = format!("{:016x}", self.nonces.fetch_add(1, Ordering::Relaxed));
        let text = signature::request_string("POST", &target, stamp, &nonce, &body);
        Request::post(target)
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(signature::APP_ID, &self.keys.app)
            .header(signature::TIMESTAMP, stamp)
            .header(signature::NONCE, nonce)
            .header(signature::SIGN_TYPE, self.kind.to_string())
            .header(signature::SIGN, signature::sign(self.kind, &self.keys.sign, &text))
            .body(Full::new(body))
            .map_err(|error| Unknown::Unusable(error.to_string()))
    }
}

/// What one try comes to.
enum Once<A> {
    Definite(Result<A, No>),
    BadToken(String),
    Again,
}

fn understand<A: DeserializeOwned>(path: &str, reply: &Reply) -> Result<Result<A, No>, Unknown> {
    let shown = |error: serde_json::Error| {
        Unknown::Unusable(format!("{path} answered {} that does not read: {error}", reply.status))
    };
    let envelope: Envelope<A> = serde_json::from_slice(&reply.body).map_err(shown)?;
    let success = envelope.code == OK;
    match envelope.data {
        _ if success != (reply.status == 200) => {
            Err(Unknown::Unusable(format!("{path}: {} with {}", reply.status, envelope.code)))
        }
        Some(data) if success => Ok(Ok(data)),
        None if success => Err(Unknown::Unusable(format!("{path}: a success without data"))),
        _ => Ok(Err(No { status: reply.status, code: envelope.code, reason: envelope.reason })),
    }
}
