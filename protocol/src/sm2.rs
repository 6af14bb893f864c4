//! SM2 signatures over SM3 (GB/T 32918.2, the recommended curve of GB/T 32918.5): the type SM2-SM3.
//!
//! A partner whose signature is refused has mostly met one of these:
//! - The signature is DER, `SEQUENCE { INTEGER r, INTEGER s }` (GM/T 0009), in hexadecimal: 68 to
//!   72 bytes. The bare 64 bytes r‖s of many libraries are refused, as is DER that is not minimal.
//! - The signer's id goes into the digest (Z of GB/T 32918.2, 5.5): `1234567812345678`. A library
//!   that signs SM3 of the bytes without Z makes another signature.
//! - There is no low and high form of s as in ECDSA: SM2 checks r + s, so (r, n - s) is wrong, and
//!   a library that "normalises" s breaks the signature.
//! - A public key is the point, uncompressed: 04‖x‖y. Some libraries write x‖y without the 04: that
//!   is read, too. Compressed points and PEM are not. (Removing the 04 with a function that strips
//!   *characters*, as one widespread library does, also eats leading 0s and 4s of x.)
//! - C1C3C2 and C1C2C3 are orders of SM2 *cipher texts*: nothing here is encrypted with SM2.

use std::fmt;

use ::sm2::dsa::signature::hazmat::PrehashVerifier as _;
use ::sm2::dsa::signature::{Signer as _, Verifier as _};
use ::sm2::dsa::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The signer's id that GM/T 0009 names as the default, and that everybody here signs with.
pub const SIGNER_ID: &str = "1234567812345678";
/// Bytes of an uncompressed point.
const POINT: usize = 65;
/// Most hexadecimal digits of a signature: DER of two integers of 33 bytes.
const SIGN_MAX: usize = 2 * 72;

/// A public key: a point of the curve, known to be one. Written 04‖x‖y in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(
    value_type = String,
    min_length = 128,
    max_length = 130,
    pattern = "^(04)?[0-9a-fA-F]{128}$"
)]
pub struct PublicKey([u8; POINT]);

impl PublicKey {
    /// Reads 04‖x‖y, or x‖y, in hexadecimal; nothing where that is no point of the curve.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut point = [4; POINT];
        match text.len() {
            130 => hex::decode_to_slice(text, &mut point).ok()?,
            128 => hex::decode_to_slice(text, &mut point[1..]).ok()?,
            _ => return None,
        }
        // The tag must be checked here: a compressed point has another length, but there are tags
        // (06, 07: the hybrid form) that some readers take at this one.
        let key = Self(point);
        (point[0] == 4 && key.verifier().is_some()).then_some(key)
    }

    fn verifier(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_sec1_bytes(SIGNER_ID, &self.0).ok()
    }

    /// Whether a signature (DER, hexadecimal) over some bytes was made with the private key.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> bool {
        let right = || {
            let der = hex::decode(signature.get(..SIGN_MAX.min(signature.len()))?).ok()?;
            let signature = Signature::from_der(&der).ok()?;
            self.verifier()?.verify(bytes, &signature).ok()
        };
        signature.len() <= SIGN_MAX && right().is_some()
    }

    /// What is wrong with the form of a signature that is right but for it. To explain a refusal
    /// with, never to accept by.
    pub fn mistake(&self, bytes: &[u8], signature: &str) -> Option<&'static str> {
        let given = hex::decode(signature.get(..SIGN_MAX.min(signature.len()))?).ok()?;
        let (key, digest) = (self.verifier()?, crate::signature::sm3(bytes));
        if let Ok(bare) = Signature::from_slice(&given) {
            let right = key.verify(bytes, &bare).is_ok();
            return right.then_some("it is r and s side by side: DER is expected");
        }
        let signature = Signature::from_der(&given).ok()?;
        let right = key.verify_prehash(&digest, &signature).is_ok();
        right.then_some("SM3 was taken without Z, the digest of the signer's id and key")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl TryFrom<String> for PublicKey {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::from_hex(&text).ok_or("an SM2 public key: 04‖x‖y, hexadecimal, on the curve")
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

/// A private key. Never shown, never serialised.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key of a scalar of 32 bytes; nothing where it is none (0, or not below n - 1).
    pub fn from_bytes(scalar: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(SIGNER_ID, scalar).ok().map(Self)
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        let mut point = [0; POINT];
        // An uncompressed point by construction: the lengths are the same.
        point.copy_from_slice(&self.0.verifying_key().to_sec1_bytes());
        PublicKey(point)
    }

    /// Signs: DER, hexadecimal. The one-time number is derived from key and bytes as in RFC 6979: a
    /// poor source of random numbers cannot give the key away.
    pub fn sign(&self, bytes: &[u8]) -> String {
        // It fails for one digest in 2^255. Such a signature is empty: it verifies nowhere.
        let signed = self.0.try_sign(bytes);
        signed.map(|signature| hex::encode(signature.to_der().as_bytes())).unwrap_or_default()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use ::sm2::dsa::signature::hazmat::PrehashSigner as _;

    use super::*;

    /// GB/T 32918.5-2017 (GM/T 0003.5-2012), appendix A.2: private key, public key, r and s of
    /// "message digest" under the id `1234567812345678`.
    const D: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const P: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                     ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    const R: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3";
    const S: &str = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

    fn key() -> PrivateKey {
        let scalar = hex::decode(D).unwrap();
        PrivateKey::from_bytes(&scalar.try_into().unwrap()).unwrap()
    }

    fn der(r: &str, s: &str) -> String {
        let integer = |digits: &str| {
            let high = u8::from_str_radix(&digits[..2], 16).unwrap() >= 0x80;
            let digits = if high { format!("00{digits}") } else { digits.to_owned() };
            format!("02{:02x}{digits}", digits.len() / 2)
        };
        let both = [integer(r), integer(s)].concat();
        format!("30{:02x}{both}", both.len() / 2)
    }

    #[test]
    fn the_signature_is_the_standards() {
        let public = PublicKey::from_hex(P).unwrap();
        assert_eq!(key().public(), public);
        assert!(public.verify(b"message digest", &der(R, S)));
        assert!(public.verify(b"message digest", &der(R, S).to_uppercase()));
        assert!(!public.verify(b"message digesu", &der(R, S)));
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        let (public, bytes) = (key().public(), b"POST\n/api/v1/Z101\n1\nnonce-12\n{}\n".to_vec());
        let sign = key().sign(&bytes);
        assert!(public.verify(&bytes, &sign));
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert!(!public.verify(&other, &sign), "byte {place}");
        }
        let der = hex::decode(&sign).unwrap();
        for place in 0..der.len() {
            let mut other = der.clone();
            other[place] ^= 1;
            assert!(!public.verify(&bytes, &hex::encode(other)), "byte {place} of the signature");
        }
        let stranger = PrivateKey::from_bytes(&[7; 32]).unwrap().public();
        assert!(!stranger.verify(&bytes, &sign));
    }

    #[test]
    fn one_form_is_taken_and_the_usual_others_are_not() {
        let public = key().public();
        let bytes = b"message digest";
        let bare = [R, S].concat();
        assert!(!public.verify(bytes, &bare), "r and s without DER");
        assert!(public.mistake(bytes, &bare).unwrap().contains("DER"));
        assert_eq!(public.mistake(b"other", &bare), None);
        let without_z = key().0.sign_prehash(&crate::signature::sm3(bytes)).unwrap();
        let without_z = hex::encode(without_z.to_der().as_bytes());
        assert!(!public.verify(bytes, &without_z));
        assert!(public.mistake(bytes, &without_z).unwrap().contains("without Z"));
        assert_eq!(public.mistake(bytes, &der(R, S)), None, "nothing is wrong with it");
        // n - s, the "other form" of ECDSA: n of the curve less S.
        let n = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
        let negative = minus(n, S);
        assert!(!public.verify(bytes, &der(R, &negative)));
        let der = der(R, S);
        let long = format!("3081{}", &der[2..]);
        for bad in ["", "30", "00", "碳", &der[..der.len() - 2], &format!("{der}00"), &long] {
            assert!(!public.verify(bytes, bad), "{bad}");
        }
        for (r, s) in [("00", "00"), ("01", "01"), (n, S), (R, n), ("ff".repeat(32).as_str(), S)] {
            assert!(!public.verify(bytes, &super::tests::der(r, s)), "{r} {s}");
        }
        assert!(!public.verify(bytes, &"30".repeat(100_000)));
    }

    /// a - b of two numbers of as many hexadecimal digits.
    fn minus(a: &str, b: &str) -> String {
        let (a, b) = (hex::decode(a).unwrap(), hex::decode(b).unwrap());
        let mut borrow = 0;
        let mut digits: Vec<u8> = Vec::new();
        for (a, b) in a.iter().zip(&b).rev() {
            let rest = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(rest < 0);
            digits.insert(0, (rest & 0xff) as u8);
        }
        hex::encode(digits)
    }

    #[test]
    fn a_public_key_is_a_point_uncompressed() {
        assert_eq!(PublicKey::from_hex(&P[2..]), PublicKey::from_hex(P), "without the 04");
        assert_eq!(PublicKey::from_hex(P).unwrap().to_string(), P);
        let off = format!("{}14", &P[..128]);
        let hybrid = format!("07{}", &P[2..]);
        let compressed = format!("03{}", &P[2..66]);
        for bad in ["", "04", &off, &hybrid, &compressed, &"00".repeat(65), &"碳".repeat(43)] {
            assert_eq!(PublicKey::from_hex(bad), None, "{bad}");
        }
        let json = serde_json::to_string(&PublicKey::from_hex(P)).unwrap();
        assert_eq!(json, format!("\"{P}\""));
        assert!(serde_json::from_str::<PublicKey>("\"04\"").is_err());
        assert_eq!(PrivateKey::from_bytes(&[0; 32]).map(|key| key.public()), None);
        assert_eq!(format!("{:?}", key()), "PrivateKey(..)");
    }
}
