//! DIDs of natural persons: an SM2 key pair for each, and a W3C DID document with a proof that the
//! key itself signs.

use carbon_protocol::signature::{self, MacType};
use carbon_protocol::{Did, Timestamp};
use serde_json::{Value, json};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};

/// The signer's id that GM/T 0009 names as the default.
const SIGNER_ID: &str = "1234567812345678";

/// A person's key pair and the DID that follows from it.
pub struct Identifier {
    key: SigningKey,
    /// The DID.
    pub did: Did,
}

impl Identifier {
    /// Draws the key of a person from the service's secret: one ID number, one key, one DID, also
    /// after the service was started again.
    pub fn derive(secret: &[u8], id_no: &str) -> anyhow::Result<Self> {
        for turn in 0..8_u8 {
            let about = format!("sm2|{turn}|{id_no}");
            let scalar = signature::mac(MacType::HmacSm3, secret, about.as_bytes());
            // Out of 2^32 drawings about one is no scalar of the curve: then the next is taken.
            let Ok(key) = SigningKey::from_slice(SIGNER_ID, &scalar) else { continue };
            let digest = signature::digest16(&key.verifying_key().to_sec1_bytes());
            let did = Did::parse(&format!("did:shid:{}", hex::encode(digest)))?;
            return Ok(Self { key, did });
        }
        anyhow::bail!("no key could be drawn")
    }

    /// The DID document, with its proof.
    pub fn document(&self, created: Timestamp) -> Value {
        let did = self.did.as_str();
        let key = format!("{did}#key-1");
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
        });
        let sign: Signature = self.key.sign(document.to_string().as_bytes());
        document["proof"] = json!({
            "type": "SM2Signature2022",
            "created": created.to_string(),
            "proofPurpose": "assertionMethod",
            "verificationMethod": key,
            "proofValue": hex::encode(sign.to_der().as_bytes()),
        });
        document
    }
}

/// Whether a document's proof is by the key in it, and its DID follows from the key.
pub fn proves(document: &Value) -> bool {
    let parts = || {
        let method = document.get("verificationMethod")?.get(0)?;
        let key = hex::decode(method.get("publicKeyHex")?.as_str()?).ok()?;
        let did = format!("did:shid:{}", hex::encode(signature::digest16(&key)));
        let proof = document.get("proof")?.get("proofValue")?.as_str()?;
        let sign = Signature::from_der(&hex::decode(proof).ok()?).ok()?;
        let key = VerifyingKey::from_sec1_bytes(SIGNER_ID, &key).ok()?;
        let mut bare = document.clone();
        bare.as_object_mut()?.remove("proof");
        let right = key.verify(bare.to_string().as_bytes(), &sign).is_ok();
        Some(right && document.get("id")?.as_str()? == did)
    };
    parts().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_proved_by_its_own_key_only() {
        let person = Identifier::derive(b"secret", "990101199001010016").unwrap();
        let document = person.document(Timestamp(1_700_000_000_000));
        assert!(proves(&document));
        let read: Value = serde_json::from_str(&document.to_string()).unwrap();
        assert!(proves(&read), "the order of the keys survives the wire");
        let mut other = document.clone();
        other["created"] = json!("2026-01-01T00:00:00+08:00");
        assert!(!proves(&other));
        let stranger = Identifier::derive(b"secret", "990101199001010024").unwrap();
        let mut swapped = document.clone();
        swapped["verificationMethod"] =
            stranger.document(Timestamp(0))["verificationMethod"].clone();
        assert!(!proves(&swapped));
        assert!(!proves(&json!({})));
    }

    #[test]
    fn one_person_has_one_did() {
        let did = |id| Identifier::derive(b"secret", id).unwrap().did;
        assert_eq!(did("a"), did("a"));
        assert_ne!(did("a"), did("b"));
    }
}
