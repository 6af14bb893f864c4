//! A vault without locks: same input, same output, on every run. It hides nothing.

use std::collections::BTreeSet;

use carbon_protocol::keys::KeyHandle;
use carbon_protocol::seal::{DataKey, SealedField, SealedPerson};
use carbon_protocol::signature::{self, MacType};
use carbon_protocol::sm2::{PrivateKey, PublicKey};
use carbon_protocol::{AccountId, AppId};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{Faults, fingerprint};
use crate::ports::{Failure, Person, Purpose, Vault};

/// What marks a key in custody.
fn mark(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Mac => 0x5e,
        Purpose::Fields => 0x5f,
    }
}

fn kept(purpose: Purpose, key: &KeyHandle) -> Result<&[u8], Failure> {
    match key.0.split_first() {
        Some((first, key)) if *first == mark(purpose) => Ok(key),
        _ => Err(Failure::Vault("not a key of this purpose".into())),
    }
}

fn data_key(key: &KeyHandle) -> Result<DataKey, Failure> {
    let bytes = kept(Purpose::Fields, key)?.try_into();
    bytes.map(DataKey::new).map_err(|_| Failure::Vault("a data key has 16 bytes".into()))
}

/// A [`Vault`] for tests: deterministic, readable, erasable.
#[derive(Debug)]
pub struct MemoryVault {
    faults: Faults,
    slots: Mutex<Slots>,
    pair: PrivateKey,
}

impl Default for MemoryVault {
    fn default() -> Self {
        let pair = PrivateKey::from_bytes(&[0x5a; 32]);
        Self {
            faults: Faults::default(),
            slots: Mutex::default(),
            // Any number well below the curve's order is a key.
            pair: pair.unwrap_or_else(|| unreachable!("a constant")),
        }
    }
}

#[derive(Debug, Default)]
struct Slots {
    used: u64,
    erased: BTreeSet<u64>,
}

impl MemoryVault {
    /// The next `calls` of `seal_person` fail.
    pub fn fail_next(&self, calls: usize) {
        self.faults.plan(calls);
    }

    /// Erases a person's key: the person cannot be opened any more.
    pub fn erase(&self, slot: u64) {
        self.slots.lock().erased.insert(slot);
    }
}

impl Vault for MemoryVault {
    fn account_of(&self, id_no: &str) -> Result<AccountId, Failure> {
        let id_no = id_no.trim().to_ascii_uppercase();
        let halves = [b"left".as_slice(), b"right"];
        let mut id = [0; 16];
        for (place, half) in id.chunks_exact_mut(8).zip(halves) {
            place.copy_from_slice(&fingerprint(&[half, id_no.as_bytes()]).to_be_bytes());
        }
        Ok(AccountId(id))
    }

    fn seal_person(&self, person: Person) -> BoxFuture<'static, Result<SealedPerson, Failure>> {
        let sealed = if self.faults.strike() {
            Err(Failure::Vault("told to fail".into()))
        } else {
            let mut slots = self.slots.lock();
            slots.used += 1;
            let fields = (person.name, person.id_no, person.phone);
            serde_json::to_vec(&fields)
                .map(|bytes| SealedPerson { slot: slots.used, bytes })
                .map_err(|error| Failure::Vault(error.to_string()))
        };
        Box::pin(std::future::ready(sealed))
    }

    fn open_person(&self, sealed: &SealedPerson) -> Result<Option<Person>, Failure> {
        if self.slots.lock().erased.contains(&sealed.slot) {
            return Ok(None);
        }
        let (name, id_no, phone) = serde_json::from_slice(&sealed.bytes)
            .map_err(|_| Failure::Vault("not sealed here".into()))?;
        Ok(Some(Person { name, id_no, phone }))
    }

    fn take(&self, purpose: Purpose, key: &[u8]) -> Result<KeyHandle, Failure> {
        Ok(KeyHandle([&[mark(purpose)], key].concat()))
    }

    fn erase_person(&self, slot: u64) -> BoxFuture<'static, Result<(), Failure>> {
        self.erase(slot);
        Box::pin(std::future::ready(Ok(())))
    }

    fn mac(&self, key: &KeyHandle, kind: MacType, bytes: &[u8]) -> Result<[u8; 32], Failure> {
        Ok(signature::mac(kind, kept(Purpose::Mac, key)?, bytes))
    }

    fn seal_field(
        &self,
        key: &KeyHandle,
        app: &AppId,
        field: &str,
        plain: &str,
    ) -> Result<SealedField, Failure> {
        let nonce = fingerprint(&[field.as_bytes(), plain.as_bytes()]).to_be_bytes();
        let nonce = std::array::from_fn(|at| nonce[at % nonce.len()]);
        Ok(SealedField::seal(&data_key(key)?, app.as_str(), field, plain, nonce))
    }

    fn open_field(
        &self,
        key: &KeyHandle,
        app: &AppId,
        field: &str,
        sealed: &SealedField,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        Ok(sealed.open(&data_key(key)?, app.as_str(), field))
    }

    fn sign(&self, bytes: &[u8]) -> Result<String, Failure> {
        Ok(self.pair.sign(bytes))
    }

    fn public_key(&self) -> PublicKey {
        self.pair.public()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_opens_what_it_sealed_until_that_is_erased() {
        let vault = MemoryVault::default();
        let person = Person { name: "张三".into(), id_no: "31010x".into(), phone: None };
        let sealed = vault.seal_person(person.clone()).await.unwrap();
        assert!(vault.open_person(&sealed).unwrap() == Some(person));
        vault.erase(sealed.slot);
        assert!(vault.open_person(&sealed).unwrap().is_none());
        let account = |id_no| vault.account_of(id_no).unwrap();
        assert_eq!(account(" 31010x"), account("31010X"));
        assert_ne!(account("31010X"), account("31011X"));
        let secret = vault.take(Purpose::Mac, b"key").unwrap();
        let tag = vault.mac(&secret, MacType::HmacSm3, b"bytes").unwrap();
        assert_eq!(tag, signature::mac(MacType::HmacSm3, b"key", b"bytes"));
        let (app, field) = (AppId::parse("metro").unwrap(), "name");
        assert!(vault.seal_field(&secret, &app, field, "张三").is_err(), "another purpose");
        let data = vault.take(Purpose::Fields, &[1; 16]).unwrap();
        let sealed = vault.seal_field(&data, &app, field, "张三").unwrap();
        let opened = vault.open_field(&data, &app, field, &sealed).unwrap();
        assert_eq!(opened.unwrap().as_str(), "张三");
        let other = vault.take(Purpose::Fields, &[2; 16]).unwrap();
        assert!(vault.open_field(&other, &app, field, &sealed).unwrap().is_none());
        assert!(vault.public_key().verify(b"bytes", &vault.sign(b"bytes").unwrap()));
    }
}
