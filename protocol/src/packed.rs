//! How identifiers are written. As text where people read it; in binary formats, what ends in a run
//! of hexadecimal digits, as DIDs and CCIDs do, is written as bytes: half of it in every event,
//! snapshot and message.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Fewer digits than this are not worth the two bytes that they cost.
const DIGITS: usize = 16;
/// Longest text that is packed; longer ones there are none.
const LONGEST: usize = 128;

/// Writes an identifier's text.
pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut packed = [0; LONGEST];
    match (!serializer.is_human_readable()).then(|| pack(text, &mut packed)).flatten() {
        Some(bytes) => serializer.serialize_bytes(bytes),
        None => serializer.serialize_str(text),
    }
}

/// Reads an identifier, which then checks its text.
pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: for<'t> TryFrom<&'t str, Error: fmt::Display>,
{
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(Text(PhantomData))
    } else {
        deserializer.deserialize_any(Text(PhantomData))
    }
}

/// `[length of the prefix][prefix][bytes]`; nothing where the text does not end in enough digits.
fn pack<'p>(text: &str, packed: &'p mut [u8; LONGEST]) -> Option<&'p [u8]> {
    let is_digit = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = text.as_bytes().iter().rev().take_while(is_digit).count();
    let digits = digits - digits % 2;
    let (prefix, hexadecimal) = text.split_at_checked(text.len().checked_sub(digits)?)?;
    let end = 1 + prefix.len() + digits / 2;
    if digits < DIGITS || end > LONGEST {
        return None;
    }
    packed[0] = u8::try_from(prefix.len()).ok()?;
    packed[1..=prefix.len()].copy_from_slice(prefix.as_bytes());
    // Of a digit 0–9 or a–f the lower half is its value, less nine for a letter.
    let value = |digit: u8| (digit & 0x0f) + 9 * (digit >> 6);
    let pairs = hexadecimal.as_bytes().chunks_exact(2);
    for (byte, pair) in packed[1 + prefix.len()..end].iter_mut().zip(pairs) {
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Some(&packed[..end])
}

fn unpack<'t>(packed: &[u8], text: &'t mut [u8; LONGEST]) -> Option<&'t str> {
    let (length, rest) = packed.split_first()?;
    let (prefix, bytes) = rest.split_at_checked(usize::from(*length))?;
    let text = text.get_mut(..prefix.len() + 2 * bytes.len())?;
    let (start, digits) = text.split_at_mut(prefix.len());
    start.copy_from_slice(prefix);
    hex::encode_to_slice(bytes, digits).ok()?;
    std::str::from_utf8(text).ok()
}

struct Text<T>(PhantomData<T>);

impl<T: for<'t> TryFrom<&'t str, Error: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::try_from(text).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, packed: &[u8]) -> Result<T, E> {
        let mut text = [0; LONGEST];
        let text = unpack(packed, &mut text).ok_or_else(|| E::custom("no packed identifier"))?;
        self.visit_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_in_digits_takes_half_and_comes_back_as_it_was() {
        let digits = "0123456789abcdef0123456789abcdef";
        for (text, length) in [
            (digits.to_owned(), Some(1 + 16)),
            (format!("did:sub:{digits}"), Some(1 + 8 + 16)),
            // An odd digit stays with the prefix.
            (format!("did:f{digits}"), Some(1 + 5 + 16)),
            (format!("f{}", &digits[..16]), Some(1 + 1 + 8)),
            (digits[..14].to_owned(), None),
            (digits.to_uppercase(), None),
            (format!("{digits}-"), None),
            ("metro".to_owned(), None),
        ] {
            let mut room = [0; LONGEST];
            let packed = pack(&text, &mut room);
            assert_eq!(packed.map(<[u8]>::len), length, "{text}");
            if let Some(packed) = packed {
                assert_eq!(unpack(packed, &mut [0; LONGEST]), Some(text.as_str()));
            }
        }
    }

    #[test]
    fn bytes_that_are_no_identifier_are_refused() {
        for bad in [&[][..], &[1], &[9, b'a'], &[1, 0xff, 0], &[0; LONGEST]] {
            assert_eq!(unpack(bad, &mut [0; LONGEST]), None, "{bad:?}");
        }
    }

    #[test]
    fn readable_formats_keep_the_text() {
        let ccid = crate::Ccid::parse("did:sub:0123456789abcdef0123456789abcdef").unwrap();
        let json = serde_json::to_string(&ccid).unwrap();
        assert_eq!(json, "\"did:sub:0123456789abcdef0123456789abcdef\"");
        assert_eq!(serde_json::from_str::<crate::Ccid>(&json).unwrap(), ccid);
        let binary = rmp_serde::to_vec(&ccid).unwrap();
        assert_eq!(binary.len(), 2 + 1 + 8 + 16);
        assert_eq!(rmp_serde::from_slice::<crate::Ccid>(&binary).unwrap(), ccid);
        // Bytes that unpack to a text that is none of this kind.
        assert!(rmp_serde::from_slice::<crate::Ccid>(&[0xc4, 2, 1, b' ']).is_err());
    }
}
