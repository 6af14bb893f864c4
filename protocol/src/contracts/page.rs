//! How a citizen enters from the city's app 随申办: a ticket that the app seals under the key it
//! shares with the platform, used once, minutes long.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::seal::{DataKey, NONCE_BYTES, open_bytes, seal_bytes};

/// What a ticket is authenticated as.
const ABOUT: &[u8] = b"city-app|ticket";
/// Longest ticket in the address line.
const TICKET_MAX: usize = 2048;

/// A citizen whose real name the city's app has verified.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CityTicket {
    /// Name.
    pub name: String,
    /// ID number.
    pub id_no: String,
    /// Phone.
    pub phone: String,
    /// Used once.
    pub nonce: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl fmt::Debug for CityTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CityTicket(..)")
    }
}

impl CityTicket {
    /// The ticket as it stands in an address: `/h5/enter?cityTicket=…`.
    pub fn seal(&self, key: &DataKey, nonce: [u8; NONCE_BYTES]) -> String {
        // Texts and a number into memory: nothing to fail on; an empty ticket opens nowhere.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(seal_bytes(key, nonce, ABOUT, &plain))
    }

    /// Opens a ticket; nothing where it is not one of the city's app.
    pub fn open(key: &DataKey, ticket: &str) -> Option<Self> {
        let ticket = (ticket.len() <= TICKET_MAX).then_some(ticket)?;
        let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        serde_json::from_slice(&open_bytes(key, ABOUT, &sealed)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_with_the_key_it_was_sealed_with() {
        let ticket = CityTicket {
            name: "张三".into(),
            id_no: "990101199001010016".into(),
            phone: "13800001234".into(),
            nonce: "n-1".into(),
            expires_at: Timestamp(1_790_000_000_000),
        };
        let key = DataKey::new([1; 16]);
        let text = ticket.seal(&key, [2; 12]);
        assert_eq!(CityTicket::open(&key, &text), Some(ticket));
        assert_eq!(CityTicket::open(&DataKey::new([2; 16]), &text), None);
        for bad in ["", "碳", "AAAA", &text[1..], &"A".repeat(5000)] {
            assert_eq!(CityTicket::open(&key, bad), None);
        }
    }
}
