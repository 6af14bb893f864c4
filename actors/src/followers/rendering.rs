//! What is owed to a partner, as the contract's JSON: Z203 and Z305.

use carbon_protocol::account::{Consent, IssuedRecord};
use carbon_protocol::contracts::{z203, z305};
use carbon_protocol::courier::{Notice, NoticeBody, PushKind};
use carbon_protocol::{AppNo, Grams, Reason, RecordRef, RunNo, SceneCode, SceneNo, Serial};

use crate::followers::models::{self, BatchPage};
use crate::machines::registry::Registry;
use crate::ports::{Failure, Store};

/// The body of a push of some notices of one kind.
pub fn body(
    store: &dyn Store,
    registry: &Registry,
    app: AppNo,
    kind: PushKind,
    notices: &[Notice],
) -> Result<Vec<u8>, Failure> {
    let mut pages = Pages { store, app, last: None };
    let code = kind.code().to_owned();
    let encoded = match kind {
        PushKind::Authorization => {
            let items = notices.iter().map(|notice| authorization(registry, notice));
            let items = items.collect::<Result<_, Failure>>()?;
            serde_json::to_vec(&z203::AuthorizationPush { kind: code, items })
        }
        PushKind::Issuance => {
            let items = notices.iter().map(|notice| issuance(&mut pages, registry, notice));
            let items = items.collect::<Result<_, Failure>>()?;
            serde_json::to_vec(&z305::IssuancePush { kind: code, items })
        }
    };
    encoded.map_err(|error| Failure::Store(error.to_string()))
}

fn authorization(registry: &Registry, notice: &Notice) -> Result<z203::AuthorizationItem, Failure> {
    use z203::AuthorizationStatus::{Lit, Revoked};
    let (scene, status, consents) = match &notice.body {
        NoticeBody::SceneLit { scene, consents } => (Some(*scene), Lit, consents.as_slice()),
        NoticeBody::SceneRevoked { scene, .. } => (Some(*scene), Revoked, &[][..]),
        NoticeBody::MallUnlinked { .. } => (None, Revoked, &[][..]),
        other => return Err(misplaced(other)),
    };
    Ok(z203::AuthorizationItem {
        event_id: notice.id.to_string(),
        sequence: notice.sequence,
        ccid: notice.ccid.clone(),
        partner_uid: notice.partner_uid.clone(),
        scene: scene.map(|scene| code(registry, scene)).transpose()?,
        status,
        agreements: agreements(registry, consents)?,
        time: notice.at,
    })
}

/// Consents as contracts show them.
fn agreements(
    registry: &Registry,
    consents: &[Consent],
) -> Result<Vec<z203::AgreementRef>, Failure> {
    let shown = |consent: &Consent| {
        let missing = || Failure::Store(format!("text {} is not published", consent.text));
        let text = registry.text(consent.text).ok_or_else(missing)?;
        Ok(z203::AgreementRef::to(text, consent.at))
    };
    consents.iter().map(shown).collect()
}

fn issuance(
    pages: &mut Pages<'_>,
    registry: &Registry,
    notice: &Notice,
) -> Result<z305::IssuanceItem, Failure> {
    use z305::IssuedStatus::{Corrected, Issued, Refused, Voided};
    let mut records = Vec::new();
    let run: Option<RunNo> = match &notice.body {
        NoticeBody::Issued { run, issued, refused } => {
            for IssuedRecord { record, scene, grams, .. } in issued {
                records.push(pages.record(registry, *record, *scene, Issued, *grams, None)?);
            }
            for IssuedRecord { record, scene, .. } in refused {
                let why = Some(Reason::Excluded);
                records.push(pages.record(registry, *record, *scene, Refused, Grams(0), why)?);
            }
            Some(*run)
        }
        NoticeBody::RecordRefused { record, scene, reason } => {
            let why = Some(*reason);
            records.push(pages.record(registry, *record, *scene, Refused, Grams(0), why)?);
            None
        }
        NoticeBody::RecordAmended { record, original, scene, void, grams } => {
            let status = if *void { Voided } else { Corrected };
            let told = pages.record(registry, *record, *scene, status, *grams, None)?;
            let (amends, _) = pages.serials(*original)?;
            records.push(z305::IssuedRecord { amends: Some(amends), ..told });
            None
        }
        other => return Err(misplaced(other)),
    };
    Ok(z305::IssuanceItem {
        event_id: notice.id.to_string(),
        sequence: notice.sequence,
        ccid: notice.ccid.clone(),
        partner_uid: notice.partner_uid.clone(),
        run,
        serial_block: run.map(|run| format!("{run}-{}", notice.id)),
        records,
        time: notice.at,
    })
}

/// Batches by number; the last one is kept, because records of one come together.
struct Pages<'s> {
    store: &'s dyn Store,
    app: AppNo,
    last: Option<BatchPage>,
}

impl Pages<'_> {
    fn record(
        &mut self,
        registry: &Registry,
        record: RecordRef,
        scene: SceneNo,
        status: z305::IssuedStatus,
        reduction_grams: Grams,
        reason: Option<Reason>,
    ) -> Result<z305::IssuedRecord, Failure> {
        let (serial, batch_serial) = self.serials(record)?;
        let scene = code(registry, scene)?;
        Ok(z305::IssuedRecord {
            serial,
            batch_serial,
            scene,
            status,
            reduction_grams,
            amends: None,
            reason,
        })
    }

    fn serials(&mut self, record: RecordRef) -> Result<(Serial, Serial), Failure> {
        if self.last.as_ref().is_none_or(|page| page.batch != record.batch) {
            self.last = models::batch(self.store, self.app, record.batch)?;
        }
        let page = self.last.as_ref();
        let row = page.and_then(|page| Some((page.rows.get(usize::from(record.row))?, page)));
        let missing = || Failure::Store(format!("batch {} is not in the store", record.batch));
        row.map(|(row, page)| (row.serial.clone(), page.serial.clone())).ok_or_else(missing)
    }
}

fn code(registry: &Registry, scene: SceneNo) -> Result<SceneCode, Failure> {
    let missing = || Failure::Store(format!("scene {scene} is not declared"));
    registry.scene(scene).map(|scene| scene.code.clone()).ok_or_else(missing)
}

fn misplaced(body: &NoticeBody) -> Failure {
    Failure::Store(format!("a notice of {:?} lies in another feed", body.kind()))
}
