//! Issuance (签发) as operators see it: runs are prepared, looked at, approved whole or in part, or
//! withdrawn.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use carbon_protocol::contracts::issuance::{
    ApproveRequest, ExcludedRecord, PreviewLine, RunPreview, RunRequest, RunView, RunsView,
};
use carbon_protocol::contracts::operators::NoFields;
use carbon_protocol::envelope::Envelope;
use carbon_protocol::intake::{IntakeCommand, IntakeReply};
use carbon_protocol::issuance::{IssuanceCommand, IssuanceReply, Run, Scope, Signed};
use carbon_protocol::{AppNo, Reason, RecordRef, RunNo, SceneCode, SceneNo, Serial};
use serde::Deserialize;

use super::declaring::{Nothing, app_of};
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::operator::{Administering, Approving, Looked, Operated, Operating, Viewing};
use super::operators::NOBODY;
use super::{HttpState, lists};

/// Most records that one run refuses.
const EXCLUDED: usize = 1000;
/// Most scenes that a run names.
const SCENES: usize = 100;

/// Prepares and approves an issuance run in one act, where the policy does not want two persons;
/// the same serial again answers the same run.
#[utoipa::path(
    post, path = "/admin/v1/issuance-runs", operation_id = "startRun", tag = "operator",
    request_body = RunRequest, responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn start(
    State(state): State<HttpState>,
    call: Operated<Administering, RunRequest>,
) -> Answer<RunView> {
    call.about(&call.body.serial);
    let (serial, scope) = asked(&state, call.body).await?;
    view(&state, IssuanceCommand::Start { serial, scope, by: call.operator }).await
}

/// Prepares an issuance run: it waits for its approval.
#[utoipa::path(
    post, path = "/admin/v1/issuance-runs/prepare", operation_id = "prepareRun", tag = "operator",
    request_body = RunRequest, responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn prepare(
    State(state): State<HttpState>,
    call: Operated<Operating, RunRequest>,
) -> Answer<RunView> {
    call.about(&call.body.serial);
    let (serial, scope) = asked(&state, call.body).await?;
    view(&state, IssuanceCommand::Prepare { serial, scope, by: call.operator }).await
}

/// Approves a prepared run, whole or in part: it begins. Where the policy wants two persons, not by
/// whoever prepared it.
#[utoipa::path(
    post, path = "/admin/v1/issuance-runs/{no}/approve", operation_id = "approveRun",
    tag = "operator", params(("no" = u32, Path, description = "The run's number.")),
    request_body = ApproveRequest, responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn approve(
    State(state): State<HttpState>,
    call: Operated<Approving, ApproveRequest>,
) -> Answer<RunView> {
    let run = run_no(call.segment(1))?;
    call.about(format_args!("run {run}"));
    let scenes = scenes(&state, &call.body.scenes)?;
    let excluded = records(&state, &call.body.excluded).await?;
    view(&state, IssuanceCommand::Approve { run, scenes, excluded, by: call.operator }).await
}

/// Withdraws a prepared run: nothing comes of it, its records stay pending.
#[utoipa::path(
    post, path = "/admin/v1/issuance-runs/{no}/withdraw", operation_id = "withdrawRun",
    tag = "operator", params(("no" = u32, Path, description = "The run's number.")),
    request_body = NoFields, responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn withdraw(
    State(state): State<HttpState>,
    call: Operated<Approving, NoFields>,
) -> Answer<RunView> {
    let run = run_no(call.segment(1))?;
    call.about(format_args!("run {run}"));
    view(&state, IssuanceCommand::Withdraw { run, by: call.operator }).await
}

/// A run with its totals so far.
#[utoipa::path(
    get, path = "/admin/v1/issuance-runs/{no}", operation_id = "run", tag = "operator",
    params(("no" = u32, Path, description = "The run's number.")),
    responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn run(
    State(state): State<HttpState>,
    call: Looked<Viewing, Nothing>,
) -> Answer<RunView> {
    view(&state, IssuanceCommand::Look(Some(run_no(call.segment(1))?))).await
}

/// Which runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunsQuery {
    cursor: Option<String>,
    limit: Option<u16>,
}

/// All runs, newest first.
#[utoipa::path(
    get, path = "/admin/v1/issuance-runs", operation_id = "listRuns", tag = "operator",
    params(
        ("cursor" = Option<String>, Query, max_length = 200,
            description = "Where an earlier answer goes on."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Runs of a page."),
    ),
    responses((status = 200, body = Envelope<RunsView>)),
)]
pub async fn list(
    State(state): State<HttpState>,
    call: Looked<Viewing, RunsQuery>,
) -> Answer<RunsView> {
    let RunsQuery { cursor, limit } = call.query;
    let limit = lists::page_size(limit)?;
    let before: Option<RunNo> = lists::place(&state, "runs", NOBODY, cursor.as_deref())?;
    let found = match state.platform.issuance(IssuanceCommand::List { before, limit }).await? {
        IssuanceReply::Runs(found) => found,
        _ => return misfit(),
    };
    let more = (found.len() == limit).then(|| found.last().map(|run| run.no)).flatten();
    let mut runs = Vec::with_capacity(found.len());
    for run in found {
        runs.push(shown(&state, run).await?);
    }
    Ok(Data(RunsView { runs, cursor: lists::cursor(&state, "runs", NOBODY, more) }))
}

/// What a run would issue if it began now.
#[utoipa::path(
    get, path = "/admin/v1/issuance-runs/{no}/preview", operation_id = "previewRun",
    tag = "operator", params(("no" = u32, Path, description = "The run's number.")),
    responses((status = 200, body = Envelope<RunPreview>)),
)]
pub async fn preview(
    State(state): State<HttpState>,
    call: Looked<Viewing, Nothing>,
) -> Answer<RunPreview> {
    let run = run_no(call.segment(1))?;
    let found = match state.platform.issuance(IssuanceCommand::Look(Some(run))).await? {
        IssuanceReply::Run(found, _) => found,
        IssuanceReply::None => return Err(Fault::of_field(Reason::NotFound, "no")),
        IssuanceReply::Runs(_) => return misfit(),
    };
    let preview = state.platform.preview(found.scope).await?;
    let registry = state.platform.registry();
    let line = |((app, scene), line): (&(AppNo, SceneNo), _)| {
        let line: &carbon_actors::followers::previews::PreviewLine = line;
        Some(PreviewLine {
            app_id: registry.app(*app)?.id.clone(),
            scene: registry.scene(*scene)?.code.clone(),
            records: line.records,
            reduction_grams: line.grams,
            excluded_records: line.excluded,
        })
    };
    Ok(Data(RunPreview {
        run,
        accounts: preview.accounts,
        records: preview.lines.values().map(|line| line.records).sum(),
        reduction_grams: preview.lines.values().map(|line| line.grams).sum(),
        excluded_records: preview.lines.values().map(|line| line.excluded).sum(),
        lines: preview.lines.iter().filter_map(line).collect(),
    }))
}

fn run_no(text: &str) -> Result<RunNo, Fault> {
    let unknown = |_| Fault::of_field(Reason::NotFound, "no");
    text.parse::<u32>().map(RunNo).map_err(unknown)
}

async fn asked(state: &HttpState, request: RunRequest) -> Result<(Serial, Scope), Fault> {
    let scenes = scenes(state, &request.scenes)?;
    let excluded = records(state, &request.excluded).await?;
    Ok((request.serial, Scope { through: request.through, scenes, excluded }))
}

fn scenes(state: &HttpState, codes: &[SceneCode]) -> Result<Vec<SceneNo>, Fault> {
    if codes.len() > SCENES {
        let fault = Fault::of_field(Reason::TooManyItems, "scenes");
        return Err(fault.with(format!("at most {SCENES}")));
    }
    let registry = state.platform.registry();
    let number = |(place, code): (usize, &SceneCode)| {
        let unknown = || Fault::of_field(Reason::UnknownScene, format!("scenes[{place}]"));
        registry.scene_by_code(code).map(|scene| scene.no).ok_or_else(unknown)
    };
    codes.iter().enumerate().map(number).collect()
}

async fn view(state: &HttpState, command: IssuanceCommand) -> Answer<RunView> {
    match state.platform.issuance(command).await? {
        IssuanceReply::Run(run, _) => Ok(Data(shown(state, *run).await?)),
        IssuanceReply::None => Err(Fault::of_field(Reason::NotFound, "no")),
        IssuanceReply::Runs(_) => misfit(),
    }
}

async fn shown(state: &HttpState, run: Run) -> Result<RunView, Fault> {
    let totals = state.platform.run_totals(run.no).await?;
    let registry = state.platform.registry();
    let code = |no: &SceneNo| Some(registry.scene(*no)?.code.clone());
    let by = |signed: Option<Signed>| signed.map(|signed| signed.by);
    Ok(RunView {
        run: run.no,
        status: run.status(),
        serial: run.serial,
        through: run.scope.through,
        scenes: run.scope.scenes.iter().filter_map(code).collect(),
        excluded_records: run.scope.excluded.len() as u64,
        prepared_at: run.prepared.at,
        prepared_by: run.prepared.by,
        started_at: run.approved.as_ref().map(|signed| signed.at),
        approved_by: by(run.approved),
        withdrawn_by: by(run.withdrawn),
        finished_at: run.finished_at,
        accounts: run.accounts,
        records: totals.records,
        refused: totals.refused,
        reduction_grams: totals.grams,
        points: totals.points,
    })
}

/// The records behind what the operator names, in one question per application.
async fn records(state: &HttpState, excluded: &[ExcludedRecord]) -> Result<Vec<RecordRef>, Fault> {
    if excluded.len() > EXCLUDED {
        let fault = Fault::of_field(Reason::TooManyItems, "excluded");
        return Err(fault.with(format!("at most {EXCLUDED}")));
    }
    let mut by_app: BTreeMap<AppNo, Vec<(usize, Serial)>> = BTreeMap::new();
    for (place, record) in excluded.iter().enumerate() {
        let field = format!("excluded[{place}].appId");
        let app = app_of(state, record.app_id.as_str(), &field)?;
        by_app.entry(app).or_default().push((place, record.serial.clone()));
    }
    let mut found = HashMap::new();
    for (app, asked) in by_app {
        let serials = asked.iter().map(|(_, serial)| serial.clone()).collect();
        let find = IntakeCommand::FindRecords(serials);
        let records = match state.platform.intake(app, find).await? {
            IntakeReply::Records(records) => records,
            _ => return misfit(),
        };
        found.extend(asked.iter().map(|(place, _)| *place).zip(records));
    }
    let known = |place: usize| {
        let field = format!("excluded[{place}].serial");
        let record = found.get(&place).copied().flatten();
        record.ok_or_else(|| Fault::of_field(Reason::UnknownRecord, field))
    };
    (0..excluded.len()).map(known).collect()
}
