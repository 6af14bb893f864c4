//! Carries an issuance run (签发批次) out: passes over all accounts with pending records in key
//! order, a few at a time, and goes on where it was after a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use carbon_protocol::account::{AccountCommand, Issue};
use carbon_protocol::entry::Stream;
use carbon_protocol::issuance::{IssuanceCommand, IssuanceReply, Run, RunStatus};
use carbon_protocol::{AccountId, MessageId};

use crate::followers::{models, router};
use crate::house::House;
use crate::machines::issuance::Issuance;
use crate::ports::{Failure, Parcel};
use crate::refusal::Refusal;
use crate::system;

/// Pause before something is tried again, and between looks at how far the router is.
const PAUSE: Duration = Duration::from_millis(20);

/// Carries out run after run.
pub async fn run(house: Arc<House>) {
    let mut stopping = house.stopping();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = carry_out_if_any(&house) => {}
        }
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = house.bells.issuance.notified() => {}
        }
    }
}

async fn carry_out_if_any(house: &Arc<House>) {
    loop {
        let run = match ask(house, IssuanceCommand::Running).await {
            IssuanceReply::Run(run, _) if run.status() == RunStatus::Running => run,
            _ => return,
        };
        match carry_out(house, &run).await {
            Ok(()) => return,
            Err(failure) => {
                tracing::warn!(run = %run.no, %failure, "the run pauses");
                tokio::time::sleep(PAUSE * 50).await;
            }
        }
    }
}

/// Asks the issuance desk until it answers. A refusal of what only this follower asks would be a
/// fault of ours: it is said, and the desk is asked for the truth.
async fn ask(house: &Arc<House>, command: IssuanceCommand) -> IssuanceReply {
    let mut command = command;
    loop {
        match house.ask::<Issuance>(Stream::Issuance, command.clone(), true).await {
            Ok(reply) => return reply,
            Err(Refusal::No(rejection)) => {
                tracing::error!(%rejection, "the issuance desk refused its own follower");
                command = IssuanceCommand::Running;
            }
            Err(Refusal::Broken(_)) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn carry_out(house: &Arc<House>, run: &Run) -> Result<(), Failure> {
    let began = everything_before_is_pending(house, run).await?;
    let mut after = run.cursor;
    loop {
        let (store, limit) = (house.ports.store.clone(), house.limits.issuance_accounts);
        let scan = system::blocking(move || models::pending(&*store, after, limit));
        let accounts = scan.await??;
        let Some((last, _)) = accounts.last().copied() else { break };
        let due = accounts.iter().filter(|(_, earliest)| *earliest <= run.scope.through);
        issue(house, run, began, due.map(|(account, _)| *account)).await;
        let passed = u32::try_from(accounts.len()).unwrap_or(u32::MAX);
        let advance = IssuanceCommand::Advance { run: run.no, through: last, accounts: passed };
        ask(house, advance).await;
        after = Some(last);
    }
    ask(house, IssuanceCommand::Finish { run: run.no }).await;
    Ok(())
}

/// Waits until every record that was received before the run began is pending in its account and
/// shown by the index. Tells at which sequence the run began.
async fn everything_before_is_pending(house: &Arc<House>, run: &Run) -> Result<u64, Failure> {
    let durable = || *house.ports.journal.durable().borrow();
    let (positions, received) = (&house.positions, durable());
    while positions.routed.load(Ordering::Acquire) < received {
        tokio::time::sleep(PAUSE).await;
    }
    positions.projected_to(durable()).await;
    let (store, no) = (house.ports.store.clone(), run.no);
    let began = system::blocking(move || models::run_began(&*store, no));
    began.await??.ok_or_else(|| Failure::Store(format!("run {no} is not in the read models")))
}

/// Sends the run's message to accounts, lane by lane at once, until all have decided.
async fn issue(
    house: &Arc<House>,
    run: &Run,
    began: u64,
    accounts: impl Iterator<Item = AccountId>,
) {
    let mut lanes: Vec<Vec<Parcel>> = (0..house.lanes.count()).map(|_| Vec::new()).collect();
    for account in accounts {
        let issue = Issue {
            id: MessageId { sequence: began, item: 0 },
            floor: house.positions.floor.load(Ordering::Acquire),
            run: run.no,
            through: run.scope.through,
            scenes: run.scope.scenes.clone(),
            excluded: run.scope.excluded.clone(),
        };
        let lane = house.lanes.lane_of(&Stream::Account(account));
        lanes[lane].push(Parcel { account, command: AccountCommand::Issue(issue) });
    }
    let deliveries = lanes
        .into_iter()
        .enumerate()
        .filter(|(_, parcels)| !parcels.is_empty())
        .map(|(lane, parcels)| router::deliver(house, lane, parcels));
    let quarantined: usize = futures::future::join_all(deliveries).await.iter().map(Vec::len).sum();
    if quarantined > 0 {
        tracing::error!(run = %run.no, quarantined, "accounts in quarantine were passed over");
    }
}
