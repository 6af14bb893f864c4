//! Which refusals each interface can answer. The tests of the door compare every answer they get
//! with this list, so that it stays true.

use std::collections::BTreeMap;

use carbon_protocol::Reason::{self, *};
use serde_json::{Value, json};

use super::Place;

/// What every signed call may be refused for.
const SIGNED: &[Reason] = &[
    Malformed,
    Unauthenticated,
    UnknownApp,
    StaleTimestamp,
    BadSignature,
    NonceReplayed,
    TooLarge,
    RateLimited,
    Internal,
    Busy,
    ClockUnsafe,
    DiskFull,
];
/// What every call of the operator may be refused for.
const OPERATED: &[Reason] = &[
    Malformed,
    UnknownField,
    OutOfRange,
    Unauthenticated,
    Forbidden,
    BadToken,
    TooLarge,
    RateLimited,
    Internal,
    Busy,
    ClockUnsafe,
    DiskFull,
];
/// What a body or a query may be refused for beyond its shape.
const FIELDS: &[Reason] = &[UnknownField, OutOfRange];

/// What an interface may be refused for beside all that.
fn own(operation: &str) -> &'static [Reason] {
    match operation {
        "Z102" => &[RealNameRequired, BadCipherText, UnknownScene, SceneNotActive, Forbidden],
        "Z201" => &[UnknownScene],
        "01.Z301" => &[UnknownStation, BadCursor, NotFound],
        "01.Z302" => {
            &[UnknownScene, SceneNotActive, UnknownMethodology, UnknownStation, OutsideLimits]
        }
        "events" => &[BadCursor],
        "ownPushes" | "pushEvents" => &[BadCursor, NotFound],
        "replayOwnPushes" | "replayPushes" => &[NotFound, TooManyItems],
        "01.Z303" => &[TooManyItems],
        "01.Z304" => &[TooManyItems, SerialConflict],
        "01.Z306" => &[TooManyItems, BadCursor, UnknownBatch],
        "01.Z204" | "02.Z204" | "01.Z501" | "01.Z504" => &[UnknownCcid],
        "01.Z502" => &[UnknownCcid, BadCursor],
        "01.Z601" | "02.Z501" => &[PushAddressRefused, ChallengeFailed, NotFound],
        "02.Z303" => &[
            UnknownCcid,
            UnknownOrder,
            SerialConflict,
            MallNotLinked,
            InsufficientPoints,
            OrderState,
            RefundTooLarge,
            AccountClosed,
        ],
        "02.Z401" | "02.Z402" => &[UnknownCcid, MallNotLinked],
        "02.Z403" => &[UnknownCcid, MallNotLinked, BadCursor],
        "02.Z405" => &[BadAuthCode, AccountClosed],
        "adoptPolicy" => &[AlreadyRegistered, Duplicate],
        "registerPartner" => &[AlreadyRegistered, IdentityUnavailable],
        "importDictionary" => &[AlreadyRegistered, BadDictionary, TooManyItems],
        "startSampling" => &[NotFound, SerialConflict, TooManyItems, PartnerUnavailable],
        "dataQuality" => &[NotFound],
        "adoptMethodologies" => &[AlreadyRegistered, TooManyItems],
        "registerApplication" => &[AlreadyRegistered, NotFound, TooManyItems],
        "declareScene" => &[AlreadyRegistered, NotFound, UnknownMethodology, TooManyItems],
        "publishAgreement" => &[AlreadyRegistered, NotFound, UnknownApp],
        "addKey" => &[NotFound, TooManyItems],
        "listKeys" | "retireKey" | "suspendApplication" | "run" | "pushes" | "settlements" => {
            &[NotFound]
        }
        "startRun" | "prepareRun" => &[
            TooManyItems,
            NotFound,
            UnknownScene,
            UnknownRecord,
            SerialConflict,
            RunConflict,
            FourEyes,
        ],
        "approveRun" | "withdrawRun" => {
            &[TooManyItems, NotFound, UnknownScene, UnknownRecord, RunConflict, RunState, FourEyes]
        }
        "previewRun" | "rotateOperatorKey" | "suspendPartner" => &[NotFound, AlreadyRegistered],
        "revokeOperator" => &[NotFound],
        "enrolOperator" => &[AlreadyRegistered, TooManyItems],
        "audit" | "listRuns" => &[BadCursor],
        "amendScene" => &[NotFound, UnknownScene, TooManyItems],
        "settlementFile" => &[NotFound, TooManyItems],
        "trialBalance" => &[OutOfRange],
        "lookUpAccount" | "closeAccount" => &[NotFound, UnknownCcid, AccountNotOpen, OrdersOpen],
        _ => &[],
    }
}

/// All refusals of one of the platform's operations.
fn all(path: &str, operation: &Value) -> Vec<Reason> {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let mut reasons = match path {
        super::PUBLIC => return vec![Internal, Busy],
        _ if path.starts_with("/admin/") => OPERATED.to_vec(),
        _ if path.starts_with("/api/") => SIGNED.to_vec(),
        _ => return Vec::new(),
    };
    if path.starts_with("/api/") && path != "/api/v1/Z101" {
        reasons.push(BadToken);
    }
    if path.starts_with("/api/v1/01/") || path.starts_with("/api/v1/02/") {
        reasons.push(Forbidden);
    }
    let in_query = |parameter: &Value| parameter["in"] == "query";
    let queried = operation["parameters"].as_array().is_some_and(|all| all.iter().any(in_query));
    if queried || operation["requestBody"].is_object() {
        reasons.extend(FIELDS);
    }
    reasons.extend(own(id));
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

/// Adds an answer for each status that an operation may refuse with.
pub fn tell(place: Place, path: &str, operation: &mut Value) {
    if place == Place::Webhook {
        return;
    }
    let mut by_status: BTreeMap<u16, Vec<Reason>> = BTreeMap::new();
    for reason in all(path, operation) {
        by_status.entry(reason.status()).or_default().push(reason);
    }
    for (status, reasons) in by_status {
        operation["responses"][status.to_string()] = answer(status, &reasons);
    }
}

fn answer(status: u16, reasons: &[Reason]) -> Value {
    let line = |reason: &Reason| {
        format!("- `{}` `{}` {}. {}", reason.code(), name(*reason), reason.zh(), reason.en())
    };
    let lines: Vec<String> = reasons.iter().map(line).collect();
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code()).collect();
    let names: Vec<String> = reasons.iter().copied().map(name).collect();
    let mut answer = json!({
        "description": lines.join("\n"),
        "content": {"application/json": {
            "schema": {"allOf": [
                {"$ref": "#/components/schemas/Refusal"},
                {"properties": {"code": {"enum": codes}, "reason": {"enum": names}}},
            ]},
        }},
    });
    if let Some(first) = reasons.first() {
        answer["content"]["application/json"]["example"] = json!({
            "code": first.code(), "msg": first.en(), "data": null,
            "requestId": "019aa1c2-6f00-7000-8000-000000000002",
            "reason": first, "retryable": first.retryable(),
        });
    }
    if matches!(status, 429 | 503) {
        answer["headers"]["Retry-After"] = json!({
            "description": "Seconds to wait before asking again.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 86_400},
        });
    }
    answer
}

/// The symbolic name, as it travels.
fn name(reason: Reason) -> String {
    let name = serde_json::to_value(reason).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}
