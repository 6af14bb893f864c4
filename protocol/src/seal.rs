//! Personal data under seal: fields that travel (SM4-GCM under the application's key) and a person
//! at rest (under a key of its own, so that erasing the key erases the person).

use std::fmt;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{AesGcm, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sm4::Sm4;
use sm4::cipher::consts::U12;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Bytes of a nonce; drawn anew for every sealing.
pub const NONCE_BYTES: usize = 12;
/// Longest personal-data field, sealed and in base64.
pub const FIELD_MAX: usize = 1024;

/// SM4 in Galois counter mode (GB/T 36624), 96-bit nonces, 128-bit tags.
type Sm4Gcm = AesGcm<Sm4, U12>;

/// A person's real-name data as stored: opened only by the vault, with the key in its slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPerson {
    /// Where the vault keeps the person's data key. A missing key means: erased.
    pub slot: u64,
    /// Nonce, cipher text and tag.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// A key of personal data: 16 bytes, wiped when dropped, never shown.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 16]>);

impl DataKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key from 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 16]);
        hex::decode_to_slice(text.trim(), &mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// The key that follows from a passphrase: PBKDF2 with HMAC-SM3 (GM/T 0091).
    pub fn of_passphrase(passphrase: &[u8], salt: &[u8], iterations: u32) -> Self {
        let mut key = Self::new([0; 16]);
        pbkdf2::pbkdf2_hmac::<sm3::Sm3>(passphrase, salt, iterations, &mut *key.0);
        key
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// Seals bytes: nonce, cipher text, tag. The nonce is the caller's: it must never be used twice
/// with one key. `about` is authenticated, not hidden: what is sealed for one thing does not open
/// as another.
pub fn seal_bytes(key: &DataKey, nonce: [u8; NONCE_BYTES], about: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = Sm4Gcm::new(key.bytes().into());
    let payload = Payload { msg: plain, aad: about };
    // GCM fails beyond 64 GiB only, and what is sealed here is in memory. A text that could not be
    // sealed stays empty: it opens nowhere.
    let sealed = cipher.encrypt(&nonce.into(), payload).unwrap_or_default();
    [&nonce[..], &sealed].concat()
}

/// Opens what [`seal_bytes`] sealed; nothing where key, text or `about` is another.
pub fn open_bytes(key: &DataKey, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let cipher = Sm4Gcm::new(key.bytes().into());
    cipher.decrypt(&(*nonce).into(), Payload { msg: text, aad: about }).ok().map(Zeroizing::new)
}

/// A personal-data field as it travels: base64 of nonce, cipher text and tag, under the
/// application's data key, bound to `appId|field`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, max_length = 1024, min_length = 40)]
pub struct SealedField(String);

impl SealedField {
    /// Seals a field of an application's message.
    pub fn seal(
        key: &DataKey,
        app: &str,
        field: &str,
        plain: &str,
        nonce: [u8; NONCE_BYTES],
    ) -> Self {
        let about = Self::about(app, field);
        Self::of(&seal_bytes(key, nonce, about.as_bytes(), plain.as_bytes()))
    }

    /// What a field is bound to.
    pub fn about(app: &str, field: &str) -> String {
        format!("{app}|{field}")
    }

    /// A field of sealed bytes.
    pub fn of(sealed: &[u8]) -> Self {
        Self(STANDARD.encode(sealed))
    }

    /// The sealed bytes; nothing where it is no base64.
    pub fn sealed(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.0).ok()
    }

    /// Opens it; nothing where anything does not fit.
    pub fn open(&self, key: &DataKey, app: &str, field: &str) -> Option<Zeroizing<String>> {
        let plain = open_bytes(key, Self::about(app, field).as_bytes(), &self.sealed()?)?;
        std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for SealedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedField(..)")
    }
}

impl TryFrom<String> for SealedField {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.len() > FIELD_MAX {
            Err("a sealed field of at most 1024 characters")
        } else {
            Ok(Self(text))
        }
    }
}

impl From<SealedField> for String {
    fn from(field: SealedField) -> String {
        field.0
    }
}

/// A name as it may be shown: 张三 → 张*.
pub fn masked_name(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    letters.fold(first, |shown, _| shown + "*")
}

/// A phone as it may be shown: 13800001234 → 138****1234.
pub fn masked_phone(phone: &str) -> String {
    let letters: Vec<char> = phone.chars().collect();
    let shown = |at: usize| letters.len() >= 11 && (at < 3 || at + 4 >= letters.len());
    letters.iter().enumerate().map(|(at, letter)| if shown(at) { *letter } else { '*' }).collect()
}

/// An ID number as it may be shown: 310101199001010016 → 310***********0016.
pub fn masked_id_no(id_no: &str) -> String {
    let letters: Vec<char> = id_no.chars().collect();
    let shown = |at: usize| letters.len() >= 15 && (at < 3 || at + 4 >= letters.len());
    letters.iter().enumerate().map(|(at, letter)| if shown(at) { *letter } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey::from_hex("0123456789abcdeffedcba9876543210").unwrap()
    }

    #[test]
    fn sm4_is_the_standards() {
        // GB/T 32907-2016, appendix A: one block under itself, once and a million times.
        use sm4::cipher::{BlockCipherEncrypt as _, KeyInit as _};
        let cipher = Sm4::new(key().bytes().into());
        let mut block = sm4::cipher::Block::<Sm4>::from(*key().bytes());
        cipher.encrypt_block(&mut block);
        assert_eq!(hex::encode(block), "681edf34d206965e86b3e94f536e4246");
        (1..1_000_000).for_each(|_| cipher.encrypt_block(&mut block));
        assert_eq!(hex::encode(block), "595298c7c6fd271f0402f804c33d3f66");
    }

    #[test]
    fn sm4_gcm_is_rfc_8998s() {
        // RFC 8998, appendix A.1.
        let unhex = |text: &str| hex::decode(text).unwrap();
        let nonce: [u8; 12] = unhex("00001234567800000000abcd").try_into().unwrap();
        let about = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plain = unhex(
            "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffff\
             ffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
        );
        let sealed = seal_bytes(&key(), nonce, &about, &plain);
        assert_eq!(
            hex::encode(&sealed[12..]),
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf\
             93d496ac15a56834cbcf98c397b4024a2691233b8d83de3541e4c2b58177e065a9bf7b62ec"
        );
        assert_eq!(open_bytes(&key(), &about, &sealed).unwrap().to_vec(), plain);
    }

    #[test]
    fn a_passphrase_makes_a_key_as_rfc_8018_says() {
        // The first block spelt out over HMAC-SM3, which has its own vector: U1 = HMAC(salt‖1),
        // U2 = HMAC(U1), U3 = HMAC(U2); the key is their sum.
        use crate::signature::{MacType, mac};
        let round = |bytes: &[u8]| mac(MacType::HmacSm3, b"passphrase", bytes);
        let first = round(b"salt\0\0\0\x01");
        let second = round(&first);
        let third = round(&second);
        let sum: Vec<u8> = (0..16).map(|at| first[at] ^ second[at] ^ third[at]).collect();
        assert_eq!(DataKey::of_passphrase(b"passphrase", b"salt", 3).bytes().to_vec(), sum);
    }

    #[test]
    fn a_field_opens_for_its_application_and_name_only() {
        let field = SealedField::seal(&key(), "metro", "idNo", "990101199001010016", [7; 12]);
        assert_eq!(field.open(&key(), "metro", "idNo").unwrap().as_str(), "990101199001010016");
        let other = DataKey::new([1; 16]);
        for (key, app, name) in
            [(&other, "metro", "idNo"), (&key(), "bus", "idNo"), (&key(), "metro", "name")]
        {
            assert!(field.open(key, app, name).is_none(), "{app} {name}");
        }
        let text = String::from(field);
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let tampered = SealedField(String::from_utf8(bytes).unwrap());
            assert!(tampered.open(&key(), "metro", "idNo").is_none(), "letter {place}");
        }
        for bad in ["", "碳", "AAAA", "=", &"A".repeat(40)] {
            assert!(SealedField(bad.into()).open(&key(), "metro", "idNo").is_none(), "{bad}");
        }
        assert!(serde_json::from_str::<SealedField>(&format!("\"{}\"", "A".repeat(1025))).is_err());
    }

    #[test]
    fn masks_show_what_they_may() {
        for (name, shown) in [("张三", "张*"), ("欧阳娜娜", "欧***"), ("李", "李"), ("", "")]
        {
            assert_eq!(masked_name(name), shown);
        }
        for (phone, shown) in [("13800001234", "138****1234"), ("12345", "*****"), ("", "")] {
            assert_eq!(masked_phone(phone), shown);
        }
        for (id_no, shown) in
            [("990101199001010016", "990***********0016"), ("1234567", "*******"), ("", "")]
        {
            assert_eq!(masked_id_no(id_no), shown);
        }
        assert_eq!(format!("{:?}", key()), "DataKey(..)");
    }
}
