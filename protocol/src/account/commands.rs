//! What an account may be asked to do.

use serde::{Deserialize, Serialize};

use super::words::{Channel, ClosedBy, Consent, OrderAction, Purpose};
use crate::behaviour::Behaviour;
use crate::seal::SealedPerson;
use crate::{
    AppNo, Ccid, Day, Did, ErrandNo, Grams, MessageId, OrderNo, PartnerUid, Points, Reason,
    RecordRef, RunNo, SceneNo, Serial,
};

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
