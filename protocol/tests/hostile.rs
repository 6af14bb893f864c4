//! Random and hostile input: what was signed or sealed comes back, tampering is noticed, and no
//! text whatever makes a parser panic. proptest prints the seed of a failure.

use carbon_protocol::contracts::page::CityTicket;
use carbon_protocol::contracts::{events, z102, z304};
use carbon_protocol::seal::{
    DataKey, SealedField, masked_name, masked_phone, open_bytes, seal_bytes,
};
use carbon_protocol::signature::{MacType, answer_string, request_string, sign, verify};
use carbon_protocol::{AppId, Ccid, Day, Month, Serial, Timestamp};
use proptest::prelude::*;

fn sign_type() -> impl Strategy<Value = MacType> {
    prop_oneof![Just(MacType::HmacSm3), Just(MacType::HmacSha256)]
}

/// The years 1970 to 9999, less the last days: what can be written can be read.
const MILLISECONDS: std::ops::Range<i64> = 0..253_402_200_000_000;

proptest! {
    #[test]
    fn what_was_signed_verifies_and_nothing_else(
        kind in sign_type(), key: Vec<u8>, bytes: Vec<u8>, other: Vec<u8>, text: String,
    ) {
        let signature = sign(kind, &key, &bytes);
        prop_assert!(verify(kind, &key, &bytes, &signature));
        prop_assert!(bytes == other || !verify(kind, &key, &other, &signature));
        prop_assert!(!verify(kind, &key, &bytes, &text));
    }

    #[test]
    fn a_flipped_bit_of_a_signature_is_noticed(
        kind in sign_type(), key: Vec<u8>, bytes: Vec<u8>, at in 0..32_usize, bit in 0..8_u8,
    ) {
        let mut tag = hex::decode(sign(kind, &key, &bytes)).unwrap();
        tag[at] ^= 1 << bit;
        prop_assert!(!verify(kind, &key, &bytes, &hex::encode(tag)));
    }

    #[test]
    fn two_requests_that_differ_sign_differently(
        path in "/[a-z0-9/?=]{0,20}", time: i64, nonce in "[a-z0-9]{8,16}", body: Vec<u8>,
        other_path in "/[a-z0-9/?=]{0,20}", other_time: i64, other_body: Vec<u8>,
    ) {
        let string = request_string("POST", &path, time, &nonce, &body);
        let other = request_string("POST", &other_path, other_time, &nonce, &other_body);
        let same = path == other_path && time == other_time && body == other_body;
        prop_assert_eq!(string == other, same);
        prop_assert!(answer_string(200, "r", time, &nonce, &body).ends_with(b"\n"));
    }

    #[test]
    fn seals_open_and_tampering_breaks_them(
        key: [u8; 16], nonce: [u8; 12], about: Vec<u8>, plain: Vec<u8>, at: usize, bit in 0..8_u8,
    ) {
        let key = DataKey::new(key);
        let mut sealed = seal_bytes(&key, nonce, &about, &plain);
        let opened = open_bytes(&key, &about, &sealed).map(|plain| plain.to_vec());
        prop_assert_eq!(opened, Some(plain));
        let at = at % sealed.len();
        sealed[at] ^= 1 << bit;
        prop_assert!(open_bytes(&key, &about, &sealed).is_none());
        sealed[at] ^= 1 << bit;
        sealed.truncate(at);
        prop_assert!(open_bytes(&key, &about, &sealed).is_none());
    }

    #[test]
    fn sealed_fields_come_back_for_their_application_and_name_only(
        key: [u8; 16], nonce: [u8; 12], plain: String, app in "[a-z]{1,8}", field in "[a-z]{1,8}",
    ) {
        let key = DataKey::new(key);
        let sealed = SealedField::seal(&key, &app, &field, &plain, nonce);
        let opened = sealed.open(&key, &app, &field).map(|plain| plain.to_string());
        prop_assert_eq!(opened, Some(plain));
        prop_assert!(sealed.open(&key, &(app.clone() + "x"), &field).is_none());
        prop_assert!(sealed.open(&key, &app, &(field + "x")).is_none());
        let shown = format!("{sealed:?} {key:?}");
        prop_assert!(!shown.contains(&String::from(sealed)));
    }

    #[test]
    fn hostile_cipher_texts_open_nowhere(text: String, bytes: Vec<u8>) {
        let key = DataKey::new([3; 16]);
        prop_assert!(open_bytes(&key, b"", &bytes).is_none());
        prop_assert!(CityTicket::open(&key, &text).is_none());
        if let Ok(field) = SealedField::try_from(text) {
            prop_assert!(field.open(&key, "app", "name").is_none());
        }
    }

    #[test]
    fn masks_never_show_more_than_they_may(name: String, phone: String) {
        let (shown_name, shown_phone) = (masked_name(&name), masked_phone(&phone));
        prop_assert_eq!(shown_name.chars().count(), name.chars().count());
        prop_assert!(shown_name.chars().skip(1).all(|letter| letter == '*'));
        prop_assert_eq!(shown_phone.chars().count(), phone.chars().count());
        let hidden = shown_phone.chars().filter(|letter| *letter == '*').count();
        prop_assert!(hidden >= phone.chars().count().min(4));
    }

    #[test]
    fn times_days_and_months_come_back(ms in MILLISECONDS) {
        let time = Timestamp(ms);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
        prop_assert_eq!(time.day().to_string().parse(), Ok(time.day()));
        prop_assert_eq!(time.month().to_string().parse(), Ok(time.month()));
        prop_assert!(time.day().start() <= time && time < time.day().plus(1).start());
    }

    #[test]
    fn no_text_makes_a_parser_panic(
        text: String, like in "[0-9T:+.Z-]{0,32}", bytes: Vec<u8>, far: i64, days: i32,
    ) {
        for text in [&text, &like] {
            let _ = text.parse::<Timestamp>();
            let _ = text.parse::<Day>();
            let _ = text.parse::<Month>();
            let _ = text.parse::<MacType>();
            let _ = DataKey::from_hex(text);
            if let Ok(serial) = Serial::parse(text) {
                prop_assert!(text.len() <= Serial::MAX && serial.as_str() == text);
            }
            let _ = serde_json::from_str::<z304::SubmitRequest>(text);
            let _ = events::Happening::parse(text, text.as_bytes());
        }
        let _ = serde_json::from_slice::<z102::EntryRequest>(&bytes);
        // Times that no calendar holds are shown somehow, and never panic.
        let _ = (Timestamp(far).to_string(), Timestamp(far).month(), Timestamp(far).day().start());
        let _ = (Day(days).to_string(), Month(days).to_string(), Month(days).last_day());
    }

    #[test]
    fn subjects_have_four_tokens_and_no_wildcard(id in "[A-Za-z0-9._:@-]{1,32}") {
        let app = AppId::parse(&id).unwrap();
        let subject = events::subject(Some(&app), "scene-lit");
        prop_assert_eq!(subject.split('.').count(), 4);
        prop_assert!(!subject.contains(['*', '>', ' ']));
        prop_assert_ne!(subject, events::subject(None, "scene-lit"));
    }

    #[test]
    fn identifiers_hold_plain_ascii_of_their_length(text: String) {
        if let Ok(ccid) = Ccid::parse(&text) {
            prop_assert!(text.is_ascii() && !text.contains([' ', '\n', '|', '/', ',']));
            prop_assert_eq!(ccid.as_str(), text);
        }
    }
}
