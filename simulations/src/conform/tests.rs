//! A right partner passes; of every planted fault exactly its own checks fail.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use carbon_protocol::PartnerUid;
use carbon_protocol::contracts::c101::{MatchReply, MatchRequest};
use carbon_protocol::contracts::c201::{RawData, RawDataRequest, RawRecord};
use carbon_protocol::contracts::identity::Sent;
use carbon_protocol::contracts::m203::{LinkReply, LinkRequest};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::sandbox::wire::{self, Incoming, Nonces};

/// What the partner under examination does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    AnswersBare,
    AnswersUnsigned,
    NewUserEachTime,
    OneUserForAll,
    TakesAnySignature,
    TakesStale,
    TakesReplayed,
    OpensNothing,
    Echoes,
    KeepsChallenge,
    ComparesJson,
    RefusesTwice,
    WantsOrder,
    KnowsAllFields,
    TakesFew,
    NeverLinks,
    LinksOnce,
    Redirects,
    InventsRaw,
    RefusesUnknown,
    CollectsNothing,
}

/// The record that the partner has raw data of.
const RECORD: &str = "r-1";

struct Inner {
    keys: Keys,
    planted: Planted,
    nonces: Nonces,
    seen: Mutex<BTreeMap<String, u32>>,
}

type Partner = Arc<Inner>;

fn keys_of_test() -> Keys {
    Keys::derive(b"conform", "conform-app")
}

/// Serves a partner with a fault; its base address.
async fn partner(planted: Planted) -> String {
    let (keys, nonces, seen) = (keys_of_test(), Nonces::default(), Mutex::default());
    let routes = Router::new()
        .route("/C101", post(matched))
        .route("/C201", post(collected))
        .route("/Q101", post(matched))
        .route("/Z203", post(linked))
        .route("/push/{kind}", post(pushed))
        .with_state(Arc::new(Inner { keys, planted, nonces, seen }));
    wire::serve(0, routes).await.unwrap()
}

impl Inner {
    fn is(&self, planted: Planted) -> bool {
        self.planted == planted
    }

    /// Checks a call as the fault lets it.
    fn verify(&self, incoming: &Incoming) -> Result<(), carbon_protocol::Rejection> {
        use carbon_protocol::Reason::{BadSignature, NonceReplayed, StaleTimestamp};
        wire::verify(incoming, &self.keys, &self.nonces).or_else(|no| {
            let forgiven = match no.reason {
                BadSignature => self.is(Planted::TakesAnySignature) || self.compares_json(incoming),
                StaleTimestamp => self.is(Planted::TakesStale),
                NonceReplayed => self.is(Planted::TakesReplayed),
                _ => false,
            };
            if forgiven { Ok(()) } else { Err(no) }
        })
    }

    /// Whether the signature would be right of the body without white space around it.
    fn compares_json(&self, incoming: &Incoming) -> bool {
        let body = incoming.body.trim_ascii().to_vec().into();
        let (method, uri) = (incoming.method.clone(), incoming.uri.clone());
        let trimmed = Incoming { method, uri, headers: incoming.headers.clone(), body };
        self.is(Planted::ComparesJson)
            && wire::verify(&trimmed, &self.keys, &Nonces::default()).is_ok()
    }

    /// The largest sequence of the pseudonym so far.
    fn newest(&self, item: &AuthorizationOrIssuance) -> u32 {
        let mut seen = self.seen.lock();
        let newest = seen.entry(item.ccid.clone()).or_default();
        *newest = item.sequence.max(*newest);
        *newest
    }

    /// How often this was seen before.
    fn before(&self, what: String) -> u32 {
        let mut seen = self.seen.lock();
        let count = seen.entry(what).or_default();
        *count += 1;
        *count - 1
    }
}

async fn matched(State(partner): State<Partner>, incoming: Incoming) -> Response {
    if partner.is(Planted::Redirects) {
        return (StatusCode::FOUND, [("location", "/elsewhere")]).into_response();
    }
    let work = || {
        partner.verify(&incoming)?;
        let request: MatchRequest = incoming.read()?;
        let keys = &partner.keys;
        let opened = request.id_no.open(&keys.data, &keys.app, "idNo");
        let id_no = match opened {
            Some(plain) => plain.to_string(),
            None if partner.is(Planted::OpensNothing) => "0".into(),
            None => {
                let reason = carbon_protocol::Reason::BadCipherText;
                return Err(carbon_protocol::Rejection::of_field(reason, "idNo"));
            }
        };
        let count = partner.before("match".into());
        let uid = match partner.planted {
            Planted::NewUserEachTime => format!("u-{count}"),
            Planted::OneUserForAll => "u-1".into(),
            Planted::Echoes => id_no,
            _ => format!("u-{:x}", carbon_protocol::signature::digest8(id_no.as_bytes())),
        };
        Ok(MatchReply { partner_uid: PartnerUid::parse(&uid).ok() })
    };
    let outcome = work();
    match (partner.planted, outcome) {
        (Planted::AnswersBare, Ok(reply)) => {
            let body = serde_json::to_vec(&reply).unwrap();
            wire::signed(&partner.keys, 200, "r-1", body)
        }
        (Planted::AnswersUnsigned, outcome) => {
            let mut answer = wire::answer(&partner.keys, outcome);
            answer.headers_mut().remove(carbon_protocol::signature::SIGN);
            answer
        }
        (_, outcome) => wire::answer(&partner.keys, outcome),
    }
}

/// What it collected of one record, and what its fault makes of that.
async fn collected(State(partner): State<Partner>, incoming: Incoming) -> Response {
    let work = || {
        partner.verify(&incoming)?;
        let request: RawDataRequest = incoming.read()?;
        let known = |serial: &&Serial| match partner.planted {
            Planted::InventsRaw => true,
            Planted::CollectsNothing => false,
            _ => serial.as_str() == RECORD,
        };
        if partner.is(Planted::RefusesUnknown) && request.serials.iter().any(|one| !known(&one)) {
            return Err(carbon_protocol::Rejection::new(carbon_protocol::Reason::UnknownRecord));
        }
        let behaviour = serde_json::json!({"bus": {"line": "71", "orderNo": "o",
            "boardingTime": "2026-11-24T08:30:00+08:00"}});
        let record = |serial: &Serial| RawRecord {
            serial: serial.clone(),
            ccid: carbon_protocol::Ccid::parse("c").unwrap(),
            behaviour: serde_json::from_value(behaviour.clone()).unwrap(),
        };
        Ok(RawData { records: request.serials.iter().filter(known).map(record).collect() })
    };
    let outcome = work();
    wire::answer(&partner.keys, outcome)
}

async fn linked(State(partner): State<Partner>, incoming: Incoming) -> Response {
    let work = || {
        partner.verify(&incoming)?;
        let request: LinkRequest = incoming.read()?;
        let before = partner.before(request.event_id);
        let linked = match partner.planted {
            Planted::NeverLinks => false,
            Planted::LinksOnce => before == 0,
            _ => true,
        };
        Ok(LinkReply { linked, partner_uid: Some(request.partner_uid).filter(|_| linked) })
    };
    let outcome = work();
    wire::answer(&partner.keys, outcome)
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Value>,
}

/// A careless reader of pushes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "only whether it reads matters")]
struct Strict {
    event_id: String,
    sequence: u32,
    ccid: Value,
    partner_uid: Value,
    #[serde(default)]
    scene: Value,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    agreements: Value,
    #[serde(default)]
    run: Value,
    #[serde(default)]
    serial_block: Value,
    #[serde(default)]
    records: Value,
    time: Value,
}

async fn pushed(State(partner): State<Partner>, incoming: Incoming) -> Response {
    let work = || {
        partner.verify(&incoming)?;
        let challenge = incoming.read::<carbon_protocol::contracts::z601::Challenge>().is_ok();
        if challenge && !partner.is(Planted::KeepsChallenge) {
            return Ok(Some(incoming.body.to_vec()));
        }
        let no = || carbon_protocol::Rejection::new(carbon_protocol::Reason::OutOfRange);
        let Ok(push) = incoming.read::<Items>() else { return Ok(None) };
        for item in &push.items {
            let known: AuthorizationOrIssuance = serde_json::from_value(item.clone()).unwrap();
            let strict = serde_json::from_value::<Strict>(item.clone()).is_ok();
            let fits = match partner.planted {
                Planted::KnowsAllFields => strict,
                Planted::RefusesTwice => partner.before(known.event_id) == 0,
                Planted::WantsOrder => partner.newest(&known) <= known.sequence,
                Planted::TakesFew => push.items.len() < 100,
                _ => true,
            };
            if !fits {
                return Err(no());
            }
        }
        Ok(None)
    };
    let outcome = work();
    match outcome {
        Ok(Some(body)) => wire::signed(&partner.keys, 200, "r-1", body),
        Ok(None) => wire::answer(&partner.keys, Ok(Sent {})),
        Err(no) => wire::answer::<Sent>(&partner.keys, Err(no)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationOrIssuance {
    event_id: String,
    sequence: u32,
    ccid: String,
}

fn wishes(role: Role, base: &str) -> Wishes {
    Wishes {
        role,
        base: Url::parse(base).unwrap(),
        push: format!("{base}/push/{{kind}}"),
        keys: keys_of_test(),
        person: ["张三", "990101199001010016", "13800001234"].map(Into::into),
        records: vec![Serial::parse(RECORD).unwrap()],
        patience: Duration::from_secs(60),
    }
}

/// The names of the checks that fail.
async fn failing(role: Role, planted: Planted) -> BTreeSet<String> {
    let base = partner(planted).await;
    let report = examine(&wishes(role, &base)).await.unwrap();
    report.failed().map(|check| check.name.clone()).collect()
}

#[tokio::test]
async fn a_right_partner_passes() {
    for role in [Role::Scene, Role::Benefit] {
        let base = partner(Planted::Nothing).await;
        let report = examine(&wishes(role, &base)).await.unwrap();
        assert!(report.passed(), "{report}");
        assert!(report.checks.len() > 20, "{report}");
    }
}

#[tokio::test]
async fn each_planted_fault_is_found_and_no_other() {
    let both = |name: &str| vec![format!("push Z203.{name}"), format!("push Z305.{name}")];
    let everywhere = |name: &str| [vec![format!("C101.{name}")], both(name)].concat();
    let call = |names: &[&str]| names.iter().map(|name| format!("C101.{name}")).collect();
    let cases: Vec<(Planted, Vec<String>)> = vec![
        (Planted::AnswersBare, call(&["answers", "stable", "stranger"])),
        (Planted::AnswersUnsigned, call(&["signed"])),
        (Planted::NewUserEachTime, call(&["stable"])),
        (Planted::OneUserForAll, call(&["stranger"])),
        (Planted::OpensNothing, call(&["foreign-data-key"])),
        (Planted::Echoes, call(&["discreet"])),
        (Planted::TakesStale, everywhere("stale")),
        (Planted::TakesReplayed, everywhere("replayed")),
        (
            Planted::TakesAnySignature,
            [everywhere("wrong-signature"), vec!["C201.wrong-signature".into()], both("tampered")]
                .concat(),
        ),
        (Planted::InventsRaw, vec!["C201.unknown".into()]),
        (Planted::RefusesUnknown, vec!["C201.unknown".into()]),
        (Planted::CollectsNothing, vec!["C201.known".into()]),
        (Planted::ComparesJson, both("tampered")),
        (Planted::KeepsChallenge, both("challenge")),
        (Planted::RefusesTwice, both("twice")),
        (Planted::WantsOrder, both("disorder")),
        (Planted::KnowsAllFields, both("newer-fields")),
        (Planted::TakesFew, both("many")),
    ];
    for (planted, expected) in cases {
        let found = failing(Role::Scene, planted).await;
        let expected: BTreeSet<String> = expected.into_iter().collect();
        assert_eq!(found, expected, "{planted:?}");
    }
    for (planted, expected) in [
        (Planted::NeverLinks, vec!["02.Z203.links", "02.Z203.links-again"]),
        (Planted::LinksOnce, vec!["02.Z203.links-again"]),
        (Planted::OneUserForAll, vec!["Q101.stranger"]),
    ] {
        let found = failing(Role::Benefit, planted).await;
        assert_eq!(found, expected.into_iter().map(Into::into).collect(), "{planted:?}");
    }
    let redirected = failing(Role::Scene, Planted::Redirects).await;
    assert!(redirected.contains("C101.answers"), "{redirected:?}");
}

#[tokio::test]
async fn a_partner_who_never_answers_is_found() {
    let silent = async |_: Incoming| -> Response { std::future::pending().await };
    let routes = Router::new().fallback(silent);
    let base = wire::serve(0, routes).await.unwrap();
    let patience = Duration::from_millis(50);
    let report = examine(&Wishes { patience, ..wishes(Role::Scene, &base) }).await.unwrap();
    let named = |name: &str| report.checks.iter().find(|check| check.name == name).unwrap();
    for name in ["C101.answers", "push Z203.takes", "push Z305.many"] {
        assert_eq!(named(name).outcome, Outcome::Failed, "{report}");
        assert_eq!(named(name).found, "no answer within 50 ms");
    }
    assert!(!report.to_string().contains("990101199001010016"));
}

#[tokio::test]
async fn nobody_there_and_no_keys_are_no_verdict() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    assert!(examine(&wishes(Role::Scene, &base)).await.is_err());
    assert!(keys(Path::new("/no/such/file")).is_err());
}
