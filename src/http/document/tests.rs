//! The document, walked to its last leaf: whatever a partner's engineer would have to ask about is
//! a fault that names its place.

use std::collections::BTreeSet;

use carbon_protocol::{Reason, examples};
use serde_json::{Value, json};

use super::{Place, answer_of, operations, request_of};

fn document() -> Value {
    super::super::routes::openapi()
}

/// What a schema leaves open, with the place.
fn gaps(schema: &Value, at: &str, found: &mut Vec<String>) {
    if schema.get("$ref").is_some() {
        return;
    }
    let has = |limit: &str| schema.get(limit).is_some();
    let is = |kind: &str| match &schema["type"] {
        Value::String(only) => only == kind,
        Value::Array(several) => several.contains(&json!(kind)),
        _ => false,
    };
    let closed = ["enum", "const", "format"].into_iter().any(has);
    if is("string") && !closed && !has("maxLength") {
        found.push(format!("{at}: no maxLength; mend: #[schema(max_length = …)]"));
    }
    if is("integer") && !closed && !(has("minimum") && has("maximum")) {
        found.push(format!("{at}: no range; mend: #[schema(minimum = …, maximum = …)]"));
    }
    if is("array") {
        if !has("maxItems") {
            found.push(format!("{at}: no maxItems; mend: #[schema(max_items = …)]"));
        }
        gaps(&schema["items"], &format!("{at}[]"), found);
    }
    for alternative in ["oneOf", "anyOf", "allOf"] {
        for one in schema[alternative].as_array().into_iter().flatten() {
            gaps(one, at, found);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        if property["description"].as_str().unwrap_or_default().is_empty() {
            found.push(format!("{at}: no description; mend: a doc comment"));
        }
        gaps(property, &at, found);
    }
}

#[test]
fn every_field_is_described_and_has_its_limits() {
    let document = document();
    let mut found = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if schema["description"].as_str().unwrap_or_default().is_empty() {
            found.push(format!("{name}: no description; mend: a doc comment"));
        }
        gaps(schema, name, &mut found);
    }
    for (_, path, operation) in operations(&mut document.clone()) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let at = format!("{path} {}", parameter["name"]);
            if parameter["description"].as_str().unwrap_or_default().is_empty() {
                found.push(format!("{at}: no description; mend: description = …"));
            }
            gaps(&parameter["schema"], &at, &mut found);
        }
    }
    assert!(found.is_empty(), "{} gaps:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_planted_gap_is_found() {
    let planted = json!({"type": "object", "properties": {
        "a": {"type": "string", "description": "A."},
        "b": {"type": "array", "description": "B.", "maxItems": 1, "items": {"type": "integer"}},
        "c": {"$ref": "#/x"},
        "d": {"oneOf": [{"type": "null"}, {"type": ["array", "null"]}], "description": "D."},
        "e": {"type": "string", "enum": ["x"], "description": "E."},
    }});
    let mut found = Vec::new();
    gaps(&planted, "T", &mut found);
    let places: Vec<&str> = found.iter().map(|gap| gap.split(';').next().unwrap()).collect();
    let expected =
        ["T.a: no maxLength", "T.b[]: no range", "T.c: no description", "T.d: no maxItems"];
    assert_eq!(places, expected);
}

/// Fields that no golden file can show: a refusal's, and those of messages without one.
fn unillustrated(schema: &str, property: &str) -> bool {
    let refusal = ["Refusal"].contains(&schema);
    // The measuring call and the balancers' answers are no contracts.
    let standing = ["Measured", "Alive", "Envelope_Measured"].contains(&schema);
    refusal || standing || property == "data"
}

#[test]
fn every_field_of_a_message_has_an_example_from_the_golden_files() {
    let document = document();
    let mut found = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (property, field) in schema["properties"].as_object().into_iter().flatten() {
            let told = ["examples", "example", "const"].iter().any(|key| field.get(key).is_some());
            if !told && !unillustrated(name, property) {
                found.push(format!("{name}.{property}"));
            }
        }
    }
    assert!(
        found.is_empty(),
        "no golden file shows {}\nmend: protocol/examples, protocol/src/examples.rs, and the name \
         of the files in src/http/document/examples.rs",
        found.join(", ")
    );
}

#[test]
fn every_operation_tells_its_refusals_and_shows_its_messages() {
    let mut document = document();
    let tags: Vec<Value> = document["tags"].as_array().unwrap().clone();
    let known = |tag: &Value| tags.iter().any(|known| known["name"] == *tag);
    let mut ids = BTreeSet::new();
    for (place, path, operation) in operations(&mut document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} stands twice");
        assert!(operation["tags"].as_array().unwrap().iter().all(known), "{id}: unknown tag");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}: no doc comment");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let text = answer["description"].as_str().unwrap_or_default();
            assert!(text.len() > 5, "{id}: {status} says nothing");
        }
        let open = ["/healthz", "/readyz"].contains(&path.as_str()) || path.starts_with("/h5/");
        if open || path == super::PUBLIC {
            continue;
        }
        for part in ["requestBody", "parameters"] {
            assert!(!operation.get(part).is_some_and(Value::is_null), "{id}: {part} is null");
        }
        let statuses = operation["responses"].as_object().unwrap().keys();
        let refuses = statuses.clone().any(|status| status.starts_with('4'));
        assert!(refuses || id == "challenge", "{id} tells no refusal");
        assert!(place == Place::Webhook || statuses.clone().any(|s| s == "503"), "{id}: no 503");
        if id == "noop" {
            continue;
        }
        if let Some(body) = request_of(operation) {
            assert!(body.contains_key("example"), "{id}: no golden example of the request");
        }
        if let Some(body) = answer_of(operation) {
            assert!(body.contains_key("example"), "{id}: no golden example of the answer");
        }
    }
}

#[test]
fn the_contracts_carry_their_chinese_names() {
    let han = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    for (place, path, operation) in operations(&mut document()) {
        let contract = place == Place::Webhook || path.starts_with("/api/v1/");
        if contract && path != "/api/v1/noop" {
            let summary = operation["summary"].as_str().unwrap();
            assert!(han(summary), "{path}: {summary}");
        }
    }
}

#[test]
fn the_examples_of_the_protocol_are_its_files_and_all_of_them_are_shown() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/protocol/examples");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().replace(".json", ""))
        .filter(|name| !name.starts_with("event-"))
        .collect();
    let known: BTreeSet<String> = examples::ALL.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(files, known, "protocol/src/examples.rs lists the files of protocol/examples");
}

#[test]
fn a_refusal_lists_exactly_its_codes() {
    let document = document();
    let answers = &document["paths"]["/api/v1/02/Z303"]["post"]["responses"];
    let conflict = &answers["409"]["content"]["application/json"]["schema"]["allOf"][1];
    let codes = ["40901", "40904", "40905", "40906", "40907", "40923"];
    assert_eq!(conflict["properties"]["code"]["enum"], json!(codes));
    let text = answers["409"]["description"].as_str().unwrap();
    assert!(text.contains(Reason::InsufficientPoints.zh()), "{text}");
    assert!(answers["503"]["headers"]["Retry-After"].is_object());
    assert!(answers.get("default").is_none(), "nothing may hide behind a default");
}
