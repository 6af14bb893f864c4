//! Books as operators see them: settlements of malls with their files, and the trial balance over
//! all accounts.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use carbon_actors::followers::settlements::SettlementLine;
use carbon_actors::machines::account::{GramsPlace, PointsPlace};
use carbon_protocol::contracts::admin::{SettlementDay, SettlementView};
use carbon_protocol::contracts::balances::{PlaceBalance, TrialBalanceView};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::policy::Cycle;
use carbon_protocol::signature::sm3;
use carbon_protocol::{AppId, Day, Month, Reason};
use serde::Deserialize;

use super::HttpState;
use super::declaring::{Nothing, app_of};
use super::exchange::{Answer, Data};
use super::fault::Fault;
use super::operator::{Looked, Viewing};

/// Most days of one settlement.
const DAYS: i32 = 366;
/// Most lines of a settlement file. A mall with more in a month settles by the day.
const LINES: usize = 1_000_000;

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
    call: Looked<Viewing, SettlementQuery>,
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

/// Which settlement file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileQuery {
    app_id: AppId,
    period: String,
}

/// The settlement file of a mall and a period that is over: CSV, one line a capture or refund, with
/// control totals and the SM3 of everything before in its last line. Asked for again, it is the
/// same to the byte.
#[utoipa::path(
    get, path = "/admin/v1/settlements/file", operation_id = "settlementFile", tag = "operator",
    params(
        ("appId" = AppId, Query, description = "The mall's application."),
        ("period" = String, Query, min_length = 7, max_length = 10,
            description = "A day (`2026-11-24`) or a month (`2026-11`), as the policy's settlement \
                           cycle says; over."),
    ),
    responses((status = 200, content_type = "text/csv", body = String,
        description = "Lines `H,carbon-settlement,1,<appId>,<first day>,<last day>`, then \
                       `L,<time>,<orderNo>,<serial>,CAPTURE|REFUND,<points>,<ccid>`, and \
                       `T,<captures>,<captured points>,<refunds>,<refunded points>,<net points>,\
                       <lines>,<SM3>`.")),
)]
pub async fn settlement_file(
    State(state): State<HttpState>,
    call: Looked<Viewing, FileQuery>,
) -> Result<Response, Fault> {
    let FileQuery { app_id, period } = call.query;
    let app = app_of(&state, app_id.as_str(), "appId")?;
    let days = period_of(&state, &period)?;
    let lines = state.platform.settlement_lines(app, days, LINES + 1).await?;
    if lines.len() > LINES {
        let fault = Fault::of_field(Reason::TooManyItems, "period");
        return Err(fault.with(format!("at most {LINES} lines: settle by the day")));
    }
    let file = file_of(&app_id, days, &lines).ok_or_else(|| Fault::from(Reason::OutOfRange))?;
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let name = format!("attachment; filename=\"settlement-{app_id}-{period}.csv\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The days of a period that is over, as the policy of its last day cuts time.
fn period_of(state: &HttpState, text: &str) -> Result<(Day, Day), Fault> {
    let bad = |what: &str| Fault::of_field(Reason::OutOfRange, "period").with(what);
    let days = match (text.parse::<Day>(), text.parse::<Month>()) {
        (Ok(day), _) => (day, day),
        (_, Ok(month)) => (month.first_day(), month.last_day()),
        _ => return Err(bad("a day (2026-11-24) or a month (2026-11)")),
    };
    let today = state.platform.now()?.day();
    let is_day = days.0 == days.1;
    match state.platform.policy(days.1.min(today)).settlement_cycle {
        Cycle::Day if !is_day => Err(bad("malls are settled by the day")),
        Cycle::Month if is_day => Err(bad("malls are settled by the month")),
        _ if days.1 >= today => Err(bad("the period is not over")),
        _ => Ok(days),
    }
}

/// The file; nothing where a total overflows.
fn file_of(app: &AppId, (from, to): (Day, Day), lines: &[SettlementLine]) -> Option<String> {
    use std::fmt::Write as _;
    let mut file = format!("H,carbon-settlement,1,{app},{from},{to}\n");
    let (mut captures, mut refunds) = ((0_u64, 0_u64), (0_u64, 0_u64));
    for line in lines {
        let SettlementLine { at, order, serial, ccid, refund, points } = line;
        let (totals, kind) =
            if *refund { (&mut refunds, "REFUND") } else { (&mut captures, "CAPTURE") };
        *totals = (totals.0.checked_add(1)?, totals.1.checked_add(points.0)?);
        // Names are of plain characters, without commas: nothing needs quoting.
        writeln!(file, "L,{at},{order},{serial},{kind},{points},{ccid}").ok()?;
    }
    let net = i128::from(captures.1) - i128::from(refunds.1);
    let digest = hex::encode(sm3(file.as_bytes()));
    let count = lines.len();
    let ((captures, captured), (refunds, refunded)) = (captures, refunds);
    writeln!(file, "T,{captures},{captured},{refunds},{refunded},{net},{count},{digest}").ok()?;
    Some(file)
}

/// The trial balance: the books of all accounts together, at one position of the journal. Reads
/// every account; one at a time.
#[utoipa::path(
    get, path = "/admin/v1/trial-balance", operation_id = "trialBalance", tag = "operator",
    responses((status = 200, body = Envelope<TrialBalanceView>)),
)]
pub async fn trial_balance(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<TrialBalanceView> {
    let time = state.platform.now()?;
    let balance = state.platform.trial_balance().await?;
    let checked = balance.check();
    if let Err(violation) = &checked {
        tracing::error!(%violation, "the trial balance does not balance");
    }
    let place = |name: String, balance: i128| {
        let balance = i64::try_from(balance).map_err(|_| Fault::from(Reason::OutOfRange))?;
        Ok(PlaceBalance { place: name.to_uppercase(), balance })
    };
    let grams = GramsPlace::ALL.iter().zip(balance.grams);
    let points = PointsPlace::ALL.iter().zip(balance.points);
    Ok(Data(TrialBalanceView {
        position: balance.position,
        time,
        accounts: balance.accounts,
        grams: grams
            .map(|(at, sum)| place(format!("{at:?}"), sum))
            .collect::<Result<_, Fault>>()?,
        points: points
            .map(|(at, sum)| place(format!("{at:?}"), sum))
            .collect::<Result<_, Fault>>()?,
        balanced: checked.is_ok(),
    }))
}
