//! Issuance reaches the account: pending records become issued or refused, issued grams become
//! points of a lot, and what makes no whole point is carried on.

use std::collections::{BTreeMap, HashSet};

use carbon_protocol::account::{AccountEvent, AccountReply, Issue, IssuedRecord, LotPoints};
use carbon_protocol::policy::Policy;
use carbon_protocol::{AppNo, Day, Grams, Points, RecordRef, Rejection, RunNo};

use super::lots::lot_of;
use super::{Account, submission::Pending};
use crate::machines::{Decision, Facts};

impl Account {
    pub(super) fn issue(
        &self,
        facts: &Facts<'_>,
        issue: &Issue,
    ) -> Result<Decision<Self>, Rejection> {
        if self.messages.knows(issue.id) {
            return Ok(Decision::answer(AccountReply::Routed { decided: 0 }));
        }
        let mut events: Vec<AccountEvent> = self.outlived(facts, issue.floor).into_iter().collect();
        let (mut grams, mut decided) = (Grams::ZERO, 0_usize);
        for (app, (issued, refused)) in self.chosen(issue) {
            grams = grams.saturating_add(issued.iter().map(|record| record.grams).sum());
            decided += issued.len() + refused.len();
            events.push(AccountEvent::Issued {
                run: issue.run,
                message: issue.id,
                app,
                issued,
                refused,
                notice: self.next_notice(app),
            });
        }
        if !grams.is_zero() {
            events.push(self.converted(facts.now.day(), facts.policy, issue.run, grams));
        }
        let (run, message) = (issue.run, issue.id);
        events.push(AccountEvent::RunPassed { run, message, pending_from: self.left(issue) });
        let events = self.recovering(facts.now, events);
        let decided = u32::try_from(decided).unwrap_or(u32::MAX);
        Ok(Decision { events, reply: AccountReply::Routed { decided } })
    }

    /// What waits for issuance.
    pub fn pending(&self) -> impl Iterator<Item = IssuedRecord> {
        self.records.pending.iter().map(|pending| self.to_issue(pending))
    }

    pub(super) fn to_issue(&self, pending: &Pending) -> IssuedRecord {
        let Pending { record, scene, day, grams, .. } = *pending;
        IssuedRecord { record, scene, day, grams, before: self.issued.of(pending) }
    }

    /// The pending records of a run by application: to be issued, and excluded by the operator.
    fn chosen(&self, issue: &Issue) -> BTreeMap<AppNo, (Vec<IssuedRecord>, Vec<IssuedRecord>)> {
        let excluded: HashSet<&RecordRef> = issue.excluded.iter().collect();
        let mut chosen: BTreeMap<AppNo, (Vec<_>, Vec<_>)> = BTreeMap::new();
        for pending in self.records.pending.iter().filter(|pending| in_run(issue, pending)) {
            let record = self.to_issue(pending);
            let (issued, refused) = chosen.entry(pending.record.app).or_default();
            if excluded.contains(&pending.record) {
                refused.push(record);
            } else {
                issued.push(record);
            }
        }
        chosen
    }

    /// The earliest day that a run leaves pending.
    fn left(&self, issue: &Issue) -> Option<Day> {
        let left = self.records.pending.iter().filter(|pending| !in_run(issue, pending));
        left.map(|pending| pending.day).min()
    }

    /// Grams become points; the remainder of before counts in, the new one is carried on.
    fn converted(&self, today: Day, policy: &Policy, run: RunNo, issued: Grams) -> AccountEvent {
        let grams = issued.0.saturating_add(self.remainder);
        // A ratio of zero makes no points: all is carried until a policy with a ratio comes.
        let points = grams.checked_div(policy.grams_per_point).unwrap_or(0);
        let remainder = grams.checked_rem(policy.grams_per_point).unwrap_or(grams);
        AccountEvent::PointsCredited {
            run,
            policy: policy.version,
            grams_per_point: policy.grams_per_point,
            lot: LotPoints { expires: lot_of(today, policy), points: Points(points) },
            grams: Grams(grams),
            remainder,
        }
    }

    pub(super) fn apply_issuance(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Issued { run, app, issued, refused, notice, .. } => {
                for record in issued {
                    match self.records.settle(record.record, true) {
                        Some(pending) => self.issued.add(*run, &pending),
                        None => self.torn = true,
                    }
                }
                for record in refused {
                    self.torn |= self.records.settle(record.record, false).is_none();
                }
                self.noticed(*app, *notice);
            }
            AccountEvent::PointsCredited { run, grams_per_point, lot, remainder, .. } => {
                self.issued.price(*run, *grams_per_point);
                self.lots.put(&[*lot]);
                self.remainder = *remainder;
            }
            AccountEvent::RunPassed { message, .. } => self.messages.remember(*message),
            _ => self.torn = true,
        }
    }
}

/// Whether a run takes a pending record, to issue or to refuse it.
fn in_run(issue: &Issue, pending: &Pending) -> bool {
    pending.day <= issue.through
        && (issue.scenes.is_empty() || issue.scenes.contains(&pending.scene))
}
