//! What time itself does: freezes that lapse, actors that fall asleep.

use std::sync::Arc;
use std::time::Duration;

use carbon_protocol::account::AccountCommand;
use carbon_protocol::entry::Stream;

use crate::followers::models;
use crate::house::House;
use crate::ports::{Put, Tree};
use crate::refusal::Refusal;
use crate::system;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Accounts settled in one tick; the rest follow in the next.
const AT_ONCE: usize = 1_000;

/// Settles what is due, second by second.
pub async fn settle(house: Arc<House>) {
    let mut stopping = house.stopping();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(TICK) => {}
        }
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
        for (at, account) in due {
            // The shell settles what is due before any command; this one asks nothing else.
            let asked = house.ask::<crate::machines::account::Account>(
                Stream::Account(account),
                AccountCommand::Settle,
                true,
            );
            if !matches!(asked.await, Err(Refusal::Broken(_))) {
                let key = models::due_key(at, account);
                house.ports.store.put(vec![Put { tree: Tree::Due, key, value: None }]);
            }
        }
    }
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
