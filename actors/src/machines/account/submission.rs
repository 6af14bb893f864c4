//! Submitted records: each routed row ends in a journaled outcome, pending or refused. What the
//! checks remember: pending records, trips of the acceptance window, grams by day and by month.

use std::borrow::Cow;

use carbon_protocol::account::{AccountEvent, AccountReply, Submit, SubmitRow, TotalView};
use carbon_protocol::behaviour::{Behaviour, BehaviourKind};
use carbon_protocol::{
    AppNo, Day, Grams, MessageId, Month, Reason, RecordRef, Rejection, SceneNo, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::Account;
use crate::invariants::{TripSpan, Verdict, inv02_once, inv10_one_report, overlap};
use crate::machines::{Decision, Facts, Machine};

/// Days beyond the acceptance window for which counters and trips are kept: a row that intake
/// accepted on its last day may reach the account this much later.
const LATE_DAYS: i32 = 3;

/// What the account remembers of records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    /// Waiting for issuance, in the order of arrival.
    pub(super) pending: Vec<Pending>,
    pub(super) trips: Vec<Trip>,
    /// Grams by scene and day, for daily caps.
    pub(super) days: Vec<(SceneNo, Day, Grams)>,
    /// Totals by application, scene and month; never forgotten.
    totals: Vec<Total>,
}

/// A record that waits for issuance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Which.
    pub record: RecordRef,
    /// Batch and row of the record that it corrects, of the same application.
    pub original: Option<(u32, u16)>,
    /// Its scene.
    pub scene: SceneNo,
    /// The day it counts for.
    pub day: Day,
    /// Its grams, after caps.
    pub grams: Grams,
}

/// A trip's fingerprint, in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    app: AppNo,
    /// Batch and row of the record that reported it; of the original, where it was corrected.
    place: (u32, u16),
    kind: u8,
    from: i64,
    seconds: i64,
}

/// Totals of one application's scene in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    app: AppNo,
    scene: SceneNo,
    month: Month,
    pub(super) pending: Grams,
    pub(super) issued: Grams,
    pub(super) voided: Grams,
    pub(super) records: u32,
}

impl Pending {
    /// Whether it is what an original counts for.
    pub(super) fn is_of(&self, original: RecordRef) -> bool {
        let own = (self.record.batch, self.record.row);
        let place = (original.batch, original.row);
        self.record.app == original.app && self.original.unwrap_or(own) == place
    }
}

impl Trip {
    /// The fingerprint of a trip; none for what is no trip. A vehicle's period and a household's
    /// month are unique by their claims (decision 9), and one citizen may have two cars.
    pub(super) fn of(
        record: RecordRef,
        kind: BehaviourKind,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Self> {
        let kind = match kind {
            BehaviourKind::Rail => 0,
            BehaviourKind::Bus => 1,
            BehaviourKind::Bike => 2,
            BehaviourKind::ElectricCar
            | BehaviourKind::Electricity
            | BehaviourKind::Photovoltaic => return None,
        };
        let (from, to) = (from.0.div_euclid(1000), to.0.div_euclid(1000));
        let (app, place) = (record.app, (record.batch, record.row));
        Some(Self { app, place, kind, from, seconds: to.saturating_sub(from) })
    }

    /// Whether an original reported it.
    pub(super) fn is_of(&self, original: RecordRef) -> bool {
        self.app == original.app && self.place == (original.batch, original.row)
    }

    fn span(&self) -> (i64, i64) {
        (self.from, self.from.saturating_add(self.seconds))
    }

    fn is_same_trip(&self, other: &Self) -> bool {
        self.kind == other.kind && self.app != other.app && overlap(self.span(), other.span())
    }

    fn day(&self) -> Day {
        Timestamp(self.span().1.saturating_mul(1000)).day()
    }
}

impl Records {
    /// Grams of a scene on a day, whichever application submitted them.
    fn of_day(&self, scene: SceneNo, day: Day) -> Grams {
        let same = |(of, on, _): &&(SceneNo, Day, Grams)| *of == scene && *on == day;
        self.days.iter().find(same).map_or(Grams::ZERO, |(_, _, grams)| *grams)
    }

    /// Grams of a scene in a month, pending or issued, whichever application submitted them.
    fn of_month(&self, scene: SceneNo, month: Month) -> Grams {
        let same = self.totals.iter().filter(|total| total.scene == scene && total.month == month);
        same.map(|total| total.pending.saturating_add(total.issued)).sum()
    }

    /// Whether another application's record of this trip counts already (INV-10).
    pub(super) fn has_other_report(&self, app: AppNo, behaviour: &Behaviour) -> bool {
        let (from, to) = behaviour.span();
        // Only trips of other applications are compared: by which record does not matter.
        Trip::of(RecordRef { app, batch: 0, row: 0 }, behaviour.kind(), from, to)
            .is_some_and(|trip| self.trips.iter().any(|known| known.is_same_trip(&trip)))
    }

    fn submitted(&mut self, pending: Pending, trip: Option<Trip>) {
        let Pending { record, scene, day, grams, .. } = pending;
        self.trips.extend(trip);
        match self.days.iter_mut().find(|(of, on, _)| *of == scene && *on == day) {
            Some((_, _, used)) => *used = used.saturating_add(grams),
            None => self.days.push((scene, day, grams)),
        }
        let total = self.total(record.app, scene, day.month());
        total.pending = total.pending.saturating_add(grams);
        total.records = total.records.saturating_add(1);
        self.pending.push(pending);
    }

    pub(super) fn total(&mut self, app: AppNo, scene: SceneNo, month: Month) -> &mut Total {
        let same = |total: &Total| (total.app, total.scene, total.month) == (app, scene, month);
        let place = self.totals.iter().position(same).unwrap_or_else(|| {
            let (pending, issued, voided) = (Grams::ZERO, Grams::ZERO, Grams::ZERO);
            self.totals.push(Total { app, scene, month, pending, issued, voided, records: 0 });
            self.totals.len() - 1
        });
        &mut self.totals[place]
    }

    /// Takes a record off the pending ones: issued, or refused, which frees what it used of the
    /// caps. Nothing where it was not pending.
    #[must_use]
    pub(super) fn settle(&mut self, record: RecordRef, issued: bool) -> Option<Pending> {
        let place = self.pending.iter().position(|pending| pending.record == record)?;
        let pending = self.pending.remove(place);
        let Pending { scene, day, grams, .. } = pending;
        let total = self.total(record.app, scene, day.month());
        total.pending = total.pending.saturating_sub(grams);
        if issued {
            total.issued = total.issued.saturating_add(grams);
        } else if let Some((_, _, used)) =
            self.days.iter_mut().find(|(of, on, _)| *of == scene && *on == day)
        {
            *used = used.saturating_sub(grams);
        }
        Some(pending)
    }

    fn outlived_by(&self, before: Day) -> bool {
        self.days.iter().any(|(_, day, _)| *day < before)
            || self.trips.iter().any(|trip| trip.day() < before)
    }

    fn forget(&mut self, before: Day) {
        self.days.retain(|(_, day, _)| *day >= before);
        self.trips.retain(|trip| trip.day() >= before);
    }

    /// The totals as they are shown.
    pub(super) fn total_views(&self) -> Vec<TotalView> {
        let view = |total: &Total| TotalView {
            app: total.app,
            scene: total.scene,
            month: total.month,
            pending: total.pending,
            issued: total.issued,
            voided: total.voided,
            records: total.records,
        };
        self.totals.iter().map(view).collect()
    }

    /// Grams of the totals: pending and issued.
    pub(super) fn total_grams(&self) -> (Vec<u64>, Vec<u64>) {
        self.totals.iter().map(|total| (total.pending.0, total.issued.0)).unzip()
    }

    /// INV-02 and INV-10 over what is remembered.
    pub(super) fn check(&self) -> Verdict {
        inv02_once(self.pending.iter().map(|pending| pending.record))?;
        let spans: Vec<TripSpan<u8>> = self
            .trips
            .iter()
            .map(|trip| (trip.kind, trip.app, trip.span().0, trip.span().1))
            .collect();
        inv10_one_report(&spans)
    }

    /// Doubles the first trip under another application, for tests that a predicate notices.
    #[cfg(test)]
    pub(super) fn report_again(&mut self, app: AppNo) {
        let again = self.trips.first().cloned().map(|trip| Trip { app, ..trip });
        self.trips.extend(again);
    }
}

impl Account {
    pub(super) fn submit(
        &self,
        facts: &Facts<'_>,
        submit: &Submit,
    ) -> Result<Decision<Self>, Rejection> {
        if self.messages.knows(submit.id) {
            return Ok(Decision::answer(AccountReply::Routed { decided: 0 }));
        }
        let mut events: Vec<AccountEvent> =
            self.outlived(facts, submit.floor).into_iter().collect();
        // A row is decided upon what the rows before it have changed.
        let mut state = Cow::Borrowed(self);
        // What is forgotten in this very turn cannot be amended in it.
        if submit.rows.iter().any(|row| row.amends.is_some()) {
            events.iter().for_each(|event| state.to_mut().apply(facts.now, event));
        }
        for (index, row) in submit.rows.iter().enumerate() {
            let before = events.len();
            match row.amends {
                Some(original) => events.extend(state.amend(facts, submit.id, row, original)),
                None => events.push(state.row(submit.id, row)),
            }
            if index + 1 < submit.rows.len() {
                let state = state.to_mut();
                events[before..].iter().for_each(|event| state.apply(facts.now, event));
            }
        }
        let decided = u32::try_from(submit.rows.len()).unwrap_or(u32::MAX);
        Ok(Decision { events, reply: AccountReply::Routed { decided } })
    }

    /// What can be forgotten now, if anything.
    pub(super) fn outlived(&self, facts: &Facts<'_>, floor: u64) -> Option<AccountEvent> {
        let window = i32::from(facts.policy.remembered_days()).saturating_add(LATE_DAYS);
        let before = facts.now.day().plus(window.saturating_neg());
        let due = self.messages.outlived_by(floor)
            || self.records.outlived_by(before)
            || self.issued.outlived_by(before);
        due.then_some(AccountEvent::Forgotten { floor, before })
    }

    /// One row's outcome.
    fn row(&self, message: MessageId, row: &SubmitRow) -> AccountEvent {
        let (record, scene) = (row.record, row.scene);
        match self.accepted_grams(row) {
            Ok((behaviour, grams)) => {
                let ((from, to), day) = (behaviour.span(), behaviour.day());
                let pending = self.records.pending.iter().map(|pending| pending.day);
                AccountEvent::RecordSubmitted {
                    record,
                    message,
                    scene,
                    kind: behaviour.kind(),
                    from,
                    to,
                    day,
                    grams,
                    capped: grams < row.grams,
                    pending_from: pending.fold(day, Day::min),
                }
            }
            Err(reason) => {
                let notice = self.next_notice(record.app);
                AccountEvent::RecordRefused { record, message, scene, reason, notice }
            }
        }
    }

    /// The ladder of a row; the grams that count when it is climbed.
    fn accepted_grams<'r>(&self, row: &'r SubmitRow) -> Result<(&'r Behaviour, Grams), Reason> {
        let app = row.record.app;
        // Only a row that amends another one may have none, and is decided elsewhere.
        let behaviour = row.behaviour.as_ref().ok_or(Reason::Malformed)?;
        if self.person.is_none() {
            return Err(Reason::AccountNotOpen);
        }
        if self.is_closed() {
            return Err(Reason::AccountClosed);
        }
        if !self.consents.is_bound(app, &row.ccid) {
            return Err(Reason::UnknownCcid);
        }
        if !self.consents.was_lit(app, row.scene, behaviour.span()) {
            return Err(Reason::SceneNotLit);
        }
        if self.records.has_other_report(app, behaviour) {
            return Err(Reason::TripAlreadyReported);
        }
        let grams = self.room_left(row, behaviour.day(), row.grams);
        // A record without grams uses nothing of a cap, and is accepted as what it is.
        if grams.is_zero() && !row.grams.is_zero() {
            return Err(Reason::DailyCapReached);
        }
        if self.books.takes(grams) { Ok((behaviour, grams)) } else { Err(Reason::OutOfRange) }
    }

    /// Cuts grams to what the caps leave (decision 12), the day's first.
    pub(super) fn room_left(&self, row: &SubmitRow, day: Day, grams: Grams) -> Grams {
        let of_day = || self.records.of_day(row.scene, day);
        let of_month = || self.records.of_month(row.scene, day.month());
        let daily = row.daily_cap.map(|cap| cap.saturating_sub(of_day()));
        let monthly = row.monthly_cap.map(|cap| cap.saturating_sub(of_month()));
        [Some(grams), daily, monthly].into_iter().flatten().min().unwrap_or(grams)
    }

    pub(super) fn apply_submission(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::RecordSubmitted {
                record,
                message,
                scene,
                kind,
                from,
                to,
                day,
                grams,
                ..
            } => {
                let (scene, day, grams) = (*scene, *day, *grams);
                let pending = Pending { record: *record, original: None, scene, day, grams };
                let trip = Trip::of(*record, *kind, *from, *to);
                self.records.submitted(pending, trip);
                self.messages.remember(*message);
            }
            AccountEvent::RecordRefused { record, message, notice, .. } => {
                self.noticed(record.app, *notice);
                self.messages.remember(*message);
            }
            AccountEvent::Forgotten { floor, before } => {
                self.messages.forget(*floor);
                self.records.forget(*before);
                self.issued.forget(*before);
            }
            _ => self.torn = true,
        }
    }
}
