//! What citizens do in the mall: order actions with the answer that the rules demand, and what the
//! book has to say afterwards.

use carbon_protocol::account::{OrderAction, OrderStatus};
use carbon_protocol::{Points, Reason};

use super::book::{OrderEntry, Page, Place};
use super::population::Shopping;

/// What an answer should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done now.
    Done,
    /// The answer of before, marked as a replay.
    Replay,
    /// Refused for this reason.
    Refused(Reason),
}

/// One call of 02.Z303 and the answer it should get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The order's number.
    pub order: String,
    /// The action's serial.
    pub serial: String,
    /// What is asked.
    pub action: OrderAction,
    /// Points, where the action names them.
    pub points: Option<Points>,
    /// What should be answered.
    pub answer: Answer,
}

/// The steps of one citizen, and the state that they leave in the book.
pub struct Trip<'p> {
    no: usize,
    page: &'p mut Page,
    steps: Vec<Step>,
}

/// Plans a citizen's shopping against the points in the book, and books it.
pub fn plan(no: usize, shopping: Shopping, page: &mut Page) -> Vec<Step> {
    let points = page.available();
    let mut trip = Trip { no, page, steps: Vec::new() };
    if shopping == Shopping::No {
        return Vec::new();
    }
    if points < 2 {
        // Too poor for more than one lesson.
        trip.refused("a", OrderAction::Pay, points + 1, Reason::InsufficientPoints);
        return trip.steps;
    }
    // Something is always left, so that one order's story does not hide another's.
    let most = points - points / 4;
    match shopping {
        Shopping::No => {}
        Shopping::FreezeConfirm => {
            trip.freeze("a", most);
            trip.confirm("a");
        }
        Shopping::FreezeCancel => {
            trip.freeze("a", most);
            trip.cancel("a");
            trip.freeze("b", 1);
        }
        Shopping::Pay => trip.pay("a", most),
        Shopping::PayRefundPart => {
            trip.pay("a", most);
            trip.refund("a", 1);
        }
        Shopping::PayRefundAll => {
            trip.pay("a", most);
            trip.refund("a", 1);
            trip.refused("a", OrderAction::Refund, most, Reason::RefundTooLarge);
            trip.refund("a", most - 1);
        }
        Shopping::Overspend => {
            trip.refused("a", OrderAction::Pay, points + 1, Reason::InsufficientPoints);
            trip.refused("b", OrderAction::Freeze, points + 1, Reason::InsufficientPoints);
            trip.pay("c", points);
            trip.refused("d", OrderAction::Pay, 1, Reason::InsufficientPoints);
        }
        Shopping::Repeat => {
            trip.pay("a", most);
            trip.again(Answer::Replay, most);
            trip.again(Answer::Refused(Reason::SerialConflict), most + 1);
            trip.refund("a", 1);
            trip.again(Answer::Replay, 1);
            trip.refused("a", OrderAction::Cancel, 0, Reason::OrderState);
        }
    }
    trip.steps
}

impl Trip<'_> {
    fn step(&mut self, order: &str, action: OrderAction, points: Option<u64>, answer: Answer) {
        let no = self.no;
        let serial = format!("s-{no}-{}", self.steps.len());
        let order = format!("order-{no}-{order}");
        let points = points.map(Points);
        self.steps.push(Step { order, serial, action, points, answer });
    }

    /// The last call once more: with the same content, or with other points.
    fn again(&mut self, answer: Answer, points: u64) {
        if let Some(last) = self.steps.last().cloned() {
            self.steps.push(Step { answer, points: Some(Points(points)), ..last });
        }
    }

    fn refused(&mut self, order: &str, action: OrderAction, points: u64, reason: Reason) {
        let points = (action != OrderAction::Cancel).then_some(points);
        self.step(order, action, points, Answer::Refused(reason));
    }

    fn entry(&mut self, order: &str) -> &mut OrderEntry {
        let order = format!("order-{}-{order}", self.no);
        let known = self.page.orders.iter().position(|entry| entry.order == order);
        let at = known.unwrap_or_else(|| {
            self.page.orders.push(OrderEntry {
                order,
                status: OrderStatus::Frozen,
                held: Points::ZERO,
                captured: Points::ZERO,
                refunded: Points::ZERO,
            });
            self.page.orders.len() - 1
        });
        &mut self.page.orders[at]
    }

    fn freeze(&mut self, order: &str, points: u64) {
        self.step(order, OrderAction::Freeze, Some(points), Answer::Done);
        self.page.move_points(Place::Available, Place::Held, points);
        self.entry(order).held = Points(points);
    }

    fn confirm(&mut self, order: &str) {
        self.step(order, OrderAction::Confirm, None, Answer::Done);
        let entry = self.entry(order);
        let held = std::mem::take(&mut entry.held);
        entry.captured = held;
        entry.status = OrderStatus::Captured;
        self.page.move_points(Place::Held, Place::Redeemed, held.0);
    }

    fn cancel(&mut self, order: &str) {
        self.step(order, OrderAction::Cancel, None, Answer::Done);
        let entry = self.entry(order);
        let held = std::mem::take(&mut entry.held);
        entry.status = OrderStatus::Cancelled;
        self.page.move_points(Place::Held, Place::Available, held.0);
    }

    fn pay(&mut self, order: &str, points: u64) {
        self.step(order, OrderAction::Pay, Some(points), Answer::Done);
        let entry = self.entry(order);
        entry.captured = Points(points);
        entry.status = OrderStatus::Captured;
        self.page.move_points(Place::Available, Place::Redeemed, points);
    }

    fn refund(&mut self, order: &str, points: u64) {
        self.step(order, OrderAction::Refund, Some(points), Answer::Done);
        let entry = self.entry(order);
        entry.refunded = entry.refunded.saturating_add(Points(points));
        if entry.refunded == entry.captured {
            entry.status = OrderStatus::Refunded;
        }
        self.page.move_points(Place::Redeemed, Place::Available, points);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rich() -> Page {
        let mut page = Page::default();
        page.points.post(Place::World, Place::Available, 8);
        page
    }

    #[test]
    fn every_story_leaves_a_book_that_sums_up() {
        for shopping in [
            Shopping::FreezeConfirm,
            Shopping::FreezeCancel,
            Shopping::Pay,
            Shopping::PayRefundPart,
            Shopping::PayRefundAll,
            Shopping::Overspend,
            Shopping::Repeat,
        ] {
            let mut page = rich();
            let steps = plan(1, shopping, &mut page);
            let redeemed: u64 =
                page.orders.iter().map(|order| order.captured.0 - order.refunded.0).sum();
            let held: u64 = page.orders.iter().map(|order| order.held.0).sum();
            assert!(!steps.is_empty(), "{shopping:?}");
            assert_eq!(page.available() + held + redeemed, 8, "{shopping:?}");
            assert_eq!(page.points.at(Place::Held), i128::from(held), "{shopping:?}");
        }
    }

    #[test]
    fn the_poor_are_refused_and_nothing_moves() {
        let mut page = Page::default();
        let steps = plan(1, Shopping::Pay, &mut page);
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].answer, Answer::Refused(Reason::InsufficientPoints));
        assert!(page.orders.is_empty() && page.points_bill.is_empty());
    }

    #[test]
    fn a_repeat_carries_the_same_serial() {
        let steps = plan(1, Shopping::Repeat, &mut rich());
        assert_eq!(steps[0].serial, steps[1].serial);
        assert_eq!(steps[1].answer, Answer::Replay);
        assert_ne!(steps[0].points, steps[2].points);
    }
}
