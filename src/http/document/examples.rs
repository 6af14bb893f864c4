//! Examples: the golden files of the protocol, whole beside each operation, and field by field in
//! the schemas.

use std::collections::BTreeMap;

use carbon_protocol::examples;
use serde_json::{Value, json};

use super::{Place, answer_of, operations, request_of};

/// The golden files of an operation: those of its code, but where they are called otherwise.
fn stem(operation: &str) -> String {
    let named = match operation {
        "01.Z601" | "02.Z501" => "z601",
        "01.Z204" | "02.Z204" => "z204",
        "02.Z203" => "z203",
        "02.Z203.link" => "m203",
        "Q101" => "c101",
        "events" => "feed",
        "ownPushes" | "pushEvents" => "pushes",
        "replayOwnPushes" => "pushes-replay",
        "replayPushes" => "admin-pushes-replay",
        "registerPartner" => "admin-partners",
        "registerApplication" => "admin-applications",
        "suspendApplication" => "admin-suspend",
        "listKeys" => "admin-keys-list",
        "addKey" => "admin-keys",
        "retireKey" => "admin-keys-retire",
        "listApplications" => "admin-applications-list",
        "declareScene" => "admin-scenes",
        "listScenes" => "admin-scenes-list",
        "publishAgreement" => "admin-agreements",
        "adoptPolicy" => "admin-policies",
        "adoptMethodologies" | "listMethodologies" => "admin-methodologies",
        "startRun" | "run" => "admin-issuance-runs",
        "enrolOperator" => "admin-operators",
        "rotateOperatorKey" => "admin-operators-rotate",
        "revokeOperator" => "admin-operators-revoke",
        "listOperators" => "admin-operators-list",
        "audit" => "admin-audit",
        "suspendPartner" => "admin-suspend",
        "listPartners" => "admin-partners-list",
        "listAgreements" => "admin-agreements-list",
        "listPolicies" => "admin-policies-list",
        "amendScene" => "admin-scenes-amend",
        "prepareRun" => "admin-issuance-runs",
        "approveRun" => "admin-issuance-runs-approve",
        "withdrawRun" => "admin-issuance-runs-withdraw",
        "listRuns" => "admin-issuance-runs-list",
        "previewRun" => "admin-issuance-runs-preview",
        "trialBalance" => "admin-trial-balance",
        "lookUpAccount" => "admin-accounts-look-up",
        "closeAccount" => "admin-accounts-close",
        "pushes" => "admin-pushes",
        "listDictionaries" => "admin-dictionaries-list",
        "startSampling" => "admin-samplings",
        "listDataQuality" => "admin-data-quality-list",
        "dataQuality" => "admin-data-quality",
        "settlements" => "admin-settlements",
        _ => "",
    };
    if !named.is_empty() {
        return named.to_owned();
    }
    match operation.split_once('.') {
        Some(("02", code)) => code.to_lowercase().replacen('z', "m", 1),
        Some((_, code)) => code.to_lowercase(),
        None => operation.to_lowercase(),
    }
}

fn golden(stem: &str, part: &str) -> Option<Value> {
    let name = match stem {
        // It is returned as it came.
        "challenge" => "z601.challenge".to_owned(),
        // What is listed is what was adopted.
        "admin-methodologies" => "admin-methodologies.request".to_owned(),
        "admin-pushes-replay" if part == "answer" => "pushes-replay.answer".to_owned(),
        _ => format!("{stem}.{part}"),
    };
    serde_json::from_str(examples::text(&name)?).ok()
}

/// Where the examples of fields are put: a schema's name and a property of it.
type Fields = BTreeMap<(String, String), Value>;

/// Puts the examples into the document.
pub fn illustrate(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let mut fields = Fields::new();
    for (place, _, operation) in operations(document) {
        let stem = stem(operation["operationId"].as_str().unwrap_or_default());
        if let Some(body) = request_of(operation)
            && let Some(example) = golden(&stem, "request")
        {
            collect(&schemas, &body["schema"], &example, &mut fields);
            body.insert("example".into(), example);
        }
        let declared = ["Declared"].iter().any(|name| answers(operation, name));
        let answer = if declared { golden("admin-declared", "answer") } else { None };
        let Some(answer) = answer.or_else(|| golden(&stem, "answer")) else { continue };
        if let Some(body) = answer_of(operation) {
            let raw = place == Place::Webhook && !is_envelope(&body["schema"]);
            let example = if raw { answer } else { enveloped(answer) };
            collect(&schemas, &body["schema"], &example, &mut fields);
            body.insert("example".into(), example);
        }
    }
    for ((schema, property), example) in fields {
        let known = &mut document["components"]["schemas"][&schema]["properties"][&property];
        if known.is_object() && known.get("examples").is_none() {
            known["examples"] = json!([example]);
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

fn answers(operation: &Value, data: &str) -> bool {
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    reference(schema).is_some_and(|name| name == format!("Envelope_{data}"))
}

fn is_envelope(schema: &Value) -> bool {
    reference(schema).is_some_and(|name| name.starts_with("Envelope_"))
}

/// An answer as it travels.
fn enveloped(data: Value) -> Value {
    json!({"code": "0", "msg": "success", "data": data,
        "requestId": "019aa1c2-6f00-7000-8000-000000000001"})
}

/// Walks schema and example side by side, and notes the first example of every property.
fn collect(schemas: &Value, schema: &Value, example: &Value, fields: &mut Fields) {
    let (name, resolved) = match reference(schema) {
        Some(name) => (Some(name), &schemas[name]),
        None => (None, schema),
    };
    for alternative in ["oneOf", "allOf", "anyOf"] {
        for one in resolved.get(alternative).and_then(Value::as_array).into_iter().flatten() {
            collect(schemas, one, example, fields);
        }
    }
    match example {
        Value::Object(values) => {
            for (property, value) in values {
                let known = &resolved["properties"][property];
                if known.is_null() {
                    continue;
                }
                if let Some(name) = name
                    && !value.is_null()
                {
                    let key = (name.to_owned(), property.clone());
                    fields.entry(key).or_insert_with(|| value.clone());
                }
                collect(schemas, known, value, fields);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(schemas, &resolved["items"], item, fields);
            }
        }
        _ => {}
    }
}
