//! Opaque texts of our own making, under a MAC: bearer tokens (Z101) and the cursors of lists.
//! Self-contained: they survive a restart, and nothing has to be stored for them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carbon_protocol::registry::App;
use carbon_protocol::signature::{MacType, mac};
use carbon_protocol::{AppNo, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

/// Bytes of the MAC that travel.
const TAG: usize = 16;
/// Nothing of ours is longer; longer texts are not even decoded.
const LONGEST: usize = 512;

/// Makes and reads tokens and cursors under one key.
pub struct Seals {
    key: [u8; 32],
    token_seconds: i64,
    overlap_seconds: i64,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seals(..)")
    }
}

impl Seals {
    /// A token lives `token_seconds`, and `overlap_seconds` more at most once it was refreshed.
    pub fn new(key: [u8; 32], token_seconds: u32, overlap_seconds: u32) -> Self {
        let (token_seconds, overlap_seconds) = (token_seconds.into(), overlap_seconds.into());
        Self { key, token_seconds, overlap_seconds }
    }

    pub(super) fn seal(&self, domain: &str, bytes: &[u8]) -> String {
        let tag = self.tag(domain, bytes);
        URL_SAFE_NO_PAD.encode([bytes, &tag[..]].concat())
    }

    fn open(&self, domain: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > LONGEST {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let tag = bytes.split_off(bytes.len().checked_sub(TAG)?);
        bool::from(self.tag(domain, &bytes)[..].ct_eq(&tag)).then_some(bytes)
    }

    fn tag(&self, domain: &str, bytes: &[u8]) -> [u8; TAG] {
        let whole = mac(MacType::HmacSm3, &self.key, &[domain.as_bytes(), &[0], bytes].concat());
        let mut tag = [0; TAG];
        tag.copy_from_slice(&whole[..TAG]);
        tag
    }

    /// The token of an application that was issued at an instant.
    pub fn token(&self, app: AppNo, issued: Timestamp) -> String {
        self.seal("token", &[&app.0.to_be_bytes()[..], &issued.0.to_be_bytes()[..]].concat())
    }

    /// Whether a token is one of the application's and valid now: the newest for its whole life,
    /// the one before for a little while after the newest was issued.
    pub fn is_valid(&self, token: &str, app: &App, now: Timestamp) -> bool {
        let Some(bytes) = self.open("token", token) else { return false };
        let Some((no, issued)) = bytes.split_first_chunk::<2>() else { return false };
        let Ok(issued) = issued.try_into().map(|bytes| Timestamp(i64::from_be_bytes(bytes))) else {
            return false;
        };
        let [newest, before] = app.tokens;
        let current = issued == newest
            || (issued == before && now < newest.plus_seconds(self.overlap_seconds));
        u16::from_be_bytes(*no) == app.no.0
            && current
            && now < issued.plus_seconds(self.token_seconds)
    }

    /// A cursor: where a list of `kind` goes on, for one application only.
    pub fn cursor<T: Serialize>(&self, kind: &str, app: AppNo, place: &T) -> Option<String> {
        let bytes = rmp_serde::to_vec(place).ok()?;
        Some(self.seal(&format!("cursor:{kind}:{app}"), &bytes))
    }

    /// Reads a cursor; none where it is not one of this list and application.
    pub fn place<T: DeserializeOwned>(&self, kind: &str, app: AppNo, cursor: &str) -> Option<T> {
        let bytes = self.open(&format!("cursor:{kind}:{app}"), cursor)?;
        rmp_serde::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_protocol::registry::AppRole;
    use carbon_protocol::{AppId, PartnerId};

    fn app(tokens: [Timestamp; 2]) -> App {
        App {
            no: AppNo(3),
            id: AppId::parse("metro").unwrap(),
            partner: PartnerId::parse("p").unwrap(),
            role: AppRole::Scene,
            name: "metro".into(),
            chain_code: "c".into(),
            base_url: "http://x".into(),
            return_hosts: Vec::new(),
            mall_url: None,
            no_account_text: None,
            sandbox: true,
            keys: Vec::new(),
            newest_key: 0,
            suspended: false,
            tokens,
        }
    }

    #[test]
    fn tokens_live_their_time_and_the_one_before_a_little_longer() {
        let seals = Seals::new([7; 32], 7200, 300);
        let at = |seconds: i64| Timestamp(1_000_000_000_000).plus_seconds(seconds);
        let (first, second) = (seals.token(AppNo(3), at(0)), seals.token(AppNo(3), at(1000)));
        let once = app([at(0), Timestamp(0)]);
        assert!(seals.is_valid(&first, &once, at(7199)));
        assert!(!seals.is_valid(&first, &once, at(7200)));
        let twice = app([at(1000), at(0)]);
        assert!(seals.is_valid(&first, &twice, at(1299)));
        assert!(!seals.is_valid(&first, &twice, at(1300)));
        assert!(seals.is_valid(&second, &twice, at(8199)));
        assert!(!seals.is_valid(&second, &once, at(1001)), "a token nobody issued");
        let thrice = app([at(1100), at(1000)]);
        assert!(!seals.is_valid(&first, &thrice, at(1101)), "two refreshes end the first");
        let late = app([at(7100), at(0)]);
        assert!(!seals.is_valid(&first, &late, at(7201)), "the overlap does not prolong a life");
    }

    #[test]
    fn forged_and_foreign_texts_are_refused() {
        let (seals, other) = (Seals::new([7; 32], 60, 5), Seals::new([8; 32], 60, 5));
        let now = Timestamp(5_000);
        let app = app([now, Timestamp(0)]);
        let token = seals.token(AppNo(3), now);
        assert!(seals.is_valid(&token, &app, now));
        assert!(!seals.is_valid(&other.token(AppNo(3), now), &app, now));
        assert!(!seals.is_valid(&seals.token(AppNo(4), now), &app, now));
        for bad in ["", "A", "碳", &token[1..], &"A".repeat(5000)] {
            assert!(!seals.is_valid(bad, &app, now), "{bad}");
        }
        let cursor = seals.cursor("Z502", AppNo(3), &(1_u64, 2_u32)).unwrap();
        assert_eq!(seals.place("Z502", AppNo(3), &cursor), Some((1_u64, 2_u32)));
        assert_eq!(seals.place::<(u64, u32)>("Z502", AppNo(4), &cursor), None);
        assert_eq!(seals.place::<(u64, u32)>("Z306", AppNo(3), &cursor), None);
        assert_eq!(seals.place::<(u64, u32)>("Z502", AppNo(3), &token), None);
    }
}
