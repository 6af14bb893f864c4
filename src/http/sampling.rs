//! Samplings (抽样核查): records of a period are drawn, their raw data is asked for (C201) and compared
//! with what was submitted. Of that the platform keeps a digest, which is enough: what was not
//! submitted cannot have it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use carbon_actors::followers::batches::{BatchPlace, PageRow, RowState};
use carbon_actors::machines::registry::Registry;
use carbon_protocol::contracts::c201::{RawRecord, SERIALS};
use carbon_protocol::contracts::sampling::{
    QualitiesView, QualityView, SamplingRequest, SamplingView,
};
use carbon_protocol::contracts::z304::SubmitRecord;
use carbon_protocol::envelope::Envelope;
use carbon_protocol::intake::{IntakeCommand, IntakeReply};
use carbon_protocol::quality::{
    Difference, KeptSampling, Mismatch, QualityCommand, QualityReply, QualityReport, Sampling,
};
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::signature::digest8;
use carbon_protocol::{AppId, AppNo, Reason, Serial};

use super::HttpState;
use super::declaring::{Nothing, app_of};
use super::dictionaries::ByDay;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::operator::{Looked, Operated, Operating, Viewing};
use super::pricing;
use super::z304::record_digest;

/// Most records of one sample.
const SIZE: u16 = 500;
/// Most days of one sampling's period.
const DAYS: i32 = 31;
/// Most batches that one sampling draws from.
const BATCHES: usize = 5000;
/// Batches that are looked up at once.
const BATCHES_AT_ONCE: usize = 32;

/// Starts a sampling and waits for what it finds; the same serial again tells it once more.
#[utoipa::path(
    post, path = "/admin/v1/samplings", operation_id = "startSampling", tag = "operator",
    request_body = SamplingRequest, responses((status = 200, body = Envelope<SamplingView>)),
)]
pub async fn start(
    State(state): State<HttpState>,
    call: Operated<Operating, SamplingRequest>,
) -> Answer<SamplingView> {
    call.about(format_args!("{} {}", call.body.app_id, call.body.serial));
    let request = call.body;
    let app = scene_app(&state, request.app_id.as_str())?;
    check(&request)?;
    let seed = request.seed.unwrap_or_else(|| digest8(request.serial.as_str().as_bytes()));
    let mut sampling = Sampling {
        serial: request.serial,
        from: request.from,
        to: request.to,
        seed,
        size: request.size,
        population: 0,
        matched: 0,
        unanswered: 0,
        mismatches: Vec::new(),
    };
    let known = report(&state, app.no).await?.newest;
    // Nobody is asked again for what is known; the desk says whether it is the same sampling.
    if !known.iter().any(|kept| kept.sampling.serial == sampling.serial) {
        let sample = draw(&state, app.no, &mut sampling).await?;
        ask(&state, &app, &sample, &mut sampling).await?;
    }
    match state.platform.quality(app.no, QualityCommand::Keep(Box::new(sampling))).await? {
        QualityReply::Kept(kept, _) => Ok(Data(view(*kept))),
        QualityReply::Report(_) => misfit(),
    }
}

fn check(request: &SamplingRequest) -> Result<(), Fault> {
    if !(1..=SIZE).contains(&request.size) {
        return Err(Fault::of_field(Reason::OutOfRange, "size").with(format!("1 to {SIZE}")));
    }
    if request.to < request.from || request.to >= request.from.plus(DAYS) {
        let fault = Fault::of_field(Reason::OutOfRange, "to");
        return Err(fault.with(format!("{DAYS} days at most")));
    }
    Ok(())
}

/// An application that submits records.
fn scene_app(state: &HttpState, id: &str) -> Result<Arc<App>, Fault> {
    let no = app_of(state, id, "appId")?;
    let registry = state.platform.registry();
    let app = registry.app(no).filter(|app| app.role == AppRole::Scene);
    app.cloned().ok_or_else(|| Fault::of_field(Reason::NotFound, "appId"))
}

/// Draws records: those whose serials have the smallest keyed digests. Everybody who knows the seed
/// draws the same ones, in whatever order the records come; nobody who does not can tell which.
async fn draw(
    state: &HttpState,
    app: AppNo,
    sampling: &mut Sampling,
) -> Result<Vec<PageRow>, Fault> {
    let today = state.platform.now()?.day();
    let remembered = i32::from(state.platform.policy(today).acceptance_days);
    let earliest = today.plus(remembered.saturating_neg());
    let (from, to) = (sampling.from.start(), sampling.to.plus(1).start());
    let (mut drawn, mut batches) = (BTreeMap::new(), 0);
    let mut after: Option<BatchPlace> = None;
    loop {
        let found = state.platform.batches(app, from, to, after, BATCHES_AT_ONCE).await?;
        batches += found.len();
        if batches > BATCHES {
            let fault = Fault::of_field(Reason::TooManyItems, "to");
            return Err(fault.with(format!("more than {BATCHES} batches: take fewer days")));
        }
        for place in &found {
            let Some(page) = state.platform.batch(app, place.batch).await? else { continue };
            // Of older records the digest is forgotten.
            let fit = page.rows.into_iter().filter(|row| accepted(row) && row.day >= earliest);
            for row in fit {
                sampling.population = sampling.population.saturating_add(1);
                let key = digest8(format!("{} {}", sampling.seed, row.serial).as_bytes());
                drawn.insert((key, row.serial.clone()), row);
                if drawn.len() > usize::from(sampling.size) {
                    drawn.pop_last();
                }
            }
        }
        after = found.last().copied();
        if found.len() < BATCHES_AT_ONCE {
            break;
        }
    }
    if drawn.is_empty() {
        let fault = Fault::of_field(Reason::NotFound, "from");
        return Err(fault.with("no accepted records were received in this period"));
    }
    Ok(drawn.into_values().collect())
}

/// Whether a row stands for a record of its own that was taken and counts: what was corrected was
/// wrong by the partner's own word, and of a void there is no raw data.
fn accepted(row: &PageRow) -> bool {
    matches!(row.state, RowState::Received | RowState::Submitted { .. } | RowState::Issued { .. })
}

/// Asks the partner for the raw data of a sample, and compares it. What it does not answer is
/// counted, not guessed at.
async fn ask(
    state: &HttpState,
    app: &Arc<App>,
    sample: &[PageRow],
    sampling: &mut Sampling,
) -> Result<(), Fault> {
    let dictionaries = state.dictionaries.newest(state).await?;
    let registry = state.platform.registry();
    let scale = Scale { registry: &registry, dictionaries: &dictionaries };
    for rows in sample.chunks(SERIALS) {
        let serials: Vec<Serial> = rows.iter().map(|row| row.serial.clone()).collect();
        let find = IntakeCommand::FindDigests(serials.clone());
        let digests = match state.platform.intake(app.no, find).await? {
            IntakeReply::Digests(digests) => digests,
            _ => return misfit(),
        };
        let told = match state.platform.partners().raw_data(app.clone(), serials).await {
            Ok(told) => told,
            Err(failure) => {
                tracing::warn!(app = %app.id, %failure, "raw data was not to be had");
                let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                sampling.unanswered = sampling.unanswered.saturating_add(count);
                continue;
            }
        };
        let told: HashMap<&Serial, &RawRecord> =
            told.iter().map(|record| (&record.serial, record)).collect();
        for (row, digest) in rows.iter().zip(digests) {
            match scale.difference(row, digest, told.get(&row.serial).copied())? {
                None => sampling.matched = sampling.matched.saturating_add(1),
                Some(difference) => {
                    let serial = row.serial.clone();
                    sampling.mismatches.push(Mismatch { serial, difference });
                }
            }
        }
    }
    Ok(())
}

/// What raw data is weighed with.
struct Scale<'s> {
    registry: &'s Registry,
    dictionaries: &'s ByDay,
}

impl Scale<'_> {
    /// In what raw data differs from what was submitted; in nothing where it has its digest.
    fn difference(
        &self,
        row: &PageRow,
        digest: Option<[u8; 16]>,
        told: Option<&RawRecord>,
    ) -> Result<Option<Difference>, Fault> {
        let Some(told) = told else { return Ok(Some(Difference::Missing)) };
        let Some(scene) = row.scene.and_then(|no| self.registry.scene(no)) else {
            return misfit();
        };
        let record = SubmitRecord {
            serial: told.serial.clone(),
            ccid: told.ccid.clone(),
            scene: scene.code.clone(),
            behaviour: told.behaviour.clone(),
            reduction_grams: row.claimed_grams,
            corrects: row.amends.as_ref().map(|amends| amends.original.clone()),
        };
        if digest == Some(record_digest(&record)?) {
            return Ok(None);
        }
        if told.ccid != row.ccid {
            return Ok(Some(Difference::Ccid));
        }
        if told.behaviour.day() != row.day {
            return Ok(Some(Difference::Day));
        }
        let priced = pricing::price(self.registry, self.dictionaries, scene, &told.behaviour);
        let same = priced.is_ok_and(|priced| priced.computed.grams == row.grams);
        Ok(Some(if same { Difference::Content } else { Difference::Grams }))
    }
}

async fn report(state: &HttpState, app: AppNo) -> Result<QualityReport, Fault> {
    match state.platform.quality(app, QualityCommand::Look).await? {
        QualityReply::Report(report) => Ok(*report),
        QualityReply::Kept(..) => misfit(),
    }
}

/// Of a thousand, rounded up: a single liar among many shows.
fn permille(part: u64, rest: u64) -> u64 {
    let whole = part.saturating_add(rest);
    part.saturating_mul(1000).checked_div(whole.max(1)).map_or(0, |least| {
        let exact = least.saturating_mul(whole.max(1)) == part.saturating_mul(1000);
        least.saturating_add(u64::from(!exact))
    })
}

fn view(kept: KeptSampling) -> SamplingView {
    let KeptSampling { at, sampling } = kept;
    let matched = u64::from(sampling.matched);
    let unanswered = u64::from(sampling.unanswered);
    let mismatched = sampling.mismatches.len() as u64;
    SamplingView {
        serial: sampling.serial,
        from: sampling.from,
        to: sampling.to,
        seed: sampling.seed,
        sampled_at: at,
        population: sampling.population,
        sampled: matched.saturating_add(unanswered).saturating_add(mismatched),
        matched,
        unanswered,
        mismatch_permille: permille(mismatched, matched),
        flagged: mismatched > 0 || unanswered > 0,
        mismatches: sampling.mismatches,
    }
}

fn quality_view(app: &App, report: QualityReport) -> QualityView {
    let totals = report.totals;
    let mismatched = totals.missing.saturating_add(totals.differing);
    QualityView {
        app_id: app.id.clone(),
        samplings: totals.samplings,
        matched: totals.matched,
        unanswered: totals.unanswered,
        missing: totals.missing,
        differing: totals.differing,
        mismatch_permille: permille(mismatched, totals.matched),
        flagged: mismatched > 0 || totals.unanswered > 0,
        newest: report.newest.into_iter().map(view).collect(),
    }
}

/// The quality of all applications' data, without the samplings.
#[utoipa::path(
    get, path = "/admin/v1/data-quality", operation_id = "listDataQuality", tag = "operator",
    responses((status = 200, body = Envelope<QualitiesView>)),
)]
pub async fn qualities(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<QualitiesView> {
    let registry = state.platform.registry();
    let mut applications = Vec::new();
    for app in registry.apps().filter(|app| app.role == AppRole::Scene) {
        let report = report(&state, app.no).await?;
        applications.push(QualityView { newest: Vec::new(), ..quality_view(app, report) });
    }
    Ok(Data(QualitiesView { applications }))
}

/// The quality of an application's data, with its newest samplings.
#[utoipa::path(
    get, path = "/admin/v1/data-quality/{appId}", operation_id = "dataQuality", tag = "operator",
    params(("appId" = AppId, Path, description = "The application.")),
    responses((status = 200, body = Envelope<QualityView>)),
)]
pub async fn quality(
    State(state): State<HttpState>,
    call: Looked<Viewing, Nothing>,
) -> Answer<QualityView> {
    let app = scene_app(&state, call.segment(1))?;
    let report = report(&state, app.no).await?;
    Ok(Data(quality_view(&app, report)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousandth_is_rounded_up() {
        for (part, rest, expected) in [
            (0, 0, 0),
            (0, 9, 0),
            (1, 0, 1000),
            (1, 1, 500),
            (1, 999, 1),
            (1, 99_999, 1),
            (2, 1, 667),
            (u64::MAX, 1, 1),
        ] {
            assert_eq!(permille(part, rest), expected, "{part} {rest}");
        }
    }
}
