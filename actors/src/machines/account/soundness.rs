//! Every invariant that one account's state can show, checked after each turn in every build.

use super::Account;
use super::ledger::{GramsPlace, PointsPlace};
use crate::invariants::{Verdict, Violation, inv01_backed, inv03_one_ccid, inv04_consented};

impl Account {
    pub(super) fn is_sound(&self) -> Verdict {
        if self.torn {
            let seen = "an event did not fit the state".into();
            return Err(Violation { invariant: "INV-01", seen });
        }
        self.books.check()?;
        self.records.check()?;
        self.balances_are_backed()?;
        inv03_one_ccid(self.consents.links.iter().map(|link| (link.app, &link.ccid)))?;
        self.what_is_lit_was_consented_to()?;
        self.orders.check()?;
        self.numbers_add_up()
    }

    /// INV-01: what the books say is what lots, holds, records and totals say.
    fn balances_are_backed(&self) -> Verdict {
        let lots = self.lots.all().iter().map(|lot| lot.points.0);
        inv01_backed("available", self.books.points(PointsPlace::Available), lots)?;
        inv01_backed("held", self.books.points(PointsPlace::Held), self.orders.holds())?;
        let pending = self.books.grams(GramsPlace::Pending);
        let records = self.records.pending.iter().map(|record| record.grams.0);
        inv01_backed("pending", pending, records)?;
        let (totals_pending, totals_issued) = self.records.total_grams();
        inv01_backed("pending by month", pending, totals_pending)?;
        inv01_backed("issued by month", self.books.grams(GramsPlace::Credited), totals_issued)
    }

    /// INV-04: no span without a consent, no link to a mall without one.
    fn what_is_lit_was_consented_to(&self) -> Verdict {
        for scene in &self.consents.scenes {
            for period in &scene.periods {
                inv04_consented((scene.app, scene.scene), period.given.len())?;
            }
        }
        for link in &self.consents.links {
            if let Some(mall) = &link.mall {
                inv04_consented(link.app, mall.given.len())?;
            }
        }
        Ok(())
    }

    /// Counters that no invariant has a number for, but that one leans on.
    fn numbers_add_up(&self) -> Verdict {
        let wrong = |invariant, seen: &str| Err(Violation { invariant, seen: seen.into() });
        if !self.errands.are_sound() {
            return wrong("INV-03", "two errands of one application, or a number not given");
        }
        if !self.pays_first() {
            return wrong("INV-05", "points are available while there is a debt");
        }
        if !self.bill.adds_up() {
            return wrong("INV-01", "the bill's numbers and pages do not agree");
        }
        Ok(())
    }
}
