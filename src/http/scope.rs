//! Scope: what an application may see. What is another application's answers exactly like what does
//! not exist, in the same class of time, because it goes the same way. Whatever lies in an actor or
//! on the disk has the calling application in its key (pseudonyms, batches, records), so that
//! another's is not found, and never found and then hidden. Scenes, authCodes and cursors are one
//! look into memory, or one MAC, whoever asks.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use carbon_actors::refusal::Refusal;
use carbon_protocol::account::{AccountCommand, AccountReply, LinkView, Look, Summary};
use carbon_protocol::registry::{App, Scene};
use carbon_protocol::{AccountId, AppNo, Ccid, Day, Reason, SceneCode};
use futures::StreamExt as _;
use parking_lot::Mutex;

use super::HttpState;
use super::fault::{Fault, misfit};
use super::ladder::Caller;

/// Accounts that are asked at the same time for one batch.
const ASKED_AT_ONCE: usize = 64;
/// Pseudonyms remembered as verified; a pseudonym never changes hands (INV-03), so forgetting is
/// only a matter of memory.
const REMEMBERED: usize = 4_000_000;
/// No application has so many batches: asking for this one only waits for the read models.
const NO_BATCH: u32 = u32::MAX;

/// The refusal of a pseudonym, whatever is wrong with it.
pub fn unknown_ccid() -> Fault {
    Fault::of_field(Reason::UnknownCcid, "ccid")
}

/// The account behind a pseudonym as the directory knows it. One that was registered a moment ago
/// is waited for: the directory follows the journal.
pub async fn account_of(state: &HttpState, app: AppNo, ccid: &Ccid) -> Result<AccountId, Fault> {
    if let Some(account) = state.platform.resolve(app, ccid) {
        return Ok(account);
    }
    state.platform.batch(app, NO_BATCH).await?;
    state.platform.resolve(app, ccid).ok_or_else(unknown_ccid)
}

/// A citizen as the calling application may see them.
pub struct Citizen {
    /// The account; internal.
    pub account: AccountId,
    /// Everything of the account: handlers show the application's part only.
    pub summary: Box<Summary>,
    /// The application's link.
    pub link: LinkView,
}

/// The citizen behind a pseudonym of the calling application.
pub async fn citizen(state: &HttpState, caller: &Caller, ccid: &Ccid) -> Result<Citizen, Fault> {
    let account = account_of(state, caller.no(), ccid).await?;
    let summary = summary(state, account).await?;
    let own = |link: &&LinkView| link.app == caller.no() && link.ccid == *ccid;
    let link = summary.links.iter().find(own).cloned().ok_or_else(unknown_ccid)?;
    Ok(Citizen { account, summary, link })
}

/// The citizen behind a pseudonym of the calling mall, where the citizen has linked it.
pub async fn visitor(state: &HttpState, caller: &Caller, ccid: &Ccid) -> Result<Citizen, Fault> {
    let citizen = citizen(state, caller, ccid).await?;
    if citizen.link.mall_linked { Ok(citizen) } else { Err(Reason::MallNotLinked.into()) }
}

/// Everything of an account, for whoever may see it.
pub async fn summary(state: &HttpState, account: AccountId) -> Result<Box<Summary>, Fault> {
    match state.platform.account(account, AccountCommand::Look(Look::Summary)).await {
        Ok(AccountReply::Summary(summary)) => Ok(summary),
        Ok(_) => misfit(),
        // What an account that was never opened says is nobody's business.
        Err(Refusal::No(_)) => Err(unknown_ccid()),
        Err(broken) => Err(broken.into()),
    }
}

/// Pseudonyms that an account has confirmed, by a secret hash.
#[derive(Debug, Default)]
pub struct Confirmed {
    hash: RandomState,
    known: Mutex<HashSet<u64>>,
}

impl Confirmed {
    fn holds(&self, app: AppNo, ccid: &Ccid) -> bool {
        self.known.lock().contains(&self.hash.hash_one((app, ccid)))
    }

    fn remember(&self, app: AppNo, ccid: &Ccid) {
        let print = self.hash.hash_one((app, ccid));
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(print);
    }
}

/// The accounts behind the pseudonyms of a batch; none for those that are not the application's.
pub async fn accounts(
    state: &HttpState,
    app: AppNo,
    unique: HashSet<Ccid>,
) -> Result<HashMap<Ccid, AccountId>, Fault> {
    let mut waited = false;
    let mut found = HashMap::with_capacity(unique.len());
    let mut doubtful = Vec::new();
    for ccid in unique {
        let mut account = state.platform.resolve(app, &ccid);
        if account.is_none() && !waited {
            waited = true;
            state.platform.batch(app, NO_BATCH).await?;
            account = state.platform.resolve(app, &ccid);
        }
        match account {
            Some(account) if state.confirmed.holds(app, &ccid) => {
                found.insert(ccid, account);
            }
            Some(account) => doubtful.push((ccid, account)),
            None => {}
        }
    }
    let asked = doubtful.into_iter().map(async |(ccid, account)| {
        let own = match summary(state, account).await {
            Ok(summary) => summary.links.iter().any(|link| link.app == app && link.ccid == ccid),
            Err(fault) if fault.rejection.reason == Reason::UnknownCcid => false,
            Err(fault) => return Err(fault),
        };
        Ok((ccid, account, own))
    });
    let mut asked = futures::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
    while let Some(answer) = asked.next().await {
        let (ccid, account, own) = answer?;
        if own {
            state.confirmed.remember(app, &ccid);
            found.insert(ccid, account);
        }
    }
    Ok(found)
}

/// A scene of the calling application, by its code.
pub fn scene(state: &HttpState, app: &App, code: &SceneCode) -> Option<Arc<Scene>> {
    let registry = state.platform.registry();
    registry.scene_by_code(code).filter(|scene| scene.apps.contains(&app.no)).cloned()
}

/// Whether a scene is approved on a day.
pub fn is_active(scene: &Scene, day: Day) -> bool {
    scene.active_from <= day && day <= scene.active_to
}
