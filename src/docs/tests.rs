//! The documentation: every interface has its page, every link leads somewhere, nothing is loaded
//! from elsewhere and nothing runs.

use axum::body::Body;
use axum::http::{Request, header};
use tower::ServiceExt as _;

use super::*;

fn document() -> Value {
    crate::wiring::document()
}

/// The values of an attribute in a page.
fn values<'h>(html: &'h str, attribute: &str) -> Vec<&'h str> {
    let parts = html.split(attribute).skip(1);
    parts.filter_map(|part| part.strip_prefix("=\"")?.split('"').next()).collect()
}

#[test]
fn every_interface_has_its_page_with_meaning_fields_examples_and_refusals() {
    let document = document();
    let pages = pages(&document).unwrap();
    let groups = outline::groups(&document);
    let all: Vec<&Interface> = groups.iter().flat_map(|group| &group.interfaces).collect();
    let count = |section: &str| {
        let items = document[section].as_object().unwrap().values();
        items.map(|item| item.as_object().unwrap().len()).sum::<usize>()
    };
    assert_eq!(all.len(), count("paths") + count("webhooks"), "an operation without a group");
    for one in all {
        let page = String::from_utf8(pages[&one.id].1.to_vec()).unwrap();
        assert!(page.contains(&one.path), "{}: no address", one.id);
        for reason in &one.refusals {
            assert!(page.contains(reason.code()) && page.contains(reason.zh()), "{}", one.id);
        }
        if one.path.starts_with("/api/v1/0") {
            assert!(!one.request.is_empty() || !one.parameters.is_empty(), "{}: no field", one.id);
            assert!(!one.answer.is_empty() && !one.answer_example.is_empty(), "{}", one.id);
            assert!(one.curl.contains(&one.path), "{}: {}", one.id, one.curl);
            assert!(one.refusals.len() > 10, "{}", one.id);
        }
    }
}

#[test]
fn fields_are_told_with_depth_unit_limits_and_example() {
    let groups = outline::groups(&document());
    let all = || groups.iter().flat_map(|group| &group.interfaces);
    let submit = all().find(|one| one.id == "01.Z304").unwrap();
    let field = |name: &str| submit.request.iter().find(|field| field.name == name).unwrap();
    assert_eq!(field("batchSerial").limits, "1–64 characters");
    // No records where there are only voids.
    assert_eq!(field("records").limits, "≤ 1000 items");
    let verdicts = submit.answer.iter().find(|field| field.name == "verdicts").unwrap();
    assert_eq!(verdicts.limits, "1–1000 items");
    let grams = field("reductionGrams");
    assert_eq!((grams.depth, grams.kind.as_str()), (1, "integer · Grams"));
    assert!(grams.required && !grams.example.is_empty());
    assert!(field("inStation").depth > field("rail").depth);
    assert_eq!(submit.name, "减排量批量报送");
    let names: Vec<&str> = submit.request.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names[..5], ["batchSerial", "records", "serial", "ccid", "scene"], "as declared");
    assert_eq!(grams.limits, "≥ 0");
}

#[test]
fn every_link_leads_to_a_page_and_nothing_is_loaded_from_elsewhere() {
    let pages = pages(&document()).unwrap();
    for (name, (kind, body)) in &pages {
        let html = String::from_utf8(body.to_vec()).unwrap();
        if *kind != HTML {
            assert!(!html.contains("@import") && !html.contains("url("), "{name}");
            continue;
        }
        for forbidden in ["<script", " onclick", " style=", "<iframe", "<img", "javascript:"] {
            assert!(!html.contains(forbidden), "{name} has {forbidden}");
        }
        assert!(values(&html, " src").is_empty(), "{name} loads something");
        for link in values(&html, " href") {
            if link == "data:," || link == "/openapi.json" {
                continue;
            }
            let page = link.strip_prefix("/docs/").unwrap_or_else(|| panic!("{name}: {link}"));
            assert!(pages.contains_key(page), "{name}: {link} leads nowhere");
        }
    }
}

#[tokio::test]
async fn pages_come_with_a_policy_that_lets_nothing_in() {
    let router = router(&document()).unwrap();
    for (path, status, kind) in [
        ("/docs", 308, ""),
        ("/docs/", 200, HTML),
        ("/docs/01.Z304", 200, HTML),
        ("/docs/quick-start/scene", 200, HTML),
        ("/docs/style.css", 200, "text/css; charset=utf-8"),
        ("/docs/carbon-sign.sh", 200, "text/plain; charset=utf-8"),
        ("/docs/nothing/here", 404, "text/plain; charset=utf-8"),
        ("/docs/%3Cscript%3E", 404, "text/plain; charset=utf-8"),
    ] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        if status == 308 {
            assert_eq!(answer.headers()[header::LOCATION], "/docs/");
            continue;
        }
        assert_eq!(answer.headers()[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], POLICY, "{path}");
    }
}
