//! The golden examples of every message: each file is what a partner may copy, so it must be read
//! by its type and written again without a difference. No file without a type, no type without.

use std::collections::BTreeSet;
use std::path::PathBuf;

use carbon_protocol::contracts::{
    accounts, admin, balances, c101, c201, declarations, dictionaries, events, feed, identity,
    issuance, keys, m203, m303, m401, m402, m403, m404, m405, operators, pushes, sampling, z101,
    z102, z201, z202, z203, z204, z301, z302, z303, z304, z305, z306, z501, z502, z503, z504, z601,
};
use carbon_protocol::policy::Policy;
use carbon_protocol::seal::{DataKey, SealedField};
use carbon_protocol::signature::sm3;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The data key that the sealed fields of the examples are under, for application `metro-app`.
const DATA_KEY: &str = "0123456789abcdeffedcba9876543210";
/// The signing secret of the examples.
const SIGN_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Reads a message by its type and writes it again.
type Again = fn(&str) -> Result<Value, serde_json::Error>;

fn again<T: DeserializeOwned + Serialize>(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_str::<T>(text)?)
}

/// What partners send us, or are sent: unknown fields are refused in the former.
const REQUESTS: &[(&str, Again)] = &[
    ("z101.request", again::<z101::TokenRequest>),
    ("z102.request", again::<z102::EntryRequest>),
    ("z201.request", again::<z201::AgreementsRequest>),
    ("z204.request", again::<z204::AuthorizationsRequest>),
    ("z301.request", again::<z301::DistancesRequest>),
    ("z302.request", again::<z302::ComputeRequest>),
    ("z303.request", again::<z303::ComputeBatchRequest>),
    ("z304.request", again::<z304::SubmitRequest>),
    ("z306.request", again::<z306::ResultsRequest>),
    ("feed.request", again::<feed::EventsRequest>),
    ("pushes.request", again::<pushes::PushesRequest>),
    ("pushes-replay.request", again::<pushes::ReplayRequest>),
    ("admin-pushes-replay.request", again::<pushes::ReplayRequest>),
    ("z501.request", again::<z501::TotalsRequest>),
    ("z502.request", again::<z502::BillRequest>),
    ("z504.request", again::<z504::LitScenesRequest>),
    ("z601.request", again::<z601::AddressRequest>),
    ("m303.request", again::<m303::OrderRequest>),
    ("m401.request", again::<m401::SceneNamesRequest>),
    ("m402.request", again::<m402::PointsRequest>),
    ("m403.request", again::<m403::BillRequest>),
    ("m405.request", again::<m405::VisitorRequest>),
    ("admin-operators.request", again::<operators::EnrolRequest>),
    ("admin-operators-rotate.request", again::<operators::NoFields>),
    ("admin-operators-revoke.request", again::<operators::NoFields>),
    ("admin-issuance-runs-withdraw.request", again::<operators::NoFields>),
    ("admin-partners.request", again::<admin::PartnerRequest>),
    ("admin-applications.request", again::<admin::AppRequest>),
    ("admin-suspend.request", again::<admin::SuspendRequest>),
    ("admin-keys.request", again::<keys::KeyRequest>),
    ("admin-keys-retire.request", again::<keys::RetireRequest>),
    ("admin-scenes.request", again::<admin::SceneRequest>),
    ("admin-scenes-amend.request", again::<declarations::AmendSceneRequest>),
    ("admin-agreements.request", again::<admin::AgreementRequest>),
    ("admin-accounts-look-up.request", again::<accounts::AccountRequest>),
    ("admin-accounts-close.request", again::<accounts::AccountRequest>),
    ("admin-policies.request", again::<Policy>),
    ("admin-samplings.request", again::<sampling::SamplingRequest>),
    ("admin-methodologies.request", again::<admin::Methodologies>),
    ("admin-issuance-runs-approve.request", again::<issuance::ApproveRequest>),
    ("admin-issuance-runs.request", again::<issuance::RunRequest>),
];

/// What we answer and push, what others answer us, and lists: read leniently.
const OTHERS: &[(&str, Again)] = &[
    ("z101.answer", again::<z101::Token>),
    ("z102.answer", again::<z102::Entry>),
    ("z201.answer", again::<z201::Agreements>),
    ("z202.answer", again::<z202::Consented>),
    ("z203.request", again::<z203::AuthorizationPush>),
    ("z204.answer", again::<z204::Authorizations>),
    ("z301.answer", again::<z301::Distances>),
    ("z302.answer", again::<z302::Computed>),
    ("z303.answer", again::<z303::ComputedBatch>),
    ("z304.answer", again::<z304::Receipt>),
    ("z305.request", again::<z305::IssuancePush>),
    ("z306.answer", again::<z306::Results>),
    ("feed.answer", again::<feed::Events>),
    ("pushes.answer", again::<pushes::Pushes>),
    ("pushes-replay.answer", again::<pushes::Replay>),
    ("z501.answer", again::<z501::Totals>),
    ("z502.answer", again::<z502::Bill>),
    ("z503.request", again::<z503::BillPush>),
    ("m404.request", again::<m404::PointsBillPush>),
    ("z504.answer", again::<z504::LitScenes>),
    ("z601.answer", again::<z601::Addresses>),
    ("z601.challenge", again::<z601::Challenge>),
    ("c201.request", again::<c201::RawDataRequest>),
    ("c201.answer", again::<c201::RawData>),
    ("admin-samplings.answer", again::<sampling::SamplingView>),
    ("admin-data-quality.answer", again::<sampling::QualityView>),
    ("admin-data-quality-list.answer", again::<sampling::QualitiesView>),
    ("admin-dictionaries-list.answer", again::<dictionaries::DictionariesView>),
    ("c101.request", again::<c101::MatchRequest>),
    ("c101.answer", again::<c101::MatchReply>),
    ("m203.request", again::<m203::LinkRequest>),
    ("m203.answer", again::<m203::LinkReply>),
    ("m303.answer", again::<m303::OrderAnswer>),
    ("m401.answer", again::<m401::SceneNames>),
    ("m402.answer", again::<m402::PointsAnswer>),
    ("m403.answer", again::<m403::PointsBill>),
    ("m405.answer", again::<m405::Visitor>),
    ("identity-sms-code.request", again::<identity::SmsCodeRequest>),
    ("identity-sms-code.answer", again::<identity::Sent>),
    ("identity-3.1.request", again::<identity::RegisterRequest>),
    ("identity-3.1.answer", again::<identity::Registered>),
    ("identity-3.2.request", again::<identity::LegalRequest>),
    ("identity-3.2.answer", again::<identity::LegalRegistered>),
    ("identity-3.3.request", again::<identity::PersonSignRequest>),
    ("identity-3.3.answer", again::<identity::PersonSigned>),
    ("identity-4.4.1.request", again::<identity::AppSignRequest>),
    ("identity-4.4.1.answer", again::<identity::DidSignature>),
    ("identity-4.4.2.request", again::<identity::H5Request>),
    ("identity-4.4.2.answer", again::<identity::H5>),
    ("identity-4.4.3.request", again::<identity::LegalH5Request>),
    ("identity-4.4.3.answer", again::<identity::H5>),
    ("identity-4.4.4.request", again::<identity::SigningH5Request>),
    ("identity-4.4.4.answer", again::<identity::H5>),
    ("identity-4.4.5.request", again::<identity::H5ResultRequest>),
    ("identity-4.4.5.answer", again::<identity::H5Result>),
    ("identity-4.4.6.request", again::<identity::SubDidRequest>),
    ("identity-4.4.6.answer", again::<identity::SubDid>),
    ("identity-4.4.7.request", again::<identity::ParentRequest>),
    ("identity-4.4.7.answer", again::<identity::Parent>),
    ("admin-operators.answer", again::<operators::OperatorKey>),
    ("admin-operators-rotate.answer", again::<operators::OperatorKey>),
    ("admin-issuance-runs-approve.answer", again::<issuance::RunView>),
    ("admin-issuance-runs-withdraw.answer", again::<issuance::RunView>),
    ("admin-operators-list.answer", again::<operators::OperatorsView>),
    ("admin-audit.answer", again::<operators::AuditPage>),
    ("admin-declared.answer", again::<admin::Declared>),
    ("admin-applications.answer", again::<admin::AppKeys>),
    ("admin-applications-list.answer", again::<admin::AppsView>),
    ("keys.answer", again::<keys::PlatformKeys>),
    ("admin-keys.answer", again::<keys::KeyAdded>),
    ("admin-keys-list.answer", again::<keys::KeysView>),
    ("admin-scenes-list.answer", again::<admin::ScenesView>),
    ("admin-issuance-runs.answer", again::<issuance::RunView>),
    ("admin-issuance-runs-list.answer", again::<issuance::RunsView>),
    ("admin-issuance-runs-preview.answer", again::<issuance::RunPreview>),
    ("admin-pushes.answer", again::<admin::PushesView>),
    ("admin-accounts-look-up.answer", again::<accounts::AccountView>),
    ("admin-accounts-close.answer", again::<accounts::AccountClosed>),
    ("admin-partners-list.answer", again::<declarations::PartnersView>),
    ("admin-agreements-list.answer", again::<declarations::AgreementsView>),
    ("admin-policies-list.answer", again::<declarations::PoliciesView>),
    ("admin-trial-balance.answer", again::<balances::TrialBalanceView>),
    ("admin-settlements.answer", again::<admin::SettlementView>),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn example(name: &str) -> String {
    let path = folder().join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Without what is `null`: an absent field and an empty one mean the same in our answers.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[test]
fn every_example_is_read_and_written_again_as_it_was() {
    for (name, again) in REQUESTS.iter().chain(OTHERS) {
        let text = example(name);
        let written = again(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(without_nulls(written), read, "{name}");
    }
}

#[test]
fn every_file_is_the_example_of_a_message() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".json", ""))
        .collect();
    let mut known: BTreeSet<String> =
        REQUESTS.iter().chain(OTHERS).map(|(name, _)| (*name).to_owned()).collect();
    known.extend(events::Happening::KINDS.iter().map(|kind| format!("event-{kind}")));
    assert_eq!(files, known);
}

#[test]
fn every_event_is_read_by_its_kind_and_written_again_as_it_was() {
    for kind in events::Happening::KINDS {
        let text = example(&format!("event-{kind}"));
        let happening = events::Happening::parse(kind, text.as_bytes())
            .unwrap_or_else(|| panic!("{kind} is not read"));
        let written: Value = serde_json::from_slice(&happening.data()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(&text).unwrap(), "{kind}");
        assert_eq!(happening.kind(), *kind);
    }
}

/// Every way to one object in a message.
fn objects(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(at.clone());
            for (name, value) in fields {
                objects(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                objects(value, format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_request_with_an_unknown_field_anywhere_is_refused() {
    for (name, again) in REQUESTS {
        let message: Value = serde_json::from_str(&example(name)).unwrap();
        let mut ways = Vec::new();
        objects(&message, String::new(), &mut ways);
        for way in ways {
            let mut spoilt = message.clone();
            let fields = spoilt.pointer_mut(&way).unwrap().as_object_mut().unwrap();
            fields.insert("surprise".into(), Value::from(1));
            assert!(again(&spoilt.to_string()).is_err(), "{name}: unknown field in {way:?}");
        }
    }
}

#[test]
fn hostile_values_are_refused_and_nothing_panics() {
    let hostile = [
        Value::from(-1),
        Value::from(1.5),
        Value::from(u64::MAX),
        Value::from(""),
        Value::from("碳"),
        Value::from("../../etc"),
        Value::from("a\u{0}b"),
        Value::from("x".repeat(2000)),
        Value::from(vec![1]),
        serde_json::json!({}),
    ];
    // Identifiers, amounts and times refuse what is not theirs; free texts are bounded by the door.
    let strict = ["ccid", "serial", "batchSerial", "orderNo", "scene", "reductionGrams", "points"];
    for (name, again) in REQUESTS.iter().chain(OTHERS) {
        let message: Value = serde_json::from_str(&example(name)).unwrap();
        let mut ways = Vec::new();
        objects(&message, String::new(), &mut ways);
        for way in ways {
            let fields: Vec<String> =
                message.pointer(&way).unwrap().as_object().unwrap().keys().cloned().collect();
            for field in fields {
                for value in &hostile {
                    let mut spoilt = message.clone();
                    spoilt.pointer_mut(&way).unwrap()[&field] = value.clone();
                    let read = again(&spoilt.to_string());
                    let amount = field.ends_with("Grams") || field == "points";
                    let allowed = amount && value.as_u64().is_some();
                    // The identity SaaS names its own serials.
                    let foreign = name.starts_with("identity") && field == "serial";
                    if strict.contains(&field.as_str()) && !allowed && !foreign {
                        assert!(read.is_err(), "{name}{way}/{field} took {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_sealed_fields_of_the_examples_open_under_the_example_key() {
    let key = DataKey::from_hex(DATA_KEY).unwrap();
    let message: c101::MatchRequest = serde_json::from_str(&example("c101.request")).unwrap();
    let person = [("name", "张三"), ("idNo", "990101199001010016"), ("phone", "13800001234")];
    let fields = [Some(message.name), Some(message.id_no), message.phone];
    for (((field, plain), sealed), nonce) in person.into_iter().zip(fields).zip(1_u8..) {
        let right = SealedField::seal(&key, "metro-app", field, plain, [nonce; 12]);
        assert_eq!(sealed, Some(right.clone()), "{field} should be {}", String::from(right));
    }
}

#[test]
fn the_signed_result_of_the_examples_verifies_under_the_example_key() {
    let result: z202::Consented = serde_json::from_str(&example("z202.answer")).unwrap();
    let secret = hex::decode(SIGN_KEY).unwrap();
    let right = result.clone().signed(&secret).sign;
    assert!(result.is_signed_with(&secret), "the signature should be {right}");
}

#[test]
fn the_agreement_of_the_examples_has_the_digest_of_its_text() {
    let answer: z201::Agreements = serde_json::from_str(&example("z201.answer")).unwrap();
    for agreement in answer.agreements {
        assert_eq!(agreement.sm3, hex::encode(sm3(agreement.text.as_bytes())));
    }
}
