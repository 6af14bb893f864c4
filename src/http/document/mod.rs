//! The OpenAPI document. Types and routes come from the handlers' own items; here is added what all
//! operations share: headers, security, refusals with their codes, the golden examples.

mod examples;
mod partners;
mod refusals;
mod schemas;
#[cfg(test)]
mod tests;

use carbon_protocol::envelope::Envelope;
use carbon_protocol::signature;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema as _, ToSchema as _};

/// What partners read first.
const INTRODUCTION: &str = "Every answer is an envelope `{code, msg, data, requestId}`: `\"0\"` is \
     success, and the HTTP status tells the class of a refusal. Calls under `/api/v1` are signed \
     and, but for Z101, carry a bearer token. Answers and pushes are signed the same way.";

/// What needs neither signature nor token.
const PUBLIC: &str = "/api/v1/keys";

/// The tags, in the order of the contracts.
const TAGS: [(&str, &str); 6] = [
    ("platform", "总平台和双方的公共接口 · Platform ↔ both kinds of partner"),
    ("scene", "总平台和场景方对接接口 (01) · Platform ↔ scene partner"),
    ("mall", "总平台和权益方对接接口 (02) · Platform ↔ benefit partner"),
    ("partner", "合作方提供的接口与推送 · What a partner provides"),
    ("operator", "运营方接口 · Operator"),
    ("standing", "运行状态 · For load balancers"),
];

/// Headers of a signed call: name, meaning, whether it is needed, schema.
fn signed_headers() -> [(&'static str, &'static str, bool, Value); 5] {
    [
        (
            signature::APP_ID,
            "The calling application (应用编码).",
            true,
            json!({"type": "string", "minLength": 1, "maxLength": 32, "examples": ["metro-app"]}),
        ),
        (
            signature::TIMESTAMP,
            "Milliseconds since 1970, at most five minutes off.",
            true,
            json!({"type": "string", "pattern": "^[0-9]{1,19}$", "maxLength": 19,
                "examples": ["1795480200000"]}),
        ),
        (
            signature::NONCE,
            "Used once.",
            true,
            json!({"type": "string", "minLength": 8, "maxLength": 64,
                "examples": ["5f0c2f6e9b1d4a7c"]}),
        ),
        (
            signature::SIGN_TYPE,
            "How it is signed; HMAC-SM3 where it is absent.",
            false,
            sign_type(),
        ),
        (
            signature::SIGN,
            "The signature over `METHOD\\nPATH?QUERY\\nTIMESTAMP\\nNONCE\\nBODY\\n`, hexadecimal \
             (of SM2-SM3: the DER).",
            true,
            json!({"type": "string", "pattern": "^[0-9a-fA-F]*$", "minLength": 1,
                "maxLength": 256, "examples": ["0".repeat(64)]}),
        ),
    ]
}

/// The signature types, as the protocol lists them.
fn sign_type() -> Value {
    serde_json::to_value(signature::SignType::schema()).unwrap_or_default()
}

/// The document of a table of routes, with what its operations have in common.
pub fn complete(routes: OpenApi) -> Value {
    let webhooks = partners::document();
    let orders = [&routes, &webhooks].map(schemas::orders).concat();
    let mut webhooks = serde_json::to_value(webhooks).unwrap_or_default();
    let mut schemas = Vec::new();
    Envelope::<()>::schemas(&mut schemas);
    // A document that cannot be written is an empty one, which the tests would notice.
    let mut document = serde_json::to_value(routes).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "碳普惠总平台 · Carbon inclusion platform",
        "version": env!("CARGO_PKG_VERSION"),
        "description": INTRODUCTION,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["tags"] =
        TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect();
    document["webhooks"] = webhooks["paths"].take();
    let pages = serde_json::to_value(partners::pages()).unwrap_or_default();
    for (path, item) in pages["paths"].as_object().into_iter().flatten() {
        document["paths"][path] = item.clone();
    }
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "The token of Z101."},
        "operator": {"type": "http", "scheme": "bearer", "description": "The operator's key."},
    });
    for (name, schema) in schemas {
        components["schemas"][name] = serde_json::to_value(schema).unwrap_or_default();
    }
    if let Value::Object(more) = webhooks["components"]["schemas"].take() {
        for (name, schema) in more {
            components["schemas"][name] = schema;
        }
    }
    components["schemas"]["Refusal"] =
        serde_json::to_value(Envelope::<()>::schema()).unwrap_or_default();
    for (name, order) in orders {
        components["schemas"][name]["x-order"] = order;
    }
    schemas::tidy(&mut components["schemas"]);
    for (place, path, operation) in operations(&mut document) {
        common(place, &path, operation);
        refusals::tell(place, &path, operation);
    }
    examples::illustrate(&mut document);
    document
}

/// Whose operation it is: one that the platform answers, or one that it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The platform's.
    Path,
    /// A partner's.
    Webhook,
}

/// Every operation, with its path.
fn operations(document: &mut Value) -> impl Iterator<Item = (Place, String, &mut Value)> {
    let Value::Object(fields) = document else { return Vec::new().into_iter() };
    let mut found = Vec::new();
    for (name, value) in fields {
        let place = match name.as_str() {
            "paths" => Place::Path,
            "webhooks" => Place::Webhook,
            _ => continue,
        };
        let items = value.as_object_mut().into_iter().flatten();
        for (path, item) in items {
            let methods = item.as_object_mut().into_iter().flatten();
            found.extend(
                methods
                    .filter(|(method, _)| ["get", "post"].contains(&method.as_str()))
                    .map(|(_, operation)| (place, path.clone(), operation)),
            );
        }
    }
    found.into_iter()
}

/// Security and headers.
fn common(place: Place, path: &str, operation: &mut Value) {
    let scheme = match place {
        Place::Path if path.starts_with("/admin/") => Some("operator"),
        Place::Path if ["/api/v1/Z101", PUBLIC].contains(&path) => None,
        Place::Path if path.starts_with("/api/") => Some("token"),
        _ => None,
    };
    if let Some(scheme) = scheme {
        operation["security"] = json!([{ scheme: [] }]);
    }
    if place == Place::Webhook || (path.starts_with("/api/") && path != PUBLIC) {
        let parameters = &mut operation["parameters"];
        if !parameters.is_array() {
            *parameters = json!([]);
        }
        for (name, text, required, schema) in signed_headers() {
            if let Some(parameters) = parameters.as_array_mut() {
                parameters.push(json!({"name": name, "in": "header", "required": required,
                    "description": text, "schema": schema}));
            }
        }
    }
    let answers = operation["responses"].as_object_mut().into_iter().flatten();
    for (status, answer) in answers {
        if answer["description"].as_str().unwrap_or_default().is_empty() {
            answer["description"] = match status.as_str() {
                "200" => json!("Success."),
                _ => json!("As it says."),
            };
        }
    }
}

/// The JSON body of an operation's request.
fn request_of(operation: &mut Value) -> Option<&mut Map<String, Value>> {
    json_of(operation.get_mut("requestBody")?)
}

/// The JSON body of an operation's success.
fn answer_of(operation: &mut Value) -> Option<&mut Map<String, Value>> {
    json_of(operation.get_mut("responses")?.get_mut("200")?)
}

fn json_of(part: &mut Value) -> Option<&mut Map<String, Value>> {
    part.get_mut("content")?.get_mut("application/json")?.as_object_mut()
}
