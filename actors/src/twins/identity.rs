//! An identity service by script: one DID a person, one CCID a person and application.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_protocol::{Ccid, CreditCode, Did};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::{Faults, fingerprint};
use crate::ports::{Failure, Identity, Person};

/// The SMS code that is always right; every other one is wrong.
pub const SMS_CODE: &str = "246810";

/// An [`Identity`] in memory.
#[derive(Debug, Default)]
pub struct ScriptedIdentity {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Faults,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    codes: Vec<String>,
    people: BTreeMap<Did, Person>,
    ccids: BTreeMap<(Ccid, String), Did>,
}

impl ScriptedIdentity {
    /// The next `calls` fail: nothing is known of their outcome.
    pub fn fail_next(&self, calls: usize) {
        self.shared.faults.plan(calls);
    }

    /// Registers a person without an SMS code, as a partner's citizen already is (journey 1).
    pub fn enrol(&self, person: &Person) -> Did {
        self.shared.enrol(person)
    }

    /// The CCID a partner obtained for its citizen (4.4.2, 4.4.5).
    pub fn ccid_of(&self, did: &Did, chain_code: &str) -> Ccid {
        self.shared.ccid_of(did, chain_code)
    }

    /// The phones that SMS codes were sent to.
    pub fn codes(&self) -> Vec<String> {
        self.shared.book.lock().codes.clone()
    }
}

impl Shared {
    fn strike(&self) -> Result<(), Failure> {
        if self.faults.strike() { Err(Failure::Identity("told to fail".into())) } else { Ok(()) }
    }

    fn enrol(&self, person: &Person) -> Did {
        let print = fingerprint(&[person.id_no.trim().to_ascii_uppercase().as_bytes()]);
        // Hexadecimal digits behind a short prefix always make an identifier.
        let did = Did::parse(&format!("did:twin:{print:016x}"))
            .unwrap_or_else(|_| unreachable!("hexadecimal digits are plain"));
        self.book.lock().people.entry(did.clone()).or_insert_with(|| person.clone());
        did
    }

    fn ccid_of(&self, did: &Did, chain_code: &str) -> Ccid {
        let print = fingerprint(&[did.as_str().as_bytes(), chain_code.as_bytes()]);
        let ccid = Ccid::parse(&format!("cc-{print:016x}"))
            .unwrap_or_else(|_| unreachable!("hexadecimal digits are plain"));
        self.book.lock().ccids.insert((ccid.clone(), chain_code.into()), did.clone());
        ccid
    }
}

impl Identity for ScriptedIdentity {
    fn send_code(&self, phone: String) -> BoxFuture<'static, Result<(), Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.strike()?;
            shared.book.lock().codes.push(phone);
            Ok(())
        })
    }

    fn register_did(
        &self,
        person: Person,
        sms_code: String,
    ) -> BoxFuture<'static, Result<Option<Did>, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.strike()?;
            Ok((sms_code == SMS_CODE).then(|| shared.enrol(&person)))
        })
    }

    fn register_legal(
        &self,
        _name: String,
        credit_code: CreditCode,
    ) -> BoxFuture<'static, Result<Did, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.strike()?;
            let failed = |_| Failure::Identity("no DID can be made of it".into());
            Did::parse(&format!("did:twin:legal-{credit_code}")).map_err(failed)
        })
    }

    fn register_sub_did(
        &self,
        did: Did,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Ccid, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.strike()?;
            Ok(shared.ccid_of(&did, &chain_code))
        })
    }

    fn parent(
        &self,
        ccid: Ccid,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Option<(Did, Person)>, Failure>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.strike()?;
            let book = shared.book.lock();
            let did = book.ccids.get(&(ccid, chain_code));
            Ok(did.and_then(|did| Some((did.clone(), book.people.get(did)?.clone()))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_person_has_one_did_by_every_route() {
        let identity = ScriptedIdentity::default();
        let person = Person { name: "李四".into(), id_no: "31010X".into(), phone: None };
        let enrolled = identity.enrol(&person);
        let registered = identity.register_did(person.clone(), SMS_CODE.into()).await.unwrap();
        assert_eq!(registered, Some(enrolled.clone()));
        assert_eq!(identity.register_did(person.clone(), "0".into()).await.unwrap(), None);
        let metro = identity.register_sub_did(enrolled.clone(), "metro".into()).await.unwrap();
        assert_eq!(metro, identity.ccid_of(&enrolled, "metro"));
        assert_ne!(metro, identity.ccid_of(&enrolled, "mall"));
        let parent = identity.parent(metro.clone(), "metro".into()).await.unwrap();
        assert!(parent == Some((enrolled, person)));
        assert!(identity.parent(metro, "mall".into()).await.unwrap().is_none());
        identity.fail_next(1);
        assert!(identity.send_code("1".into()).await.is_err());
    }
}
