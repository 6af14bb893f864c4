//! Batches on their way (01.Z304): sent until the answer is definite, each verdict compared with
//! what the rules demand, what was received entered in the book.

use std::time::Instant;

use anyhow::{Context as _, bail};
use carbon_protocol::contracts::z304::{Receipt, Verdict, VerdictStatus};

use super::Arrival;
use super::batch::{Batch, Row};
use crate::load::book::UNCERTAIN;
use crate::load::decided;
use crate::load::ground::Ground;
use crate::load::openends::OpenEnd;

/// Of a hundred batches, those of the first scenes: as many as citizens take them.
const SHARES: [u64; 5] = [45, 60, 80, 92, 100];

/// A batch of some scene partner's trips.
pub(super) async fn trips(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let drawn = ground.people.draw(arrival.number, 12);
    let scene = SHARES.iter().take_while(|share| drawn % 100 >= **share).count();
    let scene = scene % ground.cast.scenes.len().max(1);
    let serial = format!("{}-b{}", ground.mark, arrival.number);
    let batch = Batch::draw(ground, serial, scene, drawn >> 8);
    if batch.rows.is_empty() {
        bail!("nobody has lit scene {scene}");
    }
    send(ground, batch, arrival.due).await
}

/// A batch of households' electricity.
pub(super) async fn electricity(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let drawn = ground.people.draw(arrival.number, 17);
    let serial = format!("{}-e{}", ground.mark, arrival.number);
    // Households' scene lies behind those of trips.
    let batch = Batch::draw(ground, serial, ground.cast.scenes.len(), drawn);
    if batch.rows.is_empty() {
        bail!("no household is lit");
    }
    send(ground, batch, arrival.due).await
}

/// Sends a batch; one whose outcome stays unknown is kept as an open end.
pub async fn send(ground: &Ground, batch: Batch, due: Instant) -> anyhow::Result<()> {
    let rows = batch.write(ground)?;
    let question = batch.request(&rows)?;
    let app = ground.scene(batch.scene)?.app;
    ground.count("records_sent", rows.len() as u64);
    let answered = ground.call::<_, Receipt>(app, "01/Z304", &question, due).await;
    match answered {
        Ok(Ok(receipt)) => {
            enter(ground, &batch, &rows, &receipt, due);
            ground.kept.batch(&batch);
            Ok(())
        }
        Ok(Err(no)) => {
            ground.comparisons.differs(format!("batch {}: refused, {no:?}", batch.serial));
            bail!("a batch was refused: {no:?}")
        }
        Err(unknown) => {
            let serial = batch.serial.clone();
            for (no, _) in &batch.rows {
                ground.book.mark(*no, UNCERTAIN);
            }
            ground.open_ends.keep(OpenEnd::Batch(batch));
            Err(unknown).with_context(|| format!("batch {serial}"))
        }
    }
}

/// Sends a batch that was acknowledged once more; whether the answer is the same, as a replay.
pub async fn repeat(ground: &Ground, batch: &Batch) -> anyhow::Result<bool> {
    let rows = batch.write(ground)?;
    let question = batch.request(&rows)?;
    let app = ground.scene(batch.scene)?.app;
    let answered = ground.call::<_, Receipt>(app, "01/Z304", &question, Instant::now()).await?;
    let Ok(receipt) = answered else { return Ok(false) };
    let received = rows.iter().filter(|row| row.refused.is_none()).count();
    Ok(receipt.replay && receipt.received as usize == received)
}

/// Compares a receipt with what the rules demand, and enters what was received.
fn enter(ground: &Ground, batch: &Batch, rows: &[Row], receipt: &Receipt, due: Instant) {
    let what = || format!("rows of {}", batch.serial);
    ground.comparisons.same("receipts", what, &rows.len(), &receipt.verdicts.len());
    let mut received = 0;
    for ((row, verdict), (no, _)) in rows.iter().zip(&receipt.verdicts).zip(&batch.rows) {
        let expected = match row.refused {
            Some(reason) => (VerdictStatus::Refused, Some(reason)),
            None => (VerdictStatus::Received, None),
        };
        let Verdict { serial, status, reason, .. } = verdict;
        let what = || format!("verdict of {serial}");
        ground.comparisons.same("verdicts", what, &expected, &(*status, *reason));
        if *status == VerdictStatus::Received {
            ground.book.received(*no, row.record.reduction_grams);
            received += 1;
        }
    }
    ground.count("records_received", received);
    ground.count("records_refused", rows.len() as u64 - received);
    ground.meter.awaited("decided");
    ground.decided.receipt(decided::Batch { due, records: received });
}
