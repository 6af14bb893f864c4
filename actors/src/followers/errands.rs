//! The errand runner: makes the calls to the outside that a citizen's consent has asked for (C101,
//! Q101, 4.4.6, 02.Z203), outside of any actor, and brings the result back as a command.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use carbon_protocol::account::{
    AccountCommand, AccountEvent, AccountReply, ErrandOutcome, LinkView, Look, PersonView, Purpose,
    Summary,
};
use carbon_protocol::entry::{Event, Stream};
use carbon_protocol::registry::App;
use carbon_protocol::{AccountId, AppNo, Ccid, ErrandNo, PartnerUid, Reason};
use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::followers::models;
use crate::followers::tail::{Tail, Turn};
use crate::house::House;
use crate::machines::account::Account;
use crate::ports::{Failure, LinkAnswer, Person};
use crate::refusal::Refusal;
use crate::system;

/// Errands read from the index or the journal at a time.
const READ: usize = 256;
/// Pause before the first repetition of a call; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause after the journal or an actor did not answer.
const BREATH: Duration = Duration::from_millis(50);

/// One errand.
type Errand = (AccountId, ErrandNo, Purpose);

struct Runner {
    house: Arc<House>,
    /// Under way: an errand is read twice when it is in the index and behind the position.
    running: Mutex<HashSet<(AccountId, ErrandNo)>>,
    /// One slow partner must not hold up the errands of others.
    turns: DashMap<AppNo, Arc<Semaphore>>,
}

/// Carries out what the index of errands holds, then what is begun behind `from`.
pub async fn run(house: Arc<House>, from: u64) {
    let runner =
        Arc::new(Runner { house: house.clone(), running: Mutex::default(), turns: DashMap::new() });
    let mut stopping = house.stopping();
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => {}
        () = runner.clone().take_up_and_follow(from) => {}
    }
}

impl Runner {
    async fn take_up_and_follow(self: Arc<Self>, from: u64) {
        let mut after = None;
        loop {
            let store = self.house.ports.store.clone();
            let scan = move || models::errands(&*store, after, READ);
            match system::blocking(scan).await {
                Ok(Ok(errands)) => {
                    let Some(last) = errands.last() else { break };
                    after = Some((last.0, last.1));
                    errands.into_iter().for_each(|errand| self.begin(errand));
                }
                Ok(Err(failure)) => {
                    tracing::error!(%failure, "the index of errands cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => return,
            }
        }
        let mut tail = Tail::new(self.house.ports.journal.clone(), from, Turn::Errands);
        while let Some(entries) = tail.more(READ).await {
            for committed in &entries {
                let Stream::Account(account) = committed.entry.stream else { continue };
                for event in &committed.entry.events {
                    if let Event::Account(AccountEvent::ErrandBegun { errand, purpose }) = event {
                        self.begin((account, *errand, purpose.clone()));
                    }
                }
            }
        }
    }

    fn begin(self: &Arc<Self>, (account, errand, purpose): Errand) {
        let limit = self.house.limits.errands_per_app;
        if limit == 0 || !self.running.lock().insert((account, errand)) {
            return;
        }
        let turns = self.turns.entry(purpose.app());
        let turn = turns.or_insert_with(|| Arc::new(Semaphore::new(limit))).clone();
        let runner = self.clone();
        let mut stopping = self.house.stopping();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                // It is begun again at the next start, from the index.
                _ = stopping.wait_for(|stop| *stop) => {}
                () = async {
                    // The semaphore is never closed: there is always a turn to wait for.
                    let turn = turn.acquire().await;
                    let outcome = runner.carry_out(account, errand, &purpose).await;
                    // The partner is not needed any more: the next errand to it may begin while
                    // the journal takes this one's outcome.
                    drop(turn);
                    if let Some(outcome) = outcome {
                        runner.report(account, errand, outcome).await;
                    }
                    runner.house.bells.errands.end(account);
                } => {}
            }
            runner.running.lock().remove(&(account, errand));
        });
    }

    /// Tries until there is an outcome; nothing where the errand is no longer wanted.
    async fn carry_out(
        &self,
        account: AccountId,
        errand: ErrandNo,
        purpose: &Purpose,
    ) -> Option<ErrandOutcome> {
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            match self.attempt(account, errand, purpose).await {
                Ok(outcome) => return outcome,
                Err(failure) => {
                    let retried = !matches!(failure, Failure::Partner(_) | Failure::Identity(_));
                    tries += u32::from(!retried);
                    if tries >= self.house.limits.errand_tries {
                        tracing::warn!(app = %purpose.app(), %failure, "an errand failed");
                        return Some(ErrandOutcome::Failed(unavailable(&failure)));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE * 32);
                }
            }
        }
    }

    /// One attempt; nothing where the errand is no longer wanted.
    async fn attempt(
        &self,
        account: AccountId,
        errand: ErrandNo,
        purpose: &Purpose,
    ) -> Result<Option<ErrandOutcome>, Failure> {
        // Both at once: the account answers them in one turn.
        let (summary, view) = tokio::join!(self.summary(account), self.person(account));
        let summary = summary?;
        // Of several errands, each for another application, every one is wanted.
        if !summary.running.contains(&errand) {
            return Ok(None);
        }
        let failed = |reason| Ok(Some(ErrandOutcome::Failed(reason)));
        let registry = self.house.registry();
        let app = match registry.app(purpose.app()) {
            Some(app) if !app.suspended => app.clone(),
            _ => return failed(Reason::PartnerUnavailable),
        };
        let link = summary.links.iter().find(|link| link.app == app.no);
        let view = view?;
        let Some(uid) = self.matched(&app, purpose, link, &view).await? else {
            return failed(Reason::NoPartnerAccount);
        };
        let ccid = match link {
            Some(link) => link.ccid.clone(),
            None => {
                let identity = &self.house.ports.identity;
                identity.register_sub_did(view.did.clone(), app.chain_code.clone()).await?
            }
        };
        if matches!(purpose, Purpose::LinkMall { .. }) {
            match self.linked(&app, &ccid, &uid, errand).await? {
                LinkAnswer::Linked(uid) => {
                    return Ok(Some(ErrandOutcome::Matched { ccid, partner_uid: uid }));
                }
                LinkAnswer::Refused => return failed(Reason::NoPartnerAccount),
            }
        }
        Ok(Some(ErrandOutcome::Matched { ccid, partner_uid: uid }))
    }

    /// C101 or Q101, unless the partner has told its user's id already while lighting from its app.
    async fn matched(
        &self,
        app: &Arc<App>,
        purpose: &Purpose,
        link: Option<&LinkView>,
        view: &PersonView,
    ) -> Result<Option<PartnerUid>, Failure> {
        let known = link.and_then(|link| link.partner_uid.clone());
        if let (Some(uid), Purpose::Light { .. }) = (known, purpose) {
            return Ok(Some(uid));
        }
        let person = self.open(view)?;
        self.house.ports.partners.match_account(app.clone(), person).await
    }

    /// The mall links the pseudonym with its own user, and says so (02.Z203).
    async fn linked(
        &self,
        app: &Arc<App>,
        ccid: &Ccid,
        uid: &PartnerUid,
        errand: ErrandNo,
    ) -> Result<LinkAnswer, Failure> {
        // The same on every try: the pseudonym is the mall's own, the errand counts per account.
        let event_id = format!("link-{ccid}-{errand}");
        let partners = &self.house.ports.partners;
        partners.link_mall(app.clone(), ccid.clone(), uid.clone(), event_id).await
    }

    fn open(&self, view: &PersonView) -> Result<Person, Failure> {
        let person = self.house.ports.vault.open_person(&view.person)?;
        person.ok_or_else(|| Failure::Vault("the person's key was erased".into()))
    }

    async fn summary(&self, account: AccountId) -> Result<Summary, Failure> {
        match self.look(account, Look::Summary).await? {
            AccountReply::Summary(summary) => Ok(*summary),
            _ => Err(Failure::Bus("an account answered something else".into())),
        }
    }

    async fn person(&self, account: AccountId) -> Result<PersonView, Failure> {
        match self.look(account, Look::Person).await? {
            AccountReply::Person(view) => Ok(*view),
            _ => Err(Failure::Bus("an account answered something else".into())),
        }
    }

    async fn look(&self, account: AccountId, look: Look) -> Result<AccountReply, Failure> {
        let stream = Stream::Account(account);
        match self.house.ask::<Account>(stream, AccountCommand::Look(look), true).await {
            Ok(reply) => Ok(reply),
            Err(Refusal::Broken(failure)) => Err(failure),
            Err(Refusal::No(rejection)) => Err(Failure::Bus(format!("{:?}", rejection.reason))),
        }
    }

    /// Brings the result back, until it is durable; a refusal is final.
    async fn report(&self, account: AccountId, errand: ErrandNo, outcome: ErrandOutcome) {
        let stream = Stream::Account(account);
        loop {
            let command = AccountCommand::ErrandDone { errand, outcome: outcome.clone() };
            match self.house.ask::<Account>(stream, command, true).await {
                Ok(_) => return,
                Err(Refusal::No(rejection)) => {
                    tracing::warn!(reason = ?rejection.reason, "an errand's result was refused");
                    return;
                }
                Err(Refusal::Broken(Failure::Invariant(_) | Failure::Stopping)) => return,
                Err(Refusal::Broken(_)) => tokio::time::sleep(BREATH).await,
            }
        }
    }
}

fn unavailable(failure: &Failure) -> Reason {
    match failure {
        Failure::Identity(_) => Reason::IdentityUnavailable,
        _ => Reason::PartnerUnavailable,
    }
}
