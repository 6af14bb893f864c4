//! `carbon import-distances`: brings a distance dictionary (Z301) from a file to a platform that
//! runs, by the operator's interface.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use carbon_protocol::Day;
use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::envelope::Envelope;
use url::Url;

use crate::outbound::install_tls;

/// The longest that is waited: the platform reads the file and makes it durable.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is imported, and where.
pub struct Import {
    /// The platform's address.
    pub platform: String,
    /// File with the operator's key.
    pub operator_key: PathBuf,
    /// The dictionary: CSV with the columns `station_a,station_b,metres`.
    pub file: PathBuf,
    /// Where it comes from.
    pub source: String,
    /// First day of behaviour that it measures.
    pub effective: Day,
    /// Whether it was agreed with the operator of the metro.
    pub verified: bool,
}

/// Imports; what to tell the operator. A refusal is an error that names the lines at fault.
pub async fn import(import: Import) -> anyhow::Result<String> {
    install_tls();
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
    };
    let (key, csv) = (read(&import.operator_key)?, read(&import.file)?);
    let address = format!("{}/admin/v1/dictionaries", import.platform.trim_end_matches('/'));
    let mut address = Url::parse(&address).context("the platform's address is none")?;
    address
        .query_pairs_mut()
        .append_pair("source", &import.source)
        .append_pair("effective", &import.effective.to_string())
        .append_pair("verified", &import.verified.to_string());
    let builder = || {
        let builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        // A redirect would carry the key to somebody it was not meant for.
        builder.redirect(reqwest::redirect::Policy::none())
    };
    // A machine without certificates can still speak to a platform of its own.
    let client = builder().build().or_else(|_| builder().tls_certs_only([]).build())?;
    let post = client.post(address).bearer_auth(key.trim()).header("content-type", "text/csv");
    let answer = post.header("accept-language", "en").body(csv).send().await;
    let answer = answer.map_err(reqwest::Error::without_url).context("no answer")?;
    let bytes = answer.bytes().await.map_err(reqwest::Error::without_url)?;
    let envelope: Envelope<Declared> =
        serde_json::from_slice(&bytes).context("the answer is no envelope")?;
    match envelope.data {
        Some(Declared { replay: false }) => Ok("imported".into()),
        Some(Declared { replay: true }) => Ok("imported already: nothing has changed".into()),
        None => {
            let detail = envelope.detail.unwrap_or_default();
            bail!("refused: {} {} {detail}", envelope.code, envelope.msg)
        }
    }
}
