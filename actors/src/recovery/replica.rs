//! A machine of any kind, for replay: which kind, the stream says.

use carbon_protocol::Timestamp;
use carbon_protocol::account::AccountEvent;
use carbon_protocol::claims::ClaimsEvent;
use carbon_protocol::courier::CourierEvent;
use carbon_protocol::entry::{Entry, Event, Stream};
use carbon_protocol::intake::IntakeEvent;
use carbon_protocol::issuance::IssuanceEvent;
use carbon_protocol::operators::OperatorsEvent;
use carbon_protocol::quality::QualityEvent;
use carbon_protocol::registry::RegistryEvent;

use crate::invariants::{Violation, inv08_one_writer};
use crate::machines::Machine;
use crate::machines::account::Account;
use crate::machines::claims::Claims;
use crate::machines::courier::Courier;
use crate::machines::intake::Intake;
use crate::machines::issuance::Issuance;
use crate::machines::operators::Operators;
use crate::machines::quality::Quality;
use crate::machines::registry::Registry;
use crate::ports::{Failure, Put, Store};
use crate::snapshot::{self, Loaded};

/// A machine.
pub(super) enum AnyMachine {
    Account(Box<Account>),
    Intake(Box<Intake>),
    Courier(Box<Courier>),
    Claims(Box<Claims>),
    Registry(Box<Registry>),
    Issuance(Box<Issuance>),
    Quality(Box<Quality>),
    Operators(Box<Operators>),
}

/// A stream's state at a version.
pub(super) struct Replica {
    pub machine: AnyMachine,
    pub version: u64,
    pub epoch: u32,
    /// Whether it is newer than what was stored.
    pub changed: bool,
}

/// The same work for every kind of machine.
macro_rules! each {
    ($any:expr, $machine:ident => $work:expr) => {
        match $any {
            AnyMachine::Account($machine) => $work,
            AnyMachine::Intake($machine) => $work,
            AnyMachine::Courier($machine) => $work,
            AnyMachine::Claims($machine) => $work,
            AnyMachine::Registry($machine) => $work,
            AnyMachine::Issuance($machine) => $work,
            AnyMachine::Quality($machine) => $work,
            AnyMachine::Operators($machine) => $work,
        }
    };
}

impl Replica {
    /// Before the stream's first event.
    pub fn new(stream: Stream) -> Self {
        let machine = match stream {
            Stream::Account(_) => AnyMachine::Account(Box::new(Account::new(stream))),
            Stream::Intake(_) => AnyMachine::Intake(Box::new(Intake::new(stream))),
            Stream::Courier(_) => AnyMachine::Courier(Box::new(Courier::new(stream))),
            Stream::Claims => AnyMachine::Claims(Box::new(Claims::new(stream))),
            Stream::Registry => AnyMachine::Registry(Box::new(Registry::new(stream))),
            Stream::Issuance => AnyMachine::Issuance(Box::new(Issuance::new(stream))),
            Stream::Quality(_) => AnyMachine::Quality(Box::new(Quality::new(stream))),
            Stream::Operators => AnyMachine::Operators(Box::new(Operators::new(stream))),
        };
        Self { machine, version: 0, epoch: 0, changed: false }
    }

    /// As the store has it.
    pub fn load(store: &dyn Store, stream: Stream) -> Result<Self, Failure> {
        fn held<M>(wrap: impl FnOnce(Box<M>) -> AnyMachine, loaded: Loaded<M>) -> Replica {
            let Loaded { machine, version, epoch } = loaded;
            Replica { machine: wrap(Box::new(machine)), version, epoch, changed: false }
        }
        Ok(match stream {
            Stream::Account(_) => held(AnyMachine::Account, snapshot::load(store, stream)?),
            Stream::Intake(_) => held(AnyMachine::Intake, snapshot::load(store, stream)?),
            Stream::Courier(_) => held(AnyMachine::Courier, snapshot::load(store, stream)?),
            Stream::Claims => held(AnyMachine::Claims, snapshot::load(store, stream)?),
            Stream::Registry => held(AnyMachine::Registry, snapshot::load(store, stream)?),
            Stream::Issuance => held(AnyMachine::Issuance, snapshot::load(store, stream)?),
            Stream::Quality(_) => held(AnyMachine::Quality, snapshot::load(store, stream)?),
            Stream::Operators => held(AnyMachine::Operators, snapshot::load(store, stream)?),
        })
    }

    /// Applies an entry; an older one, whose outcome is in the state already, changes nothing.
    /// A gap, an epoch that goes back or an event of another kind is a violation.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Violation> {
        if entry.version <= self.version {
            return Ok(());
        }
        self.follow(entry)
    }

    /// Applies the entry that must be the next one.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Violation> {
        let (before, after) = ((self.version, self.epoch), (entry.version, entry.epoch));
        inv08_one_writer(entry.stream, before, after)?;
        for event in &entry.events {
            if !self.machine.take(entry.at, event) {
                let seen = format!("{:?} has an event of another kind", entry.stream);
                return Err(Violation { invariant: "INV-08", seen });
            }
        }
        (self.version, self.epoch, self.changed) = (entry.version, entry.epoch, true);
        Ok(())
    }

    /// What the store is to hold of it.
    pub fn puts(&mut self, stream: Stream) -> Vec<Put> {
        self.changed = false;
        let (version, epoch) = (self.version, self.epoch);
        each!(&mut self.machine, machine => snapshot::puts(stream, version, epoch, &mut **machine))
    }

    /// Lets sealed pages go that nobody will store.
    pub fn drop_pages(&mut self) {
        each!(&mut self.machine, machine => drop(machine.take_pages()));
    }

    /// Whether every invariant holds that the state can show.
    pub fn check(&self) -> Result<(), Violation> {
        each!(&self.machine, machine => machine.check())
    }
}

impl AnyMachine {
    /// Applies an event; false where it is not of this kind.
    #[must_use]
    fn take(&mut self, at: Timestamp, event: &Event) -> bool {
        match self {
            Self::Account(machine) => one::<_, AccountEvent>(&mut **machine, at, event),
            Self::Intake(machine) => one::<_, IntakeEvent>(&mut **machine, at, event),
            Self::Courier(machine) => one::<_, CourierEvent>(&mut **machine, at, event),
            Self::Claims(machine) => one::<_, ClaimsEvent>(&mut **machine, at, event),
            Self::Registry(machine) => one::<_, RegistryEvent>(&mut **machine, at, event),
            Self::Issuance(machine) => one::<_, IssuanceEvent>(&mut **machine, at, event),
            Self::Quality(machine) => one::<_, QualityEvent>(&mut **machine, at, event),
            Self::Operators(machine) => one::<_, OperatorsEvent>(&mut **machine, at, event),
        }
    }
}

fn one<M, E>(machine: &mut M, at: Timestamp, event: &Event) -> bool
where
    M: Machine<Event = E>,
    for<'e> &'e E: TryFrom<&'e Event>,
{
    match event.try_into() {
        Ok(event) => {
            machine.apply(at, event);
            true
        }
        Err(_) => false,
    }
}
