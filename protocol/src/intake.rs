//! The intake's messages: an application's batches of records (01.Z304), accepted once.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::behaviour::Behaviour;
use crate::{AccountId, AppNo, Ccid, Day, Grams, Reason, RecordRef, SceneNo, Serial};

/// A serial as sixteen bytes of its SM3. Two that collide would have to be made on purpose, by the
/// very partner whose record would then be refused.
pub type SerialKey = [u8; 16];

/// A question to an intake. Of old serials the intake knows only in which sealed page they are; an
/// intake that needs to know more answers [`IntakeReply::Recall`], and is asked again.
#[derive(Debug, Clone)]
pub struct IntakeAsk {
    /// What is asked.
    pub command: Arc<IntakeCommand>,
    /// Claims that were read in sealed pages.
    pub recalled: HashMap<SerialKey, Claim>,
}

impl From<IntakeCommand> for IntakeAsk {
    fn from(command: IntakeCommand) -> Self {
        Self { command: Arc::new(command), recalled: HashMap::new() }
    }
}

/// A claimed serial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Of which serial.
    #[serde(with = "serde_bytes")]
    pub key: SerialKey,
    /// What it was claimed for.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// In which batch.
    pub batch: u32,
    /// In which row.
    pub row: u16,
    /// The day of the behaviour: claims are forgotten by it.
    pub day: Day,
}

impl Claim {
    /// The record that it was claimed for.
    pub fn record(&self, app: AppNo) -> RecordRef {
        RecordRef { app, batch: self.batch, row: self.row }
    }
}

/// A claim that is to be read in a sealed page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedClaim {
    /// Number of the page.
    pub page: u64,
    /// Of which serial.
    pub key: SerialKey,
}

/// What an intake may be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum IntakeCommand {
    /// Accept a batch.
    Accept(Batch),
    /// Where a batch is, by its serial.
    FindBatch(Serial),
    /// Where records are, by their serials; one answer each.
    FindRecords(Vec<Serial>),
    /// Digests of what records meant, by their serials; one answer each.
    FindDigests(Vec<Serial>),
}

/// A batch as the door checked, priced and resolved it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    /// The batch's serial.
    pub serial: Serial,
    /// SM3 over the meaning of the whole batch, cut to 16 bytes.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// The rows in the order sent.
    pub rows: Vec<CheckedRow>,
}

/// A row after the door's checks: shape, scene, formula, CCID. The machine checks what needs memory
/// or time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckedRow {
    /// The record's serial.
    pub serial: Serial,
    /// SM3 over the meaning of the row, cut to 16 bytes.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// The pseudonym it is for.
    pub ccid: Ccid,
    /// The account behind it, when the directory knows one.
    pub account: Option<AccountId>,
    /// The scene, when it is one of the application's.
    pub scene: Option<SceneNo>,
    /// What was done; none where the row voids another record.
    pub behaviour: Option<Behaviour>,
    /// Serial of the record that this one corrects, or voids where nothing was done.
    pub amends: Option<Serial>,
    /// Grams the partner computed.
    pub claimed_grams: Grams,
    /// Grams the platform computed.
    pub grams: Grams,
    /// By what it computed them; none where it could not, and where nothing was done.
    pub priced_by: Option<PricedBy>,
    /// The first thing the door found wrong.
    pub refused: Option<Reason>,
}

/// By what grams were computed, so that a sum can be made again whatever was adopted since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedBy {
    /// Version of the scene's methodology.
    pub methodology: u32,
    /// Number of the distance dictionary, in the order of import from 1; none where none was
    /// looked up.
    pub dictionary: Option<u16>,
}

/// What an intake answers.
#[derive(Debug, Clone)]
pub enum IntakeReply {
    /// These claims must be read first; then the same is to be asked again.
    Recall(Vec<SealedClaim>),
    /// The batch is accepted, or was before.
    Receipt(Receipt),
    /// The batch counter of a batch serial, if known.
    Batch(Option<u32>),
    /// The record behind each serial, if known.
    Records(Vec<Option<RecordRef>>),
    /// The digest of each record's meaning, if the serial is remembered.
    Digests(Vec<Option<[u8; 16]>>),
}

/// What the partner gets at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The application's batch counter.
    pub batch: u32,
    /// Whether this very batch had been accepted before. The verdicts of a replay are those of the
    /// first time; they are read from the journal by the door when this is empty.
    pub replay: bool,
    /// One verdict a row.
    pub verdicts: Vec<RowVerdict>,
}

/// What is known at once of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowVerdict {
    /// Claimed; the account decides.
    Received,
    /// This record was received before, with the same content.
    Replayed(RecordRef),
    /// Refused; its serial is free to be used again.
    Refused(Reason),
}

/// What can have happened to an intake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntakeEvent {
    /// A batch was received.
    BatchReceived {
        /// Counted from 1 per application.
        batch: u32,
        /// Its serial.
        serial: Serial,
        /// Digest of its meaning.
        #[serde(with = "serde_bytes")]
        digest: [u8; 16],
        /// Days for which serials must be remembered: what is younger is accepted or corrected.
        remembered_days: u16,
        /// Its rows with their verdicts.
        rows: Vec<BatchRow>,
    },
}

/// A row as journaled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// The record's serial.
    pub serial: Serial,
    /// Digest of its meaning.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// The pseudonym.
    pub ccid: Ccid,
    /// The account; set whenever the verdict is `Received`.
    pub account: Option<AccountId>,
    /// The scene; set whenever the verdict is `Received`.
    pub scene: Option<SceneNo>,
    /// What was done; none where the row voids another record.
    pub behaviour: Option<Behaviour>,
    /// The record that it corrects, or voids where nothing was done.
    pub amends: Option<Amends>,
    /// Grams the partner computed.
    pub claimed_grams: Grams,
    /// Grams the platform computed.
    pub grams: Grams,
    /// By what it computed them; none where it could not, and where nothing was done.
    pub priced_by: Option<PricedBy>,
    /// The verdict.
    pub verdict: RowVerdict,
}

/// An earlier record that a row corrects or voids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amends {
    /// Its serial, as sent.
    pub original: Serial,
    /// The record; set whenever the verdict is `Received`.
    pub record: Option<RecordRef>,
    /// The day it counts for; the day of receipt where nobody knows it.
    pub day: Day,
}

impl BatchRow {
    /// The day it counts for.
    pub fn day(&self) -> Day {
        let of_original = self.amends.as_ref().map(|amends| amends.day);
        self.behaviour.as_ref().map(Behaviour::day).or(of_original).unwrap_or_default()
    }
}
