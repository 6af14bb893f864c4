//! Commands of `carbon admin` about the keys of applications: two of a purpose are valid at once,
//! so that an application changes without a stop.

use carbon_protocol::AppId;
use clap::Subcommand;
use serde_json::{Value, json};

use super::requests::{Call, act, look};

#[derive(Subcommand)]
pub enum Keys {
    /// Lists an application's keys; never the keys themselves, but for public ones.
    List {
        /// The application.
        app: AppId,
    },
    /// Adds a key; the platform draws it and shows it this once.
    Add {
        /// The application.
        app: AppId,
        /// What it is for: `secret` signs, `data` seals personal data.
        #[arg(value_parser = ["secret", "data"])]
        kind: String,
        /// From when it is valid (RFC 3339); at once where nothing is said.
        #[arg(long)]
        valid_from: Option<String>,
    },
    /// Adds an application's own public SM2 key.
    AddSm2 {
        /// The application.
        app: AppId,
        /// The point, hexadecimal: 04, X, Y.
        public_key: String,
        /// From when it is valid (RFC 3339); at once where nothing is said.
        #[arg(long)]
        valid_from: Option<String>,
    },
    /// Ends a key's validity.
    Retire {
        /// The application.
        app: AppId,
        /// Its number among the application's keys.
        key_no: u32,
        /// From when it is valid no more (RFC 3339); at once where nothing is said.
        #[arg(long)]
        valid_until: Option<String>,
    },
}

impl Keys {
    pub fn call(&self) -> Call {
        let with = |mut body: Value, name: &str, at: &Option<String>| {
            if let Some(at) = at {
                body[name] = json!(at);
            }
            body
        };
        match self {
            Self::List { app } => look(format!("applications/{app}/keys")),
            Self::Add { app, kind, valid_from } => act(
                format!("applications/{app}/keys"),
                with(json!({"kind": kind}), "validFrom", valid_from),
            ),
            Self::AddSm2 { app, public_key, valid_from } => act(
                format!("applications/{app}/keys"),
                with(json!({"kind": "sm2", "publicKey": public_key}), "validFrom", valid_from),
            ),
            Self::Retire { app, key_no, valid_until } => act(
                format!("applications/{app}/keys/{key_no}/retire"),
                with(json!({}), "validUntil", valid_until),
            ),
        }
    }
}
