//! The auditor's own double-entry book: what every citizen should have, by what was asked for and
//! what the rules say. It never looks at a balance of the platform's.

use std::collections::BTreeMap;

use carbon_protocol::account::OrderStatus;
use carbon_protocol::{Day, Grams, Points, Reason};

/// Places that grams and points move between. Each amount has two ends; nothing appears or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Grams not yet reported, points not yet made: the other end of everything.
    World,
    /// Grams waiting for issuance.
    Pending,
    /// Grams issued.
    Issued,
    /// Grams refused at issuance.
    Refused,
    /// Points that can be spent.
    Available,
    /// Points held by an open order.
    Held,
    /// Points captured by a mall.
    Redeemed,
}

/// One posting: from, to, how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Where it comes from.
    pub from: Place,
    /// Where it goes.
    pub to: Place,
    /// How much; grams or points, by the ledger it is in.
    pub amount: u64,
}

/// A ledger of one unit. Its sum over all places is zero, always.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    postings: Vec<Posting>,
}

impl Ledger {
    /// Books an amount from one place to another.
    pub fn post(&mut self, from: Place, to: Place, amount: u64) {
        self.postings.push(Posting { from, to, amount });
    }

    /// What lies at a place.
    pub fn at(&self, place: Place) -> i128 {
        self.postings.iter().fold(0, |sum, posting| {
            let amount = i128::from(posting.amount);
            let gained = if posting.to == place { amount } else { 0 };
            let given = if posting.from == place { amount } else { 0 };
            sum + gained - given
        })
    }

    /// What ever went into a place.
    pub fn gained(&self, place: Place) -> u64 {
        self.postings.iter().filter(|posting| posting.to == place).map(|p| p.amount).sum()
    }
}

/// What should have become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Refused for this reason, at once or by the account.
    Refused(Reason),
    /// The very record was there before.
    Replayed,
    /// Accepted with these grams.
    Accepted(Grams),
    /// Accepted, and issued by the run.
    Issued(Grams),
    /// Accepted, and excluded by the operator.
    Excluded(Grams),
}

/// A row as the book knows it.
#[derive(Debug, Clone)]
pub struct RowEntry {
    /// The record's serial.
    pub serial: String,
    /// Whose it is; none for a pseudonym that nobody has.
    pub citizen: Option<usize>,
    /// Which application sent it, by its place in the demo's list.
    pub app: usize,
    /// Its scene's code.
    pub scene: String,
    /// The day it counts for.
    pub day: Day,
    /// What should become of it.
    pub fate: Fate,
}

/// A batch as the book knows it.
#[derive(Debug, Clone)]
pub struct BatchEntry {
    /// Its serial.
    pub serial: String,
    /// Which application sent it.
    pub app: usize,
    /// Its rows, in the order sent.
    pub rows: Vec<RowEntry>,
}

/// An order as the book knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderEntry {
    /// Its number.
    pub order: String,
    /// Where it should stand.
    pub status: OrderStatus,
    /// Points held.
    pub held: Points,
    /// Points captured in all.
    pub captured: Points,
    /// Points refunded in all.
    pub refunded: Points,
}

/// A citizen's state towards one application.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// The pseudonym, once known.
    pub ccid: String,
    /// Scenes that should be lit now.
    pub lit: Vec<String>,
    /// Scenes that were lit and revoked.
    pub revoked: Vec<String>,
    /// Push events owed so far.
    pub owed: u32,
}

/// One line that the bill should have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BillLine {
    /// The kind as the contract names it.
    pub kind: String,
    /// Grams of the line.
    pub grams: u64,
    /// Points of the line.
    pub points: u64,
}

/// Everything about one citizen.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Whether the account should be open.
    pub opened: bool,
    /// By application, by its place in the demo's list.
    pub links: BTreeMap<usize, Link>,
    /// Grams.
    pub grams: Ledger,
    /// Points.
    pub points: Ledger,
    /// Grams by application and scene: pending and issued.
    pub by_scene: BTreeMap<(usize, String), (u64, u64)>,
    /// Records by application and scene.
    pub records: BTreeMap<(usize, String), u32>,
    /// Bill lines of grams, by application.
    pub grams_bill: BTreeMap<usize, Vec<BillLine>>,
    /// Bill lines of points.
    pub points_bill: Vec<BillLine>,
    /// Orders.
    pub orders: Vec<OrderEntry>,
}

fn line(kind: &str, grams: u64, points: u64) -> BillLine {
    BillLine { kind: kind.into(), grams, points }
}

impl Page {
    /// A scene was lit: one event is owed.
    pub fn light(&mut self, app: usize, scene: &str) {
        let link = self.links.entry(app).or_default();
        link.lit.push(scene.to_owned());
        link.owed += 1;
    }

    /// A scene was revoked: one event is owed.
    pub fn revoke(&mut self, app: usize, scene: &str) {
        let link = self.links.entry(app).or_default();
        link.lit.retain(|lit| lit != scene);
        link.revoked.push(scene.to_owned());
        link.owed += 1;
    }

    /// A record was accepted.
    pub fn accept(&mut self, app: usize, scene: &str, grams: Grams) {
        self.grams.post(Place::World, Place::Pending, grams.0);
        self.by_scene.entry((app, scene.to_owned())).or_default().0 += grams.0;
        *self.records.entry((app, scene.to_owned())).or_default() += 1;
        self.grams_bill.entry(app).or_default().push(line("SUBMITTED", grams.0, 0));
    }

    /// A record was refused by the account, after the receipt: one event is owed.
    pub fn refuse_later(&mut self, app: usize) {
        self.links.entry(app).or_default().owed += 1;
    }

    /// A run reached the account: these records (application, scene, grams, whether excluded) are
    /// decided, and points follow. One event an application is owed.
    pub fn issue(&mut self, records: &[(usize, String, Grams, bool)], grams_per_point: u64) {
        let mut apps: Vec<usize> = records.iter().map(|record| record.0).collect();
        apps.sort_unstable();
        apps.dedup();
        let mut issued: BTreeMap<(usize, &str), u64> = BTreeMap::new();
        for (app, scene, grams, excluded) in records {
            let totals = self.by_scene.entry((*app, scene.clone())).or_default();
            totals.0 = totals.0.saturating_sub(grams.0);
            if *excluded {
                self.grams.post(Place::Pending, Place::Refused, grams.0);
                let bill = self.grams_bill.entry(*app).or_default();
                bill.push(line("ISSUE_REFUSED", grams.0, 0));
            } else {
                totals.1 += grams.0;
                self.grams.post(Place::Pending, Place::Issued, grams.0);
                *issued.entry((*app, scene)).or_default() += grams.0;
            }
        }
        // The bill has one line a scene and run, however many records it stands for.
        for ((app, _), grams) in issued {
            self.grams_bill.entry(app).or_default().push(line("ISSUED", grams, 0));
        }
        for app in apps {
            self.links.entry(app).or_default().owed += 1;
        }
        // What is left over is carried, so points follow from all grams ever issued.
        let due = self.grams.gained(Place::Issued) / grams_per_point.max(1);
        let points = due.saturating_sub(self.points_issued());
        if points > 0 {
            self.points.post(Place::World, Place::Available, points);
            self.points_bill.push(line("POINTS_CREDITED", 0, points));
        }
    }

    /// Points ever credited.
    pub fn points_issued(&self) -> u64 {
        u64::try_from(-self.points.at(Place::World)).unwrap_or(0)
    }

    /// Points that can be spent.
    pub fn available(&self) -> u64 {
        u64::try_from(self.points.at(Place::Available)).unwrap_or(0)
    }

    /// Points of an order change hands; the bill gets its line.
    pub fn move_points(&mut self, from: Place, to: Place, points: u64) {
        let kind = match (from, to) {
            (_, Place::Held) => "POINTS_HELD",
            (Place::Held, Place::Available) => "POINTS_RELEASED",
            (_, Place::Redeemed) => "POINTS_REDEEMED",
            _ => "POINTS_REFUNDED",
        };
        self.points.post(from, to, points);
        self.points_bill.push(line(kind, 0, points));
    }
}

/// The whole book.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// By citizen.
    pub pages: Vec<Page>,
    /// Batches in the order sent.
    pub batches: Vec<BatchEntry>,
}

impl Book {
    /// An empty book for so many citizens.
    pub fn new(citizens: usize) -> Self {
        Self { pages: vec![Page::default(); citizens], batches: Vec::new() }
    }

    /// Rows of all batches.
    pub fn rows(&self) -> impl Iterator<Item = &RowEntry> {
        self.batches.iter().flat_map(|batch| &batch.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ledger_sums_to_zero_and_shows_each_place() {
        let mut ledger = Ledger::default();
        ledger.post(Place::World, Place::Available, 10);
        ledger.post(Place::Available, Place::Held, 4);
        ledger.post(Place::Held, Place::Redeemed, 4);
        ledger.post(Place::Redeemed, Place::Available, 1);
        let places = [Place::World, Place::Available, Place::Held, Place::Redeemed];
        let at = places.map(|place| ledger.at(place));
        assert_eq!(at, [-10, 7, 0, 3]);
        assert_eq!(at.iter().sum::<i128>(), 0);
    }

    #[test]
    fn what_is_left_over_of_one_run_counts_in_the_next() {
        let mut page = Page::default();
        for (run, points) in [(Grams(150), 1), (Grams(70), 2), (Grams(5), 2)] {
            page.accept(0, "rail", run);
            page.issue(&[(0, "rail".into(), run, false)], 100);
            assert_eq!(page.points_issued(), points);
        }
        assert_eq!(page.grams.at(Place::Pending), 0);
        assert_eq!(page.by_scene[&(0, "rail".to_owned())], (0, 225));
        assert_eq!(page.links[&0].owed, 3, "one event a run");
    }

    #[test]
    fn an_excluded_record_gives_nothing_but_its_event() {
        let mut page = Page::default();
        page.accept(0, "bus", Grams(200));
        page.issue(&[(0, "bus".into(), Grams(200), true)], 100);
        assert_eq!((page.points_issued(), page.links[&0].owed), (0, 1));
        assert_eq!(page.grams.at(Place::Refused), 200);
    }
}
