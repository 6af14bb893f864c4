//! What the journal holds: entries. One entry is what one machine decided in one turn; its stream
//! and version say whose and which (INV-08: versions of a stream have no gap and no fork).

use serde::{Deserialize, Serialize};

use crate::account::AccountEvent;
use crate::claims::ClaimsEvent;
use crate::courier::CourierEvent;
use crate::ids::partition_of;
use crate::intake::IntakeEvent;
use crate::issuance::IssuanceEvent;
use crate::operators::OperatorsEvent;
use crate::quality::QualityEvent;
use crate::registry::RegistryEvent;
use crate::{AccountId, AppNo, Timestamp};

/// The format that new entries are written in.
pub const FORMAT: u8 = 1;

/// Whose events an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// The operator's declarations.
    Registry,
    /// Claims on vehicles and households.
    Claims,
    /// Issuance runs.
    Issuance,
    /// Operators and their audit log.
    Operators,
    /// One application's intake.
    Intake(AppNo),
    /// One application's courier.
    Courier(AppNo),
    /// One citizen's account.
    Account(AccountId),
    /// The quality of one application's data.
    Quality(AppNo),
}

impl Stream {
    /// The stream as a key: a tag byte and the id, in order.
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Registry => vec![0],
            Self::Claims => vec![1],
            Self::Issuance => vec![2],
            Self::Intake(app) => [&[3], &app.0.to_be_bytes()[..]].concat(),
            Self::Courier(app) => [&[4], &app.0.to_be_bytes()[..]].concat(),
            Self::Operators => vec![6],
            Self::Account(id) => [&[5], &id.0[..]].concat(),
            Self::Quality(app) => [&[7], &app.0.to_be_bytes()[..]].concat(),
        }
    }

    /// The reverse of [`Stream::key`]; nothing where the bytes are no key.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (tag, id) = key.split_first()?;
        let app = || Some(AppNo(u16::from_be_bytes(id.try_into().ok()?)));
        match (tag, id.len()) {
            (0, 0) => Some(Self::Registry),
            (1, 0) => Some(Self::Claims),
            (2, 0) => Some(Self::Issuance),
            (6, 0) => Some(Self::Operators),
            (3, 2) => app().map(Self::Intake),
            (4, 2) => app().map(Self::Courier),
            (7, 2) => app().map(Self::Quality),
            (5, 16) => id.try_into().ok().map(|id| Self::Account(AccountId(id))),
            _ => None,
        }
    }

    /// Whether it is a citizen's account.
    pub fn is_account(&self) -> bool {
        matches!(self, Self::Account(_))
    }

    /// Its partition of `count`.
    pub fn partition(&self, count: u16) -> u16 {
        match self {
            Self::Account(id) => id.partition(count),
            other => partition_of(hex::encode(other.key()).as_bytes(), count),
        }
    }
}

/// One turn of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The format it is written in.
    pub format: u8,
    /// Whose.
    pub stream: Stream,
    /// Counted from 1 per stream, without gaps.
    pub version: u64,
    /// The writer's epoch: it only grows.
    pub epoch: u32,
    /// When, stamped once by the shell.
    pub at: Timestamp,
    /// What happened.
    pub events: Vec<Event>,
}

/// Everything that can have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// To an account.
    Account(AccountEvent),
    /// To an intake.
    Intake(IntakeEvent),
    /// To a courier.
    Courier(CourierEvent),
    /// To the claims book.
    Claims(ClaimsEvent),
    /// To the registry.
    Registry(RegistryEvent),
    /// To issuance.
    Issuance(IssuanceEvent),
    /// To an application's data quality.
    Quality(QualityEvent),
    /// To the operators.
    Operators(OperatorsEvent),
}

macro_rules! into_event {
    ($($kind:ident: $event:ty),*) => {
        $(impl From<$event> for Event {
            fn from(event: $event) -> Self { Self::$kind(event) }
        }
        impl<'e> TryFrom<&'e Event> for &'e $event {
            type Error = ();
            /// The event, if it is of this kind.
            fn try_from(event: &'e Event) -> Result<Self, ()> {
                match event { Event::$kind(event) => Ok(event), _ => Err(()) }
            }
        })*
    };
}

into_event!(
    Account: AccountEvent, Intake: IntakeEvent, Courier: CourierEvent, Claims: ClaimsEvent,
    Registry: RegistryEvent, Issuance: IssuanceEvent, Quality: QualityEvent,
    Operators: OperatorsEvent
);
