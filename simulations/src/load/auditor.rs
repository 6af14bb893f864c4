//! Judges a run through the public interfaces against the book: while it goes on, some citizens a
//! second; afterwards all of them, or a stated sample. It asks gently, and again where the
//! platform is busy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use carbon_protocol::account::OrderAction;
use carbon_protocol::contracts::m402::{PointsAnswer, PointsRequest};
use carbon_protocol::contracts::z203::AuthorizationStatus;
use carbon_protocol::contracts::z204::{Authorizations, AuthorizationsRequest};
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use carbon_protocol::{Grams, Points};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::book::{LINKED, OPENED, REVOKED, REVOKING, Standing, UNCERTAIN};
use super::comparisons::Comparisons;
use super::gauges::Gauges;
use super::ground::Ground;
use super::journeys::{orders, submit};
use super::openends::OpenEnd;
use super::prepare;
use crate::demo::trips::DemoScene;

/// Citizens that are looked at together.
const AT_ONCE: usize = 16;

/// The auditor of a run.
pub struct Auditor {
    sample: Vec<u32>,
    /// What each of the sample had before the run: nothing, where the run opened the account.
    before: BTreeMap<u32, Seen>,
}

/// What the platform says of one citizen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    pending: u64,
    issued: u64,
    records: u64,
    /// Points that can be spent and that are held; none for whoever has no mall.
    points: Option<u64>,
}

impl Auditor {
    /// Chooses whom to look at, and looks at them where they come with a past.
    pub async fn begin(ground: &Ground) -> anyhow::Result<Self> {
        let most = ground.scenario.audit.citizens.max(1);
        let step = |many: u32| many.div_ceil(most).max(1) as usize;
        let (settled, newcomers) = (ground.people.settled, ground.people.newcomers);
        let sample = (0..settled).step_by(step(settled));
        // Newcomers by themselves: many of them may never come.
        let sample = sample.chain((settled..settled + newcomers).step_by(step(newcomers)));
        let sample: Vec<u32> = sample.collect();
        let mut before = BTreeMap::new();
        if ground.scenario.population.already_opened {
            let known = |no: &u32| ground.book.is(*no, OPENED);
            let known: Vec<u32> = sample.iter().copied().filter(known).collect();
            let seen = look_at(ground, known.clone()).await;
            let seen = seen.context("what the citizens had before the run")?;
            before = known.into_iter().zip(seen).collect();
        }
        Ok(Self { sample, before })
    }

    /// Looks at some of the sample each second, for ever: what must hold while everything moves.
    pub async fn sample(&self, ground: &Ground) {
        let each = ground.scenario.audit.per_second;
        if each == 0 {
            return std::future::pending().await;
        }
        let pause = Duration::from_millis(u64::from(1000 / each.min(1000)));
        for no in self.sample.iter().cycle() {
            tokio::time::sleep(pause).await;
            if !ground.book.is(*no, OPENED) || ground.scenario.population.already_opened {
                continue;
            }
            let Ok(seen) = look(ground, *no).await else { continue };
            // What is on its way counts as drawn, and may be there already or not yet.
            let sent = ground.book.drawn(*no);
            let what = || format!("records of citizen {no} during the run");
            ground.comparisons.holds("INV-02", what, seen.records <= sent);
        }
    }

    /// Compares everything that is to be compared.
    pub async fn judge(&self, ground: &Ground, gauges: &Gauges) -> anyhow::Result<()> {
        let certain = resolve(ground).await;
        prepare::settle(ground, gauges).await?;
        repeat(ground).await?;
        if ground.scenario.audit.issue {
            prepare::issue(ground).await.context("the issuance at the end")?;
        }
        pushed_without_gaps(ground).await;
        let known = |no: &&u32| {
            ground.book.is(**no, OPENED) && (certain || !ground.book.is(**no, UNCERTAIN))
        };
        let known: Vec<u32> = self.sample.iter().filter(known).copied().collect();
        let seen = look_at(ground, known.clone()).await?;
        ground.count("citizens_compared", known.len() as u64);
        let (grams_per_point, issued) =
            (ground.policy.grams_per_point.max(1), ground.scenario.audit.issue);
        let rules = Rules { grams_per_point, issued };
        for (no, seen) in known.into_iter().zip(seen) {
            let past = self.before.get(&no).copied().unwrap_or_default();
            let book = ground.book.standing(no);
            compare(&ground.comparisons, &rules, no, &book, (past, seen));
        }
        Ok(())
    }
}

/// Waits for pushes that are tried again, and checks that none is missing among those that came.
async fn pushed_without_gaps(ground: &Ground) {
    let deadline =
        Instant::now() + Duration::from_secs(ground.scenario.generator.settle_seconds.into());
    while ground.push_sequences().any(|(_, (_, gaps))| gaps > 0) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (app, (pseudonyms, gaps)) in ground.push_sequences() {
        let what = || format!("{gaps} of {pseudonyms} pseudonyms of {app} miss events");
        ground.comparisons.holds("INV-07", what, gaps == 0);
        ground.count("pseudonyms_pushed", pseudonyms);
    }
}

/// What a citizen's numbers are held against.
struct Rules {
    grams_per_point: u64,
    /// Whether the operator has issued everything.
    issued: bool,
}

/// Compares what a citizen should have with what the platform says, before and after the run.
fn compare(all: &Comparisons, rules: &Rules, no: u32, book: &Standing, (past, seen): (Seen, Seen)) {
    let grams = (seen.pending + seen.issued).wrapping_sub(past.pending + past.issued);
    all.same("grams", || format!("grams of citizen {no}"), &book.grams, &grams);
    let records = seen.records.wrapping_sub(past.records);
    all.same("records", || format!("records of citizen {no}"), &book.records, &records);
    let found = grams == book.grams && records == book.records;
    all.holds("INV-06", || format!("what was acknowledged to citizen {no}"), found);
    if rules.issued {
        let what = || format!("grams of citizen {no} that nobody issued");
        all.same("pending", what, &0, &seen.pending);
    }
    if let Some(points) = seen.points {
        // What is left over is carried, so points follow from all grams ever issued.
        let credited = seen.issued / rules.grams_per_point - past.issued / rules.grams_per_point;
        let expected = (past.points.unwrap_or(0) + credited).checked_sub(book.spent);
        let what = || format!("points of citizen {no}");
        all.same("points", what, &expected, &Some(points));
        all.holds("INV-01", what, expected == Some(points));
    }
}

/// Asks again where the outcome is unknown; whether all of it is known now.
async fn resolve(ground: &Ground) -> bool {
    let mut certain = true;
    for end in ground.open_ends.take() {
        ground.count("asked_again_after_the_run", 1);
        let due = Instant::now();
        let ended = match end {
            OpenEnd::Batch(batch) => submit::send(ground, batch, due).await,
            OpenEnd::Order(step) => orders::take(ground, step, due).await,
        };
        if let Err(error) = ended {
            certain = false;
            ground.comparisons.differs(format!("an outcome stays unknown: {error:#}"));
        }
    }
    certain
}

/// Sends some batches and orders once more under their serials: the answers must be the same, and
/// the comparison that follows must find nothing twice.
async fn repeat(ground: &Ground) -> anyhow::Result<()> {
    let (batches, steps) = ground.kept.take();
    for batch in batches {
        let same = submit::repeat(ground, &batch).await?;
        ground.comparisons.holds("INV-09", || format!("{} sent again", batch.serial), same);
    }
    for step in steps.into_iter().filter(|step| step.action == OrderAction::Pay) {
        let same = orders::repeat(ground, &step).await?;
        ground.comparisons.holds("INV-09", || format!("{} sent again", step.order), same);
    }
    Ok(())
}

async fn look_at(ground: &Ground, citizens: Vec<u32>) -> anyhow::Result<Vec<Seen>> {
    stream::iter(citizens).map(|no| look(ground, no)).buffered(AT_ONCE).try_collect().await
}

/// One citizen through the public interfaces: towards each application whose scenes were lit, and
/// towards the mall.
async fn look(ground: &Ground, no: u32) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let apps = ground.people.lights(no).filter_map(|scene| ground.cast.scene(scene));
    let mut apps: Vec<usize> = apps.map(|scene| scene.app).collect();
    apps.sort_unstable();
    apps.dedup();
    for app in apps {
        let ccid = ground.people.ccid(no, ground.partner(app))?;
        let question = TotalsRequest { ccid };
        let totals =
            match ground.call::<_, Totals>(app, "01/Z501", &question, Instant::now()).await? {
                Ok(totals) => totals,
                Err(no) => bail!("01.Z501 was refused: {no:?}"),
            };
        let pending: Grams = totals.by_scene.iter().map(|scene| scene.pending_grams).sum();
        let issued: Grams = totals.by_scene.iter().map(|scene| scene.issued_grams).sum();
        let what = || format!("sums of citizen {no} in 01.Z501");
        let sums = (totals.pending_grams, totals.issued_grams);
        ground.comparisons.same("01.Z501 sums", what, &(pending, issued), &sums);
        seen.pending += pending.0;
        seen.issued += issued.0;
        seen.records += totals.by_scene.iter().map(|scene| u64::from(scene.records)).sum::<u64>();
        consents(ground, no, app).await?;
    }
    if ground.book.is(no, LINKED) {
        seen.points = Some(points(ground, no).await?);
    }
    Ok(seen)
}

/// 01.Z204: each scene is lit, or was revoked, as the book has it, with consents to show for it.
async fn consents(ground: &Ground, no: u32, app: usize) -> anyhow::Result<()> {
    let first = ground.people.lights(no).next();
    let ccid = ground.people.ccid(no, ground.partner(app))?;
    let question = AuthorizationsRequest { ccid };
    let answered =
        ground.call::<_, Authorizations>(app, "01/Z204", &question, Instant::now()).await?;
    let Ok(answer) = answered else { bail!("01.Z204 was refused: {answered:?}") };
    for scene in ground.people.lights(no) {
        let DemoScene { app: own, code, .. } = ground.scene(scene)?;
        if *own != app {
            continue;
        }
        let found = answer.authorizations.iter().find(|one| one.scene.as_ref() == Some(code));
        let shown = found.is_some_and(|one| {
            let mut periods = one.periods.iter();
            periods.all(|period| {
                !period.agreements.is_empty()
                    && period.agreements.iter().all(|agreement| agreement.time <= period.from)
            })
        });
        let what = || format!("consents of citizen {no} to {code}");
        ground.comparisons.holds("INV-04", what, shown);
        let revoking = Some(scene) == first && ground.book.is(no, REVOKING);
        let revoked = Some(scene) == first && ground.book.is(no, REVOKED);
        // Between the two nobody knows.
        if revoking == revoked {
            let expected =
                if revoked { AuthorizationStatus::Revoked } else { AuthorizationStatus::Lit };
            let status = found.map(|one| one.status);
            ground.comparisons.same("01.Z204", what, &Some(expected), &status);
        }
    }
    Ok(())
}

/// Points that can be spent and that are held, by 02.Z402.
async fn points(ground: &Ground, no: u32) -> anyhow::Result<u64> {
    let mall = ground.mall();
    let question = PointsRequest { ccid: ground.people.ccid(no, ground.partner(mall))? };
    let answered =
        ground.call::<_, PointsAnswer>(mall, "02/Z402", &question, Instant::now()).await?;
    let Ok(answer) = answered else { bail!("02.Z402 was refused: {answered:?}") };
    let lots: Points = answer.lots.iter().map(|lot| lot.points).sum();
    let what = || format!("lots of citizen {no} in 02.Z402");
    ground.comparisons.same("02.Z402 lots", what, &answer.available_points, &lots);
    Ok(answer.available_points.0 + answer.held_points.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { grams_per_point: 100, issued: true };

    /// Differences between a book of three records, 1,050 grams and 4 points spent, and what was
    /// seen, for a citizen who came with 60 grams issued and 7 points.
    fn differences(plant: impl FnOnce(&mut Seen)) -> u64 {
        let all = Comparisons::default();
        let book = Standing { grams: 1050, records: 3, spent: 4, flags: OPENED };
        let past = Seen { pending: 0, issued: 60, records: 1, points: Some(7) };
        // 60 + 1,050 grams make 11 points, none of which was there before.
        let mut seen = Seen { pending: 0, issued: 1110, records: 4, points: Some(14) };
        plant(&mut seen);
        compare(&all, &RULES, 1, &book, (past, seen));
        all.books().differences_total
    }

    #[test]
    fn what_agrees_is_no_difference() {
        assert_eq!(differences(|_| {}), 0);
        assert_eq!(differences(|seen| seen.points = None), 0, "no mall, no points to compare");
    }

    #[test]
    fn every_planted_fault_is_found() {
        let faults: [fn(&mut Seen); 6] = [
            |seen| seen.issued -= 50,
            |seen| (seen.issued, seen.pending) = (seen.issued - 10, 10),
            |seen| seen.records -= 1,
            |seen| seen.records += 1,
            |seen| seen.points = Some(13),
            |seen| seen.points = Some(15),
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            assert!(differences(fault) > 0, "fault {number} went unseen");
        }
    }
}
