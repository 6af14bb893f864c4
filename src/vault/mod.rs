//! The vault: account ids from ID numbers, people under a key of their own, secrets under the
//! platform's key. Nothing of it ever shows in a log.

mod keys;
mod keystore;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use carbon_actors::ports::{Failure, Person, Vault};
use carbon_protocol::AccountId;
use carbon_protocol::seal::{DataKey, SealedPerson, open_bytes, seal_bytes};
use carbon_protocol::signature::{MacType, mac};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use keys::Keys;
use keystore::Keystore;

/// What secrets are sealed for.
const SECRET: &[u8] = b"secret";

/// Limits of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Most people that wait for their key to be durable; one beyond is refused as busy.
    pub queue_people: usize,
}

/// The vault in a folder.
pub struct FileVault {
    keys: Keys,
    keystore: Arc<Keystore>,
}

impl FileVault {
    /// Opens a folder, or begins one. Where people's keys are, the platform's must be, too.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| failure(folder, &error))?;
        let keys = Keys::open(folder, !Keystore::exists(folder))?;
        let keystore = Arc::new(Keystore::open(folder, config.queue_people)?);
        Ok(Self { keys, keystore })
    }

    /// Erases a person's data key (销户): resolves once nobody can open the person any more.
    pub fn erase(&self, slot: u64) -> BoxFuture<'static, Result<(), Failure>> {
        let erased = self.keystore.erase(slot);
        Box::pin(async move { erased.await.map_err(|_| Failure::Stopping)?.map(|_| ()) })
    }
}

impl Vault for FileVault {
    fn account_of(&self, id_no: &str) -> AccountId {
        let id_no = Zeroizing::new(id_no.trim().to_ascii_uppercase());
        let tag = mac(MacType::HmacSm3, &*self.keys.account_ids, id_no.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&tag[..16]);
        AccountId(id)
    }

    fn seal_person(&self, person: Person) -> BoxFuture<'static, Result<SealedPerson, Failure>> {
        let key = DataKey::new(rand::random());
        let kept = self.keystore.keep(key.clone());
        Box::pin(async move {
            let slot = kept.await.map_err(|_| Failure::Stopping)??;
            let fields = (&person.name, &person.id_no, &person.phone);
            let plain = serde_json::to_vec(&fields).map_err(|_| unreadable())?;
            let plain = Zeroizing::new(plain);
            let bytes = seal_bytes(&key, rand::random(), &about(slot), &plain);
            Ok(SealedPerson { slot, bytes })
        })
    }

    fn open_person(&self, sealed: &SealedPerson) -> Result<Option<Person>, Failure> {
        let Some(key) = self.keystore.get(sealed.slot)? else {
            return Ok(None);
        };
        let plain = open_bytes(&key, &about(sealed.slot), &sealed.bytes).ok_or_else(unreadable)?;
        let (name, id_no, phone) = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
        Ok(Some(Person { name, id_no, phone }))
    }

    fn seal_secret(&self, secret: &[u8]) -> Vec<u8> {
        seal_bytes(&self.keys.platform, rand::random(), SECRET, secret)
    }

    fn open_secret(&self, sealed: &[u8]) -> Result<Vec<u8>, Failure> {
        let plain = open_bytes(&self.keys.platform, SECRET, sealed);
        plain.map(|plain| plain.to_vec()).ok_or_else(unreadable)
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
