//! The comparison at the end, the rules' verdict, and the report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use carbon_protocol::Reason;
use carbon_protocol::contracts::admin::SettlementView;
use carbon_protocol::contracts::z306::{RecordResult, RecordStatus};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::day::Outgoing;
use super::play::Play;
use super::report::Report;
use super::rules::{self, Seen, SeenRecord, Sight};
use super::shopping::Answer;
use super::{caller, pushes, sending};

/// Compares everything, and sums up.
pub async fn report(play: &Play<'_>, began: Instant) -> anyhow::Result<Report> {
    let mut sight =
        Sight { citizens: vec![Seen::default(); play.citizens.len()], ..Sight::default() };
    for (no, seen) in play.audit_each().await? {
        sight.citizens[no] = seen;
    }
    let rows = all_rows(play).await?;
    records(play, &rows, &mut sight);
    let stage = play.progress.stage("waiting for the last push", 0);
    let (pushes_expected, pushes_delivered) = pushes::arrived(&play.cast, &play.book).await;
    drop(stage);
    sight.events = pushes::compare(&play.cast, &play.book, &play.findings)?;
    for event in &sight.events {
        // A push names a pseudonym: it must be the one that is known otherwise.
        let owner = play.book.pages.iter().position(|page| {
            page.links.get(&event.app).is_some_and(|link| link.ccid == event.ccid)
        });
        if let Some(seen) = owner.and_then(|owner| sight.citizens.get_mut(owner)) {
            seen.ccids.entry(event.app).or_default().insert(event.ccid.clone());
        }
    }
    settlement(play).await?;
    let found = play.findings.found();
    sight.repeats = found.repeats;
    sight.again = found.again;
    let mut report = counts(play, &rows);
    report.pushes_expected = pushes_expected;
    report.pushes_delivered = pushes_delivered;
    report.invariants = rules::check(&sight);
    report.compared = found.compared;
    report.differences = found.differences;
    report.differences_total = found.differences_total;
    report.latency_ms = play.cast.latencies.lines();
    report.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// The rows of every batch as Z306 tells them now, in the order sent.
async fn all_rows(play: &Play<'_>) -> anyhow::Result<Vec<Vec<RecordResult>>> {
    let stage = play.progress.stage("comparing every batch (01.Z306)", play.sent.len());
    let stage = &stage;
    stream::iter(play.sent.iter().zip(&play.book.batches))
        .map(|(batch, entry)| async move {
            let caller = &play.cast.player(batch.app)?.caller;
            let rows = sending::results(caller, &batch.serial).await?;
            sending::compare_rows(entry, &rows, &play.findings);
            let found = rows.len() == batch.rows.len();
            play.findings.looked_up(format!("batch {}", batch.serial), found);
            stage.step();
            anyhow::Ok(rows)
        })
        .buffered(8)
        .try_collect()
        .await
}

fn records(play: &Play<'_>, rows: &[Vec<RecordResult>], sight: &mut Sight) {
    let mut counting = BTreeSet::new();
    for (batch, rows) in play.sent.iter().zip(rows) {
        sight.records.extend(seen_records(batch, rows));
        // What the operator left out had counted as the report of its trip, too.
        let counts = rows.iter().filter(|row| {
            matches!(row.status, RecordStatus::Submitted | RecordStatus::Issued)
                || row.reason == Some(Reason::Excluded)
        });
        counting.extend(counts.map(|row| (batch.app, row.serial.to_string())));
    }
    let counted = |report: &(usize, String)| u32::from(counting.contains(report));
    sight.twice_reported =
        play.twice.iter().map(|twice| counted(&twice.first) + counted(&twice.second)).collect();
}

fn seen_records(batch: &Outgoing, rows: &[RecordResult]) -> Vec<SeenRecord> {
    let seen = batch.rows.iter().zip(rows).filter_map(|(row, result)| {
        let (from, to) = row.behaviour.span();
        Some(SeenRecord {
            app: batch.app,
            serial: result.serial.to_string(),
            citizen: row.citizen?,
            scene: row.scene.as_str().to_owned(),
            span: (from.0, to.0),
            credited: matches!(result.status, RecordStatus::Submitted | RecordStatus::Issued),
        })
    });
    seen.collect()
}

async fn settlement(play: &Play<'_>) -> anyhow::Result<()> {
    let mall = &play.cast.player(play.cast.mall())?.app;
    let today = caller::now().day();
    let path = format!("settlements?appId={mall}&from={}&to={today}", today.plus(-1));
    let view: SettlementView = play.operator.get(&path).await?;
    let what = || "net points of the settlement".to_owned();
    play.findings.same("settlement", what, &play.redeemed(), &view.net_points);
    Ok(())
}

/// What was seen, counted.
fn counts(play: &Play<'_>, rows: &[Vec<RecordResult>]) -> Report {
    let all = || rows.iter().flatten();
    let count = |pick: &dyn Fn(&RecordResult) -> bool| all().filter(|row| pick(row)).count() as u64;
    let issued = count(&|row| row.status == RecordStatus::Issued);
    let excluded = count(&|row| row.reason == Some(Reason::Excluded));
    let pending = count(&|row| row.status == RecordStatus::Submitted);
    let refused = count(&|row| row.status == RecordStatus::Refused);
    let links = || play.book.pages.iter().flat_map(|page| page.links.values());
    let orders = || play.orders.values().flat_map(BTreeMap::values);
    let steps = play.book.pages.iter().flat_map(|page| &page.points_bill);
    let refunds = steps.filter(|line| line.kind == "POINTS_REFUNDED").count() as u64;
    let released = orders().filter(|order| order.captured_points.0 == 0);
    let cancelled = released.filter(|order| order.held_points.0 == 0).count() as u64;
    Report {
        seed: play.config.seed,
        users: play.citizens.len() as u64,
        opened: play.book.pages.iter().filter(|page| page.opened).count() as u64,
        lit: links().map(|link| (link.lit.len() + link.revoked.len()) as u64).sum(),
        revoked: links().map(|link| link.revoked.len() as u64).sum(),
        malls_linked: play.orders.len() as u64,
        records_submitted: all().count() as u64,
        records_accepted: issued + excluded + pending,
        records_refused: refused.saturating_sub(excluded),
        records_issued: issued,
        records_excluded: excluded,
        grams_issued: all()
            .filter(|row| row.status == RecordStatus::Issued)
            .map(|row| row.reduction_grams.0)
            .sum(),
        points_credited: play.run.as_ref().map_or(0, |run| run.points.0),
        orders_confirmed: orders().filter(|order| order.captured_points.0 > 0).count() as u64,
        orders_cancelled: cancelled,
        orders_refunded: refunds,
        orders_refused: play.refused_steps(),
        ..Report::default()
    }
}

impl Play<'_> {
    /// Order actions that the rules refuse.
    fn refused_steps(&self) -> u64 {
        let refused = |steps: &Vec<super::shopping::Step>| {
            steps.iter().filter(|step| matches!(step.answer, Answer::Refused(_))).count() as u64
        };
        self.steps.values().map(refused).sum()
    }
}
