//! What can have happened to an account: the ledger, closed, versioned, replayed for ever.

use serde::{Deserialize, Serialize};

use super::words::{Channel, ClosedBy, Consent, LotPoints, OrderAction, Purpose};
use crate::behaviour::BehaviourKind;
use crate::seal::SealedPerson;
use crate::{
    AppNo, Ccid, Day, Did, ErrandNo, Grams, MessageId, OrderNo, PartnerUid, Points, Reason,
    RecordRef, RunNo, SceneNo, Serial, Timestamp,
};

/// What can have happened to an account. `notice` is the per (account, application) sequence of an
/// event that is owed to that application (INV-07).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// The account was opened.
    Opened {
        /// The person on the chain.
        did: Did,
        /// Sealed personal data.
        person: SealedPerson,
        /// By which way.
        channel: Channel,
        /// Agreements accepted.
        consents: Vec<Consent>,
    },
    /// An application has its CCID of this person.
    Bound {
        /// The application.
        app: AppNo,
        /// The pseudonym.
        ccid: Ccid,
        /// The partner's id of its user.
        partner_uid: Option<PartnerUid>,
    },
    /// An errand was begun; the errand runner carries it out.
    ErrandBegun {
        /// Which.
        errand: ErrandNo,
        /// What for.
        purpose: Purpose,
    },
    /// It came to nothing, or was abandoned (no reason).
    ErrandFailed {
        /// Which.
        errand: ErrandNo,
        /// Why.
        reason: Option<Reason>,
    },
    /// It succeeded; what it was for follows in the same entry.
    ErrandSucceeded {
        /// Which.
        errand: ErrandNo,
    },
    /// A scene is lit. Owed to the application as Z203.
    SceneLit {
        /// The scene.
        scene: SceneNo,
        /// Its application.
        app: AppNo,
        /// What was agreed to (INV-04).
        consents: Vec<Consent>,
        /// Sequence for the application.
        notice: u32,
    },
    /// Consent was taken back. Owed as Z203.
    SceneRevoked {
        /// The scene.
        scene: SceneNo,
        /// Its application.
        app: AppNo,
        /// By which way.
        channel: Channel,
        /// Sequence for the application.
        notice: u32,
    },
    /// A mall is linked (it has answered 02.Z203).
    MallLinked {
        /// The mall's application.
        app: AppNo,
        /// What was agreed to.
        consents: Vec<Consent>,
    },
    /// The link was taken back. Owed as 02.Z203.
    MallUnlinked {
        /// The mall's application.
        app: AppNo,
        /// By which way.
        channel: Channel,
        /// Sequence for the application.
        notice: u32,
    },
    /// A record was accepted: its grams are pending.
    RecordSubmitted {
        /// The record.
        record: RecordRef,
        /// Journal sequence of the message; remembered until the router's floor passes it.
        message: MessageId,
        /// The scene.
        scene: SceneNo,
        /// What kind of behaviour it was, for INV-10.
        kind: BehaviourKind,
        /// Start of the behaviour, for INV-10.
        from: Timestamp,
        /// End of the behaviour.
        to: Timestamp,
        /// The day it counts for.
        day: Day,
        /// Grams that became pending (after caps).
        grams: Grams,
        /// Whether a cap cut it.
        capped: bool,
        /// The earliest day that is pending with it; the index of sleepers follows it without a
        /// look at what it knew.
        pending_from: Day,
    },
    /// A record was refused by the account. Owed to the application as Z305.
    RecordRefused {
        /// The record.
        record: RecordRef,
        /// The message.
        message: MessageId,
        /// The scene.
        scene: SceneNo,
        /// Why.
        reason: Reason,
        /// Sequence for the application.
        notice: u32,
    },
    /// A record was corrected or voided by a later one. Owed to the application as Z305.
    RecordAmended {
        /// The record that corrects or voids.
        record: RecordRef,
        /// The message.
        message: MessageId,
        /// The first record of the behaviour, which the partner named.
        original: RecordRef,
        /// The record that counted until now: the original, or its last correction.
        replaced: RecordRef,
        /// The scene.
        scene: SceneNo,
        /// The day it counts for.
        day: Day,
        /// Kind, start and end of the corrected behaviour, for INV-10; none where it is voided.
        span: Option<(BehaviourKind, Timestamp, Timestamp)>,
        /// Pending grams taken back.
        pending_voided: Grams,
        /// Issued grams taken back.
        issued_voided: Grams,
        /// Grams that became pending.
        added: Grams,
        /// Grams that count from now on, pending and issued.
        grams: Grams,
        /// The run that issued them, where none of them is pending.
        run: Option<RunNo>,
        /// Whether a cap cut them.
        capped: bool,
        /// The earliest day that is pending after it.
        pending_from: Option<Day>,
        /// Sequence for the application.
        notice: u32,
    },
    /// Points of issued grams that were taken back. Follows its `RecordAmended`.
    PointsVoided {
        /// The record that corrects or voids.
        record: RecordRef,
        /// From which lots.
        lots: Vec<LotPoints>,
        /// What the citizen had spent of them: a debt.
        owed: Points,
        /// Grams carried to the next conversion.
        remainder: u64,
    },
    /// A debt was paid, whole or in part, from points that came in.
    DebtRecovered {
        /// From which lots.
        lots: Vec<LotPoints>,
    },
    /// Records of one application were issued or refused by one run. Owed as Z305.
    Issued {
        /// The run.
        run: RunNo,
        /// The message.
        message: MessageId,
        /// The application that submitted them.
        app: AppNo,
        /// Records issued, with scene and grams.
        issued: Vec<IssuedRecord>,
        /// Records the operator refused.
        refused: Vec<IssuedRecord>,
        /// Sequence for the application.
        notice: u32,
    },
    /// A record that waited for issuance was refused. Owed to its application as Z305.
    PendingRefused {
        /// The record.
        record: IssuedRecord,
        /// The run that issued what it had `before`: that stays issued.
        run: Option<RunNo>,
        /// Why.
        reason: Reason,
        /// Sequence for the application.
        notice: u32,
    },
    /// The account was closed; what it had to come before is in the same entry.
    Closed {
        /// By whom.
        by: ClosedBy,
        /// Points that ended with it, by lot.
        lots: Vec<LotPoints>,
    },
    /// The person's data key is gone.
    Erased {
        /// Its slot in the vault.
        slot: u64,
    },
    /// Points came of issued grams: one lot's worth, with what is carried on.
    PointsCredited {
        /// The run.
        run: RunNo,
        /// Version of the policy that priced it.
        policy: u32,
        /// Grams for one point by that policy: a later correction takes back at the same price.
        grams_per_point: u64,
        /// The points and their lot.
        lot: LotPoints,
        /// Grams converted, with the remainder carried from before.
        grams: Grams,
        /// Grams carried to the next conversion.
        remainder: u64,
    },
    /// A run has passed this account (nothing may have been due). Ends the message.
    RunPassed {
        /// The run.
        run: RunNo,
        /// The message.
        message: MessageId,
        /// The earliest day that is still pending after it; the index of sleepers follows it.
        pending_from: Option<Day>,
    },
    /// What no later decision can need was let go: ids of messages that are not sent again, and the
    /// daily counters and trip fingerprints of days that are no longer accepted.
    Forgotten {
        /// Message ids at or below this journal sequence.
        floor: u64,
        /// Counters and fingerprints of days before this one.
        before: Day,
    },
    /// Points were held.
    OrderFrozen {
        /// The action.
        action: OrderRef,
        /// From which lots.
        lots: Vec<LotPoints>,
        /// When the hold lapses.
        lapses: Timestamp,
    },
    /// Held points were captured.
    OrderConfirmed {
        /// The action.
        action: OrderRef,
        /// Points captured.
        points: Points,
    },
    /// Held points were released to their lots.
    OrderCancelled {
        /// The action.
        action: OrderRef,
        /// Points released, by lot.
        lots: Vec<LotPoints>,
    },
    /// Points were captured at once.
    OrderPaid {
        /// The action.
        action: OrderRef,
        /// From which lots.
        lots: Vec<LotPoints>,
    },
    /// Captured points were given back.
    OrderRefunded {
        /// The action.
        action: OrderRef,
        /// Into which lots.
        lots: Vec<LotPoints>,
    },
    /// An order action was refused; its serial is remembered all the same (INV-09).
    OrderRefused {
        /// The action.
        action: OrderRef,
        /// Why.
        reason: Reason,
    },
    /// A freeze lapsed: its points went back to their lots.
    FreezeLapsed {
        /// The mall's application.
        app: AppNo,
        /// The order.
        order: OrderNo,
        /// Points released, by lot.
        lots: Vec<LotPoints>,
    },
    /// Lots ended with points in them.
    LotsExpired {
        /// What was left, by lot.
        lots: Vec<LotPoints>,
    },
}

/// An order action as journaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRef {
    /// The mall's application.
    pub app: AppNo,
    /// The order.
    pub order: OrderNo,
    /// The action's serial.
    pub serial: Serial,
    /// What was asked.
    pub action: OrderAction,
    /// Digest of the request's meaning.
    pub digest: u64,
}

/// A record in an issuance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedRecord {
    /// The record.
    pub record: RecordRef,
    /// Its scene.
    pub scene: SceneNo,
    /// The day it counted for.
    pub day: Day,
    /// Grams of it in this run.
    pub grams: Grams,
    /// Grams of it that earlier runs issued: a correction may add to what is issued.
    pub before: Grams,
}
