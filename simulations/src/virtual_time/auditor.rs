//! The auditor of the virtual world: at the end, everything that was acknowledged is there exactly
//! once, in the accounts, in the batches, and at the partners.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_actors::followers::batches::RowState;
use carbon_protocol::account::Summary;
use carbon_protocol::contracts::z203::AuthorizationStatus;
use carbon_protocol::contracts::z305::IssuedStatus;
use carbon_protocol::courier::PushKind;
use carbon_protocol::{AppNo, Grams, Points, Reason};

use super::books::{Lit, Must};
use super::citizens::Citizen;
use super::operator::Operator;
use super::receipts::Item;
use super::senders::{Record, Sender};
use super::stage::{GRAMS_PER_POINT, MALL, SCENE_APPS, Stage};

/// The cast, as the auditor needs it.
pub struct Auditor {
    /// Who acts.
    pub citizens: Arc<Vec<Citizen>>,
    /// Who sends.
    pub senders: Arc<Vec<Sender>>,
    /// Who issues.
    pub operator: Arc<Operator>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Issued(Grams),
    Refused(Reason),
}

/// The fate of every record, by application and serial.
type Fates = BTreeMap<(AppNo, String), Fate>;

impl Auditor {
    /// Judges accounts and batches. Fails with the first thing that is not as it must be.
    pub async fn judge(&self, stage: &Stage) -> anyhow::Result<()> {
        let fates = self.fates(stage).await?;
        self.rows(&fates)?;
        for (place, citizen) in self.citizens.iter().enumerate() {
            citizen.look(stage).await?;
            let Some(summary) = stage.summary(citizen.account).await else { return Ok(()) };
            self.account(place, citizen, &summary, &fates)?;
        }
        let health = stage.platform.health();
        anyhow::ensure!(health.quarantined == 0, "{} quarantined", health.quarantined);
        Ok(())
    }

    /// Whether partners have been told everything; what is missing where they have not.
    pub async fn pushes(&self, stage: &Stage) -> anyhow::Result<()> {
        let fates = self.fates(stage).await?;
        let dues = self.dues(&fates);
        // A crash may hide that a deed was done, and then it is done again.
        let hidden = usize::try_from(stage.world.lives()).unwrap_or(usize::MAX);
        let receipts = stage.outside.receipts.lock();
        for sender in self.senders.iter() {
            let app = sender.app();
            let mut told: BTreeMap<String, Fate> = BTreeMap::new();
            for (place, citizen) in self.citizens.iter().enumerate() {
                let ccid = citizen.ccid(stage, app);
                let bill = receipts.booked(app, &ccid, PushKind::GramsBill);
                let bill = bill.map_err(anyhow::Error::msg)?;
                let (heard, due) =
                    (bill.get("Issued").map(|(_, grams)| *grams), dues.get(&(app, place)));
                anyhow::ensure!(
                    heard == due.copied(),
                    "{app}: {due:?} grams of {ccid}, was told {heard:?}"
                );
                let items = receipts.of(app, &ccid).map_err(anyhow::Error::msg)?;
                lightings(app, citizen, &items, hidden)?;
                for (serial, fate) in items.iter().flat_map(|item| issued(item)) {
                    let twice = told.insert(serial.clone(), fate);
                    anyhow::ensure!(twice.is_none(), "{app} was told of {serial} twice");
                }
            }
            for serial in sender.records().keys() {
                let fate = fates.get(&(app, serial.clone()));
                let heard = told.get(serial);
                anyhow::ensure!(heard == fate, "{app}, {serial}: {fate:?}, was told {heard:?}");
            }
        }
        for citizen in self.citizens.iter() {
            let ccid = citizen.ccid(stage, MALL);
            receipts.of(MALL, &ccid).map_err(anyhow::Error::msg)?;
            receipts.booked(MALL, &ccid, PushKind::PointsBill).map_err(anyhow::Error::msg)?;
            // Each errand tells the mall under one event id, however often it tries.
            let (links, errands) = (receipts.links(MALL, &ccid), citizen.book().link_errands);
            let most = errands.saturating_add(hidden);
            anyhow::ensure!(links <= most, "{links} links of {errands} errands");
        }
        Ok(())
    }

    async fn fates(&self, stage: &Stage) -> anyhow::Result<Fates> {
        let mut fates = Fates::new();
        for sender in self.senders.iter() {
            for (serial, Record { record, .. }) in sender.records() {
                let page = stage
                    .insist(|| async { Ok(stage.platform.batch(record.app, record.batch).await?) });
                let page = page.await.ok().flatten();
                let row = page.as_ref().and_then(|page| page.rows.get(usize::from(record.row)));
                let fate = match row.map(|row| row.state) {
                    Some(RowState::Issued { grams, .. }) => Fate::Issued(grams),
                    Some(RowState::Refused { reason, .. }) => Fate::Refused(reason),
                    other => anyhow::bail!("{serial} was received, and is {other:?}"),
                };
                fates.insert((record.app, serial), fate);
            }
        }
        Ok(fates)
    }

    /// Grams issued in all, by application and citizen.
    fn dues(&self, fates: &Fates) -> BTreeMap<(AppNo, usize), u64> {
        let mut dues = BTreeMap::new();
        for sender in self.senders.iter() {
            for (serial, record) in sender.records() {
                if let Some(Fate::Issued(grams)) = fates.get(&(sender.app(), serial)) {
                    *dues.entry((sender.app(), record.citizen)).or_default() += grams.0;
                }
            }
        }
        dues
    }

    /// Every record's fate is one that it may have had.
    fn rows(&self, fates: &Fates) -> anyhow::Result<()> {
        let excluded = self.operator.excluded();
        let all: Vec<(AppNo, String, Record)> = self
            .senders
            .iter()
            .flat_map(|sender| {
                let records = sender.records().into_iter();
                records.map(|(serial, record)| (sender.app(), serial, record))
            })
            .collect();
        for (app, serial, record) in &all {
            let lit = self.citizens[record.citizen].book().was_lit(*app, record.at);
            let others = all.iter().filter(|(other, ..)| other != app);
            let others: Vec<&Record> = others
                .map(|(.., other)| other)
                .filter(|other| other.citizen == record.citizen)
                .collect();
            let counted = |other: &&&Record| {
                other.at == record.at
                    && all.iter().any(|(app, serial, one)| {
                        one.record == other.record
                            && matches!(fates.get(&(*app, serial.clone())), Some(Fate::Issued(_)))
                    })
            };
            let fate = fates.get(&(*app, serial.clone()));
            let right = match fate {
                Some(Fate::Issued(grams)) => {
                    // INV-10: the other partner's report of the trip does not count as well.
                    *grams == record.grams
                        && lit != Must::NotBe
                        && others.iter().filter(counted).count() == 0
                }
                Some(Fate::Refused(Reason::Excluded)) => excluded.contains(&record.record),
                Some(Fate::Refused(reason)) => record.may_be_refused(*reason, lit, &others),
                None => false,
            };
            anyhow::ensure!(right, "{serial} of {app} at {}: {fate:?}, lit {lit:?}", record.at);
        }
        Ok(())
    }

    /// An account's books are the sums of what was acknowledged.
    fn account(
        &self,
        place: usize,
        citizen: &Citizen,
        summary: &Summary,
        fates: &Fates,
    ) -> anyhow::Result<()> {
        let dues = self.dues(fates);
        let own = dues.iter().filter(|((_, citizen), _)| *citizen == place);
        let issued = Grams(own.map(|(_, grams)| grams).sum());
        let (grams, points) = (summary.grams, summary.points);
        let did = &citizen.did;
        anyhow::ensure!(grams.issued == issued, "{did}: {issued} issued, shown {grams:?}");
        anyhow::ensure!(grams.pending == Grams::ZERO, "{did}: {grams:?} after the last run");
        let due = Points(issued.0 / GRAMS_PER_POINT);
        anyhow::ensure!(points.issued == due, "{did}: {due} points issued, shown {points:?}");
        let (held, redeemed) = citizen.book().points();
        let taken = held.saturating_add(redeemed);
        let own = (held, redeemed, due.saturating_sub(taken));
        let shown = (points.held, points.redeemed, points.available);
        anyhow::ensure!(own == shown, "{did}: held, redeemed, available {own:?}, shown {shown:?}");
        Ok(())
    }
}

/// Records of a Z305 event with what it says of them.
fn issued(item: &Item) -> Vec<(String, Fate)> {
    let Item::Issuance(item) = item else { return Vec::new() };
    let fate = |record: &carbon_protocol::contracts::z305::IssuedRecord| match record.status {
        IssuedStatus::Issued => Fate::Issued(record.reduction_grams),
        IssuedStatus::Refused => Fate::Refused(record.reason.unwrap_or(Reason::Internal)),
        // Nobody corrects anything in this world: no sender expects such a fate.
        IssuedStatus::Corrected | IssuedStatus::Voided => Fate::Refused(Reason::NotAmendable),
    };
    item.records.iter().map(|record| (record.serial.to_string(), fate(record))).collect()
}

/// Lightings and their ends were told in turn, as often as the citizen saw them.
fn lightings(app: AppNo, citizen: &Citizen, items: &[&Item], hidden: usize) -> anyhow::Result<()> {
    let mut lit = false;
    let mut times = 0;
    for item in items {
        let Item::Authorization(item) = item else { continue };
        let now = item.status == AuthorizationStatus::Lit;
        anyhow::ensure!(now != lit, "{app} was told {:?} twice of {}", item.status, item.ccid);
        lit = now;
        times += usize::from(now);
    }
    let book = citizen.book();
    let spans: &[Lit] = book.lit.get(&app).map_or(&[], Vec::as_slice);
    let seen = spans.iter().filter(|span| span.seen.is_some()).count();
    let most = spans.len().saturating_add(hidden);
    let fits = (seen..=most).contains(&times) && lit == book.is_lit(app);
    anyhow::ensure!(fits, "{app} was told {times} lightings of {:?}, of {spans:?}", citizen.did);
    Ok(())
}

/// All scene partners have a sender each.
pub fn senders(citizens: &Arc<Vec<Citizen>>, batches: u32) -> Vec<Sender> {
    SCENE_APPS.into_iter().map(|app| Sender::new(app, citizens.clone(), batches)).collect()
}
