//! The vault: account ids from ID numbers, people under a key of their own, applications' keys in
//! custody. All keys are the provider's; nothing of them ever shows in a log.

mod keys;
mod keystore;
mod master;
mod provider;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use carbon_actors::ports::{Failure, Person, Purpose, Vault};
use carbon_protocol::keys::KeyHandle;
use carbon_protocol::seal::{SealedField, SealedPerson};
use carbon_protocol::signature::MacType;
use carbon_protocol::sm2::PublicKey;
use carbon_protocol::{AccountId, AppId};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use keys::FileKeys;
use keystore::Keystore;
use master::Master;
use provider::{KeyProvider, Usage};

/// What can be set of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Most people that wait for their key to be durable; one beyond is refused as busy.
    pub queue_people: usize,
    /// A file with the master key, 32 hexadecimal digits.
    pub key_file: String,
    /// Or a file with a passphrase of 12 bytes or more. Neither: a key beside the vault is drawn.
    pub passphrase_file: String,
}

/// The vault in a folder.
pub struct FileVault {
    keys: Arc<dyn KeyProvider>,
    keystore: Arc<Keystore>,
}

impl FileVault {
    /// Opens a folder, or begins one. Where people's keys are, the platform's must be, too. With a
    /// wrong master key nothing is written.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, Failure> {
        let master = Master::of(folder, config)?;
        std::fs::create_dir_all(folder).map_err(|error| failure(folder, &error))?;
        let keys = FileKeys::open(folder, &master, !Keystore::exists(folder))?;
        Self::with(Arc::new(keys), folder, config)
    }

    /// The vault over any provider of keys.
    fn with(keys: Arc<dyn KeyProvider>, folder: &Path, config: &Config) -> Result<Self, Failure> {
        let keystore = Arc::new(Keystore::open(folder, config.queue_people)?);
        Ok(Self { keys, keystore })
    }
}

impl Vault for FileVault {
    fn account_of(&self, id_no: &str) -> Result<AccountId, Failure> {
        let id_no = Zeroizing::new(id_no.trim().to_ascii_uppercase());
        let tag = self.keys.account_tag(id_no.as_bytes())?;
        let mut id = [0; 16];
        id.copy_from_slice(&tag[..16]);
        Ok(AccountId(id))
    }

    fn seal_person(&self, person: Person) -> BoxFuture<'static, Result<SealedPerson, Failure>> {
        let (keys, keystore) = (self.keys.clone(), self.keystore.clone());
        Box::pin(async move {
            let key = keys.draw(Usage::Person)?;
            let slot = keystore.keep(key.clone()).await.map_err(|_| Failure::Stopping)??;
            let fields = (&person.name, &person.id_no, &person.phone);
            let plain = Zeroizing::new(serde_json::to_vec(&fields).map_err(|_| unreadable())?);
            let bytes = keys.seal(Usage::Person, &key, &about(slot), &plain)?;
            Ok(SealedPerson { slot, bytes })
        })
    }

    fn open_person(&self, sealed: &SealedPerson) -> Result<Option<Person>, Failure> {
        let Some(key) = self.keystore.get(sealed.slot)? else {
            return Ok(None);
        };
        let plain = self.keys.open(Usage::Person, &key, &about(sealed.slot), &sealed.bytes)?;
        let plain = plain.ok_or_else(unreadable)?;
        let (name, id_no, phone) = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
        Ok(Some(Person { name, id_no, phone }))
    }

    fn take(&self, purpose: Purpose, key: &[u8]) -> Result<KeyHandle, Failure> {
        let usage = match purpose {
            Purpose::Mac => Usage::Mac,
            Purpose::Fields => Usage::Fields,
        };
        self.keys.wrap(usage, key).map(KeyHandle)
    }

    fn mac(&self, key: &KeyHandle, kind: MacType, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        self.keys.mac(&key.0, kind, bytes)
    }

    fn seal_field(
        &self,
        key: &KeyHandle,
        app: &AppId,
        field: &str,
        plain: &str,
    ) -> Result<SealedField, Failure> {
        let about = SealedField::about(app.as_str(), field);
        let sealed = self.keys.seal(Usage::Fields, &key.0, about.as_bytes(), plain.as_bytes())?;
        Ok(SealedField::of(&sealed))
    }

    fn open_field(
        &self,
        key: &KeyHandle,
        app: &AppId,
        field: &str,
        sealed: &SealedField,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some(bytes) = sealed.sealed() else { return Ok(None) };
        let about = SealedField::about(app.as_str(), field);
        let plain = self.keys.open(Usage::Fields, &key.0, about.as_bytes(), &bytes)?;
        let text = |plain: Zeroizing<Vec<u8>>| {
            std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()))
        };
        Ok(plain.and_then(text))
    }

    fn sign(&self, bytes: &[u8]) -> Result<String, Failure> {
        self.keys.sign(bytes)
    }

    fn erase_person(&self, slot: u64) -> BoxFuture<'static, Result<(), Failure>> {
        let erased = self.keystore.erase(slot);
        Box::pin(async move { erased.await.map_err(|_| Failure::Stopping)?.map(|_| ()) })
    }

    fn public_key(&self) -> PublicKey {
        self.keys.public_key()
    }
}

/// What a person is sealed for: a slot, so that nobody can be put in another's place.
fn about(slot: u64) -> Vec<u8> {
    [b"person|".as_slice(), &slot.to_le_bytes()].concat()
}

fn unreadable() -> Failure {
    Failure::Vault("what is sealed does not open".into())
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Vault(format!("{}: {error}", path.display()))
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
