//! The account machine: one citizen's consents, records, grams, points and orders. It decides and
//! applies; everything it must know beside its state comes with the command.

mod amending;
mod bill;
mod closing;
mod consents;
mod issued;
mod ledger;
mod looks;
mod lots;
mod minting;
mod opening;
mod orders;
mod soundness;
mod submission;
#[cfg(test)]
mod tests;

use carbon_protocol::account::{AccountCommand, AccountEvent, AccountReply};
use carbon_protocol::entry::Stream;
use carbon_protocol::seal::SealedPerson;
use carbon_protocol::{AppNo, Did, MessageId, Reason, Rejection, Timestamp};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::planted::{Planted, is_planted};
use crate::machines::{Decision, Facts, Machine, encoding};

pub use bill::{NO_APP, PAGE, RIDING, booked, decode_page};
pub use ledger::{Books, GramsPlace, PointsPlace, Posting, postings};

/// The format of an encoded state; bytes of another format are no snapshot, and the state is made
/// again from the journal.
const SNAPSHOT_FORMAT: u8 = 1;

/// One citizen's account. Small, because millions of them are kept: what can be derived is left
/// out, and what no later decision needs is forgotten by an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// The person, once opened.
    person: Option<Box<Person>>,
    consents: consents::Consents,
    errands: opening::Errands,
    /// The last notice's number by application (INV-07, decision 10).
    notices: Vec<(AppNo, u32)>,
    messages: Messages,
    records: submission::Records,
    issued: issued::Issued,
    books: ledger::Books,
    /// Grams issued that do not make a point yet.
    remainder: u64,
    lots: lots::Lots,
    orders: orders::Orders,
    bill: bill::Bill,
    /// An event did not fit this state. Set for ever: `check` speaks of it, and the shell stops.
    torn: bool,
}

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Person {
    did: Did,
    /// None once the key was erased.
    sealed: Option<SealedPerson>,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
}

/// Routed messages that were decided, above the router's floor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Messages {
    floor: u64,
    decided: Vec<MessageId>,
}

impl Messages {
    /// Whether a message was decided: it is remembered, or so old that it is not sent again.
    fn knows(&self, id: MessageId) -> bool {
        id.sequence <= self.floor || self.decided.contains(&id)
    }

    fn remember(&mut self, id: MessageId) {
        if !self.decided.contains(&id) {
            self.decided.push(id);
        }
    }

    /// Whether a floor lets something go.
    fn outlived_by(&self, floor: u64) -> bool {
        self.decided.iter().any(|id| id.sequence <= floor)
    }

    fn forget(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.decided.retain(|id| id.sequence > floor);
    }
}

impl Account {
    /// The person, or a refusal where no account was opened, or it was closed.
    fn opened(&self) -> Result<&Person, Rejection> {
        let person = self.person.as_deref().ok_or(Reason::AccountNotOpen)?;
        match person.closed_at {
            None => Ok(person),
            Some(_) => Err(Reason::AccountClosed.into()),
        }
    }

    /// The number of the next notice owed to an application.
    fn next_notice(&self, app: AppNo) -> u32 {
        let last = self.notices.iter().find(|(of, _)| *of == app).map_or(0, |(_, last)| *last);
        last.saturating_add(1)
    }

    fn noticed(&mut self, app: AppNo, notice: u32) {
        match self.notices.iter_mut().find(|(of, _)| *of == app) {
            Some((_, last)) => {
                // A gap would reach the partner as one (INV-07).
                self.torn |= notice != last.saturating_add(1);
                *last = notice;
            }
            None => {
                self.torn |= notice != 1;
                self.notices.push((app, notice));
            }
        }
    }
}

impl Machine for Account {
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Reply = AccountReply;

    fn new(_stream: Stream) -> Self {
        Self::default()
    }

    fn due(&self, facts: &Facts<'_>) -> Vec<AccountEvent> {
        self.recovering(facts.now, self.due_holds_and_lots(facts))
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &AccountCommand,
    ) -> Result<Decision<Self>, Rejection> {
        match command {
            AccountCommand::Open(open) => self.open(facts, open),
            AccountCommand::Bind { app, ccid, partner_uid } => {
                self.bind(*app, ccid, partner_uid.as_ref())
            }
            AccountCommand::Begin(purpose) => self.begin(purpose),
            AccountCommand::ErrandDone { errand, outcome } => self.errand_done(*errand, outcome),
            AccountCommand::Abandon => self.abandon(),
            AccountCommand::Revoke { app, scene, channel } => self.revoke(*app, *scene, *channel),
            AccountCommand::UnlinkMall { app, channel } => self.unlink_mall(*app, *channel),
            AccountCommand::Submit(submit) => self.submit(facts, submit),
            AccountCommand::Issue(issue) => self.issue(facts, issue),
            AccountCommand::Order(order) => self.order(facts, order),
            AccountCommand::Close(by) => self.close(facts, *by),
            AccountCommand::Erased { slot } => Ok(self.erased(*slot)),
            // The shell has applied what was due already. A closed account may still have a key.
            AccountCommand::Settle if self.is_closed() => Ok(Decision::answer(self.closing(true))),
            AccountCommand::Settle => Ok(Decision::answer(AccountReply::Done { replay: false })),
            AccountCommand::Look(look) => self.look(look).map(Decision::answer),
        }
    }

    fn apply(&mut self, at: Timestamp, event: &AccountEvent) {
        for posting in postings(event) {
            self.torn |= !self.books.post(&posting);
        }
        self.bill.book(at, event);
        match event {
            AccountEvent::Opened { .. }
            | AccountEvent::Bound { .. }
            | AccountEvent::ErrandBegun { .. }
            | AccountEvent::ErrandFailed { .. }
            | AccountEvent::ErrandSucceeded { .. }
            | AccountEvent::SceneLit { .. }
            | AccountEvent::SceneRevoked { .. }
            | AccountEvent::MallLinked { .. }
            | AccountEvent::MallUnlinked { .. } => self.apply_consent(at, event),
            AccountEvent::RecordSubmitted { .. }
            | AccountEvent::RecordRefused { .. }
            | AccountEvent::Forgotten { .. } => self.apply_submission(event),
            AccountEvent::PendingRefused { .. }
            | AccountEvent::Closed { .. }
            | AccountEvent::Erased { .. } => self.apply_closing(at, event),
            AccountEvent::RecordAmended { .. }
            | AccountEvent::PointsVoided { .. }
            | AccountEvent::DebtRecovered { .. } => self.apply_amendment(event),
            AccountEvent::Issued { .. }
            | AccountEvent::PointsCredited { .. }
            | AccountEvent::RunPassed { .. } => self.apply_issuance(event),
            AccountEvent::OrderFrozen { .. }
            | AccountEvent::OrderConfirmed { .. }
            | AccountEvent::OrderCancelled { .. }
            | AccountEvent::OrderPaid { .. }
            | AccountEvent::OrderRefunded { .. }
            | AccountEvent::OrderRefused { .. }
            | AccountEvent::FreezeLapsed { .. }
            | AccountEvent::LotsExpired { .. } => self.apply_order(event),
        }
    }

    fn check(&self) -> Result<(), Violation> {
        self.is_sound()
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], _pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let own = matches!(stream, Stream::Account(_));
        let mut account: Self =
            own.then(|| encoding::decode(SNAPSHOT_FORMAT, snapshot)).flatten()?;
        if is_planted(Planted::SerialForgotten) {
            account.orders.forget_serials();
        }
        Some(account)
    }

    fn take_pages(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.bill.take_sealed()
    }
}
