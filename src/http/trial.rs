//! A signature on trial: whose it is, and, for applications of the sandbox, why it is nobody's. The
//! explanation shows what the caller could compute itself: never a key, never a right signature.

use axum::http::request::Parts;
use carbon_protocol::Reason;
use carbon_protocol::keys::Material;
use carbon_protocol::signature::{self, SignType};

use super::fault::Fault;
use crate::signing::{AppWire, Signer};

/// Characters of a body that an explanation shows.
const SHOWN: usize = 200;

/// What a signature is about, and who may have made it.
pub struct Trial<'t> {
    /// The request.
    pub parts: &'t Parts,
    /// Its time.
    pub timestamp: i64,
    /// Its nonce.
    pub nonce: &'t str,
    /// Its body.
    pub bytes: &'t [u8],
    /// How it is said to be signed.
    pub kind: SignType,
    /// The application with its keys.
    pub wire: &'t AppWire<'t>,
}

impl Trial<'_> {
    /// Who signed: what the answer is signed with.
    pub fn verdict(&self, signature: &str) -> Result<Signer, Fault> {
        let string = self.string(self.method(), self.target(), self.timestamp, self.bytes);
        if let Some(signer) = self.wire.signer_of(self.kind, &string, signature)? {
            return Ok(signer);
        }
        let fits = self.wire.types().contains(&self.kind);
        let field = if fits { signature::SIGN } else { signature::SIGN_TYPE };
        let fault = Fault::of_field(Reason::BadSignature, field);
        match self.wire.app.sandbox {
            true => Err(fault.with(self.explain(&string, signature)?)),
            false => Err(fault),
        }
    }

    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn target(&self) -> &str {
        self.parts.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    fn string(&self, method: &str, target: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
        signature::request_string(method, target, timestamp, self.nonce, body)
    }

    /// Which part differs, the canonical string as it is built here, and its digest.
    fn explain(&self, string: &[u8], signature: &str) -> Result<String, Fault> {
        let types: Vec<String> = self.wire.types().iter().map(SignType::to_string).collect();
        let which = match self.part(string, signature)? {
            Some(part) => part,
            None if !self.wire.types().contains(&self.kind) => {
                format!("X-Sign-Type: the application has keys for {}", types.join(", "))
            }
            None => {
                "no usual mistake: if your string and digest are the same, the key differs".into()
            }
        };
        let digest = hex::encode(signature::sm3(string));
        Ok(format!("{which}; string to sign: {}; its SM3: {digest}", self.shown(string)))
    }

    /// The canonical string as JSON writes it, its body cut.
    fn shown(&self, string: &[u8]) -> String {
        let text = String::from_utf8_lossy(string);
        let head = string.len() - self.bytes.len();
        let cut: String = text.chars().take(head + SHOWN).collect();
        let more = match cut.len() < text.len() {
            true => format!("… (a body of {} bytes, and a line feed)", self.bytes.len()),
            false => String::new(),
        };
        format!("{}{more}", serde_json::Value::from(cut))
    }

    /// The part that differs, where it is one of the usual mistakes.
    fn part(&self, string: &[u8], signature: &str) -> Result<Option<String>, Fault> {
        let fits = |kind, string: &[u8]| -> Result<bool, Fault> {
            Ok(self.wire.signer_of(kind, string, signature)?.is_some())
        };
        for (what, mistaken) in self.mistakes(string) {
            if fits(self.kind, &mistaken)? {
                return Ok(Some(what.into()));
            }
        }
        for other in self.wire.types() {
            if fits(other, string)? {
                return Ok(Some(format!("X-Sign-Type: it was signed with {other}")));
            }
        }
        let keys = self.wire.app.signing_keys(self.wire.at);
        let form = keys.iter().find_map(|key| match (&key.material, self.kind) {
            (Material::Sm2(public), SignType::Sm2Sm3) => public.mistake(string, signature),
            _ => None,
        });
        Ok(form.map(|form| format!("X-Sign: {form}")))
    }

    fn mistakes(&self, string: &[u8]) -> [(&'static str, Vec<u8>); 8] {
        let (method, target, at) = (self.method(), self.target(), self.timestamp);
        let signed = |method: &str, target: &str, at: i64, body: &[u8]| {
            self.string(method, target, at, body)
        };
        let mut without_end = string.to_vec();
        without_end.pop();
        let bare = target.trim_start_matches("/api/v1");
        let lower = method.to_lowercase();
        let path = self.parts.uri.path();
        [
            ("BODY: it was signed as empty", signed(method, target, at, b"")),
            (
                "BODY: it was signed without the white space around it",
                signed(method, target, at, self.bytes.trim_ascii()),
            ),
            ("BODY: the line feed after it is missing", without_end),
            ("PATH: it was signed without the query", signed(method, path, at, self.bytes)),
            ("PATH: it was signed without /api/v1", signed(method, bare, at, self.bytes)),
            ("METHOD: it was signed in lower case", signed(&lower, target, at, self.bytes)),
            ("TIMESTAMP: it was signed in seconds", signed(method, target, at / 1000, self.bytes)),
            (
                "NONCE: it was signed as empty",
                signature::request_string(method, target, at, "", self.bytes),
            ),
        ]
    }
}
