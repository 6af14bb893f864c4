//! Accounts that sleep while something becomes due: they are woken for it, on time, and whoever
//! listens is told.

use carbon_protocol::account::{ClosedBy, Look, PointsBook};
use carbon_protocol::{Points, Timestamp};

use super::tests::{
    METRO, World, batch, declare, finished, light, noon, open, run, start_run, summary, until,
};
use super::*;

/// Opens an account that has ten points of one ride.
async fn with_points(world: &World, platform: &Platform, no: u16) -> AccountId {
    let id = open(world, platform, no).await;
    let ccid = light(platform, id).await;
    world.clock.advance_ms(3_600_000);
    platform.intake(METRO, batch(platform, "b", &[ccid])).await.unwrap();
    platform.issuance(start_run("r")).await.unwrap();
    until("issued", || async { finished(platform).await }).await;
    id
}

fn told(world: &World, kind: &str) -> Vec<Timestamp> {
    let published = world.subscribers.published();
    published.iter().filter(|one| one.kind.contains(kind)).map(|one| one.at).collect()
}

#[test]
fn points_of_sleepers_expire_on_their_day() {
    run(async {
        let mut world = World::new();
        world.limits.idle_seconds = 1;
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let id = with_points(&world, &platform, 1).await;
        // A lot of twelve months ends with the last day of November 2027.
        until("asleep", || async { platform.health().awake == 0 }).await;
        let end: Timestamp = "2027-12-01T00:00:00+08:00".parse().unwrap();
        world.clock.set(end.plus_ms(-60_000));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(told(&world, "points-expired"), [], "a minute too early");
        world.clock.set(end.plus_ms(1_000));
        // Nobody asks the account anything: it is told of outside, at its time.
        until("told", || async { !told(&world, "points-expired").is_empty() }).await;
        assert_eq!(told(&world, "points-expired"), [end.plus_ms(1_000)]);
        let points = summary(&platform, id).await.points;
        let (issued, expired) = (Points(10), Points(10));
        assert_eq!(points, PointsBook { issued, expired, ..PointsBook::default() });
        followers.stop().await;
    });
}

#[test]
fn a_person_is_erased_though_the_process_ended_in_between() {
    run(async {
        let world = World::new();
        let (platform, followers) = world.start().await;
        declare(&platform).await;
        let id = open(&world, &platform, 1).await;
        let person = match platform.account(id, AccountCommand::Look(Look::Person)).await {
            Ok(AccountReply::Person(view)) => view.person,
            other => panic!("{other:?}"),
        };
        // The account is closed, and whoever closed it does not come to erase.
        platform.account(id, AccountCommand::Close(ClosedBy::Operator)).await.unwrap();
        followers.stop().await;
        let (platform, followers) = world.start().await;
        until("erased", || async { summary(&platform, id).await.erased }).await;
        assert!(platform.vault().open_person(&person).unwrap().is_none());
        assert_eq!(told(&world, "account-closed"), [noon()]);
        assert!(platform.close(id, ClosedBy::Operator).await.unwrap(), "a replay");
        // A store made anew from the journal needs no key of theirs.
        let fresh = Arc::new(crate::twins::MemoryStore::default());
        let (journal, store) = (world.journal.clone(), fresh.clone());
        recovery::rebuild(journal, store).unwrap();
        assert_eq!(recovery::compare(&*world.store, &*fresh).unwrap(), []);
        followers.stop().await;
    });
}
