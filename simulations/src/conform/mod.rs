//! `carbon conform`: plays the platform against a partner's own server, with right calls and with
//! wrong ones, and prints what passed and what to mend.

mod calls;
mod post;
mod pushes;
mod raw;
mod report;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use carbon_protocol::Serial;
use carbon_protocol::contracts::admin::AppKeys;
use carbon_protocol::seal::DataKey;
use url::Url;

pub use self::report::{Check, Outcome, Report};

use self::post::Platform;
use crate::sandbox::wire::Keys;

/// How long the platform waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What kind of partner it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// 场景方: C101, C201, pushes Z203 and Z305.
    Scene,
    /// 权益方: Q101, 02.Z203 and its pushes.
    Benefit,
}

/// What is asked of an examination.
#[derive(Clone)]
pub struct Wishes {
    /// What the partner is.
    pub role: Role,
    /// Where C101 or Q101 is served: `{base}/C101`.
    pub base: Url,
    /// Where pushes go; `{kind}` stands for Z203 or Z305.
    pub push: String,
    /// The application's id and keys, as the operator's registration answered them.
    pub keys: Keys,
    /// Name, ID number and phone of somebody whom the partner knows.
    pub person: [String; 3],
    /// Serials of records that it has raw data of.
    pub records: Vec<Serial>,
    /// How long an answer may take.
    pub patience: Duration,
}

/// Reads the file of an application's keys: the answer of its registration.
pub fn keys(path: &Path) -> anyhow::Result<Keys> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    // The text of the error could repeat a key.
    let keys: AppKeys = serde_json::from_str(&text)
        .ok()
        .with_context(|| format!("{} has no appId, signKey and dataKey", path.display()))?;
    let sign = keys.sign_key.as_deref().context("signKey is missing: conform signs with HMAC")?;
    let sign = hex::decode(sign).ok().context("signKey is not hexadecimal")?;
    ensure!(!sign.is_empty(), "signKey is empty");
    let data = DataKey::from_hex(&keys.data_key).context("dataKey is not 32 hexadecimal digits")?;
    Ok(Keys { app: keys.app_id.to_string(), sign: sign.into(), data })
}

/// Examines a partner's server. An error means that the examination could not begin.
pub async fn examine(wishes: &Wishes) -> anyhow::Result<Report> {
    let platform = Platform::new(&wishes.keys, wishes.patience)?;
    platform.reaches(&wishes.base).await?;
    let mut report = Report::default();
    calls::examine(&platform, wishes, &mut report).await?;
    if wishes.role == Role::Scene {
        raw::examine(&platform, wishes, &mut report).await?;
    }
    pushes::examine(&platform, wishes, &mut report).await?;
    Ok(report)
}
