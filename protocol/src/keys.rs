//! Keys of applications: what each is for, and from when until when it is valid. Two of a purpose
//! may be valid at once, so that a partner changes its key while both sides go on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::registry::App;
use crate::sm2::PublicKey;

/// A key in the vault's custody, as the vault gave it away: sealed, or the handle of an HSM. It is
/// of use to that vault only, and only for what it was made for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHandle(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl fmt::Debug for KeyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHandle(..)")
    }
}

/// What a key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Material {
    /// A secret that both sides sign with (the HMACs).
    Secret(KeyHandle),
    /// The partner's public key; the platform signs with its own (SM2-SM3).
    Sm2(PublicKey),
    /// A key of personal-data fields (SM4-GCM).
    Data(KeyHandle),
}

impl Material {
    /// Whether it is a key of signatures; the others are of personal-data fields.
    pub fn signs(&self) -> bool {
        matches!(self, Self::Secret(_) | Self::Sm2(_))
    }
}

/// A key of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppKey {
    /// Its number among the application's keys, from 1; never given twice.
    pub no: u32,
    /// What it is.
    pub material: Material,
    /// From when it is valid.
    pub from: Timestamp,
    /// From when it is valid no more, if that was decided.
    pub until: Option<Timestamp>,
}

impl AppKey {
    /// A key that has no number yet.
    pub fn new(material: Material, from: Timestamp) -> Self {
        Self { no: 0, material, from, until: None }
    }

    /// Whether it is valid at a time.
    pub fn is_valid(&self, at: Timestamp) -> bool {
        self.from <= at && !self.has_ended(at)
    }

    /// Whether its validity is over at a time.
    pub fn has_ended(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= at)
    }
}

impl App {
    /// The keys of signatures that are valid at a time, the newest first.
    pub fn signing_keys(&self, at: Timestamp) -> Vec<&AppKey> {
        self.valid_keys(at, true)
    }

    /// The keys of personal-data fields that are valid at a time, the newest first.
    pub fn data_keys(&self, at: Timestamp) -> Vec<&KeyHandle> {
        let valid = self.valid_keys(at, false).into_iter();
        valid
            .filter_map(|key| match &key.material {
                Material::Data(handle) => Some(handle),
                Material::Secret(_) | Material::Sm2(_) => None,
            })
            .collect()
    }

    /// Puts a key behind the others; those that have ended are forgotten.
    pub fn add_key(&mut self, at: Timestamp, key: &AppKey) {
        self.keys.retain(|old| !old.has_ended(at));
        self.newest_key = key.no;
        self.keys.push(key.clone());
    }

    /// Sets the end of a key's validity.
    pub fn end_key(&mut self, no: u32, until: Timestamp) {
        self.keys.iter_mut().filter(|key| key.no == no).for_each(|key| key.until = Some(until));
    }

    fn valid_keys(&self, at: Timestamp, signs: bool) -> Vec<&AppKey> {
        let valid = |key: &&AppKey| key.material.signs() == signs && key.is_valid(at);
        let mut valid: Vec<&AppKey> = self.keys.iter().filter(valid).collect();
        valid.sort_by_key(|key| std::cmp::Reverse((key.from, key.no)));
        valid
    }
}
