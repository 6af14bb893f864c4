//! The identity SaaS (数字身份): DIDs, sub-DIDs and signatures over signed calls (3.1 to 4.4.7), H5
//! pages for citizens, and an inbox where the SMS codes can be read.

mod book;
mod document;
mod h5;
mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use carbon_protocol::contracts::identity::{
    AppSignRequest, DidSignature, H5, H5Request, H5Result, H5ResultRequest, LegalH5Request,
    LegalRegistered, LegalRequest, Parent, ParentPerson, ParentRequest, PersonSignRequest,
    PersonSigned, RegisterRequest, Sent, SigningH5Request, SmsCodeRequest, SubDid, SubDidRequest,
};
use carbon_protocol::seal::SealedField;
use carbon_protocol::signature;
use carbon_protocol::{Ccid, Did, Reason, Rejection, Timestamp};
use parking_lot::Mutex;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::book::Sms;
pub use self::document::{proves, signed};

use self::book::{Book, Person, named, signable};
use self::document::{Identifier, Subject};
use self::h5::{Business, Matter};
use super::faults::Faults;
use super::wire::{self, Incoming, Keys, Nonces};

/// When applications got their DIDs: with the service itself, 2026-01-01 in Shanghai.
const STARTED: Timestamp = Timestamp(1_767_196_800_000);
/// Longest address that an H5 returns to.
const URL_MAX: usize = 512;

/// An application on the chain.
#[derive(Clone)]
pub struct ChainApp {
    /// Its keys; `app` is its code on the chain.
    pub keys: Keys,
    /// Whether it is the platform: only that may register and look up sub-DIDs.
    pub platform: bool,
}

/// The service; its servers share it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    secret: Vec<u8>,
    apps: BTreeMap<String, ChainApp>,
    book: Mutex<Book>,
    nonces: Nonces,
    base: std::sync::OnceLock<String>,
}

impl Identity {
    /// A service that knows these applications.
    pub fn new(secret: &[u8], apps: impl IntoIterator<Item = ChainApp>) -> Self {
        let apps = apps.into_iter().map(|app| (app.keys.app.clone(), app)).collect();
        Self(Arc::new(Inner {
            secret: secret.to_vec(),
            apps,
            book: Mutex::new(Book::new(secret)),
            nonces: Nonces::default(),
            base: std::sync::OnceLock::new(),
        }))
    }

    /// Serves on a loopback port; the base URL.
    pub async fn serve(&self, port: u16, faults: &Faults) -> anyhow::Result<String> {
        let calls = Router::new().route("/api/v1/{code}", post(call)).with_state(self.clone());
        let routes = faults
            .over(calls)
            .merge(pages::routes(self.clone()))
            .route("/did/{did}", get(resolve).with_state(self.clone()))
            .merge(faults.routes());
        let base = wire::serve(port, routes).await?;
        let _ = self.0.base.set(base.clone());
        Ok(base)
    }

    /// The DID of an ID number, registered or not.
    pub fn did_of(&self, id_no: &str) -> anyhow::Result<Did> {
        let identifier = Identifier::derive(&self.0.secret, Subject::Natural, id_no)?;
        Ok(Did::parse(&identifier.did)?)
    }

    /// The CCID of (person, application), registered or not.
    pub fn ccid_of(&self, did: &Did, chain_code: &str) -> anyhow::Result<Ccid> {
        let ccid = book::pseudonym(&self.0.secret, did, chain_code);
        ccid.map_err(|no| anyhow::anyhow!("no CCID: {no:?}"))
    }

    /// The DID document of a person, a pseudonym or an application.
    fn document(&self, did: &str) -> Option<Value> {
        let known = self.0.book.lock().document(did);
        known.or_else(|| {
            let codes = self.0.apps.keys();
            let mut all = codes.filter_map(|code| self.application(code));
            // Of a handful: nothing is kept to find them by.
            all.find(|identifier| identifier.did == did).map(|found| found.document(STARTED))
        })
    }

    fn application(&self, code: &str) -> Option<Identifier> {
        Identifier::derive(&self.0.secret, Subject::Application, code).ok()
    }

    fn base(&self) -> &str {
        self.0.base.get().map_or("", String::as_str)
    }
}

/// A call and who made it.
struct Asked<'a> {
    identity: &'a Identity,
    app: &'a ChainApp,
    incoming: &'a Incoming,
}

async fn call(
    State(identity): State<Identity>,
    Path(code): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let incoming = Incoming { method, uri, headers, body };
    let known = incoming.header(signature::APP_ID).and_then(|app| identity.0.apps.get(app));
    let Some(app) = known else {
        // Nobody to sign an answer for.
        return (StatusCode::UNAUTHORIZED, "unknown application").into_response();
    };
    if let Err(no) = wire::verify(&incoming, &app.keys, &identity.0.nonces) {
        return wire::answer::<Sent>(&app.keys, Err(no));
    }
    let asked = Asked { identity: &identity, app, incoming: &incoming };
    match code.as_str() {
        "sms-code" => asked.answer(Asked::send_code),
        "3.1" => asked.answer(Asked::register),
        "3.2" => asked.answer(Asked::register_legal),
        "3.3" => asked.answer(Asked::sign_as_person),
        "4.4.1" => asked.answer(Asked::sign_as_app),
        "4.4.2" => asked.answer(Asked::open),
        "4.4.3" => asked.answer(Asked::open_legal),
        "4.4.4" => asked.answer(Asked::open_signing),
        "4.4.5" => asked.answer(Asked::result),
        "4.4.6" => asked.answer(Asked::sub_did),
        "4.4.7" => asked.answer(Asked::parent),
        _ => asked.answer(|_| Err::<Sent, _>(Reason::NotFound.into())),
    }
}

impl Asked<'_> {
    fn answer<T: Serialize>(&self, work: impl FnOnce(&Self) -> Result<T, Rejection>) -> Response {
        wire::answer(&self.app.keys, work(self))
    }

    fn opened(&self, field: &str, sealed: &SealedField) -> Result<String, Rejection> {
        let keys = &self.app.keys;
        let plain = sealed.open(&keys.data, &keys.app, field);
        let plain = plain.ok_or(Rejection::of_field(Reason::BadCipherText, field))?;
        Ok(plain.to_string())
    }

    fn sealed(&self, field: &str, plain: &str) -> SealedField {
        let keys = &self.app.keys;
        SealedField::seal(&keys.data, &keys.app, field, plain, rand::rng().random())
    }

    fn for_platform(&self) -> Result<(), Rejection> {
        if self.app.platform { Ok(()) } else { Err(Reason::Forbidden.into()) }
    }

    fn send_code(&self) -> Result<Sent, Rejection> {
        let request: SmsCodeRequest = self.incoming.read()?;
        let phone = self.opened("phone", &request.phone)?;
        self.identity.0.book.lock().send_code(&phone, wire::now())?;
        Ok(Sent {})
    }

    fn register(&self) -> Result<WithDocument, Rejection> {
        self.for_platform()?;
        let request: RegisterRequest = self.incoming.read()?;
        let person = Person {
            name: self.opened("name", &request.name)?,
            id_no: self.opened("idNo", &request.id_no)?,
            phone: Some(self.opened("phone", &request.phone)?),
        };
        let mut book = self.identity.0.book.lock();
        match book.register(person, &request.sms_code, wire::now()) {
            Ok(did) => Ok(WithDocument { document: book.document(did.as_str()), did: Some(did) }),
            // A mistyped code is an answer, not a mistake of the platform.
            Err(no) if no.field.as_deref() == Some("smsCode") => Ok(WithDocument::default()),
            Err(no) => Err(no),
        }
    }

    fn register_legal(&self) -> Result<LegalRegistered, Rejection> {
        self.for_platform()?;
        let LegalRequest { name, credit_code } = self.incoming.read()?;
        let mut book = self.identity.0.book.lock();
        let did = book.register_legal(&name, &credit_code, wire::now())?;
        Ok(LegalRegistered { did })
    }

    fn sign_as_person(&self) -> Result<PersonSigned, Rejection> {
        self.for_platform()?;
        let PersonSignRequest { did, sms_code, content } = self.incoming.read()?;
        let mut book = self.identity.0.book.lock();
        match book.sign_as_person(&did, &sms_code, &content, wire::now()) {
            Ok(signature) => Ok(PersonSigned { signature: Some(signature) }),
            // A mistyped code is an answer, not a mistake of the platform.
            Err(no) if no.field.as_deref() == Some("smsCode") => {
                Ok(PersonSigned { signature: None })
            }
            Err(no) => Err(no),
        }
    }

    fn sign_as_app(&self) -> Result<DidSignature, Rejection> {
        let AppSignRequest { content } = self.incoming.read()?;
        signable(&content)?;
        let identifier = self.identity.application(&self.app.keys.app);
        let identifier = identifier.ok_or(Rejection::new(Reason::Internal))?;
        Ok(identifier.sign(&content))
    }

    /// Opens an H5 that returns to an address of the web.
    fn open_h5(&self, matter: Matter, return_url: String) -> Result<H5, Rejection> {
        let web =
            url::Url::parse(&return_url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !web || return_url.len() > URL_MAX {
            return Err(Rejection::of_field(Reason::OutOfRange, "returnUrl"));
        }
        let business = Business::new(&self.app.keys.app, matter, return_url, wire::now());
        let serial = self.identity.0.book.lock().open(business);
        Ok(H5 { url: format!("{}/h5/{serial}", self.identity.base()), serial })
    }

    fn open(&self) -> Result<H5, Rejection> {
        let request: H5Request = self.incoming.read()?;
        let person = Person {
            name: self.opened("name", &request.name)?,
            id_no: self.opened("idNo", &request.id_no)?,
            phone: self.opened_if("phone", request.phone.as_ref())?,
        };
        self.open_h5(Matter::Natural(person), request.return_url)
    }

    fn open_legal(&self) -> Result<H5, Rejection> {
        let request: LegalH5Request = self.incoming.read()?;
        let agent = Person {
            name: self.opened("agentName", &request.agent_name)?,
            id_no: self.opened("agentIdNo", &request.agent_id_no)?,
            phone: self.opened_if("agentPhone", request.agent_phone.as_ref())?,
        };
        let (name, credit_code) = (named(&request.name, "name")?, request.credit_code);
        self.open_h5(Matter::Legal { name, credit_code, agent }, request.return_url)
    }

    fn open_signing(&self) -> Result<H5, Rejection> {
        let SigningH5Request { ccid, content, return_url } = self.incoming.read()?;
        signable(&content)?;
        // Another application's pseudonym does not exist for this one.
        let signer = self.identity.0.book.lock().parent(&ccid, &self.app.keys.app);
        let (_, person) = signer.ok_or(Rejection::of_field(Reason::NotFound, "ccid"))?;
        self.open_h5(Matter::Signing { ccid, content, phone: person.phone }, return_url)
    }

    fn opened_if(
        &self,
        field: &str,
        sealed: Option<&SealedField>,
    ) -> Result<Option<String>, Rejection> {
        sealed.map(|sealed| self.opened(field, sealed)).transpose()
    }

    fn result(&self) -> Result<H5Result, Rejection> {
        let request: H5ResultRequest = self.incoming.read()?;
        self.identity.0.book.lock().ask(&request.serial, &self.app.keys.app, wire::now())
    }

    fn sub_did(&self) -> Result<SubDid, Rejection> {
        self.for_platform()?;
        let request: SubDidRequest = self.incoming.read()?;
        if !self.identity.0.apps.contains_key(&request.chain_code) {
            return Err(Rejection::of_field(Reason::NotFound, "chainCode"));
        }
        let ccid =
            self.identity.0.book.lock().sub_did(&request.did, &request.chain_code, wire::now())?;
        Ok(SubDid { ccid })
    }

    fn parent(&self) -> Result<Parent, Rejection> {
        self.for_platform()?;
        let request: ParentRequest = self.incoming.read()?;
        let found = self.identity.0.book.lock().parent(&request.ccid, &request.chain_code);
        let person = found.map(|(did, person)| ParentPerson {
            did,
            name: self.sealed("name", &person.name),
            id_no: self.sealed("idNo", &person.id_no),
            phone: person.phone.map(|phone| self.sealed("phone", &phone)),
        });
        Ok(Parent { person })
    }
}

/// Answer of 3.1: the contract's, with the DID's document beside it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithDocument {
    /// The DID; none where the SMS code is wrong.
    pub did: Option<Did>,
    /// Its W3C document.
    pub document: Option<Value>,
}

/// The document of a DID or pseudonym, for whoever has it.
async fn resolve(State(identity): State<Identity>, Path(did): Path<String>) -> Response {
    match identity.document(&did) {
        Some(document) => Json(document).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests;
