//! `carbon admin`: a thin client of the operator's interfaces. Every command is one call under
//! `/admin/v1`; what it answers is shown as a table, or as it came with `--json`.

mod data;
mod keys;
mod pushes;
mod requests;
mod runs;
mod table;
#[cfg(test)]
mod tests;

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;
use url::Url;

use crate::outbound::install_tls;
use requests::{Call, Command, Method};

/// A trial balance reads every account: the longest that is waited for an answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// Operates a platform over HTTP.
#[derive(Args)]
#[command(after_help = "Examples:
  carbon admin applications list
  carbon admin operators enrol li.na --role operator
  carbon admin --key li.key runs prepare --serial 2026-11 --through 2026-11-30
  carbon admin runs preview 7
  carbon admin --key wang.key runs approve 7 --scene metro
  carbon admin settlements file bank-mall 2026-11-24 --out settlement.csv
  carbon admin trial-balance --json
  carbon admin accounts look-up < id-number.txt
  carbon admin dictionaries import distances.csv --source \"the metro\" --effective 2026-12-01
  carbon admin keys add metro-app secret --valid-from 2026-12-01T00:00:00+08:00
  carbon admin pushes list metro-app --status PARKED
  carbon admin quality sample metro-app --serial q-1 --from 2026-11-01 --to 2026-11-24
  carbon admin audit --operator li.na --from 2026-11-24T00:00:00+08:00

Exit codes: 0 done, 1 refused or out of reach, 2 misspoken.")]
pub struct Admin {
    /// The platform's address.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// File with the operator's key: one that an administrator drew, or the platform's own.
    #[arg(long, global = true, default_value = ".data/operator.key")]
    key: PathBuf,
    /// Print the answer's data as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

impl Admin {
    /// Makes the call and shows what came of it.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let call = self.command.call(ask)?;
        let envelope = match send(&self.url, &self.key()?, &call).await? {
            Answer::Json(envelope) => envelope,
            Answer::File(bytes) => return keep(call.out.as_ref(), &bytes),
        };
        let text = |name: &str| envelope[name].as_str().unwrap_or_default();
        if text("code") != "0" {
            let hints = ["field", "detail"].map(|name| match text(name) {
                "" => String::new(),
                hint => format!(" ({name}: {hint})"),
            });
            eprintln!(
                "carbon admin: {} {}{}{} [request {}]",
                text("code"),
                text("msg"),
                hints[0],
                hints[1],
                text("requestId")
            );
            return Ok(ExitCode::FAILURE);
        }
        let data = &envelope["data"];
        let shown = match self.json {
            true => format!("{}\n", serde_json::to_string_pretty(data)?),
            false => table::render(data),
        };
        std::io::stdout().write_all(shown.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }

    fn key(&self) -> anyhow::Result<String> {
        let file = self.key.display();
        let key = std::fs::read_to_string(&self.key);
        Ok(key.with_context(|| format!("{file} cannot be read"))?.trim().to_owned())
    }
}

/// Asks for what must not stand on a command line, where every process can read it.
fn ask(what: &str) -> anyhow::Result<String> {
    use std::io::IsTerminal as _;
    let input = std::io::stdin();
    if input.is_terminal() {
        eprint!("{what}: ");
    }
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    match line.trim() {
        "" => bail!("{what} is expected on standard input"),
        line => Ok(line.to_owned()),
    }
}

enum Answer {
    Json(Value),
    File(Vec<u8>),
}

async fn send(url: &str, key: &str, call: &Call) -> anyhow::Result<Answer> {
    install_tls();
    let builder = || {
        let builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        // A redirect would carry the key to somebody it was not meant for.
        builder.redirect(reqwest::redirect::Policy::none())
    };
    // A machine without certificates can still speak to a platform of its own.
    let client = builder().build().or_else(|_| builder().tls_certs_only([]).build())?;
    let address = format!("{}/admin/v1/{}", url.trim_end_matches('/'), call.path);
    let mut address = Url::parse(&address).with_context(|| format!("{url} is no address"))?;
    if !call.query.is_empty() {
        address.query_pairs_mut().extend_pairs(&call.query);
    }
    let request = match (&call.method, &call.body) {
        (Method::Get, _) => client.get(address),
        (Method::Post, body) => client
            .post(address)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body)?),
        (Method::PostCsv, body) => client
            .post(address)
            .header("content-type", "text/csv")
            .body(body.as_str().unwrap_or_default().to_owned()),
    };
    let request = request.bearer_auth(key).header("accept-language", "en");
    let answer = request.send().await.map_err(reqwest::Error::without_url);
    let answer = answer.with_context(|| format!("{url} cannot be reached"))?;
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let bytes = answer.bytes().await.map_err(reqwest::Error::without_url)?;
    match is_json {
        true => Ok(Answer::Json(serde_json::from_slice(&bytes).context("not an envelope")?)),
        false => Ok(Answer::File(bytes.to_vec())),
    }
}

fn keep(out: Option<&PathBuf>, bytes: &[u8]) -> anyhow::Result<ExitCode> {
    match out {
        Some(path) => std::fs::write(path, bytes)
            .with_context(|| format!("{} cannot be written", path.display()))?,
        None => std::io::stdout().write_all(bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}
