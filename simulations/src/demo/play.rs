//! The acts of the demo, in order. Each one waits until what it caused has happened, and no longer
//! than is reasonable; the book is written while it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use carbon_protocol::contracts::issuance::{ExcludedRecord, RunRequest, RunView};
use carbon_protocol::policy::Policy;
use carbon_protocol::{Ccid, Day, Serial};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::book::{Book, Fate, Place};
use super::caller::Operator;
use super::cast::Cast;
use super::day::{self, Outgoing, Plans, Twice};
use super::findings::Findings;
use super::mall::Orders;
use super::population::{Citizen, Shopping};
use super::progress::Progress;
use super::rules::SeenLit;
use super::{DemoConfig, audit, journeys, mall, pushes, sending, shopping};

/// Rows of a batch at most.
const BATCH_ROWS: usize = 500;
/// One record of so many is refused by the operator.
const EXCLUDED_EVERY: usize = 40;
/// How long an issuance run may take.
const RUN_WITHIN: Duration = Duration::from_secs(120);

/// A run of the demo.
pub struct Play<'p> {
    /// What was asked for.
    pub config: &'p DemoConfig,
    /// Who plays.
    pub cast: Cast,
    /// The operator.
    pub operator: Operator,
    /// The citizens.
    pub citizens: Vec<Citizen>,
    /// The policy in force.
    pub policy: Policy,
    /// The synthetic day.
    pub day: Day,
    /// What should be.
    pub book: Book,
    /// What was found.
    pub findings: Findings,
    /// Shows how far it is.
    pub progress: Arc<Progress>,
    /// Batches in the order sent.
    pub sent: Vec<Outgoing>,
    /// Trips reported by two routes.
    pub twice: Vec<Twice>,
    /// Orders by citizen.
    pub orders: BTreeMap<usize, Orders>,
    /// Order actions by citizen.
    pub steps: BTreeMap<usize, Vec<shopping::Step>>,
    /// When revoked scenes were lit, as told before the revoking.
    pub lit_before: BTreeMap<usize, Vec<SeenLit>>,
    /// The issuance run as the operator saw it.
    pub run: Option<RunView>,
}

impl Play<'_> {
    fn plans(&self) -> Plans<'_> {
        Plans {
            scenes: &self.cast.scenes,
            citizens: &self.citizens,
            day: self.day,
            policy: &self.policy,
            batch_rows: BATCH_ROWS,
        }
    }

    /// Does something for each of some citizens, many at once.
    async fn each<T, F>(
        &self,
        name: &'static str,
        citizens: Vec<&Citizen>,
        act: impl Fn(usize) -> F,
    ) -> anyhow::Result<Vec<(usize, T)>>
    where
        F: Future<Output = anyhow::Result<T>>,
    {
        let stage = self.progress.stage(name, citizens.len());
        let numbers: Vec<usize> = citizens.iter().map(|citizen| citizen.no).collect();
        stream::iter(numbers)
            .map(|no| {
                let (acting, stage) = (act(no), &stage);
                async move {
                    let done = acting.await;
                    stage.step();
                    let done = done.with_context(|| format!("{name}: citizen {no}"))?;
                    anyhow::Ok((no, done))
                }
            })
            .buffer_unordered(self.config.at_once.max(1))
            .try_collect()
            .await
    }

    /// Journeys 1, 2 and 3: everybody opens an account and lights scenes.
    pub async fn open_accounts(&mut self) -> anyhow::Result<()> {
        let all = self.citizens.iter().collect();
        let opened = self
            .each("opening accounts, lighting scenes", all, |no| {
                journeys::open_and_light(&self.cast, &self.citizens[no])
            })
            .await?;
        for (no, opened) in opened {
            let page = &mut self.book.pages[no];
            page.opened = true;
            for (app, scene) in opened.lit {
                page.light(app, scene.as_str());
            }
            for (app, ccid) in opened.ccids {
                page.links.entry(app).or_default().ccid = ccid;
            }
        }
        let stage = self.progress.stage("hearing of it by push (Z203)", 0);
        let (owed, arrived) = pushes::arrived(&self.cast, &self.book).await;
        drop(stage);
        ensure!(owed == arrived, "{arrived} of {owed} pushes about lit scenes arrived");
        let mut users = BTreeMap::new();
        for (app, player) in self.cast.players.iter().enumerate() {
            for citizen in &self.citizens {
                if let Some(uid) = (player.uid)(&citizen.id_no) {
                    users.insert((app, uid.to_string()), citizen.no);
                }
            }
        }
        pushes::learn(&self.cast, &mut self.book, &users);
        let links = self.book.pages.iter().flat_map(|page| page.links.values());
        let unknown = links.filter(|link| link.ccid.is_empty()).count();
        ensure!(unknown == 0, "{unknown} pseudonyms were told to no partner");
        Ok(())
    }

    /// The day's batches in two waves, each waited for.
    pub async fn send_the_day(&mut self) -> anyhow::Result<()> {
        let mut dice = StdRng::seed_from_u64(self.config.seed ^ 0xda1);
        let first = self.plans().first_wave(&mut dice, &self.book);
        self.wave("submitting the day (01.Z304)", &first, true).await?;
        let (second, twice) = self.plans().second_wave(&self.book, &first);
        self.wave("repeats and second reports", &second, false).await?;
        self.twice = twice;
        Ok(())
    }

    /// Sends batches, application by application at once, each application's in order; some are
    /// sent again; then all rows are waited for.
    async fn wave(
        &mut self,
        name: &'static str,
        batches: &[Outgoing],
        again: bool,
    ) -> anyhow::Result<()> {
        let stage = self.progress.stage(name, batches.iter().map(|b| b.rows.len()).sum());
        let apps = 0..self.cast.players.len();
        let sending = apps.map(|app| {
            let (cast, findings, stage) = (&self.cast, &self.findings, &stage);
            async move {
                let player = cast.player(app)?;
                for (number, batch) in batches.iter().filter(|b| b.app == app).enumerate() {
                    sending::send(player, batch, findings).await?;
                    if again && number == 0 {
                        sending::send_again(&player.caller, batch, findings).await?;
                    }
                    batch.rows.iter().for_each(|_| stage.step());
                }
                anyhow::Ok(())
            }
        });
        futures::future::try_join_all(sending).await?;
        let cast = &self.cast;
        stream::iter(batches)
            .map(|batch| async move {
                let caller = &cast.player(batch.app)?.caller;
                sending::decided(caller, &batch.serial).await
            })
            .buffer_unordered(8)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        drop(stage);
        for batch in batches {
            day::enter(&mut self.book, self.day, batch);
        }
        self.sent.extend_from_slice(batches);
        Ok(())
    }

    /// The operator issues the day, but for a few records.
    pub async fn issue(&mut self) -> anyhow::Result<()> {
        let excluded = day::exclusions(&self.book, EXCLUDED_EVERY);
        let serial = Serial::parse(&format!("demo-{:08x}", rand::random::<u32>()))?;
        let mut question = RunRequest {
            serial,
            through: self.day,
            scenes: Vec::new(),
            excluded: Vec::with_capacity(excluded.len()),
        };
        for (app, serial) in &excluded {
            let app_id = self.cast.player(*app)?.app.clone();
            question.excluded.push(ExcludedRecord { app_id, serial: Serial::parse(serial)? });
        }
        let stage = self.progress.stage("issuing (签发)", self.citizens.len());
        let mut run: RunView = self.operator.post("issuance-runs", &question).await?;
        let deadline = Instant::now() + RUN_WITHIN;
        while run.finished_at.is_none() {
            ensure!(Instant::now() < deadline, "run {} has not ended: {run:?}", run.run);
            tokio::time::sleep(Duration::from_millis(50)).await;
            run = self.operator.get(&format!("issuance-runs/{}", run.run)).await?;
        }
        drop(stage);
        day::issue(&mut self.book, &excluded, self.policy.grams_per_point);
        self.run = Some(run);
        self.compare_run();
        Ok(())
    }

    fn compare_run(&self) {
        let Some(run) = &self.run else { return };
        let (mut records, mut refused, mut grams) = (0, 0, 0);
        for row in self.book.rows() {
            match row.fate {
                Fate::Issued(of) => (records, grams) = (records + 1, grams + of.0),
                Fate::Excluded(_) => refused += 1,
                _ => {}
            }
        }
        let points: u64 = self.book.pages.iter().map(|page| page.points_issued()).sum();
        let expected = (records, refused, grams, points);
        let got = (run.records, run.refused, run.reduction_grams.0, run.points.0);
        self.findings.same("issuance", || "totals of the run".into(), &expected, &got);
    }

    /// Journey 4 and what follows in the mall.
    pub async fn go_shopping(&mut self) -> anyhow::Result<()> {
        let shoppers: Vec<&Citizen> =
            self.citizens.iter().filter(|citizen| citizen.shopping != Shopping::No).collect();
        let visits = self
            .each("first visits to the mall", shoppers.clone(), |no| {
                journeys::visit_mall(&self.cast, &self.citizens[no])
            })
            .await?;
        let app = self.cast.mall();
        let mut plans: BTreeMap<usize, (Ccid, Vec<shopping::Step>)> = BTreeMap::new();
        for (no, ccid) in visits {
            let page = &mut self.book.pages[no];
            page.links.entry(app).or_default().ccid = ccid.to_string();
            let steps = shopping::plan(no, self.citizens[no].shopping, page);
            plans.insert(no, (ccid, steps));
        }
        let caller = &self.cast.player(app)?.caller;
        let orders = self
            .each("orders and refunds (02.Z303)", shoppers, |no| {
                let plan = plans.get(&no);
                let findings = &self.findings;
                async move {
                    let (ccid, steps) = plan.context("no plan")?;
                    mall::shop(caller, ccid, steps, findings).await
                }
            })
            .await?;
        self.orders = orders.into_iter().collect();
        self.steps = plans.into_iter().map(|(no, (_, steps))| (no, steps)).collect();
        Ok(())
    }

    /// Some take a consent back; what they do afterwards counts for nothing.
    pub async fn revoke(&mut self) -> anyhow::Result<()> {
        let revokers: Vec<&Citizen> =
            self.citizens.iter().filter(|citizen| citizen.revokes).collect();
        let before = self
            .each("consents before the revoking (01.Z204)", revokers.clone(), |no| self.lit_now(no))
            .await?;
        self.lit_before = before.into_iter().collect();
        let revoked = self
            .each("revoking", revokers, |no| journeys::revoke(&self.cast, &self.citizens[no]))
            .await?;
        for (no, (app, scene)) in revoked {
            self.book.pages[no].revoke(app, scene.as_str());
        }
        let mut dice = StdRng::seed_from_u64(self.config.seed ^ 0x1a7e);
        let late = self.plans().after_revoking(&mut dice, &self.book);
        self.wave("trips after the revoking", &late, false).await
    }

    async fn lit_now(&self, no: usize) -> anyhow::Result<Vec<SeenLit>> {
        let mut lit = Vec::new();
        for (app, link) in &self.book.pages[no].links {
            if *app != self.cast.mall() {
                let ccid = Ccid::parse(&link.ccid)?;
                lit.extend(audit::consents(&self.cast.player(*app)?.caller, *app, &ccid).await?);
            }
        }
        Ok(lit)
    }

    /// Points that the book says were redeemed, for the settlement.
    pub fn redeemed(&self) -> i64 {
        let at = self.book.pages.iter().map(|page| page.points.at(Place::Redeemed));
        i64::try_from(at.sum::<i128>()).unwrap_or(i64::MAX)
    }

    /// Runs the comparison of each citizen's account, many at once.
    pub async fn audit_each(&self) -> anyhow::Result<Vec<(usize, super::rules::Seen)>> {
        let all = self.citizens.iter().collect();
        self.each("comparing every account", all, |no| self.audit(no)).await
    }

    async fn audit(&self, no: usize) -> anyhow::Result<super::rules::Seen> {
        let mut seen = super::rules::Seen::default();
        let page = &self.book.pages[no];
        for (app, link) in &page.links {
            let caller = &self.cast.player(*app)?.caller;
            let ccid = Ccid::parse(&link.ccid)?;
            if *app == self.cast.mall() {
                audit::points_account(caller, *app, page, &ccid, &self.findings, &mut seen).await?;
            } else {
                audit::scene_account(caller, *app, page, link, &self.findings, &mut seen).await?;
                if !self.lit_before.contains_key(&no) {
                    seen.lit.extend(audit::consents(caller, *app, &ccid).await?);
                }
            }
        }
        if let Some(lit) = self.lit_before.get(&no) {
            seen.lit.clone_from(lit);
        }
        if let Some(orders) = self.orders.get(&no) {
            seen.orders = mall::compare(&page.orders, orders, &self.findings);
        }
        Ok(seen)
    }
}
