//! Operators, their keys, and the audit log: the administrator's own interfaces.

use axum::extract::State;
use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::contracts::operators::{
    AuditAct, AuditPage, EnrolRequest, NoFields, OperatorKey, OperatorView, OperatorsView,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::operators::{ActRef, OperatorsCommand, OperatorsReply};
use carbon_protocol::signature::sm3;
use carbon_protocol::{AppNo, OperatorId, Reason, Timestamp};
use serde::Deserialize;

use super::HttpState;
use super::declaring::Nothing;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::lists;
use super::operator::{Administering, Looked, Operated, Viewing};

/// Cursors of the operators' lists are no application's.
pub const NOBODY: AppNo = AppNo(0);

fn new_key() -> (String, [u8; 32]) {
    let key = hex::encode(rand::random::<[u8; 32]>());
    let digest = sm3(key.as_bytes());
    (key, digest)
}

async fn done(state: &HttpState, command: OperatorsCommand) -> Result<bool, Fault> {
    match state.platform.operators(command).await? {
        OperatorsReply::Done { replay } => Ok(replay),
        _ => misfit(),
    }
}

/// Enrols an operator; the key is drawn here and shown this once.
#[utoipa::path(
    post, path = "/admin/v1/operators", operation_id = "enrolOperator", tag = "operator",
    request_body = EnrolRequest, responses((status = 200, body = Envelope<OperatorKey>)),
)]
pub async fn enrol(
    State(state): State<HttpState>,
    call: Operated<Administering, EnrolRequest>,
) -> Answer<OperatorKey> {
    call.about(&call.body.id);
    let EnrolRequest { id, role } = call.body;
    let (key, key_sm3) = new_key();
    done(&state, OperatorsCommand::Enrol { id: id.clone(), role, key_sm3 }).await?;
    Ok(Data(OperatorKey { id, key }))
}

fn operator_of<T>(call: &Operated<Administering, T>) -> Result<OperatorId, Fault> {
    let unknown = |_| Fault::of_field(Reason::NotFound, "id");
    let id = OperatorId::parse(call.segment(1)).map_err(unknown)?;
    call.about(&id);
    Ok(id)
}

/// Gives an operator another key, shown this once; the old one ends at once.
#[utoipa::path(
    post, path = "/admin/v1/operators/{id}/rotate", operation_id = "rotateOperatorKey",
    tag = "operator", params(("id" = OperatorId, Path, description = "The operator.")),
    request_body = NoFields, responses((status = 200, body = Envelope<OperatorKey>)),
)]
pub async fn rotate(
    State(state): State<HttpState>,
    call: Operated<Administering, NoFields>,
) -> Answer<OperatorKey> {
    let id = operator_of(&call)?;
    let (key, key_sm3) = new_key();
    done(&state, OperatorsCommand::Rotate { id: id.clone(), key_sm3 }).await?;
    Ok(Data(OperatorKey { id, key }))
}

/// Ends an operator: their key opens nothing any more.
#[utoipa::path(
    post, path = "/admin/v1/operators/{id}/revoke", operation_id = "revokeOperator",
    tag = "operator", params(("id" = OperatorId, Path, description = "The operator.")),
    request_body = NoFields, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn revoke(
    State(state): State<HttpState>,
    call: Operated<Administering, NoFields>,
) -> Answer<Declared> {
    let id = operator_of(&call)?;
    let replay = done(&state, OperatorsCommand::Revoke { id }).await?;
    Ok(Data(Declared { replay }))
}

/// All operators.
#[utoipa::path(
    get, path = "/admin/v1/operators", operation_id = "listOperators", tag = "operator",
    responses((status = 200, body = Envelope<OperatorsView>)),
)]
pub async fn list(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<OperatorsView> {
    let OperatorsReply::View(all) = state.platform.operators(OperatorsCommand::Look).await? else {
        return misfit();
    };
    let operators = all.into_iter().map(|one| OperatorView {
        id: one.id,
        role: one.role,
        key_since: one.key_since,
        revoked: one.revoked,
    });
    Ok(Data(OperatorsView { operators: operators.collect() }))
}

/// Which acts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    operator: Option<OperatorId>,
    cursor: Option<String>,
    limit: Option<u16>,
}

/// The audit log: who did what when, and what came of it. Oldest first, by time and operator.
#[utoipa::path(
    get, path = "/admin/v1/audit", operation_id = "audit", tag = "operator",
    params(
        ("from" = Option<Timestamp>, Query, description = "Acts begun at this instant or later."),
        ("to" = Option<Timestamp>, Query, description = "Acts begun before this instant."),
        ("operator" = Option<OperatorId>, Query, description = "Of this operator only."),
        ("cursor" = Option<String>, Query, max_length = 200,
            description = "Where an earlier answer goes on."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Acts of a page."),
    ),
    responses((status = 200, body = Envelope<AuditPage>)),
)]
pub async fn audit(
    State(state): State<HttpState>,
    call: Looked<Viewing, AuditQuery>,
) -> Answer<AuditPage> {
    let AuditQuery { from, to, operator, cursor, limit } = call.query;
    let size = lists::page_size(limit)?;
    // A cursor belongs to the question it came of.
    let kind = format!("audit:{from:?}:{to:?}:{operator:?}");
    let after: Option<ActRef> = lists::place(&state, &kind, NOBODY, cursor.as_deref())?;
    let span = (from.unwrap_or(Timestamp(i64::MIN)), to.unwrap_or(Timestamp(i64::MAX)));
    if span.0 > span.1 {
        return Err(Fault::of_field(Reason::OutOfRange, "to").with("not before `from`"));
    }
    let found = state.platform.acts(operator, span, after, size).await?;
    let more = (found.len() == size).then(|| found.last().map(|(act, _)| *act)).flatten();
    let acts = found.into_iter().map(|(act, row)| AuditAct {
        number: act.number,
        time: act.at,
        operator: row.operator,
        act: row.what,
        about: row.about,
        request_id: row.request,
        outcome: row.outcome,
    });
    let acts = acts.collect();
    Ok(Data(AuditPage { acts, cursor: lists::cursor(&state, &kind, NOBODY, more) }))
}
