//! Orders of a mall (02.Z303): freeze, confirm, cancel, pay, refund. Every action's serial is
//! remembered for ever with its digest and outcome, refusals included (INV-09).

use carbon_protocol::account::{
    AccountEvent, AccountReply, LotPoints, OrderAction, OrderCommand, OrderRef, OrderReply,
    OrderStatus, OrderView,
};
use carbon_protocol::{AppNo, OrderNo, Points, Reason, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use super::Account;
use super::ledger::sum;
use super::lots::{back_to_lots, last_taken};
use super::opening::{code_of, reason_of};
use crate::invariants::{Verdict, inv05_order, inv09_one_meaning};
use crate::machines::planted::{Planted, is_planted};
use crate::machines::{Decision, Facts, Machine};

/// All orders of the account. Closed ones are kept as numbers: some sixty bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders(Vec<Order>);

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    app: AppNo,
    /// Key of the order number.
    key: u64,
    /// The number itself, while the order holds points: the event of a lapse names it.
    no: Option<OrderNo>,
    status: u8,
    lapses: Option<Timestamp>,
    /// Held: what it holds. Captured: what it took and has not given back.
    lots: Vec<LotPoints>,
    captured: Points,
    refunded: Points,
    actions: Vec<Action>,
}

/// An action that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Action {
    /// Key of its serial.
    serial: u64,
    digest: u64,
    /// Code of the reason it was refused for; 0 for none.
    refused: u16,
}

const STATUSES: [OrderStatus; 6] = [
    OrderStatus::Refused,
    OrderStatus::Frozen,
    OrderStatus::Captured,
    OrderStatus::Cancelled,
    OrderStatus::Lapsed,
    OrderStatus::Refunded,
];

/// A serial or order number as eight bytes (FNV-1a-64). Two that fall together by chance are not to
/// be expected within one account; one who makes them fall together on purpose is a mall that gets
/// its own earlier answer, or a conflict.
fn key(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Order {
    fn new(app: AppNo, key: u64) -> Self {
        Self {
            app,
            key,
            no: None,
            status: 0,
            lapses: None,
            lots: Vec::new(),
            captured: Points::ZERO,
            refunded: Points::ZERO,
            actions: Vec::new(),
        }
    }

    fn status(&self) -> OrderStatus {
        STATUSES.get(usize::from(self.status)).copied().unwrap_or(OrderStatus::Refused)
    }

    fn become_(&mut self, status: OrderStatus) {
        let place = STATUSES.iter().position(|known| *known == status);
        self.status = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
        if status != OrderStatus::Frozen {
            (self.no, self.lapses) = (None, None);
        }
    }

    fn held(&self) -> Points {
        if self.status() == OrderStatus::Frozen { sum(&self.lots) } else { Points::ZERO }
    }

    fn view(&self, order: &OrderNo) -> OrderView {
        OrderView {
            order: order.clone(),
            status: self.status(),
            held: self.held(),
            captured: self.captured,
            refunded: self.refunded,
            lapses: self.lapses,
        }
    }
}

impl Orders {
    fn find(&self, app: AppNo, key: u64) -> Option<&Order> {
        self.0.iter().find(|order| order.app == app && order.key == key)
    }

    fn entry(&mut self, app: AppNo, key: u64) -> &mut Order {
        let same = |order: &Order| order.app == app && order.key == key;
        let place = self.0.iter().position(same).unwrap_or_else(|| {
            self.0.push(Order::new(app, key));
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    /// What a serial of an application was answered, and for which digest.
    fn answered(&self, app: AppNo, serial: u64) -> Option<&Action> {
        let actions = self.0.iter().filter(|order| order.app == app).flat_map(|o| &o.actions);
        actions.into_iter().find(|action| action.serial == serial)
    }

    /// Forgets every serial, as only a planted bug does.
    pub(super) fn forget_serials(&mut self) {
        self.0.iter_mut().for_each(|order| order.actions.clear());
    }

    /// An order as it stands.
    pub(super) fn view(&self, app: AppNo, order: &OrderNo) -> Option<OrderView> {
        self.find(app, key(order.as_str())).map(|known| known.view(order))
    }

    /// Orders that hold points, with the lots they hold.
    pub(super) fn frozen(&self) -> Vec<(AppNo, OrderNo, Vec<LotPoints>)> {
        let open = |order: &Order| Some((order.app, order.no.clone()?, order.lots.clone()));
        self.0.iter().filter_map(open).collect()
    }

    /// Points held by each open order.
    pub(super) fn holds(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|order| order.held().0)
    }

    /// INV-05 and INV-09 over all orders.
    pub(super) fn check(&self) -> Verdict {
        for order in &self.0 {
            let left = sum(&order.lots).0;
            let (captured, refunded) = (order.captured.0, order.refunded.0);
            // What an order took is with the mall or was given back; a frozen one took nothing.
            let taken =
                if order.status() == OrderStatus::Frozen { captured } else { left + refunded };
            inv05_order(order.key, taken, captured, refunded)?;
        }
        inv09_one_meaning(self.0.iter().flat_map(|order| {
            order.actions.iter().map(|action| ((order.app, action.serial), action.digest))
        }))
    }

    /// Makes the first order refund more than it captured, for tests that a predicate notices.
    #[cfg(test)]
    pub(super) fn over_refund(&mut self) {
        if let Some(order) = self.0.first_mut() {
            order.refunded = order.captured.saturating_add(Points(1));
        }
    }

    /// Gives a remembered serial a second meaning, for tests that a predicate notices.
    #[cfg(test)]
    pub(super) fn contradict(&mut self) {
        if let Some(action) = self.0.first_mut().and_then(|order| order.actions.first().cloned()) {
            let other = Action { digest: !action.digest, ..action };
            self.0[0].actions.push(other);
        }
    }
}

impl Account {
    /// Holds that lapsed, each released as of its own time; then lots that ended, those included
    /// that a lapse gave points back to. The outcome is the same however late it is settled.
    pub(super) fn due_holds_and_lots(&self, facts: &Facts<'_>) -> Vec<AccountEvent> {
        let mut lapsed: Vec<(Timestamp, &Order, &OrderNo)> = self
            .orders
            .0
            .iter()
            .filter_map(|order| Some((order.lapses?, order, order.no.as_ref()?)))
            .filter(|(lapses, ..)| *lapses <= facts.now)
            .collect();
        lapsed.sort_by_key(|(lapses, ..)| *lapses);
        let mut lots = self.lots.clone();
        let mut events = Vec::new();
        for (lapses, order, no) in lapsed {
            let back = back_to_lots(&order.lots, lapses.day(), facts.policy);
            lots.put(&back);
            events.push(AccountEvent::FreezeLapsed {
                app: order.app,
                order: no.clone(),
                lots: back,
            });
        }
        let ended = lots.ended(facts.now.day());
        if !ended.is_empty() {
            events.push(AccountEvent::LotsExpired { lots: ended });
        }
        events
    }

    pub(super) fn order(
        &self,
        facts: &Facts<'_>,
        command: &OrderCommand,
    ) -> Result<Decision<Self>, Rejection> {
        if self.person.is_none() {
            return Err(Reason::AccountNotOpen.into());
        }
        if let Some(answered) = self.orders.answered(command.app, key(command.serial.as_str())) {
            if answered.digest != command.digest {
                return Err(Reason::SerialConflict.into());
            }
            let reply = self.order_reply(command, true, reason_of(answered.refused));
            return Ok(Decision::answer(reply));
        }
        // Nothing is remembered for a CCID that is not this person's for the application.
        if !self.consents.is_bound(command.app, &command.ccid) {
            return Err(Reason::UnknownCcid.into());
        }
        let action = OrderRef {
            app: command.app,
            order: command.order.clone(),
            serial: command.serial.clone(),
            action: command.action,
            digest: command.digest,
        };
        let (event, refused) = match self.order_event(facts, command, &action) {
            Ok(event) => (event, None),
            Err(reason) => (AccountEvent::OrderRefused { action, reason }, Some(reason)),
        };
        // The answer tells of the state after the action.
        let mut after = self.clone();
        let events = self.recovering(facts.now, vec![event]);
        events.iter().for_each(|event| after.apply(facts.now, event));
        let reply = after.order_reply(command, false, refused);
        Ok(Decision { events, reply })
    }

    fn order_reply(
        &self,
        command: &OrderCommand,
        replay: bool,
        refused: Option<Reason>,
    ) -> AccountReply {
        AccountReply::Order(OrderReply {
            replay,
            refused,
            order: self.orders.view(command.app, &command.order),
            available: self.books.available(),
        })
    }

    /// The ladder of an action behind serial and CCID: link, state, amount.
    fn order_event(
        &self,
        facts: &Facts<'_>,
        command: &OrderCommand,
        action: &OrderRef,
    ) -> Result<AccountEvent, Reason> {
        if self.is_closed() {
            return Err(Reason::AccountClosed);
        }
        let action = action.clone();
        let known = self.orders.find(command.app, key(command.order.as_str()));
        let begun = known.filter(|order| order.status() != OrderStatus::Refused);
        match command.action {
            OrderAction::Freeze | OrderAction::Pay => {
                if !self.consents.is_mall_linked(command.app) {
                    return Err(Reason::MallNotLinked);
                }
                if begun.is_some() {
                    return Err(Reason::OrderState);
                }
                let lots = self.payment(command.points)?;
                if command.action == OrderAction::Pay {
                    return Ok(AccountEvent::OrderPaid { action, lots });
                }
                let lapses = facts.now.plus_seconds(i64::from(facts.policy.freeze_seconds));
                Ok(AccountEvent::OrderFrozen { action, lots, lapses })
            }
            OrderAction::Confirm | OrderAction::Cancel => {
                let order = begun.ok_or(Reason::UnknownOrder)?;
                if order.status() != OrderStatus::Frozen {
                    return Err(Reason::OrderState);
                }
                let points = order.held();
                if command.points.is_some_and(|named| named != points) {
                    return Err(Reason::OutOfRange);
                }
                if command.action == OrderAction::Confirm {
                    return Ok(AccountEvent::OrderConfirmed { action, points });
                }
                let lots = back_to_lots(&order.lots, facts.now.day(), facts.policy);
                Ok(AccountEvent::OrderCancelled { action, lots })
            }
            OrderAction::Refund => {
                let order = begun.ok_or(Reason::UnknownOrder)?;
                if order.status() != OrderStatus::Captured {
                    return Err(Reason::OrderState);
                }
                // Without an amount, all that is left.
                let points = command.points.unwrap_or_else(|| sum(&order.lots));
                if points.is_zero() {
                    return Err(Reason::OutOfRange);
                }
                let over = u64::from(is_planted(Planted::RefundCap));
                if points > sum(&order.lots).saturating_add(Points(over)) {
                    return Err(Reason::RefundTooLarge);
                }
                let back = last_taken(&order.lots, points);
                let lots = back_to_lots(&back, facts.now.day(), facts.policy);
                Ok(AccountEvent::OrderRefunded { action, lots })
            }
        }
    }

    /// The lots that pay an amount.
    fn payment(&self, points: Option<Points>) -> Result<Vec<LotPoints>, Reason> {
        let points = points.filter(|points| !points.is_zero()).ok_or(Reason::OutOfRange)?;
        self.lots.first_out(points).ok_or(Reason::InsufficientPoints)
    }

    pub(super) fn apply_order(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::OrderFrozen { action, lots, lapses } => {
                self.torn |= !self.lots.take(lots);
                let order = self.answer(action, None);
                order.become_(OrderStatus::Frozen);
                (order.no, order.lapses) = (Some(action.order.clone()), Some(*lapses));
                order.lots.clone_from(lots);
            }
            AccountEvent::OrderPaid { action, lots } => {
                self.torn |= !self.lots.take(lots);
                let order = self.answer(action, None);
                order.become_(OrderStatus::Captured);
                order.lots.clone_from(lots);
                order.captured = sum(lots);
            }
            AccountEvent::OrderConfirmed { action, points } => {
                let order = self.answer(action, None);
                order.become_(OrderStatus::Captured);
                order.captured = *points;
            }
            AccountEvent::OrderCancelled { action, lots } => {
                let order = self.answer(action, None);
                order.become_(OrderStatus::Cancelled);
                order.lots.clear();
                self.lots.put(lots);
            }
            AccountEvent::OrderRefunded { action, lots } => {
                let points = sum(lots);
                let order = self.answer(action, None);
                let mut left = super::lots::Lots::default();
                left.put(&order.lots);
                let whole = left.take(&last_taken(&order.lots, points));
                order.lots = left.all().to_vec();
                order.refunded = order.refunded.saturating_add(points);
                if order.lots.is_empty() {
                    order.become_(OrderStatus::Refunded);
                }
                self.torn |= !whole;
                self.lots.put(lots);
            }
            AccountEvent::OrderRefused { action, reason } => {
                self.answer(action, Some(*reason));
            }
            AccountEvent::FreezeLapsed { app, order, lots } => {
                let order = self.orders.entry(*app, key(order.as_str()));
                order.become_(OrderStatus::Lapsed);
                order.lots.clear();
                self.lots.put(lots);
            }
            AccountEvent::LotsExpired { lots } => self.torn |= !self.lots.take(lots),
            _ => self.torn = true,
        }
    }

    /// Remembers an action's answer with its order.
    fn answer(&mut self, action: &OrderRef, refused: Option<Reason>) -> &mut Order {
        let order = self.orders.entry(action.app, key(action.order.as_str()));
        order.actions.push(Action {
            serial: key(action.serial.as_str()),
            digest: action.digest,
            refused: refused.map_or(0, code_of),
        });
        order
    }
}
