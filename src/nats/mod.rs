//! NATS: messages between connectors and accounts as requests, events for subscribers.

mod bus;
mod events;

use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::{Client, ConnectOptions};
use serde::Deserialize;

pub use bus::NatsBus;
pub use events::{Broadcast, NatsSubscribers};

/// The oldest server that keeps its promises (see the README's limits).
const OLDEST: [u64; 3] = [2, 10, 23];

/// The connection to NATS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Server address; empty for none: then nothing is published outside the process.
    pub url: String,
    /// How long a request may take, in milliseconds.
    pub request_ms: u64,
}

/// Connects, and refuses a server that is too old.
pub async fn connect(config: &Config) -> anyhow::Result<Client> {
    let client = ConnectOptions::new()
        .name("carbon")
        .request_timeout(Some(Duration::from_millis(config.request_ms)))
        .connect(&config.url)
        .await
        .with_context(|| format!("no NATS server answers at {}", config.url))?;
    let version = client.server_info().version;
    if numbers(&version) < OLDEST.to_vec() {
        bail!("nats-server {version} is too old: 2.10.23 or newer is needed");
    }
    Ok(client)
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (version, enough) in
            [("2.9.10", false), ("2.10.22", false), ("2.10.23", true), ("2.15.1", true)]
        {
            assert_eq!(numbers(version) >= OLDEST.to_vec(), enough, "{version}");
        }
        assert!(numbers("3.0.0-beta.1") >= OLDEST.to_vec());
    }
}
