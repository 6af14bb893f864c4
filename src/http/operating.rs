//! The operator's runs and look-ups: issuance (签发), pushes, settlements.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use carbon_protocol::contracts::admin::{
    ExcludedRecord, PushesView, RunRequest, RunView, SettlementDay, SettlementView,
};
use carbon_protocol::courier::{CourierCommand, CourierReply};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::intake::{IntakeCommand, IntakeReply};
use carbon_protocol::issuance::{IssuanceCommand, IssuanceReply, Run};
use carbon_protocol::{AppId, AppNo, Day, Reason, RecordRef, RunNo, Serial};
use serde::Deserialize;

use super::HttpState;
use super::declaring::{Nothing, app_of};
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::operator::{Looked, Operated};
use super::z601::address_of;

/// Most scenes that one run names.
const SCENES: usize = 200;
/// Most records that one run refuses.
const EXCLUDED: usize = 1000;
/// Most days of one settlement.
const DAYS: i32 = 366;

/// Starts an issuance run; the same serial again answers the same run.
#[utoipa::path(
    post, path = "/admin/v1/issuance-runs", operation_id = "startRun", tag = "operator",
    request_body = RunRequest, responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn start_run(
    State(state): State<HttpState>,
    call: Operated<RunRequest>,
) -> Answer<RunView> {
    let request = call.body;
    let registry = state.platform.registry();
    let mut scenes = Vec::new();
    if request.scenes.len() > SCENES {
        let fault = Fault::of_field(Reason::TooManyItems, "scenes");
        return Err(fault.with(format!("at most {SCENES}")));
    }
    for (place, code) in request.scenes.iter().enumerate() {
        let unknown = || Fault::of_field(Reason::UnknownScene, format!("scenes[{place}]"));
        scenes.push(registry.scene_by_code(code).ok_or_else(unknown)?.no);
    }
    let excluded = records(&state, &request.excluded).await?;
    let command = IssuanceCommand::Start {
        serial: request.serial,
        through: request.through,
        scenes,
        excluded,
    };
    view(&state, command).await
}

/// A run with its totals so far.
#[utoipa::path(
    get, path = "/admin/v1/issuance-runs/{no}", operation_id = "run", tag = "operator",
    params(("no" = u32, Path, description = "The run's number.")),
    responses((status = 200, body = Envelope<RunView>)),
)]
pub async fn run(State(state): State<HttpState>, call: Looked<Nothing>) -> Answer<RunView> {
    let unknown = || Fault::of_field(Reason::NotFound, "no");
    let no = call.segment(1).parse::<u32>().map_err(|_| unknown())?;
    view(&state, IssuanceCommand::Look(Some(RunNo(no)))).await
}

async fn view(state: &HttpState, command: IssuanceCommand) -> Answer<RunView> {
    let run: Box<Run> = match state.platform.issuance(command).await? {
        IssuanceReply::Run(run, _) => run,
        IssuanceReply::None => return Err(Fault::of_field(Reason::NotFound, "no")),
    };
    let totals = state.platform.run_totals(run.no).await?;
    Ok(Data(RunView {
        run: run.no,
        serial: run.serial,
        through: run.through,
        started_at: run.started_at,
        finished_at: run.finished_at,
        accounts: run.accounts,
        records: totals.records,
        refused: totals.refused,
        reduction_grams: totals.grams,
        points: totals.points,
    }))
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

/// Which application's pushes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushesQuery {
    app_id: AppId,
}

/// How pushes to an application go.
#[utoipa::path(
    get, path = "/admin/v1/pushes", operation_id = "pushes", tag = "operator",
    params(("appId" = AppId, Query, description = "The application.")),
    responses((status = 200, body = Envelope<PushesView>)),
)]
pub async fn pushes(
    State(state): State<HttpState>,
    call: Looked<PushesQuery>,
) -> Answer<PushesView> {
    let app_id = call.query.app_id;
    let app = app_of(&state, app_id.as_str(), "appId")?;
    match state.platform.courier(app, CourierCommand::Look).await? {
        CourierReply::View(lanes) => {
            Ok(Data(PushesView { app_id, kinds: lanes.iter().map(address_of).collect() }))
        }
        CourierReply::Done => misfit(),
    }
}

/// Which mall's settlement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettlementQuery {
    app_id: AppId,
    from: Day,
    to: Day,
}

/// Settlement totals of a mall by day.
#[utoipa::path(
    get, path = "/admin/v1/settlements", operation_id = "settlements", tag = "operator",
    params(
        ("appId" = AppId, Query, description = "The mall's application."),
        ("from" = Day, Query, description = "First day."),
        ("to" = Day, Query, description = "Last day; a year at most."),
    ),
    responses((status = 200, body = Envelope<SettlementView>)),
)]
pub async fn settlements(
    State(state): State<HttpState>,
    call: Looked<SettlementQuery>,
) -> Answer<SettlementView> {
    let SettlementQuery { app_id, from, to } = call.query;
    let app = app_of(&state, app_id.as_str(), "appId")?;
    if to < from || to > from.plus(DAYS) {
        let fault = Fault::of_field(Reason::OutOfRange, "to");
        return Err(fault.with(format!("from `from` to {DAYS} days later")));
    }
    let found = state.platform.settlement(app, from, to).await?;
    let days = found.into_iter().map(|(day, totals)| SettlementDay {
        day,
        captured_points: totals.captured,
        refunded_points: totals.refunded,
        orders: totals.orders,
        refunds: totals.refunds,
    });
    let days: Vec<SettlementDay> = days.collect();
    let net = days.iter().try_fold(0_i64, |net, day| {
        let captured = i64::try_from(day.captured_points.0).ok()?;
        let refunded = i64::try_from(day.refunded_points.0).ok()?;
        net.checked_add(captured)?.checked_sub(refunded)
    });
    let net_points = net.ok_or_else(|| Fault::from(Reason::OutOfRange))?;
    Ok(Data(SettlementView { app_id, days, net_points }))
}
