//! 01.Z502 碳减排量账单查询 and 02.Z403 碳积分账单查询: one bill, of which each kind of partner sees
//! its part.

use axum::extract::State;
use carbon_protocol::account::{AccountCommand, AccountReply, BillEntry, Look};
use carbon_protocol::contracts::m403::{PointsBill, PointsLine};
use carbon_protocol::contracts::z502::{Bill, BillLine, BillRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::{AccountId, RecordRef, Timestamp};

use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{Caller, MallOnly, SceneOnly, Signed};
use super::{HttpState, lists, scope};

/// Sealed pages that one request reads at most; a cursor goes on from there.
const PAGES_AT_ONCE: usize = 64;

/// 01.Z502 碳减排量账单查询: grams, entry by entry, newest first.
#[utoipa::path(
    post, path = "/api/v1/01/Z502", operation_id = "01.Z502", tag = "scene",
    request_body = BillRequest, responses((status = 200, body = Envelope<Bill>)),
)]
pub async fn z502(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, BillRequest>,
) -> Answer<Bill> {
    let app = call.caller.no();
    let citizen = scope::citizen(&state, &call.caller, &call.body.ccid).await?;
    let mine = |entry: &BillEntry| entry.app == app && entry.kind.is_of_grams();
    let (found, cursor) =
        read(&state, &call.caller, citizen.account, &call.body, "Z502", mine).await?;
    let registry = state.platform.registry();
    let records: Vec<RecordRef> = found.iter().filter_map(|entry| entry.record).collect();
    let mut serials = state.platform.serials(records).await?.into_iter();
    let entries = found.iter().map(|entry| {
        let scene = entry.scene.and_then(|no| Some(registry.scene(no)?.code.clone()));
        let serial = entry.record.and_then(|_| serials.next().flatten());
        BillLine::of(entry, scene, serial)
    });
    Ok(Data(Bill { entries: entries.collect(), cursor }))
}

/// 02.Z403 碳积分账单查询: points, entry by entry, newest first. Orders are named by number only where
/// they are the caller's.
#[utoipa::path(
    post, path = "/api/v1/02/Z403", operation_id = "02.Z403", tag = "mall",
    request_body = BillRequest, responses((status = 200, body = Envelope<PointsBill>)),
)]
pub async fn m403(
    State(state): State<HttpState>,
    call: Signed<MallOnly, BillRequest>,
) -> Answer<PointsBill> {
    let app = call.caller.no();
    let citizen = scope::visitor(&state, &call.caller, &call.body.ccid).await?;
    let mine = |entry: &BillEntry| !entry.kind.is_of_grams();
    let (found, cursor) =
        read(&state, &call.caller, citizen.account, &call.body, "Z403", mine).await?;
    let entries = found.into_iter().map(|entry| PointsLine::of(entry, app));
    Ok(Data(PointsBill { entries: entries.collect(), cursor }))
}

/// Entries of one request.
struct Reading<'r, F> {
    mine: F,
    as_of: Option<Timestamp>,
    /// Only entries below this number.
    below: u64,
    size: usize,
    found: Vec<BillEntry>,
    next: Option<u64>,
    kind: &'r str,
}

impl<F: Fn(&BillEntry) -> bool> Reading<'_, F> {
    /// Takes an entry, newest first; false where the page is full.
    fn take(&mut self, entry: BillEntry) -> bool {
        if entry.number >= self.below {
            return true;
        }
        let booked = self.as_of.is_none_or(|as_of| entry.at <= as_of);
        if booked && (self.mine)(&entry) {
            if self.found.len() == self.size {
                self.next = Some(self.below);
                return false;
            }
            self.below = entry.number;
            self.found.push(entry);
        } else {
            self.below = entry.number;
        }
        true
    }
}

/// Reads a page of the bill: the entries that ride in the state first, sealed pages below them.
async fn read(
    state: &HttpState,
    caller: &Caller,
    account: AccountId,
    request: &BillRequest,
    kind: &str,
    mine: impl Fn(&BillEntry) -> bool,
) -> Result<(Vec<BillEntry>, Option<String>), Fault> {
    let kind = format!("{kind}:{}", request.ccid);
    let size = lists::page_size(request.limit)?;
    let below = lists::place(state, &kind, caller.no(), request.cursor.as_deref())?;
    let view = match state.platform.account(account, AccountCommand::Look(Look::Bill)).await? {
        AccountReply::Bill(view) => view,
        _ => return misfit(),
    };
    let mut reading = Reading {
        mine,
        as_of: request.as_of,
        below: below.unwrap_or(u64::MAX),
        size,
        found: Vec::new(),
        next: None,
        kind: &kind,
    };
    let full = view.newest.into_iter().any(|entry| !reading.take(entry));
    if !full {
        read_pages(state, account, view.sealed_pages, &mut reading).await?;
    }
    let cursor = lists::cursor(state, reading.kind, caller.no(), reading.next);
    Ok((reading.found, cursor))
}

async fn read_pages<F: Fn(&BillEntry) -> bool>(
    state: &HttpState,
    account: AccountId,
    pages: u32,
    reading: &mut Reading<'_, F>,
) -> Result<(), Fault> {
    let mut left = pages;
    for _ in 0..PAGES_AT_ONCE {
        let Some(place) = left.checked_sub(1) else { return Ok(()) };
        left = place;
        let Some(page) = state.platform.bill_page(account, place).await? else { return Ok(()) };
        // Pages are equally long: what lies above the cursor is skipped in one leap.
        let (first, length) = (page.first().map_or(0, |entry| entry.number), page.len() as u64);
        if first > reading.below && length > 0 {
            let leap = (first - reading.below).div_euclid(length);
            left = left.saturating_sub(u32::try_from(leap).unwrap_or(u32::MAX));
            continue;
        }
        if page.into_iter().rev().any(|entry| !reading.take(entry)) {
            return Ok(());
        }
    }
    reading.next = (left > 0).then_some(reading.below);
    Ok(())
}
