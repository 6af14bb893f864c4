//! Lots of points: spent first in first out by expiry, given back to where they came from. A lot is
//! named by its last day, so two credits of one month share one.

use std::collections::BTreeMap;

use carbon_protocol::account::LotPoints;
use carbon_protocol::policy::Policy;
use carbon_protocol::{Day, Points};
use serde::{Deserialize, Serialize};

/// Points that can be spent, soonest expiry first. No lot is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lots(Vec<LotPoints>);

impl Lots {
    /// The lots, soonest expiry first.
    pub fn all(&self) -> &[LotPoints] {
        &self.0
    }

    /// Which points a payment takes: oldest lots first. None where there are not enough.
    pub fn first_out(&self, points: Points) -> Option<Vec<LotPoints>> {
        let mut left = points;
        let mut taken = Vec::new();
        for lot in &self.0 {
            if left.is_zero() {
                break;
            }
            let share = lot.points.min(left);
            left = left.saturating_sub(share);
            taken.push(LotPoints { expires: lot.expires, points: share });
        }
        left.is_zero().then_some(taken)
    }

    /// Takes points out of their lots; false where a lot does not have them.
    #[must_use]
    pub fn take(&mut self, taken: &[LotPoints]) -> bool {
        let mut whole = true;
        for part in taken {
            match self.0.iter_mut().find(|lot| lot.expires == part.expires) {
                Some(lot) if lot.points >= part.points => {
                    lot.points = lot.points.saturating_sub(part.points);
                }
                _ => whole = whole && part.points.is_zero(),
            }
        }
        self.0.retain(|lot| !lot.points.is_zero());
        whole
    }

    /// Puts points into their lots.
    pub fn put(&mut self, given: &[LotPoints]) {
        self.0 = merged(self.0.iter().chain(given).copied());
    }

    /// Lots whose last day lies before `today`.
    pub fn ended(&self, today: Day) -> Vec<LotPoints> {
        self.0.iter().take_while(|lot| lot.expires < today).copied().collect()
    }
}

/// The lot that points credited in `today`'s month go to: it ends with the last day of its last
/// month.
pub(super) fn lot_of(today: Day, policy: &Policy) -> Day {
    today.month().plus(i32::from(policy.points_months)).last_day()
}

/// Where points go that come back on a day: to their lot, or, where it has ended meanwhile, to a
/// new lot of the policy's length (decision 11). Released holds are treated like refunds: nobody
/// loses points because a mall held them over the end of their lot.
pub(super) fn back_to_lots(lots: &[LotPoints], on: Day, policy: &Policy) -> Vec<LotPoints> {
    let new = on.plus(i32::from(policy.refund_lot_days));
    merged(lots.iter().map(|lot| {
        let expires = if lot.expires >= on { lot.expires } else { new };
        LotPoints { expires, points: lot.points }
    }))
}

/// The last `points` of what an order took: a refund gives back last taken first, so the citizen
/// gets the longest-lived points back first. What is left stays with the order.
pub(super) fn last_taken(taken: &[LotPoints], points: Points) -> Vec<LotPoints> {
    let mut left = points;
    let mut back = Vec::new();
    for lot in taken.iter().rev() {
        let share = lot.points.min(left);
        left = left.saturating_sub(share);
        back.push(LotPoints { expires: lot.expires, points: share });
    }
    merged(back.into_iter())
}

/// One lot a day, in order, none empty.
fn merged(lots: impl Iterator<Item = LotPoints>) -> Vec<LotPoints> {
    let mut by_day: BTreeMap<Day, Points> = BTreeMap::new();
    for lot in lots {
        let points = by_day.entry(lot.expires).or_default();
        *points = points.saturating_add(lot.points);
    }
    by_day
        .into_iter()
        .filter(|(_, points)| !points.is_zero())
        .map(|(expires, points)| LotPoints { expires, points })
        .collect()
}
