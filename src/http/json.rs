//! Reads bodies and queries into the contracts' types, and says of a bad one which field it was
//! and which of the three kinds of bad: malformed, unknown field, out of range.

use axum::http::{HeaderMap, header};
use carbon_protocol::Reason;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::fault::Fault;

/// The most characters of a field's path that are told back.
const PATH_CHARS: usize = 160;

/// Reads a JSON body.
pub fn body<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let fault = Fault::of_field(Reason::Malformed, "content-type");
        return Err(fault.with("application/json is required"));
    }
    // Serde would take a list for a structure, field by field in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::from(Reason::Malformed).with("expected a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| fault_of(&error.path().to_string(), error.inner()))?;
    reader.end().map_err(|error| fault_of(".", &error))?;
    Ok(value)
}

/// Reads a query string. All values are texts there, so the types of queries are made of texts,
/// numbers, flags and options of them.
pub fn query<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Fault> {
    let fields = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut object = serde_json::Map::new();
    for (name, value) in fields {
        let number = value.parse::<u64>().ok().filter(|number| number.to_string() == value);
        let value = match (number, &*value) {
            (Some(number), _) if NUMBERS.contains(&&*name) => number.into(),
            (_, "true" | "false") if FLAGS.contains(&&*name) => (value == "true").into(),
            _ => serde_json::Value::String(value.into_owned()),
        };
        if object.insert(name.to_string(), value).is_some() {
            let fault = Fault::of_field(Reason::Malformed, shorten(&name));
            return Err(fault.with("the field is there twice"));
        }
    }
    serde_path_to_error::deserialize(serde_json::Value::Object(object))
        .map_err(|error| fault_of(&error.path().to_string(), error.inner()))
}

/// Fields of queries that are numbers.
const NUMBERS: [&str; 2] = ["limit", "version"];

/// Fields of queries that are `true` or `false`.
const FLAGS: [&str; 2] = ["all", "verified"];

/// Sorts an error of serde's into ours. Its text may quote what the caller sent; only the part that
/// says what was expected is passed on.
fn fault_of(path: &str, error: &serde_json::Error) -> Fault {
    if matches!(error.classify(), Category::Syntax | Category::Eof | Category::Io) {
        let place = format!("not JSON at line {}, column {}", error.line(), error.column());
        return located(Reason::Malformed, path, None).with(place);
    }
    let text = error.to_string();
    let quoted = text.split('`').nth(1);
    let expected = text.rsplit_once(", expected ").map(|(_, expected)| cut_place(expected));
    let (reason, name) = if text.starts_with("unknown field") {
        (Reason::UnknownField, quoted)
    } else if text.starts_with("missing field") || text.starts_with("duplicate field") {
        (Reason::Malformed, quoted)
    } else if text.starts_with("invalid type") {
        (Reason::Malformed, None)
    } else {
        (Reason::OutOfRange, None)
    };
    let fault = located(reason, path, name);
    let own = ["invalid ", "unknown ", "missing "].iter().all(|start| !text.starts_with(start));
    match expected {
        Some(expected) if reason != Reason::UnknownField => {
            fault.with(format!("expected {expected}"))
        }
        // A text of our own types: it never quotes its input.
        None if own => fault.with(cut_place(&text)),
        _ => fault,
    }
}

/// Without serde's ` at line 1 column 2`.
fn cut_place(text: &str) -> &str {
    text.split(" at line ").next().unwrap_or_default()
}

fn located(reason: Reason, path: &str, name: Option<&str>) -> Fault {
    // What serde does not know of a path is a question mark or a lone dot.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let field = match name {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    if field.is_empty() { reason.into() } else { Fault::of_field(reason, shorten(&field)) }
}

/// A name that the caller sent is told back cut short and without control characters.
fn shorten(field: &str) -> String {
    field.chars().filter(|c| !c.is_control()).take(PATH_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use carbon_protocol::Serial;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        batch_serial: Serial,
        rows: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        grams: u64,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        One,
    }

    fn read(text: &str) -> Result<Outer, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        body(&headers, text.as_bytes())
    }

    #[test]
    fn bad_bodies_name_their_field_and_kind() {
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep = format!(r#"{{"batchSerial":"a","rows":[{{"grams":{nested}}}]}}"#);
        let cases = [
            ("", Reason::Malformed, None),
            ("null", Reason::Malformed, None),
            ("[]", Reason::Malformed, None),
            ("{", Reason::Malformed, None),
            (r#"{"batchSerial":"a","rows":[]} x"#, Reason::Malformed, None),
            (r#"{"rows":[]}"#, Reason::Malformed, Some("batchSerial")),
            (r#"{"batchSerial":"a"}"#, Reason::Malformed, Some("rows")),
            (r#"{"batchSerial":null,"rows":[]}"#, Reason::Malformed, Some("batchSerial")),
            (r#"{"batchSerial":"","rows":[]}"#, Reason::OutOfRange, Some("batchSerial")),
            (r#"{"batchSerial":"碳","rows":[]}"#, Reason::OutOfRange, Some("batchSerial")),
            (
                r#"{"batchSerial":"a","batchSerial":"a","rows":[]}"#,
                Reason::Malformed,
                Some("batchSerial"),
            ),
            (
                r#"{"batchSerial":"a","rows":[{"grams":-1}]}"#,
                Reason::OutOfRange,
                Some("rows[0].grams"),
            ),
            (
                r#"{"batchSerial":"a","rows":[{"grams":1e3}]}"#,
                Reason::Malformed,
                Some("rows[0].grams"),
            ),
            (
                r#"{"batchSerial":"a","rows":[{"grams":1e999}]}"#,
                Reason::Malformed,
                Some("rows[0].grams"),
            ),
            (
                r#"{"batchSerial":"a","rows":[{"grams":NaN}]}"#,
                Reason::Malformed,
                Some("rows[0].grams"),
            ),
            (
                r#"{"batchSerial":"a","rows":[{"grams":1,"extra":2}]}"#,
                Reason::UnknownField,
                Some("rows[0].extra"),
            ),
            (
                r#"{"batchSerial":"a","rows":[{"grams":1,"kind":"two"}]}"#,
                Reason::OutOfRange,
                Some("rows[0].kind"),
            ),
            (deep.as_str(), Reason::Malformed, Some("rows[0].grams")),
        ];
        for (text, reason, field) in cases {
            let fault = read(text).unwrap_err();
            let shown: String = text.chars().take(80).collect();
            assert_eq!(fault.rejection.reason, reason, "{shown}: {fault:?}");
            if let Some(field) = field {
                assert_eq!(fault.rejection.field.as_deref(), Some(field), "{shown}: {fault:?}");
            }
        }
        assert!(read(r#"{"batchSerial":"a","rows":[{"grams":1,"kind":"one"}]}"#).is_ok());
    }

    #[test]
    fn details_never_quote_what_was_sent() {
        let text = r#"{"batchSerial":"a","rows":[{"grams":"31010119900101"}]}"#;
        let detail = read(text).unwrap_err().rejection.detail.unwrap();
        assert_eq!(detail, "expected u64");
    }

    #[test]
    fn other_content_types_are_refused() {
        for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            let fault = body::<Outer>(&headers, b"{}").unwrap_err();
            assert_eq!(fault.rejection.field.as_deref(), Some("content-type"), "{kind}");
        }
    }
}
