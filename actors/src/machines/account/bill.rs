//! The bill: newest entries ride in the state, older ones are sealed into pages, so that an entry
//! costs no write of its own. The same events seal the same pages.

use carbon_protocol::account::{
    AccountEvent, BillEntry, BillKind, BillView, IssuedRecord, LotPoints, OrderRef,
};
use carbon_protocol::{AppNo, Grams, OrderNo, Points, RecordRef, RunNo, SceneNo, Timestamp};
use serde::{Deserialize, Serialize};

use super::ledger::sum;

/// Entries that ride in the state at most; one more seals a page.
pub const RIDING: usize = 32;
/// Entries of a sealed page.
pub const PAGE: usize = 16;

/// The application of lines that concern none: points credited by issuance, points expired.
/// Applications are numbered from 1.
pub const NO_APP: AppNo = AppNo(0);

/// A page's entries, oldest first; nothing where the bytes are no page.
pub fn decode_page(bytes: &[u8]) -> Option<Vec<BillEntry>> {
    rmp_serde::from_slice(bytes).ok()
}

/// What an event books, oldest first, numbered from 1 within it.
pub fn booked(at: Timestamp, event: &AccountEvent) -> Vec<BillEntry> {
    (1..).zip(lines(event)).map(|(number, line)| line.entry(number, at)).collect()
}

/// The riding entries and what is known of the sealed ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bill {
    /// Number of the next entry, less 1.
    entries: u64,
    /// Pages sealed.
    pages: u32,
    riding: Riding,
    /// Pages sealed and not yet handed to the store.
    #[serde(skip)]
    sealed: Vec<(u64, Vec<BillEntry>)>,
}

/// The riding entries, oldest first, each encoded once: millions of accounts keep them in memory,
/// and every snapshot copies them as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Riding {
    count: usize,
    /// When the oldest was booked, and the newest.
    since: Timestamp,
    until: Timestamp,
    #[serde(with = "serde_bytes")]
    lines: Vec<u8>,
}

impl Riding {
    fn push(&mut self, at: Timestamp, line: Line) {
        if self.count == 0 {
            (self.since, self.until) = (at, at);
        }
        let line = Line { after: at.0.saturating_sub(self.until.0), ..line };
        // Integers and a short text into memory: there is nothing to fail on, and a line that was
        // not written would be missed by `adds_up`.
        if rmp_serde::encode::write(&mut self.lines, &line).is_ok() {
            self.count += 1;
        }
        self.until = at;
    }

    fn lines(&self) -> Vec<Line> {
        let mut rest = self.lines.as_slice();
        (0..self.count).map_while(|_| rmp_serde::from_read(&mut rest).ok()).collect()
    }
}

/// A riding entry: what can be derived is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    kind: u8,
    /// Milliseconds since the line before.
    after: i64,
    app: AppNo,
    scene: Option<SceneNo>,
    /// Batch and row; the application is the line's.
    record: Option<(u32, u16)>,
    run: Option<RunNo>,
    order: Option<OrderNo>,
    grams: Grams,
    points: Points,
}

const KINDS: [BillKind; 15] = [
    BillKind::Submitted,
    BillKind::Issued,
    BillKind::IssueRefused,
    BillKind::PointsCredited,
    BillKind::PointsHeld,
    BillKind::PointsReleased,
    BillKind::PointsRedeemed,
    BillKind::PointsRefunded,
    BillKind::PointsExpired,
    BillKind::PointsForfeited,
    BillKind::PendingVoided,
    BillKind::IssuedVoided,
    BillKind::PointsVoided,
    BillKind::PointsOwed,
    BillKind::PointsRecovered,
];

impl Line {
    fn new(kind: BillKind, app: AppNo) -> Self {
        let kind = KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len());
        Self {
            kind: u8::try_from(kind).unwrap_or(u8::MAX),
            after: 0,
            app,
            scene: None,
            record: None,
            run: None,
            order: None,
            grams: Grams::ZERO,
            points: Points::ZERO,
        }
    }

    fn of_record(kind: BillKind, record: RecordRef, scene: SceneNo, grams: Grams) -> Self {
        let place = Some((record.batch, record.row));
        Self { scene: Some(scene), record: place, grams, ..Self::new(kind, record.app) }
    }

    fn of_order(kind: BillKind, app: AppNo, order: &OrderNo, points: Points) -> Self {
        Self { order: Some(order.clone()), points, ..Self::new(kind, app) }
    }

    fn entry(self, number: u64, at: Timestamp) -> BillEntry {
        let app = self.app;
        BillEntry {
            number,
            at,
            kind: KINDS.get(usize::from(self.kind)).copied().unwrap_or(BillKind::Submitted),
            app,
            scene: self.scene,
            record: self.record.map(|(batch, row)| RecordRef { app, batch, row }),
            run: self.run,
            order: self.order,
            grams: self.grams,
            points: self.points,
        }
    }
}

impl Bill {
    /// Books what an event means for the bill, and seals a page when too many lines ride.
    pub fn book(&mut self, at: Timestamp, event: &AccountEvent) {
        for line in lines(event) {
            self.riding.push(at, line);
            self.entries = self.entries.saturating_add(1);
            if self.riding.count > RIDING {
                self.seal();
            }
        }
    }

    fn seal(&mut self) {
        let mut page = self.riding();
        let newer = self.riding.lines().split_off(PAGE.min(page.len()));
        let rest = page.split_off(PAGE.min(page.len()));
        self.riding = Riding::default();
        for (line, entry) in newer.into_iter().zip(rest) {
            self.riding.push(entry.at, line);
        }
        self.sealed.push((u64::from(self.pages), page));
        self.pages = self.pages.saturating_add(1);
    }

    /// The riding entries, oldest first.
    fn riding(&self) -> Vec<BillEntry> {
        let mut number = self.entries.saturating_sub(self.riding.count as u64);
        let mut at = self.riding.since;
        let entry = |line: Line| {
            number = number.saturating_add(1);
            at = at.plus_ms(line.after);
            line.entry(number, at)
        };
        self.riding.lines().into_iter().map(entry).collect()
    }

    /// The newest entries, newest first, and how many pages lie below them.
    pub fn view(&self) -> BillView {
        let mut newest = self.riding();
        newest.reverse();
        BillView { newest, sealed_pages: self.pages }
    }

    /// Hands out the pages sealed since the last call.
    pub fn take_sealed(&mut self) -> Vec<(u64, Vec<u8>)> {
        let encoded = |(number, page): (u64, Vec<BillEntry>)| {
            // Plain data of integers and short texts: encoding into memory has nothing to fail on.
            (number, rmp_serde::to_vec(&page).unwrap_or_default())
        };
        self.sealed.drain(..).map(encoded).collect()
    }

    /// Whether numbers, pages and riding lines agree.
    pub fn adds_up(&self) -> bool {
        let sealed = u64::from(self.pages).saturating_mul(PAGE as u64);
        let riding = self.riding.count;
        sealed.saturating_add(riding as u64) == self.entries && riding <= RIDING
    }
}

/// The bill's lines of an event: one a record submitted or refused at issuance, one a scene of an
/// issuance, one a way that a correction moved grams, one an order action, one for points that came
/// or went.
fn lines(event: &AccountEvent) -> Vec<Line> {
    let of_order = |kind, action: &OrderRef, points| {
        vec![Line::of_order(kind, action.app, &action.order, points)]
    };
    let of_lots = |kind, action, lots: &[LotPoints]| of_order(kind, action, sum(lots));
    match event {
        AccountEvent::RecordSubmitted { record, scene, grams, .. } => {
            vec![Line::of_record(BillKind::Submitted, *record, *scene, *grams)]
        }
        AccountEvent::RecordAmended {
            record, scene, pending_voided, issued_voided, added, ..
        } => {
            let kinds = [
                (BillKind::PendingVoided, *pending_voided),
                (BillKind::IssuedVoided, *issued_voided),
                (BillKind::Submitted, *added),
            ];
            let moved = kinds.into_iter().filter(|(_, grams)| !grams.is_zero());
            moved.map(|(kind, grams)| Line::of_record(kind, *record, *scene, grams)).collect()
        }
        AccountEvent::PointsVoided { lots, owed, .. } => {
            let kinds = [(BillKind::PointsVoided, sum(lots)), (BillKind::PointsOwed, *owed)];
            let moved = kinds.into_iter().filter(|(_, points)| !points.is_zero());
            moved.map(|(kind, points)| Line { points, ..Line::new(kind, NO_APP) }).collect()
        }
        AccountEvent::DebtRecovered { lots } => {
            vec![Line { points: sum(lots), ..Line::new(BillKind::PointsRecovered, NO_APP) }]
        }
        AccountEvent::Issued { run, app, issued, refused, .. } => {
            let scenes = by_scene(issued).into_iter().map(|(scene, grams)| Line {
                scene: Some(scene),
                run: Some(*run),
                grams,
                ..Line::new(BillKind::Issued, *app)
            });
            let refused = refused.iter().map(|record| Line {
                run: Some(*run),
                ..Line::of_record(BillKind::IssueRefused, record.record, record.scene, record.grams)
            });
            scenes.chain(refused).collect()
        }
        AccountEvent::PointsCredited { run, lot, .. } if !lot.points.is_zero() => vec![Line {
            run: Some(*run),
            points: lot.points,
            ..Line::new(BillKind::PointsCredited, NO_APP)
        }],
        AccountEvent::OrderFrozen { action, lots, .. } => {
            of_lots(BillKind::PointsHeld, action, lots)
        }
        AccountEvent::OrderConfirmed { action, points } => {
            of_order(BillKind::PointsRedeemed, action, *points)
        }
        AccountEvent::OrderCancelled { action, lots } => {
            of_lots(BillKind::PointsReleased, action, lots)
        }
        AccountEvent::OrderPaid { action, lots } => of_lots(BillKind::PointsRedeemed, action, lots),
        AccountEvent::OrderRefunded { action, lots } => {
            of_lots(BillKind::PointsRefunded, action, lots)
        }
        AccountEvent::FreezeLapsed { app, order, lots } => {
            vec![Line::of_order(BillKind::PointsReleased, *app, order, sum(lots))]
        }
        AccountEvent::PendingRefused { record, .. } => {
            let kind = BillKind::IssueRefused;
            vec![Line::of_record(kind, record.record, record.scene, record.grams)]
        }
        AccountEvent::Closed { lots, .. } if !lots.is_empty() => {
            vec![Line { points: sum(lots), ..Line::new(BillKind::PointsForfeited, NO_APP) }]
        }
        AccountEvent::LotsExpired { lots } => {
            vec![Line { points: sum(lots), ..Line::new(BillKind::PointsExpired, NO_APP) }]
        }
        _ => Vec::new(),
    }
}

/// Grams of records by scene, in the order of first appearance.
fn by_scene(records: &[IssuedRecord]) -> Vec<(SceneNo, Grams)> {
    let mut scenes: Vec<(SceneNo, Grams)> = Vec::new();
    for record in records {
        match scenes.iter_mut().find(|(scene, _)| *scene == record.scene) {
            Some((_, grams)) => *grams = grams.saturating_add(record.grams),
            None => scenes.push((record.scene, record.grams)),
        }
    }
    scenes
}
