//! A browser as small as it can be: cookies, redirects by hand, forms read from the page. It knows
//! no endpoint but the links and forms that a page shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, ORIGIN, SET_COOKIE,
};
use hyper::{HeaderMap, Method, StatusCode};
use url::Url;

use super::latency::Latencies;
use crate::wire::Web;

/// Redirects followed before something is surely wrong.
const MAX_REDIRECTS: usize = 8;

/// One citizen's browser. The connections beneath are shared, cookies are not.
pub struct Browser {
    web: Web,
    latencies: Arc<Latencies>,
    cookies: BTreeMap<(String, String), String>,
}

/// A page as it came.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it is from, after redirects.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its text.
    pub html: String,
    /// Where it redirects to, where that is another site than the one that is followed.
    pub leaves_for: Option<Url>,
}

/// A form of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it is sent to.
    pub action: String,
    /// Names and values as the page has them.
    pub fields: Vec<(String, String)>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(web: Web, latencies: Arc<Latencies>) -> Self {
        Self { web, latencies, cookies: BTreeMap::new() }
    }

    /// Opens a page; `code` names it in the latency table.
    pub async fn open(&mut self, code: &str, url: &Url) -> anyhow::Result<Document> {
        self.walk(code, Method::GET, url.clone(), None).await
    }

    /// Sends a form of a page, with some fields filled in or replaced.
    pub async fn submit(
        &mut self,
        code: &str,
        page: &Document,
        form: &Form,
        filled: &[(&str, &str)],
    ) -> anyhow::Result<Document> {
        let mut fields = form.fields.clone();
        for (name, value) in filled {
            match fields.iter_mut().find(|field| field.0 == *name) {
                Some(field) => field.1 = (*value).to_owned(),
                None => fields.push(((*name).to_owned(), (*value).to_owned())),
            }
        }
        let url = page.url.join(&form.action).context("the form's action is no address")?;
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        self.walk(code, Method::POST, url, Some(body)).await
    }

    async fn walk(
        &mut self,
        code: &str,
        mut method: Method,
        mut url: Url,
        mut body: Option<String>,
    ) -> anyhow::Result<Document> {
        let origin = url.origin();
        for _ in 0..MAX_REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("text/html"));
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("zh-CN"));
            if let Some(cookies) = self.cookies_for(&url) {
                headers.insert(COOKIE, cookies.try_into()?);
            }
            let body = body.take();
            if body.is_some() {
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(CONTENT_TYPE, form);
                headers.insert(ORIGIN, url.origin().ascii_serialization().try_into()?);
            }
            let began = Instant::now();
            let sent = self.web.send(method, &url, headers, body.unwrap_or_default().into());
            let answer = sent.await.with_context(|| format!("{code}: {}", url.path()))?;
            let status = StatusCode::from_u16(answer.status)?;
            self.keep_cookies(&url, &answer.headers);
            let location = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let next = location.map(|to| url.join(to)).transpose()?;
            let html = String::from_utf8(answer.body.into()).context("a page in UTF-8")?;
            self.latencies.note(code, began.elapsed());
            match next {
                Some(next) if status.is_redirection() && next.origin() == origin => {
                    method = Method::GET;
                    url = next;
                }
                Some(next) if status.is_redirection() => {
                    return Ok(Document { url, status, html, leaves_for: Some(next) });
                }
                _ => return Ok(Document { url, status, html, leaves_for: None }),
            }
        }
        bail!("{code}: more than {MAX_REDIRECTS} redirects")
    }

    fn cookies_for(&self, url: &Url) -> Option<String> {
        let site = site(url);
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .filter(|((host, _), _)| *host == site)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep_cookies(&mut self, url: &Url, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let key = (site(url), name.trim().to_owned());
            let gone = parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
            if gone || value.is_empty() {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.trim().to_owned());
            }
        }
    }
}

fn site(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0))
}

impl Document {
    /// The page, or an error that says what it was instead.
    pub fn expect_ok(self, what: &str) -> anyhow::Result<Self> {
        if self.status.is_success() || self.leaves_for.is_some() {
            return Ok(self);
        }
        bail!("{what}: {} at {}: {}", self.status, self.url.path(), excerpt(&self.html))
    }

    /// All forms of the page.
    pub fn forms(&self) -> Vec<Form> {
        forms(&self.html)
    }

    /// The first form whose action contains `part`.
    pub fn form(&self, part: &str) -> anyhow::Result<Form> {
        self.forms()
            .into_iter()
            .find(|form| self.url.join(&form.action).is_ok_and(|url| url.as_str().contains(part)))
            .with_context(|| {
                format!("no form for {part} at {}: {}", self.url.path(), excerpt(&self.html))
            })
    }

    /// Where the page leads on to by itself.
    pub fn leads_on(&self) -> Option<Url> {
        let meta = tags(&self.html, "meta")
            .find(|tag| attribute(tag, "http-equiv").is_some_and(|name| name == "refresh"))?;
        let content = attribute(meta, "content")?;
        let at = content.to_ascii_lowercase().find("url=")?;
        self.url.join(content[at + 4..].trim_matches([' ', '\''])).ok()
    }

    /// The state that a waiting page shows: `data-state` on its `<main>`.
    pub fn state(&self) -> Option<String> {
        tags(&self.html, "main").find_map(|tag| attribute(tag, "data-state"))
    }

    /// All links of the page.
    pub fn links(&self) -> Vec<Url> {
        tags(&self.html, "a")
            .filter_map(|tag| attribute(tag, "href"))
            .filter_map(|to| self.url.join(&to).ok())
            .collect()
    }

    /// The first link that contains `part`.
    pub fn link(&self, part: &str) -> anyhow::Result<Url> {
        self.links().into_iter().find(|url| url.as_str().contains(part)).with_context(|| {
            format!("no link to {part} at {}: {}", self.url.path(), excerpt(&self.html))
        })
    }
}

/// A page's words without its tags, cut short, for an error message.
fn excerpt(html: &str) -> String {
    let html = html.split("<body").nth(1).unwrap_or(html);
    let mut text = String::new();
    let mut inside = true;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(240).collect()
}

fn forms(html: &str) -> Vec<Form> {
    html.split("<form")
        .skip(1)
        .map(|rest| {
            let inner = rest.split("</form").next().unwrap_or_default();
            let action = attribute(inner, "action").unwrap_or_default();
            let inputs = tags(inner, "input").chain(tags(inner, "button")).filter_map(field);
            Form { action, fields: inputs.collect() }
        })
        .collect()
}

/// A field as a browser sends it: all boxes are ticked, for our citizens agree to everything.
fn field(tag: &str) -> Option<(String, String)> {
    let name = attribute(tag, "name")?;
    let box_or_radio =
        attribute(tag, "type").is_some_and(|kind| kind == "checkbox" || kind == "radio");
    let default = if box_or_radio { "on" } else { "" };
    Some((name, attribute(tag, "value").unwrap_or_else(|| default.into())))
}

/// The insides of all tags of a name: what stands between `<name` and `>`.
fn tags<'h>(html: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    let open = format!("<{name}");
    let starts: Vec<usize> = html.match_indices(&open).map(|(at, _)| at + open.len()).collect();
    starts.into_iter().filter_map(|start| {
        let rest = &html[start..];
        let named = rest.starts_with([' ', '\n', '\t', '\r']);
        named.then(|| rest.split('>').next().unwrap_or_default())
    })
}

/// An attribute's value, with the entities of HTML undone.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next().unwrap_or_default();
    let key = format!("{name}=\"");
    let at = tag
        .match_indices(&key)
        .find(|(at, _)| tag[..*at].ends_with(|c: char| c.is_whitespace()))?;
    let value = tag[at.0 + key.len()..].split('"').next()?;
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    Some(entities.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Document {
        Document {
            url: Url::parse("http://127.0.0.1:1/h5/open").unwrap(),
            status: StatusCode::OK,
            html: html.into(),
            leaves_for: None,
        }
    }

    #[test]
    fn a_form_is_read_with_its_hidden_fields() {
        let page = page(
            "<body><form method=\"post\" action=\"/h5/open/agree?a=1&amp;b=2\">\
             <input type=\"hidden\" name=\"csrf\" value=\"x&#34;y\"><input name=\"smsCode\">\
             <input type=\"checkbox\" name=\"agree\" required>\
             <button name=\"do\" value=\"go\">Go</button></form>\
             <form action=\"/h5/other\"></form></body>",
        );
        let form = page.form("/h5/open/agree").unwrap();
        assert_eq!(form.action, "/h5/open/agree?a=1&b=2");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            form.fields,
            [pair("csrf", "x\"y"), pair("smsCode", ""), pair("agree", "on"), pair("do", "go")]
        );
        assert_eq!(page.forms().len(), 2);
    }

    #[test]
    fn a_page_tells_where_it_leads_and_what_it_waits_for() {
        let page = page(
            "<meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0; url=/h5/light\">\
             <main class=\"x\" data-state=\"lit\">",
        );
        assert_eq!(page.leads_on().unwrap().path(), "/h5/light");
        assert_eq!(page.state().as_deref(), Some("lit"));
    }

    #[test]
    fn a_form_without_an_action_goes_back_to_its_page() {
        assert!(page("<form method=\"post\"><input name=\"a\"></form>").form("/h5/open").is_ok());
    }

    #[test]
    fn what_is_missing_is_told_with_the_pages_words() {
        let error = page("<body><h1>链接无效</h1></body>").form("/x").unwrap_err().to_string();
        assert!(error.contains("链接无效"), "{error}");
    }
}
