//! Agreements as they are shown, and the consents that follow from what was shown (INV-04): a form
//! carries which texts it showed, so that nobody consents to a version they have not seen.

use std::sync::Arc;

use carbon_actors::machines::registry::Registry;
use carbon_protocol::account::{Channel, Consent};
use carbon_protocol::registry::{Agreement, AgreementScope};
use carbon_protocol::{Day, Timestamp};

/// One agreement on a page.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// From when it holds.
    pub effective: String,
    /// What the form carries: id, version and SM3.
    pub token: String,
    agreement: Arc<Agreement>,
}

impl Shown {
    fn of(agreement: &Arc<Agreement>) -> Self {
        // The registry takes an agreement with the digest of its text only.
        let digest = hex::encode(agreement.sm3);
        Self {
            title: titled(&agreement.title),
            version: agreement.version,
            effective: agreement.effective.to_string(),
            token: format!("{} {} {digest}", agreement.id, agreement.version),
            agreement: agreement.clone(),
        }
    }

    /// Its text, only harmless tags left.
    pub fn html(&self) -> String {
        harmless(&self.agreement.text)
    }
}

/// A document's title in its brackets, as Chinese writes them.
fn titled(title: &str) -> String {
    if title.starts_with('《') { title.to_owned() } else { format!("《{title}》") }
}

/// The agreements of some scopes, as they hold on a day, in the order of the scopes.
pub fn shown(registry: &Registry, scopes: &[AgreementScope], day: Day) -> Vec<Shown> {
    let of = |scope| registry.agreements(scope, day);
    scopes.iter().flat_map(of).map(Shown::of).collect()
}

/// The consents to everything that must be agreed to; none where the form showed other texts.
pub fn consents<'t>(
    needed: &[Shown],
    tokens: impl Iterator<Item = &'t str>,
    at: Timestamp,
    channel: Channel,
) -> Option<Vec<Consent>> {
    let tokens: Vec<&str> = tokens.collect();
    let all = needed.iter().all(|shown| tokens.contains(&shown.token.as_str()));
    all.then(|| {
        let consent = |shown: &Shown| Consent { text: shown.agreement.no, at, channel };
        needed.iter().map(consent).collect()
    })
}

/// Tags an agreement may use, without attributes.
const TAGS: [&str; 24] = [
    "p",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "ul",
    "ol",
    "li",
    "strong",
    "em",
    "b",
    "i",
    "u",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "blockquote",
    "div",
];

/// An agreement's HTML with known bare tags only; everything else is shown as text. The content
/// policy forbids scripts anyway: this keeps forms and links out of a text that asks for consent.
pub fn harmless(html: &str) -> String {
    let mut safe = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        escape_into(&rest[..at], &mut safe);
        rest = &rest[at..];
        let tag = rest.find('>').and_then(|end| {
            let inner = rest[1..end].trim_end_matches('/').trim_end();
            let name = inner.strip_prefix('/').unwrap_or(inner).to_ascii_lowercase();
            let slash = if inner.starts_with('/') { "/" } else { "" };
            TAGS.contains(&name.as_str()).then(|| (format!("<{slash}{name}>"), end + 1))
        });
        match tag {
            Some((tag, length)) => {
                safe.push_str(&tag);
                rest = &rest[length..];
            }
            None => {
                safe.push_str("&lt;");
                rest = &rest[1..];
            }
        }
    }
    escape_into(rest, &mut safe);
    safe
}

/// Entities stay as they are: an agreement is HTML already.
fn escape_into(text: &str, safe: &mut String) {
    for c in text.chars() {
        match c {
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_protocol::signature::sm3;
    use carbon_protocol::{AgreementId, TextNo};
    use std::slice::from_ref;

    #[test]
    fn only_bare_known_tags_are_left() {
        for (html, safe) in [
            ("<p>一<strong>二</strong></p>", "<p>一<strong>二</strong></p>"),
            ("a<br/>b<BR>", "a<br>b<br>"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("<p onclick=\"x\">y", "&lt;p onclick=&quot;x&quot;&gt;y"),
            ("<form action=x><input>", "&lt;form action=x&gt;&lt;input&gt;"),
            ("<img src=x", "&lt;img src=x"),
            ("1 < 2 <", "1 &lt; 2 &lt;"),
            ("<<p>p>", "&lt;<p>p&gt;"),
            ("&amp;", "&amp;"),
        ] {
            assert_eq!(harmless(html), safe, "{html}");
        }
    }

    fn agreement(version: u32, text: &str) -> Arc<Agreement> {
        Arc::new(Agreement {
            no: TextNo(u16::try_from(version).unwrap()),
            id: AgreementId::parse("service").unwrap(),
            scope: AgreementScope::Platform,
            title: "《协议》".into(),
            version,
            effective: Day(1),
            language: "zh-CN".into(),
            text: text.into(),
            sm3: sm3(text.as_bytes()),
        })
    }

    #[test]
    fn a_consent_is_to_the_text_that_was_shown() {
        let old = Shown::of(&agreement(1, "<p>一</p>"));
        let new = Shown::of(&agreement(2, "<p>二</p>"));
        let at = Timestamp(5);
        let given = |needed: &[Shown], tokens: &[&str]| {
            consents(needed, tokens.iter().copied(), at, Channel::CityApp)
        };
        let consent = given(from_ref(&new), &[&old.token, &new.token]).unwrap();
        assert_eq!(consent.len(), 1);
        assert_eq!((consent[0].text, consent[0].at), (TextNo(2), at));
        assert!(given(from_ref(&new), &[&old.token]).is_none());
        assert!(given(&[new.clone(), old], &[&new.token]).is_none());
        let changed = Shown::of(&agreement(2, "<p>三</p>"));
        assert!(given(&[changed], &[&new.token]).is_none());
    }
}
