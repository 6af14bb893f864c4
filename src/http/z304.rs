//! 01.Z304 减排量批量报送: a batch of records for a durable receipt.

use std::collections::HashMap;

use axum::extract::State;
use carbon_actors::followers::batches::{BatchPage, RowState};
use carbon_actors::machines::registry::Registry;
use carbon_protocol::behaviour::Behaviour;
use carbon_protocol::claims::{ClaimsCommand, ClaimsReply, ResourceRow};
use carbon_protocol::contracts::z304::{
    ROWS, Receipt, SubmitRecord, SubmitRequest, Verdict, VerdictStatus, VoidRecord,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::intake::{Batch, CheckedRow, IntakeCommand, IntakeReply, RowVerdict};
use carbon_protocol::policy::Policy;
use carbon_protocol::signature::digest16;
use carbon_protocol::{AccountId, AppNo, Ccid, Grams, Reason, SceneNo, Serial, Timestamp};
use serde::Serialize;

use super::dictionaries::ByDay;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{SceneOnly, Signed};
use super::pricing::{self, Priced};
use super::{HttpState, lists, scope};

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
    lists::rows_within(request.records.len().saturating_add(request.voids.len()), ROWS, "records")?;
    // Before anything is spent on it: who is put off comes again, when there is the most to do.
    state.platform.room_for_batches()?;
    let of_voids = request.voids.iter().map(|void| void.ccid.clone());
    let ccids = request.records.iter().map(|record| record.ccid.clone()).chain(of_voids).collect();
    let accounts = scope::accounts(&state, app, ccids).await?;
    let policy = state.platform.policy(now.day());
    let dictionaries = state.dictionaries.newest(&state).await?;
    let (mut rows, negative): (Vec<CheckedRow>, Vec<bool>) = {
        let registry = state.platform.registry();
        let bench =
            Bench { dictionaries: &dictionaries, registry: &registry, policy: &policy, app };
        let checked = request.records.iter().map(|record| bench.check(record, &accounts));
        let voids = request.voids.iter().map(|void| bench.check_void(void, &accounts));
        let voids = voids.map(|row| Ok((row?, false)));
        checked.chain(voids).collect::<Result<_, Fault>>()?
    };
    // What the rows mean, under which serials: they are digested already.
    let digest = meaning(&rows.iter().map(|row| (&row.serial, &row.digest)).collect::<Vec<_>>())?;
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
    let serials = request.records.into_iter().map(|record| record.serial);
    let serials = serials.chain(request.voids.into_iter().map(|void| void.serial));
    let told = serials.zip(verdicts).zip(negative);
    let verdicts: Vec<Verdict> = told
        .map(|((serial, verdict), negative)| Verdict { negative, ..tell(serial, verdict) })
        .collect();
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
    let SubmitRecord { ccid, scene, behaviour, reduction_grams, corrects, .. } = record;
    meaning(&(ccid, scene, behaviour, reduction_grams, corrects))
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
    ) -> Result<(CheckedRow, bool), Fault> {
        let account = accounts.get(&record.ccid).copied();
        let mut negative = false;
        let (scene, grams, priced_by, refused) = match self.price(record) {
            Ok((scene, Priced { computed, by, .. })) => {
                negative = computed.negative;
                let refused = match account {
                    Some(_) => self.compare(record.reduction_grams, computed.grams),
                    None => Some(Reason::UnknownCcid),
                };
                (Some(scene), computed.grams, Some(by), refused)
            }
            Err((scene, reason)) => (scene, Grams::ZERO, None, Some(reason)),
        };
        let row = CheckedRow {
            serial: record.serial.clone(),
            digest: record_digest(record)?,
            ccid: record.ccid.clone(),
            account,
            scene,
            behaviour: Some(record.behaviour.clone()),
            amends: record.corrects.clone(),
            claimed_grams: record.reduction_grams,
            grams,
            priced_by,
            refused,
        };
        Ok((row, negative))
    }

    fn check_void(
        &self,
        void: &VoidRecord,
        accounts: &HashMap<Ccid, AccountId>,
    ) -> Result<CheckedRow, Fault> {
        let account = accounts.get(&void.ccid).copied();
        let scene = pricing::scene_of(self.registry, self.app, &void.scene);
        let refused = match &scene {
            Err(no) => Some(no.reason),
            Ok(_) => account.is_none().then_some(Reason::UnknownCcid),
        };
        Ok(CheckedRow {
            serial: void.serial.clone(),
            digest: meaning(&(&void.ccid, &void.scene, &void.voids))?,
            ccid: void.ccid.clone(),
            account,
            scene: scene.ok().map(|scene| scene.no),
            behaviour: None,
            amends: Some(void.voids.clone()),
            claimed_grams: Grams::ZERO,
            grams: Grams::ZERO,
            priced_by: None,
            refused,
        })
    }

    fn price(&self, record: &SubmitRecord) -> Result<(SceneNo, Priced), (Option<SceneNo>, Reason)> {
        let scene = pricing::scene_of(self.registry, self.app, &record.scene)
            .map_err(|no| (None, no.reason))?;
        if !scene.kind.is_lit_from_its_app() {
            // Announced, or a project's: nobody can have lit it.
            return Err((Some(scene.no), Reason::SceneNotActive));
        }
        let priced = pricing::price(self.registry, self.dictionaries, &scene, &record.behaviour)
            .map_err(|no| (Some(scene.no), no.reason))?;
        Ok((scene.no, priced))
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
    let latest = now.plus_seconds(i64::from(policy.future_tolerance_seconds));
    let mut claimants = Vec::new();
    let mut wanted = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        // A void claims nothing, and gives nothing back.
        let Some(behaviour) = &row.behaviour else { continue };
        let has_resources =
            matches!(behaviour, Behaviour::ElectricCar(_) | Behaviour::Electricity(_));
        let window = match row.amends {
            Some(_) => i32::from(policy.correction_days),
            None => i32::from(policy.acceptance_days),
        };
        // Rows that the intake will refuse for their time must not take anything from others.
        let in_time = behaviour.span().1 <= latest
            && behaviour.day() >= now.day().plus(window.saturating_neg());
        if row.refused.is_some() || !has_resources || !in_time {
            continue;
        }
        let key = |name: String| u128::from_be_bytes(digest16(name.as_bytes()));
        claimants.push(place);
        wanted.push(ResourceRow {
            // What the original has claimed is the correction's, too.
            serial: row.amends.as_ref().unwrap_or(&row.serial).clone(),
            resources: behaviour.resources().into_iter().map(key).collect(),
            keep_until: behaviour.day().plus(i32::from(policy.remembered_days()).saturating_add(1)),
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
            | Reason::NotAmendable
            | Reason::AmendmentMismatch
    )
}

fn tell(serial: Serial, verdict: RowVerdict) -> Verdict {
    let (status, reason) = match verdict {
        RowVerdict::Received => (VerdictStatus::Received, None),
        RowVerdict::Replayed(_) => (VerdictStatus::Replayed, None),
        RowVerdict::Refused(reason) => (VerdictStatus::Refused, Some(reason)),
    };
    Verdict { serial, status, reason, negative: false }
}
