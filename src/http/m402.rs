//! 02.Z402 积分信息查询 and 02.Z405 根据 authCode 获取用户信息.

use axum::extract::State;
use carbon_protocol::Reason;
use carbon_protocol::account::{AccountCommand, AccountReply, Look};
use carbon_protocol::contracts::m402::{Lot, PointsAnswer, PointsRequest};
use carbon_protocol::contracts::m405::{Visitor, VisitorRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::seal::{masked_name, masked_phone};

use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{MallOnly, Signed};
use super::{HttpState, scope};

/// Longest authCode.
const CODE_MAX: usize = 128;

/// 02.Z402 积分信息查询: points available, held, and by lot.
#[utoipa::path(
    post, path = "/api/v1/02/Z402", operation_id = "02.Z402", tag = "mall",
    request_body = PointsRequest, responses((status = 200, body = Envelope<PointsAnswer>)),
)]
pub async fn m402(
    State(state): State<HttpState>,
    call: Signed<MallOnly, PointsRequest>,
) -> Answer<PointsAnswer> {
    let citizen = scope::visitor(&state, &call.caller, &call.body.ccid).await?;
    let lots = citizen.summary.lots.iter();
    Ok(Data(PointsAnswer {
        ccid: call.body.ccid,
        available_points: citizen.summary.points.available,
        held_points: citizen.summary.points.held,
        owed_points: citizen.summary.points.owed,
        lots: lots.map(|lot| Lot { expires: lot.expires, points: lot.points }).collect(),
    }))
}

/// 02.Z405 根据 authCode 获取用户信息: who has just entered the mall; once.
#[utoipa::path(
    post, path = "/api/v1/02/Z405", operation_id = "02.Z405", tag = "mall",
    request_body = VisitorRequest, responses((status = 200, body = Envelope<Visitor>)),
)]
pub async fn m405(
    State(state): State<HttpState>,
    call: Signed<MallOnly, VisitorRequest>,
) -> Answer<Visitor> {
    let app = call.caller.no();
    let code = call.body.auth_code;
    let bad = || Fault::of_field(Reason::BadAuthCode, "authCode");
    if code.is_empty() || code.len() > CODE_MAX {
        return Err(Fault::of_field(Reason::OutOfRange, "authCode").with("1 to 128 characters"));
    }
    let ticket = state.auths.redeem_if(&code, |ticket| ticket.app == app).ok_or_else(bad)?;
    let citizen = scope::citizen(&state, &call.caller, &ticket.ccid).await?;
    let look = AccountCommand::Look(Look::Person);
    let view = match state.platform.account(ticket.account, look).await? {
        AccountReply::Person(view) => view,
        _ => return misfit(),
    };
    let person = state.platform.vault().open_person(&view.person)?;
    let person = person.ok_or_else(|| Fault::from(Reason::AccountClosed))?;
    Ok(Data(Visitor {
        ccid: ticket.ccid,
        partner_uid: citizen.link.partner_uid,
        masked_name: masked_name(&person.name),
        masked_phone: person.phone.as_deref().map(masked_phone),
    }))
}
