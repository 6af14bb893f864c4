//! The frame around every page: language, headers that let nothing foreign in, and the page that is
//! shown when there is trouble.

use std::sync::OnceLock;

use askama::Template;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use carbon_protocol::signature::digest8;
use url::Url;

use super::speech::Lang;
use super::trouble::Trouble;
use crate::connections::Sender;

const STYLE: &str = include_str!("templates/style.css");
const LANG_COOKIE: &str = "h5lang";

/// What every template has.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The language.
    pub lang: Lang,
    /// What the forms carry.
    pub csrf: String,
    /// Where the arrow at the top leads; empty for no arrow.
    pub back: String,
}

impl Frame {
    /// The style sheet's address: it changes with its content.
    pub fn style(&self) -> String {
        format!("/h5/style.css?v={}", style_tag())
    }

    /// One of two texts.
    pub fn say<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        self.lang.say(zh, en)
    }
}

fn style_tag() -> &'static str {
    static TAG: OnceLock<String> = OnceLock::new();
    TAG.get_or_init(|| format!("{:016x}", digest8(STYLE.as_bytes())))
}

/// Serves the style sheet.
pub async fn style(headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", style_tag());
    let known = headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let caching = [(ETAG, tag.as_str()), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// Sites other than ours that a form of the page may end at: browsers hold redirects after a form
/// against `form-action`, too.
#[derive(Debug, Clone, Default)]
pub struct FormOrigins(Vec<String>);

impl FormOrigins {
    /// The origins of some addresses; what is no web address is left out.
    pub fn of<'u>(urls: impl IntoIterator<Item = &'u str>) -> Self {
        let web = |url: &str| {
            let url = Url::parse(url).ok()?;
            ["http", "https"].contains(&url.scheme()).then(|| url.origin().ascii_serialization())
        };
        let mut origins: Vec<String> = urls.into_iter().filter_map(web).collect();
        origins.sort();
        origins.dedup();
        Self(origins)
    }

    fn policy(&self) -> String {
        let mut policy = String::from(
            "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
             frame-ancestors 'none'; form-action 'self'",
        );
        for origin in &self.0 {
            policy.push(' ');
            policy.push_str(origin);
        }
        policy
    }
}

/// A template as an answer.
pub fn page(template: &impl Template) -> Result<Response, Trouble> {
    page_leading_to(template, FormOrigins::default())
}

/// A template whose forms may end at other sites.
pub fn page_leading_to(
    template: &impl Template,
    origins: FormOrigins,
) -> Result<Response, Trouble> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "a template cannot be rendered");
        Trouble::from(carbon_protocol::Reason::Internal)
    })?;
    let mut response = Html(html).into_response();
    response.extensions_mut().insert(origins);
    Ok(response)
}

/// The page of a trouble.
#[derive(Template)]
#[template(path = "trouble.html", config = ".askama.toml")]
struct TroublePage {
    frame: Frame,
    title: &'static str,
    advice: &'static str,
    message: &'static str,
    code: &'static str,
    again: bool,
    home: bool,
}

/// Wraps every answer of the pages.
pub async fn around(mut request: Request, next: Next) -> Response {
    let asked = request.uri().query().and_then(|query| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "lang")
            .and_then(|(_, value)| Lang::named(&value))
    });
    let kept = cookie(request.headers(), LANG_COOKIE).and_then(Lang::named);
    let lang = asked.or(kept).unwrap_or_default();
    request.extensions_mut().insert(lang);
    let beyond = request.extensions().get::<Sender>().is_some_and(|it| it.beyond.is_some());
    let mut response = match beyond {
        true => Trouble::from(carbon_protocol::Reason::RateLimited).into_response(),
        false => next.run(request).await,
    };
    if let Some(trouble) = response.extensions().get::<Trouble>().cloned() {
        response = trouble_page(response.status(), &trouble, lang);
    } else if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let trouble = Trouble::from(carbon_protocol::Reason::MethodNotAllowed);
        response = trouble_page(response.status(), &trouble, lang);
    }
    let origins = response.extensions_mut().remove::<FormOrigins>().unwrap_or_default();
    let wait = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let wait = wait.contains(&response.status());
    let headers = response.headers_mut();
    if wait {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // Origins are serialised by the URL parser: plain ASCII, no semicolons.
    if let Ok(policy) = HeaderValue::from_str(&origins.policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // `no-referrer` would make browsers send `Origin: null` with our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(lang) = asked {
        let keep = format!(
            "{LANG_COOKIE}={}; Path=/h5; Max-Age=31536000; HttpOnly; SameSite=Lax",
            lang.name()
        );
        if let Ok(keep) = HeaderValue::from_str(&keep) {
            headers.append(SET_COOKIE, keep);
        }
    }
    response
}

fn trouble_page(status: StatusCode, trouble: &Trouble, lang: Lang) -> Response {
    let gone = [401, 403].contains(&trouble.reason.status());
    let template = TroublePage {
        frame: Frame { lang, csrf: String::new(), back: String::new() },
        title: trouble.title(lang),
        advice: trouble.advice(lang),
        message: lang.reason(trouble.reason),
        code: trouble.reason.code(),
        again: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        home: !gone,
    };
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => status.into_response(),
    }
}

/// A cookie's value.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origins_of_a_page_are_added_to_its_policy() {
        let plain = FormOrigins::default().policy();
        assert!(plain.ends_with("form-action 'self'"), "{plain}");
        assert!(plain.starts_with("default-src 'none'"), "{plain}");
        let mall = FormOrigins::of([
            "https://mall.example/h5?x=1",
            "https://mall.example/other",
            "javascript:alert(1)",
            "not an address",
            "http://127.0.0.1:8080/a; script-src *",
        ]);
        let policy = mall.policy();
        assert!(policy.ends_with("'self' http://127.0.0.1:8080 https://mall.example"), "{policy}");
        assert!(!policy.contains("script-src"), "{policy}");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("xh5=1; h5=two"));
        headers.append(COOKIE, HeaderValue::from_static("h5lang=en"));
        assert_eq!(cookie(&headers, "h5"), Some("two"));
        assert_eq!(cookie(&headers, LANG_COOKIE), Some("en"));
        assert_eq!(cookie(&headers, "h"), None);
    }
}
