//! Batches on their way (01.Z304), the wait until every row is decided (01.Z306), and the
//! comparison of each row with the book.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use carbon_protocol::contracts::PAGE_LIMIT;
use carbon_protocol::contracts::z304::{Receipt, SubmitRecord, SubmitRequest, VerdictStatus};
use carbon_protocol::contracts::z306::{RecordResult, RecordStatus, Results, ResultsRequest};
use carbon_protocol::{Ccid, Reason, Serial};

use super::book::{BatchEntry, Fate};
use super::caller::{Answered, Caller};
use super::cast::Player;
use super::day::{Outgoing, is_decided_later};
use super::findings::Findings;
use super::rules::SeenRepeat;
use super::trips::Row;

/// How long all rows of all batches may take to be decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

/// What a partner sends for a batch.
pub fn request(batch: &Outgoing) -> anyhow::Result<SubmitRequest> {
    let record = |row: &Row| {
        anyhow::Ok(SubmitRecord {
            serial: Serial::parse(&row.serial)?,
            ccid: Ccid::parse(&row.ccid)?,
            scene: row.scene.clone(),
            behaviour: row.behaviour.clone(),
            reduction_grams: row.claimed,
            corrects: None,
        })
    };
    Ok(SubmitRequest {
        batch_serial: Serial::parse(&batch.serial)?,
        records: batch.rows.iter().map(record).collect::<anyhow::Result<_>>()?,
        voids: Vec::new(),
    })
}

/// Sends a batch and compares its receipt with what the rules demand.
pub async fn send(player: &Player, batch: &Outgoing, findings: &Findings) -> anyhow::Result<()> {
    let question = request(batch)?;
    (player.collected)(&question);
    let receipt: Receipt = player.caller.must("01/Z304", &question).await?;
    compare_receipt(batch, &receipt, false, findings);
    Ok(())
}

/// Sends a batch that was sent before, once with the same content and once with other content.
pub async fn send_again(
    caller: &Caller,
    batch: &Outgoing,
    findings: &Findings,
) -> anyhow::Result<()> {
    let mut question = request(batch)?;
    let again: Answered<Receipt> = caller.call("01/Z304", &question).await?;
    if let Ok(receipt) = &again {
        compare_receipt(batch, receipt, true, findings);
    }
    findings.repeated(SeenRepeat {
        same_content: true,
        same_answer: again.as_ref().is_ok_and(|receipt| receipt.replay),
        code: again.as_ref().map_or_else(|no| no.code.clone(), |_| "0".into()),
    });
    question.records.truncate(question.records.len().max(2) - 1);
    if question.records.len() == batch.rows.len() {
        return Ok(());
    }
    let other: Answered<Receipt> = caller.call("01/Z304", &question).await?;
    findings.repeated(SeenRepeat {
        same_content: false,
        same_answer: false,
        code: other.map_or_else(|no| no.code, |_| "0".into()),
    });
    Ok(())
}

fn compare_receipt(batch: &Outgoing, receipt: &Receipt, replay: bool, findings: &Findings) {
    let what = |more: &str| format!("receipt of {} {more}", batch.serial);
    findings.same("receipts", || what("replay"), &replay, &receipt.replay);
    findings.same("receipts", || what("rows"), &batch.rows.len(), &receipt.verdicts.len());
    for (row, verdict) in batch.rows.iter().zip(&receipt.verdicts) {
        let expected = match row.fate {
            Fate::Replayed => (VerdictStatus::Replayed, None),
            Fate::Refused(reason) if !is_decided_later(reason) => {
                (VerdictStatus::Refused, Some(reason))
            }
            _ => (VerdictStatus::Received, None),
        };
        let got = (verdict.status, verdict.reason);
        findings.same("verdicts", || what(&row.serial), &expected, &got);
    }
}

/// The rows of a batch as Z306 tells them.
pub async fn results(caller: &Caller, batch: &str) -> anyhow::Result<Vec<RecordResult>> {
    let mut question = ResultsRequest {
        batch_serial: Some(Serial::parse(batch)?),
        limit: Some(PAGE_LIMIT),
        ..ResultsRequest::default()
    };
    let mut rows = Vec::new();
    loop {
        let page: Results = caller.must("01/Z306", &question).await?;
        rows.extend(page.records);
        match page.cursor {
            Some(cursor) => question.cursor = Some(cursor),
            None => return Ok(rows),
        }
    }
}

/// Waits until no row of a batch is merely received; answers the rows.
pub async fn decided(caller: &Caller, batch: &str) -> anyhow::Result<Vec<RecordResult>> {
    let deadline = tokio::time::Instant::now() + DECIDED_WITHIN;
    let mut pause = Duration::from_millis(20);
    loop {
        let rows = results(caller, batch).await.with_context(|| format!("batch {batch}"))?;
        let open = rows.iter().filter(|row| row.status == RecordStatus::Received).count();
        if open == 0 {
            return Ok(rows);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("{open} rows of batch {batch} are undecided after {DECIDED_WITHIN:?}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// Compares the rows of a batch with the book.
pub fn compare_rows(entry: &BatchEntry, rows: &[RecordResult], findings: &Findings) {
    let what = |more: &str| format!("Z306 of {} {more}", entry.serial);
    findings.same("batches", || what("rows"), &entry.rows.len(), &rows.len());
    for (expected, got) in entry.rows.iter().zip(rows) {
        let name = || what(&expected.serial);
        findings.same("records", name, expected.serial.as_str(), got.serial.as_str());
        let status = (got.status, got.reduction_grams.0, got.reason);
        findings.same("records", name, &standing(expected.fate), &status);
    }
}

/// Status, grams that count, reason.
fn standing(fate: Fate) -> (RecordStatus, u64, Option<Reason>) {
    match fate {
        Fate::Refused(reason) => (RecordStatus::Refused, 0, Some(reason)),
        Fate::Replayed => (RecordStatus::Replayed, 0, None),
        Fate::Accepted(grams) => (RecordStatus::Submitted, grams.0, None),
        Fate::Issued(grams) => (RecordStatus::Issued, grams.0, None),
        Fate::Excluded(_) => (RecordStatus::Refused, 0, Some(Reason::Excluded)),
    }
}

/// How many rows of each reason were refused, for the report.
pub fn refusals(rows: &[RecordResult]) -> BTreeMap<Reason, u64> {
    let mut reasons = BTreeMap::new();
    for reason in rows.iter().filter_map(|row| row.reason) {
        *reasons.entry(reason).or_default() += 1;
    }
    reasons
}
