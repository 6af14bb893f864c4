//! The courier's messages: what an application is owed, where it wants it, how delivery goes.
//! Owed events form a feed per (application, kind), in journal order; the courier's state is a
//! cursor over it, never a queue.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::{BillEntry, Channel, Consent, IssuedRecord};
use crate::registry::AppRole;
use crate::{
    AccountId, Ccid, Grams, MessageId, PartnerUid, Reason, RecordRef, RunNo, SceneNo, Timestamp,
};

/// Kinds of pushes; each has its own address, feed and cursor.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum PushKind {
    /// Z203: a scene was lit or revoked; a mall link was taken back.
    #[serde(rename = "Z203")]
    Authorization,
    /// 01.Z305: records were issued or refused.
    #[serde(rename = "Z305")]
    Issuance,
    /// 01.Z503: entries of the bill in grams, of records that the application submitted.
    #[serde(rename = "Z503")]
    GramsBill,
    /// 02.Z404: entries of the bill in points, of citizens who are linked to the mall.
    #[serde(rename = "Z404")]
    PointsBill,
}

impl PushKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::Authorization, Self::Issuance, Self::GramsBill, Self::PointsBill];

    /// The kinds that an application of a role may be owed.
    pub fn of(role: AppRole) -> &'static [Self] {
        match role {
            AppRole::Scene => &[Self::Authorization, Self::Issuance, Self::GramsBill],
            AppRole::Mall => &[Self::Authorization, Self::PointsBill],
        }
    }

    /// Whether it is owed only from the time on at which its first address was set: bills can be
    /// asked for as well, and a copy of each entry is not kept for who never wanted it.
    pub fn is_of_bill(self) -> bool {
        matches!(self, Self::GramsBill | Self::PointsBill)
    }

    /// The contract's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Authorization => "Z203",
            Self::Issuance => "Z305",
            Self::GramsBill => "Z503",
            Self::PointsBill => "Z404",
        }
    }

    /// Its byte in store keys.
    pub fn tag(self) -> u8 {
        match self {
            Self::Authorization => 1,
            Self::Issuance => 2,
            Self::GramsBill => 3,
            Self::PointsBill => 4,
        }
    }
}

/// One event owed to one application. Its id derives from the journal position, so it is the same
/// on every try (INV-07).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Event id and place in the feed.
    pub id: MessageId,
    /// When it happened.
    pub at: Timestamp,
    /// Whose event it is; internal, for the order per account.
    pub account: AccountId,
    /// The pseudonym the application knows.
    pub ccid: Ccid,
    /// The partner's id of its user, when known.
    pub partner_uid: Option<PartnerUid>,
    /// Counts per (account, application), from 1, without gaps; each kind of bill on its own.
    pub sequence: u32,
    /// What happened.
    pub body: NoticeBody,
}

/// What is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeBody {
    /// A scene was lit.
    SceneLit {
        /// The scene.
        scene: SceneNo,
        /// The agreements consented to.
        consents: Vec<Consent>,
    },
    /// A scene was revoked.
    SceneRevoked {
        /// The scene.
        scene: SceneNo,
        /// By which way.
        channel: Channel,
    },
    /// The mall link was taken back.
    MallUnlinked {
        /// By which way.
        channel: Channel,
    },
    /// The account refused a record.
    RecordRefused {
        /// The record.
        record: RecordRef,
        /// Its scene.
        scene: SceneNo,
        /// Why.
        reason: Reason,
    },
    /// A record corrected or voided another one.
    RecordAmended {
        /// The record.
        record: RecordRef,
        /// The first record of the behaviour.
        original: RecordRef,
        /// Its scene.
        scene: SceneNo,
        /// Whether it counts no more.
        void: bool,
        /// Grams that count from now on.
        grams: Grams,
    },
    /// A run issued or refused records.
    Issued {
        /// The run.
        run: RunNo,
        /// Issued, with grams.
        issued: Vec<IssuedRecord>,
        /// Refused by the operator.
        refused: Vec<IssuedRecord>,
    },
    /// Entries of the bill in grams; numbered from 1 within the event.
    GramsBooked(Vec<BillEntry>),
    /// Entries of the bill in points; numbered from 1 within the event.
    PointsBooked(Vec<BillEntry>),
}

impl NoticeBody {
    /// Which push carries it.
    pub fn kind(&self) -> PushKind {
        match self {
            Self::SceneLit { .. } | Self::SceneRevoked { .. } | Self::MallUnlinked { .. } => {
                PushKind::Authorization
            }
            Self::RecordRefused { .. } | Self::RecordAmended { .. } | Self::Issued { .. } => {
                PushKind::Issuance
            }
            Self::GramsBooked(_) => PushKind::GramsBill,
            Self::PointsBooked(_) => PushKind::PointsBill,
        }
    }
}

/// A verified push address (Z601 / 02.Z501).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushAddress {
    /// Where to.
    pub url: String,
    /// Whether deliveries stand still by the partner's wish or after a 410.
    pub paused: bool,
}

/// What a courier may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CourierCommand {
    /// Set the address of a kind; the challenge was answered.
    SetAddress {
        /// The kind.
        kind: PushKind,
        /// The address.
        url: String,
    },
    /// Pause or resume a kind.
    Pause {
        /// The kind.
        kind: PushKind,
        /// Whether to stand still.
        paused: bool,
    },
    /// A push was answered with 2xx.
    Delivered {
        /// The kind.
        kind: PushKind,
        /// Last event of the push; the cursor moves here.
        through: MessageId,
        /// Events in it.
        count: u32,
    },
    /// A push was not answered, or not with 2xx.
    Failed {
        /// The kind.
        kind: PushKind,
        /// Last event of the push; the retry carries the same events.
        through: MessageId,
        /// Events in it.
        count: u32,
        /// HTTP status, 0 for none.
        status: u16,
        /// What the partner's Retry-After asked for, in seconds.
        retry_after: Option<u32>,
        /// Where between 0 and 999 the retry's jitter falls; drawn by the shell.
        jitter: u16,
    },
    /// Send what was delivered or parked once more: what lies behind `after`, up to `through`.
    Replay {
        /// The kind.
        kind: PushKind,
        /// Behind this event…
        after: MessageId,
        /// … up to this one.
        through: MessageId,
    },
    /// A push of the first replay was answered with 2xx, or there was nothing left to push.
    Replayed {
        /// The kind.
        kind: PushKind,
        /// Last event of the push.
        through: MessageId,
        /// Events in it.
        count: u32,
    },
    /// A push of the first replay was not answered, or not with 2xx.
    ReplayFailed {
        /// The kind.
        kind: PushKind,
        /// Last event of the push.
        through: MessageId,
        /// HTTP status, 0 for none.
        status: u16,
        /// What the partner's Retry-After asked for, in seconds.
        retry_after: Option<u32>,
        /// Where between 0 and 999 the retry's jitter falls; drawn by the shell.
        jitter: u16,
    },
    /// Read.
    Look,
}

/// What a courier answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum CourierReply {
    /// Done.
    Done,
    /// The state of every kind that has an address or a cursor.
    View(Vec<LaneView>),
}

/// How delivery of one kind stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// The kind.
    pub kind: PushKind,
    /// Where it goes.
    pub address: Option<PushAddress>,
    /// Everything at or before this was delivered or parked.
    pub cursor: MessageId,
    /// Failed tries of the next push.
    pub attempts: u32,
    /// Last event of the push that is being retried, so that a retry carries the same events.
    pub retrying: Option<MessageId>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// Events delivered in all.
    pub delivered: u64,
    /// Ranges given up on: (first after, last, events).
    pub parked: Vec<(MessageId, MessageId, u32)>,
    /// What is to be sent again, in the order it was asked for.
    pub replays: Vec<Replay>,
}

/// A range that is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Where it began.
    pub from: MessageId,
    /// Everything at or before this was sent again.
    pub after: MessageId,
    /// Its last event.
    pub through: MessageId,
    /// Failed tries of its next push.
    pub attempts: u32,
    /// When that is tried again.
    pub next_at: Option<Timestamp>,
}

/// What can have happened to a courier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CourierEvent {
    /// An address was set.
    AddressSet {
        /// The kind.
        kind: PushKind,
        /// The address.
        url: String,
    },
    /// A kind was paused or resumed.
    Paused {
        /// The kind.
        kind: PushKind,
        /// Whether it stands still.
        paused: bool,
    },
    /// A push arrived.
    Delivered {
        /// The kind.
        kind: PushKind,
        /// The cursor's new place.
        through: MessageId,
        /// Events in it.
        count: u32,
    },
    /// A try failed; the next one is at `next_at`.
    AttemptFailed {
        /// The kind.
        kind: PushKind,
        /// Last event of the push.
        through: MessageId,
        /// Failed tries so far.
        attempts: u32,
        /// HTTP status, 0 for none.
        status: u16,
        /// When it is tried again.
        next_at: Timestamp,
    },
    /// All tries failed: the range is parked, later events go on.
    Parked {
        /// The kind.
        kind: PushKind,
        /// Last event of the range; it begins after the cursor.
        through: MessageId,
        /// Events in it.
        count: u32,
    },
    /// A replay was asked for.
    ReplayAsked {
        /// The kind.
        kind: PushKind,
        /// Behind this event…
        after: MessageId,
        /// … up to this one.
        through: MessageId,
    },
    /// A push of the first replay arrived.
    Replayed {
        /// The kind.
        kind: PushKind,
        /// Its last event.
        through: MessageId,
        /// Events in it.
        count: u32,
    },
    /// A try of the first replay failed.
    ReplayFailed {
        /// The kind.
        kind: PushKind,
        /// Failed tries so far.
        attempts: u32,
        /// HTTP status, 0 for none.
        status: u16,
        /// When it is tried again.
        next_at: Timestamp,
    },
    /// All tries of the first replay failed: it ends, and what was parked stays parked.
    ReplayGivenUp {
        /// The kind.
        kind: PushKind,
    },
}
