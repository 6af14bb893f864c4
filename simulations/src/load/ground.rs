//! What all journeys of a run share: who takes part, their lines to the platform, book and meter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use carbon_protocol::Day;
use carbon_protocol::policy::Policy;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::book::Book;
use super::citizens::Citizens;
use super::comparisons::Comparisons;
use super::decided::Decided;
use super::kept::Kept;
use super::line::{Called, Checks, Line};
use super::meter::{Ended, Meter};
use super::openends::OpenEnds;
use super::scenario::Scenario;
use crate::demo::caller::{Operator, now};
use crate::demo::cast::Cast;
use crate::demo::latency::Latencies;
use crate::demo::trips::DemoScene;
use crate::demo::{DemoConfig, assemble, scenery};
use crate::sandbox::{Partner, Sandbox};
use crate::wire::Wire;

/// What a run is told from outside.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where the platform is reached.
    pub target: String,
    /// The operator's key, as text.
    pub operator_key: String,
    /// The key that the city's app shares with the platform, in hexadecimal.
    pub city_app_key: String,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

/// All of it.
pub struct Ground {
    /// The scenario.
    pub scenario: Scenario,
    /// The seed.
    pub seed: u64,
    /// Begins every serial, so that no two runs meet.
    pub mark: String,
    /// The partners' side of pages and of the identity service.
    pub cast: Cast,
    /// The operator.
    pub operator: Operator,
    /// The partners' servers.
    pub sandbox: Sandbox,
    /// The citizens.
    pub people: Citizens,
    /// What should be.
    pub book: Book,
    /// What was measured.
    pub meter: Arc<Meter>,
    /// What was compared.
    pub comparisons: Comparisons,
    /// Batches that wait for their accounts.
    pub decided: Decided,
    /// Calls without a definite answer.
    pub open_ends: OpenEnds,
    /// Some of what was acknowledged, to be sent once more.
    pub kept: Kept,
    /// The policy in force.
    pub policy: Policy,
    /// The first day of behaviour that is submitted.
    pub first_day: Day,
    partners: Vec<Partner>,
    lines: Vec<Line>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Ground {
    /// Registers the sandbox's partners at the platform, and gives each application its line.
    pub async fn prepare(
        scenario: Scenario,
        access: &Access,
        sandbox: Sandbox,
    ) -> anyhow::Result<Self> {
        let meter = Arc::new(Meter::default());
        let heard = meter.clone();
        let latencies = Arc::new(Latencies::heard_by(Box::new(move |code, took| {
            let ended = Instant::now();
            heard.call(code, ended.checked_sub(took).unwrap_or(ended), Ended::Done);
        })));
        let config = DemoConfig {
            users: 0,
            seed: access.seed,
            quiet: true,
            platform_url: access.target.clone(),
            operator_key: access.operator_key.clone(),
            city_app_key: access.city_app_key.clone(),
            at_once: scenario.population.at_once.into(),
        };
        let cast = assemble::cast(&config, &sandbox, &latencies).await?;
        let operator = assemble::operator(&config, &cast);
        let partners: Vec<Partner> = sandbox.partners().cloned().collect();
        partners.iter().for_each(|partner| partner.deliveries().follow_only());
        let checks = Arc::new(Checks::new(scenario.partners.verify_per_second));
        let patience = Duration::from_secs(scenario.generator.answer_seconds.into());
        let mut lines = Vec::new();
        for partner in &partners {
            let wire = Wire::new(&cast.platform, scenario.partners.connections, patience)?;
            let (keys, kind) = (partner.keys().clone(), scenario.partners.sign_type);
            let line = Line::new(wire, keys, kind, meter.clone(), checks.clone());
            line.renew("").await.with_context(|| format!("a token for {}", keys_of(partner)))?;
            // Of two tokens of an application the older one ends after minutes.
            let player = cast.players.iter().find(|player| player.app.as_str() == keys_of(partner));
            if let Some(player) = player {
                player.caller.carry(line.token());
            }
            lines.push(line);
        }
        let people = Citizens::new(access.seed, &scenario.population, cast.scenes.len(), &sandbox);
        let book = Book::new(people.settled + people.newcomers);
        Ok(Self {
            seed: access.seed,
            mark: format!("{:x}", now().0),
            policy: scenery::load_policy(),
            first_day: now().day().plus(1),
            scenario,
            cast,
            operator,
            sandbox,
            people,
            book,
            meter,
            comparisons: Comparisons::default(),
            decided: Decided::default(),
            open_ends: OpenEnds::default(),
            kept: Kept::default(),
            partners,
            lines,
            counts: Mutex::default(),
        })
    }

    /// A call of an application, by its place.
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        app: usize,
        path: &str,
        question: &Q,
        due: Instant,
    ) -> Called<A> {
        self.lines[app].call(path, question, due).await
    }

    /// A partner's server, by its application's place.
    pub fn partner(&self, app: usize) -> &Partner {
        &self.partners[app]
    }

    /// A scene, by its place.
    pub fn scene(&self, place: usize) -> anyhow::Result<&DemoScene> {
        self.cast.scene(place).context("no such scene")
    }

    /// The mall's application.
    pub fn mall(&self) -> usize {
        self.partners.len() - 1
    }

    /// Push events that partners heard of so far, repeated ones included.
    pub fn pushes_arrived(&self) -> u64 {
        self.partners.iter().map(|partner| partner.deliveries().items()).sum()
    }

    /// By application, of how many pseudonyms events came, and of how many some are missing.
    pub fn push_sequences(&self) -> impl Iterator<Item = (&str, (u64, u64))> {
        let of = |partner| (keys_of(partner), partner.deliveries().sequences());
        self.partners.iter().map(of)
    }

    /// Push events of scenes lit and revoked (Z203) that are owed and have not arrived.
    pub fn pushes_outstanding(&self) -> u64 {
        let counts = self.counts.lock();
        let of = |what| counts.get(what).copied().unwrap_or(0);
        let owed = of("scenes_lit") + of("consents_revoked");
        let came: u64 =
            self.partners.iter().map(|partner| partner.deliveries().authorizations()).sum();
        owed.saturating_sub(came)
    }

    /// Counts something for the report.
    pub fn count(&self, what: &'static str, many: u64) {
        *self.counts.lock().entry(what).or_default() += many;
    }

    /// What was counted.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().iter().map(|(what, many)| ((*what).to_owned(), *many)).collect()
    }
}

fn keys_of(partner: &Partner) -> &str {
    &partner.keys().app
}
