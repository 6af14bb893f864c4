//! The account's messages: what it may be asked, what it may answer, and what can have happened to
//! it. The events are the ledger: closed, versioned, replayed for ever.

use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, BehaviourKind};
use crate::seal::SealedPerson;
use crate::{
    AppNo, Ccid, Day, Did, ErrandNo, Grams, MessageId, Month, OrderNo, PartnerUid, Points, Reason,
    RecordRef, RunNo, SceneNo, Serial, TextNo, Timestamp,
};

// ---------------------------------------------------------------------------------------------
// Words shared by commands, events and replies

/// By which way a citizen acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// From a scene partner's app (journey 1).
    Partner,
    /// From 随申办 (journeys 2, 3 and 4).
    CityApp,
    /// Through an operator, who closed the account.
    Operator,
}

/// Who closed an account (销户).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClosedBy {
    /// The citizen.
    Citizen(Channel),
    /// An operator; the audit log says who.
    Operator,
}

/// A citizen's consent to one agreement: what was shown, when, and where (INV-04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Which text was shown: the registry has its agreement, version and SM3.
    pub text: TextNo,
    /// When the citizen agreed.
    pub at: Timestamp,
    /// By which way.
    pub channel: Channel,
}

/// Points of one lot. A lot is named by the last day it can be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotPoints {
    /// Last day of the lot.
    pub expires: Day,
    /// Points of it.
    pub points: Points,
}

/// What an errand is for. Its outside calls are made by the errand runner, never by the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Light scenes of one application: C101, 4.4.6.
    Light {
        /// The application.
        app: AppNo,
        /// The scenes, each with the consent given for it.
        scenes: Vec<(SceneNo, Vec<Consent>)>,
    },
    /// First visit to a mall: Q101, 4.4.6, 02.Z203.
    LinkMall {
        /// The mall's application.
        app: AppNo,
        /// The consents given.
        consents: Vec<Consent>,
    },
}

impl Purpose {
    /// The application it concerns.
    pub fn app(&self) -> AppNo {
        match self {
            Self::Light { app, .. } | Self::LinkMall { app, .. } => *app,
        }
    }
}

/// What an order action does (02.Z303).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderAction {
    /// Hold points for the order.
    Freeze,
    /// Capture what is held.
    Confirm,
    /// Release what is held.
    Cancel,
    /// Capture at once.
    Pay,
    /// Give back captured points, whole or in part.
    Refund,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Points are held.
    Frozen,
    /// Points were captured (by CONFIRM or PAY), and not all were refunded.
    Captured,
    /// The hold was released by the mall.
    Cancelled,
    /// The hold lapsed by policy.
    Lapsed,
    /// All that was captured was refunded.
    Refunded,
    /// The first action was refused; there never was an order.
    Refused,
}

// ---------------------------------------------------------------------------------------------
// Commands

/// What an account may be asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AccountCommand {
    /// Open the account (3.1 or 4.4.7 has answered).
    Open(Open),
    /// Bind the CCID the identity chain gave this person for an application (INV-03). Used by
    /// journey 1, where the partner brings the CCID.
    Bind {
        /// The application.
        app: AppNo,
        /// Its pseudonym of this person.
        ccid: Ccid,
        /// The partner's id of its user, when it said one.
        partner_uid: Option<PartnerUid>,
    },
    /// Begin an errand: consent was given, outside calls must follow.
    Begin(Purpose),
    /// The errand runner's result.
    ErrandDone {
        /// Which errand; a stale one is ignored.
        errand: ErrandNo,
        /// What came of it.
        outcome: ErrandOutcome,
    },
    /// Stop the running errand (the citizen changed their mind).
    Abandon,
    /// Take back the consent to a scene (取消授权).
    Revoke {
        /// The application it was lit of.
        app: AppNo,
        /// The scene.
        scene: SceneNo,
        /// By which way.
        channel: Channel,
    },
    /// Take back the consent to a mall.
    UnlinkMall {
        /// The mall's application.
        app: AppNo,
        /// By which way.
        channel: Channel,
    },
    /// Rows of one batch that concern this account, from the router.
    Submit(Submit),
    /// One issuance run reaches this account, from the router.
    Issue(Issue),
    /// An order action of a mall (02.Z303).
    Order(OrderCommand),
    /// Close the account.
    Close(ClosedBy),
    /// The vault has erased the key in a slot: nobody can open the person any more.
    Erased {
        /// The slot.
        slot: u64,
    },
    /// Settle what is due (lapsed freezes, expired lots); the shell does it before every command.
    Settle,
    /// Read; changes nothing but what was due.
    Look(Look),
}

/// Opening.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Open {
    /// The person on the identity chain.
    pub did: Did,
    /// Name, ID number and phone, sealed under the person's own data key.
    pub person: SealedPerson,
    /// By which way.
    pub channel: Channel,
    /// Agreements shown and accepted.
    pub consents: Vec<Consent>,
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrandOutcome {
    /// The partner knows the person, the CCID is registered (and, for a mall, linked).
    Matched {
        /// The pseudonym towards the application.
        ccid: Ccid,
        /// The partner's id of its user.
        partner_uid: PartnerUid,
    },
    /// Nothing came of it, for this reason.
    Failed(Reason),
}

/// Rows of one batch for one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Submit {
    /// The message's id; a repeated one decides the same.
    pub id: MessageId,
    /// Ids at or below this journal sequence are not sent again: the account may forget them.
    pub floor: u64,
    /// The rows, in the order of the batch.
    pub rows: Vec<SubmitRow>,
}

/// One row, priced and claimed by intake.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubmitRow {
    /// The record.
    pub record: RecordRef,
    /// Under which CCID it was sent; the account checks that it is its own.
    pub ccid: Ccid,
    /// The scene.
    pub scene: SceneNo,
    /// What was done; none where the row voids another record.
    pub behaviour: Option<Behaviour>,
    /// The record that it corrects, or voids where nothing was done.
    pub amends: Option<RecordRef>,
    /// The platform's own computation.
    pub grams: Grams,
    /// The scene's caps at that time; facts for the decision, from policy.
    pub daily_cap: Option<Grams>,
    /// The scene's cap per month.
    pub monthly_cap: Option<Grams>,
}

/// One issuance run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Issue {
    /// The message's id.
    pub id: MessageId,
    /// Ids at or below this journal sequence are not sent again.
    pub floor: u64,
    /// The run.
    pub run: RunNo,
    /// Records of behaviour up to this day are issued.
    pub through: Day,
    /// Only these scenes; empty for all.
    pub scenes: Vec<SceneNo>,
    /// Records that the operator refuses in this run.
    pub excluded: Vec<RecordRef>,
}

/// An order action, checked and digested at the door.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderCommand {
    /// The mall's application.
    pub app: AppNo,
    /// Under which CCID; the account checks it.
    pub ccid: Ccid,
    /// The order.
    pub order: OrderNo,
    /// This action's own serial (INV-09).
    pub serial: Serial,
    /// What to do.
    pub action: OrderAction,
    /// Points to hold, capture or refund. For CONFIRM and CANCEL: must equal what is held, when
    /// given.
    pub points: Option<Points>,
    /// SM3 of the request's meaning, cut to 8 bytes: same serial + other digest is a conflict.
    pub digest: u64,
}

/// A read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Look {
    /// Everything a page or a contract needs, but bill entries.
    Summary,
    /// The newest bill entries, and which sealed pages hold the older ones.
    Bill,
    /// The sealed personal data, for C101, Q101 and Z405.
    Person,
    /// One order.
    Order {
        /// The mall's application.
        app: AppNo,
        /// The order.
        order: OrderNo,
    },
}

// ---------------------------------------------------------------------------------------------
// Replies

/// What an account answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AccountReply {
    /// It is done (or was done before: opening twice, binding twice).
    Done {
        /// Whether it had been done before.
        replay: bool,
    },
    /// An errand has begun, or is under way already.
    Errand(ErrandNo),
    /// The order action's answer.
    Order(OrderReply),
    /// The account is closed.
    Closed {
        /// Whether it was before.
        replay: bool,
        /// The slot of the vault that is still to be erased.
        erase: Option<u64>,
    },
    /// How many of the routed rows were new here.
    Routed {
        /// Rows decided now (not replayed).
        decided: u32,
    },
    /// A summary.
    Summary(Box<Summary>),
    /// Bill entries.
    Bill(BillView),
    /// Personal data, sealed.
    Person(Box<PersonView>),
}

/// The answer to an order action; a refusal is remembered, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReply {
    /// Whether this serial was answered before.
    pub replay: bool,
    /// Why it was refused, when it was.
    pub refused: Option<Reason>,
    /// The order's state after this action (of now, in a replay).
    pub order: Option<OrderView>,
    /// Points available after it.
    pub available: Points,
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    /// The order.
    pub order: OrderNo,
    /// Where it stands.
    pub status: OrderStatus,
    /// Points held.
    pub held: Points,
    /// Points captured in all.
    pub captured: Points,
    /// Points refunded in all.
    pub refunded: Points,
    /// When the hold lapses.
    pub lapses: Option<Timestamp>,
}

/// An account at a glance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// Whether the account is open.
    pub open: bool,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed; then it is not open.
    pub closed_at: Option<Timestamp>,
    /// Whether the person was erased since.
    pub erased: bool,
    /// The person's DID (internal).
    pub did: Option<Did>,
    /// Links to applications.
    pub links: Vec<LinkView>,
    /// Scenes, lit now or before.
    pub scenes: Vec<SceneView>,
    /// The running or last errand.
    pub errand: Option<ErrandView>,
    /// Every errand under way: one an application at most.
    pub running: Vec<ErrandNo>,
    /// Totals by application, scene and month.
    pub totals: Vec<TotalView>,
    /// Points that can be spent, by lot, soonest expiry first.
    pub lots: Vec<LotPoints>,
    /// Points book.
    pub points: PointsBook,
    /// Grams book.
    pub grams: GramsBook,
}

/// A link to an application.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinkView {
    /// The application.
    pub app: AppNo,
    /// Its pseudonym of this person.
    pub ccid: Ccid,
    /// Its own id of the person.
    pub partner_uid: Option<PartnerUid>,
    /// For a mall: whether the link stands.
    pub mall_linked: bool,
    /// Consents to the mall, newest last.
    pub mall_consents: Vec<Consent>,
    /// When the mall was linked (or unlinked) last.
    pub mall_changed_at: Option<Timestamp>,
}

/// A scene's consent state, with history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SceneView {
    /// The scene.
    pub scene: SceneNo,
    /// Of which application it was lit.
    pub app: AppNo,
    /// Spans in which it was lit, oldest first; the last is open when it is lit now.
    pub periods: Vec<LitPeriod>,
}

/// A span in which a scene was lit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LitPeriod {
    /// From.
    pub from: Timestamp,
    /// To; none while it is lit.
    pub to: Option<Timestamp>,
    /// Agreements consented to.
    pub consents: Vec<Consent>,
}

/// An errand's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandView {
    /// Which.
    pub errand: ErrandNo,
    /// The application it concerns.
    pub app: AppNo,
    /// Whether it is still under way.
    pub running: bool,
    /// Why it failed, when it did.
    pub failed: Option<Reason>,
}

/// Totals of one application's scene in one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalView {
    /// The application that submitted.
    pub app: AppNo,
    /// The scene.
    pub scene: SceneNo,
    /// The month of behaviour.
    pub month: Month,
    /// Submitted and not yet issued.
    pub pending: Grams,
    /// Issued.
    pub issued: Grams,
    /// Taken back by corrections.
    pub voided: Grams,
    /// Records that count.
    pub records: u32,
}

/// The points book: `issued = available + held + redeemed + expired + voided` (INV-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PointsBook {
    /// All points ever credited.
    pub issued: Points,
    /// Can be spent now.
    pub available: Points,
    /// Held by open freezes.
    pub held: Points,
    /// Captured by malls, less refunds.
    pub redeemed: Points,
    /// Expired unspent.
    pub expired: Points,
    /// Taken back.
    pub voided: Points,
    /// Spent before they were taken back, and not recovered yet. Not part of the sum: they are
    /// voided once a later credit brings them.
    pub owed: Points,
}

/// The grams book: `submitted = pending + issued + refused + voided`, and issued grams become
/// points or a carried remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GramsBook {
    /// All grams ever accepted from records.
    pub submitted: Grams,
    /// Waiting for issuance.
    pub pending: Grams,
    /// Issued (credited).
    pub issued: Grams,
    /// Refused at issuance.
    pub refused: Grams,
    /// Taken back by corrections.
    pub voided: Grams,
}

/// Newest bill entries and where older ones are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BillView {
    /// Entries that ride in the state, newest first.
    pub newest: Vec<BillEntry>,
    /// Sealed pages below them, numbered from 0; the last is the newest.
    pub sealed_pages: u32,
}

/// One line of a citizen's bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillEntry {
    /// Counted from 1 per account.
    pub number: u64,
    /// When it was booked.
    pub at: Timestamp,
    /// What it was.
    pub kind: BillKind,
    /// The application concerned.
    pub app: AppNo,
    /// The scene, for grams.
    pub scene: Option<SceneNo>,
    /// The record, for submissions and refusals.
    pub record: Option<RecordRef>,
    /// The run, for issuance.
    pub run: Option<RunNo>,
    /// The order, for redemption.
    pub order: Option<OrderNo>,
    /// Grams of the line.
    pub grams: Grams,
    /// Points of the line.
    pub points: Points,
}

/// Kinds of bill lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillKind {
    /// Grams submitted, pending.
    Submitted,
    /// Grams issued.
    Issued,
    /// Pending grams refused at issuance.
    IssueRefused,
    /// Points credited by an issuance.
    PointsCredited,
    /// Points held by a freeze.
    PointsHeld,
    /// Points released by a cancel or a lapse.
    PointsReleased,
    /// Points captured.
    PointsRedeemed,
    /// Points refunded.
    PointsRefunded,
    /// Points expired.
    PointsExpired,
    /// Points that ended with the account.
    PointsForfeited,
    /// Pending grams taken back by a correction or a void.
    PendingVoided,
    /// Issued grams taken back by a correction or a void.
    IssuedVoided,
    /// Points taken back with their grams.
    PointsVoided,
    /// Points that were to be taken back and had been spent: a debt.
    PointsOwed,
    /// Points of a later credit that paid a debt.
    PointsRecovered,
}

impl BillKind {
    /// Whether the line is of the grams book; the others are of the points book.
    pub fn is_of_grams(self) -> bool {
        matches!(
            self,
            Self::Submitted
                | Self::Issued
                | Self::IssueRefused
                | Self::PendingVoided
                | Self::IssuedVoided
        )
    }
}

/// The sealed person, and what is needed to speak of them to a partner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonView {
    /// Sealed name, ID number, phone.
    pub person: SealedPerson,
    /// The person's DID.
    pub did: Did,
}

// ---------------------------------------------------------------------------------------------
// Events

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
