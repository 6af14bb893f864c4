//! A partner's or an operator's calls: signed, timed, the answer's signature verified, and asked
//! again with the same content where the platform says that this may help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use carbon_protocol::envelope::{Envelope, OK};
use carbon_protocol::signature::MacType;
use carbon_protocol::{Reason, Timestamp};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Position, Url};

use super::latency::Latencies;
use crate::sandbox::client::{answer_is_signed, sign_request};
use crate::sandbox::wire::Keys;
use crate::wire::{Reply, Web};

/// Tries of a call that is answered with "busy".
const TRIES: u32 = 40;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A definite no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// HTTP status.
    pub status: u16,
    /// Code of the envelope.
    pub code: String,
    /// Symbolic reason.
    pub reason: Option<Reason>,
    /// The field at fault.
    pub field: Option<String>,
}

/// What a call comes to.
pub type Answered<A> = Result<A, No>;

/// One application at the door.
pub struct Caller {
    web: Web,
    base: Url,
    keys: Keys,
    token: RwLock<String>,
    latencies: Arc<Latencies>,
}

impl Caller {
    /// An application with its signing key. It has no token yet.
    pub fn new(web: Web, base: Url, keys: Keys, latencies: Arc<Latencies>) -> Self {
        Self { web, base, keys, token: RwLock::default(), latencies }
    }

    /// Uses a token from now on.
    pub fn carry(&self, token: String) {
        *self.token.write() = token;
    }

    /// Calls an interface by its path behind `/api/v1/`; the last part names it in the latency
    /// table.
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> anyhow::Result<Answered<A>> {
        self.send(Method::POST, path, &serde_json::to_vec(question)?).await
    }

    /// Asks an interface that takes a query.
    pub async fn ask<A: DeserializeOwned>(&self, path: &str) -> anyhow::Result<A> {
        match self.send(Method::GET, path, &[]).await? {
            Ok(answer) => Ok(answer),
            Err(no) => bail!("{path} of {}: {no:?}", self.keys.app),
        }
    }

    async fn send<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<Answered<A>> {
        let name = path.split('?').next().unwrap_or(path);
        let name = if name.starts_with("02/") { name } else { name.trim_start_matches("01/") };
        let url = self.base.join(&format!("/api/v1/{path}"))?;
        again_while_busy(path, || async {
            let headers = self.signed(&method, &url, body)?;
            let began = Instant::now();
            let sent = self.web.send(method.clone(), &url, headers, body.to_vec());
            let Reply { status, headers, body } = sent.await.with_context(|| path.to_owned())?;
            self.latencies.note(name, began.elapsed());
            // Who is not known cannot be answered under a key.
            if status != 401 {
                let signed = answer_is_signed(&self.keys, status, &headers, &body);
                ensure!(signed, "{path}: an answer of {status} whose signature is not right");
            }
            understand(path, status, &body)
        })
        .await
    }

    /// Calls where a no would be a difference.
    pub async fn must<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> anyhow::Result<A> {
        match self.call(path, question).await? {
            Ok(answer) => Ok(answer),
            Err(no) => bail!("{path} of {}: {no:?}", self.keys.app),
        }
    }

    fn signed(&self, method: &Method, url: &Url, body: &[u8]) -> anyhow::Result<HeaderMap> {
        let target = &url[Position::BeforePath..];
        let signed = sign_request(&self.keys, MacType::HmacSm3, method.as_str(), target, body);
        let mut headers = HeaderMap::new();
        for (name, value) in signed {
            headers.insert(name, value.try_into()?);
        }
        headers.insert(AUTHORIZATION, format!("Bearer {}", self.token.read()).try_into()?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(headers)
    }
}

/// The operator at `/admin/v1`.
pub struct Operator {
    web: Web,
    base: Url,
    key: String,
    latencies: Arc<Latencies>,
}

impl Operator {
    /// An operator with a key.
    pub fn new(web: Web, base: Url, key: String, latencies: Arc<Latencies>) -> Self {
        Self { web, base, key, latencies }
    }

    /// Declares or starts something.
    pub async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> anyhow::Result<A> {
        self.ask(Method::POST, path, serde_json::to_vec(question)?).await
    }

    /// Looks something up.
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> anyhow::Result<A> {
        self.ask(Method::GET, path, Vec::new()).await
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<A> {
        let url = self.base.join(&format!("/admin/v1/{path}"))?;
        let name = format!("admin {}", path.split(['/', '?']).next().unwrap_or_default());
        let answered = again_while_busy(path, || async {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, format!("Bearer {}", self.key).try_into()?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let began = Instant::now();
            let sent = self.web.send(method.clone(), &url, headers, body.clone());
            let answer = sent.await.with_context(|| path.to_owned())?;
            self.latencies.note(&name, began.elapsed());
            understand(path, answer.status, &answer.body)
        })
        .await?;
        match answered {
            Ok(answer) => Ok(answer),
            Err(no) => bail!("the operator's {path}: {no:?}"),
        }
    }
}

/// The wall clock.
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

fn understand<A: DeserializeOwned>(
    what: &str,
    status: u16,
    body: &[u8],
) -> anyhow::Result<Answered<A>> {
    let shown = || {
        let text: String = String::from_utf8_lossy(body).chars().take(300).collect();
        format!("{what} answered {status}: {text}")
    };
    let envelope: Envelope<serde_json::Value> = serde_json::from_slice(body).with_context(shown)?;
    if (envelope.code == OK) != (status == 200) {
        bail!("{}", shown());
    }
    if envelope.code == OK {
        let data = envelope.data.unwrap_or_default();
        return Ok(Ok(serde_json::from_value(data).with_context(shown)?));
    }
    if status >= 500 && status != 503 {
        bail!("{}", shown());
    }
    let Envelope { code, reason, field, .. } = envelope;
    Ok(Err(No { status, code, reason, field }))
}

/// Asks until the answer is definite.
async fn again_while_busy<A, F>(what: &str, ask: impl Fn() -> F) -> anyhow::Result<Answered<A>>
where
    F: Future<Output = anyhow::Result<Answered<A>>>,
{
    let mut pause = Duration::from_millis(50);
    for _ in 0..TRIES {
        match ask().await? {
            Err(no) if no.status == 503 || no.status == 429 => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            definite => return Ok(definite),
        }
    }
    bail!("{what}: still busy after {TRIES} tries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_that_does_not_fit_its_status_is_an_error() {
        let ok = br#"{"code":"0","msg":"success","data":{"a":1},"requestId":"r"}"#;
        let no = br#"{"code":"40901","msg":"x","data":null,"requestId":"r",
                      "reason":"SERIAL_CONFLICT","field":"serial","retryable":false}"#;
        let value = understand::<serde_json::Value>("x", 200, ok).unwrap().unwrap();
        assert_eq!(value["a"], 1);
        let said = understand::<serde_json::Value>("x", 409, no).unwrap().unwrap_err();
        assert_eq!(said.reason, Some(Reason::SerialConflict));
        assert_eq!(said.field.as_deref(), Some("serial"));
        assert!(understand::<serde_json::Value>("x", 200, no).is_err());
        assert!(understand::<serde_json::Value>("x", 409, ok).is_err());
        assert!(understand::<serde_json::Value>("x", 500, b"<html>").is_err());
    }
}
