//! `carbon demo`: platform and sandbox in one process, and the driver that judges from outside.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use carbon_protocol::contracts::page::CityTicket;
use carbon_protocol::seal::DataKey;
use carbon_simulations::demo::caller::now;
use carbon_simulations::demo::population::{Way, population};
use carbon_simulations::demo::{self, DemoConfig, assemble, journeys};
use carbon_simulations::sandbox::{Operator, Sandbox, SandboxConfig, Switches};

use crate::config::Config;
use crate::wiring::{self, Layout};

/// The sandbox's own secret: its keys are drawn from it, the same ones at every start, and worth
/// nothing outside of it.
const SANDBOX_SECRET: &[u8] = b"carbon sandbox";
/// Citizens that act at the same time.
const AT_ONCE: usize = 64;
/// First port of `carbon sandbox`: the identity service's, as in `config/default.toml`.
pub const SANDBOX_PORT: u16 = 9100;

/// What is wished of a demonstration.
#[derive(Debug)]
pub struct Wishes {
    /// Synthetic citizens.
    pub users: u32,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// No progress bar.
    pub quiet: bool,
    /// End after the comparison.
    pub once: bool,
    /// Folder of the report.
    pub report: Option<PathBuf>,
    /// Data folder to keep.
    pub data: Option<PathBuf>,
}

/// Runs the demonstration; whether everything agreed.
pub async fn run(mut config: Config, wishes: Wishes) -> anyhow::Result<bool> {
    let sandbox = start_sandbox(wishes.seed, 0).await?;
    reach(&mut config, &sandbox);
    if wishes.once {
        config.listen = "127.0.0.1:0".into();
    }
    let temporary = tempfile::tempdir().context("no temporary folder")?;
    let data = wishes.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    let running = wiring::start(&config, &Layout::open(&data)?).await?;
    let url = format!("http://{}", running.address);
    let report = demo::run(
        DemoConfig {
            users: wishes.users as usize,
            seed: wishes.seed,
            quiet: wishes.quiet,
            platform_url: url.clone(),
            operator_key: running.operator_key.clone(),
            city_app_key: running.city_app_key.clone(),
            at_once: AT_ONCE,
        },
        &sandbox,
    )
    .await?;
    if let Some(folder) = &wishes.report {
        report.write(folder)?;
    }
    println!("{}", report.table());
    let agrees = report.ok();
    if !wishes.once {
        println!("{}", invitation(&url, &sandbox, &running));
        wiring::signal().await?;
    }
    running.stop().await?;
    Ok(agrees)
}

/// Starts the sandbox and registers it at a platform that runs elsewhere.
pub async fn sandbox(platform: &str, operator_key: &str) -> anyhow::Result<Sandbox> {
    let sandbox = start_sandbox(1, SANDBOX_PORT).await?;
    sandbox.register(platform, &Operator::new(platform, operator_key)?).await?;
    Ok(sandbox)
}

/// Has citizens open accounts, light every scene and enter the mall, by the pages that anybody
/// uses: whoever tries the platform out has somebody to submit for.
pub async fn settle(
    sandbox: &Sandbox,
    platform: &str,
    operator_key: &str,
    city_app_key: &str,
    citizens: usize,
) -> anyhow::Result<()> {
    let config = DemoConfig {
        users: citizens,
        seed: 1,
        quiet: true,
        platform_url: platform.to_owned(),
        operator_key: operator_key.to_owned(),
        city_app_key: city_app_key.to_owned(),
        at_once: AT_ONCE,
    };
    let cast = assemble::cast(&config, sandbox, &Arc::default()).await?;
    for mut citizen in population(citizens, config.seed, cast.scenes.len()) {
        (citizen.way, citizen.lights) = (Way::PartnerApp, (0..cast.scenes.len()).collect());
        journeys::open_and_light(&cast, &citizen)
            .await
            .context("a citizen could not be opened; those of an earlier start are: empty .data")?;
        journeys::visit_mall(&cast, &citizen).await?;
    }
    Ok(())
}

/// Starts the sandbox with its own secret: the same keys and pseudonyms at every start.
pub async fn start_sandbox(seed: u64, first_port: u16) -> anyhow::Result<Sandbox> {
    let (secret, switches) = (SANDBOX_SECRET.to_vec(), Switches::default());
    Sandbox::start(SandboxConfig { seed, secret, first_port, switches }).await
}

/// Points the platform at the sandbox's identity service: by configuration alone, as at a real one.
pub(crate) fn reach(config: &mut Config, sandbox: &Sandbox) {
    let access = sandbox.identity_access();
    config.identity.base_url = access.base;
    config.identity.app_code = access.keys.app;
    config.identity.key_hex = hex::encode(&access.keys.sign);
    config.identity.data_key_hex = hex::encode(access.keys.data.bytes());
}

fn invitation(url: &str, sandbox: &Sandbox, running: &wiring::Running) -> String {
    format!(
        "Still serving; stop with Ctrl-C. Try next:\n\
         {}\n\
         \u{20}  the pages as one of the citizens above, for five minutes; SMS codes come to the\n\
         \u{20}  inbox below\n\
         {url}/docs/          every interface, and how to begin; {url}/openapi.json\n\
         {url}/readyz         how it goes\n\
         operator: curl -H 'Authorization: Bearer {}' {url}/admin/v1/applications\n{}",
        entry(url, &running.city_app_key),
        running.operator_key,
        sandbox.summary()
    )
}

/// A link as the city's app makes one, for the first of the demo's citizens: who a person is
/// depends on the place in the population, not on the seed.
fn entry(url: &str, city_app_key: &str) -> String {
    let key = DataKey::from_hex(city_app_key);
    let citizen = population(1, u64::MAX, 1).into_iter().next();
    let (Some(key), Some(citizen)) = (key, citizen) else { return url.to_owned() };
    let ticket = CityTicket {
        name: citizen.name,
        id_no: citizen.id_no,
        phone: citizen.phone,
        nonce: hex::encode(rand::random::<[u8; 16]>()),
        expires_at: now().plus_seconds(300),
    };
    format!("{url}/h5/enter?cityTicket={}", ticket.seal(&key, rand::random()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `carbon serve` beside `carbon sandbox` needs no configuration: the defaults are the
    /// sandbox's own keys and ports.
    #[tokio::test]
    async fn the_defaults_reach_the_sandbox() {
        let sandbox = start_sandbox(1, 0).await.unwrap();
        let default = Config::load(None).unwrap().identity;
        let mut reaching = Config::load(None).unwrap();
        reach(&mut reaching, &sandbox);
        assert_eq!(default.app_code, reaching.identity.app_code);
        assert_eq!(default.key_hex, reaching.identity.key_hex);
        assert_eq!(default.data_key_hex, reaching.identity.data_key_hex);
        assert_eq!(default.base_url, format!("http://127.0.0.1:{SANDBOX_PORT}"));
    }
}
