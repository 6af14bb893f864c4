//! The courier's messages: what an application is owed, where it wants it, how delivery goes.
//! Owed events form a feed per (application, kind), in journal order; the courier's state is a
//! cursor over it, never a queue.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::{Channel, Consent, IssuedRecord};
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
}

impl PushKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Authorization, Self::Issuance];

    /// The contract's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Authorization => "Z203",
            Self::Issuance => "Z305",
        }
    }

    /// Its byte in store keys.
    pub fn tag(self) -> u8 {
        match self {
            Self::Authorization => 1,
            Self::Issuance => 2,
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
    /// Counts per (account, application), from 1, without gaps.
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
}
