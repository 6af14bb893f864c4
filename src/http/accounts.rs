//! One citizen's account as operators may see it, and its closing (销户). Whose it is comes in a
//! body; the audit log names the account by its shortened hash, never the person.

use axum::extract::State;
use carbon_protocol::account::{AccountCommand, AccountReply, ClosedBy, Look, Summary};
use carbon_protocol::contracts::accounts::{
    AccountClosed, AccountRequest, AccountScene, AccountStatus, AccountView,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::seal::{masked_id_no, masked_name, masked_phone};
use carbon_protocol::{AccountId, AppId, AppNo, Reason};

use super::declaring::app_of;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::operator::{Approving, Operated, Operating};
use super::{HttpState, scope};

/// Longest ID number.
const ID_NO_MAX: usize = 32;

/// Looks a citizen's account up by ID number or pseudonym; the answer is masked.
#[utoipa::path(
    post, path = "/admin/v1/accounts/look-up", operation_id = "lookUpAccount", tag = "operator",
    request_body = AccountRequest, responses((status = 200, body = Envelope<AccountView>)),
)]
pub async fn look_up(
    State(state): State<HttpState>,
    call: Operated<Operating, AccountRequest>,
) -> Answer<AccountView> {
    let account = account_of(&state, &call.body).await?;
    call.about(format_args!("{account:?}"));
    Ok(Data(shown(&state, account).await?))
}

/// An account with what identifies the person masked.
async fn shown(state: &HttpState, account: AccountId) -> Result<AccountView, Fault> {
    let summary = scope::summary(state, account).await?;
    if !summary.open && summary.closed_at.is_none() {
        return Err(Reason::AccountNotOpen.into());
    }
    let person = match state.platform.account(account, AccountCommand::Look(Look::Person)).await {
        Ok(AccountReply::Person(view)) => state.platform.vault().open_person(&view.person)?,
        Ok(_) => return misfit(),
        Err(refusal) => match Fault::from(refusal) {
            closed if closed.rejection.reason == Reason::AccountClosed => None,
            other => return Err(other),
        },
    };
    let masked = person.as_ref();
    let registry = state.platform.registry();
    let id = |no: AppNo| -> Option<AppId> { Some(registry.app(no)?.id.clone()) };
    let lit = summary
        .scenes
        .iter()
        .filter(|scene| scene.periods.last().is_some_and(|period| period.to.is_none()));
    let lit = lit.filter_map(|scene| {
        let code = registry.scene(scene.scene)?.code.clone();
        Some(AccountScene { app_id: id(scene.app)?, scene: code })
    });
    let malls = summary.links.iter().filter(|link| link.mall_linked);
    Ok(AccountView {
        account: format!("{account:?}"),
        status: status(&summary),
        opened_at: summary.opened_at,
        closed_at: summary.closed_at,
        masked_name: masked.map(|person| masked_name(&person.name)),
        masked_id_no: masked.map(|person| masked_id_no(&person.id_no)),
        masked_phone: masked.and_then(|person| person.phone.as_deref()).map(masked_phone),
        lit_scenes: lit.collect(),
        linked_malls: malls.filter_map(|link| id(link.app)).collect(),
        pending_grams: summary.grams.pending,
        issued_grams: summary.grams.issued,
        available_points: summary.points.available,
        held_points: summary.points.held,
        redeemed_points: summary.points.redeemed,
        expired_points: summary.points.expired,
        voided_points: summary.points.voided,
        next_expiry: summary.lots.first().map(|lot| lot.expires),
    })
}

/// Closes a citizen's account (销户): consents end and are told to partners, what is pending is
/// refused, points end, the person is erased, the ledger stays.
#[utoipa::path(
    post, path = "/admin/v1/accounts/close", operation_id = "closeAccount", tag = "operator",
    request_body = AccountRequest, responses((status = 200, body = Envelope<AccountClosed>)),
)]
pub async fn close(
    State(state): State<HttpState>,
    call: Operated<Approving, AccountRequest>,
) -> Answer<AccountClosed> {
    let account = account_of(&state, &call.body).await?;
    call.about(format_args!("{account:?}"));
    let replay = state.platform.close(account, ClosedBy::Operator).await?;
    Ok(Data(AccountClosed { replay, account: shown(&state, account).await? }))
}

fn status(summary: &Summary) -> AccountStatus {
    match (summary.closed_at, summary.erased) {
        (None, _) => AccountStatus::Open,
        (Some(_), false) => AccountStatus::Closed,
        (Some(_), true) => AccountStatus::Erased,
    }
}

async fn account_of(state: &HttpState, request: &AccountRequest) -> Result<AccountId, Fault> {
    match (&request.id_no, &request.app_id, &request.ccid) {
        (Some(id_no), None, None) => {
            let length = id_no.chars().count();
            if length == 0 || length > ID_NO_MAX {
                let fault = Fault::of_field(Reason::OutOfRange, "idNo");
                return Err(fault.with(format!("1 to {ID_NO_MAX} characters")));
            }
            Ok(state.platform.vault().account_of(id_no)?)
        }
        (None, Some(app_id), Some(ccid)) => {
            let app = app_of(state, app_id.as_str(), "appId")?;
            let account = scope::account_of(state, app, ccid).await?;
            let summary = scope::summary(state, account).await?;
            let own = summary.links.iter().any(|link| link.app == app && link.ccid == *ccid);
            own.then_some(account).ok_or_else(scope::unknown_ccid)
        }
        _ => Err(Fault::from(Reason::Malformed).with("idNo, or appId and ccid")),
    }
}
