//! Who plays: the platform's address, the partners' applications with their callers, the scenes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use carbon_protocol::contracts::page::CityTicket;
use carbon_protocol::contracts::z203::AuthorizationItem;
use carbon_protocol::contracts::z304::SubmitRequest;
use carbon_protocol::contracts::z305::IssuanceItem;
use carbon_protocol::seal::{DataKey, SealedField};
use carbon_protocol::{AppId, PartnerUid};
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{HeaderMap, Method};
use serde::Deserialize;
use url::Url;

use super::browser::Browser;
use super::caller::{Caller, now};
use super::latency::Latencies;
use super::population::Citizen;
use super::trips::DemoScene;
use crate::wire::Web;

/// How long a ticket of the city's app is good for.
const TICKET_SECONDS: i64 = 240;
/// How long an SMS may take.
const SMS_WITHIN: Duration = Duration::from_secs(10);

/// A partner's own id of a citizen, by ID number.
pub type UserOf = Box<dyn Fn(&str) -> Option<PartnerUid> + Send + Sync>;

/// One application of a partner, seen from the partner's side.
pub struct Player {
    /// The application.
    pub app: AppId,
    /// Its calls of the platform.
    pub caller: Caller,
    /// Its calls of the identity service.
    pub chain: Caller,
    /// Its code on the identity chain.
    pub chain_code: String,
    /// Under which it seals personal data towards the identity service.
    pub chain_key: DataKey,
    /// Where its citizens return to.
    pub return_url: String,
    /// Under which results are signed when a citizen returns.
    pub sign_key: Vec<u8>,
    /// Its own id of a citizen, by ID number.
    pub uid: UserOf,
    /// Keeps the raw data behind a batch, which its server tells when it is asked (C201).
    pub collected: Box<dyn Fn(&SubmitRequest) + Send + Sync>,
    /// What was pushed to it.
    pub received: Box<dyn Fn() -> Received + Send + Sync>,
}

/// Everything that an application's server has received so far, repeated deliveries included.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Items of Z203.
    pub authorizations: Vec<AuthorizationItem>,
    /// Items of 01.Z305.
    pub issuances: Vec<IssuanceItem>,
}

/// All of them.
pub struct Cast {
    /// The platform.
    pub platform: Url,
    /// The identity service.
    pub identity: Url,
    /// The key that the city's app shares with the platform.
    pub city_key: DataKey,
    /// Applications: those of scenes first, the mall last.
    pub players: Vec<Player>,
    /// Scenes that are lit, of which a day has rows.
    pub scenes: Vec<DemoScene>,
    /// Scenes of which a month has one row: households' electricity.
    pub homes: Vec<DemoScene>,
    /// The connections of all citizens' browsers.
    pub web: Web,
    /// How long everything takes.
    pub latencies: Arc<Latencies>,
}

/// An SMS in the inbox of the sandbox.
#[derive(Deserialize)]
struct Sms {
    code: String,
}

impl Player {
    /// Seals a field for the identity service.
    pub fn sealed(&self, field: &str, plain: &str) -> SealedField {
        SealedField::seal(&self.chain_key, &self.chain_code, field, plain, rand::random())
    }
}

impl Cast {
    /// The mall's place in the list of applications.
    pub fn mall(&self) -> usize {
        self.players.len() - 1
    }

    /// A scene by its place: those of trips first, those of households behind them.
    pub fn scene(&self, place: usize) -> Option<&DemoScene> {
        self.scenes.iter().chain(&self.homes).nth(place)
    }

    /// An application by its place.
    pub fn player(&self, app: usize) -> anyhow::Result<&Player> {
        self.players.get(app).context("no such application in the demo")
    }

    /// A browser of a citizen's own.
    pub fn browser(&self) -> Browser {
        Browser::new(self.web.clone(), self.latencies.clone())
    }

    /// The carbon zone, as 随申办 opens it for a citizen.
    pub fn city_link(&self, citizen: &Citizen) -> anyhow::Result<Url> {
        let ticket = CityTicket {
            name: citizen.name.clone(),
            id_no: citizen.id_no.clone(),
            phone: citizen.phone.clone(),
            nonce: format!("{:032x}", rand::random::<u128>()),
            expires_at: now().plus_seconds(TICKET_SECONDS),
        };
        let mut url = self.platform.join("/h5/enter")?;
        let sealed = ticket.seal(&self.city_key, rand::random());
        url.query_pairs_mut().append_pair("cityTicket", &sealed);
        Ok(url)
    }

    /// The newest code that was sent to a citizen's phone, read in the inbox.
    pub async fn sms_code(&self, phone: &str) -> anyhow::Result<String> {
        let mut url = self.identity.join("/inbox")?;
        url.query_pairs_mut().append_pair("phone", phone);
        let deadline = tokio::time::Instant::now() + SMS_WITHIN;
        loop {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            let answer = self.web.send(Method::GET, &url, headers, Vec::new()).await?;
            let inbox: Vec<Sms> = serde_json::from_slice(&answer.body).context("the inbox")?;
            if let Some(sms) = inbox.into_iter().next() {
                return Ok(sms.code);
            }
            let late = tokio::time::Instant::now() > deadline;
            anyhow::ensure!(!late, "no SMS arrived within {SMS_WITHIN:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
