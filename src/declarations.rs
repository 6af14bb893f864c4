//! What ships with the platform as data, and is declared at the first start: a policy, the
//! methodologies (方法学), the platform's own agreements, an example of a distance dictionary.

use anyhow::{Context as _, bail};
use carbon_actors::methodology::Dictionary;
use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::registry::{Agreement, AgreementScope, DictionaryHead, DictionaryImport};
use carbon_protocol::signature::sm3;
use carbon_protocol::{AgreementId, Day, TextNo};
use serde::Deserialize;

/// The policy in `config/policy.toml`.
pub fn policy() -> anyhow::Result<Policy> {
    toml::from_str(include_str!("../config/policy.toml")).context("config/policy.toml")
}

/// The methodologies in `config/methodologies.toml`.
pub fn methodologies() -> anyhow::Result<Vec<Methodology>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        methodology: Vec<Methodology>,
    }
    let text = include_str!("../config/methodologies.toml");
    let file: File = toml::from_str(text).context("config/methodologies.toml")?;
    Ok(file.methodology)
}

/// Titles and texts in `config/agreements`; templates for partners' own are left out.
pub fn agreements() -> anyhow::Result<Vec<Agreement>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Index {
        agreement: Vec<Row>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        id: String,
        scope: String,
        title: String,
        version: u32,
        effective: Day,
        language: String,
        file: String,
    }
    let text = include_str!("../config/agreements/index.toml");
    let index: Index = toml::from_str(text).context("config/agreements/index.toml")?;
    let mut agreements = Vec::new();
    for row in index.agreement {
        let scope = match row.scope.as_str() {
            "platform" => AgreementScope::Platform,
            "city_app" => AgreementScope::CityApp,
            "matching" => AgreementScope::Matching,
            "app" | "scene" | "mall" => continue,
            other => bail!("config/agreements/index.toml: no scope is called {other}"),
        };
        let text = text_of(&row.file)?;
        agreements.push(Agreement {
            // The registry gives it.
            no: TextNo(0),
            id: AgreementId::parse(&row.id)?,
            scope,
            title: row.title,
            version: row.version,
            effective: row.effective,
            language: row.language,
            sm3: sm3(text.as_bytes()),
            text: text.to_owned(),
        });
    }
    Ok(agreements)
}

/// The texts that are built in.
fn text_of(file: &str) -> anyhow::Result<&'static str> {
    Ok(match file {
        "platform-user.html" => include_str!("../config/agreements/platform-user.html"),
        "platform-privacy.html" => include_str!("../config/agreements/platform-privacy.html"),
        "city-app-user.html" => include_str!("../config/agreements/city-app-user.html"),
        "city-app-privacy.html" => include_str!("../config/agreements/city-app-privacy.html"),
        "matching-notice.html" => include_str!("../config/agreements/matching-notice.html"),
        other => bail!("config/agreements/index.toml: {other} is not built in"),
    })
}

/// The example of a distance dictionary in `config/dictionary/rail.csv`.
pub fn dictionary() -> anyhow::Result<DictionaryImport> {
    let file = "config/dictionary/rail.csv";
    let dictionary =
        Dictionary::parse(include_str!("../config/dictionary/rail.csv")).context(file)?;
    let head = DictionaryHead {
        version: dictionary.version().to_owned(),
        effective: "2024-01-01".parse()?,
        source: "An example: invented stations of invented lines.".into(),
        verified: false,
        stations: u32::try_from(dictionary.stations())?,
        pairs: u32::try_from(dictionary.len())?,
    };
    Ok(DictionaryImport { head, text: dictionary.canonical().into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_ships_can_be_read() {
        let today: Day = "2026-11-24".parse().unwrap();
        assert!(policy().unwrap().effective <= today);
        assert!(methodologies().unwrap().len() == 6);
        assert_eq!(agreements().unwrap().len(), 5);
        assert!(dictionary().unwrap().head.pairs > 0);
    }

    #[test]
    fn factors_that_nobody_checked_say_so() {
        for methodology in methodologies().unwrap() {
            assert!(!methodology.source.is_empty(), "{}", methodology.id);
            assert!(!methodology.verified, "{}: no factor was verified", methodology.id);
        }
    }
}
