//! The sandbox: scene partners, a mall and the identity service as real HTTP servers on loopback.
//! The platform reaches them as it would reach real ones: by configuration. What they expect of
//! the platform is written here a second time, apart from the platform's own code.
//!
//! How a driver uses it: [`Sandbox::start`], then the platform with [`Sandbox::identity_access`],
//! then [`Sandbox::register`]; each [`Partner`] has its client ([`Sandbox::client`]), its client of
//! the identity service ([`Sandbox::chain_client`]), what C101 / Q101 will answer for a citizen
//! ([`Partner::account_of`]) and the pushes that came ([`Partner::deliveries`]).

pub mod client;
mod deliveries;
mod faults;
pub mod identity;
mod mall;
mod partner;
mod raw;
mod register;
mod scene;
pub mod wire;

use std::time::Duration;

use anyhow::Context as _;
use carbon_protocol::{Ccid, Did};

pub use self::client::{Answered, CallError, Client, Note, Operator};
pub use self::deliveries::{Deliveries, Delivery};
pub use self::faults::{Faults, Switches};
use self::identity::{ChainApp, Identity};
pub use self::partner::{Partner, Profile};
use self::wire::Keys;

/// The platform's own code on the identity chain.
pub const PLATFORM_CODE: &str = "carbon-platform";

/// How a sandbox starts.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Draws the faults and who has no account.
    pub seed: u64,
    /// All keys, DIDs and pseudonyms are drawn from it: the same secret makes the same ones.
    pub secret: Vec<u8>,
    /// Port of the identity service; the scene partners and the mall follow on the next ones. 0:
    /// any free ones.
    pub first_port: u16,
    /// How the partners' switches stand at the start.
    pub switches: Switches,
}

/// All servers, running until the process ends.
#[derive(Clone)]
pub struct Sandbox {
    identity: Identity,
    identity_base: String,
    identity_faults: Faults,
    platform: Keys,
    scenes: Vec<Partner>,
    mall: Partner,
    http: reqwest::Client,
}

/// What the platform's configuration needs to reach the identity service.
#[derive(Clone)]
pub struct IdentityAccess {
    /// Base URL.
    pub base: String,
    /// Application code, signing key and data key.
    pub keys: Keys,
}

impl Sandbox {
    /// Starts everything on loopback ports.
    pub async fn start(config: SandboxConfig) -> anyhow::Result<Self> {
        let faults = |no: u64| Faults::new(config.seed.wrapping_add(no), config.switches);
        let platform = Keys {
            app: PLATFORM_CODE.to_owned(),
            ..Keys::derive(&config.secret, &format!("chain|{PLATFORM_CODE}"))
        };
        let scenes: Vec<Partner> = (1..)
            .zip(scene::PROFILES)
            .map(|(no, profile)| Partner::new(profile, &config.secret, faults(no)))
            .collect();
        let mall = Partner::new(mall::PROFILE, &config.secret, faults(0));
        let partners = scenes.iter().chain([&mall]);
        let apps = partners
            .map(|partner| ChainApp { keys: partner.chain_keys().clone(), platform: false })
            .chain([ChainApp { keys: platform.clone(), platform: true }]);
        let identity = Identity::new(&config.secret, apps);
        // The identity service breaks only when it is told to: its switches start off.
        let identity_faults = Faults::new(config.seed, Switches::default());
        let port = |no: u16| {
            if config.first_port == 0 { Some(0) } else { config.first_port.checked_add(no) }
        };
        let beyond = "ports end at 65535";
        let identity_base = identity.serve(port(0).context(beyond)?, &identity_faults).await?;
        for (no, partner) in (1..).zip(&scenes) {
            partner.serve(port(no).context(beyond)?, axum::Router::new()).await?;
        }
        let last = u16::try_from(scenes.len() + 1).context(beyond)?;
        mall.serve(port(last).context(beyond)?, mall::routes(&mall)).await?;
        let http = client::http(Duration::from_secs(30))?;
        Ok(Self { identity, identity_base, identity_faults, platform, scenes, mall, http })
    }

    /// What the platform needs in its configuration to reach the identity service.
    pub fn identity_access(&self) -> IdentityAccess {
        IdentityAccess { base: self.identity_base.clone(), keys: self.platform.clone() }
    }

    /// The identity service's switches.
    pub fn identity_faults(&self) -> &Faults {
        &self.identity_faults
    }

    /// The newest SMS code of a phone, read over HTTP from the inbox as a citizen would.
    pub async fn sms_code(&self, phone: &str) -> anyhow::Result<String> {
        let mut url = url::Url::parse(&format!("{}/inbox", self.identity_base))?;
        url.query_pairs_mut().append_pair("phone", phone);
        let get = self.http.get(url).header("accept", "application/json");
        let bytes = get.send().await?.error_for_status()?.bytes().await?;
        let messages: Vec<identity::Sms> = serde_json::from_slice(&bytes)?;
        Ok(messages.into_iter().next().context("no SMS has come")?.code)
    }

    /// The identity service itself, where a test wants to look inside.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The DID that a person has, or will have, by ID number: a driver knows it without asking.
    pub fn did_of(&self, id_no: &str) -> anyhow::Result<Did> {
        self.identity.did_of(id_no)
    }

    /// The CCID that a person has, or will have, towards an application.
    pub fn ccid_of(&self, did: &Did, partner: &Partner) -> anyhow::Result<Ccid> {
        self.identity.ccid_of(did, &partner.chain_keys().app)
    }

    /// The scene partners: metro by app and by card, bus, shared bike, electric car.
    pub fn scenes(&self) -> &[Partner] {
        &self.scenes
    }

    /// The mall.
    pub fn mall(&self) -> &Partner {
        &self.mall
    }

    /// Scene partners and mall.
    pub fn partners(&self) -> impl Iterator<Item = &Partner> {
        self.scenes.iter().chain([&self.mall])
    }

    /// A partner's client of the platform at `base`.
    pub fn client(&self, partner: &Partner, base: &str) -> anyhow::Result<Client> {
        Client::with(self.http.clone(), base, partner.keys().clone())
    }

    /// A partner's client of the identity service; use [`Client::call_bare`] with `4.4.2` and
    /// `4.4.5` and the types of `contracts::identity`.
    pub fn chain_client(&self, partner: &Partner) -> anyhow::Result<Client> {
        Client::with(self.http.clone(), &self.identity_base, partner.chain_keys().clone())
    }

    /// The platform's own client of the identity service, for tests.
    pub fn platform_client(&self) -> anyhow::Result<Client> {
        Client::with(self.http.clone(), &self.identity_base, self.platform.clone())
    }

    /// The addresses, one a line, for people.
    pub fn summary(&self) -> String {
        let identity =
            format!("identity      {base}   SMS inbox {base}/inbox\n", base = self.identity_base);
        let line = |partner: &Partner| {
            let app = partner.profile().app;
            format!("{app:<13} {base}   pushes {base}/sandbox/pushes\n", base = partner.base())
        };
        let partners: String = self.partners().map(line).collect();
        identity + &partners + "faults: POST {address}/sandbox/faults"
    }
}

/// Serves until the process is stopped: `carbon sandbox`.
pub async fn run(config: SandboxConfig) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(config).await?;
    tracing::info!("the sandbox serves\n{}", sandbox.summary());
    std::future::pending().await
}

#[cfg(test)]
mod tests;
