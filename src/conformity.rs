//! `carbon conform`: a partner has its own server examined.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use carbon_protocol::Serial;
use carbon_simulations::conform::{self, Report, Role, Wishes};
use clap::{Args, ValueEnum};
use url::Url;

use crate::simulation::CANNOT_BEGIN;

/// What a partner is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// 场景方: C101, C201, pushes of Z203 and Z305.
    Scene,
    /// 权益方: Q101, 02.Z203 and its pushes.
    Benefit,
}

/// What to examine.
#[derive(Args)]
#[command(after_help = "Examples:
  carbon conform scene --base https://your.server/carbon --keys my-app.json
  carbon conform scene --base https://your.server/carbon --keys my-app.json --record r-1
  carbon conform benefit --base http://127.0.0.1:9107 --keys mall-app.json --json

The keys file is what the operator's registration of the application answered:
  {\"appId\": \"…\", \"signKey\": \"…\", \"dataKey\": \"…\"}; a sandbox partner tells its own at
  /sandbox/keys. Pushes of the examination name pseudonyms that begin with did:conform.")]
pub struct Conform {
    /// What the partner is.
    kind: Kind,
    /// Where it serves: {base}/C101 and {base}/C201, or {base}/Q101 and {base}/Z203.
    #[arg(long)]
    base: Url,
    /// File with the application's id and keys (JSON).
    #[arg(long)]
    keys: PathBuf,
    /// Where it takes pushes; {kind} stands for Z203 or Z305. {base}/push/{kind} without it.
    #[arg(long)]
    push: Option<String>,
    /// Somebody who has an account there: name, ID number and phone, with commas between.
    #[arg(long, default_value = "张三,990101199001010016,13800001234")]
    person: String,
    /// A record that it has raw data of (C201), by its serial; may be said several times.
    #[arg(long = "record", value_name = "SERIAL")]
    records: Vec<Serial>,
    /// The checklist as JSON.
    #[arg(long)]
    json: bool,
}

impl Conform {
    /// Examines, prints the checklist.
    pub async fn run(self) -> ExitCode {
        match self.examine().await {
            Ok(report) if report.passed() => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("carbon: {error:#}");
                ExitCode::from(CANNOT_BEGIN)
            }
        }
    }

    async fn examine(self) -> anyhow::Result<Report> {
        let person: Vec<String> = self.person.split(',').map(|part| part.trim().into()).collect();
        let person = <[String; 3]>::try_from(person).ok();
        let base = self.base.as_str().trim_end_matches('/').to_owned();
        let wishes = Wishes {
            role: match self.kind {
                Kind::Scene => Role::Scene,
                Kind::Benefit => Role::Benefit,
            },
            push: self.push.unwrap_or_else(|| format!("{base}/push/{{kind}}")),
            base: self.base,
            keys: conform::keys(&self.keys)?,
            person: person.context("--person is a name, an ID number and a phone")?,
            records: self.records,
            patience: conform::PATIENCE,
        };
        let report = conform::examine(&wishes).await?;
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(&report)?),
            false => println!("{report}"),
        }
        Ok(report)
    }
}
