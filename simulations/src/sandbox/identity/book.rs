//! What the identity service knows: persons with their DIDs, sub-DIDs, SMS codes, H5 businesses.
//! No I/O; time comes in as an argument.

use std::collections::HashMap;

use carbon_protocol::contracts::identity::{H5Result, H5Status};
use carbon_protocol::signature::{self, MacType};
use carbon_protocol::{Ccid, Did, Reason, Rejection, Timestamp};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::Identifier;

/// How long an SMS code holds.
const CODE_MS: i64 = 5 * 60_000;
/// Wrong codes that are taken before a code is spent.
const CODE_TRIES: u8 = 5;
/// How long a citizen may take for an H5.
const H5_MS: i64 = 30 * 60_000;
/// How long 4.4.5 knows of an H5.
const RESULT_MS: i64 = 3 * 86_400_000;
/// SMS kept for each phone.
const INBOX: usize = 10;

/// One SMS in the inbox, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sms {
    /// The code in it.
    pub code: String,
    /// Its text.
    pub text: String,
}

/// Real-name data.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: String,
    /// ID number, its letter in upper case.
    pub id_no: String,
    /// Phone.
    pub phone: Option<String>,
}

struct Known {
    person: Person,
    did: Did,
    since: Timestamp,
}

struct Code {
    code: String,
    until: Timestamp,
    tries: u8,
}

/// An H5 opened by 4.4.2.
#[derive(Clone)]
pub struct Business {
    /// The application that opened it.
    pub chain_code: String,
    /// Who it is about; the phone may be missing, and is asked for then.
    pub person: Person,
    /// The phone that the application gave.
    pub given_phone: Option<String>,
    /// Where the browser goes afterwards.
    pub return_url: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// What came of it.
    pub result: Option<(Did, Ccid)>,
}

/// Everything the service knows; in memory, as a sandbox may.
pub struct Book {
    secret: Vec<u8>,
    known: HashMap<String, Known>,
    by_did: HashMap<Did, String>,
    parents: HashMap<Ccid, (Did, String)>,
    codes: HashMap<String, Code>,
    inbox: HashMap<String, Vec<Sms>>,
    businesses: HashMap<String, Business>,
}

impl Book {
    /// An empty one; keys and pseudonyms are drawn from the secret.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: secret.to_vec(),
            known: HashMap::new(),
            by_did: HashMap::new(),
            parents: HashMap::new(),
            codes: HashMap::new(),
            inbox: HashMap::new(),
            businesses: HashMap::new(),
        }
    }

    /// Sends a code to a phone: it can be read in the inbox. An older code is void.
    pub fn send_code(&mut self, phone: &str, now: Timestamp) -> Result<(), Rejection> {
        let plain = (5..=20).contains(&phone.len())
            && phone.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
        if !plain {
            return Err(Rejection::of_field(Reason::OutOfRange, "phone"));
        }
        let code = format!("{:06}", rand::rng().random_range(0..1_000_000));
        let text = format!("【数字身份】验证码 {code}，5 分钟内有效，请勿告诉他人。");
        let inbox = self.inbox.entry(phone.to_owned()).or_default();
        inbox.push(Sms { code: code.clone(), text });
        if inbox.len() > INBOX {
            inbox.remove(0);
        }
        let until = now.plus_ms(CODE_MS);
        self.codes.insert(phone.to_owned(), Code { code, until, tries: CODE_TRIES });
        Ok(())
    }

    /// A phone's SMS, newest first.
    pub fn inbox(&self, phone: &str) -> Vec<Sms> {
        let all = self.inbox.get(phone).map(Vec::as_slice).unwrap_or_default();
        all.iter().rev().cloned().collect()
    }

    /// Spends a code, or counts a wrong one.
    fn check_code(&mut self, phone: &str, code: &str, now: Timestamp) -> Result<(), Rejection> {
        let wrong = Rejection::of_field(Reason::Forbidden, "smsCode").with("the code is wrong");
        let Some(sent) = self.codes.get_mut(phone) else { return Err(wrong) };
        if sent.until < now || sent.tries == 0 {
            self.codes.remove(phone);
            return Err(wrong);
        }
        if sent.code != code.trim() {
            sent.tries -= 1;
            return Err(wrong);
        }
        self.codes.remove(phone);
        Ok(())
    }

    /// Registers a person, or finds who is known already; the SMS code was sent to the phone.
    pub fn register(
        &mut self,
        mut person: Person,
        code: &str,
        now: Timestamp,
    ) -> Result<Did, Rejection> {
        person.id_no = normal(&person.id_no)?;
        person.name = person.name.trim().to_owned();
        if person.name.is_empty() || person.name.chars().count() > 64 {
            return Err(Rejection::of_field(Reason::OutOfRange, "name"));
        }
        let phone = person.phone.clone().unwrap_or_default();
        self.check_code(&phone, code, now)?;
        if let Some(known) = self.known.get_mut(&person.id_no) {
            if known.person.name != person.name {
                // Name and number do not belong together: whoever asks is not this person.
                return Err(Rejection::of_field(Reason::Forbidden, "name"));
            }
            known.person.phone = person.phone;
            return Ok(known.did.clone());
        }
        let identifier = Identifier::derive(&self.secret, &person.id_no)
            .map_err(|_| Rejection::new(Reason::Internal))?;
        let did = identifier.did;
        self.by_did.insert(did.clone(), person.id_no.clone());
        let known = Known { person: person.clone(), did: did.clone(), since: now };
        self.known.insert(person.id_no, known);
        Ok(did)
    }

    /// The document of a DID, written when it is asked for: kept, it would be most of the memory.
    pub fn document(&self, did: &Did) -> Option<Value> {
        let known = self.known.get(self.by_did.get(did)?)?;
        Some(Identifier::derive(&self.secret, &known.person.id_no).ok()?.document(known.since))
    }

    /// The CCID of (person, application): the same whenever it is asked for.
    pub fn sub_did(&mut self, did: &Did, chain_code: &str) -> Result<Ccid, Rejection> {
        if !self.by_did.contains_key(did) {
            return Err(Rejection::of_field(Reason::NotFound, "did"));
        }
        let ccid = pseudonym(&self.secret, did, chain_code)?;
        self.parents.insert(ccid.clone(), (did.clone(), chain_code.to_owned()));
        Ok(ccid)
    }

    /// The person behind a CCID of an application.
    pub fn parent(&self, ccid: &Ccid, chain_code: &str) -> Option<(Did, Person)> {
        let (did, owner) = self.parents.get(ccid)?;
        let known = self.known.get(self.by_did.get(did)?)?;
        (owner == chain_code).then(|| (did.clone(), known.person.clone()))
    }

    /// Keeps an H5; its business serial.
    pub fn open(&mut self, business: Business) -> String {
        let serial = uuid::Uuid::new_v4().simple().to_string();
        let now = business.opened;
        if self.businesses.len() > 100_000 {
            self.businesses.retain(|_, kept| kept.opened.plus_ms(RESULT_MS) > now);
        }
        self.businesses.insert(serial.clone(), business);
        serial
    }

    /// An H5 that can still be gone through.
    pub fn business(&self, serial: &str, now: Timestamp) -> Result<&Business, Rejection> {
        let business = self.businesses.get(serial).ok_or(Rejection::new(Reason::BadLink))?;
        let late = business.result.is_none() && business.opened.plus_ms(H5_MS) < now;
        if late { Err(Reason::BadLink.into()) } else { Ok(business) }
    }

    /// The citizen has typed the phone, where it was missing, and a code goes there. A phone that
    /// the application gave cannot be replaced.
    pub fn fill(
        &mut self,
        serial: &str,
        phone: Option<String>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.business(serial, now)?;
        let Some(business) = self.businesses.get_mut(serial) else {
            return Err(Reason::BadLink.into());
        };
        let known = business.given_phone.clone();
        business.person.phone = known.or(phone.map(|typed| typed.trim().to_owned()));
        let phone = business.person.phone.clone().unwrap_or_default();
        self.send_code(&phone, now)
    }

    /// The citizen has typed the code: DID and CCID are registered.
    pub fn finish(&mut self, serial: &str, code: &str, now: Timestamp) -> Result<(), Rejection> {
        let business = self.business(serial, now)?.clone();
        if business.result.is_some() {
            return Ok(());
        }
        let did = self.register(business.person, code, now)?;
        let ccid = self.sub_did(&did, &business.chain_code)?;
        if let Some(kept) = self.businesses.get_mut(serial) {
            kept.result = Some((did, ccid));
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
        Ok(match &business.result {
            Some((_, ccid)) => H5Result { status: H5Status::Done, ccid: Some(ccid.clone()) },
            None if late => H5Result { status: H5Status::Expired, ccid: None },
            None => H5Result { status: H5Status::Pending, ccid: None },
        })
    }
}

/// The CCID of (person, application), drawn from the service's secret: who knows that can tell it
/// without asking.
pub fn pseudonym(secret: &[u8], did: &Did, chain_code: &str) -> Result<Ccid, Rejection> {
    let about = format!("sub-did|{did}|{chain_code}");
    let drawn = signature::mac(MacType::HmacSm3, secret, about.as_bytes());
    Ccid::parse(&format!("did:shcc:{}", hex::encode(&drawn[..16])))
        .map_err(|_| Rejection::new(Reason::Internal))
}

/// An ID number as it is compared: 18 characters, the letter in upper case.
fn normal(id_no: &str) -> Result<String, Rejection> {
    let id_no = id_no.trim().to_ascii_uppercase();
    let (digits, last) = id_no.split_at_checked(17).unwrap_or_default();
    let shaped = digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(last.as_bytes(), [b'0'..=b'9' | b'X']);
    if shaped { Ok(id_no) } else { Err(Rejection::of_field(Reason::OutOfRange, "idNo")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn person() -> Person {
        let text = |text: &str| text.to_owned();
        Person {
            name: text("张三"),
            id_no: text("99010119900101001x"),
            phone: Some(text("19900000001")),
        }
    }

    fn registered(book: &mut Book, at: Timestamp) -> Result<Did, Rejection> {
        book.send_code("19900000001", at)?;
        let code = book.inbox("19900000001")[0].code.clone();
        book.register(person(), &code, at)
    }

    #[test]
    fn one_person_has_one_did_and_one_ccid_for_each_application() {
        let mut book = Book::new(b"secret");
        let did = registered(&mut book, NOW).unwrap();
        assert_eq!(registered(&mut book, NOW.plus_seconds(9)).unwrap(), did);
        let metro = book.sub_did(&did, "metro").unwrap();
        assert_eq!(book.sub_did(&did, "metro").unwrap(), metro);
        assert_ne!(book.sub_did(&did, "mall").unwrap(), metro);
        assert!(!metro.as_str().contains(did.as_str().rsplit(':').next().unwrap()));
        let (parent, known) = book.parent(&metro, "metro").unwrap();
        assert_eq!((parent, known.id_no.as_str()), (did, "99010119900101001X"));
        assert!(book.parent(&metro, "mall").is_none());
        // Started again with the same secret, it is the same person.
        assert_eq!(registered(&mut Book::new(b"secret"), NOW).unwrap(), did_of(&book, &metro));
    }

    fn did_of(book: &Book, ccid: &Ccid) -> Did {
        book.parent(ccid, "metro").unwrap().0
    }

    #[test]
    fn a_code_is_right_once_in_time_and_for_five_tries() {
        let mut book = Book::new(b"secret");
        book.send_code("19900000001", NOW).unwrap();
        let code = book.inbox("19900000001")[0].code.clone();
        assert!(book.register(person(), "x", NOW).is_err());
        assert!(book.register(person(), &code, NOW).is_ok());
        assert!(book.register(person(), &code, NOW).is_err(), "spent");
        book.send_code("19900000001", NOW).unwrap();
        let code = book.inbox("19900000001")[0].code.clone();
        assert!(book.register(person(), &code, NOW.plus_ms(CODE_MS + 1)).is_err(), "late");
        book.send_code("19900000001", NOW).unwrap();
        let code = book.inbox("19900000001")[0].code.clone();
        for _ in 0..CODE_TRIES {
            assert!(book.register(person(), "x", NOW).is_err());
        }
        assert!(book.register(person(), &code, NOW).is_err(), "guessed too often");
    }

    #[test]
    fn a_number_under_another_name_is_refused() {
        let mut book = Book::new(b"secret");
        registered(&mut book, NOW).unwrap();
        book.send_code("19900000001", NOW).unwrap();
        let code = book.inbox("19900000001")[0].code.clone();
        let other = Person { name: "李四".into(), ..person() };
        let refused = book.register(other, &code, NOW).unwrap_err();
        assert_eq!(refused.field.as_deref(), Some("name"));
    }

    fn opened(book: &mut Book, phone: Option<&str>) -> String {
        let given_phone = phone.map(str::to_owned);
        book.open(Business {
            chain_code: "metro".into(),
            person: Person { phone: given_phone.clone(), ..person() },
            given_phone,
            return_url: "http://127.0.0.1/".into(),
            opened: NOW,
            result: None,
        })
    }

    #[test]
    fn an_h5_asks_for_a_missing_phone_and_ends_with_the_applications_ccid() {
        let mut book = Book::new(b"secret");
        let serial = opened(&mut book, None);
        assert!(book.fill(&serial, None, NOW).is_err(), "no phone to send a code to");
        book.fill(&serial, Some(" 19900000001".into()), NOW).unwrap();
        let code = book.inbox("19900000001")[0].code.clone();
        assert!(book.finish(&serial, "no", NOW).is_err());
        assert_eq!(book.ask(&serial, "metro", NOW).unwrap().status, H5Status::Pending);
        book.finish(&serial, &code, NOW).unwrap();
        book.finish(&serial, "again", NOW).unwrap();
        let asked = book.ask(&serial, "metro", NOW).unwrap();
        assert_eq!(asked.status, H5Status::Done);
        assert!(book.parent(&asked.ccid.unwrap(), "metro").is_some());
        assert!(book.ask(&serial, "bus", NOW).is_err());
        assert!(book.ask(&serial, "metro", NOW.plus_ms(RESULT_MS + 1)).is_err());
    }

    #[test]
    fn a_given_phone_is_kept_and_an_old_h5_expires() {
        let mut book = Book::new(b"secret");
        let serial = opened(&mut book, Some("19900000002"));
        book.fill(&serial, Some("19900000009".into()), NOW).unwrap();
        assert!(book.inbox("19900000009").is_empty());
        assert_eq!(book.inbox("19900000002").len(), 1);
        let late = NOW.plus_ms(H5_MS + 1);
        assert!(book.fill(&serial, None, late).is_err());
        assert_eq!(book.ask(&serial, "metro", late).unwrap().status, H5Status::Expired);
    }
}
