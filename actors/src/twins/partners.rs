//! Partners that answer as the script says and remember what they were told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use carbon_protocol::contracts::c201::RawRecord;
use carbon_protocol::courier::PushKind;
use carbon_protocol::registry::App;
use carbon_protocol::{AppNo, Ccid, PartnerUid, Serial};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Faults;
use crate::ports::{Failure, LinkAnswer, Partners, Person, PushAnswer};

/// A push as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// To whom.
    pub app: AppNo,
    /// Where.
    pub url: String,
    /// What.
    pub kind: PushKind,
    /// The contract's JSON.
    pub body: Vec<u8>,
}

/// [`Partners`] by script: users are known only if told, links succeed, pushes are answered 200.
#[derive(Debug)]
pub struct ScriptedPartners {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    faults: Faults,
    open: watch::Sender<bool>,
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    users: BTreeMap<(AppNo, String), PartnerUid>,
    refuse_links: bool,
    answers: VecDeque<PushAnswer>,
    linked: Vec<(AppNo, Ccid, PartnerUid, String)>,
    matched: usize,
    pushed: Vec<Pushed>,
    raw: Vec<RawRecord>,
}

impl Default for ScriptedPartners {
    fn default() -> Self {
        let (faults, open) = (Faults::default(), watch::Sender::new(true));
        Self { shared: Arc::new(Shared { faults, open, script: Mutex::default() }) }
    }
}

impl ScriptedPartners {
    /// The next `calls` of C101 / Q101 and 02.Z203 fail: nothing is known of their outcome.
    pub fn fail_next(&self, calls: usize) {
        self.shared.faults.plan(calls);
    }

    /// Tells an application's user behind an ID number.
    pub fn knows(&self, app: AppNo, id_no: &str, uid: PartnerUid) {
        self.shared.script.lock().users.insert((app, id_no.into()), uid);
    }

    /// Whether 02.Z203 is refused from now on.
    pub fn refuse_links(&self, refuse: bool) {
        self.shared.script.lock().refuse_links = refuse;
    }

    /// The answers of the next pushes; after them it is 200 again.
    pub fn answer_pushes(&self, answers: impl IntoIterator<Item = PushAnswer>) {
        self.shared.script.lock().answers.extend(answers);
    }

    /// From now on no call is answered.
    pub fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    /// Answers what was held, and everything after.
    pub fn release(&self) {
        self.shared.open.send_replace(true);
    }

    /// How many calls of C101 / Q101 there were.
    pub fn matched(&self) -> usize {
        self.shared.script.lock().matched
    }

    /// Calls of 02.Z203: application, CCID, user, event id.
    pub fn linked(&self) -> Vec<(AppNo, Ccid, PartnerUid, String)> {
        self.shared.script.lock().linked.clone()
    }

    /// Pushes as they arrived, repetitions and refused ones included.
    pub fn pushed(&self) -> Vec<Pushed> {
        self.shared.script.lock().pushed.clone()
    }
}

impl Shared {
    /// Waits while calls are held.
    async fn opened(&self) {
        // An error says that the script is gone: then nobody holds any more.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    fn strike(&self) -> Result<(), Failure> {
        if self.faults.strike() { Err(Failure::Partner("told to fail".into())) } else { Ok(()) }
    }
}

impl ScriptedPartners {
    /// What C201 tells from now on, of whoever is asked.
    pub fn tells(&self, raw: impl IntoIterator<Item = RawRecord>) {
        self.shared.script.lock().raw = raw.into_iter().collect();
    }
}

impl Partners for ScriptedPartners {
    fn raw_data(
        &self,
        _app: Arc<App>,
        serials: Vec<Serial>,
    ) -> BoxFuture<'static, Result<Vec<RawRecord>, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.opened().await;
            shared.strike()?;
            let raw = shared.script.lock().raw.clone();
            Ok(raw.into_iter().filter(|record| serials.contains(&record.serial)).collect())
        })
    }

    fn match_account(
        &self,
        app: Arc<App>,
        person: Person,
    ) -> BoxFuture<'static, Result<Option<PartnerUid>, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.opened().await;
            let mut script = shared.script.lock();
            script.matched += 1;
            shared.strike()?;
            Ok(script.users.get(&(app.no, person.id_no)).cloned())
        })
    }

    fn link_mall(
        &self,
        app: Arc<App>,
        ccid: Ccid,
        uid: PartnerUid,
        event_id: String,
    ) -> BoxFuture<'static, Result<LinkAnswer, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.opened().await;
            let mut script = shared.script.lock();
            script.linked.push((app.no, ccid, uid.clone(), event_id));
            shared.strike()?;
            Ok(if script.refuse_links { LinkAnswer::Refused } else { LinkAnswer::Linked(uid) })
        })
    }

    fn push(
        &self,
        app: Arc<App>,
        url: String,
        kind: PushKind,
        body: Vec<u8>,
    ) -> BoxFuture<'static, PushAnswer> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.opened().await;
            let mut script = shared.script.lock();
            script.pushed.push(Pushed { app: app.no, url, kind, body });
            let usual = PushAnswer { status: 200, retry_after: None };
            script.answers.pop_front().unwrap_or(usual)
        })
    }
}
