//! Followers that die, and a clock that is set back: both are noticed, and nothing goes on as if it
//! were well.

use carbon_protocol::account::AccountCommand;

use super::tests::{World, declare, open, run, until};
use super::*;
use crate::ports::Journal as _;
use crate::twins::Unreadable;

/// Starts a platform, opens an account, lets every read behind it go wrong, opens another one.
async fn unreadable(how: Unreadable) -> (World, Platform, Followers) {
    let world = World::new();
    let (platform, followers) = world.start().await;
    declare(&platform).await;
    open(&world, &platform, 1).await;
    let end = *world.journal.durable().borrow();
    world.journal.unreadable_from(end + 1, how);
    // The journal takes it all the same: only those who follow it are hurt.
    let mut durable = world.journal.durable();
    // What is behind this was not read before it went wrong.
    let end = *durable.borrow_and_update();
    tokio::select! {
        _ = open(&world, &platform, 2) => {}
        _ = durable.wait_for(|sequence| *sequence > end) => {}
    }
    (world, platform, followers)
}

async fn fallen(followers: &Followers) -> &'static str {
    tokio::time::timeout(Duration::from_secs(60), followers.fallen()).await.unwrap()
}

#[test]
fn a_follower_that_panics_is_noticed_and_nothing_more_is_taken() {
    run(async {
        let (world, platform, followers) = unreadable(Unreadable::Panics).await;
        // Several read the journal; whoever is first dies first.
        assert!(!fallen(&followers).await.is_empty());
        let health = platform.health();
        assert!(!health.ready && health.why.is_some(), "{health:?}");
        let refused =
            platform.claims(ClaimsCommand::Reserve { app: AppNo(1), rows: Vec::new() }).await;
        assert!(matches!(refused, Err(Refusal::Broken(Failure::Stopping))), "{refused:?}");
        // Whoever starts again finds what was acknowledged.
        drop((platform, followers));
        world.journal.readable();
        let (platform, followers) = world.start().await;
        until("ready", || async { platform.health().ready }).await;
        followers.stop().await;
    });
}

#[test]
fn a_follower_that_cannot_read_gives_up_after_some_tries() {
    run(async {
        let (_, platform, followers) = unreadable(Unreadable::Fails).await;
        assert!(!fallen(&followers).await.is_empty());
        assert!(!platform.health().ready);
    });
}

#[test]
fn a_clock_set_back_stops_writing_and_lets_nothing_lapse() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let id = open(&world, &platform, 1).await;
        // The watched clock says so of any jump (src/clock.rs); here it is told to.
        world.clock.break_down();
        let before = world.journal.entries().len();
        let refused = platform.account(id, AccountCommand::Abandon).await;
        assert!(matches!(refused, Err(Refusal::Broken(Failure::Clock(_)))), "{refused:?}");
        let health = platform.health();
        assert!(health.why.is_some_and(|why| why.contains("clock")), "says why");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(world.journal.entries().len(), before, "something was decided by no clock");
        followers.stop().await;
        // The operator has looked, and starts again, an hour before: nothing that was decided is
        // decided again, and new entries are taken.
        world.clock.set(super::tests::noon().plus_ms(-3_600_000));
        let (platform, followers) = world.start().await;
        assert!(platform.health().ready);
        platform.account(id, AccountCommand::Abandon).await.unwrap();
        followers.stop().await;
    });
}
