//! Signatures of requests, answers and pushes, and the digests that compare content. Bytes are
//! signed as they travel: nobody has to agree on how JSON is written.

use std::fmt;
use std::str::FromStr;

use hmac::Hmac;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sm3::{Digest as _, Sm3};
use utoipa::ToSchema;

/// Header: the calling application.
pub const APP_ID: &str = "x-app-id";
/// Header: milliseconds since 1970.
pub const TIMESTAMP: &str = "x-timestamp";
/// Header: a text that is used once, 8 to 64 characters.
pub const NONCE: &str = "x-nonce";
/// Header: how it is signed.
pub const SIGN_TYPE: &str = "x-sign-type";
/// Header: the signature, hexadecimal.
pub const SIGN: &str = "x-sign";
/// Header of answers: the id of the request.
pub const REQUEST_ID: &str = "x-request-id";

/// A keyed hash (HMAC, RFC 2104) under a secret that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum MacType {
    /// HMAC over SM3 (GB/T 32905): the default.
    #[default]
    #[serde(rename = "HMAC-SM3")]
    HmacSm3,
    /// HMAC over SHA-256.
    #[serde(rename = "HMAC-SHA256")]
    HmacSha256,
}

/// How something is signed. Each type has keys of its own kind: a secret never verifies as an SM2
/// key, nor the other way round, and the types of both cannot be confused in the code either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum SignType {
    /// HMAC over SM3 (GB/T 32905): the default.
    #[serde(rename = "HMAC-SM3")]
    HmacSm3,
    /// HMAC over SHA-256.
    #[serde(rename = "HMAC-SHA256")]
    HmacSha256,
    /// SM2 signature over SM3 (GB/T 32918.2): see [`crate::sm2`].
    #[serde(rename = "SM2-SM3")]
    Sm2Sm3,
}

impl SignType {
    /// The keyed hash of this type; none where it signs with a key pair.
    pub fn mac(self) -> Option<MacType> {
        match self {
            Self::HmacSm3 => Some(MacType::HmacSm3),
            Self::HmacSha256 => Some(MacType::HmacSha256),
            Self::Sm2Sm3 => None,
        }
    }
}

impl From<MacType> for SignType {
    fn from(mac: MacType) -> Self {
        match mac {
            MacType::HmacSm3 => Self::HmacSm3,
            MacType::HmacSha256 => Self::HmacSha256,
        }
    }
}

impl Default for SignType {
    fn default() -> Self {
        MacType::default().into()
    }
}

impl fmt::Display for SignType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSm3 => "HMAC-SM3",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::Sm2Sm3 => "SM2-SM3",
        })
    }
}

impl fmt::Display for MacType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SignType::from(*self).fmt(f)
    }
}

/// A signature type that is not spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature types are HMAC-SM3, HMAC-SHA256 and SM2-SM3")]
pub struct UnknownSignType;

impl FromStr for SignType {
    type Err = UnknownSignType;
    fn from_str(text: &str) -> Result<Self, UnknownSignType> {
        match text {
            "HMAC-SM3" => Ok(Self::HmacSm3),
            "HMAC-SHA256" => Ok(Self::HmacSha256),
            "SM2-SM3" => Ok(Self::Sm2Sm3),
            _ => Err(UnknownSignType),
        }
    }
}

/// For those who hold a secret and nothing else: SM2-SM3 is none of theirs.
impl FromStr for MacType {
    type Err = UnknownSignType;
    fn from_str(text: &str) -> Result<Self, UnknownSignType> {
        text.parse::<SignType>()?.mac().ok_or(UnknownSignType)
    }
}

/// What is signed of a request or a push: `METHOD\nPATH?QUERY\nTIMESTAMP\nNONCE\nBODY\n`.
pub fn request_string(
    method: &str,
    path_and_query: &str,
    timestamp: i64,
    nonce: &str,
    body: &[u8],
) -> Vec<u8> {
    let head = format!("{method}\n{path_and_query}\n{timestamp}\n{nonce}\n");
    [head.as_bytes(), body, b"\n"].concat()
}

/// What is signed of an answer: `STATUS\nREQUEST-ID\nTIMESTAMP\nNONCE\nBODY\n`.
pub fn answer_string(
    status: u16,
    request_id: &str,
    timestamp: i64,
    nonce: &str,
    body: &[u8],
) -> Vec<u8> {
    let head = format!("{status}\n{request_id}\n{timestamp}\n{nonce}\n");
    [head.as_bytes(), body, b"\n"].concat()
}

/// Signs under a secret; hexadecimal.
pub fn sign(kind: MacType, key: &[u8], bytes: &[u8]) -> String {
    hex::encode(mac(kind, key, bytes))
}

/// Whether a hexadecimal signature is the right one under a secret. Takes as long for a wrong one.
pub fn verify(kind: MacType, key: &[u8], bytes: &[u8], signature: &str) -> bool {
    is_tag(&mac(kind, key, bytes), signature)
}

/// Whether a hexadecimal signature is this tag. Takes as long for a wrong one.
pub fn is_tag(tag: &[u8; 32], signature: &str) -> bool {
    let mut given = [0; 32];
    let shaped = hex::decode_to_slice(signature, &mut given).is_ok();
    shaped & bool::from(subtle::ConstantTimeEq::ct_eq(&tag[..], &given[..]))
}

/// HMAC of 32 bytes.
pub fn mac(kind: MacType, key: &[u8], bytes: &[u8]) -> [u8; 32] {
    match kind {
        MacType::HmacSm3 => hmac_of::<Hmac<Sm3>>(key, bytes),
        MacType::HmacSha256 => hmac_of::<Hmac<Sha256>>(key, bytes),
    }
}

fn hmac_of<M>(key: &[u8], bytes: &[u8]) -> [u8; 32]
where
    M: hmac::Mac + hmac::KeyInit,
{
    // HMAC takes keys of any length (RFC 2104); the error is for other MACs of the same trait.
    #[allow(clippy::expect_used)]
    let mut mac = <M as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(bytes);
    let mut tag = [0; 32];
    tag.copy_from_slice(&mac.finalize().into_bytes());
    tag
}

/// SM3 of some bytes.
pub fn sm3(bytes: &[u8]) -> [u8; 32] {
    Sm3::digest(bytes).into()
}

/// SM3 cut to 16 bytes: what tells contents apart where nobody gains by making two collide but the
/// partner itself.
pub fn digest16(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&sm3(bytes)[..16]);
    short
}

/// SM3 cut to 8 bytes.
pub fn digest8(bytes: &[u8]) -> u64 {
    let mut short = [0; 8];
    short.copy_from_slice(&sm3(bytes)[..8]);
    u64::from_be_bytes(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm3_is_the_standards() {
        // GB/T 32905-2016, appendix A: "abc", and "abcd" sixteen times.
        assert_eq!(
            hex::encode(sm3(b"abc")),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
        assert_eq!(
            hex::encode(sm3(&b"abcd".repeat(16))),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }

    #[test]
    fn hmac_sha256_is_rfc_4231s() {
        assert_eq!(
            sign(MacType::HmacSha256, b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn hmac_sm3_is_the_construction_over_sm3() {
        // RFC 2104 spelt out with SM3's block of 64 bytes.
        let key = b"a key";
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
            block.to_vec()
        };
        let inner = sm3(&[pad(0x36), b"bytes".to_vec()].concat());
        let outer = sm3(&[pad(0x5c), inner.to_vec()].concat());
        assert_eq!(mac(MacType::HmacSm3, key, b"bytes"), outer);
    }

    #[test]
    fn hmac_sm3_is_gm_t_0042s() {
        // GM/T 0042-2015, appendix D.3.
        let key: Vec<u8> = (1..=32).collect();
        let letters = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".repeat(2);
        assert_eq!(
            sign(MacType::HmacSm3, &key, letters.as_bytes()),
            "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a"
        );
    }

    #[test]
    fn every_changed_part_is_noticed() {
        let string = request_string("POST", "/api/v1/01/Z304", 1, "nonce-12", b"{}");
        assert_eq!(string, b"POST\n/api/v1/01/Z304\n1\nnonce-12\n{}\n");
        for kind in [MacType::HmacSm3, MacType::HmacSha256] {
            let signature = sign(kind, b"key", &string);
            assert!(verify(kind, b"key", &string, &signature));
            assert!(verify(kind, b"key", &string, &signature.to_uppercase()));
            assert!(!verify(kind, b"kez", &string, &signature));
            for place in 0..string.len() {
                let mut other = string.clone();
                other[place] ^= 1;
                assert!(!verify(kind, b"key", &other, &signature), "byte {place}");
            }
            for bad in ["", "00", &signature[..62], &format!("{signature}00"), "碳"] {
                assert!(!verify(kind, b"key", &string, bad), "{bad:?}");
            }
        }
        assert_eq!(answer_string(200, "r", 1, "n", b"{}"), b"200\nr\n1\nn\n{}\n");
    }

    #[test]
    fn types_have_the_names_of_the_contract() {
        for kind in [SignType::HmacSm3, SignType::HmacSha256, SignType::Sm2Sm3] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            let mac = kind.to_string().parse::<MacType>();
            assert_eq!(mac.ok(), kind.mac(), "{kind}");
            assert!(kind.mac().is_none_or(|mac| SignType::from(mac) == kind));
        }
        for bad in ["", "hmac-sm3", "SM2", "SM3-SM2", "none"] {
            assert_eq!(bad.parse::<SignType>(), Err(UnknownSignType), "{bad}");
        }
        assert_eq!(SignType::default(), SignType::HmacSm3);
    }
}
