//! Closing the account (销户): consents end, what is pending is refused, points end, the ledger
//! stays. Erasing the person is the vault's work, and journaled once it is done.

use std::borrow::Cow;

use carbon_protocol::account::{AccountEvent, AccountReply, Channel, ClosedBy};
use carbon_protocol::policy::ClosingFreezes;
use carbon_protocol::{Reason, Rejection, Timestamp};

use super::Account;
use super::issued::Issued;
use super::lots::back_to_lots;
use crate::machines::{Decision, Facts, Machine};

impl Account {
    pub(super) fn close(
        &self,
        facts: &Facts<'_>,
        by: ClosedBy,
    ) -> Result<Decision<Self>, Rejection> {
        let person = self.person.as_ref().ok_or(Reason::AccountNotOpen)?;
        if person.closed_at.is_some() {
            return Ok(Decision::answer(self.closing(true)));
        }
        let freezes = self.orders.frozen();
        if !freezes.is_empty() && facts.policy.closing_freezes == ClosingFreezes::Refuse {
            let detail = format!("open orders: {}", freezes.len());
            return Err(Rejection::new(Reason::OrdersOpen).with(detail));
        }
        let mut steps = Steps { state: Cow::Borrowed(self), now: facts.now, events: Vec::new() };
        for (app, order, lots) in freezes {
            let lots = back_to_lots(&lots, facts.now.day(), facts.policy);
            steps.take(AccountEvent::FreezeLapsed { app, order, lots });
        }
        for errand in self.errands.running() {
            steps.take(AccountEvent::ErrandFailed { errand, reason: None });
        }
        let channel = match by {
            ClosedBy::Citizen(channel) => channel,
            ClosedBy::Operator => Channel::Operator,
        };
        for (app, scene) in self.consents.lit() {
            let notice = steps.state.next_notice(app);
            steps.take(AccountEvent::SceneRevoked { scene, app, channel, notice });
        }
        for app in self.consents.linked_malls() {
            let notice = steps.state.next_notice(app);
            steps.take(AccountEvent::MallUnlinked { app, channel, notice });
        }
        for pending in &self.records.pending {
            let (record, run) = (self.to_issue(pending), self.issued.run_of(pending));
            let notice = steps.state.next_notice(pending.record.app);
            let reason = Reason::AccountClosed;
            steps.take(AccountEvent::PendingRefused { record, run, reason, notice });
        }
        let lots = steps.state.lots.all().to_vec();
        steps.take(AccountEvent::Closed { by, lots });
        let reply = steps.state.closing(false);
        Ok(Decision { events: steps.events, reply })
    }

    pub(super) fn erased(&self, slot: u64) -> Decision<Self> {
        // Whoever has opened an account again meanwhile has another slot.
        let due = self.to_be_erased() == Some(slot);
        let events = if due { vec![AccountEvent::Erased { slot }] } else { Vec::new() };
        Decision { events, reply: AccountReply::Done { replay: !due } }
    }

    /// What a closed account answers: whose key is still to be erased.
    pub(super) fn closing(&self, replay: bool) -> AccountReply {
        AccountReply::Closed { replay, erase: self.to_be_erased() }
    }

    fn to_be_erased(&self) -> Option<u64> {
        let person = self.person.as_ref().filter(|person| person.closed_at.is_some())?;
        person.sealed.as_ref().map(|sealed| sealed.slot)
    }

    /// Whether it was closed, and not opened again.
    pub(super) fn is_closed(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.closed_at.is_some())
    }

    pub(super) fn apply_closing(&mut self, at: Timestamp, event: &AccountEvent) {
        match event {
            AccountEvent::PendingRefused { record, notice, .. } => {
                self.torn |= self.records.settle(record.record, false).is_none();
                self.noticed(record.record.app, *notice);
            }
            AccountEvent::Closed { lots, .. } => {
                self.torn |= !self.lots.take(lots) || !self.lots.all().is_empty();
                // What makes no point yet never will.
                self.remainder = 0;
                // Points of issued grams are spent or have ended: nothing of them is taken back.
                self.issued = Issued::default();
                match &mut self.person {
                    Some(person) => person.closed_at = Some(at),
                    None => self.torn = true,
                }
            }
            AccountEvent::Erased { .. } => match &mut self.person {
                Some(person) => person.sealed = None,
                None => self.torn = true,
            },
            _ => self.torn = true,
        }
    }
}

/// Events, each decided upon what the ones before have changed.
struct Steps<'a> {
    state: Cow<'a, Account>,
    now: Timestamp,
    events: Vec<AccountEvent>,
}

impl Steps<'_> {
    fn take(&mut self, event: AccountEvent) {
        self.state.to_mut().apply(self.now, &event);
        self.events.push(event);
    }
}
