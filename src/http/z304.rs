//! 01.Z304 减排量批量报送: a batch of records for a durable receipt.

use std::collections::HashMap;

use axum::extract::State;
use carbon_actors::followers::models::{BatchPage, RowState};
use carbon_actors::machines::registry::Registry;
use carbon_protocol::behaviour::Behaviour;
use carbon_protocol::claims::{ClaimsCommand, ClaimsReply, ResourceRow};
use carbon_protocol::contracts::z304::{
    ROWS, Receipt, SubmitRecord, SubmitRequest, Verdict, VerdictStatus,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::intake::{Batch, CheckedRow, IntakeCommand, IntakeReply, RowVerdict};
use carbon_protocol::policy::Policy;
use carbon_protocol::signature::digest16;
use carbon_protocol::{AccountId, AppNo, Ccid, Grams, Reason, SceneNo, Timestamp};
use serde::Serialize;

use super::dictionaries::ByDay;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{SceneOnly, Signed};
use super::{HttpState, lists, pricing, scope};

/// 01.Z304 减排量批量报送: up to 1,000 records under one batch serial.
#[utoipa::path(
    post, path = "/api/v1/01/Z304", operation_id = "01.Z304", tag = "scene",
    request_body = SubmitRequest, responses((status = 200, body = Envelope<Receipt>)),
)]
pub async fn z304(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, SubmitRequest>,
) -> Answer<Receipt> {
    let (app, now, request) = (call.caller.no(), call.caller.now, call.body);
    lists::rows_within(request.records.len(), ROWS, "records")?;
    let ccids = request.records.iter().map(|record| record.ccid.clone()).collect();
    let accounts = scope::accounts(&state, app, ccids).await?;
    let digest = meaning(&request.records)?;
    let policy = state.platform.policy(now.day());
    let dictionaries = state.dictionaries.newest(&state).await?;
    let mut rows = {
        let registry = state.platform.registry();
        let bench =
            Bench { dictionaries: &dictionaries, registry: &registry, policy: &policy, app };
        let checked = request.records.iter().map(|record| bench.check(record, &accounts));
        checked.collect::<Result<Vec<CheckedRow>, Fault>>()?
    };
    claim(&state, app, now, &policy, &mut rows).await?;
    let batch = Batch { serial: request.batch_serial.clone(), digest, rows };
    let receipt = match state.platform.intake(app, IntakeCommand::Accept(batch)).await? {
        IntakeReply::Receipt(receipt) => receipt,
        _ => return misfit(),
    };
    let (received_at, verdicts) = if receipt.replay {
        let page = state.platform.batch(app, receipt.batch).await?;
        // What the intake acknowledged is in the read models, which were waited for.
        let Some(page) = page else { return misfit() };
        (page.at, first_verdicts(&page))
    } else {
        (now, receipt.verdicts)
    };
    let told = |(record, verdict): (&SubmitRecord, RowVerdict)| tell(record, verdict);
    let verdicts: Vec<Verdict> = request.records.iter().zip(verdicts).map(told).collect();
    let count = |status| verdicts.iter().filter(|verdict| verdict.status == status).count();
    let (received, refused) = (count(VerdictStatus::Received), count(VerdictStatus::Refused));
    Ok(Data(Receipt {
        batch_serial: request.batch_serial,
        replay: receipt.replay,
        // At most as many as a batch has rows.
        received: u32::try_from(received).unwrap_or(u32::MAX),
        refused: u32::try_from(refused).unwrap_or(u32::MAX),
        received_at,
        verdicts,
    }))
}

/// A digest of a record: what its serial stands for.
pub fn record_digest(record: &SubmitRecord) -> Result<[u8; 16], Fault> {
    meaning(&(&record.ccid, &record.scene, &record.behaviour, &record.reduction_grams))
}

/// A digest over what something means, however it was written.
fn meaning<T: Serialize + ?Sized>(content: &T) -> Result<[u8; 16], Fault> {
    match rmp_serde::to_vec(content) {
        Ok(bytes) => Ok(digest16(&bytes)),
        Err(error) => {
            tracing::error!(%error, "a request cannot be digested");
            misfit()
        }
    }
}

/// Where rows are checked.
struct Bench<'b> {
    dictionaries: &'b ByDay,
    registry: &'b Registry,
    policy: &'b Policy,
    app: AppNo,
}

impl Bench<'_> {
    fn check(
        &self,
        record: &SubmitRecord,
        accounts: &HashMap<Ccid, AccountId>,
    ) -> Result<CheckedRow, Fault> {
        let account = accounts.get(&record.ccid).copied();
        let (scene, grams, refused) = match self.price(record) {
            Ok((scene, grams)) if account.is_none() => (scene, grams, Some(Reason::UnknownCcid)),
            Ok((scene, grams)) => (scene, grams, self.compare(record.reduction_grams, grams)),
            Err((scene, reason)) => (scene, Grams::ZERO, Some(reason)),
        };
        Ok(CheckedRow {
            serial: record.serial.clone(),
            digest: record_digest(record)?,
            ccid: record.ccid.clone(),
            account,
            scene,
            behaviour: record.behaviour.clone(),
            claimed_grams: record.reduction_grams,
            grams,
            refused,
        })
    }

    fn price(
        &self,
        record: &SubmitRecord,
    ) -> Result<(Option<SceneNo>, Grams), (Option<SceneNo>, Reason)> {
        let scene = pricing::scene_of(self.registry, self.app, &record.scene)
            .map_err(|no| (None, no.reason))?;
        if !scene.kind.is_lit_from_its_app() {
            // Announced, or a project's: nobody can have lit it.
            return Err((Some(scene.no), Reason::SceneNotActive));
        }
        let priced = pricing::price(self.registry, self.dictionaries, &scene, &record.behaviour)
            .map_err(|no| (Some(scene.no), no.reason))?;
        Ok((Some(scene.no), priced.computed.grams))
    }

    fn compare(&self, claimed: Grams, computed: Grams) -> Option<Reason> {
        let apart = claimed.0.abs_diff(computed.0);
        (apart > self.policy.grams_tolerance).then_some(Reason::GramsMismatch)
    }
}

/// Claims the vehicles and households of rows that are good so far; who comes second is refused.
async fn claim(
    state: &HttpState,
    app: AppNo,
    now: Timestamp,
    policy: &Policy,
    rows: &mut [CheckedRow],
) -> Result<(), Fault> {
    let window = i32::from(policy.acceptance_days);
    let latest = now.plus_seconds(i64::from(policy.future_tolerance_seconds));
    let mut claimants = Vec::new();
    let mut wanted = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let has_resources =
            matches!(row.behaviour, Behaviour::ElectricCar(_) | Behaviour::Electricity(_));
        // Rows that the intake will refuse for their time must not take anything from others.
        let in_time = row.behaviour.span().1 <= latest
            && row.behaviour.day() >= now.day().plus(window.saturating_neg());
        if row.refused.is_some() || !has_resources || !in_time {
            continue;
        }
        let key = |name: String| u128::from_be_bytes(digest16(name.as_bytes()));
        claimants.push(place);
        wanted.push(ResourceRow {
            serial: row.serial.clone(),
            resources: row.behaviour.resources().into_iter().map(key).collect(),
            keep_until: row.behaviour.day().plus(window.saturating_add(1)),
        });
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let reserve = ClaimsCommand::Reserve { app, rows: wanted };
    let ClaimsReply(won) = state.platform.claims(reserve).await?;
    for (place, won) in claimants.into_iter().zip(won) {
        if let Some(row) = rows.get_mut(place).filter(|_| !won) {
            row.refused = Some(Reason::ResourceClaimed);
        }
    }
    Ok(())
}

/// The verdicts of the first time: what the account or a run said later is taken back.
fn first_verdicts(page: &BatchPage) -> Vec<RowVerdict> {
    let first = |state: RowState| match state {
        RowState::Replayed(record) => RowVerdict::Replayed(record),
        RowState::Refused { reason, run: None } if !is_said_later(reason) => {
            RowVerdict::Refused(reason)
        }
        _ => RowVerdict::Received,
    };
    page.rows.iter().map(|row| first(row.state)).collect()
}

/// Reasons that only an account gives; the door and the intake never do.
fn is_said_later(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SceneNotLit
            | Reason::DailyCapReached
            | Reason::TripAlreadyReported
            | Reason::AccountNotOpen
            | Reason::AccountClosed
            | Reason::ConsentRequired
            | Reason::Excluded
    )
}

fn tell(record: &SubmitRecord, verdict: RowVerdict) -> Verdict {
    let (status, reason) = match verdict {
        RowVerdict::Received => (VerdictStatus::Received, None),
        RowVerdict::Replayed(_) => (VerdictStatus::Replayed, None),
        RowVerdict::Refused(reason) => (VerdictStatus::Refused, Some(reason)),
    };
    Verdict { serial: record.serial.clone(), status, reason }
}
