//! The configuration: `config/default.toml` is complete and built in; a file lays its own values
//! over it. Unknown keys are errors, nothing is optional, no second default exists anywhere.

use std::path::Path;

use anyhow::Context as _;
use carbon_actors::house::Limits;
use serde::Deserialize;
use toml::Table;

use crate::{clock, connections, http, identity, journal, nats, pages, partners, store, vault};

/// Everything that can be set, with its comments.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the platform listens.
    pub listen: String,
    /// Single-use tickets that door and pages share.
    pub tickets: Tickets,
    /// Connections, before anybody has looked at a request.
    pub connections: connections::Config,
    /// The door of the contracts.
    pub http: http::Config,
    /// The H5 pages.
    pub pages: pages::Config,
    /// Limits of actors and followers.
    pub actors: Limits,
    /// The journal.
    pub journal: journal::Config,
    /// The store.
    pub store: store::Config,
    /// The vault.
    pub vault: vault::Config,
    /// The identity service.
    pub identity: identity::Config,
    /// Calls to partners.
    pub partners: partners::Config,
    /// Messages between connectors and accounts.
    pub bus: Bus,
    /// The NATS server.
    pub nats: nats::Config,
    /// The wall clock.
    pub clock: clock::Config,
}

/// Tickets that are used once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tickets {
    /// Links of Z102 that wait for their citizen.
    pub entries: usize,
    /// How long one waits.
    pub entry_seconds: u64,
    /// authCodes that wait for their mall.
    pub auth_codes: usize,
    /// How long one waits.
    pub auth_code_seconds: u64,
}

/// The bus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// What carries messages.
    pub mode: BusMode,
    /// Tells platforms apart that share a NATS server.
    pub name: String,
}

/// What carries messages between connectors and accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusMode {
    /// Memory.
    InProcess,
    /// A NATS server.
    Nats,
}

impl Config {
    /// The defaults, with a file laid over them.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut table: Table = DEFAULT.parse().context("config/default.toml")?;
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let over: Table = text.parse().with_context(|| file.display().to_string())?;
            lay_over(&mut table, over);
        }
        let shown = file.map_or("config/default.toml".into(), |file| file.display().to_string());
        table.try_into().with_context(|| format!("{shown}: see config/default.toml for every key"))
    }
}

/// Lays values over values, table by table.
fn lay_over(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file))
    }

    #[test]
    fn the_defaults_are_complete() {
        Config::load(None).unwrap();
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let config = with("listen = \"0.0.0.0:1\"\n[bus]\nmode = \"nats\"\n").unwrap();
        let default = Config::load(None).unwrap();
        assert_eq!(config.listen, "0.0.0.0:1");
        assert_eq!(config.bus.mode, BusMode::Nats);
        assert_eq!(config.bus.name, default.bus.name);
        assert_eq!(config.actors.partitions, default.actors.partitions);
    }

    #[test]
    fn unknown_keys_are_errors_and_named() {
        for text in ["lisen = \"x\"", "[actors]\npartition = 3", "[bus]\nmode = \"pigeon\""] {
            let error = format!("{:#}", with(text).unwrap_err());
            assert!(error.contains("unknown"), "{text}: {error}");
        }
    }
}
