//! Look-ups in a view of the registry.

use std::sync::Arc;

use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::registry::{Agreement, AgreementScope, App, Partner, Scene};
use carbon_protocol::{
    AgreementId, AppId, AppNo, Day, MethodologyId, PartnerId, SceneCode, SceneNo, TextNo,
};

use super::{Adopted, Registry};

/// The thing of a number that counts from 1.
fn numbered<T>(things: &[T], no: u16) -> Option<&T> {
    things.get(usize::from(no).checked_sub(1)?)
}

impl Registry {
    /// A partner.
    pub fn partner(&self, id: &PartnerId) -> Option<&Partner> {
        self.partners.get(id)
    }

    /// All partners.
    pub fn partners(&self) -> impl Iterator<Item = &Partner> {
        self.partners.values()
    }

    /// The application of a number.
    pub fn app(&self, no: AppNo) -> Option<&Arc<App>> {
        numbered(&self.apps, no.0)
    }

    /// The application of an id.
    pub fn app_by_id(&self, id: &AppId) -> Option<&Arc<App>> {
        self.app(*self.app_numbers.get(id)?)
    }

    /// Whether a partner is suspended with all its applications.
    pub fn is_suspended(&self, partner: &PartnerId) -> bool {
        self.suspended_partners.contains(partner)
    }

    /// All agreements with all their versions.
    pub fn all_agreements(&self) -> impl Iterator<Item = &Arc<Agreement>> {
        self.text_numbers.values().filter_map(|no| self.text(*no))
    }

    /// All applications, in the order they were registered.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.iter()
    }

    /// The scene of a number.
    pub fn scene(&self, no: SceneNo) -> Option<&Arc<Scene>> {
        numbered(&self.scenes, no.0)
    }

    /// The scene of a code.
    pub fn scene_by_code(&self, code: &SceneCode) -> Option<&Arc<Scene>> {
        self.scene(*self.scene_numbers.get(code)?)
    }

    /// All scenes, in the order they were declared.
    pub fn scenes(&self) -> impl Iterator<Item = &Arc<Scene>> {
        self.scenes.iter()
    }

    /// The policy in force on a day: of those that hold by then, the newest version.
    pub fn policy(&self, day: Day) -> Option<&Arc<Policy>> {
        let counts = self.policies.iter().rev().find(|adopted| adopted.from <= day);
        counts.map(|adopted| &adopted.policy)
    }

    /// All policies, oldest first.
    pub fn policies(&self) -> &[Adopted] {
        &self.policies
    }

    /// The methodology that prices behaviour of a day.
    pub fn methodology(&self, id: &MethodologyId, day: Day) -> Option<&Arc<Methodology>> {
        let from = (id.clone(), Day(i32::MIN));
        self.methodologies.range(from..=(id.clone(), day)).next_back().map(|(_, found)| found)
    }

    /// All methodologies with all their versions.
    pub fn methodologies(&self) -> impl Iterator<Item = &Arc<Methodology>> {
        self.methodologies.values()
    }

    /// A version of an agreement.
    pub fn agreement(&self, id: &AgreementId, version: u32) -> Option<&Arc<Agreement>> {
        self.text(*self.text_numbers.get(&(id.clone(), version))?)
    }

    /// The version of an agreement that a consent names.
    pub fn text(&self, no: TextNo) -> Option<&Arc<Agreement>> {
        numbered(&self.texts, no.0)
    }

    /// The agreements of a scope as they hold on a day: of each id the newest version.
    pub fn agreements(&self, scope: &AgreementScope, day: Day) -> Vec<&Arc<Agreement>> {
        let mut newest: Vec<&Arc<Agreement>> = Vec::new();
        // In order of id and version: a later version takes the place of the one before.
        for agreement in self.text_numbers.values().filter_map(|no| self.text(*no)) {
            if agreement.scope != *scope || agreement.effective > day {
                continue;
            }
            match newest.last_mut().filter(|last| last.id == agreement.id) {
                Some(last) => *last = agreement,
                None => newest.push(agreement),
            }
        }
        newest
    }
}
