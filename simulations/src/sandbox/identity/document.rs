//! DIDs: an SM2 key pair for each, and a W3C DID document with a proof that the key itself signs.

use carbon_protocol::contracts::identity::DidSignature;
use carbon_protocol::signature::{self, MacType};
use carbon_protocol::{Ccid, Timestamp};
use serde_json::{Map, Value, json};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};

/// The signer's id that GM/T 0009 names as the default.
const SIGNER_ID: &str = "1234567812345678";

/// Who has a DID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A natural person, by ID number.
    Natural,
    /// A legal person, by credit code.
    Legal,
    /// An application, by its code on the chain.
    Application,
}

impl Subject {
    /// The DID method of its identifiers.
    fn method(self) -> &'static str {
        match self {
            Self::Natural => "did:shid:",
            Self::Legal => "did:shlp:",
            Self::Application => "did:shap:",
        }
    }
}

/// A key pair and the DID it belongs to.
pub struct Identifier {
    key: SigningKey,
    /// The DID.
    pub did: String,
}

impl Identifier {
    /// Draws a subject's key from the service's secret: one name, one key, one DID, also after the
    /// service was started again. The DID follows from the key.
    pub fn derive(secret: &[u8], subject: Subject, name: &str) -> anyhow::Result<Self> {
        let key = key_of(secret, &format!("{}{name}", subject.method()))?;
        let digest = signature::digest16(&key.verifying_key().to_sec1_bytes());
        let did = format!("{}{}", subject.method(), hex::encode(digest));
        Ok(Self { key, did })
    }

    /// The key of a pseudonym (sub-DID): its own, so that signatures under two pseudonyms of one
    /// person have nothing in common.
    pub fn of_pseudonym(secret: &[u8], ccid: &Ccid) -> anyhow::Result<Self> {
        Ok(Self { key: key_of(secret, ccid.as_str())?, did: ccid.to_string() })
    }

    /// The name of its key.
    fn method(&self) -> String {
        format!("{}#key-1", self.did)
    }

    /// Signs a text.
    pub fn sign(&self, content: &str) -> DidSignature {
        DidSignature {
            verification_method: self.method(),
            proof_value: self.proof(content.as_bytes()),
        }
    }

    fn proof(&self, bytes: &[u8]) -> String {
        let sign: Signature = self.key.sign(bytes);
        hex::encode(sign.to_der().as_bytes())
    }

    /// The DID document, with its proof: over the canonical document (RFC 8785) with everything of
    /// the proof but its value.
    pub fn document(&self, created: Timestamp) -> Value {
        let (did, key) = (&self.did, self.method());
        let mut document = json!({
            "@context": [
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/suites/jws-2020/v1"
            ],
            "id": did,
            "created": created.to_string(),
            "verificationMethod": [{
                "id": key,
                "type": "SM2VerificationKey2022",
                "controller": did,
                "publicKeyHex": hex::encode(self.key.verifying_key().to_sec1_bytes()),
            }],
            "authentication": [key],
            "assertionMethod": [key],
            "proof": {
                "type": "SM2Signature2022",
                "created": created.to_string(),
                "proofPurpose": "assertionMethod",
                "verificationMethod": key,
            },
        });
        let proof = self.proof(canonical(&document).to_string().as_bytes());
        document["proof"]["proofValue"] = json!(proof);
        document
    }
}

/// Draws a key of the curve from the service's secret.
fn key_of(secret: &[u8], about: &str) -> anyhow::Result<SigningKey> {
    for turn in 0..8_u8 {
        let drawn = format!("sm2|{turn}|{about}");
        let scalar = signature::mac(MacType::HmacSm3, secret, drawn.as_bytes());
        // Out of 2^32 drawings about one is no scalar of the curve: then the next is taken.
        if let Ok(key) = SigningKey::from_slice(SIGNER_ID, &scalar) {
            return Ok(key);
        }
    }
    anyhow::bail!("no key could be drawn")
}

/// The value with the keys of its objects in order. Documents hold texts, lists and objects only,
/// and plain keys: written without blanks, that is their canonical form (RFC 8785).
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            let sorted = sorted.into_iter().map(|(name, value)| (name.clone(), canonical(value)));
            Value::Object(sorted.collect::<Map<String, Value>>())
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

/// The key in a document.
fn key_in(document: &Value) -> Option<(Vec<u8>, VerifyingKey)> {
    let method = document.get("verificationMethod")?.get(0)?;
    let bytes = hex::decode(method.get("publicKeyHex")?.as_str()?).ok()?;
    let key = VerifyingKey::from_sec1_bytes(SIGNER_ID, &bytes).ok()?;
    Some((bytes, key))
}

fn is_by(key: &VerifyingKey, bytes: &[u8], proof: &str) -> Option<bool> {
    let sign = Signature::from_der(&hex::decode(proof).ok()?).ok()?;
    Some(key.verify(bytes, &sign).is_ok())
}

/// Whether a document's proof is by the key in it, and its DID follows from the key. A pseudonym
/// follows from no key: whoever resolves it trusts the service.
pub fn proves(document: &Value) -> bool {
    let parts = || {
        let (bytes, key) = key_in(document)?;
        let did = document.get("id")?.as_str()?;
        let digest = hex::encode(signature::digest16(&bytes));
        let follows = did.starts_with("did:shcc:") || did.rsplit(':').next()? == digest;
        let mut bare = document.clone();
        let proof = bare.get_mut("proof")?.as_object_mut()?.remove("proofValue")?;
        let right = is_by(&key, canonical(&bare).to_string().as_bytes(), proof.as_str()?)?;
        Some(right && follows)
    };
    parts().unwrap_or(false)
}

/// Whether a signature over a text is by the key that a document names.
pub fn signed(document: &Value, signature: &DidSignature, content: &str) -> bool {
    let parts = || {
        let (_, key) = key_in(document)?;
        let named = document.get("verificationMethod")?.get(0)?.get("id")?.as_str()?;
        let right = is_by(&key, content.as_bytes(), &signature.proof_value)?;
        Some(right && named == signature.verification_method)
    };
    parts().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natural(name: &str) -> Identifier {
        Identifier::derive(b"secret", Subject::Natural, name).unwrap()
    }

    #[test]
    fn a_document_is_proved_by_its_own_key_only() {
        let document = natural("990101199001010016").document(Timestamp(1_700_000_000_000));
        assert!(proves(&document));
        let read: Value = serde_json::from_str(&document.to_string()).unwrap();
        assert!(proves(&read));
        let stranger = natural("990101199001010024").document(Timestamp(0));
        for (path, other) in [
            ("/created", json!("2026-01-01T00:00:00+08:00")),
            ("/proof/created", json!("2026-01-01T00:00:00+08:00")),
            ("/proof/proofPurpose", json!("authentication")),
            ("/id", stranger["id"].clone()),
            ("/verificationMethod", stranger["verificationMethod"].clone()),
        ] {
            let mut spoilt = document.clone();
            *spoilt.pointer_mut(path).unwrap() = other;
            assert!(!proves(&spoilt), "{path}");
        }
        assert!(!proves(&json!({})));
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let document = natural("a").document(Timestamp(0));
        let fields = document.as_object().unwrap().iter().rev();
        let turned: Map<String, Value> =
            fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        assert!(proves(&Value::Object(turned)));
    }

    #[test]
    fn one_subject_has_one_did_and_a_pseudonym_a_key_of_its_own() {
        let did = |subject, name| Identifier::derive(b"secret", subject, name).unwrap().did;
        assert_eq!(did(Subject::Natural, "a"), did(Subject::Natural, "a"));
        assert_ne!(did(Subject::Natural, "a"), did(Subject::Natural, "b"));
        assert_ne!(did(Subject::Natural, "a")[9..], did(Subject::Legal, "a")[9..]);
        let pseudonym = |text: &str| {
            let ccid = Ccid::parse(text).unwrap();
            Identifier::of_pseudonym(b"secret", &ccid).unwrap()
        };
        let (one, other) = (pseudonym("did:shcc:1"), pseudonym("did:shcc:2"));
        let signature = one.sign("同意");
        assert_eq!(signature.verification_method, "did:shcc:1#key-1");
        assert!(proves(&one.document(Timestamp(0))));
        assert!(signed(&one.document(Timestamp(0)), &signature, "同意"));
        assert!(!signed(&one.document(Timestamp(0)), &signature, "不同意"));
        assert!(!signed(&other.document(Timestamp(0)), &signature, "同意"));
    }
}
