//! The house: what every actor and follower of one platform shares. Rooms, lanes, ports, limits,
//! the registry's newest view, and the bells that wake followers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use carbon_protocol::account::{AccountCommand, AccountEvent};
use carbon_protocol::courier::{CourierEvent, PushKind};
use carbon_protocol::entry::Stream;
use carbon_protocol::issuance::IssuanceEvent;
use carbon_protocol::policy::Policy;
use carbon_protocol::{AccountId, AppNo, Day};
use dashmap::DashMap;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::sync::{Notify, oneshot, watch};

use crate::followers::directory::Directory;
use crate::lanes::Lanes;
use crate::machines::Machine;
use crate::machines::account::Account;
use crate::machines::claims::Claims;
use crate::machines::courier::Courier;
use crate::machines::intake::Intake;
use crate::machines::issuance::Issuance;
use crate::machines::operators::Operators;
use crate::machines::quality::Quality;
use crate::machines::registry::Registry;
use crate::ports::{Bus, Clock, Failure, Identity, Journal, Partners, Store, Subscribers, Vault};
use crate::refusal::Refusal;
use crate::rooms::Rooms;
use crate::shell::{Answer, Ask};
use crate::system;
use crate::vigils::Vigils;

/// Every limit of the actors, by name; the configuration states them all.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Partitions that accounts fall into; fixed for the life of a journal.
    pub partitions: u16,
    /// Arbiters (threads of actors); 0 for one per core.
    pub arbiters: usize,
    /// Messages in one actor's mailbox.
    pub mailbox_messages: usize,
    /// Commands that wait in one actor for their turn.
    pub waiting_commands: usize,
    /// Of those, how many places only messages from inside may take.
    pub reserved_commands: usize,
    /// Commands that one turn of an actor takes.
    pub group_commands: usize,
    /// Entries that one arbiter hands to the journal at once.
    pub group_entries: usize,
    /// Groups that wait in one lane.
    pub lane_groups: usize,
    /// Parcels of one group.
    pub lane_parcels: usize,
    /// An actor that nobody spoke to for so long is put to sleep.
    pub idle_seconds: u64,
    /// With more actors awake than this, a second of silence is enough.
    pub awake_actors: usize,
    /// Milliseconds between checkpoints of the store.
    pub checkpoint_ms: u64,
    /// Keys that wait to be written to the store; above it, writes from outside are refused.
    pub unwritten_keys: usize,
    /// Entries a follower may lag behind; above it, submissions are refused.
    pub lag_entries: u64,
    /// Errands of one application that are carried out at the same time; 0: none are, here.
    pub errands_per_app: usize,
    /// Tries of an outside call of an errand.
    pub errand_tries: u32,
    /// Events of one push.
    pub push_events: usize,
    /// Accounts of one step of an issuance run.
    pub issuance_accounts: usize,
}

/// The adapters that the platform runs on.
#[derive(Clone)]
pub struct Ports {
    /// The truth.
    pub journal: Arc<dyn Journal>,
    /// Rebuildable state.
    pub store: Arc<dyn Store>,
    /// The watched wall clock.
    pub clock: Arc<dyn Clock>,
    /// Seals and opens.
    pub vault: Arc<dyn Vault>,
    /// The partners' servers.
    pub partners: Arc<dyn Partners>,
    /// The identity service.
    pub identity: Arc<dyn Identity>,
    /// Where events are published.
    pub subscribers: Arc<dyn Subscribers>,
}

/// How far each follower is. Sequences of the journal.
#[derive(Debug, Default)]
pub struct Positions {
    /// Everything at or before it is in the read models.
    pub projector: watch::Sender<u64>,
    /// Everything at or before it was delivered to accounts.
    pub routed: AtomicU64,
    /// As `routed`, and not beyond the start of an issuance run that is under way.
    pub router: AtomicU64,
    /// The router's cursor as last checkpointed: ids at or below it are never sent again.
    pub floor: AtomicU64,
    /// Everything at or before it was published.
    pub relay: Arc<AtomicU64>,
    /// How many have waited for the projector so far.
    waited: AtomicU64,
}

/// Turns of those who wait for the projector: so many hardly wait at once.
const TURNS: u64 = 64;

impl Positions {
    /// Resolves when the read models show everything up to a sequence.
    pub async fn projected_to(&self, sequence: u64) {
        let mut projector = self.projector.subscribe();
        if *projector.borrow_and_update() >= sequence {
            return;
        }
        let turn = self.waited.fetch_add(1, Ordering::Relaxed) % TURNS;
        // It ends only with the house itself, and then nobody waits here.
        let _ = projector.wait_for(|position| *position >= sequence).await;
        system::in_turn(turn).await;
    }
}

/// What wakes a follower that sleeps.
#[derive(Debug, Default)]
pub struct Bells {
    feeds: DashMap<(AppNo, PushKind), Arc<Notify>>,
    /// Rings when an application is registered.
    pub registry: Notify,
    /// Rings when an issuance run starts.
    pub issuance: Notify,
    /// Rings when an account's errand has ended.
    pub errands: Arc<Vigils>,
}

impl Bells {
    /// The bell of one application's pushes of one kind.
    pub fn feed(&self, app: AppNo, kind: PushKind) -> Arc<Notify> {
        self.feeds.entry((app, kind)).or_default().clone()
    }
}

/// All that is shared.
pub struct House {
    /// The adapters.
    pub ports: Ports,
    /// The limits.
    pub limits: Limits,
    /// The arbiters.
    pub lanes: Arc<Lanes>,
    /// What carries parcels to them.
    pub bus: Arc<dyn Bus>,
    /// CCID → account.
    pub directory: Arc<Directory>,
    /// How far the followers are.
    pub positions: Positions,
    /// Their bells.
    pub bells: Bells,
    /// The citizens' accounts.
    pub accounts: Rooms<Account>,
    pub(crate) intakes: Rooms<Intake>,
    pub(crate) couriers: Rooms<Courier>,
    pub(crate) claims: Rooms<Claims>,
    pub(crate) registries: Rooms<Registry>,
    pub(crate) issuances: Rooms<Issuance>,
    pub(crate) qualities: Rooms<Quality>,
    pub(crate) operators: Rooms<Operators>,
    /// Held while all accounts are read for a trial balance.
    pub(crate) balancing: tokio::sync::Mutex<()>,
    pub(crate) view: RwLock<Arc<Registry>>,
    /// The policy before any was adopted.
    pub(crate) first_policy: Arc<Policy>,
    /// Turns true when the platform stops.
    pub(crate) stopping: watch::Sender<bool>,
    /// A follower that has ended unasked.
    pub(crate) fallen: watch::Sender<Option<&'static str>>,
}

/// A machine that lives in rooms of the house.
pub trait Housed: Machine {
    /// Its rooms.
    fn rooms(house: &House) -> &Rooms<Self>;

    /// What the house learns of a turn once it is durable, before anybody is answered.
    fn after(_house: &House, _stream: Stream, _machine: &Self, _events: &[Self::Event]) {}
}

impl House {
    /// Sends a command to a stream's actor and waits for what comes of it.
    pub async fn ask<M: Housed>(
        self: &Arc<Self>,
        stream: Stream,
        command: M::Command,
        internal: bool,
    ) -> Answer<M> {
        let (reply, answer) = oneshot::channel();
        M::rooms(self).send(self, stream, Ask { command, reply, internal });
        answer.await.unwrap_or(Err(Refusal::Broken(Failure::Stopping)))
    }

    /// Has a closed account's person erased: the key first, the word for it in the journal then.
    pub(crate) async fn erase(
        self: &Arc<Self>,
        account: AccountId,
        slot: u64,
    ) -> Result<(), Refusal> {
        self.ports.vault.erase_person(slot).await?;
        let erased = AccountCommand::Erased { slot };
        self.ask::<Account>(Stream::Account(account), erased, true).await.map(|_| ())
    }

    /// The newest view of the registry.
    pub fn registry(&self) -> Arc<Registry> {
        self.view.read().clone()
    }

    /// The policy of a day.
    pub fn policy(&self, day: Day) -> Arc<Policy> {
        let view = self.view.read();
        view.policy(day).cloned().unwrap_or_else(|| self.first_policy.clone())
    }

    /// Whether the platform is stopping; to be awaited beside other things.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Entries that the slowest follower of acknowledged writes lags behind.
    pub fn lag(&self) -> u64 {
        let durable = *self.ports.journal.durable().borrow();
        let projector = *self.positions.projector.borrow();
        let routed = self.positions.routed.load(Ordering::Acquire);
        durable.saturating_sub(projector.min(routed))
    }
}

impl Housed for Account {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.accounts
    }

    /// A pseudonym can be resolved as soon as its binding is answered.
    fn after(house: &House, stream: Stream, _: &Self, events: &[AccountEvent]) {
        let Stream::Account(account) = stream else { return };
        for event in events {
            if let AccountEvent::Bound { app, ccid, .. } = event {
                house.directory.insert(*app, ccid, account);
            }
        }
    }
}

impl Housed for Intake {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.intakes
    }
}

impl Housed for Quality {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.qualities
    }
}

impl Housed for Claims {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.claims
    }
}

impl Housed for Courier {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.couriers
    }

    /// A new address or a resumed one is used at once; so is what is to be replayed.
    fn after(house: &House, stream: Stream, _: &Self, events: &[CourierEvent]) {
        let Stream::Courier(app) = stream else { return };
        for event in events {
            if let CourierEvent::AddressSet { kind, .. }
            | CourierEvent::Paused { kind, .. }
            | CourierEvent::ReplayAsked { kind, .. } = event
            {
                house.bells.feed(app, *kind).notify_one();
            }
        }
    }
}

impl Housed for Registry {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.registries
    }

    /// Everybody reads a view, nobody asks the actor.
    fn after(house: &House, _: Stream, machine: &Self, _: &[Self::Event]) {
        *house.view.write() = Arc::new(machine.clone());
        house.bells.registry.notify_one();
    }
}

impl Housed for Operators {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.operators
    }
}

impl Housed for Issuance {
    fn rooms(house: &House) -> &Rooms<Self> {
        &house.issuances
    }

    fn after(house: &House, _: Stream, _: &Self, events: &[IssuanceEvent]) {
        if events.iter().any(|event| matches!(event, IssuanceEvent::Started { .. })) {
            house.bells.issuance.notify_one();
        }
    }
}
