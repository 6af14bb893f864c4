//! Opening the account, binding CCIDs, lighting and revoking: consent first, then an errand that
//! others carry out, then what came of it.

use std::collections::BTreeSet;

use carbon_protocol::account::{
    AccountEvent, AccountReply, Channel, Consent, ErrandOutcome, ErrandView, Open, Purpose,
};
use carbon_protocol::{AppNo, Ccid, ErrandNo, PartnerUid, Reason, Rejection, SceneNo, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Account, Person};
use crate::machines::{Decision, Facts};

/// Errands under way, and the last one that ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Errands {
    /// The last number given.
    last: ErrandNo,
    running: Vec<(ErrandNo, Purpose)>,
    /// Of the last one that ended: number, application, code of the reason it failed for (0 for
    /// success, 1 for abandoned).
    ended: Option<(ErrandNo, AppNo, u16)>,
}

const SUCCEEDED: u16 = 0;
const ABANDONED: u16 = 1;

impl Errands {
    fn of_app(&self, app: AppNo) -> Option<&(ErrandNo, Purpose)> {
        self.running.iter().find(|(_, purpose)| purpose.app() == app)
    }

    /// Takes an errand off the running ones; false where it was not running.
    fn end(&mut self, errand: ErrandNo, result: u16) -> bool {
        let Some(place) = self.running.iter().position(|(no, _)| *no == errand) else {
            return false;
        };
        let (_, purpose) = self.running.remove(place);
        self.ended = Some((errand, purpose.app(), result));
        true
    }

    /// Every errand under way.
    pub fn running(&self) -> Vec<ErrandNo> {
        self.running.iter().map(|(errand, _)| *errand).collect()
    }

    /// The newest errand under way; where there is none, the last that ended.
    pub fn view(&self) -> Option<ErrandView> {
        if let Some((errand, purpose)) = self.running.last() {
            let app = purpose.app();
            return Some(ErrandView { errand: *errand, app, running: true, failed: None });
        }
        let (errand, app, result) = self.ended?;
        Some(ErrandView { errand, app, running: false, failed: reason_of(result) })
    }

    /// Whether applications and numbers are each one's own, and no number is ahead of the count.
    pub fn are_sound(&self) -> bool {
        let apps: BTreeSet<_> = self.running.iter().map(|(_, purpose)| purpose.app()).collect();
        let numbers: BTreeSet<_> = self.running.iter().map(|(no, _)| *no).collect();
        apps.len() == self.running.len()
            && numbers.len() == self.running.len()
            && numbers.last().is_none_or(|no| *no <= self.last)
    }
}

/// A reason as two bytes: its stable code.
pub(super) fn code_of(reason: Reason) -> u16 {
    reason.code().parse().unwrap_or(u16::MAX)
}

/// The reason of a code.
pub(super) fn reason_of(code: u16) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| code_of(*reason) == code)
}

fn done(events: Vec<AccountEvent>) -> Decision<Account> {
    let reply = AccountReply::Done { replay: events.is_empty() };
    Decision { events, reply }
}

impl Account {
    pub(super) fn open(&self, facts: &Facts<'_>, open: &Open) -> Result<Decision<Self>, Rejection> {
        if let Some(person) = &self.person {
            // INV-03: the account id is the person's; another DID for it is a contradiction.
            if person.did != open.did {
                return Err(Reason::AlreadyRegistered.into());
            }
            let Some(closed_at) = person.closed_at else { return Ok(done(Vec::new())) };
            let again = closed_at.day().plus(i32::from(facts.policy.reopening_days));
            if facts.now.day() < again {
                let detail = format!("it can be opened again on {again}");
                return Err(Rejection::new(Reason::AccountClosed).with(detail));
            }
        }
        if open.consents.is_empty() {
            return Err(Reason::ConsentRequired.into());
        }
        Ok(done(vec![AccountEvent::Opened {
            did: open.did.clone(),
            person: open.person.clone(),
            channel: open.channel,
            consents: open.consents.clone(),
        }]))
    }

    pub(super) fn bind(
        &self,
        app: AppNo,
        ccid: &Ccid,
        partner_uid: Option<&PartnerUid>,
    ) -> Result<Decision<Self>, Rejection> {
        self.opened()?;
        if !self.consents.may_bind(app, ccid) {
            return Err(Reason::AlreadyRegistered.into());
        }
        Ok(done(self.binding(app, ccid, partner_uid).into_iter().collect()))
    }

    /// The event that binds, unless all of it is known. A new user id at the partner replaces the
    /// old one: the person may have a new account there.
    fn binding(
        &self,
        app: AppNo,
        ccid: &Ccid,
        partner_uid: Option<&PartnerUid>,
    ) -> Option<AccountEvent> {
        let known = self
            .consents
            .link(app)
            .is_some_and(|link| partner_uid.is_none() || link.partner_uid.as_ref() == partner_uid);
        (!known).then(|| AccountEvent::Bound {
            app,
            ccid: ccid.clone(),
            partner_uid: partner_uid.cloned(),
        })
    }

    pub(super) fn begin(&self, purpose: &Purpose) -> Result<Decision<Self>, Rejection> {
        self.opened()?;
        well_formed(purpose)?;
        if let Some((errand, running)) = self.errands.of_app(purpose.app()) {
            // The same form sent twice waits for the same errand.
            return if same_aim(running, purpose) {
                Ok(Decision::answer(AccountReply::Errand(*errand)))
            } else {
                Err(Reason::ErrandRunning.into())
            };
        }
        self.not_yet(purpose)?;
        let errand = ErrandNo(self.errands.last.0.saturating_add(1));
        Ok(Decision {
            events: vec![AccountEvent::ErrandBegun { errand, purpose: purpose.clone() }],
            reply: AccountReply::Errand(errand),
        })
    }

    /// Refuses what is lit or linked already.
    fn not_yet(&self, purpose: &Purpose) -> Result<(), Rejection> {
        match purpose {
            Purpose::Light { app, scenes } => {
                match scenes.iter().position(|(scene, _)| self.consents.is_lit(*app, *scene)) {
                    Some(lit) => {
                        Err(Rejection::of_field(Reason::AlreadyLit, format!("scenes[{lit}]")))
                    }
                    None => Ok(()),
                }
            }
            Purpose::LinkMall { app, .. } if self.consents.is_mall_linked(*app) => {
                Err(Reason::AlreadyRegistered.into())
            }
            Purpose::LinkMall { .. } => Ok(()),
        }
    }

    pub(super) fn errand_done(
        &self,
        errand: ErrandNo,
        outcome: &ErrandOutcome,
    ) -> Result<Decision<Self>, Rejection> {
        let running = self.errands.running.iter().find(|(no, _)| *no == errand);
        let Some((_, purpose)) = running else { return Ok(done(Vec::new())) };
        let failed = |reason| Ok(done(vec![AccountEvent::ErrandFailed { errand, reason }]));
        match outcome {
            ErrandOutcome::Failed(reason) => failed(Some(*reason)),
            // INV-03: a second CCID for one application lights nothing, and the citizen is told.
            ErrandOutcome::Matched { ccid, .. } if !self.consents.may_bind(purpose.app(), ccid) => {
                failed(Some(Reason::AlreadyRegistered))
            }
            ErrandOutcome::Matched { ccid, partner_uid } => {
                let mut events = vec![AccountEvent::ErrandSucceeded { errand }];
                events.extend(self.binding(purpose.app(), ccid, Some(partner_uid)));
                events.extend(self.fulfilled(purpose));
                Ok(done(events))
            }
        }
    }

    /// What an errand was for, now that it succeeded.
    fn fulfilled(&self, purpose: &Purpose) -> Vec<AccountEvent> {
        match purpose {
            Purpose::Light { app, scenes } => (self.next_notice(*app)..)
                .zip(scenes)
                .map(|(notice, (scene, consents))| AccountEvent::SceneLit {
                    scene: *scene,
                    app: *app,
                    consents: consents.clone(),
                    notice,
                })
                .collect(),
            Purpose::LinkMall { app, consents } => {
                vec![AccountEvent::MallLinked { app: *app, consents: consents.clone() }]
            }
        }
    }

    pub(super) fn abandon(&self) -> Result<Decision<Self>, Rejection> {
        let abandoned = |(errand, _): &(ErrandNo, Purpose)| AccountEvent::ErrandFailed {
            errand: *errand,
            reason: None,
        };
        Ok(done(self.errands.running.iter().map(abandoned).collect()))
    }

    /// Taking consent back also stops an errand that would light the scene.
    pub(super) fn revoke(
        &self,
        app: AppNo,
        scene: SceneNo,
        channel: Channel,
    ) -> Result<Decision<Self>, Rejection> {
        self.opened()?;
        let mut events = self.stopped(app, |purpose| {
            matches!(purpose, Purpose::Light { scenes, .. }
                if scenes.iter().any(|(of, _)| *of == scene))
        });
        if self.consents.is_lit(app, scene) {
            let notice = self.next_notice(app);
            events.push(AccountEvent::SceneRevoked { scene, app, channel, notice });
        }
        Ok(done(events))
    }

    pub(super) fn unlink_mall(
        &self,
        app: AppNo,
        channel: Channel,
    ) -> Result<Decision<Self>, Rejection> {
        self.opened()?;
        let mut events = self.stopped(app, |purpose| matches!(purpose, Purpose::LinkMall { .. }));
        if self.consents.is_mall_linked(app) {
            let notice = self.next_notice(app);
            events.push(AccountEvent::MallUnlinked { app, channel, notice });
        }
        Ok(done(events))
    }

    fn stopped(&self, app: AppNo, aims: impl Fn(&Purpose) -> bool) -> Vec<AccountEvent> {
        let running = self.errands.of_app(app).filter(|(_, purpose)| aims(purpose));
        running
            .map(|(errand, _)| AccountEvent::ErrandFailed { errand: *errand, reason: None })
            .into_iter()
            .collect()
    }

    pub(super) fn apply_consent(&mut self, at: Timestamp, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { did, person, .. } => {
                self.torn |= self.person.is_some() && !self.is_closed();
                let (did, sealed) = (did.clone(), Some(person.clone()));
                let person = Person { did, sealed, opened_at: at, closed_at: None };
                self.person = Some(Box::new(person));
            }
            AccountEvent::Bound { app, ccid, partner_uid } => {
                self.consents.bind(*app, ccid, partner_uid.as_ref());
            }
            AccountEvent::ErrandBegun { errand, purpose } => {
                self.errands.last = *errand;
                self.errands.running.push((*errand, purpose.clone()));
            }
            AccountEvent::ErrandFailed { errand, reason } => {
                let result = reason.map_or(ABANDONED, code_of);
                self.torn |= !self.errands.end(*errand, result);
            }
            AccountEvent::ErrandSucceeded { errand } => {
                self.torn |= !self.errands.end(*errand, SUCCEEDED);
            }
            AccountEvent::SceneLit { scene, app, consents, notice } => {
                self.torn |= self.consents.is_lit(*app, *scene);
                self.consents.light(at, *app, *scene, consents);
                self.noticed(*app, *notice);
            }
            AccountEvent::SceneRevoked { scene, app, notice, .. } => {
                self.torn |= !self.consents.revoke(at, *app, *scene);
                self.noticed(*app, *notice);
            }
            AccountEvent::MallLinked { app, consents } => {
                self.torn |= !self.consents.link_mall(at, *app, consents);
            }
            AccountEvent::MallUnlinked { app, notice, .. } => {
                self.torn |= !self.consents.unlink_mall(at, *app);
                self.noticed(*app, *notice);
            }
            _ => self.torn = true,
        }
    }
}

/// A purpose names something, names nothing twice, and has a consent for each thing (INV-04).
fn well_formed(purpose: &Purpose) -> Result<(), Rejection> {
    let consented = |consents: &[Consent], field: String| {
        if consents.is_empty() {
            Err(Rejection::of_field(Reason::ConsentRequired, field))
        } else {
            Ok(())
        }
    };
    match purpose {
        Purpose::LinkMall { consents, .. } => consented(consents, "consents".into()),
        Purpose::Light { scenes, .. } => {
            if scenes.is_empty() {
                return Err(Rejection::of_field(Reason::OutOfRange, "scenes"));
            }
            let mut named = BTreeSet::new();
            for (index, (scene, consents)) in scenes.iter().enumerate() {
                if !named.insert(scene) {
                    return Err(Rejection::of_field(Reason::Duplicate, format!("scenes[{index}]")));
                }
                consented(consents, format!("scenes[{index}].consents"))?;
            }
            Ok(())
        }
    }
}

/// Whether two purposes want the same, whenever their consents were given.
fn same_aim(a: &Purpose, b: &Purpose) -> bool {
    let scenes = |purpose: &Purpose| match purpose {
        Purpose::Light { scenes, .. } => {
            Some(scenes.iter().map(|(scene, _)| *scene).collect::<BTreeSet<_>>())
        }
        Purpose::LinkMall { .. } => None,
    };
    a.app() == b.app() && scenes(a) == scenes(b)
}
