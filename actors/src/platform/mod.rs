//! The platform as doors and pages hold it: ask an actor, read a model, look a name up.

#[cfg(test)]
mod falling;
mod recall;
#[cfg(test)]
mod sleepers;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use carbon_protocol::account::{AccountCommand, AccountReply, BillEntry, ClosedBy};
use carbon_protocol::claims::{ClaimsCommand, ClaimsReply};
use carbon_protocol::contracts::feed::PulledEvent;
use carbon_protocol::courier::{CourierCommand, CourierReply, Notice, PushKind};
use carbon_protocol::entry::Stream;
use carbon_protocol::intake::{IntakeCommand, IntakeReply};
use carbon_protocol::issuance::{IssuanceCommand, IssuanceReply, RunTotals, Scope};
use carbon_protocol::operators::{ActRef, OperatorsCommand, OperatorsReply};
use carbon_protocol::policy::Policy;
use carbon_protocol::quality::{QualityCommand, QualityReply};
use carbon_protocol::registry::{RegistryCommand, RegistryReply};
use carbon_protocol::{
    AccountId, AppNo, Ccid, Day, MessageId, OperatorId, RecordRef, RunNo, Serial, Timestamp,
};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::watch;

use crate::balances::{self, TrialBalance};
use crate::followers::acts::{self, ActRow};
use crate::followers::batches::{self, BatchPage, BatchPlace};
use crate::followers::models::{self, SettlementTotals};
use crate::followers::previews::{self, Preview};
use crate::followers::settlements::{self, SettlementLine};
use crate::followers::{Followers, directory::Directory, rendering};
use crate::house::{Bells, House, Limits, Ports, Positions};
use crate::lanes::{InProcessBus, Lanes};
use crate::machines::account::{Account, decode_page};
use crate::machines::claims::Claims;
use crate::machines::courier::Courier;
use crate::machines::issuance::Issuance;
use crate::machines::operators::Operators;
use crate::machines::quality::Quality;
use crate::machines::registry::{KeptDictionary, Registry, decode_page as decode_text};
use crate::ports::{Bus, Failure, Identity, Partners, Tree, Vault};
use crate::recovery::{self, Recovered};
use crate::refusal::Refusal;
use crate::rooms::Rooms;
use crate::vigils::Vigil;
use crate::{snapshot, system};

/// How long a read waits for the read models to show what was acknowledged before it.
const CATCH_UP: Duration = Duration::from_secs(5);

/// A running platform. Cloning it is cheap.
#[derive(Clone)]
pub struct Platform(Arc<House>);

/// How it goes, for the operator and for load balancers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether writes are taken.
    pub ready: bool,
    /// Why not.
    pub why: Option<String>,
    /// Account actors awake.
    pub awake: usize,
    /// Keys that wait to be written to the store.
    pub waiting: usize,
    /// Entries the slowest follower lags behind.
    pub lag: u64,
    /// Last durable sequence of the journal.
    pub durable: u64,
    /// Streams that stopped on a broken invariant.
    pub quarantined: usize,
}

/// What carries messages between connectors and accounts.
pub enum Wires {
    /// Within the process.
    InProcess,
    /// Over what this makes of the lanes.
    Bus(MakeBus),
}

/// Makes a bus over lanes that have started.
pub type MakeBus =
    Box<dyn FnOnce(Arc<Lanes>) -> BoxFuture<'static, Result<Arc<dyn Bus>, Failure>> + Send>;

impl Platform {
    /// Recovers the store from the journal's tail, starts arbiters and followers. Must run inside
    /// an actix system (see [`crate::run`]). `policy` holds until one is adopted.
    pub async fn start(
        ports: Ports,
        limits: Limits,
        policy: Policy,
        wires: Wires,
    ) -> Result<(Self, Followers), Failure> {
        let directory = Arc::new(Directory::default());
        let recovered = {
            let (ports, directory) = (ports.clone(), directory.clone());
            system::blocking(move || {
                recovery::recover(ports.journal.clone(), ports.store.clone(), directory)
            })
            // It panics over nothing but a store that is not what it was.
            .await
            .map_err(|_| Failure::Damaged("replay broke off".into()))??
        };
        let arbiters = match limits.arbiters {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let lanes = Arc::new(Lanes::start(
            arbiters,
            limits.partitions,
            limits.lane_groups,
            limits.group_entries,
            &ports.journal,
        ));
        let bus = match wires {
            Wires::InProcess => Arc::new(InProcessBus::new(lanes.clone())),
            Wires::Bus(make) => make(lanes.clone()).await?,
        };
        let view = snapshot::load::<Registry>(&*ports.store, Stream::Registry)?.machine;
        let house = Arc::new(House {
            positions: positions(&ports, &recovered)?,
            ports,
            limits,
            lanes,
            bus,
            directory,
            bells: Bells::default(),
            accounts: Rooms::default(),
            intakes: Rooms::default(),
            couriers: Rooms::default(),
            claims: Rooms::default(),
            registries: Rooms::default(),
            issuances: Rooms::default(),
            qualities: Rooms::default(),
            operators: Rooms::default(),
            balancing: tokio::sync::Mutex::new(()),
            view: parking_lot::RwLock::new(Arc::new(view)),
            first_policy: Arc::new(policy),
            stopping: watch::Sender::new(false),
            fallen: watch::Sender::new(None),
        });
        house.lanes.serve(&house);
        let followers = Followers::start(&house, &recovered)?;
        Ok((Self(house), followers))
    }

    /// Begins to wait for an errand of an account to end: begin before the account is looked at.
    pub fn vigil(&self, account: AccountId) -> Vigil {
        self.0.bells.errands.begin(account)
    }

    /// Asks an account.
    pub async fn account(
        &self,
        id: AccountId,
        command: AccountCommand,
    ) -> Result<AccountReply, Refusal> {
        if !matches!(command, AccountCommand::Look(_)) {
            self.room_to_write()?;
        }
        self.0.ask::<Account>(Stream::Account(id), command, false).await
    }

    /// Closes an account and erases its person; whether it was closed before. Should the process
    /// end in between, the follower of what is due erases after the next start.
    pub async fn close(&self, id: AccountId, by: ClosedBy) -> Result<bool, Refusal> {
        match self.account(id, AccountCommand::Close(by)).await? {
            AccountReply::Closed { replay, erase } => {
                if let Some(slot) = erase {
                    self.0.erase(id, slot).await?;
                }
                Ok(replay)
            }
            other => Err(Failure::Invariant(format!("closing is answered {other:?}")).into()),
        }
    }

    /// Whether batches are taken now: not while followers lag too far behind, though everything
    /// else goes on.
    pub fn room_for_batches(&self) -> Result<(), Refusal> {
        self.room_to_write()?;
        if self.0.lag() > self.0.limits.lag_entries {
            return Err(Failure::Busy("followers lag behind").into());
        }
        Ok(())
    }

    /// Asks an application's intake.
    pub async fn intake(&self, app: AppNo, command: IntakeCommand) -> Result<IntakeReply, Refusal> {
        if matches!(command, IntakeCommand::Accept(_)) {
            self.room_for_batches()?;
        }
        recall::ask(&self.0, app, command).await
    }

    /// Asks an application's courier.
    pub async fn courier(
        &self,
        app: AppNo,
        command: CourierCommand,
    ) -> Result<CourierReply, Refusal> {
        self.0.ask::<Courier>(Stream::Courier(app), command, false).await
    }

    /// Asks the claims book.
    pub async fn claims(&self, command: ClaimsCommand) -> Result<ClaimsReply, Refusal> {
        self.room_to_write()?;
        self.0.ask::<Claims>(Stream::Claims, command, false).await
    }

    /// Asks the registry's writer; readers take [`Platform::registry`].
    pub async fn register(&self, command: RegistryCommand) -> Result<RegistryReply, Refusal> {
        self.0.ask::<Registry>(Stream::Registry, command, false).await
    }

    /// Asks the issuance desk.
    pub async fn issuance(&self, command: IssuanceCommand) -> Result<IssuanceReply, Refusal> {
        self.0.ask::<Issuance>(Stream::Issuance, command, false).await
    }

    /// Asks the quality desk of an application.
    pub async fn quality(
        &self,
        app: AppNo,
        command: QualityCommand,
    ) -> Result<QualityReply, Refusal> {
        self.0.ask::<Quality>(Stream::Quality(app), command, false).await
    }

    /// Asks about operators and their acts. Taken while the disk is full, too: an operator must be
    /// able to act then.
    pub async fn operators(&self, command: OperatorsCommand) -> Result<OperatorsReply, Refusal> {
        self.0.ask::<Operators>(Stream::Operators, command, false).await
    }

    /// The newest view of what operators have declared.
    pub fn registry(&self) -> Arc<Registry> {
        self.0.registry()
    }

    /// The policy in force on a day.
    pub fn policy(&self, day: Day) -> Arc<Policy> {
        self.0.policy(day)
    }

    /// The account behind an application's pseudonym. The account itself verifies it once more.
    pub fn resolve(&self, app: AppNo, ccid: &Ccid) -> Option<AccountId> {
        self.0.directory.resolve(app, ccid)
    }

    /// The time, or that the clock cannot be trusted.
    pub fn now(&self) -> Result<Timestamp, Failure> {
        self.0.ports.clock.now()
    }

    /// Seals and opens.
    pub fn vault(&self) -> &Arc<dyn Vault> {
        &self.0.ports.vault
    }

    /// The partners' servers.
    pub fn partners(&self) -> &Arc<dyn Partners> {
        &self.0.ports.partners
    }

    /// The identity service.
    pub fn identity(&self) -> &Arc<dyn Identity> {
        &self.0.ports.identity
    }

    /// A batch with the state of its rows; shows whatever was acknowledged before the call.
    pub async fn batch(&self, app: AppNo, batch: u32) -> Result<Option<BatchPage>, Failure> {
        self.read(move |house| batches::batch(&*house.ports.store, app, batch)).await
    }

    /// Serials of records; shows whatever was acknowledged before the call.
    pub async fn serials(&self, records: Vec<RecordRef>) -> Result<Vec<Option<Serial>>, Failure> {
        self.read(move |house| batches::serials(&*house.ports.store, &records)).await
    }

    /// Batches received in `from..to`, oldest first, after a place of an earlier answer.
    pub async fn batches(
        &self,
        app: AppNo,
        from: Timestamp,
        to: Timestamp,
        after: Option<BatchPlace>,
        limit: usize,
    ) -> Result<Vec<BatchPlace>, Failure> {
        self.read(move |house| batches::batches(&*house.ports.store, app, from, to, after, limit))
            .await
    }

    /// A sealed page of an account's bill, oldest entry first.
    pub async fn bill_page(
        &self,
        account: AccountId,
        page: u32,
    ) -> Result<Option<Vec<BillEntry>>, Failure> {
        let key = snapshot::page_key(Stream::Account(account), u64::from(page));
        let bytes = self.blocking(move |house| house.ports.store.get(Tree::Pages, &key)).await?;
        let damaged = || Failure::Damaged("a bill page: run `carbon store rebuild`".into());
        bytes.map(|bytes| decode_page(&bytes).ok_or_else(damaged)).transpose()
    }

    /// The canonical text of a distance dictionary.
    pub async fn dictionary(&self, kept: Arc<KeptDictionary>) -> Result<Vec<u8>, Failure> {
        let damaged = || Failure::Damaged("a dictionary's page: run `carbon store rebuild`".into());
        self.blocking(move |house| {
            let mut text = Vec::new();
            for page in kept.first_page..kept.first_page.saturating_add(kept.pages) {
                let key = snapshot::page_key(Stream::Registry, page);
                let bytes = house.ports.store.get(Tree::Pages, &key)?.ok_or_else(damaged)?;
                text.extend(decode_text(&bytes).ok_or_else(damaged)?);
            }
            Ok(text)
        })
        .await
    }

    /// What an issuance run over a scope would issue if it began now.
    pub async fn preview(&self, scope: Scope) -> Result<Preview, Failure> {
        self.read(move |house| previews::preview(&*house.ports.store, &scope)).await
    }

    /// What is or was pushed to an application, behind an id, oldest first; with the last one's id.
    pub async fn feed(
        &self,
        app: AppNo,
        after: MessageId,
        limit: usize,
    ) -> Result<(Vec<PulledEvent>, Option<MessageId>), Failure> {
        self.read(move |house| {
            let store = &*house.ports.store;
            let notices = models::feed(store, app, after, limit)?;
            let events = rendering::pulled(store, &house.registry(), app, &notices)?;
            Ok((events, notices.last().map(|notice| notice.id)))
        })
        .await
    }

    /// Notices of one kind, or of all, that an application is or was owed, behind an id.
    pub async fn notices(
        &self,
        app: AppNo,
        kind: Option<PushKind>,
        after: MessageId,
        limit: usize,
    ) -> Result<Vec<Notice>, Failure> {
        self.read(move |house| match kind {
            Some(kind) => models::notices(&*house.ports.store, app, kind, after, limit),
            None => models::feed(&*house.ports.store, app, after, limit),
        })
        .await
    }

    /// One notice of an application, with what a push says of it.
    pub async fn notice(
        &self,
        app: AppNo,
        id: MessageId,
    ) -> Result<Option<(Notice, PulledEvent)>, Failure> {
        self.read(move |house| {
            let store = &*house.ports.store;
            let Some(notice) = models::notice(store, app, id)? else { return Ok(None) };
            let told = std::slice::from_ref(&notice);
            let event = rendering::pulled(store, &house.registry(), app, told)?.pop();
            Ok(event.map(|event| (notice, event)))
        })
        .await
    }

    /// Totals of an issuance run so far.
    pub async fn run_totals(&self, run: RunNo) -> Result<RunTotals, Failure> {
        self.read(move |house| models::run_totals(&*house.ports.store, run)).await
    }

    /// Acts of operators begun in `from..to`, oldest first, after an act of an earlier answer.
    pub async fn acts(
        &self,
        operator: Option<OperatorId>,
        span: (Timestamp, Timestamp),
        after: Option<ActRef>,
        limit: usize,
    ) -> Result<Vec<(ActRef, ActRow)>, Failure> {
        self.read(move |house| {
            acts::acts(&*house.ports.store, operator.as_ref(), span, after, limit)
        })
        .await
    }

    /// Settlement totals of a mall by day, `from` and `to` included.
    pub async fn settlement(
        &self,
        app: AppNo,
        from: Day,
        to: Day,
    ) -> Result<Vec<(Day, SettlementTotals)>, Failure> {
        self.read(move |house| models::settlement(&*house.ports.store, app, from, to)).await
    }

    /// Captures and refunds of a mall, `from` and `to` included, at most `limit`.
    pub async fn settlement_lines(
        &self,
        app: AppNo,
        days: (Day, Day),
        limit: usize,
    ) -> Result<Vec<SettlementLine>, Failure> {
        self.read(move |house| settlements::lines(&*house.ports.store, app, days, limit)).await
    }

    /// The books of all accounts together, at one position of the journal. One at a time: it reads
    /// every account.
    pub async fn trial_balance(&self) -> Result<TrialBalance, Failure> {
        let Ok(_turn) = self.0.balancing.try_lock() else {
            return Err(Failure::Busy("a trial balance is being drawn up"));
        };
        self.blocking(|house| balances::trial_balance(&*house.ports.journal, &*house.ports.store))
            .await
    }

    /// How it goes.
    pub fn health(&self) -> Health {
        let house = &self.0;
        let quarantined = house.accounts.quarantined()
            + house.intakes.quarantined()
            + house.couriers.quarantined()
            + house.claims.quarantined()
            + house.registries.quarantined()
            + house.issuances.quarantined()
            + house.qualities.quarantined()
            + house.operators.quarantined();
        let able = self.room_to_write().and_then(|()| house.ports.clock.now());
        Health {
            ready: able.is_ok(),
            why: able.err().map(|failure| failure.to_string()),
            awake: house.accounts.awake(),
            waiting: house.ports.store.waiting(),
            lag: house.lag(),
            durable: *house.ports.journal.durable().borrow(),
            quarantined,
        }
    }

    /// Back-pressure: the store is written behind, and what waits for it is bounded here.
    fn room_to_write(&self) -> Result<(), Failure> {
        if *self.0.stopping.borrow() || self.0.fallen.borrow().is_some() {
            return Err(Failure::Stopping);
        }
        if self.0.ports.store.waiting() > self.0.limits.unwritten_keys {
            return Err(Failure::Busy("the store is written behind too far"));
        }
        self.0.ports.journal.room()
    }

    /// Reads a model once it shows everything that was durable when the question came.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&House) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let durable = *self.0.ports.journal.durable().borrow();
        let shown = self.0.positions.projected_to(durable);
        if tokio::time::timeout(CATCH_UP, shown).await.is_err() {
            return Err(Failure::Busy("the read models lag behind"));
        }
        self.blocking(read).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&House) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let house = self.0.clone();
        system::blocking(move || work(&house)).await?
    }
}

fn positions(ports: &Ports, recovered: &Recovered) -> Result<Positions, Failure> {
    let (router, relay) = (ports.store.cursor("router")?, ports.store.cursor("relay")?);
    let positions = Positions::default();
    positions.projector.send_replace(recovered.position);
    positions.routed.store(router, Ordering::Release);
    positions.router.store(router, Ordering::Release);
    positions.floor.store(router, Ordering::Release);
    positions.relay.store(relay, Ordering::Release);
    Ok(positions)
}
