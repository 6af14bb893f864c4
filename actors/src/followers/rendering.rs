//! What is owed to a partner, as the contract's JSON: Z203, Z305, Z503 and Z404.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use carbon_protocol::account::{BillEntry, Consent, IssuedRecord};
use carbon_protocol::contracts::feed::PulledEvent;
use carbon_protocol::contracts::{m403, m404, z203, z305, z502, z503};
use carbon_protocol::courier::{Notice, NoticeBody, PushKind};
use carbon_protocol::{AppNo, Grams, Reason, RecordRef, RunNo, SceneCode, SceneNo, Serial};

use crate::followers::batches;
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
    let mut pages = Pages { store, app, batches: BTreeMap::new() };
    let code = kind.code().to_owned();
    let encoded = match kind {
        PushKind::Authorization => {
            let items = each(notices, |notice| authorization(registry, notice))?;
            serde_json::to_vec(&z203::AuthorizationPush { kind: code, items })
        }
        PushKind::Issuance => {
            let items = each(notices, |notice| issuance(&mut pages, registry, notice))?;
            serde_json::to_vec(&z305::IssuancePush { kind: code, items })
        }
        PushKind::GramsBill => {
            let items = each(notices, |notice| grams_bill(&mut pages, registry, notice))?;
            serde_json::to_vec(&z503::BillPush { kind: code, items })
        }
        PushKind::PointsBill => {
            let items = each(notices, |notice| points_bill(app, notice))?;
            serde_json::to_vec(&m404::PointsBillPush { kind: code, items })
        }
    };
    encoded.map_err(|error| Failure::Store(error.to_string()))
}

fn each<T>(
    notices: &[Notice],
    item: impl FnMut(&Notice) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    notices.iter().map(item).collect()
}

/// Notices as an application pulls them.
pub fn pulled(
    store: &dyn Store,
    registry: &Registry,
    app: AppNo,
    notices: &[Notice],
) -> Result<Vec<PulledEvent>, Failure> {
    let mut pages = Pages { store, app, batches: BTreeMap::new() };
    each(notices, |notice| {
        Ok(match notice.body.kind() {
            PushKind::Authorization => PulledEvent::Authorization(authorization(registry, notice)?),
            PushKind::Issuance => PulledEvent::Issuance(issuance(&mut pages, registry, notice)?),
            PushKind::GramsBill => {
                PulledEvent::GramsBill(grams_bill(&mut pages, registry, notice)?)
            }
            PushKind::PointsBill => PulledEvent::PointsBill(points_bill(app, notice)?),
        })
    })
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

fn grams_bill(
    pages: &mut Pages<'_>,
    registry: &Registry,
    notice: &Notice,
) -> Result<z503::BillItem, Failure> {
    let NoticeBody::GramsBooked(entries) = &notice.body else {
        return Err(misplaced(&notice.body));
    };
    let mut line = |entry: &BillEntry| {
        let scene = entry.scene.map(|scene| code(registry, scene)).transpose()?;
        let serial = entry.record.map(|record| pages.serials(record)).transpose()?;
        Ok(z502::BillLine::of(entry, scene, serial.map(|(serial, _)| serial)))
    };
    Ok(z503::BillItem {
        event_id: notice.id.to_string(),
        sequence: notice.sequence,
        ccid: notice.ccid.clone(),
        partner_uid: notice.partner_uid.clone(),
        entries: entries.iter().map(&mut line).collect::<Result<_, Failure>>()?,
        time: notice.at,
    })
}

fn points_bill(mall: AppNo, notice: &Notice) -> Result<m404::PointsBillItem, Failure> {
    let NoticeBody::PointsBooked(entries) = &notice.body else {
        return Err(misplaced(&notice.body));
    };
    let line = |entry: &BillEntry| m403::PointsLine::of(entry.clone(), mall);
    Ok(m404::PointsBillItem {
        event_id: notice.id.to_string(),
        sequence: notice.sequence,
        ccid: notice.ccid.clone(),
        partner_uid: notice.partner_uid.clone(),
        entries: entries.iter().map(line).collect(),
        time: notice.at,
    })
}

/// Records by reference, with the serials of their batches.
struct Pages<'s> {
    store: &'s dyn Store,
    app: AppNo,
    batches: BTreeMap<u32, Serial>,
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
        let missing = || Failure::Store(format!("batch {} is not in the store", record.batch));
        let batch = match self.batches.entry(record.batch) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let serial = batches::batch_serial(self.store, self.app, record.batch)?;
                free.insert(serial.ok_or_else(missing)?)
            }
        };
        let row = batches::row(self.store, record)?.ok_or_else(missing)?;
        Ok((row.serial, batch.clone()))
    }
}

fn code(registry: &Registry, scene: SceneNo) -> Result<SceneCode, Failure> {
    let missing = || Failure::Store(format!("scene {scene} is not declared"));
    registry.scene(scene).map(|scene| scene.code.clone()).ok_or_else(missing)
}

fn misplaced(body: &NoticeBody) -> Failure {
    Failure::Store(format!("a notice of {:?} lies in another feed", body.kind()))
}
