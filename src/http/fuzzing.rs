//! What the fuzzer drives of the door: every parser of bytes that a stranger may send. Each takes
//! any bytes, asserts what must hold whatever they are, and panics where it does not. Compiled for
//! tests and for `tests/fuzz` only.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use carbon_actors::methodology::{self, Dictionary};
use carbon_protocol::contracts::page::CityTicket;
use carbon_protocol::contracts::{
    accounts, admin, c101, c201, identity, issuance, m203, m303, m401, m402, m405, operators, z101,
    z102, z201, z204, z301, z302, z303, z304, z305, z306, z501, z502, z504, z601,
};
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::seal::{DataKey, SealedField, seal_bytes};
use carbon_protocol::signature::{self, SignType};
use carbon_protocol::sm2::PublicKey;
use carbon_protocol::{AppId, AppNo, PartnerId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ladder::{Anyone, Claimed, in_window};
use super::tokens::Seals;
use super::{exchange, json};

/// A body of one contract, as the door reads it: the first byte says of which.
pub fn bodies(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let read = BODIES[usize::from(*kind) % BODIES.len()];
    read(body);
}

/// Every message that comes from outside: partners' and operators' requests, and the answers of
/// partners and of the identity service.
const BODIES: &[fn(&[u8])] = &[
    body::<z101::TokenRequest>,
    body::<z102::EntryRequest>,
    body::<z201::AgreementsRequest>,
    body::<z204::AuthorizationsRequest>,
    body::<z301::DistancesRequest>,
    computed,
    body::<z303::ComputeBatchRequest>,
    body::<z304::SubmitRequest>,
    body::<z305::IssuancePush>,
    body::<z306::ResultsRequest>,
    body::<z501::TotalsRequest>,
    body::<z502::BillRequest>,
    body::<z504::LitScenesRequest>,
    body::<z601::AddressRequest>,
    body::<z601::Challenge>,
    body::<m303::OrderRequest>,
    body::<m401::SceneNamesRequest>,
    body::<m402::PointsRequest>,
    body::<m405::VisitorRequest>,
    body::<m203::LinkRequest>,
    body::<m203::LinkReply>,
    body::<c101::MatchRequest>,
    body::<c101::MatchReply>,
    body::<c201::RawDataRequest>,
    body::<c201::RawData>,
    body::<admin::PartnerRequest>,
    body::<admin::AppRequest>,
    body::<admin::SuspendRequest>,
    body::<admin::SceneRequest>,
    body::<admin::AgreementRequest>,
    body::<issuance::RunRequest>,
    body::<issuance::ApproveRequest>,
    body::<operators::EnrolRequest>,
    body::<accounts::AccountRequest>,
    body::<carbon_protocol::policy::Policy>,
    body::<carbon_protocol::methodology::Methodology>,
    body::<identity::SmsCodeRequest>,
    body::<identity::RegisterRequest>,
    body::<identity::Registered>,
    body::<identity::H5Request>,
    body::<identity::H5>,
    body::<identity::H5ResultRequest>,
    body::<identity::H5Result>,
    body::<identity::SubDidRequest>,
    body::<identity::SubDid>,
    body::<identity::ParentPerson>,
];

/// Whatever is read can be written, and is read again as the same; a refusal is a 4xx that quotes
/// nothing but names.
fn body<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match json::body::<T>(&headers, bytes) {
        Ok(value) => {
            let written = write(&value);
            let again = json::body::<T>(&headers, &written).map_err(|fault| format!("{fault:?}"));
            let again = again.map(|again| write(&again));
            assert_eq!(again.as_ref(), Ok(&written), "it is not read as it was written");
        }
        Err(fault) => {
            assert!((400..500).contains(&fault.rejection.reason.status()), "{fault:?}");
            let field = fault.rejection.field.unwrap_or_default();
            assert!(!field.chars().any(char::is_control) && field.chars().count() <= 160);
        }
    }
}

fn write<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value);
    assert!(value.is_ok(), "what was read cannot be written: {value:?}");
    value.unwrap_or_default().to_string().into_bytes()
}

/// A behaviour is priced by every methodology that ships: it is worth something or refused, never
/// more than a row may be.
fn computed(bytes: &[u8]) {
    body::<z302::ComputeRequest>(bytes);
    let Ok(request) = serde_json::from_slice::<z302::ComputeRequest>(bytes) else { return };
    let (Ok(methodologies), Ok(dictionary)) = (
        crate::declarations::methodologies(),
        Dictionary::parse("station_a,station_b,metres\nE01,E02,1300\n"),
    ) else {
        return;
    };
    for methodology in &methodologies {
        let _ = methodology::compute(methodology, &dictionary, &request.behaviour);
    }
}

/// The query of Z301 and of the operator's look-ups.
pub fn queries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let asked = json::query::<z301::DistancesRequest>(Some(text));
    if let Err(fault) = asked {
        assert!((400..500).contains(&fault.rejection.reason.status()), "{fault:?}");
    }
    let _ = json::query::<super::books::SettlementQuery>(Some(text));
    let _ = json::query::<super::operating::PushesQuery>(Some(text));
    let _ = json::query::<super::declaring::Nothing>(Some(text));
}

/// A table of distances as an operator imports it: what is read knows its pairs in both directions.
pub fn dictionaries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(dictionary) = Dictionary::parse(text) else { return };
    for (a, b, metres) in dictionary.pairs().take(64) {
        assert_eq!(dictionary.distance(b, a), Some(metres), "{a} and {b}");
    }
}

/// A block of headers, `name: value` a line: who calls, when, and how it is signed.
pub fn headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(halves.next().unwrap_or_default().trim_ascii());
        let value = HeaderValue::from_bytes(halves.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let _ = exchange::language(&headers);
    let Ok(claimed) = Claimed::read::<Anyone>(&headers) else { return };
    let _ = AppId::parse(claimed.app);
    let now = Timestamp(1_790_000_000_000);
    if let Ok(given) = in_window(claimed.timestamp, now, 300) {
        assert!(given.abs_diff(now.0) <= 300_000 && given.to_string() == claimed.timestamp);
    }
    let kind = claimed.kind.map_or(Ok(SignType::default()), str::parse);
    let mac = kind.unwrap_or_default().mac().unwrap_or_default();
    let right = signature::verify(mac, &[7; 32], SIGNED, claimed.signature);
    // Nobody finds the signature of a key that is not in the input.
    assert!(!right, "a signature out of nothing");
    keys(claimed.signature.as_bytes());
    let seals = Seals::new([9; 32], 7200, 300);
    let token = claimed.token.unwrap_or_default();
    assert!(!seals.is_valid(token, &app(now), now), "a token out of nothing");
}

/// SM2: public keys, and signatures in DER, each in hexadecimal. A text that is a key is so in one
/// writing; no text is a signature of what nobody signed.
pub fn keys(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let given = PublicKey::from_hex(text);
    if let Some(key) = &given {
        assert_eq!(PublicKey::from_hex(&key.to_string()).as_ref(), Some(key));
    }
    let known = PublicKey::from_hex(KNOWN);
    assert!(known.is_some(), "the known key is none");
    let der = hex::encode(data);
    for key in given.iter().chain(&known) {
        for signature in [text, der.as_str()] {
            assert!(!key.verify(SIGNED, signature), "a signature out of nothing");
        }
    }
}

/// What no signature in the input is of.
const SIGNED: &[u8] = b"GET\n/\n0\nn\n\n";
/// A point of the curve: its generator, whose private key is 1 and in use nowhere.
const KNOWN: &str = "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7\
                     bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";

fn app(issued: Timestamp) -> App {
    let (id, partner) = (AppId::parse("metro"), PartnerId::parse("metro-co"));
    let (Ok(id), Ok(partner)) = (id, partner) else { unreachable!("plain names") };
    App {
        no: AppNo(3),
        id,
        partner,
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
        tokens: [issued, Timestamp(0)],
    }
}

/// Tokens and cursors: a text that nobody sealed opens nothing; what is sealed, though it is no
/// place in any list, is refused and breaks nothing.
pub fn seals(data: &[u8]) {
    let seals = Seals::new([9; 32], 7200, 300);
    let now = Timestamp(1_790_000_000_000);
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(!seals.is_valid(text, &app(now), now), "a token out of nothing");
        assert_eq!(seals.place::<(u64, u32)>("Z502", AppNo(3), text), None);
        assert_eq!(seals.place::<usize>("Z306", AppNo(3), text), None);
    }
    let sealed = seals.seal("token", data);
    let valid = seals.is_valid(&sealed, &app(now), now);
    assert_eq!(valid, data == [&3_u16.to_be_bytes()[..], &now.0.to_be_bytes()[..]].concat());
    let sealed = seals.seal("cursor:Z502:3", data);
    let _ = seals.place::<(u64, u32)>("Z502", AppNo(3), &sealed);
    let _ = seals.place::<Option<(String, Vec<u64>)>>("Z502", AppNo(3), &sealed);
    let _ = seals.place::<Value>("Z502", AppNo(3), &sealed);
}

/// SM4-GCM fields and the city app's tickets: a text that nobody sealed opens nothing, and what is
/// inside of one that was sealed may be anything.
pub fn fields(data: &[u8]) {
    let key = DataKey::new([7; 16]);
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(field) = SealedField::try_from(text.to_owned()) {
            assert!(field.open(&key, "metro", "idNo").is_none(), "a field out of nothing");
        }
        assert!(CityTicket::open(&key, text).is_none(), "a ticket out of nothing");
        let field = SealedField::seal(&key, "metro", "idNo", text, [1; 12]);
        let opened = field.open(&key, "metro", "idNo");
        assert_eq!(opened.as_deref().map(String::as_str), Some(text));
        assert!(field.open(&key, "metro", "name").is_none(), "opened as another field");
        let _ = DataKey::from_hex(text);
        let _ =
            (carbon_protocol::seal::masked_name(text), carbon_protocol::seal::masked_phone(text));
    }
    use base64::Engine as _;
    let sealed = seal_bytes(&key, [2; 12], b"city-app|ticket", data);
    let ticket = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sealed);
    let _ = CityTicket::open(&key, &ticket);
}

#[cfg(test)]
mod tests {
    /// The targets stay alive without a fuzzer: examples of the contracts, cut and changed.
    #[test]
    fn examples_and_what_is_near_them_break_nothing() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/examples");
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read(file.unwrap().path()).unwrap();
            for kind in 0..u8::try_from(super::BODIES.len()).unwrap() {
                for cut in [0, 1, text.len() / 2] {
                    super::bodies(&[&[kind], &text[..text.len() - cut]].concat());
                }
            }
            for target in [
                super::queries,
                super::headers,
                super::seals,
                super::fields,
                super::keys,
                super::dictionaries,
            ] {
                target(&text);
            }
            seen += 1;
        }
        assert!(seen > 50, "{seen} examples");
    }
}
