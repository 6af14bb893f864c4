//! A partner's client of the platform, and an operator's: signs requests, checks the signature of
//! every answer, keeps the token and gets a new one, and tells how long each call took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carbon_protocol::Reason;
use carbon_protocol::contracts::z101::{Token, TokenRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::seal::{DataKey, SealedField};
use carbon_protocol::signature::{self, MacType};
use rand::Rng as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::wire::{self, Keys};

/// A token is fetched anew well before its 7200 seconds are over.
const TOKEN_AGE: Duration = Duration::from_secs(3600);

/// Hears how long a call took: code and duration.
pub type Note = Arc<dyn Fn(&str, Duration) + Send + Sync>;

/// A call that has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answered, or not in time.
    #[error("no answer to {code}: {cause}")]
    NoAnswer {
        /// Which call.
        code: String,
        /// Why, without the address.
        cause: String,
    },
    /// The answer is not signed by the platform.
    #[error("the answer to {code} ({status}) carries no right signature")]
    Signature {
        /// Which call.
        code: String,
        /// Its status.
        status: u16,
    },
    /// The answer is not what the contract says.
    #[error("the answer to {code} ({status}) does not read: {cause}: {text}")]
    Unreadable {
        /// Which call.
        code: String,
        /// Its status.
        status: u16,
        /// Where reading stopped.
        cause: String,
        /// The answer's beginning.
        text: String,
    },
    /// There is no token to be had (Z101).
    #[error("Z101 refused a token: {0:?}")]
    NoToken(Option<Reason>),
}

/// An answer whose signature was right.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The envelope.
    pub envelope: Envelope<T>,
}

impl<T> Answered<T> {
    /// The data of a success, or the refusal as an error.
    pub fn data(self) -> anyhow::Result<T> {
        let (reason, field, detail) =
            (self.envelope.reason, self.envelope.field, self.envelope.detail);
        self.envelope.data.ok_or_else(|| {
            let code = self.envelope.code;
            anyhow::anyhow!("refused: {} {code} {reason:?} {field:?} {detail:?}", self.status)
        })
    }

    /// Why it was refused, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.envelope.reason
    }
}

/// An HTTP client that follows no redirect, as all of the sandbox uses it.
pub fn http(timeout: Duration) -> anyhow::Result<reqwest::Client> {
    // The error says only that somebody was first, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let build = || {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
    };
    // A machine without certificates can still speak to a loopback server.
    Ok(build().build().or_else(|_| build().tls_certs_only([]).build())?)
}

/// One application's client. Cheap to clone; clones share the token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    keys: Keys,
    kind: MacType,
    note: Option<Note>,
    /// Held while a token is fetched: the platform keeps the newest two only, so clones that
    /// fetched one each would lock each other out.
    token: Arc<Mutex<Option<(String, Instant)>>>,
}

impl Client {
    /// A client of the platform at `base` for an application with these keys.
    pub fn new(
        base: &str,
        app_id: &str,
        sign_key: &[u8],
        data_key: DataKey,
    ) -> anyhow::Result<Self> {
        let keys = Keys { app: app_id.to_owned(), sign: sign_key.into(), data: data_key };
        Self::with(http(Duration::from_secs(30))?, base, keys)
    }

    /// The same over an HTTP client that exists, so that connections are shared.
    pub fn with(http: reqwest::Client, base: &str, keys: Keys) -> anyhow::Result<Self> {
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, keys, kind: MacType::default(), note: None, token: Arc::default() })
    }

    /// Signs in another way.
    #[must_use]
    pub fn signing(mut self, kind: MacType) -> Self {
        self.kind = kind;
        self
    }

    /// Tells `note` how long each call took.
    #[must_use]
    pub fn noting(mut self, note: Note) -> Self {
        self.note = Some(note);
        self
    }

    /// Its keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Seals a personal-data field of a message.
    pub fn seal(&self, field: &str, plain: &str) -> SealedField {
        let nonce = rand::rng().random();
        SealedField::seal(&self.keys.data, &self.keys.app, field, plain, nonce)
    }

    /// Opens a personal-data field of an answer.
    pub fn open(&self, field: &str, sealed: &SealedField) -> Option<String> {
        sealed.open(&self.keys.data, &self.keys.app, field).map(|plain| plain.to_string())
    }

    /// Calls an interface by its code (`Z102`, `01/Z304`), with a token, got or renewed as needed.
    pub async fn call<Q, T>(&self, code: &str, request: &Q) -> Result<Answered<T>, CallError>
    where
        Q: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let body = encode(code, request)?;
        let token = self.token().await?;
        let answered = self.send(code, body.clone(), Some(&token)).await?;
        if answered.reason() != Some(Reason::BadToken) {
            return Ok(answered);
        }
        // Others may have renewed it meanwhile: only the token that failed is dropped.
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|(old, _)| *old == token) {
            *kept = None;
        }
        drop(kept);
        let token = self.token().await?;
        self.send(code, body, Some(&token)).await
    }

    /// Calls without a token: Z101 itself, and the identity service.
    pub async fn call_bare<Q, T>(&self, code: &str, request: &Q) -> Result<Answered<T>, CallError>
    where
        Q: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        self.send(code, encode(code, request)?, None).await
    }

    async fn token(&self) -> Result<String, CallError> {
        let mut kept = self.token.lock().await;
        if let Some((token, at)) = kept.as_ref()
            && at.elapsed() < TOKEN_AGE
        {
            return Ok(token.clone());
        }
        let asked = encode("Z101", &TokenRequest {})?;
        let answered: Answered<Token> = self.send("Z101", asked, None).await?;
        let reason = answered.reason();
        let token = answered.envelope.data.ok_or(CallError::NoToken(reason))?.token;
        *kept = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    async fn send<T: DeserializeOwned>(
        &self,
        code: &str,
        body: Vec<u8>,
        token: Option<&str>,
    ) -> Result<Answered<T>, CallError> {
        let path = format!("/api/v1/{code}");
        let url = format!("{}{path}", self.base);
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        for (name, value) in sign_request(&self.keys, self.kind, "POST", &path, &body) {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let begun = Instant::now();
        let lost = |error: reqwest::Error| CallError::NoAnswer {
            code: code.to_owned(),
            cause: error.without_url().to_string(),
        };
        let response = request.body(body).send().await.map_err(lost)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(lost)?;
        if let Some(note) = &self.note {
            note(code, begun.elapsed());
        }
        if !answer_is_signed(&self.keys, status, &headers, &bytes) {
            return Err(CallError::Signature { code: code.to_owned(), status });
        }
        let envelope = decode(code, status, &bytes)?;
        Ok(Answered { status, headers, envelope })
    }
}

fn encode<Q: Serialize + ?Sized>(code: &str, request: &Q) -> Result<Vec<u8>, CallError> {
    serde_json::to_vec(request).map_err(|error| CallError::NoAnswer {
        code: code.to_owned(),
        cause: format!("the request cannot be written: {error}"),
    })
}

fn decode<T: DeserializeOwned>(code: &str, status: u16, bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|error| CallError::Unreadable {
        code: code.to_owned(),
        status,
        cause: error.to_string(),
        text: String::from_utf8_lossy(bytes).chars().take(300).collect(),
    })
}

/// The headers of a signed request.
pub fn sign_request(
    keys: &Keys,
    kind: MacType,
    method: &str,
    path_and_query: &str,
    body: &[u8],
) -> [(&'static str, String); 5] {
    let (stamp, nonce) = (wire::now().0, wire::nonce());
    let string = signature::request_string(method, path_and_query, stamp, &nonce, body);
    [
        (signature::APP_ID, keys.app.clone()),
        (signature::TIMESTAMP, stamp.to_string()),
        (signature::NONCE, nonce),
        (signature::SIGN_TYPE, kind.to_string()),
        (signature::SIGN, signature::sign(kind, &keys.sign, &string)),
    ]
}

/// Whether an answer carries the platform's signature.
pub fn answer_is_signed(keys: &Keys, status: u16, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let parts = || {
        let stamp: i64 = header(signature::TIMESTAMP)?.parse().ok()?;
        let (request, nonce) = (header(signature::REQUEST_ID)?, header(signature::NONCE)?);
        let kind: MacType = header(signature::SIGN_TYPE)?.parse().ok()?;
        let string = signature::answer_string(status, request, stamp, nonce, body);
        Some(signature::verify(kind, &keys.sign, &string, header(signature::SIGN)?))
    };
    parts().unwrap_or(false)
}

/// An operator's client of `/admin/v1`.
#[derive(Clone)]
pub struct Operator {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Operator {
    /// An operator of the platform at `base`, by its bearer key.
    pub fn new(base: &str, key: &str) -> anyhow::Result<Self> {
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http: http(Duration::from_secs(60))?, base, key: key.to_owned() })
    }

    /// Posts to `/admin/v1/{path}`.
    pub async fn post<Q, T>(&self, path: &str, request: &Q) -> Result<Answered<T>, CallError>
    where
        Q: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let body = encode(path, request)?;
        let post = self.http.post(format!("{}/admin/v1/{path}", self.base)).body(body);
        self.send(path, post).await
    }

    /// Gets `/admin/v1/{path}`, query included.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answered<T>, CallError> {
        self.send(path, self.http.get(format!("{}/admin/v1/{path}", self.base))).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answered<T>, CallError> {
        let lost = |error: reqwest::Error| CallError::NoAnswer {
            code: path.to_owned(),
            cause: error.without_url().to_string(),
        };
        let request = request
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json");
        let response = request.send().await.map_err(lost)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(lost)?;
        let envelope = decode(path, status, &bytes)?;
        Ok(Answered { status, headers, envelope })
    }
}
