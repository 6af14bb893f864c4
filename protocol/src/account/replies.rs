//! What an account answers: outcomes, and what it looks like.

use serde::{Deserialize, Serialize};

use super::words::{Consent, LotPoints, OrderStatus};
use crate::seal::SealedPerson;
use crate::{
    AppNo, Ccid, Did, ErrandNo, Grams, Month, OrderNo, PartnerUid, Points, Reason, RecordRef,
    RunNo, SceneNo, Timestamp,
};

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
