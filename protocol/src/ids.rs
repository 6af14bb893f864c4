//! Names of people, partners and things. A value of these types cannot be malformed: the only ways
//! in are `parse` and deserialisation, and both check.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::packed;

/// Why a text was not accepted as an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} takes 1 to {max} characters of A-Z a-z 0-9 . _ : @ - ")]
pub struct BadText {
    /// Which identifier was being read.
    pub kind: &'static str,
    /// Its largest length in bytes.
    pub max: usize,
}

/// What an identifier may be made of, by byte: one look each, since a batch has thousands of them.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let character = byte as u8;
        plain[byte] = character.is_ascii_alphanumeric()
            || matches!(character, b'.' | b'_' | b':' | b'@' | b'-');
        byte += 1;
    }
    plain
};

// Shared, not copied: a record's texts are handed on from the request to the batch, the message,
// the entry and the account, on threads of their own, and what one thread allocates and another
// frees is the dearest there is.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(value_type = String, min_length = 1, max_length = $max)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Largest length in bytes.
            pub const MAX: usize = $max;

            /// Accepts printable ASCII identifiers only: what cannot be confused cannot deceive.
            pub fn parse(text: &str) -> Result<Self, BadText> {
                let fits = (1..=$max).contains(&text.len());
                if fits && text.bytes().all(|byte| PLAIN[usize::from(byte)]) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadText { kind: stringify!($name), max: $max })
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = BadText;
            fn try_from(text: &str) -> Result<Self, BadText> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                packed::serialize(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                packed::deserialize(deserializer)
            }
        }

        impl FromStr for $name {
            type Err = BadText;
            fn from_str(text: &str) -> Result<Self, BadText> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A partner organisation, as the operator registered it.
    PartnerId, 32
);
text_id!(
    /// An operator of the platform, as an administrator enrolled them.
    OperatorId, 32
);
text_id!(
    /// An application of a partner (应用): what authenticates, what a CCID belongs to.
    AppId, 32
);
text_id!(
    /// A scene (场景编码), agreed offline between partner and operator.
    SceneCode, 32
);
text_id!(
    /// The pairwise pseudonym of one person towards one application: a sub-DID of the identity
    /// chain. Partners see nothing else of a person.
    Ccid, 64
);
text_id!(
    /// A person's identifier on the identity chain. Never leaves the platform.
    Did, 96
);
text_id!(
    /// A partner's own serial of something it asks for (流水号): the idempotency key.
    Serial, 64
);
text_id!(
    /// A benefit partner's order number (订单号).
    OrderNo, 64
);
text_id!(
    /// The partner's own id of its user, as C101 / Q101 answered it.
    PartnerUid, 64
);
text_id!(
    /// The id of one agreement text (许可协议), the same over all its versions.
    AgreementId, 48
);
text_id!(
    /// A methodology (方法学), by its published code or a project's own.
    MethodologyId, 48
);
text_id!(
    /// A station, line or order as the partner names it.
    Label, 64
);

/// An account's key: a keyed hash of the ID number, so that opening twice meets the same account
/// (INV-03). Internal: no partner ever sees one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl AccountId {
    /// The account's partition of `count`: FNV-1a-32 of the hexadecimal id, bit for bit what
    /// NATS's own `partition()` computes over the same token.
    pub fn partition(&self, count: u16) -> u16 {
        let mut token = [0; 32];
        // Twice the bytes, so that they fit.
        let _ = hex::encode_to_slice(self.0, &mut token);
        partition_of(&token, count)
    }
}

impl fmt::Debug for AccountId {
    /// Shortened: enough to follow one account through a log, too little to look a person up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account:{}", hex::encode(&self.0[..4]))
    }
}

/// FNV-1a-32 modulo `count`, the partition function of the whole platform.
pub fn partition_of(key: &[u8], count: u16) -> u16 {
    let hash = key
        .iter()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    // The remainder of a division by a u16 fits a u16.
    (hash % u32::from(count.max(1))) as u16
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize,
            Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// The number the registry gave an application: two bytes in every event instead of its name.
    AppNo, u16
);
number_id!(
    /// The number the registry gave a scene.
    SceneNo, u16
);
number_id!(
    /// The number the registry gave a version of an agreement: two bytes in every consent instead
    /// of id, version and SM3, which the registry's own entry in the journal holds.
    TextNo, u16
);
number_id!(
    /// An issuance run (签发批次), counted from 1.
    RunNo, u32
);
number_id!(
    /// An errand of one account, counted from 1; results of an older one are ignored.
    ErrandNo, u32
);

/// One submitted record: the application's batch counter and the row in it. Unique for ever, known
/// at the time of deciding (a journal position is not), and eight bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordRef {
    /// Whose batch.
    pub app: AppNo,
    /// The application's batch, counted from 1 by its intake.
    pub batch: u32,
    /// The row in it, from 0.
    pub row: u16,
}

/// The id of a routed message: the journal position it follows from, and the item in that entry.
/// A repeated message carries the same id, so its receiver decides the same.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct MessageId {
    /// Journal sequence of the causing entry.
    pub sequence: u64,
    /// Which consequence of that entry, from 0.
    pub item: u32,
}

/// Set in the item of what an event books on a bill, beside what the event itself is owed as.
const BOOKED: u32 = 1 << 31;

impl MessageId {
    /// The id of what an event books on a bill, where this is the event's own: a partner takes each
    /// id once.
    pub fn booked(self) -> Self {
        Self { item: self.item | BOOKED, ..self }
    }

    /// Reads what [`fmt::Display`] writes: 16 and at least 4 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (sequence, item) = text.split_once('-')?;
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let right = sequence.len() == 16 && (4..=8).contains(&item.len());
        if !right || !plain(sequence) || !plain(item) {
            return None;
        }
        let sequence = u64::from_str_radix(sequence, 16).ok()?;
        Some(Self { sequence, item: u32::from_str_radix(item, 16).ok()? })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:04x}", self.sequence, self.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_accept_plain_ascii_only() {
        for good in ["a", "metro-app", "did:sh:1", "A.b_c@d"] {
            assert!(Serial::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "碳", "a\u{0}", "a/b", &"x".repeat(65)] {
            assert!(Serial::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn partition_is_fnv1a_32() {
        // Published FNV-1a-32 vectors: "" → 811c9dc5, "a" → e40c292c, "foobar" → bf9cf968.
        assert_eq!(partition_of(b"", 1000), (0x811c_9dc5_u32 % 1000) as u16);
        assert_eq!(partition_of(b"a", 1000), (0xe40c_292c_u32 % 1000) as u16);
        assert_eq!(partition_of(b"foobar", 64), (0xbf9c_f968_u32 % 64) as u16);
    }
}
