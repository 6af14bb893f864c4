//! Requests in the raw, for what no honest client would send; and the judgement of the answers.

use carbon_protocol::Reason;
use carbon_protocol::signature::{self, MacType};
use reqwest::Method;
use serde_json::Value;

use super::harness::client;

/// A request in the raw: whatever is set is sent, whether it makes sense or not.
#[derive(Clone)]
pub struct Raw {
    pub method: Method,
    pub path: String,
    pub body: Vec<u8>,
    /// What is signed instead of the body that is sent.
    pub signed_body: Option<Vec<u8>>,
    pub app: Option<String>,
    pub key: Vec<u8>,
    pub token: Option<String>,
    pub timestamp: String,
    pub nonce: String,
    pub kind: String,
    pub content_type: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub request_header: Option<String>,
    pub body: Value,
}

impl Raw {
    /// Sends it as it is.
    pub async fn send(&self, base: &str) -> Answer {
        let stamp = self.timestamp.parse().unwrap_or_default();
        let signed = self.signed_body.as_ref().unwrap_or(&self.body);
        let method = self.method.as_str();
        let text = signature::request_string(method, &self.path, stamp, &self.nonce, signed);
        let kind = self.kind.parse().unwrap_or(MacType::HmacSm3);
        let mut request = client()
            .request(self.method.clone(), format!("{base}{}", self.path))
            .header("content-type", &self.content_type)
            .header(signature::TIMESTAMP, &self.timestamp)
            .header(signature::NONCE, &self.nonce)
            .header(signature::SIGN_TYPE, &self.kind)
            .header(signature::SIGN, signature::sign(kind, &self.key, &text))
            .body(self.body.clone());
        if let Some(app) = &self.app {
            request = request.header(signature::APP_ID, app);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.send().await.unwrap();
        let header = answer.headers().get(signature::REQUEST_ID).cloned();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let request_header = header.map(|value| value.to_str().unwrap().to_owned());
        Answer { status, request_header, body }
    }

    /// The same with a change, under a new nonce.
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let nonce = format!("{:032x}", rand::random::<u128>());
        let mut changed = Self { nonce, ..self.clone() };
        change(&mut changed);
        changed
    }

    /// To an interface, with a JSON body.
    pub fn to(&self, path: &str, body: &Value) -> Self {
        self.with(|raw| {
            raw.path = format!("/api/v1/{path}");
            raw.body = body.to_string().into_bytes();
        })
    }
}

/// Checks an answer; says what is wrong with it.
pub fn judge(
    name: &str,
    answer: &Answer,
    reasons: &[Reason],
    field: Option<&str>,
) -> Option<String> {
    let shown = || format!("{name}: {} {}", answer.status, answer.body);
    let Some(code) = answer.body["code"].as_str() else { return Some(shown()) };
    let Some(reason) = reasons.iter().find(|reason| reason.code() == code) else {
        return Some(format!("{} (expected {reasons:?})", shown()));
    };
    let symbol = serde_json::to_value(reason).unwrap();
    let request = answer.body["requestId"].as_str().unwrap_or_default();
    let right = answer.status == reason.status()
        && answer.body["reason"] == symbol
        && answer.body["data"].is_null()
        && answer.body["msg"].as_str().is_some_and(|msg| !msg.is_empty())
        && answer.body["retryable"] == reason.retryable()
        && !request.is_empty()
        && answer.request_header.as_deref() == Some(request);
    let told = answer.body["field"].as_str();
    let pointed = field.is_none_or(|field| told.is_some_and(|told| told.contains(field)));
    (!right || !pointed).then(|| format!("{} (field {field:?})", shown()))
}
