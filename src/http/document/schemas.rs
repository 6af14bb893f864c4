//! What the derived schemas say clumsily or leave out: successes as clean envelopes, the ranges of
//! Rust's integers, descriptions where readers look for them.

use serde_json::{Value, json};
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Largest values of Rust's integers by the format that is derived for them.
const RANGES: [(&str, &str, u64); 2] =
    [("int32", "u32", u32::MAX as u64), ("int64", "u64", u64::MAX)];

/// The order in which the fields of each message are declared: JSON keeps none, readers want it.
pub fn orders(document: &OpenApi) -> Vec<(String, Value)> {
    let components = document.components.iter();
    let schemas = components.flat_map(|components| &components.schemas);
    schemas
        .filter_map(|(name, schema)| match schema {
            RefOr::T(Schema::Object(object)) if object.properties.len() > 1 => {
                Some((name.clone(), object.properties.keys().cloned().collect()))
            }
            _ => None,
        })
        .collect()
}

/// Puts all schemas in order.
pub fn tidy(schemas: &mut Value) {
    let Value::Object(all) = schemas else { return };
    let names: Vec<String> = all.keys().cloned().collect();
    for name in &names {
        let data = name.strip_prefix("Envelope_").filter(|data| all.contains_key(*data));
        let tidied = match data {
            Some(data) => success(data),
            None => continue,
        };
        all.insert(name.clone(), tidied);
    }
    // What utoipa calls the data of an envelope that has none.
    all.remove("TupleUnit");
    if let Some(refusal) = all.get_mut("Refusal") {
        refusal["description"] = json!("A refusal: nothing was changed (拒绝).");
        refusal["properties"]["data"] =
            json!({"type": "null", "description": "Nothing, in a refusal."});
        refusal["required"] = json!(["code", "msg", "data", "requestId", "reason", "retryable"]);
    }
    for schema in all.values_mut() {
        tidy_one(schema);
    }
}

/// The envelope of a success: what only refusals have is left out.
fn success(data: &str) -> Value {
    json!({
        "type": "object",
        "description": format!("A success (成功) with its `{data}`."),
        "required": ["code", "msg", "data", "requestId"],
        "properties": {
            "code": {"type": "string", "const": "0", "description": "`\"0\"`: success."},
            "msg": {"type": "string", "maxLength": 200, "description": "`success`."},
            "data": {"$ref": format!("#/components/schemas/{data}"),
                "description": "The answer itself."},
            "requestId": {"type": "string", "maxLength": 36,
                "description": "The id of this request, for support."},
        },
    })
}

fn tidy_one(schema: &mut Value) {
    // A tuple's items are derived as objects, whatever they are; ours hold codes.
    if schema.get("items") == Some(&json!({"type": "object"})) {
        schema["items"] = json!({"type": "string", "minLength": 1, "maxLength": 32});
    }
    if let Some(tag) = schema.pointer_mut("/properties/kind")
        && tag.get("description").is_none()
    {
        tag["description"] = json!("Which one it is.");
    }
    hoist(schema);
    bound(schema);
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(tidy_one),
        Value::Array(items) => items.iter_mut().for_each(tidy_one),
        _ => {}
    }
}

/// An optional reference has its description inside one of the alternatives: readers look outside.
fn hoist(schema: &mut Value) {
    let Some(alternatives) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let is_null = |one: &Value| one.get("type") == Some(&json!("null"));
    if !alternatives.iter().any(is_null) {
        return;
    }
    let text = alternatives.iter_mut().find_map(|one| one.as_object_mut()?.remove("description"));
    if let Some(text) = text
        && schema.get("description").is_none()
    {
        schema["description"] = text;
    }
}

/// Integers without a range have that of their Rust type.
fn bound(schema: &mut Value) {
    let Some(format) = schema.get("format").and_then(Value::as_str) else { return };
    let Some((_, _, most)) = RANGES.iter().find(|(name, ..)| *name == format) else { return };
    let most = *most;
    let unsigned = schema.get("minimum").is_some();
    if schema.get("maximum").is_none() {
        schema["maximum"] = if unsigned { json!(most) } else { json!(most / 2) };
    }
    if !unsigned {
        schema["minimum"] = json!(i64::MIN);
    }
    // The derived format says "signed", and would forbid the upper half.
    if unsigned && let Some(fields) = schema.as_object_mut() {
        fields.remove("format");
    }
}
