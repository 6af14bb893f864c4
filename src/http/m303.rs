//! 02.Z303 订单结算: an action on an order, definite or refused, the same for the same serial.

use axum::extract::State;
use carbon_protocol::account::{AccountCommand, AccountReply, OrderAction, OrderCommand};
use carbon_protocol::contracts::m303::{OrderAnswer, OrderRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::signature::digest8;
use carbon_protocol::{Points, Reason};

use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{MallOnly, Signed};
use super::{HttpState, scope};

/// 02.Z303 订单结算: FREEZE, CONFIRM, CANCEL, PAY or REFUND.
#[utoipa::path(
    post, path = "/api/v1/02/Z303", operation_id = "02.Z303", tag = "mall",
    request_body = OrderRequest, responses((status = 200, body = Envelope<OrderAnswer>)),
)]
pub async fn m303(
    State(state): State<HttpState>,
    call: Signed<MallOnly, OrderRequest>,
) -> Answer<OrderAnswer> {
    let (app, request) = (call.caller.no(), call.body);
    check_points(&request)?;
    let account = scope::account_of(&state, app, &request.ccid).await?;
    let command = OrderCommand {
        app,
        ccid: request.ccid.clone(),
        order: request.order_no.clone(),
        serial: request.serial.clone(),
        action: request.action,
        points: request.points,
        digest: meaning(&request),
    };
    let reply = state.platform.account(account, AccountCommand::Order(command)).await;
    let reply = match reply.map_err(|refusal| named(Fault::from(refusal)))? {
        AccountReply::Order(reply) => reply,
        _ => return misfit(),
    };
    if let Some(reason) = reply.refused {
        let fault = named(Fault::from(reason)).remembered();
        return Err(match reason {
            Reason::InsufficientPoints => {
                fault.with(format!("availablePoints: {}", reply.available))
            }
            _ => fault,
        });
    }
    let Some(order) = reply.order else { return misfit() };
    Ok(Data(OrderAnswer {
        order_no: request.order_no,
        replay: reply.replay,
        status: order.status,
        held_points: order.held,
        captured_points: order.captured,
        refunded_points: order.refunded,
        lapses: order.lapses,
        available_points: reply.available,
    }))
}

/// What can never be right is refused before it is remembered.
fn check_points(request: &OrderRequest) -> Result<(), Fault> {
    let field = "points";
    match (request.action, request.points) {
        (_, Some(Points(0))) => Err(Fault::of_field(Reason::OutOfRange, field).with("at least 1")),
        (OrderAction::Freeze | OrderAction::Pay, None) => {
            Err(Fault::of_field(Reason::Malformed, field).with("FREEZE and PAY need points"))
        }
        _ => Ok(()),
    }
}

/// Names the field that a reason of the account speaks of.
fn named(mut fault: Fault) -> Fault {
    let field = match fault.rejection.reason {
        Reason::UnknownCcid | Reason::AccountNotOpen => return scope::unknown_ccid(),
        Reason::SerialConflict => "serial",
        Reason::UnknownOrder | Reason::OrderState => "orderNo",
        Reason::InsufficientPoints | Reason::RefundTooLarge | Reason::OutOfRange => "points",
        _ => return fault,
    };
    fault.rejection.field.get_or_insert_with(|| field.into());
    fault
}

/// A digest over what the request means, however it was written.
fn meaning(request: &OrderRequest) -> u64 {
    let action = match request.action {
        OrderAction::Freeze => "FREEZE",
        OrderAction::Confirm => "CONFIRM",
        OrderAction::Cancel => "CANCEL",
        OrderAction::Pay => "PAY",
        OrderAction::Refund => "REFUND",
    };
    let points = request.points.map(|points| points.to_string()).unwrap_or_default();
    let OrderRequest { order_no, ccid, .. } = request;
    digest8(format!("{action}\n{order_no}\n{ccid}\n{points}").as_bytes())
}
