//! The double entry: every event that moves grams or points is a list of postings, and balances
//! change through postings only. Grams and points are separate books, each zero-sum by itself.

use carbon_protocol::account::{AccountEvent, GramsBook, LotPoints, PointsBook};
use carbon_protocol::{Grams, Points};
use serde::{Deserialize, Serialize};

use crate::invariants::{Verdict, inv01_zero_sum, inv05_not_negative};

/// Places of the grams book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GramsPlace {
    /// Where grams come from; as negative as all that was ever accepted.
    Source,
    /// Submitted, waiting for issuance.
    Pending,
    /// Issued (签发).
    Credited,
    /// Refused at issuance.
    Refused,
    /// Taken back by corrections.
    Voided,
}

impl GramsPlace {
    /// All places, in the order of the book.
    pub const ALL: [Self; 5] =
        [Self::Source, Self::Pending, Self::Credited, Self::Refused, Self::Voided];
}

/// Places of the points book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointsPlace {
    /// Where points come from; as negative as all that was ever credited.
    Source,
    /// Can be spent.
    Available,
    /// Held by a freeze.
    Held,
    /// Captured by malls.
    Redeemed,
    /// Ended with their lot.
    Expired,
    /// Taken back.
    Voided,
    /// Spent before they were taken back: what the citizen owes.
    Owed,
    /// The counter-entry of a debt: as negative as what is owed.
    Receivable,
}

impl PointsPlace {
    /// All places, in the order of the book.
    pub const ALL: [Self; 8] = [
        Self::Source,
        Self::Available,
        Self::Held,
        Self::Redeemed,
        Self::Expired,
        Self::Voided,
        Self::Owed,
        Self::Receivable,
    ];
}

/// One double entry: an amount leaves one place of a book and reaches another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posting {
    /// In the grams book.
    Grams {
        /// Credited place.
        from: GramsPlace,
        /// Debited place.
        to: GramsPlace,
        /// How much.
        amount: Grams,
    },
    /// In the points book.
    Points {
        /// Credited place.
        from: PointsPlace,
        /// Debited place.
        to: PointsPlace,
        /// How much.
        amount: Points,
    },
}

/// The postings of an event: a function of the event alone, so that anybody who holds the journal
/// can derive every balance again.
pub fn postings(event: &AccountEvent) -> Vec<Posting> {
    use GramsPlace as G;
    use PointsPlace as P;
    let grams = |from, to, amount| Posting::Grams { from, to, amount };
    let points = |from, to, amount| Posting::Points { from, to, amount };
    let all = match event {
        AccountEvent::RecordSubmitted { grams: amount, .. } => {
            vec![grams(G::Source, G::Pending, *amount)]
        }
        AccountEvent::Issued { issued, refused, .. } => vec![
            grams(G::Pending, G::Credited, issued.iter().map(|record| record.grams).sum()),
            grams(G::Pending, G::Refused, refused.iter().map(|record| record.grams).sum()),
        ],
        AccountEvent::PendingRefused { record, .. } => {
            vec![grams(G::Pending, G::Refused, record.grams)]
        }
        AccountEvent::Closed { lots, .. } => vec![points(P::Available, P::Voided, sum(lots))],
        AccountEvent::RecordAmended { pending_voided, issued_voided, added, .. } => vec![
            grams(G::Pending, G::Voided, *pending_voided),
            grams(G::Credited, G::Voided, *issued_voided),
            grams(G::Source, G::Pending, *added),
        ],
        AccountEvent::PointsVoided { lots, owed, .. } => {
            vec![points(P::Available, P::Voided, sum(lots)), points(P::Receivable, P::Owed, *owed)]
        }
        AccountEvent::DebtRecovered { lots } => vec![
            points(P::Available, P::Voided, sum(lots)),
            points(P::Owed, P::Receivable, sum(lots)),
        ],
        AccountEvent::PointsCredited { lot, .. } => {
            vec![points(P::Source, P::Available, lot.points)]
        }
        AccountEvent::OrderFrozen { lots, .. } => vec![points(P::Available, P::Held, sum(lots))],
        AccountEvent::OrderConfirmed { points: amount, .. } => {
            vec![points(P::Held, P::Redeemed, *amount)]
        }
        AccountEvent::OrderCancelled { lots, .. } | AccountEvent::FreezeLapsed { lots, .. } => {
            vec![points(P::Held, P::Available, sum(lots))]
        }
        AccountEvent::OrderPaid { lots, .. } => vec![points(P::Available, P::Redeemed, sum(lots))],
        AccountEvent::OrderRefunded { lots, .. } => {
            vec![points(P::Redeemed, P::Available, sum(lots))]
        }
        AccountEvent::LotsExpired { lots } => vec![points(P::Available, P::Expired, sum(lots))],
        AccountEvent::Opened { .. }
        | AccountEvent::Bound { .. }
        | AccountEvent::ErrandBegun { .. }
        | AccountEvent::ErrandFailed { .. }
        | AccountEvent::ErrandSucceeded { .. }
        | AccountEvent::SceneLit { .. }
        | AccountEvent::SceneRevoked { .. }
        | AccountEvent::MallLinked { .. }
        | AccountEvent::MallUnlinked { .. }
        | AccountEvent::Erased { .. }
        | AccountEvent::RecordRefused { .. }
        | AccountEvent::RunPassed { .. }
        | AccountEvent::Forgotten { .. }
        | AccountEvent::OrderRefused { .. } => Vec::new(),
    };
    all.into_iter().filter(|posting| !posting.is_empty()).collect()
}

/// The points of some lots together.
pub(super) fn sum(lots: &[LotPoints]) -> Points {
    lots.iter().map(|lot| lot.points).sum()
}

impl Posting {
    fn is_empty(&self) -> bool {
        match self {
            Self::Grams { amount, .. } => amount.is_zero(),
            Self::Points { amount, .. } => amount.is_zero(),
        }
    }
}

/// Both books' balances. Signed, so that a fault shows as a negative balance, not as a huge one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Books {
    grams: [i64; 5],
    points: [i64; 8],
}

impl Books {
    /// Posts; false, and nothing moved, where a balance would overflow.
    #[must_use]
    pub fn post(&mut self, posting: &Posting) -> bool {
        match *posting {
            Posting::Grams { from, to, amount } => {
                transfer(&mut self.grams, from as usize, to as usize, amount.0)
            }
            Posting::Points { from, to, amount } => {
                transfer(&mut self.points, from as usize, to as usize, amount.0)
            }
        }
    }

    /// Whether so many more grams can be accepted without overflow.
    pub fn takes(&self, grams: Grams) -> bool {
        self.clone().post(&Posting::Grams {
            from: GramsPlace::Source,
            to: GramsPlace::Pending,
            amount: grams,
        })
    }

    /// A balance of the grams book.
    pub fn grams(&self, place: GramsPlace) -> i64 {
        self.grams[place as usize]
    }

    /// A balance of the points book.
    pub fn points(&self, place: PointsPlace) -> i64 {
        self.points[place as usize]
    }

    /// Points that can be spent.
    pub fn available(&self) -> Points {
        Points(shown(self.points(PointsPlace::Available)))
    }

    /// The points book as it is shown.
    pub fn points_book(&self) -> PointsBook {
        let points = |place| Points(shown(self.points(place)));
        PointsBook {
            issued: Points(self.points(PointsPlace::Source).unsigned_abs()),
            available: points(PointsPlace::Available),
            held: points(PointsPlace::Held),
            redeemed: points(PointsPlace::Redeemed),
            expired: points(PointsPlace::Expired),
            voided: points(PointsPlace::Voided),
            owed: points(PointsPlace::Owed),
        }
    }

    /// The grams book as it is shown.
    pub fn grams_book(&self) -> GramsBook {
        let grams = |place| Grams(shown(self.grams(place)));
        GramsBook {
            submitted: Grams(self.grams(GramsPlace::Source).unsigned_abs()),
            pending: grams(GramsPlace::Pending),
            issued: grams(GramsPlace::Credited),
            refused: grams(GramsPlace::Refused),
            voided: grams(GramsPlace::Voided),
        }
    }

    /// INV-01 and INV-05 over both books.
    pub fn check(&self) -> Verdict {
        inv01_zero_sum("grams", &self.grams)?;
        inv01_zero_sum("points", &self.points)?;
        // The source comes first in both books, and a debt's counter-entry last in that of points:
        // no other place may be negative.
        for balance in &self.grams[1..] {
            inv05_not_negative("a place of the grams book", *balance)?;
        }
        for balance in &self.points[1..PointsPlace::Receivable as usize] {
            inv05_not_negative("a place of the points book", *balance)?;
        }
        Ok(())
    }

    /// Falsifies a balance, for tests that a predicate notices.
    #[cfg(test)]
    pub(super) fn falsify(&mut self, place: PointsPlace, by: i64) {
        self.points[place as usize] += by;
    }
}

/// A balance as an amount; `check` has ruled out negative ones before anything is shown.
fn shown(balance: i64) -> u64 {
    u64::try_from(balance).unwrap_or(0)
}

fn transfer(book: &mut [i64], from: usize, to: usize, amount: u64) -> bool {
    let Ok(amount) = i64::try_from(amount) else { return false };
    let (Some(left), Some(reached)) =
        (book[from].checked_sub(amount), book[to].checked_add(amount))
    else {
        return false;
    };
    book[from] = left;
    book[to] = reached;
    true
}
