//! Commands of `carbon admin` about data: distance dictionaries (Z301), and samples of partners'
//! raw data (C201).

use std::path::PathBuf;

use anyhow::Context as _;
use carbon_protocol::{AppId, Day, Serial};
use clap::Subcommand;
use serde_json::json;

use super::requests::{Call, Method, act, look};

#[derive(Subcommand)]
pub enum Dictionaries {
    /// Lists what was imported.
    List,
    /// Imports one: CSV with the columns station_a,station_b,metres.
    Import {
        /// The file.
        file: PathBuf,
        /// Where it comes from.
        #[arg(long)]
        source: String,
        /// First day of behaviour that it measures.
        #[arg(long)]
        effective: Day,
        /// It was agreed with the operator of the metro.
        #[arg(long)]
        verified: bool,
    },
}

#[derive(Subcommand)]
pub enum Quality {
    /// Lists all applications, flagged or not.
    List,
    /// Shows an application with its newest samplings.
    Show {
        /// The application.
        app: AppId,
    },
    /// Draws records of an application and asks its partner for their raw data (C201).
    Sample {
        /// The application.
        app: AppId,
        /// A serial of your own: the same again is the same sampling.
        #[arg(long)]
        serial: Serial,
        /// First day on which the records were received.
        #[arg(long)]
        from: Day,
        /// Last day on which they were received.
        #[arg(long)]
        to: Day,
        /// Records to draw, 500 at most.
        #[arg(long, default_value_t = 100)]
        size: u16,
        /// Draws the same records again; follows from the serial where it is absent.
        #[arg(long)]
        seed: Option<u64>,
    },
}

impl Dictionaries {
    pub fn call(&self) -> anyhow::Result<Call> {
        let Self::Import { file, source, effective, verified } = self else {
            return Ok(look("dictionaries"));
        };
        let shown = file.display();
        let csv =
            std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
        let call = Call { method: Method::PostCsv, ..act("dictionaries", csv.into()) };
        let call = call.with("source", Some(source)).with("effective", Some(effective));
        Ok(call.with("verified", verified.then_some(true)))
    }
}

impl Quality {
    pub fn call(&self) -> Call {
        match self {
            Self::List => look("data-quality"),
            Self::Show { app } => look(format!("data-quality/{app}")),
            Self::Sample { app, serial, from, to, size, seed } => {
                let mut body = json!({
                    "serial": serial, "appId": app, "from": from, "to": to, "size": size,
                });
                if let Some(seed) = seed {
                    body["seed"] = json!(seed);
                }
                act("samplings", body)
            }
        }
    }
}
