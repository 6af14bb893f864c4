//! Corrections and voids (更正, 作废): a later record takes the place of an earlier one, or ends it.
//! Pending grams are changed; issued ones are taken back with their points. What was spent of those
//! is a debt, recovered from whatever comes in later before it can be spent (decision 11).

use carbon_protocol::account::{AccountEvent, SubmitRow};
use carbon_protocol::behaviour::Behaviour;
use carbon_protocol::{Day, Grams, MessageId, Points, Reason, RecordRef, Timestamp};

use super::issued::{Standing, TakenBack};
use super::submission::{Pending, Records, Trip};
use super::{Account, PointsPlace};
use crate::machines::{Facts, Machine};

impl Account {
    /// The outcome of a row that corrects or voids a record.
    pub(super) fn amend(
        &self,
        facts: &Facts<'_>,
        message: MessageId,
        row: &SubmitRow,
        original: RecordRef,
    ) -> Vec<AccountEvent> {
        let (record, scene) = (row.record, row.scene);
        let standing = match self.amendable(row, original) {
            Ok(standing) => standing,
            Err(reason) => {
                let notice = self.next_notice(record.app);
                return vec![AccountEvent::RecordRefused {
                    record,
                    message,
                    scene,
                    reason,
                    notice,
                }];
            }
        };
        let counted = standing.pending.saturating_add(standing.issued);
        // A void wants nothing.
        let wanted = row.behaviour.as_ref().map_or(Grams::ZERO, |_| row.grams);
        let added = self.room_left(row, standing.day, wanted.saturating_sub(counted));
        let capped = counted.saturating_add(added) < wanted;
        let back = counted.saturating_sub(wanted);
        let pending_voided = standing.pending.min(back);
        let issued_voided = back.saturating_sub(pending_voided);
        let pending = standing.pending.saturating_sub(pending_voided).saturating_add(added);
        let run = standing.run.filter(|_| pending.is_zero());
        // A record of no grams waits for issuance, too, unless some of it was issued.
        let waits = row.behaviour.is_some() && run.is_none();
        let kind_and_span = |behaviour: &Behaviour| {
            let (from, to) = behaviour.span();
            (behaviour.kind(), from, to)
        };
        let mut events = vec![AccountEvent::RecordAmended {
            record,
            message,
            original,
            replaced: standing.record,
            scene,
            day: standing.day,
            span: row.behaviour.as_ref().map(kind_and_span),
            pending_voided,
            issued_voided,
            added,
            grams: counted.saturating_add(added).saturating_sub(back),
            run,
            capped,
            pending_from: self.pending_after(original, waits.then_some(standing.day)),
            notice: self.next_notice(record.app),
        }];
        if !issued_voided.is_zero() {
            events.push(self.points_back(facts, record, original, issued_voided));
        }
        events
    }

    /// The earliest pending day, with another one in the place of an original's.
    fn pending_after(&self, original: RecordRef, day: Option<Day>) -> Option<Day> {
        let others = self.records.pending.iter().filter(|pending| !pending.is_of(original));
        others.map(|pending| pending.day).chain(day).min()
    }

    /// The ladder of such a row; what counts until now when it is climbed.
    fn amendable(&self, row: &SubmitRow, original: RecordRef) -> Result<Standing, Reason> {
        let app = row.record.app;
        if self.person.is_none() {
            return Err(Reason::AccountNotOpen);
        }
        if !self.consents.is_bound(app, &row.ccid) {
            return Err(Reason::UnknownCcid);
        }
        let pending = self.records.standing(original);
        let standing = self.issued.complete(original, pending).ok_or(Reason::NotAmendable)?;
        let Some(behaviour) = &row.behaviour else {
            let same = standing.scene == row.scene;
            return if same { Ok(standing) } else { Err(Reason::AmendmentMismatch) };
        };
        if standing.scene != row.scene || standing.day != behaviour.day() {
            return Err(Reason::AmendmentMismatch);
        }
        if !self.consents.was_lit(app, row.scene, behaviour.span()) {
            return Err(Reason::SceneNotLit);
        }
        if self.records.has_other_report(app, behaviour) {
            return Err(Reason::TripAlreadyReported);
        }
        if self.books.takes(row.grams) { Ok(standing) } else { Err(Reason::OutOfRange) }
    }

    /// Points of issued grams that are taken back, from the lots that end soonest. What makes no
    /// whole point is taken from the carried remainder, so that in the end every gram that counts
    /// is in a point or carried on, as if the others had never been.
    fn points_back(
        &self,
        facts: &Facts<'_>,
        record: RecordRef,
        original: RecordRef,
        grams: Grams,
    ) -> AccountEvent {
        let (mut points, mut remainder) = (0_u64, self.remainder);
        for TakenBack { grams, grams_per_point } in self.issued.taken_back(original, grams) {
            // Grams that were issued while they made no points became some later, if at all.
            let price =
                if grams_per_point > 0 { grams_per_point } else { facts.policy.grams_per_point };
            let missing = grams.0.saturating_sub(remainder);
            remainder = remainder.saturating_sub(grams.0);
            if missing > 0 && price > 0 {
                let whole = missing.div_ceil(price);
                points = points.saturating_add(whole);
                remainder = whole.saturating_mul(price).saturating_sub(missing);
            }
        }
        // Under a price that has changed, roundings could ask for more than was ever credited.
        let book = self.books.points_book();
        let most = book.issued.saturating_sub(book.voided).saturating_sub(book.owed);
        let points = Points(points).min(most);
        let there = points.min(book.available);
        let lots = self.lots.first_out(there).unwrap_or_default();
        AccountEvent::PointsVoided { record, lots, owed: points.saturating_sub(there), remainder }
    }

    /// Events, followed by what they recover of a debt: points that come in, by whatever way, pay
    /// it before they can be spent.
    pub(super) fn recovering(
        &self,
        now: Timestamp,
        mut events: Vec<AccountEvent>,
    ) -> Vec<AccountEvent> {
        let owed = self.books.points_book().owed;
        if owed.is_zero() || events.is_empty() {
            return events;
        }
        let mut after = self.clone();
        events.iter().for_each(|event| after.apply(now, event));
        let lots = after.lots.first_out(owed.min(after.books.available())).unwrap_or_default();
        if !lots.is_empty() {
            events.push(AccountEvent::DebtRecovered { lots });
        }
        events
    }

    pub(super) fn apply_amendment(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::RecordAmended {
                record,
                message,
                original,
                span,
                issued_voided,
                notice,
                ..
            } => {
                let amended = self.records.amend(event);
                let taken = self.issued.amend(*original, *record, *issued_voided);
                if span.is_none() {
                    self.issued.let_go(*original);
                }
                self.torn |= !(amended && taken);
                self.messages.remember(*message);
                self.noticed(record.app, *notice);
            }
            AccountEvent::PointsVoided { lots, remainder, .. } => {
                self.torn |= !self.lots.take(lots);
                self.remainder = *remainder;
            }
            AccountEvent::DebtRecovered { lots } => self.torn |= !self.lots.take(lots),
            _ => self.torn = true,
        }
    }

    /// Whether a debt is paid before anything can be spent.
    pub(super) fn pays_first(&self) -> bool {
        self.books.points(PointsPlace::Owed) <= 0 || self.books.points(PointsPlace::Available) == 0
    }
}

impl Records {
    /// What of an original waits for issuance.
    fn standing(&self, original: RecordRef) -> Option<Standing> {
        let pending = self.pending.iter().find(|pending| pending.is_of(original))?;
        let Pending { record, scene, day, grams, .. } = *pending;
        Some(Standing { record, scene, day, pending: grams, issued: Grams::ZERO, run: None })
    }

    /// Changes what waits for issuance, what counts towards caps, the totals, and the trip that
    /// INV-10 compares; false where that does not fit.
    #[must_use]
    fn amend(&mut self, event: &AccountEvent) -> bool {
        let AccountEvent::RecordAmended {
            record,
            original,
            scene,
            day,
            span,
            pending_voided,
            issued_voided,
            added,
            run,
            ..
        } = event
        else {
            return false;
        };
        let place = self.pending.iter().position(|pending| pending.is_of(*original));
        let known = place.map_or(Grams::ZERO, |place| self.pending[place].grams);
        let Some(left) = known.checked_sub(*pending_voided) else { return false };
        let grams = left.saturating_add(*added);
        let waits = span.is_some() && run.is_none();
        let (scene, day, root) = (*scene, *day, (original.batch, original.row));
        let pending = Pending { record: *record, original: Some(root), scene, day, grams };
        match place {
            Some(place) if waits => self.pending[place] = pending,
            Some(place) => drop(self.pending.remove(place)),
            None if waits => self.pending.push(pending),
            None => {}
        }
        let back = pending_voided.saturating_add(*issued_voided);
        let total = self.total(record.app, scene, day.month());
        total.pending = total.pending.saturating_sub(*pending_voided).saturating_add(*added);
        total.issued = total.issued.saturating_sub(*issued_voided);
        total.voided = total.voided.saturating_add(back);
        total.records = total.records.saturating_sub(u32::from(span.is_none()));
        if let Some((_, _, used)) =
            self.days.iter_mut().find(|(of, on, _)| (*of, *on) == (scene, day))
        {
            *used = used.saturating_sub(back).saturating_add(*added);
        }
        self.trips.retain(|trip| !trip.is_of(*original));
        self.trips.extend(span.and_then(|(kind, from, to)| Trip::of(*original, kind, from, to)));
        true
    }
}
