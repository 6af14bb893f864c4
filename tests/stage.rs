//! A platform as a process of its own with the sandbox around it: what most end to end tests
//! begin with. Synthetic citizens come from the demo, and walk the same pages as anybody.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Context as _;
use carbon_protocol::contracts::z304::{Receipt, SubmitRecord, SubmitRequest};
use carbon_protocol::policy::Policy;
use carbon_protocol::{Ccid, Serial};
use carbon_simulations::demo::caller::{Caller, Operator, now};
use carbon_simulations::demo::cast::Cast;
use carbon_simulations::demo::latency::Latencies;
use carbon_simulations::demo::population::{Citizen, population};
use carbon_simulations::demo::trips::{DemoScene, Planner, Row, Under};
use carbon_simulations::demo::{DemoConfig, assemble, journeys, scenery};
use carbon_simulations::sandbox::{Sandbox, SandboxConfig, Switches};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::harness::{Server, binary};

/// Everything that plays.
pub struct Stage {
    /// The platform's process.
    pub server: Server,
    /// The partners' servers.
    pub sandbox: Sandbox,
    /// The partners' side of all calls.
    pub cast: Cast,
    /// The operator.
    pub operator: Operator,
    /// Citizens who have done nothing yet.
    pub citizens: Vec<Citizen>,
    folder: TempDir,
}

/// A citizen with an open account and its pseudonym towards an application.
pub struct Lit {
    /// Place in the population.
    pub citizen: usize,
    /// The pseudonym.
    pub ccid: Ccid,
    /// The scene that is lit.
    pub scene: DemoScene,
}

impl Stage {
    /// Starts all of it; `more` is laid over the settings (TOML).
    pub async fn start(seed: u64, more: &str) -> anyhow::Result<Self> {
        Ok(Self::start_over(seed, more, |_| true).await?.expect("nothing to prepare"))
    }

    /// Starts all of it over a data folder that is prepared first; none where that cannot be.
    pub async fn start_over(
        seed: u64,
        more: &str,
        prepare: impl FnOnce(&Path) -> bool,
    ) -> anyhow::Result<Option<Self>> {
        println!("seed {seed}");
        let folder = tempfile::tempdir()?;
        if !prepare(&folder.path().join("data")) {
            return Ok(None);
        }
        let sandbox = Sandbox::start(SandboxConfig {
            seed,
            secret: seed.to_be_bytes().to_vec(),
            first_port: 0,
            switches: Switches::default(),
        })
        .await?;
        let settings = |address: &str| settings(address, &sandbox, more);
        let server = Server::start(folder.path(), settings).await?;
        let key = |name: &str| {
            let path = folder.path().join("data").join(name);
            let text = std::fs::read_to_string(&path);
            text.map(|text| text.trim().to_owned()).context(format!("{}", path.display()))
        };
        let config = DemoConfig {
            users: 0,
            seed,
            quiet: true,
            platform_url: server.url.clone(),
            operator_key: key("operator.key")?,
            city_app_key: key("city-app.key")?,
            at_once: 16,
        };
        let cast = assemble::cast(&config, &sandbox, &Arc::new(Latencies::default())).await?;
        let operator = assemble::operator(&config, &cast);
        let citizens = population(200, seed, cast.scenes.len());
        Ok(Some(Self { server, sandbox, cast, operator, citizens, folder }))
    }

    /// Has the journal of the stopped platform verified, down to every balance.
    pub fn verify(&self) {
        let mut verify = Command::new(binary());
        verify.args(["store", "verify", "--data"]).arg(self.data());
        let said = verify.arg("--config").arg(self.config()).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    /// The platform's data folder.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Where the settings are.
    pub fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("config.toml")
    }

    /// A citizen opens an account by journey 1 (even numbers) and lights what it wants; its
    /// pseudonym towards the first application. Call it with even numbers.
    pub async fn lit(&self, citizen: usize) -> anyhow::Result<Lit> {
        let who = self.citizens.get(citizen).context("no such citizen")?;
        let opened = journeys::open_and_light(&self.cast, who).await?;
        let scene = self.cast.scenes[who.lights[0]].clone();
        let ccid = opened.ccids.get(&scene.app).context("journey 1 tells the pseudonym")?;
        Ok(Lit { citizen, ccid: Ccid::parse(ccid)?, scene })
    }

    /// The first citizen of journey 1 who lights this scene first.
    pub fn first_on(&self, scene: &str) -> usize {
        let on = |no: &usize| {
            let first = self.citizens[*no].lights[0];
            self.cast.scenes[first].code.as_str() == scene
        };
        (0..self.citizens.len()).step_by(2).find(on).expect("somebody lights every scene")
    }

    /// Adopts the demo's policy, which takes behaviour of tomorrow, and no cap that matters.
    pub async fn adopt_policy(&self) -> anyhow::Result<()> {
        self.adopt_policy_of(100).await
    }

    /// The same policy, with so many grams for a point.
    pub async fn adopt_policy_of(&self, grams_per_point: u64) -> anyhow::Result<()> {
        let scene = self.cast.scenes.first().context("no scene")?;
        let cap = carbon_protocol::Grams(1_000_000_000);
        let policy = Policy { grams_per_point, ..scenery::policy(&scene.code, cap) };
        let _: carbon_protocol::contracts::admin::Declared =
            self.operator.post("policies", &policy).await?;
        Ok(())
    }

    /// The caller of a scene's application.
    pub fn caller(&self, lit: &Lit) -> &Caller {
        &self.cast.players[lit.scene.app].caller
    }
}

/// The settings of a platform that listens at an address and knows a sandbox's identity service.
pub fn settings(address: &str, sandbox: &Sandbox, more: &str) -> String {
    let access = sandbox.identity_access();
    format!(
        "listen = \"{address}\"\n[identity]\nbase_url = \"{}\"\napp_code = \"{}\"\n\
         key_hex = \"{}\"\ndata_key_hex = \"{}\"\n{more}\n",
        access.base,
        access.keys.app,
        hex::encode(&access.keys.sign),
        hex::encode(access.keys.data.bytes()),
    )
}

/// Good rows of one citizen, under serials that begin with a mark.
pub fn rows(lit: &Lit, mark: &str, count: usize) -> Vec<Row> {
    let policy = scenery::policy(&lit.scene.code, carbon_protocol::Grams(u64::MAX));
    let mut dice = StdRng::seed_from_u64(lit.citizen as u64);
    let mut planner = Planner { dice: &mut dice, day: now().day().plus(1), policy: &policy };
    let who = Under { citizen: lit.citizen, ccid: lit.ccid.as_str() };
    let mut rows = planner.good(&lit.scene, who, count, 0);
    for row in &mut rows {
        row.serial = format!("{mark}-{}", row.serial);
    }
    rows
}

/// A batch as it travels.
pub fn batch(serial: &str, rows: &[Row]) -> SubmitRequest {
    let record = |row: &Row| SubmitRecord {
        serial: Serial::parse(&row.serial).unwrap(),
        ccid: Ccid::parse(&row.ccid).unwrap(),
        scene: row.scene.clone(),
        behaviour: row.behaviour.clone(),
        reduction_grams: row.claimed,
        corrects: None,
    };
    SubmitRequest {
        batch_serial: Serial::parse(serial).unwrap(),
        records: rows.iter().map(record).collect(),
        voids: Vec::new(),
    }
}

/// Sends a batch; a no is a fault.
pub async fn submit(caller: &Caller, request: &SubmitRequest) -> anyhow::Result<Receipt> {
    caller.must("01/Z304", request).await
}

/// A folder's journal segments, oldest first.
pub fn segments(data: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(data.join("journal"))
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.metadata().is_ok_and(|meta| meta.len() > 0))
        .collect();
    files.sort();
    files
}
