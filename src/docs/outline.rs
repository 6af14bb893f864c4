//! The OpenAPI document as a reader wants it: one interface after the other, every message as a
//! table of fields.

use carbon_protocol::Reason;
use serde_json::Value;

/// Deepest nesting of a message that is shown.
const DEPTH: usize = 8;

/// A group of interfaces, as the contracts have them.
pub struct Group {
    /// Its name in the document.
    pub name: String,
    /// What it is, in both languages.
    pub title: String,
    /// Its interfaces, in the order of their codes.
    pub interfaces: Vec<Interface>,
}

/// One interface.
pub struct Interface {
    /// Its code, `01.Z304`, or its name at the operator.
    pub id: String,
    /// Its Chinese name; empty at the operator.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// HTTP method, upper case.
    pub method: String,
    /// Path at the platform, or at the partner.
    pub path: String,
    /// Whether the platform is the caller.
    pub called: bool,
    /// What is in path and query.
    pub parameters: Vec<Field>,
    /// The request's fields.
    pub request: Vec<Field>,
    /// The golden request.
    pub request_example: String,
    /// The answer's fields, without the envelope.
    pub answer: Vec<Field>,
    /// The golden answer, in its envelope.
    pub answer_example: String,
    /// What it can be refused for.
    pub refusals: Vec<Reason>,
    /// Other answers, where they are no refusals of ours.
    pub statuses: Vec<(String, String)>,
    /// How to call it with `carbon-sign.sh`; empty where the platform calls.
    pub curl: String,
}

/// A line of a message's table.
pub struct Field {
    /// How deep it lies.
    pub depth: usize,
    /// Its name.
    pub name: String,
    /// Its type, with the unit where it has one.
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub text: String,
    /// Its limits, or the values it may have.
    pub limits: String,
    /// An example from the golden files.
    pub example: String,
}

/// The groups of a document, in its order.
pub fn groups(document: &Value) -> Vec<Group> {
    let mut found: Vec<Group> = list(&document["tags"])
        .map(|tag| Group {
            name: text(&tag["name"]),
            title: text(&tag["description"]),
            interfaces: Vec::new(),
        })
        .collect();
    for (section, called) in [("paths", false), ("webhooks", true)] {
        for (path, item) in document[section].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let tag = text(&operation["tags"][0]);
                let group = found.iter_mut().find(|group| group.name == tag);
                if let Some(group) = group.filter(|_| operation["operationId"].is_string()) {
                    group.interfaces.push(interface(document, path, method, called, operation));
                }
            }
        }
    }
    for group in &mut found {
        // The operator's interfaces have names, which stay in the order of the routes.
        if group.interfaces.iter().all(|one| one.id.contains(char::is_numeric)) {
            group.interfaces.sort_by(|a, b| a.id.cmp(&b.id));
        }
    }
    found
}

fn interface(
    document: &Value,
    path: &str,
    method: &str,
    called: bool,
    operation: &Value,
) -> Interface {
    let (id, method) = (text(&operation["operationId"]), method.to_uppercase());
    let summary = [text(&operation["summary"]), text(&operation["description"])].join(" ");
    // `01.Z304 减排量批量报送: up to 1,000 records…`; the operator's have a meaning only.
    let (name, meaning) = summary.split_once(": ").unwrap_or(("", summary.as_str()));
    let name = name.strip_prefix(&id).unwrap_or(name).trim().to_owned();
    let meaning = meaning.trim().to_owned();
    let request = &operation["requestBody"]["content"]["application/json"];
    let answer = &operation["responses"]["200"]["content"]["application/json"];
    let enveloped = resolve(document, &answer["schema"])["properties"]["requestId"].is_object();
    let data = match enveloped {
        true => &resolve(document, &answer["schema"])["properties"]["data"],
        false => &answer["schema"],
    };
    let mut refusals: Vec<Reason> = Vec::new();
    let mut statuses = Vec::new();
    for (status, told) in operation["responses"].as_object().into_iter().flatten() {
        let codes = &told["content"]["application/json"]["schema"]["allOf"][1]["properties"];
        let codes: Vec<&str> = list(&codes["code"]["enum"]).filter_map(Value::as_str).collect();
        refusals.extend(Reason::ALL.iter().filter(|reason| codes.contains(&reason.code())));
        if codes.is_empty() && !(status == "200" && answer.is_object()) {
            statuses.push((status.clone(), text(&told["description"])));
        }
    }
    Interface {
        parameters: list(&operation["parameters"])
            .filter(|parameter| parameter["in"] != "header" || parameter["name"] == "If-None-Match")
            .map(|parameter| parameter_of(document, parameter))
            .collect(),
        request: fields(document, &request["schema"]),
        request_example: pretty(&request["example"]),
        answer: fields(document, data),
        answer_example: pretty(&answer["example"]),
        refusals,
        statuses,
        curl: if called { String::new() } else { curl(path, &method, &request["example"]) },
        path: if called { at_partner(&id) } else { path.to_owned() },
        id,
        name,
        meaning,
        method,
        called,
    }
}

/// Where the platform calls a partner.
fn at_partner(id: &str) -> String {
    match id {
        "C101" | "C201" | "Q101" => format!("{{base}}/{id}"),
        "02.Z203.link" => "{base}/Z203".into(),
        _ => "{push address}".into(),
    }
}

fn curl(path: &str, method: &str, example: &Value) -> String {
    if path.starts_with("/admin/") {
        let key = "-H \"Authorization: Bearer $OPERATOR_KEY\"";
        return match method {
            "GET" => format!("curl -s {key} \"$PLATFORM{path}\""),
            _ => format!(
                "curl -s {key} -H 'Content-Type: application/json' \\\n  -d '{example}' \\\n  \
                 \"$PLATFORM{path}\""
            ),
        };
    }
    if path.starts_with("/h5/") {
        // A citizen's browser opens it, by a link.
        return String::new();
    }
    if !path.starts_with("/api/") {
        return format!("curl -s \"$PLATFORM{path}\"");
    }
    match method {
        "GET" => format!(". ./carbon-sign.sh\ncarbon_get {path}"),
        _ if example.is_null() => format!(". ./carbon-sign.sh\ncarbon_post {path} '{{}}'"),
        _ => format!(". ./carbon-sign.sh\ncarbon_post {path} '{example}'"),
    }
}

fn parameter_of(document: &Value, parameter: &Value) -> Field {
    let schema = &parameter["schema"];
    Field {
        depth: 0,
        name: text(&parameter["name"]),
        kind: kind(document, schema),
        required: parameter["required"] == true,
        text: text(&parameter["description"]),
        limits: limits(document, schema),
        example: example(schema),
    }
}

/// The lines of a message.
fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    descend(document, schema, 0, &mut found);
    found
}

fn descend(document: &Value, schema: &Value, depth: usize, found: &mut Vec<Field>) {
    if depth > DEPTH {
        return;
    }
    let resolved = resolve(document, schema);
    let required: Vec<&str> = list(&resolved["required"]).filter_map(Value::as_str).collect();
    let properties = resolved["properties"].as_object().into_iter().flatten();
    let mut properties: Vec<(&String, &Value)> = properties.collect();
    let order: Vec<&str> = list(&resolved["x-order"]).filter_map(Value::as_str).collect();
    properties.sort_by_key(|(name, _)| order.iter().position(|own| own == name));
    for (name, property) in properties {
        let own = text(&property["description"]);
        found.push(Field {
            depth,
            name: name.clone(),
            kind: kind(document, property),
            required: required.contains(&name.as_str()),
            text: own,
            limits: limits(document, property),
            example: example(property),
        });
        descend(document, property, depth + 1, found);
    }
    if resolved["items"].is_object() {
        descend(document, &resolved["items"], depth, found);
    }
    for one in list(&resolved["oneOf"]) {
        descend(document, one, depth, found);
    }
}

/// What a reference leads to; anything else stands for itself.
fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let name = schema["$ref"].as_str().and_then(|text| text.rsplit('/').next());
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}

/// The one alternative that is not null, or the schema itself.
fn certain(schema: &Value) -> &Value {
    let mut some = list(&schema["oneOf"]).filter(|one| one["type"] != "null");
    match (some.next(), some.next()) {
        (Some(only), None) => only,
        _ => schema,
    }
}

fn kind(document: &Value, schema: &Value) -> String {
    let schema = certain(schema);
    let resolved = resolve(document, schema);
    let own = match &resolved["type"] {
        Value::String(only) => only.as_str(),
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).find(|one| *one != "null").unwrap_or_default()
        }
        _ if resolved["oneOf"].is_array() => "one of",
        _ => "object",
    };
    match own {
        "array" => format!("array of {}", kind(document, &resolved["items"])),
        _ => match schema["$ref"].as_str().and_then(|text| text.rsplit('/').next()) {
            Some(name) if own != "object" => format!("{own} · {name}"),
            _ => own.to_owned(),
        },
    }
}

fn limits(document: &Value, schema: &Value) -> String {
    let resolved = resolve(document, certain(schema));
    let values: Vec<String> =
        list(&resolved["enum"]).filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect();
    // All reasons would fill the page; they have a page of their own.
    if !values.is_empty() && values.len() < 20 {
        return values.join(" | ");
    }
    let span = |least: &str, most: &str, what: &str| {
        let (least, most) = (&resolved[least], &resolved[most]);
        // What the type holds at most is a limit of ours, and nothing that a reader thinks of.
        let endless = most.as_u64().is_some_and(|most| most >= u64::from(u32::MAX));
        match (least.is_null(), most.is_null() || endless) {
            (false, false) if least == most => Some(format!("{least}{what}")),
            (false, false) => Some(format!("{least}–{most}{what}")),
            (true, false) => Some(format!("≤ {most}{what}")),
            (false, true) => Some(format!("≥ {least}{what}")),
            (true, true) => None,
        }
    };
    let limits = [
        span("minLength", "maxLength", " characters"),
        span("minItems", "maxItems", " items"),
        span("minimum", "maximum", ""),
        resolved["format"].as_str().map(ToOwned::to_owned),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn example(schema: &Value) -> String {
    let value = [&schema["examples"][0], &schema["example"], &schema["const"]];
    match value.into_iter().find(|value| !value.is_null()) {
        Some(Value::Object(_) | Value::Array(_)) | None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn pretty(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
