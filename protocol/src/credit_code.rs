//! The unified social credit code (统一社会信用代码, GB 32100) of a legal person: eighteen characters,
//! the last of which checks the others.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Its characters, by their value: no I, O, S, V, Z, which are mistaken for digits.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Characters before the one that checks them.
const BODY: usize = 17;

/// Why a text is no credit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no unified social credit code (GB 32100): 18 characters, the last checks the others")]
pub struct BadCreditCode;

/// A unified social credit code. Public: it stands in the business register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 18, max_length = 18, example = "91350100M000100Y43")]
pub struct CreditCode(Box<str>);

impl CreditCode {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, BadCreditCode> {
        let (body, last) = text.as_bytes().split_at_checked(BODY).ok_or(BadCreditCode)?;
        let right = check(body).ok_or(BadCreditCode)?;
        if last == [right] { Ok(Self(text.into())) } else { Err(BadCreditCode) }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The character that checks a body: the values are weighed by powers of 3 modulo 31.
fn check(body: &[u8]) -> Option<u8> {
    let (mut sum, mut weight) = (0, 1);
    for letter in body {
        let value = ALPHABET.iter().position(|known| known == letter)?;
        sum = (sum + value * weight) % 31;
        weight = weight * 3 % 31;
    }
    ALPHABET.get((31 - sum) % 31).copied()
}

impl TryFrom<String> for CreditCode {
    type Error = BadCreditCode;
    fn try_from(text: String) -> Result<Self, BadCreditCode> {
        Self::parse(&text)
    }
}

impl From<CreditCode> for String {
    fn from(code: CreditCode) -> String {
        code.0.into()
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_character_checks_the_others() {
        // The standard's own example, and a company's that everybody can look up.
        for good in ["91350100M000100Y43", "914403001922038216"] {
            assert_eq!(CreditCode::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "91350100M000100Y4",
            "91350100M000100Y44",
            "91350100M000100Y430",
            "91350100M001000Y43",
            "91350100m000100y43",
            "9135O100M000100Y43",
            "碳350100M000100Y4",
        ] {
            assert_eq!(CreditCode::parse(bad), Err(BadCreditCode), "{bad}");
        }
    }
}
