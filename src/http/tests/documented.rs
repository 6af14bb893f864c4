//! Every answer that any test of the door gets is one that the document tells of.

use std::sync::OnceLock;

use axum::http::{Method, Uri};
use serde_json::Value;

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(super::super::routes::openapi)
}

fn fits(template: &str, path: &str) -> bool {
    let (wanted, given) = (template.split('/'), path.split('/'));
    wanted.clone().count() == given.clone().count()
        && wanted.zip(given).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
}

/// Asserts it of one answer; what is asked of no interface is not documented.
#[track_caller]
pub fn check(method: &Method, uri: &Uri, status: u16, answer: &Value) {
    let paths = document()["paths"].as_object().unwrap();
    let Some((path, item)) = paths.iter().find(|(template, _)| fits(template, uri.path())) else {
        return;
    };
    let operation = &item[method.as_str().to_lowercase()];
    if operation.is_null() {
        return;
    }
    let told = &operation["responses"][status.to_string()];
    let code = &answer["code"];
    let mend = "mend: src/http/document/refusals.rs";
    assert!(told.is_object(), "{path} answers {status} {code} untold; {mend}");
    let codes = &told["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"];
    if let Some(codes) = codes["enum"].as_array() {
        assert!(codes.contains(code), "{path} answers {code} untold; {mend}");
    }
}
