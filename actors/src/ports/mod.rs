//! Ports: everything the actors need from outside, as traits. `src` has the real adapters, `twins`
//! the in-memory ones.

use std::sync::Arc;

use carbon_protocol::account::AccountCommand;
use carbon_protocol::contracts::c201::RawRecord;
use carbon_protocol::courier::PushKind;
use carbon_protocol::entry::Entry;
use carbon_protocol::keys::KeyHandle;
use carbon_protocol::registry::App;
use carbon_protocol::seal::{SealedField, SealedPerson};
use carbon_protocol::signature::MacType;
use carbon_protocol::sm2::PublicKey;
use carbon_protocol::{AccountId, AppId, Ccid, CreditCode, Did, PartnerUid, Serial, Timestamp};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

/// Something broke: not the caller's fault, nothing can be said of the outcome but "ask again".
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The journal did not take an entry, or could not be read.
    #[error("journal: {0}")]
    Journal(String),
    /// The store failed.
    #[error("store: {0}")]
    Store(String),
    /// The store has lost or garbled something: it must be made again from the journal, which is
    /// done at the next start.
    #[error("store damaged: {0}")]
    Damaged(String),
    /// The disk has no room: nothing was written, and it goes on once there is room.
    #[error("disk full: {0}")]
    Full(String),
    /// Too much is waiting: a mailbox, a queue, the dirty map.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// A partner did not answer, or not in the way the contract says.
    #[error("partner: {0}")]
    Partner(String),
    /// The identity service did not answer, or not in the way the contract says.
    #[error("identity: {0}")]
    Identity(String),
    /// The wall clock jumped.
    #[error("clock: {0}")]
    Clock(String),
    /// The keys of the vault failed.
    #[error("vault: {0}")]
    Vault(String),
    /// A broken invariant was found: the actor is quarantined until the next start.
    #[error("invariant: {0}")]
    Invariant(String),
    /// The bus did not deliver.
    #[error("bus: {0}")]
    Bus(String),
    /// The platform is shutting down.
    #[error("stopping")]
    Stopping,
}

// ---------------------------------------------------------------------------------------------
// Journal

/// One entry on its way into the journal, with the state that follows from it.
#[derive(Debug)]
pub struct Append {
    /// The entry; followers get this very one while it is fresh.
    pub entry: Arc<Entry>,
    /// It, encoded (rmp-serde, arrays).
    pub bytes: Vec<u8>,
    /// What the store is to hold once the entry is durable: pages first, then the snapshot.
    pub puts: Vec<Put>,
}

/// An entry that is durable.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its place in the journal, counted from 1.
    pub sequence: u64,
    /// The entry.
    pub entry: Arc<Entry>,
}

/// The journal: the truth. An adapter hands the `puts` of a group to the store after the group is
/// durable and before `append` resolves, so that a state is findable as soon as it is answered.
pub trait Journal: Send + Sync + 'static {
    /// Appends a group; resolves with the sequence of its first entry once all of it is durable.
    /// The entries of a group have consecutive sequences. Never waits for a reader.
    fn append(&self, group: Vec<Append>) -> oneshot::Receiver<Result<u64, Failure>>;

    /// Durable entries after a sequence, in order, at most `limit`. Blocks on the disk where the
    /// entries are no longer in memory.
    fn read(&self, after: u64, limit: usize) -> Result<Vec<Committed>, Failure>;

    /// As [`Journal::read`], but never blocks: nothing where some of the entries are no longer in
    /// memory.
    fn recent(&self, _after: u64, _limit: usize) -> Option<Vec<Committed>> {
        None
    }

    /// The last durable sequence; changes wake followers.
    fn durable(&self) -> watch::Receiver<u64>;

    /// The last sequence whose states may be in the store already: for a moment ahead of what is
    /// durable to readers.
    fn handed_over(&self) -> u64 {
        *self.durable().borrow()
    }

    /// The first sequence that can still be read (older segments may have been archived).
    fn first(&self) -> u64;

    /// Whether there is room for more from outside; a failure says how little there is. What is
    /// kept back is for what was accepted already. Cheap: asked before every write.
    fn room(&self) -> Result<(), Failure> {
        Ok(())
    }
}

// ---------------------------------------------------------------------------------------------
// Store

/// The store's trees. All of them can be made again from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// Snapshots by stream key.
    Snapshots,
    /// Sealed pages: stream key, page number (8 bytes, big endian).
    Pages,
    /// CCID → account.
    Directory,
    /// (application, batch) → the batch with the state of its rows.
    Batches,
    /// (application, received at, batch) → nothing: batches by time.
    BatchTimes,
    /// (application, push kind, sequence, item) → notices owed.
    Feeds,
    /// Whose bills are pushed to whom, and how many events were: see `followers::bills`.
    BillPushes,
    /// (account, errand) → purpose, while it is under way.
    Errands,
    /// (due at, account) → nothing: accounts with a freeze that will lapse.
    Due,
    /// Accounts with pending records, for issuance.
    Pending,
    /// Totals of runs, by run number.
    Runs,
    /// Settlement totals by (application, day).
    Settlements,
    /// Captures and refunds of malls: (application, day, sequence, item).
    SettlementLines,
    /// Acts of operators, by time, and their numbers by operator.
    Audit,
    /// Cursors of followers, by name.
    Cursors,
}

impl Tree {
    /// All trees.
    pub const ALL: [Self; 15] = [
        Self::Snapshots,
        Self::Pages,
        Self::Directory,
        Self::Batches,
        Self::BatchTimes,
        Self::Feeds,
        Self::Errands,
        Self::Due,
        Self::Pending,
        Self::Runs,
        Self::Settlements,
        Self::SettlementLines,
        Self::Audit,
        Self::Cursors,
        Self::BillPushes,
    ];
}

/// One write into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub tree: Tree,
    /// Under which key.
    pub key: Vec<u8>,
    /// The value; none removes it.
    pub value: Option<Vec<u8>>,
}

/// A key with its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The store: rebuildable state, written behind. What was put is found at once; it reaches the disk
/// with the next checkpoint.
pub trait Store: Send + Sync + 'static {
    /// The newest value.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    /// Pairs with `from <= key < to`, in key order (or against it), at most `limit`.
    fn scan(
        &self,
        tree: Tree,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Pair>, Failure>;

    /// Takes writes; later ones win.
    fn put(&self, puts: Vec<Put>);

    /// How many keys wait to be written: the back-pressure of the door.
    fn waiting(&self) -> usize;

    /// Writes everything put so far, makes it durable, and only then puts the cursors, durable
    /// too. Blocks.
    fn checkpoint(&self, cursors: &[(&str, u64)]) -> Result<(), Failure>;

    /// A cursor as last checkpointed; 0 where there is none.
    fn cursor(&self, name: &str) -> Result<u64, Failure>;
}

// ---------------------------------------------------------------------------------------------
// Bus and events

/// A command on its way to an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parcel {
    /// To whom.
    pub account: AccountId,
    /// What is asked.
    pub command: AccountCommand,
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Its outcome is durable.
    Done,
    /// Not now: send it again, with the same id.
    Again,
    /// The account is quarantined: send it again after the next start.
    Quarantined,
}

/// Carries commands between actors, in groups. Whatever it repeats is decided the same.
pub trait Bus: Send + Sync + 'static {
    /// Delivers parcels to a lane (an arbiter's accounts); resolves when all outcomes are durable,
    /// one delivery a parcel. A failure says nothing of the outcomes.
    fn deliver(
        &self,
        lane: usize,
        parcels: Vec<Parcel>,
    ) -> BoxFuture<'static, Result<Vec<Delivery>, Failure>>;
}

/// One event for subscribers: CloudEvents 1.0, data in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulletin {
    /// Where it is published.
    pub subject: String,
    /// The event's id, the same on every try.
    pub id: String,
    /// CloudEvents type.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// The data, JSON.
    pub data: Vec<u8>,
}

/// Where the relay publishes.
pub trait Subscribers: Send + Sync + 'static {
    /// Publishes in order; resolves when all were handed over.
    fn publish(&self, bulletins: Vec<Bulletin>) -> BoxFuture<'static, Result<(), Failure>>;
}

// ---------------------------------------------------------------------------------------------
// Outside

/// A citizen's real-name data in the clear: lives as long as a call needs it.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// ID number.
    pub id_no: String,
    /// Phone; may be unknown.
    pub phone: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(..)")
    }
}

/// What a key in custody is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The HMACs of an application.
    Mac,
    /// Personal-data fields of an application.
    Fields,
}

/// Seals and opens what must not lie in the clear, and works with keys that nobody sees: an HSM
/// can stand behind it. Calls block; they are short.
pub trait Vault: Send + Sync + 'static {
    /// The account of an ID number: a keyed hash whose key never rotates (INV-03).
    fn account_of(&self, id_no: &str) -> Result<AccountId, Failure>;

    /// Seals a person under a fresh data key; resolves when the key is durable.
    fn seal_person(&self, person: Person) -> BoxFuture<'static, Result<SealedPerson, Failure>>;

    /// Opens a person; none where the key was erased.
    fn open_person(&self, sealed: &SealedPerson) -> Result<Option<Person>, Failure>;

    /// Takes an application's key into custody. It never comes out again: what comes back works
    /// for its purpose only, and only here.
    fn take(&self, purpose: Purpose, key: &[u8]) -> Result<KeyHandle, Failure>;

    /// HMAC under a key in custody.
    fn mac(&self, key: &KeyHandle, kind: MacType, bytes: &[u8]) -> Result<[u8; 32], Failure>;

    /// Seals a personal-data field under a key in custody.
    fn seal_field(
        &self,
        key: &KeyHandle,
        app: &AppId,
        field: &str,
        plain: &str,
    ) -> Result<SealedField, Failure>;

    /// Opens a personal-data field; none where it was not sealed under this key.
    fn open_field(
        &self,
        key: &KeyHandle,
        app: &AppId,
        field: &str,
        sealed: &SealedField,
    ) -> Result<Option<Zeroizing<String>>, Failure>;

    /// The platform's own SM2 signature: DER, hexadecimal.
    fn sign(&self, bytes: &[u8]) -> Result<String, Failure>;

    /// Erases a person's data key (销户); resolves once nobody can open the person any more. Erasing
    /// it again changes nothing.
    fn erase_person(&self, slot: u64) -> BoxFuture<'static, Result<(), Failure>>;

    /// The public key of [`Vault::sign`].
    fn public_key(&self) -> PublicKey;
}

/// What a mall answered to 02.Z203.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkAnswer {
    /// It linked the CCID with its own user.
    Linked(PartnerUid),
    /// It refused.
    Refused,
}

/// What a push address answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushAnswer {
    /// HTTP status; 0 for no answer.
    pub status: u16,
    /// Retry-After, in seconds.
    pub retry_after: Option<u32>,
}

/// The partners' own servers. Calls are bounded in time; a failure means: unknown, try again.
pub trait Partners: Send + Sync + 'static {
    /// C101 / Q101: the partner's user behind real-name data, if it has one.
    fn match_account(
        &self,
        app: Arc<App>,
        person: Person,
    ) -> BoxFuture<'static, Result<Option<PartnerUid>, Failure>>;

    /// C201: the raw data behind records, of those that the partner has.
    fn raw_data(
        &self,
        app: Arc<App>,
        serials: Vec<Serial>,
    ) -> BoxFuture<'static, Result<Vec<RawRecord>, Failure>>;

    /// 02.Z203 at first linking: the mall answers with its user's id.
    fn link_mall(
        &self,
        app: Arc<App>,
        ccid: Ccid,
        uid: PartnerUid,
        event_id: String,
    ) -> BoxFuture<'static, Result<LinkAnswer, Failure>>;

    /// A push of one kind to an address; the body is the contract's JSON.
    fn push(
        &self,
        app: Arc<App>,
        url: String,
        kind: PushKind,
        body: Vec<u8>,
    ) -> BoxFuture<'static, PushAnswer>;
}

/// The identity SaaS.
pub trait Identity: Send + Sync + 'static {
    /// Sends an SMS code to a phone (part of 3.1).
    fn send_code(&self, phone: String) -> BoxFuture<'static, Result<(), Failure>>;

    /// 3.1: registers (or finds) a person's DID; none where the SMS code is wrong.
    fn register_did(
        &self,
        person: Person,
        sms_code: String,
    ) -> BoxFuture<'static, Result<Option<Did>, Failure>>;

    /// 3.2: registers (or finds) a legal person's DID.
    fn register_legal(
        &self,
        name: String,
        credit_code: CreditCode,
    ) -> BoxFuture<'static, Result<Did, Failure>>;

    /// 4.4.6: the CCID of (person, application); idempotent.
    fn register_sub_did(
        &self,
        did: Did,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Ccid, Failure>>;

    /// 4.4.7: the person behind a CCID of an application; none where there is none.
    fn parent(
        &self,
        ccid: Ccid,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Option<(Did, Person)>, Failure>>;
}

/// The wall clock, watched: a jump beyond the configured limit is a failure, not a time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Result<Timestamp, Failure>;
}
