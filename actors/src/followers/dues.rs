//! What time itself does: freezes that lapse, actors that fall asleep.

use std::sync::Arc;
use std::time::Duration;

use carbon_protocol::account::{AccountCommand, AccountReply};
use carbon_protocol::entry::Stream;
use carbon_protocol::{AccountId, Timestamp};
use futures::StreamExt as _;

use crate::followers::models;
use crate::house::House;
use crate::machines::account::Account;
use crate::ports::{Put, Tree};
use crate::refusal::Refusal;
use crate::system;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Accounts looked up at once.
const AT_ONCE: usize = 1_000;

/// Accounts settled at the same time: their entries share the journal's groups.
const SIDE_BY_SIDE: usize = 64;

/// Settles what is due, second by second: freezes that lapse, lots that end, persons to be erased.
/// At a month's end these are many: it goes on until all are settled, and no faster than so many at
/// a time.
pub async fn settle(house: Arc<House>) {
    let mut stopping = house.stopping();
    let mut more = false;
    loop {
        let pause = if more { Duration::ZERO } else { TICK };
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        more = false;
        // A clock that cannot be trusted must not let anything lapse.
        let Ok(now) = house.ports.clock.now() else { continue };
        let store = house.ports.store.clone();
        let due = system::blocking(move || models::dues(&*store, now, AT_ONCE)).await;
        let due = match due {
            Ok(Ok(due)) => due,
            Ok(Err(failure)) => {
                tracing::error!(%failure, "the index of dues cannot be read");
                continue;
            }
            Err(_) => return,
        };
        let full = due.len() == AT_ONCE;
        let settled = futures::stream::iter(due).map(|(at, account)| one(&house, at, account));
        let settled = settled.buffer_unordered(SIDE_BY_SIDE);
        // Where nothing succeeds, the next try waits its time.
        let some = settled.fold(false, async |some, done| some || done).await;
        more = full && some;
    }
}

/// Settles one account; whether that is done.
async fn one(house: &Arc<House>, at: Timestamp, account: AccountId) -> bool {
    // The shell settles what is due before any command; this one asks nothing else.
    let asked = house.ask::<Account>(Stream::Account(account), AccountCommand::Settle, true);
    let done = match asked.await {
        Ok(AccountReply::Closed { erase: Some(slot), .. }) => {
            house.erase(account, slot).await.is_ok()
        }
        answer => !matches!(answer, Err(Refusal::Broken(_))),
    };
    if done {
        let key = models::due_key(at, account);
        house.ports.store.put(vec![Put { tree: Tree::Due, key, value: None }]);
    }
    done
}

/// Puts actors to sleep that nobody speaks to.
pub async fn sweep(house: Arc<House>) {
    let mut stopping = house.stopping();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(TICK) => {}
        }
        let crowded = house.accounts.awake() > house.limits.awake_actors;
        let idle = if crowded { 1 } else { house.limits.idle_seconds };
        house.accounts.sweep(Duration::from_secs(idle));
    }
}
