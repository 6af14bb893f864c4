//! Scene partners of the virtual world: batches with repeats, conflicts and strangers, sent until
//! they are answered; every row's fate is judged at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_actors::followers::batches::{BatchPage, RowState};
use carbon_protocol::behaviour::{Behaviour, Bike};
use carbon_protocol::intake::{Batch, CheckedRow, IntakeCommand, IntakeReply, Receipt, RowVerdict};
use carbon_protocol::{AppNo, Ccid, Grams, Label, Metres, Reason, RecordRef, Serial, Timestamp};
use parking_lot::Mutex;

use super::books::Must;
use super::citizens::Citizen;
use super::stage::{Stage, scene_of};

/// How far back trips are reported, in milliseconds.
const BACK_MS: u64 = 12_000;

/// A scene partner's sender.
pub struct Sender {
    app: AppNo,
    citizens: Arc<Vec<Citizen>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    left: u32,
    serials: u32,
    /// The batch under way: a crash does not end it.
    batch: Option<Sent>,
    /// Every record that was received, by serial.
    records: BTreeMap<String, Record>,
}

#[derive(Clone)]
struct Sent {
    serial: String,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    serial: String,
    /// Of whom; none for a stranger.
    citizen: Option<usize>,
    at: Timestamp,
    grams: Grams,
    digest: u8,
}

/// A record that was received.
#[derive(Clone)]
pub struct Record {
    /// Where.
    pub record: RecordRef,
    /// Whose.
    pub citizen: usize,
    /// When the trip was.
    pub at: Timestamp,
    /// What it saves.
    pub grams: Grams,
    digest: u8,
}

impl Sender {
    /// The sender of an application.
    pub fn new(app: AppNo, citizens: Arc<Vec<Citizen>>, batches: u32) -> Self {
        Self { app, citizens, state: Mutex::new(State { left: batches, ..State::default() }) }
    }

    /// Whose it is.
    pub fn app(&self) -> AppNo {
        self.app
    }

    /// Every record that was received, by serial.
    pub fn records(&self) -> BTreeMap<String, Record> {
        self.state.lock().records.clone()
    }

    /// Sends everything that is left to send.
    pub async fn live(&self, stage: &Stage) {
        loop {
            {
                let mut state = self.state.lock();
                if state.batch.is_none() && state.left == 0 {
                    return;
                }
                if state.batch.is_none() {
                    state.batch = Some(self.draw(&mut state, stage));
                }
            }
            if let Err(error) = self.send(stage).await {
                stage.world.wrong(format!("a batch of {}: {error}", self.app));
                return std::future::pending().await;
            }
            {
                let mut state = self.state.lock();
                (state.batch, state.left) = (None, state.left.saturating_sub(1));
            }
            stage.world.wait(200..=6_000).await;
        }
    }

    async fn send(&self, stage: &Stage) -> anyhow::Result<()> {
        let Some(sent) = self.state.lock().batch.clone() else { return Ok(()) };
        let receipt = self.post(stage, &sent, 1).await?;
        stage.world.note(|| format!("batch {} of {}: {receipt:?}", sent.serial, self.app));
        let page =
            stage.insist(|| async { Ok(stage.platform.batch(self.app, receipt.batch).await?) });
        let page = page.await.map_err(|reason| anyhow::anyhow!("{reason:?}"))?;
        let page = page.ok_or_else(|| anyhow::anyhow!("batch {} is not there", receipt.batch))?;
        self.judge(&sent, &receipt, &page)?;
        if stage.world.chance(300) {
            stage.world.wait(0..=3_000).await;
            let again = self.post(stage, &sent, 1).await?;
            let same = again.replay && again.batch == receipt.batch;
            anyhow::ensure!(same, "{} again is {again:?}, was {receipt:?}", sent.serial);
            let conflict = self.post(stage, &sent, 2).await;
            anyhow::ensure!(conflict.is_err(), "{} with other rows: {conflict:?}", sent.serial);
        }
        Ok(())
    }

    /// Posts a batch as the door would pass it on, until it is answered.
    async fn post(&self, stage: &Stage, sent: &Sent, digest: u8) -> anyhow::Result<Receipt> {
        let rows = sent.rows.iter().map(|row| self.checked(stage, row));
        let batch = Batch {
            serial: Serial::parse(&sent.serial)?,
            digest: [digest; 16],
            rows: rows.collect::<anyhow::Result<_>>()?,
        };
        let accept = || IntakeCommand::Accept(batch.clone());
        match stage.insist(|| stage.platform.intake(self.app, accept())).await {
            Ok(IntakeReply::Receipt(receipt)) => Ok(receipt),
            other => anyhow::bail!("answered {other:?}"),
        }
    }

    fn checked(&self, stage: &Stage, row: &Row) -> anyhow::Result<CheckedRow> {
        let ccid = match row.citizen.and_then(|place| self.citizens.get(place)) {
            Some(citizen) => citizen.ccid(stage, self.app),
            None => Ccid::parse("a-stranger")?,
        };
        let account = stage.platform.resolve(self.app, &ccid);
        let known = row.citizen.and_then(|place| self.citizens.get(place));
        let bound = known.is_some_and(|citizen| citizen.book().is_bound(self.app));
        anyhow::ensure!(!bound || account.is_some(), "{ccid} was bound, and nobody knows it");
        // Short, so that two rides meet only where they are one.
        let (start_time, end_time) = (row.at, row.at.plus_seconds(2));
        let (distance_metres, order_no) = (Metres(500), Label::parse(&row.serial)?);
        Ok(CheckedRow {
            serial: Serial::parse(&row.serial)?,
            digest: [row.digest; 16],
            account,
            ccid,
            scene: Some(scene_of(self.app)),
            behaviour: Some(Behaviour::Bike(Bike {
                start_time,
                end_time,
                distance_metres,
                order_no,
            })),
            amends: None,
            claimed_grams: row.grams,
            grams: row.grams,
            priced_by: None,
            refused: None,
        })
    }

    /// Compares what became of a batch's rows with what must; remembers what was received.
    fn judge(&self, sent: &Sent, receipt: &Receipt, page: &BatchPage) -> anyhow::Result<()> {
        anyhow::ensure!(page.rows.len() == sent.rows.len(), "{} rows", page.rows.len());
        let mut state = self.state.lock();
        for (number, (row, shown)) in (0_u16..).zip(sent.rows.iter().zip(&page.rows)) {
            let serial = &row.serial;
            anyhow::ensure!(shown.serial.as_str() == serial, "row {number} is {}", shown.serial);
            let before = sent.rows[..usize::from(number)].iter();
            let doubled = before.clone().any(|earlier| earlier.serial == *serial);
            let verdict = match shown.state {
                RowState::Replayed(record) => RowVerdict::Replayed(record),
                RowState::Refused { reason, run: None } if !of_account(reason) => {
                    RowVerdict::Refused(reason)
                }
                _ => RowVerdict::Received,
            };
            let told = receipt.verdicts.get(usize::from(number));
            anyhow::ensure!(told.is_none_or(|told| *told == verdict), "{serial}: {told:?}");
            let record = RecordRef { app: self.app, batch: receipt.batch, row: number };
            let fits = match (state.records.get(serial), verdict) {
                (_, RowVerdict::Refused(Reason::Duplicate)) => doubled,
                (Some(known), _) if known.record.batch == receipt.batch && !doubled => true,
                (Some(known), RowVerdict::Replayed(record)) => {
                    known.record == record && known.digest == row.digest
                }
                (Some(known), RowVerdict::Refused(Reason::SerialConflict)) => {
                    known.digest != row.digest
                }
                // Whoever is known by now may have been a stranger when the batch was sent.
                (None, RowVerdict::Refused(Reason::UnknownCcid)) => true,
                (None, RowVerdict::Received) => row.citizen.is_some(),
                _ => false,
            };
            anyhow::ensure!(fits, "{serial} is {verdict:?}");
            if let (RowVerdict::Received, Some(citizen)) = (verdict, row.citizen) {
                let Row { at, grams, digest, .. } = *row;
                let new = Record { record, citizen, at, grams, digest };
                state.records.entry(serial.clone()).or_insert(new);
            }
        }
        Ok(())
    }

    /// A batch: mostly new trips, some of them strangers', some sent before, some changed since.
    fn draw(&self, state: &mut State, stage: &Stage) -> Sent {
        let world = &stage.world;
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..world.draw(1..=6) {
            let old: Vec<&String> = state.records.keys().collect();
            if let Some(serial) = old.get(world.pick(old.len()))
                && world.chance(200)
            {
                let known = &state.records[*serial];
                let changed = u8::from(world.chance(300));
                rows.push(Row {
                    serial: (*serial).clone(),
                    citizen: Some(known.citizen),
                    at: known.at,
                    grams: known.grams,
                    digest: known.digest + changed,
                });
                continue;
            }
            if let Some(row) = rows.last().cloned()
                && world.chance(50)
            {
                rows.push(row);
                continue;
            }
            state.serials += 1;
            let back = i64::try_from(world.draw(0..=BACK_MS)).unwrap_or_default();
            // Whole spans of four seconds, so that both partners come to report one trip.
            let at = Timestamp((world.wall().0 - back).div_euclid(4_000) * 4_000);
            rows.push(Row {
                serial: format!("r{}-{}", self.app, state.serials),
                citizen: (!world.chance(50)).then(|| world.pick(self.citizens.len())),
                at,
                grams: Grams(world.draw(1..=300)),
                digest: 1,
            });
        }
        state.serials += 1;
        Sent { serial: format!("b{}-{}", self.app, state.serials), rows }
    }
}

/// Whether a reason is one that an account gives, not an intake.
fn of_account(reason: Reason) -> bool {
    use Reason::{AccountNotOpen, SceneNotLit, TripAlreadyReported};
    matches!(reason, SceneNotLit | TripAlreadyReported | AccountNotOpen)
}

impl Record {
    /// Whether a reason to refuse it can be right; `others` are the other partner's records of the
    /// same citizen that count.
    pub fn may_be_refused(&self, reason: Reason, lit: Must, others: &[&Self]) -> bool {
        match reason {
            Reason::SceneNotLit => lit != Must::Be,
            Reason::TripAlreadyReported => others.iter().any(|other| other.at == self.at),
            _ => false,
        }
    }
}
