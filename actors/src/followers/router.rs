//! The router: carries what intakes accepted to the accounts it concerns. One queue per lane, so
//! that a slow lane holds nobody up; a message is sent until its outcome is durable.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carbon_protocol::account::{AccountCommand, Submit, SubmitRow};
use carbon_protocol::entry::{Event, Stream};
use carbon_protocol::intake::{BatchRow, IntakeEvent, RowVerdict};
use carbon_protocol::issuance::IssuanceEvent;
use carbon_protocol::{AccountId, AppNo, MessageId, RecordRef};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::followers::tail::{Tail, Turn};
use crate::followers::vital::Vital;
use crate::house::House;
use crate::machines::planted::{Planted, is_planted};
use crate::ports::{Committed, Delivery, Parcel};

/// Entries read at a time.
const READ: usize = 64;
/// Entries that wait in one lane's queue.
const QUEUED: usize = 64;
/// Groups of one lane that are under way at a time; those of a large batch come on top.
const GROUPS: usize = 4;
/// First and longest pause before what could not be delivered is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(2)];

/// The queue of one lane.
type Queue = mpsc::Sender<(u64, Vec<Parcel>)>;

/// What is under way.
struct Routes {
    house: Arc<House>,
    /// Everything at or before it was handed to the lanes.
    read: AtomicU64,
    /// Sequences whose parcels are not all delivered, by lane, oldest first.
    pending: Vec<Mutex<VecDeque<u64>>>,
    /// Sequences with a parcel for a quarantined account: sent again after the next start.
    held: Mutex<BTreeSet<u64>>,
    /// Where the issuance run that is under way began; the largest number when there is none.
    run_began: AtomicU64,
}

/// Routes everything behind a cursor until the platform stops.
pub async fn run(house: Arc<House>, from: u64) {
    let lanes = house.lanes.count();
    let routes = Arc::new(Routes {
        read: AtomicU64::new(from),
        pending: (0..lanes).map(|_| Mutex::default()).collect(),
        held: Mutex::default(),
        run_began: AtomicU64::new(u64::MAX),
        house,
    });
    let mut queues = Vec::with_capacity(lanes);
    for lane in 0..lanes {
        let (queue, waiting) = mpsc::channel(QUEUED);
        queues.push(queue);
        let serving = serve(routes.clone(), lane, waiting);
        tokio::spawn(Vital::over(routes.house.clone(), "router's lane", serving));
    }
    let mut stopping = routes.house.stopping();
    let mut tail = Tail::new(routes.house.ports.journal.clone(), from, Turn::Router);
    loop {
        let entries = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            entries = tail.more(READ) => entries,
        };
        let Some(entries) = entries else { return };
        for committed in &entries {
            if !routes.hand_over(committed, &queues).await {
                return;
            }
        }
    }
}

impl Routes {
    /// Hands an entry's parcels to their lanes; false when the platform stops.
    async fn hand_over(&self, committed: &Committed, queues: &[Queue]) -> bool {
        let sequence = committed.sequence;
        // Rows of the entry's earlier batches: one turn of an intake may accept several.
        let mut before = 0_u32;
        for event in &committed.entry.events {
            match (event, committed.entry.stream) {
                (
                    Event::Intake(IntakeEvent::BatchReceived { batch, rows, .. }),
                    Stream::Intake(app),
                ) => {
                    for (lane, parcels) in self.parcels((sequence, before), app, *batch, rows) {
                        self.pending[lane].lock().push_back(sequence);
                        if queues[lane].send((sequence, parcels)).await.is_err() {
                            return false;
                        }
                    }
                    before = before.saturating_add(u32::try_from(rows.len()).unwrap_or(u32::MAX));
                }
                (Event::Issuance(IssuanceEvent::Started { .. }), _) => {
                    self.run_began.store(sequence, Ordering::Release);
                }
                (Event::Issuance(IssuanceEvent::Finished { .. }), _) => {
                    self.run_began.store(u64::MAX, Ordering::Release);
                }
                _ => {}
            }
        }
        self.read.store(sequence, Ordering::Release);
        self.publish();
        true
    }

    /// One parcel per account with its rows of the batch, by lane. The message's id is the entry's
    /// sequence with the account's first row, counted through all batches of the entry: the same,
    /// however often it is made, and another one for each batch.
    fn parcels(
        &self,
        (sequence, before): (u64, u32),
        app: AppNo,
        batch: u32,
        rows: &[BatchRow],
    ) -> BTreeMap<usize, Vec<Parcel>> {
        let registry = self.house.registry();
        let floor = self.house.positions.floor.load(Ordering::Acquire);
        let mut places: HashMap<AccountId, usize> = HashMap::new();
        let mut submits: Vec<(AccountId, Submit)> = Vec::new();
        for (row, content) in (0_u16..).zip(rows) {
            let (RowVerdict::Received, Some(account), Some(scene)) =
                (content.verdict, content.account, content.scene)
            else {
                continue;
            };
            let code = registry.scene(scene).map(|scene| scene.code.clone());
            let policy = self.house.policy(content.day());
            let submit_row = SubmitRow {
                record: RecordRef { app, batch, row },
                ccid: content.ccid.clone(),
                scene,
                behaviour: content.behaviour.clone(),
                amends: content.amends.as_ref().and_then(|amends| amends.record),
                grams: content.grams,
                daily_cap: code.as_ref().and_then(|code| policy.daily_cap(code)),
                monthly_cap: code.as_ref().and_then(|code| policy.monthly_cap(code)),
            };
            let place = *places.entry(account).or_insert_with(|| {
                let item = before.saturating_add(u32::from(row));
                let id = MessageId { sequence, item };
                submits.push((account, Submit { id, floor, rows: Vec::new() }));
                submits.len() - 1
            });
            submits[place].1.rows.push(submit_row);
        }
        let mut lanes: BTreeMap<usize, Vec<Parcel>> = BTreeMap::new();
        for (account, submit) in submits {
            let lane = self.house.lanes.lane_of(&Stream::Account(account));
            let parcel = Parcel { account, command: AccountCommand::Submit(submit) };
            lanes.entry(lane).or_default().push(parcel);
        }
        lanes
    }

    fn delivered(&self, lane: usize, sequences: usize) {
        self.pending[lane].lock().drain(..sequences);
        self.publish();
    }

    /// Tells how far everything has come.
    fn publish(&self) {
        // Read first: a sequence is pending before it counts as read.
        let read = self.read.load(Ordering::Acquire);
        let oldest = self.pending.iter().filter_map(|lane| lane.lock().front().copied()).min();
        let oldest = oldest.filter(|_| !is_planted(Planted::CursorTooEarly));
        let routed = oldest.map_or(read, |oldest| read.min(oldest.saturating_sub(1)));
        let began = self.run_began.load(Ordering::Acquire);
        let held = self.held.lock().first().copied().unwrap_or(u64::MAX);
        let positions = &self.house.positions;
        positions.routed.fetch_max(routed, Ordering::AcqRel);
        // A run's messages carry the sequence of its start: no account may forget ids beyond that
        // while the run goes on, nor what a quarantined account has not decided yet.
        let router = routed.min(began.saturating_sub(1)).min(held.saturating_sub(1));
        positions.router.fetch_max(router, Ordering::AcqRel);
    }
}

/// Delivers what waits in one lane, some groups at a time: while one waits for the journal, the
/// lane decides the next. A group that must be sent again may be overtaken; records of one account
/// are decided each by itself, and the cursor follows the oldest group.
async fn serve(routes: Arc<Routes>, lane: usize, mut waiting: mpsc::Receiver<(u64, Vec<Parcel>)>) {
    let limit = routes.house.limits.lane_parcels;
    let mut stopping = routes.house.stopping();
    // Each with how many sequences end with it.
    let mut under_way = FuturesOrdered::new();
    loop {
        let (sequence, mut parcels) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            Some((sequences, quarantined)) = under_way.next() => {
                routes.held.lock().extend(quarantined);
                routes.delivered(lane, sequences);
                continue;
            }
            more = waiting.recv(), if under_way.len() < GROUPS => match more {
                Some(more) => more,
                None => return,
            },
        };
        let mut sequences = vec![sequence];
        while parcels.len() < limit
            && let Ok((sequence, more)) = waiting.try_recv()
        {
            sequences.push(sequence);
            parcels.extend(more);
        }
        while !parcels.is_empty() {
            let group: Vec<Parcel> = parcels.drain(..parcels.len().min(limit)).collect();
            let ends = if parcels.is_empty() { sequences.len() } else { 0 };
            let house = routes.house.clone();
            let delivered = async move { (ends, deliver(&house, lane, group).await) };
            under_way.push_back(delivered);
        }
    }
}

/// Delivers a group until every outcome is durable; the sequences that met a quarantine.
pub async fn deliver(house: &House, lane: usize, mut parcels: Vec<Parcel>) -> Vec<u64> {
    let mut quarantined = Vec::new();
    let mut pause = PAUSES[0];
    loop {
        match house.bus.deliver(lane, parcels.clone()).await {
            Ok(deliveries) if deliveries.len() == parcels.len() => {
                let mut again = Vec::new();
                for (parcel, delivery) in parcels.into_iter().zip(deliveries) {
                    match delivery {
                        Delivery::Done => {}
                        Delivery::Again => again.push(parcel),
                        Delivery::Quarantined => quarantined.extend(sequence_of(&parcel)),
                    }
                }
                parcels = again;
            }
            Ok(_) => tracing::warn!(lane, "the bus answered for another group"),
            Err(failure) => tracing::debug!(lane, %failure, "not delivered yet"),
        }
        if parcels.is_empty() {
            return quarantined;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

fn sequence_of(parcel: &Parcel) -> Option<u64> {
    match &parcel.command {
        AccountCommand::Submit(submit) => Some(submit.id.sequence),
        AccountCommand::Issue(issue) => Some(issue.id.sequence),
        _ => None,
    }
}
