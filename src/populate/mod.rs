//! `carbon store populate`: opens synthetic accounts in a data folder that is not being served, for
//! sizing. Citizens, pseudonyms and partners are the sandbox's own, so that `carbon sandbox` and
//! `carbon simulate` know everybody it opened.
//!
//! What it leaves out is the doors: pages, SMS codes and the partners' answers. Every account goes
//! through its own actor, journal and store with the commands that the pages and the errand runner
//! send, and points come of batches (01.Z304) and an issuance run. It can be run again with more
//! citizens: whoever is open is passed over.

mod purses;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use carbon_actors::platform::Platform;
use carbon_actors::ports::{Failure, Person};
use carbon_actors::refusal::Refusal;
use carbon_protocol::account::{AccountCommand, Channel, Consent, ErrandOutcome, Open, Purpose};
use carbon_protocol::registry::AgreementScope;
use carbon_protocol::{AccountId, AppNo, Ccid, Did, ErrandNo, PartnerUid, SceneNo, Timestamp};
use carbon_simulations::demo::population::Way;
use carbon_simulations::load::citizens::Citizens;
use carbon_simulations::load::scenario::Population;
use carbon_simulations::sandbox::{Operator, Partner, Sandbox};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::demonstration;
use crate::wiring::{self, Layout, Running};

/// Citizens that are prepared together on one thread.
const CHUNK: u32 = 128;
/// Chunks under way at a time: no more people than may wait for their keys.
const CHUNKS: usize = 24;
/// Citizens between two looks at how far the store is behind.
const LOOK_EVERY: u32 = 4_096;
/// Actors that may be awake meanwhile: nobody speaks to an account twice.
const AWAKE: usize = 20_000;
/// Pause before what was refused as busy is tried again.
const BREATH: Duration = Duration::from_millis(20);

/// What is wished.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// How many citizens there shall be.
    pub citizens: u32,
    /// Seed that they are drawn from.
    pub seed: u64,
    /// Of a thousand, those who are linked to the mall and have points.
    pub shoppers_permille: u32,
    /// Points that each of those has at least.
    pub points: u32,
    /// No progress bar.
    pub quiet: bool,
}

/// Opens everybody who is not open yet; what was done, in a few lines.
pub async fn run(
    mut config: Config,
    layout: &Layout,
    sandbox_port: u16,
    wishes: Wishes,
) -> anyhow::Result<String> {
    let began = Instant::now();
    let sandbox = demonstration::start_sandbox(wishes.seed, sandbox_port).await?;
    demonstration::reach(&mut config, &sandbox);
    config.listen = "127.0.0.1:0".into();
    config.actors.awake_actors = AWAKE;
    // Their outcomes are told here, and no partner is asked.
    config.actors.errands_per_app = 0;
    let running = wiring::start(&config, layout).await.context("the folder is not free")?;
    let done = fill(&running, sandbox, &wishes).await;
    running.stop().await?;
    let (opened, shoppers) = done?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(format!("{opened} accounts opened, {shoppers} of them with points, in {seconds:.1} s"))
}

async fn fill(
    running: &Running,
    sandbox: Sandbox,
    wishes: &Wishes,
) -> anyhow::Result<(u32, usize)> {
    let url = format!("http://{}", running.address);
    let operator = Operator::new(&url, &running.operator_key)?;
    sandbox.register(&url, &operator).await?;
    // A city's pushes, kept as they came, would be all of the memory.
    sandbox.partners().for_each(|partner| partner.deliveries().count_only());
    let ground = Arc::new(Ground::new(running.platform.clone(), sandbox, wishes)?);
    let bar = bar("accounts", wishes);
    let mut shoppers = Vec::new();
    let mut opened = 0;
    let firsts = (0..wishes.citizens).step_by(CHUNK as usize);
    let chunks = futures::stream::iter(firsts).map(|first| {
        let last = first.saturating_add(CHUNK).min(wishes.citizens);
        let ground = ground.clone();
        tokio::spawn(async move { ground.open(first, last).await })
    });
    let mut chunks = chunks.buffer_unordered(CHUNKS);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.context("a chunk broke off")??;
        opened += chunk.opened;
        shoppers.extend(chunk.shoppers);
        bar.inc(CHUNK.into());
    }
    bar.finish_and_clear();
    purses::fill(&ground, &operator, &url, &shoppers, wishes).await?;
    ground.written().await;
    Ok((opened, shoppers.len()))
}

fn bar(name: &'static str, wishes: &Wishes) -> ProgressBar {
    if wishes.quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(wishes.citizens.into()).with_message(name);
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len}, {per_sec}, {eta}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What everybody shares.
struct Ground {
    platform: Platform,
    sandbox: Sandbox,
    citizens: Citizens,
    /// The scene partners' applications with their scene, in the sandbox's order.
    scenes: Vec<(AppNo, SceneNo)>,
    mall: AppNo,
    agreements: Agreements,
}

/// The texts that are agreed to, as they hold now.
struct Agreements {
    platform: Vec<Consent>,
    city: Vec<Consent>,
    /// Of each scene partner: its own, and its scene's.
    apps: Vec<(Vec<Consent>, Vec<Consent>)>,
    mall: Vec<Consent>,
}

/// A chunk that is open.
#[derive(Default)]
struct Opened {
    opened: u32,
    shoppers: Vec<(u32, Ccid)>,
}

/// One citizen with everything that follows from the sandbox's secret.
struct Settler {
    account: AccountId,
    person: Person,
    did: Did,
    way: Way,
    /// Place in the list of scenes, pseudonym and the partner's user id of each.
    lights: Vec<(usize, Ccid, PartnerUid)>,
    mall: Option<(Ccid, PartnerUid)>,
}

impl Ground {
    fn new(platform: Platform, sandbox: Sandbox, wishes: &Wishes) -> anyhow::Result<Self> {
        let (registry, today) = (platform.registry(), platform.now()?.day());
        let app = |partner: &Partner| {
            let id = carbon_protocol::AppId::parse(partner.profile().app)?;
            registry.app_by_id(&id).map(|app| app.no).context("an application is not declared")
        };
        let texts = |scope| -> Vec<Consent> {
            let consent = |agreement: &Arc<carbon_protocol::registry::Agreement>| Consent {
                text: agreement.no,
                at: Timestamp(0),
                channel: Channel::Partner,
            };
            registry.agreements(&scope, today).into_iter().map(consent).collect()
        };
        let (mut scenes, mut apps) = (Vec::new(), Vec::new());
        for partner in sandbox.scenes() {
            let (code, ..) = partner.profile().scenes.first().context("a partner has a scene")?;
            let code = carbon_protocol::SceneCode::parse(code)?;
            let scene = registry.scene_by_code(&code).context("a scene is not declared")?;
            let id = carbon_protocol::AppId::parse(partner.profile().app)?;
            scenes.push((app(partner)?, scene.no));
            let own = texts(AgreementScope::App(id.clone()));
            apps.push((own, texts(AgreementScope::Scene(id, code))));
        }
        let mall_id = carbon_protocol::AppId::parse(sandbox.mall().profile().app)?;
        let agreements = Agreements {
            platform: texts(AgreementScope::Platform),
            city: texts(AgreementScope::CityApp),
            apps,
            mall: texts(AgreementScope::Mall(mall_id)),
        };
        let mall = app(sandbox.mall())?;
        // What `carbon simulate` draws of the same seed for a population that is opened already.
        let population = Population {
            citizens: wishes.citizens,
            already_opened: true,
            newcomers: 0,
            shoppers_permille: wishes.shoppers_permille,
            revokers_permille: 0,
            households_permille: 0,
            points: wishes.points,
            at_once: 1,
        };
        let citizens = Citizens::new(wishes.seed, &population, scenes.len(), &sandbox);
        Ok(Self { platform, sandbox, citizens, scenes, mall, agreements })
    }

    /// Opens the citizens `first..last`.
    async fn open(self: Arc<Self>, first: u32, last: u32) -> anyhow::Result<Opened> {
        if first.is_multiple_of(LOOK_EVERY) {
            self.written_in_part().await;
        }
        let ground = self.clone();
        // A key pair is behind each DID: work for a thread that may take its time.
        let settlers = tokio::task::spawn_blocking(move || {
            (first..last)
                .map(|no| Ok((no, ground.settler(no)?)))
                .collect::<anyhow::Result<Vec<_>>>()
        });
        let mut done = Opened::default();
        let mut opening = Vec::new();
        for (no, settler) in settlers.await?? {
            let first = settler.lights.first();
            let known =
                first.map(|(place, ccid, _)| self.platform.resolve(self.scenes[*place].0, ccid));
            if known == Some(Some(settler.account)) {
                continue;
            }
            done.opened += 1;
            if settler.mall.is_some() {
                let first = settler.lights.first().map(|(_, ccid, _)| (no, ccid.clone()));
                done.shoppers.extend(first);
            }
            opening.push(self.settle(settler));
        }
        futures::future::join_all(opening).await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(done)
    }

    fn settler(&self, no: u32) -> anyhow::Result<Settler> {
        let citizen = self.citizens.citizen(no);
        let did = self.sandbox.did_of(&citizen.id_no)?;
        let known_to = |partner: &Partner| -> anyhow::Result<(Ccid, PartnerUid)> {
            let uid = partner.account_of(&citizen.id_no).context("nobody is a stranger here")?;
            Ok((self.sandbox.ccid_of(&did, partner)?, uid))
        };
        let mut lights = Vec::new();
        for place in &citizen.lights {
            let partner = self.sandbox.scenes().get(*place).context("no such scene")?;
            let (ccid, uid) = known_to(partner)?;
            lights.push((*place, ccid, uid));
        }
        let shops = self.citizens.shops(no);
        let mall = shops.then(|| known_to(self.sandbox.mall())).transpose()?;
        let account = self.platform.vault().account_of(&citizen.id_no)?;
        let phone = Some(citizen.phone);
        let person = Person { name: citizen.name, id_no: citizen.id_no, phone };
        Ok(Settler { account, person, did, way: citizen.way, lights, mall })
    }

    async fn settle(&self, settler: Settler) -> anyhow::Result<()> {
        let account = settler.account;
        let commands = self.commands(settler).await?;
        // In the order of the list into the mailbox: most of it is one turn of the actor.
        let asked = commands.iter().map(|command| self.platform.account(account, command.clone()));
        let answers = futures::future::join_all(asked).await;
        if answers.iter().all(Result::is_ok) {
            return Ok(());
        }
        for command in commands {
            self.insist(account, command).await?;
        }
        Ok(())
    }

    /// One command after the other, where they did not go through at once.
    async fn insist(&self, account: AccountId, command: AccountCommand) -> anyhow::Result<()> {
        loop {
            match self.platform.account(account, command.clone()).await {
                // What is lit or linked was so by the first try.
                Ok(_) | Err(Refusal::No(_)) => return Ok(()),
                Err(Refusal::Broken(Failure::Busy(_))) => tokio::time::sleep(BREATH).await,
                Err(Refusal::Broken(failure)) => bail!("{account:?}: {failure}"),
            }
        }
    }

    /// What pages and errand runner send for one citizen: opening, then light for each partner,
    /// then the mall.
    async fn commands(&self, settler: Settler) -> anyhow::Result<Vec<AccountCommand>> {
        let Settler { person, did, way, lights, mall, .. } = settler;
        let now = self.platform.now()?;
        let channel = match way {
            Way::PartnerApp => Channel::Partner,
            Way::CityApp => Channel::CityApp,
        };
        let given = |texts: &[Consent]| -> Vec<Consent> {
            texts.iter().map(|text| Consent { at: now, channel, ..*text }).collect()
        };
        let texts = &self.agreements;
        let first = match (way, lights.first()) {
            (Way::PartnerApp, Some((place, ..))) => &texts.apps[*place].0,
            _ => &texts.city,
        };
        let consents = given(&[&first[..], &texts.platform].concat());
        let person = self.platform.vault().seal_person(person).await?;
        let mut commands = vec![AccountCommand::Open(Open { did, person, channel, consents })];
        if let (Way::PartnerApp, Some((place, ccid, uid))) = (way, lights.first()) {
            let (app, ccid, partner_uid) = (self.scenes[*place].0, ccid.clone(), Some(uid.clone()));
            commands.push(AccountCommand::Bind { app, ccid, partner_uid });
        }
        let mut errand = ErrandNo(0);
        let mut run = |purpose, ccid, partner_uid| {
            errand = ErrandNo(errand.0 + 1);
            let outcome = ErrandOutcome::Matched { ccid, partner_uid };
            commands.push(AccountCommand::Begin(purpose));
            commands.push(AccountCommand::ErrandDone { errand, outcome });
        };
        for (place, ccid, uid) in lights {
            let (app, scene) = self.scenes[place];
            let scenes = vec![(scene, given(&texts.apps[place].1))];
            run(Purpose::Light { app, scenes }, ccid, uid);
        }
        if let Some((ccid, uid)) = mall {
            let consents = given(&texts.mall);
            run(Purpose::LinkMall { app: self.mall, consents }, ccid, uid);
        }
        Ok(commands)
    }

    /// Waits until the store is not far behind.
    async fn written_in_part(&self) {
        while self.platform.health().waiting > 100_000 {
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Waits until everything is in the store and followed.
    async fn written(&self) {
        loop {
            let health = self.platform.health();
            if health.waiting == 0 && health.lag == 0 {
                return;
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}
