//! Z202 授权 H5: what a citizen returns with. The result travels as query parameters of the return
//! address, signed as answers are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::signature::{MacType, SignType, sign, verify};
use crate::sm2::PublicKey;
use crate::{Ccid, SceneCode};

/// The result of a consent page. The truth is Z204; this is a hint that cannot be forged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consented {
    /// `"0"` for success, else the code of the reason.
    pub code: String,
    /// The citizen's pseudonym, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ccid: Option<Ccid>,
    /// Scenes that are lit now, separated by commas.
    #[serde(default)]
    pub scenes: String,
    /// What was given with Z102.
    #[serde(default)]
    pub state: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Used once.
    pub nonce: String,
    /// How it is signed: HMAC-SM3 under the application's secret, or SM2-SM3 by the platform.
    #[serde(default)]
    pub sign_type: SignType,
    /// Hexadecimal signature over [`Consented::string_to_sign`].
    #[serde(default)]
    pub sign: String,
}

impl Consented {
    /// Scenes as the parameter holds them.
    pub fn join(scenes: &[SceneCode]) -> String {
        scenes.iter().map(SceneCode::as_str).collect::<Vec<_>>().join(",")
    }

    /// What is signed: `code\nccid\nscenes\nstate\ntimestamp\nnonce\n`.
    pub fn string_to_sign(&self) -> String {
        let ccid = self.ccid.as_ref().map_or("", Ccid::as_str);
        let Self { code, scenes, state, timestamp, nonce, .. } = self;
        format!("{code}\n{ccid}\n{scenes}\n{state}\n{timestamp}\n{nonce}\n")
    }

    /// Signed under a secret.
    #[must_use]
    pub fn signed(mut self, key: &[u8]) -> Self {
        self.sign_type = SignType::HmacSm3;
        self.sign = sign(MacType::HmacSm3, key, self.string_to_sign().as_bytes());
        self
    }

    /// Whether it is signed under this secret.
    pub fn is_signed_with(&self, key: &[u8]) -> bool {
        let string = self.string_to_sign();
        self.sign_type == SignType::HmacSm3
            && verify(MacType::HmacSm3, key, string.as_bytes(), &self.sign)
    }

    /// Whether it is signed by the owner of this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let string = self.string_to_sign();
        self.sign_type == SignType::Sm2Sm3 && key.verify(string.as_bytes(), &self.sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sm2::PrivateKey;

    #[test]
    fn a_result_cannot_be_changed() {
        let result = Consented {
            code: "0".into(),
            ccid: Some(Ccid::parse("c-1").unwrap()),
            scenes: "rail,bus".into(),
            state: "s".into(),
            timestamp: 1,
            nonce: "n".into(),
            sign_type: SignType::default(),
            sign: String::new(),
        }
        .signed(b"key");
        assert!(result.is_signed_with(b"key") && !result.is_signed_with(b"kez"));
        let changed = Consented { scenes: "rail".into(), ..result.clone() };
        assert!(!changed.is_signed_with(b"key"));
        let moved = Consented { ccid: None, ..result.clone() };
        assert!(!moved.is_signed_with(b"key"));

        // With a key pair, and never the one for the other.
        let pair = PrivateKey::from_bytes(&[3; 32]).unwrap();
        let sign = pair.sign(result.string_to_sign().as_bytes());
        let signed = Consented { sign_type: SignType::Sm2Sm3, sign, ..result.clone() };
        assert!(signed.is_signed_by(&pair.public()));
        let stranger = PrivateKey::from_bytes(&[4; 32]).unwrap().public();
        assert!(!signed.is_signed_by(&stranger));
        assert!(!signed.is_signed_with(b"key") && !result.is_signed_by(&pair.public()));
        let confused = Consented { sign_type: SignType::HmacSm3, ..signed };
        assert!(!confused.is_signed_by(&pair.public()));
    }
}
