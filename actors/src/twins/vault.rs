//! A vault without locks: same input, same output, on every run. It hides nothing.

use std::collections::BTreeSet;

use carbon_protocol::AccountId;
use carbon_protocol::seal::SealedPerson;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::{Faults, fingerprint};
use crate::ports::{Failure, Person, Vault};

/// What marks a sealed secret.
const MARK: u8 = 0x5e;

/// A [`Vault`] for tests: deterministic, readable, erasable.
#[derive(Debug, Default)]
pub struct MemoryVault {
    faults: Faults,
    slots: Mutex<Slots>,
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
    fn account_of(&self, id_no: &str) -> AccountId {
        let id_no = id_no.trim().to_ascii_uppercase();
        let halves = [b"left".as_slice(), b"right"];
        let mut id = [0; 16];
        for (place, half) in id.chunks_exact_mut(8).zip(halves) {
            place.copy_from_slice(&fingerprint(&[half, id_no.as_bytes()]).to_be_bytes());
        }
        AccountId(id)
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

    fn seal_secret(&self, secret: &[u8]) -> Vec<u8> {
        [&[MARK], secret].concat()
    }

    fn open_secret(&self, sealed: &[u8]) -> Result<Vec<u8>, Failure> {
        match sealed.split_first() {
            Some((&MARK, secret)) => Ok(secret.to_vec()),
            _ => Err(Failure::Vault("not sealed here".into())),
        }
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
        assert_eq!(vault.open_secret(&vault.seal_secret(b"key")).unwrap(), b"key");
        assert!(vault.open_secret(b"key").is_err());
        assert_eq!(vault.account_of(" 31010x"), vault.account_of("31010X"));
        assert_ne!(vault.account_of("31010X"), vault.account_of("31011X"));
    }
}
