//! What the identity service knows: natural and legal persons with their DIDs, sub-DIDs, SMS codes.
//! No I/O; time comes in as an argument.

use std::collections::HashMap;

use carbon_protocol::contracts::identity::{CONTENT_MAX, DidSignature};
use carbon_protocol::signature::{self, MacType};
use carbon_protocol::{Ccid, CreditCode, Did, Reason, Rejection, Timestamp};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{Identifier, Subject};
use super::h5::Business;

/// How long an SMS code holds.
const CODE_MS: i64 = 5 * 60_000;
/// Wrong codes that are taken before a code is spent.
const CODE_TRIES: u8 = 5;
/// Longest name of a person, in characters.
const NAME_MAX: usize = 64;
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

struct Legal {
    name: String,
    did: Did,
    since: Timestamp,
}

struct Parent {
    did: Did,
    chain_code: String,
    /// Its own time: the person's would be the same under every pseudonym.
    since: Timestamp,
}

struct Code {
    code: String,
    until: Timestamp,
    tries: u8,
}

/// Everything the service knows; in memory, as a sandbox may.
pub struct Book {
    secret: Vec<u8>,
    known: HashMap<String, Known>,
    by_did: HashMap<Did, String>,
    legal: HashMap<CreditCode, Legal>,
    by_legal_did: HashMap<Did, CreditCode>,
    parents: HashMap<Ccid, Parent>,
    codes: HashMap<String, Code>,
    inbox: HashMap<String, Vec<Sms>>,
    pub(super) businesses: HashMap<String, Business>,
}

impl Book {
    /// An empty one; keys and pseudonyms are drawn from the secret.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            secret: secret.to_vec(),
            known: HashMap::new(),
            by_did: HashMap::new(),
            legal: HashMap::new(),
            by_legal_did: HashMap::new(),
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
    pub(super) fn check_code(
        &mut self,
        phone: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
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
        person.name = named(&person.name, "name")?;
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
        let did = self.drawn(Subject::Natural, &person.id_no)?;
        self.by_did.insert(did.clone(), person.id_no.clone());
        let known = Known { person: person.clone(), did: did.clone(), since: now };
        self.known.insert(person.id_no, known);
        Ok(did)
    }

    /// Registers a legal person, or finds the one that is known already.
    pub fn register_legal(
        &mut self,
        name: &str,
        code: &CreditCode,
        now: Timestamp,
    ) -> Result<Did, Rejection> {
        let name = named(name, "name")?;
        if let Some(known) = self.legal.get(code) {
            return match known.name == name {
                true => Ok(known.did.clone()),
                false => Err(Rejection::of_field(Reason::Forbidden, "name")),
            };
        }
        let did = self.drawn(Subject::Legal, code.as_str())?;
        self.by_legal_did.insert(did.clone(), code.clone());
        self.legal.insert(code.clone(), Legal { name, did: did.clone(), since: now });
        Ok(did)
    }

    fn drawn(&self, subject: Subject, name: &str) -> Result<Did, Rejection> {
        let identifier = Identifier::derive(&self.secret, subject, name).ok();
        let did = identifier.and_then(|identifier| Did::parse(&identifier.did).ok());
        did.ok_or(Rejection::new(Reason::Internal))
    }

    /// Whose DID or pseudonym it is, with its key, and since when.
    fn identifier(&self, did: &str) -> Option<(Identifier, Timestamp)> {
        if let Ok(ccid) = Ccid::parse(did)
            && let Some(parent) = self.parents.get(&ccid)
        {
            return Some((Identifier::of_pseudonym(&self.secret, &ccid).ok()?, parent.since));
        }
        let did = Did::parse(did).ok()?;
        let (subject, name, since) = match (self.by_did.get(&did), self.by_legal_did.get(&did)) {
            (Some(id_no), _) => (Subject::Natural, id_no.as_str(), self.known.get(id_no)?.since),
            (None, Some(code)) => (Subject::Legal, code.as_str(), self.legal.get(code)?.since),
            (None, None) => return None,
        };
        Some((Identifier::derive(&self.secret, subject, name).ok()?, since))
    }

    /// The document of a DID or pseudonym, written when it is asked for: kept, it would be most of
    /// the memory.
    pub fn document(&self, did: &str) -> Option<Value> {
        let (identifier, since) = self.identifier(did)?;
        Some(identifier.document(since))
    }

    /// A text, signed with the key of a DID or pseudonym.
    pub fn sign(&self, did: &str, content: &str) -> Result<DidSignature, Rejection> {
        signable(content)?;
        let found = self.identifier(did).ok_or(Rejection::of_field(Reason::NotFound, "did"))?;
        Ok(found.0.sign(content))
    }

    /// 3.3: a person signs, by the code that was sent to the phone registered with the DID.
    pub fn sign_as_person(
        &mut self,
        did: &Did,
        code: &str,
        content: &str,
        now: Timestamp,
    ) -> Result<DidSignature, Rejection> {
        signable(content)?;
        let unknown = || Rejection::of_field(Reason::NotFound, "did");
        let known = self.by_did.get(did).and_then(|id_no| self.known.get(id_no));
        let phone = known.ok_or_else(unknown)?.person.phone.clone().unwrap_or_default();
        self.check_code(&phone, code, now)?;
        self.sign(did.as_str(), content)
    }

    /// The CCID of (person, application): the same whenever it is asked for.
    pub fn sub_did(
        &mut self,
        did: &Did,
        chain_code: &str,
        now: Timestamp,
    ) -> Result<Ccid, Rejection> {
        if !self.by_did.contains_key(did) {
            return Err(Rejection::of_field(Reason::NotFound, "did"));
        }
        let ccid = pseudonym(&self.secret, did, chain_code)?;
        self.parents.entry(ccid.clone()).or_insert_with(|| Parent {
            did: did.clone(),
            chain_code: chain_code.to_owned(),
            since: now,
        });
        Ok(ccid)
    }

    /// The person behind a CCID of an application.
    pub fn parent(&self, ccid: &Ccid, chain_code: &str) -> Option<(Did, Person)> {
        let parent = self.parents.get(ccid)?;
        let known = self.known.get(self.by_did.get(&parent.did)?)?;
        let own = parent.chain_code == chain_code;
        own.then(|| (parent.did.clone(), known.person.clone()))
    }
}

/// A name, without blanks around it.
pub(super) fn named(name: &str, field: &str) -> Result<String, Rejection> {
    let name = name.trim();
    match (1..=NAME_MAX).contains(&name.chars().count()) {
        true => Ok(name.to_owned()),
        false => Err(Rejection::of_field(Reason::OutOfRange, field)),
    }
}

/// Refuses what is too long to be read before it is signed.
pub(super) fn signable(content: &str) -> Result<(), Rejection> {
    match (1..=CONTENT_MAX).contains(&content.chars().count()) {
        true => Ok(()),
        false => Err(Rejection::of_field(Reason::OutOfRange, "content")),
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
pub(super) fn normal(id_no: &str) -> Result<String, Rejection> {
    let id_no = id_no.trim().to_ascii_uppercase();
    let (digits, last) = id_no.split_at_checked(17).unwrap_or_default();
    let shaped = digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(last.as_bytes(), [b'0'..=b'9' | b'X']);
    if shaped { Ok(id_no) } else { Err(Rejection::of_field(Reason::OutOfRange, "idNo")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::identity::document::{proves, signed};

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
        let metro = book.sub_did(&did, "metro", NOW).unwrap();
        assert_eq!(book.sub_did(&did, "metro", NOW).unwrap(), metro);
        assert_ne!(book.sub_did(&did, "mall", NOW).unwrap(), metro);
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

    #[test]
    fn a_legal_person_has_one_did_under_one_name() {
        let mut book = Book::new(b"secret");
        let code = CreditCode::parse("91350100M000100Y43").unwrap();
        let did = book.register_legal(" 地铁公司 ", &code, NOW).unwrap();
        assert_eq!(book.register_legal("地铁公司", &code, NOW.plus_seconds(9)).unwrap(), did);
        let other = book.register_legal("公交公司", &code, NOW).unwrap_err();
        assert_eq!(other.field.as_deref(), Some("name"));
        assert!(book.register_legal("", &code, NOW).is_err());
        let document = book.document(did.as_str()).unwrap();
        assert!(did.as_str().starts_with("did:shlp:") && proves(&document));
        assert_eq!(document["created"], NOW.to_string());
        let signature = book.sign(did.as_str(), "合同").unwrap();
        assert!(signed(&document, &signature, "合同"));
        assert!(book.document("did:shlp:1").is_none() && book.sign("did:shlp:1", "x").is_err());
    }

    #[test]
    fn a_person_signs_by_the_code_sent_to_its_own_phone() {
        let mut book = Book::new(b"secret");
        let did = registered(&mut book, NOW).unwrap();
        let sign = |book: &mut Book, code: &str, content: &str| {
            book.sign_as_person(&did, code, content, NOW).map_err(|no| no.field.unwrap_or_default())
        };
        assert_eq!(sign(&mut book, "000000", "同意").unwrap_err(), "smsCode");
        book.send_code("19900000001", NOW).unwrap();
        let code = book.inbox("19900000001")[0].code.clone();
        let long = "长".repeat(CONTENT_MAX + 1);
        assert_eq!(sign(&mut book, &code, &long).unwrap_err(), "content");
        let signature = sign(&mut book, &code, "同意").unwrap();
        assert!(signed(&book.document(did.as_str()).unwrap(), &signature, "同意"));
        assert_eq!(sign(&mut book, &code, "同意").unwrap_err(), "smsCode", "spent");
        let stranger = Did::parse("did:shid:1").unwrap();
        assert!(book.sign_as_person(&stranger, &code, "同意", NOW).is_err());
    }
}
