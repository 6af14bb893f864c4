//! Declarations: the same again is a replay, another thing under the same name a conflict, and
//! numbers are given once.

use std::sync::Arc;

use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::registry::{
    Agreement, App, AppRole, Partner, RegistryEvent, RegistryReply, Scene, SceneAmendment,
};
use carbon_protocol::signature::sm3;
use carbon_protocol::{AppNo, Day, PartnerId, Reason, Rejection, SceneNo, TextNo, Timestamp};

use super::{Adopted, Registry};
use crate::machines::Decision;

pub(super) type Decided = Result<Decision<Registry>, Rejection>;

pub(super) fn done(event: Option<RegistryEvent>) -> Decided {
    let reply = RegistryReply::Done { replay: event.is_none() };
    Ok(Decision { events: event.into_iter().collect(), reply })
}

pub(super) fn refused(reason: Reason, field: &str) -> Decided {
    Err(Rejection::of_field(reason, field))
}

/// The number behind the last one; nothing where all are given.
fn next(count: usize) -> Option<u16> {
    u16::try_from(count).ok()?.checked_add(1)
}

impl Registry {
    pub(super) fn register_partner(&self, partner: &Partner) -> Decided {
        match self.partners.get(&partner.id) {
            Some(known) if known == partner => done(None),
            Some(_) => refused(Reason::AlreadyRegistered, "id"),
            None => done(Some(RegistryEvent::PartnerRegistered(partner.clone()))),
        }
    }

    pub(super) fn register_app(&self, now: Timestamp, app: &App) -> Decided {
        if let Some(known) = self.app_by_id(&app.id) {
            let same = App {
                no: known.no,
                tokens: known.tokens,
                suspended: known.suspended,
                // Keys in custody differ with every taking; the door compares what is in them.
                keys: known.keys.clone(),
                newest_key: known.newest_key,
                ..app.clone()
            };
            return match **known == same {
                true => Ok(Decision::answer(RegistryReply::App(known.no))),
                false => refused(Reason::AlreadyRegistered, "appId"),
            };
        }
        if !self.partners.contains_key(&app.partner) {
            return refused(Reason::NotFound, "partnerId");
        }
        let Some(no) = next(self.apps.len()).map(AppNo) else {
            return refused(Reason::TooManyItems, "appId");
        };
        let mut app = App { no, tokens: [Timestamp(0); 2], suspended: false, ..app.clone() };
        for (key, no) in app.keys.iter_mut().zip(1..) {
            (key.no, key.from, key.until) = (no, now, None);
            app.newest_key = no;
        }
        let events = vec![RegistryEvent::AppRegistered(Box::new(app))];
        Ok(Decision { events, reply: RegistryReply::App(no) })
    }

    pub(super) fn declare_scene(&self, scene: &Scene) -> Decided {
        if let Some(known) = self.scene_by_code(&scene.code) {
            let same = Scene { no: known.no, ..scene.clone() };
            return match **known == same {
                true => Ok(Decision::answer(RegistryReply::Scene(known.no))),
                false => refused(Reason::AlreadyRegistered, "sceneCode"),
            };
        }
        let submits = |app: &AppNo| self.app(*app).is_some_and(|app| app.role == AppRole::Scene);
        if scene.apps.is_empty() || !scene.apps.iter().all(submits) {
            return refused(Reason::NotFound, "appIds");
        }
        if scene.link.is_some() != scene.kind.has_link() {
            return refused(Reason::OutOfRange, "link");
        }
        if scene.active_to < scene.active_from {
            return refused(Reason::OutOfRange, "activeTo");
        }
        if !self.methodologies.keys().any(|(id, _)| *id == scene.methodology) {
            return refused(Reason::UnknownMethodology, "methodology");
        }
        let Some(no) = next(self.scenes.len()).map(SceneNo) else {
            return refused(Reason::TooManyItems, "sceneCode");
        };
        let scene = Scene { no, ..scene.clone() };
        let events = vec![RegistryEvent::SceneDeclared(Box::new(scene))];
        Ok(Decision { events, reply: RegistryReply::Scene(no) })
    }

    /// What was approved so far stays approved: a scene ends today at the earliest, and no route is
    /// taken away, under which records were accepted.
    pub(super) fn amend_scene(&self, today: Day, amendment: &SceneAmendment) -> Decided {
        let SceneAmendment { scene, name, more_apps, active_to } = amendment;
        let Some(known) = self.scene(*scene) else { return refused(Reason::NotFound, "scene") };
        let submits = |app: &AppNo| self.app(*app).is_some_and(|app| app.role == AppRole::Scene);
        if !more_apps.iter().all(submits) {
            return refused(Reason::NotFound, "moreAppIds");
        }
        let mut amended = Scene::clone(known);
        for app in more_apps {
            if !amended.apps.contains(app) {
                amended.apps.push(*app);
            }
        }
        amended.name = name.clone().unwrap_or(amended.name);
        if let Some(active_to) = active_to.filter(|last| *last != known.active_to) {
            if active_to < today || active_to < known.active_from {
                return refused(Reason::OutOfRange, "activeTo");
            }
            amended.active_to = active_to;
        }
        done((amended != **known).then(|| RegistryEvent::SceneAmended(Box::new(amended))))
    }

    pub(super) fn publish_agreement(&self, agreement: &Agreement) -> Decided {
        let newest = self
            .text_numbers
            .range((agreement.id.clone(), 0)..=(agreement.id.clone(), u32::MAX))
            .next_back()
            .and_then(|(_, newest)| self.text(*newest));
        if let Some(known) = self.agreement(&agreement.id, agreement.version) {
            return match **known == (Agreement { no: known.no, ..agreement.clone() }) {
                true => done(None),
                false => refused(Reason::AlreadyRegistered, "version"),
            };
        }
        if agreement.sm3 != sm3(agreement.text.as_bytes()) {
            // A consent stands for the digest (INV-04): it must be the text's.
            return refused(Reason::Malformed, "sm3");
        }
        if agreement.version == 0 || newest.is_some_and(|n| n.version > agreement.version) {
            return refused(Reason::OutOfRange, "version");
        }
        if newest.is_some_and(|newest| newest.scope != agreement.scope) {
            return refused(Reason::AlreadyRegistered, "scope");
        }
        let Some(no) = next(self.texts.len()).map(TextNo) else {
            return refused(Reason::TooManyItems, "id");
        };
        let agreement = Agreement { no, ..agreement.clone() };
        done(Some(RegistryEvent::AgreementPublished(Box::new(agreement))))
    }

    pub(super) fn adopt_policy(&self, policy: &Policy) -> Decided {
        let mut known = self.policies.iter().map(|adopted| &adopted.policy);
        match known.clone().find(|known| known.version == policy.version) {
            Some(known) if **known == *policy => return done(None),
            Some(_) => return refused(Reason::AlreadyRegistered, "version"),
            None => {}
        }
        if known.next_back().is_some_and(|newest| newest.version > policy.version) {
            return refused(Reason::OutOfRange, "version");
        }
        done(Some(RegistryEvent::PolicyAdopted(Box::new(policy.clone()))))
    }

    pub(super) fn adopt_methodologies(&self, all: &[Methodology]) -> Decided {
        let key = |one: &Methodology| (one.id.clone(), one.effective);
        let new: Vec<Methodology> = all
            .iter()
            .filter(|one| self.methodologies.get(&key(one)).is_none_or(|known| **known != **one))
            .cloned()
            .collect();
        done((!new.is_empty()).then_some(RegistryEvent::MethodologiesAdopted(new)))
    }

    pub(super) fn suspend(&self, app: AppNo, suspended: bool) -> Decided {
        match self.app(app) {
            None => refused(Reason::NotFound, "appId"),
            Some(_) if self.suspended_apps.contains(&app) == suspended => done(None),
            Some(_) => done(Some(RegistryEvent::Suspended { app, suspended })),
        }
    }

    pub(super) fn suspend_partner(&self, partner: &PartnerId, suspended: bool) -> Decided {
        if !self.partners.contains_key(partner) {
            return refused(Reason::NotFound, "id");
        }
        if self.suspended_partners.contains(partner) == suspended {
            return done(None);
        }
        let partner = partner.clone();
        done(Some(RegistryEvent::PartnerSuspended { partner, suspended }))
    }

    pub(super) fn issue_token(&self, now: Timestamp, app: AppNo) -> Decided {
        if self.app(app).is_none_or(|app| app.suspended) {
            return Err(Reason::UnknownApp.into());
        }
        let events = vec![RegistryEvent::TokenIssued { app }];
        Ok(Decision { events, reply: RegistryReply::Token(now) })
    }

    pub(super) fn declared(&mut self, at: Timestamp, event: &RegistryEvent) {
        match event {
            RegistryEvent::PartnerRegistered(partner) => {
                Arc::make_mut(&mut self.partners).insert(partner.id.clone(), partner.clone());
            }
            RegistryEvent::AppRegistered(app) => {
                self.torn |= next(self.apps.len()) != Some(app.no.0);
                Arc::make_mut(&mut self.app_numbers).insert(app.id.clone(), app.no);
                Arc::make_mut(&mut self.apps).push(Arc::new((**app).clone()));
                self.admit_or_not(&app.partner);
            }
            RegistryEvent::SceneDeclared(scene) => {
                self.torn |= next(self.scenes.len()) != Some(scene.no.0);
                Arc::make_mut(&mut self.scene_numbers).insert(scene.code.clone(), scene.no);
                Arc::make_mut(&mut self.scenes).push(Arc::new((**scene).clone()));
            }
            RegistryEvent::SceneAmended(scene) => {
                let place = usize::from(scene.no.0).checked_sub(1);
                let scenes = Arc::make_mut(&mut self.scenes);
                match place.and_then(|place| scenes.get_mut(place)) {
                    Some(known) => *known = Arc::new((**scene).clone()),
                    None => self.torn = true,
                }
            }
            RegistryEvent::AgreementPublished(agreement) => {
                self.torn |= next(self.texts.len()) != Some(agreement.no.0);
                let key = (agreement.id.clone(), agreement.version);
                Arc::make_mut(&mut self.text_numbers).insert(key, agreement.no);
                Arc::make_mut(&mut self.texts).push(Arc::new((**agreement).clone()));
            }
            RegistryEvent::PolicyAdopted(policy) => {
                let policy = Arc::new((**policy).clone());
                let from = match self.policies.is_empty() {
                    true => policy.effective,
                    false => policy.effective.max(at.day()),
                };
                Arc::make_mut(&mut self.policies).push(Adopted { policy, from });
            }
            RegistryEvent::MethodologiesAdopted(all) => {
                let methodologies = Arc::make_mut(&mut self.methodologies);
                for one in all {
                    let key = (one.id.clone(), one.effective);
                    methodologies.insert(key, Arc::new(one.clone()));
                }
            }
            RegistryEvent::DictionaryImported(import) => self.keep_dictionary(at, import),
            RegistryEvent::Suspended { app, suspended } => {
                let apps = Arc::make_mut(&mut self.suspended_apps);
                if *suspended {
                    apps.insert(*app)
                } else {
                    apps.remove(app)
                };
                match self.app(*app).map(|app| app.partner.clone()) {
                    Some(partner) => self.admit_or_not(&partner),
                    None => self.torn = true,
                }
            }
            RegistryEvent::PartnerSuspended { partner, suspended } => {
                let partners = Arc::make_mut(&mut self.suspended_partners);
                if *suspended {
                    partners.insert(partner.clone());
                } else {
                    partners.remove(partner);
                }
                self.admit_or_not(partner);
            }
            RegistryEvent::KeyAdded { app, key } => {
                self.change(*app, |app| app.add_key(at, key));
            }
            RegistryEvent::KeyRetired { app, key, until } => {
                self.change(*app, |app| app.end_key(*key, *until));
            }
            RegistryEvent::TokenIssued { app } => {
                self.change(*app, |app| app.tokens = [at, app.tokens[0]]);
            }
        }
    }

    /// Says of a partner's applications whether they may call.
    fn admit_or_not(&mut self, partner: &PartnerId) {
        let all = self.suspended_partners.contains(partner);
        let own = self.suspended_apps.clone();
        for app in Arc::make_mut(&mut self.apps).iter_mut().filter(|app| app.partner == *partner) {
            let suspended = all || own.contains(&app.no);
            if app.suspended != suspended {
                Arc::make_mut(app).suspended = suspended;
            }
        }
    }

    fn change(&mut self, no: AppNo, change: impl FnOnce(&mut App)) {
        let place = usize::from(no.0).checked_sub(1);
        match place.and_then(|place| Arc::make_mut(&mut self.apps).get_mut(place)) {
            Some(app) => change(Arc::make_mut(app)),
            None => self.torn = true,
        }
    }
}
