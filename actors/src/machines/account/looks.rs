//! Reads: the account as pages and contracts show it.

use carbon_protocol::account::{AccountReply, Look, PersonView, Summary};
use carbon_protocol::{Reason, Rejection, Timestamp};

use super::{Account, ledger::Books};

impl Account {
    pub(super) fn look(&self, look: &Look) -> Result<AccountReply, Rejection> {
        match look {
            Look::Summary => Ok(AccountReply::Summary(Box::new(self.summary()))),
            Look::Bill => Ok(AccountReply::Bill(self.bill.view())),
            Look::Person => {
                let person = self.opened()?;
                let sealed = person.sealed.clone().ok_or(Reason::AccountClosed)?;
                let view = PersonView { person: sealed, did: person.did.clone() };
                Ok(AccountReply::Person(Box::new(view)))
            }
            Look::Order { app, order } => {
                let view = self.orders.view(*app, order).ok_or(Reason::UnknownOrder)?;
                Ok(AccountReply::Order(carbon_protocol::account::OrderReply {
                    replay: false,
                    refused: None,
                    order: Some(view),
                    available: self.books.available(),
                }))
            }
        }
    }

    /// Both books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Everything but bill and personal data.
    pub fn summary(&self) -> Summary {
        let person = self.person.as_deref();
        Summary {
            open: person.is_some_and(|person| person.closed_at.is_none()),
            closed_at: person.and_then(|person| person.closed_at),
            erased: person.is_some_and(|person| person.sealed.is_none()),
            opened_at: person.map_or(Timestamp(0), |person| person.opened_at),
            did: person.map(|person| person.did.clone()),
            links: self.consents.link_views(),
            scenes: self.consents.scene_views(),
            errand: self.errands.view(),
            running: self.errands.running(),
            totals: self.records.total_views(),
            lots: self.lots.all().to_vec(),
            points: self.books.points_book(),
            grams: self.books.grams_book(),
        }
    }
}
