//! H5 businesses: what an application opened with pre-filled data (4.4.2, 4.4.3, 4.4.4), how far
//! its citizen has come, and what came of it (4.4.5). No I/O; time comes in as an argument.

use carbon_protocol::contracts::identity::{DidSignature, H5Result, H5Status};
use carbon_protocol::{Ccid, CreditCode, Did, Reason, Rejection, Timestamp};

use super::book::{Book, Person, normal};

/// How long a citizen may take for an H5.
const H5_MS: i64 = 30 * 60_000;
/// How long 4.4.5 knows of an H5.
const RESULT_MS: i64 = 3 * 86_400_000;
/// Businesses before the forgotten ones are looked for.
const SWEEP_AT: usize = 100_000;

/// What an H5 is about.
#[derive(Clone)]
pub enum Matter {
    /// A natural person registers.
    Natural(Person),
    /// A legal person registers, by its agent.
    Legal {
        /// Its name.
        name: String,
        /// Its credit code.
        credit_code: CreditCode,
        /// Who acts for it.
        agent: Person,
    },
    /// A citizen signs under a pseudonym.
    Signing {
        /// The pseudonym.
        ccid: Ccid,
        /// What is signed.
        content: String,
        /// Where the code goes.
        phone: Option<String>,
    },
}

/// What came of an H5.
#[derive(Clone)]
pub enum Outcome {
    /// A natural person is registered.
    Natural(Ccid),
    /// A legal person is registered.
    Legal(Did),
    /// A citizen has signed.
    Signed(Ccid, DidSignature),
}

/// An H5.
#[derive(Clone)]
pub struct Business {
    /// The application that opened it.
    pub chain_code: String,
    /// What it is about.
    pub matter: Matter,
    /// The phone that was known when it was opened: nobody can put another in its place.
    pub given_phone: Option<String>,
    /// Where the browser goes afterwards.
    pub return_url: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

impl Business {
    /// A business of an application, opened now.
    pub fn new(chain_code: &str, matter: Matter, return_url: String, opened: Timestamp) -> Self {
        let (chain_code, given_phone) = (chain_code.to_owned(), matter.phone().cloned());
        Self { chain_code, matter, given_phone, return_url, opened, outcome: None }
    }
}

impl Matter {
    /// The phone that the code goes to.
    fn phone(&self) -> Option<&String> {
        match self {
            Self::Natural(person) | Self::Legal { agent: person, .. } => person.phone.as_ref(),
            Self::Signing { phone, .. } => phone.as_ref(),
        }
    }

    fn set_phone(&mut self, typed: Option<String>) {
        match self {
            Self::Natural(person) | Self::Legal { agent: person, .. } => person.phone = typed,
            Self::Signing { phone, .. } => *phone = typed,
        }
    }
}

impl Book {
    /// Keeps an H5; its business serial.
    pub fn open(&mut self, business: Business) -> String {
        let serial = uuid::Uuid::new_v4().simple().to_string();
        let now = business.opened;
        if self.businesses.len() > SWEEP_AT {
            self.businesses.retain(|_, kept| kept.opened.plus_ms(RESULT_MS) > now);
        }
        self.businesses.insert(serial.clone(), business);
        serial
    }

    /// An H5 that can still be gone through.
    pub fn business(&self, serial: &str, now: Timestamp) -> Result<&Business, Rejection> {
        let business = self.businesses.get(serial).ok_or(Rejection::new(Reason::BadLink))?;
        let late = business.outcome.is_none() && business.opened.plus_ms(H5_MS) < now;
        if late { Err(Reason::BadLink.into()) } else { Ok(business) }
    }

    /// The citizen has typed the phone, where it was missing, and a code goes there. A phone that
    /// was known cannot be replaced.
    pub fn fill(
        &mut self,
        serial: &str,
        typed: Option<String>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.business(serial, now)?;
        let Some(business) = self.businesses.get_mut(serial) else {
            return Err(Reason::BadLink.into());
        };
        let typed = typed.map(|typed| typed.trim().to_owned());
        business.matter.set_phone(business.given_phone.clone().or(typed));
        let phone = business.matter.phone().cloned().unwrap_or_default();
        self.send_code(&phone, now)
    }

    /// The citizen has typed the code: what the H5 is about is done, once.
    pub fn finish(&mut self, serial: &str, code: &str, now: Timestamp) -> Result<(), Rejection> {
        let business = self.business(serial, now)?.clone();
        if business.outcome.is_some() {
            return Ok(());
        }
        let outcome = match business.matter {
            Matter::Natural(person) => {
                let did = self.register(person, code, now)?;
                Outcome::Natural(self.sub_did(&did, &business.chain_code, now)?)
            }
            Matter::Legal { name, credit_code, agent } => {
                normal(&agent.id_no)?;
                self.check_code(&agent.phone.unwrap_or_default(), code, now)?;
                Outcome::Legal(self.register_legal(&name, &credit_code, now)?)
            }
            Matter::Signing { ccid, content, phone } => {
                self.check_code(&phone.unwrap_or_default(), code, now)?;
                let signature = self.sign(ccid.as_str(), &content)?;
                Outcome::Signed(ccid, signature)
            }
        };
        if let Some(kept) = self.businesses.get_mut(serial) {
            kept.outcome = Some(outcome);
        }
        Ok(())
    }

    /// 4.4.5: how an H5 stands; told to the application that opened it.
    pub fn ask(&self, serial: &str, caller: &str, now: Timestamp) -> Result<H5Result, Rejection> {
        let unknown = Rejection::of_field(Reason::NotFound, "serial");
        let Some(business) = self.businesses.get(serial) else { return Err(unknown) };
        let forgotten = business.opened.plus_ms(RESULT_MS) < now;
        if forgotten || business.chain_code != caller {
            return Err(unknown);
        }
        let late = business.opened.plus_ms(H5_MS) < now;
        let status = match &business.outcome {
            Some(_) => H5Status::Done,
            None if late => H5Status::Expired,
            None => H5Status::Pending,
        };
        let (ccid, did, signature) = match business.outcome.clone() {
            Some(Outcome::Natural(ccid)) => (Some(ccid), None, None),
            Some(Outcome::Legal(did)) => (None, Some(did), None),
            Some(Outcome::Signed(ccid, signature)) => (Some(ccid), None, Some(signature)),
            None => (None, None, None),
        };
        Ok(H5Result { status, ccid, did, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::identity::document::signed;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const PHONE: &str = "19900000001";

    fn person(phone: Option<&str>) -> Person {
        Person {
            name: "张三".into(),
            id_no: "99010119900101001X".into(),
            phone: phone.map(str::to_owned),
        }
    }

    fn opened(book: &mut Book, matter: Matter) -> String {
        book.open(Business::new("metro", matter, "http://127.0.0.1/".into(), NOW))
    }

    fn code(book: &Book) -> String {
        book.inbox(PHONE)[0].code.clone()
    }

    #[test]
    fn an_h5_asks_for_a_missing_phone_and_ends_with_the_applications_ccid() {
        let mut book = Book::new(b"secret");
        let serial = opened(&mut book, Matter::Natural(person(None)));
        assert!(book.fill(&serial, None, NOW).is_err(), "no phone to send a code to");
        book.fill(&serial, Some(format!(" {PHONE}")), NOW).unwrap();
        assert!(book.finish(&serial, "no", NOW).is_err());
        assert_eq!(book.ask(&serial, "metro", NOW).unwrap().status, H5Status::Pending);
        book.finish(&serial, &code(&book), NOW).unwrap();
        book.finish(&serial, "again", NOW).unwrap();
        let asked = book.ask(&serial, "metro", NOW).unwrap();
        assert_eq!((asked.status, asked.did, asked.signature), (H5Status::Done, None, None));
        assert!(book.parent(&asked.ccid.unwrap(), "metro").is_some());
        assert!(book.ask(&serial, "bus", NOW).is_err());
        assert!(book.ask(&serial, "metro", NOW.plus_ms(RESULT_MS + 1)).is_err());
    }

    #[test]
    fn a_given_phone_is_kept_and_an_old_h5_expires() {
        let mut book = Book::new(b"secret");
        let serial = opened(&mut book, Matter::Natural(person(Some("19900000002"))));
        book.fill(&serial, Some("19900000009".into()), NOW).unwrap();
        assert!(book.inbox("19900000009").is_empty());
        assert_eq!(book.inbox("19900000002").len(), 1);
        let late = NOW.plus_ms(H5_MS + 1);
        assert!(book.fill(&serial, None, late).is_err());
        assert_eq!(book.ask(&serial, "metro", late).unwrap().status, H5Status::Expired);
    }

    #[test]
    fn a_legal_person_is_registered_by_its_agents_code() {
        let mut book = Book::new(b"secret");
        let credit_code = CreditCode::parse("91350100M000100Y43").unwrap();
        let matter = Matter::Legal {
            name: "地铁公司".into(),
            credit_code: credit_code.clone(),
            agent: person(None),
        };
        let serial = opened(&mut book, matter);
        book.fill(&serial, Some(PHONE.into()), NOW).unwrap();
        assert!(book.finish(&serial, "no", NOW).is_err());
        assert!(book.ask(&serial, "metro", NOW).unwrap().did.is_none());
        book.finish(&serial, &code(&book), NOW).unwrap();
        let asked = book.ask(&serial, "metro", NOW).unwrap();
        assert_eq!((asked.status, asked.ccid), (H5Status::Done, None));
        let known = book.register_legal("地铁公司", &credit_code, NOW).unwrap();
        assert_eq!(asked.did, Some(known));
    }

    #[test]
    fn a_citizen_signs_under_a_pseudonym_that_tells_nothing_of_the_did() {
        let mut book = Book::new(b"secret");
        book.send_code(PHONE, NOW).unwrap();
        let did = book.register(person(Some(PHONE)), &code(&book), NOW).unwrap();
        let ccid = book.sub_did(&did, "metro", NOW).unwrap();
        let matter = Matter::Signing {
            ccid: ccid.clone(),
            content: "同意".into(),
            phone: Some(PHONE.into()),
        };
        let serial = opened(&mut book, matter);
        book.fill(&serial, Some("19900000009".into()), NOW).unwrap();
        book.finish(&serial, &code(&book), NOW).unwrap();
        let asked = book.ask(&serial, "metro", NOW).unwrap();
        assert_eq!((asked.did, asked.ccid.as_ref()), (None, Some(&ccid)));
        let document = book.document(ccid.as_str()).unwrap();
        assert!(signed(&document, &asked.signature.unwrap(), "同意"));
        assert!(!document.to_string().contains(did.as_str()));
        let own = book.document(did.as_str()).unwrap();
        let key = |document: &serde_json::Value| {
            document["verificationMethod"][0]["publicKeyHex"].clone()
        };
        assert_ne!(key(&document), key(&own));
    }
}
