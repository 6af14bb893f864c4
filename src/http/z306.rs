//! 01.Z306 减排量签发结果查询: where records are, by batch serial, record serials or time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use carbon_actors::followers::batches::{BatchPage, BatchPlace, PageRow, RowState};
use carbon_actors::machines::registry::Registry;
use carbon_protocol::contracts::z306::{
    RecordResult, RecordStatus, Results, ResultsRequest, SERIALS,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::intake::{IntakeCommand, IntakeReply, PricedBy};
use carbon_protocol::{AppNo, Grams, Reason, RecordRef, Serial, Timestamp};

use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{SceneOnly, Signed};
use super::{HttpState, lists};

/// Batches that are looked up at once.
const BATCHES_AT_ONCE: usize = 32;

/// 01.Z306 减排量签发结果查询: by exactly one of `batchSerial`, `recordSerials`, `from` with `to`.
#[utoipa::path(
    post, path = "/api/v1/01/Z306", operation_id = "01.Z306", tag = "scene",
    request_body = ResultsRequest, responses((status = 200, body = Envelope<Results>)),
)]
pub async fn z306(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, ResultsRequest>,
) -> Answer<Results> {
    let desk = Desk {
        registry: state.platform.registry(),
        app: call.caller.no(),
        size: lists::page_size(call.body.limit)?,
        state: &state,
    };
    let cursor = call.body.cursor.as_deref();
    match (call.body.batch_serial, call.body.record_serials, call.body.from, call.body.to) {
        (Some(serial), None, None, None) => desk.of_batch(serial, cursor).await,
        (None, Some(serials), None, None) => desk.of_records(serials).await,
        (None, None, Some(from), Some(to)) if from <= to => desk.of_time(from, to, cursor).await,
        (None, None, Some(_), Some(_)) => Err(Fault::of_field(Reason::OutOfRange, "to")),
        _ => {
            let fault = Fault::from(Reason::Malformed);
            Err(fault.with("exactly one of batchSerial, recordSerials, or from with to"))
        }
    }
}

/// Batches that were looked up for one answer.
type Known = BTreeMap<u32, Option<Arc<BatchPage>>>;

struct Desk<'d> {
    state: &'d HttpState,
    registry: Arc<Registry>,
    app: AppNo,
    size: usize,
}

impl Desk<'_> {
    async fn of_batch(&self, serial: Serial, cursor: Option<&str>) -> Answer<Results> {
        let unknown = || Fault::of_field(Reason::UnknownBatch, "batchSerial");
        let kind = format!("Z306b:{serial}");
        let skip: Option<usize> = lists::place(self.state, &kind, self.app, cursor)?;
        let find = IntakeCommand::FindBatch(serial);
        let number = match self.state.platform.intake(self.app, find).await? {
            IntakeReply::Batch(number) => number.ok_or_else(unknown)?,
            _ => return misfit(),
        };
        let page = self.state.platform.batch(self.app, number).await?.ok_or_else(unknown)?;
        let skip = skip.unwrap_or(0);
        let mut known = Known::default();
        let mut records = Vec::new();
        for row in page.rows.iter().skip(skip).take(self.size) {
            records.push(self.result(&page, row, &mut known).await?);
        }
        let end = skip.saturating_add(records.len());
        let next = (end < page.rows.len()).then_some(end);
        let cursor = lists::cursor(self.state, &kind, self.app, next);
        Ok(Data(Results { records, cursor }))
    }

    /// Serials that are not the caller's are left out, as those that never were.
    async fn of_records(&self, serials: Vec<Serial>) -> Answer<Results> {
        lists::rows_within(serials.len(), SERIALS, "recordSerials")?;
        let find = IntakeCommand::FindRecords(serials);
        let places = match self.state.platform.intake(self.app, find).await? {
            IntakeReply::Records(places) => places,
            _ => return misfit(),
        };
        let mut known = Known::default();
        let mut records = Vec::new();
        for place in places.into_iter().flatten() {
            let page = self.page_of(place, &mut known).await?;
            if let Some(page) = page
                && let Some(row) = page.rows.get(usize::from(place.row))
            {
                records.push(self.result(&page, row, &mut known).await?);
            }
        }
        Ok(Data(Results { records, cursor: None }))
    }

    async fn of_time(
        &self,
        from: Timestamp,
        to: Timestamp,
        cursor: Option<&str>,
    ) -> Answer<Results> {
        let kind = format!("Z306t:{}:{}", from.0, to.0);
        // The last batch that was told whole, and rows of the next one that were told, too.
        type Place = (Option<BatchPlace>, usize);
        let place: Option<Place> = lists::place(self.state, &kind, self.app, cursor)?;
        let (mut after, mut skip) = place.unwrap_or((None, 0));
        let mut records = Vec::new();
        let mut known = Known::default();
        loop {
            let found =
                self.state.platform.batches(self.app, from, to, after, BATCHES_AT_ONCE).await?;
            let last = found.len() < BATCHES_AT_ONCE;
            for place in found {
                if records.len() >= self.size {
                    return Ok(Data(self.page(&kind, records, Some((after, skip)))));
                }
                if let Some(page) = self.state.platform.batch(self.app, place.batch).await? {
                    let room = self.size - records.len();
                    let left = page.rows.len().saturating_sub(skip);
                    for row in page.rows.iter().skip(skip).take(room) {
                        records.push(self.result(&page, row, &mut known).await?);
                    }
                    if left > room {
                        let next = (after, skip.saturating_add(room));
                        return Ok(Data(self.page(&kind, records, Some(next))));
                    }
                }
                (after, skip) = (Some(place), 0);
            }
            if last {
                return Ok(Data(self.page::<Place>(&kind, records, None)));
            }
        }
    }

    fn page<P: serde::Serialize>(
        &self,
        kind: &str,
        records: Vec<RecordResult>,
        next: Option<P>,
    ) -> Results {
        Results { records, cursor: lists::cursor(self.state, kind, self.app, next) }
    }

    /// The batch of a record.
    async fn page_of(
        &self,
        record: RecordRef,
        known: &mut Known,
    ) -> Result<Option<Arc<BatchPage>>, Fault> {
        if let Some(page) = known.get(&record.batch) {
            return Ok(page.clone());
        }
        let page = self.state.platform.batch(self.app, record.batch).await?.map(Arc::new);
        known.insert(record.batch, page.clone());
        Ok(page)
    }

    /// The version of the dictionary that measured a record.
    fn dictionary(&self, by: PricedBy) -> Option<String> {
        let place = usize::from(by.dictionary?.checked_sub(1)?);
        Some(self.registry.dictionaries().get(place)?.head.version.clone())
    }

    async fn serial_of(
        &self,
        record: RecordRef,
        known: &mut Known,
    ) -> Result<Option<Serial>, Fault> {
        let page = self.page_of(record, known).await?;
        let row = page.and_then(|page| page.rows.get(usize::from(record.row)).cloned());
        Ok(row.map(|row| row.serial))
    }

    async fn result(
        &self,
        page: &BatchPage,
        row: &PageRow,
        known: &mut Known,
    ) -> Result<RecordResult, Fault> {
        let scene = row.scene.and_then(|no| self.registry.scene(no));
        let plain = |status| (status, Grams::ZERO, false, None, None);
        let (status, grams, capped, run, reason) = match row.state {
            RowState::Received => plain(RecordStatus::Received),
            RowState::Replayed(_) => plain(RecordStatus::Replayed),
            RowState::Corrected { .. } => plain(RecordStatus::Corrected),
            RowState::Voided { .. } => plain(RecordStatus::Voided),
            RowState::Applied => plain(RecordStatus::Applied),
            RowState::Submitted { grams, capped } => {
                (RecordStatus::Submitted, grams, capped, None, None)
            }
            RowState::Issued { grams, run } => {
                (RecordStatus::Issued, grams, grams < row.grams, Some(run), None)
            }
            RowState::Refused { reason, run } => {
                (RecordStatus::Refused, Grams::ZERO, false, run, Some(reason))
            }
        };
        let amended_by = match row.state {
            RowState::Corrected { by } | RowState::Voided { by } => {
                self.serial_of(by, known).await?
            }
            _ => None,
        };
        let amends = |void: bool| {
            let amends = row.amends.as_ref().filter(|amends| amends.void == void);
            amends.map(|amends| amends.original.clone())
        };
        Ok(RecordResult {
            serial: row.serial.clone(),
            batch_serial: page.serial.clone(),
            ccid: row.ccid.clone(),
            scene: scene.map(|scene| scene.code.clone()),
            day: row.day,
            status,
            submitted_grams: row.claimed_grams,
            reduction_grams: grams,
            capped,
            methodology_version: row.priced_by.map(|by| by.methodology),
            dictionary_version: row.priced_by.and_then(|by| self.dictionary(by)),
            run,
            reason,
            corrects: amends(false),
            voids: amends(true),
            amended_by,
        })
    }
}
