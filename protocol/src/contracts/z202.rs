//! Z202 授权 H5: what a citizen returns with. The result travels as query parameters of the return
//! address, signed under the application's key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::signature::{MacType, sign, verify};
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
    /// Hexadecimal signature over [`Consented::string_to_sign`], HMAC-SM3.
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

    /// Signed under a key.
    #[must_use]
    pub fn signed(mut self, key: &[u8]) -> Self {
        self.sign = sign(MacType::HmacSm3, key, self.string_to_sign().as_bytes());
        self
    }

    /// Whether the signature is the key's.
    pub fn is_signed_with(&self, key: &[u8]) -> bool {
        verify(MacType::HmacSm3, key, self.string_to_sign().as_bytes(), &self.sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_cannot_be_changed() {
        let result = Consented {
            code: "0".into(),
            ccid: Some(Ccid::parse("c-1").unwrap()),
            scenes: "rail,bus".into(),
            state: "s".into(),
            timestamp: 1,
            nonce: "n".into(),
            sign: String::new(),
        }
        .signed(b"key");
        assert!(result.is_signed_with(b"key") && !result.is_signed_with(b"kez"));
        let changed = Consented { scenes: "rail".into(), ..result.clone() };
        assert!(!changed.is_signed_with(b"key"));
        let moved = Consented { ccid: None, ..result };
        assert!(!moved.is_signed_with(b"key"));
    }
}
