//! What subscribers hear of an entry: one bulletin an event that concerns somebody outside. They
//! name applications, scenes, batches and CCIDs as partners know them; never a person, never an
//! account.

use std::sync::Arc;

use carbon_protocol::account::{AccountEvent, IssuedRecord, LotPoints, OrderRef};
use carbon_protocol::contracts::events::{
    self, Credited, Expired, Happening as H, IssuedRow, MallLinked, MallUnlinked, Opened,
    OrderPoints, Parked, RunFinished, RunStarted, SceneLit, SceneRevoked,
};
use carbon_protocol::courier::CourierEvent;
use carbon_protocol::entry::{Event, Stream};
use carbon_protocol::intake::{BatchRow, IntakeEvent, RowVerdict};
use carbon_protocol::issuance::IssuanceEvent;
use carbon_protocol::{
    AccountId, AppNo, Ccid, MessageId, Points, Reason, RecordRef, SceneCode, SceneNo,
};

use super::batches;
use super::links::Links;
use crate::machines::registry::Registry;
use crate::ports::{Bulletin, Committed, Failure, Store};

/// Gives the newest view of the registry.
pub type View = Arc<dyn Fn() -> Arc<Registry> + Send + Sync>;

/// Renders entries.
pub struct Bulletins {
    store: Arc<dyn Store>,
    links: Links,
    view: View,
}

/// What happened, and to which application (none for the whole platform).
type Said = Option<(Option<AppNo>, H)>;

impl Bulletins {
    /// A renderer over the snapshots of a store and the registry.
    pub fn new(store: Arc<dyn Store>, view: View) -> Self {
        Self { links: Links::new(store.clone()), store, view }
    }

    /// The bulletins of an entry, in the order of its events. Their ids are the journal's places:
    /// the same on every try.
    pub fn of(&mut self, committed: &Committed) -> Result<Vec<Bulletin>, Failure> {
        let (entry, view) = (&committed.entry, (self.view)());
        let mut bulletins = Vec::new();
        for (item, event) in (0..).zip(&entry.events) {
            let said = match (entry.stream, event) {
                (Stream::Account(account), Event::Account(event)) => {
                    self.links.learn(account, event);
                    self.of_account(account, event, &view)?
                }
                (Stream::Intake(app), Event::Intake(event)) => of_intake(app, event),
                (Stream::Courier(app), Event::Courier(event)) => of_courier(app, event),
                (Stream::Issuance, Event::Issuance(event)) => of_issuance(event),
                // Claims and what operators declare are the platform's own matter.
                _ => None,
            };
            let Some((app, happening)) = said else { continue };
            let subject = match app {
                None => happening.subject(None),
                // An application that the registry does not know cannot have a subscriber.
                Some(no) => match view.app(no) {
                    Some(app) => happening.subject(Some(&app.id)),
                    None => continue,
                },
            };
            bulletins.push(Bulletin {
                subject,
                id: MessageId { sequence: committed.sequence, item }.to_string(),
                kind: happening.cloud_type(),
                at: entry.at,
                data: happening.data(),
            });
        }
        Ok(bulletins)
    }

    fn of_account(
        &mut self,
        account: AccountId,
        event: &AccountEvent,
        view: &Registry,
    ) -> Result<Said, Failure> {
        Ok(match event {
            AccountEvent::Opened { channel, .. } => {
                Some((None, H::AccountOpened(Opened { channel: *channel })))
            }
            AccountEvent::Closed { lots, .. } => {
                Some((None, H::AccountClosed(events::Closed { points: sum(lots) })))
            }
            AccountEvent::PointsCredited { run, lot, .. } => {
                let (run, points, expires) = (*run, lot.points, lot.expires);
                Some((None, H::PointsCredited(Credited { run, points, expires })))
            }
            AccountEvent::PointsVoided { lots, owed, .. } => {
                let (points, owed_points) = (sum(lots), *owed);
                let moved = !points.is_zero() || !owed_points.is_zero();
                moved.then_some((None, H::PointsVoided(events::Voided { points, owed_points })))
            }
            AccountEvent::DebtRecovered { lots } => {
                Some((None, H::PointsRecovered(events::Recovered { points: sum(lots) })))
            }
            AccountEvent::LotsExpired { lots } => {
                Some((None, H::PointsExpired(Expired { points: sum(lots) })))
            }
            other => match app_of(other) {
                Some(app) => {
                    let ccid = self.ccid(account, app, other)?;
                    of_app(ccid, other, view).map(|happening| (Some(app), happening))
                }
                None => None,
            },
        })
    }

    /// By which CCID an application is told: the account's; a refused record's own where that is
    /// not the account's.
    fn ccid(
        &mut self,
        account: AccountId,
        app: AppNo,
        event: &AccountEvent,
    ) -> Result<Option<Ccid>, Failure> {
        let known = self.links.of(account, app)?.map(|link| link.ccid);
        match event {
            AccountEvent::RecordRefused { record, reason, .. }
                if known.is_none() || *reason == Reason::UnknownCcid =>
            {
                Ok(batches::row(&*self.store, *record)?.map(|row| row.ccid).or(known))
            }
            _ => Ok(known),
        }
    }
}

/// The application that an event concerns.
fn app_of(event: &AccountEvent) -> Option<AppNo> {
    match event {
        AccountEvent::SceneLit { app, .. }
        | AccountEvent::SceneRevoked { app, .. }
        | AccountEvent::MallLinked { app, .. }
        | AccountEvent::MallUnlinked { app, .. }
        | AccountEvent::Issued { app, .. }
        | AccountEvent::FreezeLapsed { app, .. } => Some(*app),
        AccountEvent::RecordSubmitted { record, .. }
        | AccountEvent::RecordAmended { record, .. }
        | AccountEvent::RecordRefused { record, .. } => Some(record.app),
        AccountEvent::PendingRefused { record, .. } => Some(record.record.app),
        AccountEvent::OrderFrozen { action, .. }
        | AccountEvent::OrderConfirmed { action, .. }
        | AccountEvent::OrderCancelled { action, .. }
        | AccountEvent::OrderPaid { action, .. }
        | AccountEvent::OrderRefunded { action, .. } => Some(action.app),
        // Errands, bindings, refused orders and what is forgotten are nobody else's matter.
        _ => None,
    }
}

fn of_app(ccid: Option<Ccid>, event: &AccountEvent, view: &Registry) -> Option<H> {
    let code = |scene| code(view, scene);
    Some(match event {
        AccountEvent::SceneLit { scene, notice, .. } => {
            H::SceneLit(SceneLit { ccid, scene: code(*scene), sequence: *notice })
        }
        AccountEvent::SceneRevoked { scene, channel, notice, .. } => {
            let (scene, channel, sequence) = (code(*scene), *channel, *notice);
            H::SceneRevoked(SceneRevoked { ccid, scene, channel, sequence })
        }
        AccountEvent::MallLinked { .. } => H::MallLinked(MallLinked { ccid }),
        AccountEvent::MallUnlinked { channel, notice, .. } => {
            H::MallUnlinked(MallUnlinked { ccid, channel: *channel, sequence: *notice })
        }
        AccountEvent::RecordSubmitted { record, scene, day, grams, capped, .. } => {
            let RecordRef { batch, row, .. } = *record;
            let (scene, day, reduction_grams, capped) = (code(*scene), *day, *grams, *capped);
            H::ReductionsSubmitted(events::Submitted {
                ccid,
                scene,
                batch,
                row,
                day,
                reduction_grams,
                capped,
            })
        }
        AccountEvent::RecordAmended { record, original, scene, span, grams, notice, .. } => {
            H::ReductionsCorrected(events::Corrected {
                ccid,
                scene: code(*scene),
                batch: record.batch,
                row: record.row,
                original_batch: original.batch,
                original_row: original.row,
                void: span.is_none(),
                reduction_grams: *grams,
                sequence: *notice,
            })
        }
        AccountEvent::RecordRefused { record, scene, reason, notice, .. } => {
            let RecordRef { batch, row, .. } = *record;
            let (scene, reason, sequence) = (code(*scene), *reason, *notice);
            H::ReductionsRefused(events::Refused { ccid, scene, batch, row, reason, sequence })
        }
        AccountEvent::PendingRefused { record, reason, notice, .. } => {
            let RecordRef { batch, row, .. } = record.record;
            let (scene, reason, sequence) = (code(record.scene), *reason, *notice);
            H::ReductionsRefused(events::Refused { ccid, scene, batch, row, reason, sequence })
        }
        AccountEvent::Issued { run, issued, refused, notice, .. } => {
            H::ReductionsIssued(events::Issued {
                ccid,
                run: *run,
                reduction_grams: issued.iter().map(|record| record.grams).sum(),
                issued: rows(issued, view),
                refused: rows(refused, view),
                sequence: *notice,
            })
        }
        other => return of_order(ccid, other),
    })
}

fn of_order(ccid: Option<Ccid>, event: &AccountEvent) -> Option<H> {
    let order = |action: &OrderRef, points| OrderPoints {
        ccid: ccid.clone(),
        order_no: action.order.clone(),
        serial: Some(action.serial.clone()),
        points,
    };
    Some(match event {
        AccountEvent::OrderFrozen { action, lots, .. } => H::PointsHeld(order(action, sum(lots))),
        AccountEvent::OrderConfirmed { action, points } => {
            H::PointsRedeemed(order(action, *points))
        }
        AccountEvent::OrderPaid { action, lots } => H::PointsRedeemed(order(action, sum(lots))),
        AccountEvent::OrderCancelled { action, lots } => {
            H::PointsReleased(order(action, sum(lots)))
        }
        AccountEvent::OrderRefunded { action, lots } => H::PointsRefunded(order(action, sum(lots))),
        AccountEvent::FreezeLapsed { order, lots, .. } => {
            let (order_no, points) = (order.clone(), sum(lots));
            H::PointsReleased(OrderPoints { ccid, order_no, serial: None, points })
        }
        _ => return None,
    })
}

fn rows(records: &[IssuedRecord], view: &Registry) -> Vec<IssuedRow> {
    let row = |record: &IssuedRecord| IssuedRow {
        scene: code(view, record.scene),
        batch: record.record.batch,
        row: record.record.row,
        reduction_grams: record.grams,
    };
    records.iter().map(row).collect()
}

fn of_issuance(event: &IssuanceEvent) -> Said {
    let happening = match event {
        IssuanceEvent::Started { run, scope, .. } => {
            H::RunStarted(RunStarted { run: *run, through: scope.through })
        }
        IssuanceEvent::Finished { run, .. } => H::RunFinished(RunFinished { run: *run }),
        IssuanceEvent::Prepared { .. }
        | IssuanceEvent::Withdrawn { .. }
        | IssuanceEvent::Advanced { .. } => return None,
    };
    Some((None, happening))
}

fn of_intake(app: AppNo, event: &IntakeEvent) -> Said {
    let IntakeEvent::BatchReceived { batch, serial, rows, .. } = event;
    let of = |is: fn(&RowVerdict) -> bool| {
        count(&rows.iter().filter(|row| is(&row.verdict)).collect::<Vec<&BatchRow>>())
    };
    let received = H::BatchReceived(events::BatchReceived {
        batch: *batch,
        batch_serial: serial.clone(),
        received: of(|verdict| matches!(verdict, RowVerdict::Received)),
        replayed: of(|verdict| matches!(verdict, RowVerdict::Replayed(_))),
        refused: of(|verdict| matches!(verdict, RowVerdict::Refused(_))),
    });
    Some((Some(app), received))
}

fn of_courier(app: AppNo, event: &CourierEvent) -> Said {
    let CourierEvent::Parked { kind, through, count } = event else { return None };
    let parked = Parked { kind: *kind, through: through.to_string(), events: *count };
    Some((Some(app), H::PushParked(parked)))
}

fn code(view: &Registry, scene: SceneNo) -> Option<SceneCode> {
    view.scene(scene).map(|scene| scene.code.clone())
}

fn count<T>(of: &[T]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}

fn sum(lots: &[LotPoints]) -> Points {
    lots.iter().map(|lot| lot.points).sum()
}
