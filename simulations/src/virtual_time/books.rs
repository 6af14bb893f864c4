//! A citizen's own books: what was answered, and what must therefore be true. Computed by this
//! code alone, from the contracts.

use std::collections::BTreeMap;

use carbon_protocol::account::{OrderAction, OrderStatus, OrderView};
use carbon_protocol::{AppNo, Points, Reason, Timestamp};

/// How far the clock may have stepped between two looks at it, in milliseconds: what happened so
/// close to a border may be on either side of it.
const FUZZ_MS: i64 = 5_000;

/// A span in which a scene was lit, with how exactly its ends are known.
#[derive(Debug, Clone)]
pub struct Lit {
    /// It was asked for.
    pub asked: Timestamp,
    /// It was seen; none where it may never have been.
    pub seen: Option<Timestamp>,
    /// It was taken back: asked, and answered where it was.
    pub ended: Option<(Timestamp, Timestamp)>,
}

/// Whether something must be so, must not, or may be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Must {
    /// It must.
    Be,
    /// It must not.
    NotBe,
    /// Nobody can know.
    Either,
}

/// An order as the mall knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Where it stands.
    pub status: OrderStatus,
    /// Points held or once captured.
    pub points: Points,
    /// Points given back.
    pub refunded: Points,
    /// When a hold lapses.
    pub lapses: Option<Timestamp>,
}

impl Order {
    /// Points that can still be given back.
    pub fn left(&self) -> Points {
        match self.status {
            OrderStatus::Captured => self.points.saturating_sub(self.refunded),
            _ => Points::ZERO,
        }
    }
}

/// The books.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Spans of each application's scene.
    pub lit: BTreeMap<AppNo, Vec<Lit>>,
    /// Whether the mall was ever linked, and is now.
    pub linked: (bool, bool),
    /// Links begun.
    pub link_errands: usize,
    /// Orders by number.
    pub orders: BTreeMap<String, Order>,
}

impl Book {
    /// Whether an application's scene is lit now.
    pub fn is_lit(&self, app: AppNo) -> bool {
        self.lit.get(&app).and_then(|spans| spans.last()).is_some_and(|span| span.ended.is_none())
    }

    /// Whether an application's scene was ever seen lit: then it knows the citizen.
    pub fn is_bound(&self, app: AppNo) -> bool {
        self.lit.get(&app).is_some_and(|spans| spans.iter().any(|span| span.seen.is_some()))
    }

    /// Whether an application's scene was lit at an instant.
    pub fn was_lit(&self, app: AppNo, at: Timestamp) -> Must {
        let spans = self.lit.get(&app).map_or(&[][..], Vec::as_slice);
        let (early, late) = (at.plus_ms(-FUZZ_MS), at.plus_ms(FUZZ_MS));
        let surely = spans.iter().any(|span| {
            let begun = span.seen.is_some_and(|seen| seen <= early);
            begun && span.ended.is_none_or(|(asked, _)| asked >= late)
        });
        let perhaps = spans.iter().any(|span| {
            span.asked <= late && span.ended.is_none_or(|(_, answered)| answered >= early)
        });
        match (surely, perhaps) {
            (true, _) => Must::Be,
            (false, true) => Must::Either,
            (false, false) => Must::NotBe,
        }
    }

    /// Which answers an action may get now: the reasons it may be refused for, none for success.
    pub fn expected(
        &self,
        order: &str,
        action: OrderAction,
        points: Option<Points>,
        now: Timestamp,
    ) -> Vec<Option<Reason>> {
        let order = self.orders.get(order).filter(|order| order.status != OrderStatus::Refused);
        match (action, order) {
            (OrderAction::Freeze | OrderAction::Pay, _) if !self.linked.1 => {
                vec![Some(Reason::MallNotLinked)]
            }
            (OrderAction::Freeze | OrderAction::Pay, Some(_)) => vec![Some(Reason::OrderState)],
            // What is available is judged over the whole account, at the end.
            (OrderAction::Freeze | OrderAction::Pay, None) => {
                vec![None, Some(Reason::InsufficientPoints)]
            }
            (_, None) => vec![Some(Reason::UnknownOrder)],
            (OrderAction::Confirm | OrderAction::Cancel, Some(order)) => match order.lapses {
                Some(lapses) if now.plus_ms(FUZZ_MS) < lapses => vec![None],
                Some(lapses) if now.plus_ms(-FUZZ_MS) < lapses => {
                    vec![None, Some(Reason::OrderState)]
                }
                _ => vec![Some(Reason::OrderState)],
            },
            (OrderAction::Refund, Some(order)) if order.status != OrderStatus::Captured => {
                vec![Some(Reason::OrderState)]
            }
            (OrderAction::Refund, Some(order)) => {
                let fits = points.is_none_or(|points| points <= order.left());
                vec![(!fits).then_some(Reason::RefundTooLarge)]
            }
        }
    }

    /// Books an action's answer.
    pub fn answered(
        &mut self,
        order: &str,
        action: OrderAction,
        points: Option<Points>,
        refused: Option<Reason>,
        lapses: Option<Timestamp>,
    ) {
        let new = Order {
            status: OrderStatus::Refused,
            points: Points::ZERO,
            refunded: Points::ZERO,
            lapses: None,
        };
        let known = self.orders.entry(order.into()).or_insert(new);
        if refused.is_some() {
            // A hold that is found lapsed has done so by itself.
            let over = matches!(action, OrderAction::Confirm | OrderAction::Cancel);
            if over && known.status == OrderStatus::Frozen {
                (known.status, known.lapses) = (OrderStatus::Lapsed, None);
            }
            return;
        }
        known.lapses = None;
        match action {
            OrderAction::Freeze => {
                known.status = OrderStatus::Frozen;
                (known.points, known.lapses) = (points.unwrap_or_default(), lapses);
            }
            OrderAction::Pay => {
                known.status = OrderStatus::Captured;
                known.points = points.unwrap_or_default();
            }
            OrderAction::Confirm => known.status = OrderStatus::Captured,
            OrderAction::Cancel => known.status = OrderStatus::Cancelled,
            OrderAction::Refund => {
                known.refunded = known.refunded.saturating_add(points.unwrap_or(known.left()));
                if known.left().is_zero() {
                    known.status = OrderStatus::Refunded;
                }
            }
        }
    }

    /// Compares an order with how the platform shows it; holds that lapsed by themselves are
    /// booked first.
    pub fn compare(
        &mut self,
        no: &str,
        view: Option<&OrderView>,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(order) = self.orders.get_mut(no) else { return Ok(()) };
        let status = view.map_or(OrderStatus::Refused, |view| view.status);
        let due = order.lapses.is_some_and(|lapses| lapses <= now.plus_ms(FUZZ_MS));
        if status == OrderStatus::Lapsed && order.status == OrderStatus::Frozen && due {
            (order.status, order.lapses) = (OrderStatus::Lapsed, None);
        }
        let held = if order.status == OrderStatus::Frozen { order.points } else { Points::ZERO };
        let captured = match order.status {
            OrderStatus::Captured | OrderStatus::Refunded => order.points,
            _ => Points::ZERO,
        };
        let own = (order.status, held, captured, order.refunded);
        let theirs = view.map(|view| (view.status, view.held, view.captured, view.refunded));
        let none = (OrderStatus::Refused, Points::ZERO, Points::ZERO, Points::ZERO);
        match theirs.unwrap_or(none) == own {
            true => Ok(()),
            false => Err(format!("order {no} is {own:?} here and {theirs:?} there")),
        }
    }

    /// Points held and points redeemed, over all orders.
    pub fn points(&self) -> (Points, Points) {
        let of = |status: OrderStatus| self.orders.values().filter(move |o| o.status == status);
        let held = of(OrderStatus::Frozen).map(|order| order.points).sum();
        (held, of(OrderStatus::Captured).map(Order::left).sum())
    }
}
