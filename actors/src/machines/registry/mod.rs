//! The registry machine: what operators declare. One writer; everybody else reads a view, which is
//! a clone: its collections are shared, so that cloning it is cheap.

mod declaring;
mod dictionaries;
mod keys;
mod looking;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use carbon_protocol::entry::Stream;
use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::registry::RegistryReply;
use carbon_protocol::registry::{Agreement, App, Partner, RegistryCommand, RegistryEvent, Scene};
use carbon_protocol::{
    AgreementId, AppId, AppNo, Day, MethodologyId, PartnerId, Rejection, SceneCode, SceneNo,
    TextNo, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::invariants::Violation;
use crate::machines::pages::FreshPages;
use crate::machines::{Decision, Facts, Machine, encoding};

pub use dictionaries::{KeptDictionary, decode_page};

/// The format of an encoded registry.
const SNAPSHOT_FORMAT: u8 = 1;

/// Everything declared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Registry {
    partners: Arc<BTreeMap<PartnerId, Partner>>,
    /// Applications, by number less 1.
    apps: Arc<Vec<Arc<App>>>,
    app_numbers: Arc<BTreeMap<AppId, AppNo>>,
    /// Scenes, by number less 1.
    scenes: Arc<Vec<Arc<Scene>>>,
    scene_numbers: Arc<BTreeMap<SceneCode, SceneNo>>,
    /// Versions of agreements, by number less 1.
    texts: Arc<Vec<Arc<Agreement>>>,
    text_numbers: Arc<BTreeMap<(AgreementId, u32), TextNo>>,
    /// Applications that were suspended themselves, and partners with all of theirs.
    suspended_apps: Arc<BTreeSet<AppNo>>,
    suspended_partners: Arc<BTreeSet<PartnerId>>,
    /// Policies in the order they were adopted; versions only grow.
    policies: Arc<Vec<Adopted>>,
    methodologies: Arc<BTreeMap<(MethodologyId, Day), Arc<Methodology>>>,
    /// Distance dictionaries in the order of their import; their texts are pages.
    dictionaries: Arc<Vec<Arc<KeptDictionary>>>,
    #[serde(skip)]
    fresh: FreshPages,
    /// An event did not fit: numbers would no longer be what the journal says.
    torn: bool,
}

/// A policy, and from when it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Its effective day, or the day it was adopted where that is later: no policy rewrites the
    /// past. The first one has no past to rewrite.
    pub from: Day,
}

impl Machine for Registry {
    type Command = RegistryCommand;
    type Event = RegistryEvent;
    type Reply = RegistryReply;

    fn new(_stream: Stream) -> Self {
        Self::default()
    }

    fn decide(
        &self,
        facts: &Facts<'_>,
        command: &RegistryCommand,
    ) -> Result<Decision<Self>, Rejection> {
        match command {
            RegistryCommand::RegisterPartner(partner) => self.register_partner(partner),
            RegistryCommand::RegisterApp(app) => self.register_app(facts.now, app),
            RegistryCommand::DeclareScene(scene) => self.declare_scene(scene),
            RegistryCommand::AmendScene(amendment) => self.amend_scene(facts.now.day(), amendment),
            RegistryCommand::PublishAgreement(agreement) => self.publish_agreement(agreement),
            RegistryCommand::AdoptPolicy(policy) => self.adopt_policy(policy),
            RegistryCommand::AdoptMethodologies(all) => self.adopt_methodologies(all),
            RegistryCommand::ImportDictionary(import) => self.import_dictionary(import),
            RegistryCommand::Suspend { app, suspended } => self.suspend(*app, *suspended),
            RegistryCommand::AddKey { app, key } => self.add_key(facts.now, *app, key),
            RegistryCommand::RetireKey { app, key, until } => {
                self.retire_key(facts.now, *app, *key, *until)
            }
            RegistryCommand::SuspendPartner { partner, suspended } => {
                self.suspend_partner(partner, *suspended)
            }
            RegistryCommand::IssueToken { app } => self.issue_token(facts.now, *app),
        }
    }

    fn apply(&mut self, at: Timestamp, event: &RegistryEvent) {
        self.declared(at, event);
    }

    fn check(&self) -> Result<(), Violation> {
        let numbered = self.apps.len() == self.app_numbers.len()
            && self.scenes.len() == self.scene_numbers.len()
            && self.texts.len() == self.text_numbers.len();
        if self.torn || !numbered {
            let seen = "numbers of applications, scenes or texts do not fit".into();
            return Err(Violation { invariant: "INV-08", seen });
        }
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        encoding::encode(SNAPSHOT_FORMAT, self)
    }

    fn restore(stream: Stream, snapshot: &[u8], _pages: &[(u64, Vec<u8>)]) -> Option<Self> {
        let own = stream == Stream::Registry;
        own.then(|| encoding::decode(SNAPSHOT_FORMAT, snapshot)).flatten()
    }

    fn take_pages(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.fresh.take()
    }
}
