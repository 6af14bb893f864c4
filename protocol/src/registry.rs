//! The registry's messages: partners, applications, scenes, agreements, policies: everything an
//! operator declares. The journal holds all of it, so that replay needs no configuration.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::keys::AppKey;
use crate::methodology::Methodology;
use crate::policy::Policy;
use crate::signature::digest8;
use crate::{
    AgreementId, AppId, AppNo, CreditCode, Day, Did, MethodologyId, PartnerId, SceneCode, SceneNo,
    TextNo, Timestamp,
};

/// What an application is: it submits reductions, or it redeems points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppRole {
    /// Of a scene partner (场景方).
    Scene,
    /// Of a benefit partner (权益方).
    Mall,
}

/// A partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    /// Its id.
    pub id: PartnerId,
    /// Its name.
    pub name: String,
    /// Its unified social credit code, where it is registered as a legal person.
    pub credit_code: Option<CreditCode>,
    /// Its DID as a legal person, by 3.2.
    pub did: Option<Did>,
}

/// An application. Its secrets are sealed under the platform's key: the journal never holds them
/// in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its number here.
    pub no: AppNo,
    /// Its id.
    pub id: AppId,
    /// Whose it is.
    pub partner: PartnerId,
    /// What it is.
    pub role: AppRole,
    /// Its name as citizens know it.
    pub name: String,
    /// Its code on the identity chain; required before 4.4.6.
    pub chain_code: String,
    /// Where C101 / Q101 and 02.Z203 are called.
    pub base_url: String,
    /// Hosts (with port) that an H5 may return to.
    pub return_hosts: Vec<String>,
    /// A mall's H5, opened with an authCode.
    pub mall_url: Option<String>,
    /// What a citizen without an account is told; a default text when empty.
    pub no_account_text: Option<String>,
    /// Whether wrong signatures are explained and loopback addresses allowed.
    pub sandbox: bool,
    /// Its keys, by number: those of signatures and those of personal-data fields.
    pub keys: Vec<AppKey>,
    /// The highest number a key of it ever had.
    pub newest_key: u32,
    /// Whether it may not call at all: suspended itself, or with its partner.
    pub suspended: bool,
    /// When its newest and previous token were issued (Z101).
    pub tokens: [Timestamp; 2],
}

/// What lighting a scene looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SceneKind {
    /// Consent, match, lit.
    Standard,
    /// Shows a code that opens a mini-program in WeChat (小程序太阳码). Lights nothing by itself: the
    /// mini-program sends the citizen back by 01.Z202.
    SunCode,
    /// Is announced as coming.
    Announced,
    /// Jumps to another site, like the city's government service (一网通办). Is never lit.
    External,
}

impl SceneKind {
    /// Whether there is somewhere that it leads to.
    pub fn has_link(self) -> bool {
        matches!(self, Self::SunCode | Self::External)
    }

    /// Whether a citizen who comes from the partner's own app (journey 1) lights it by consent.
    pub fn is_lit_from_its_app(self) -> bool {
        matches!(self, Self::Standard | Self::SunCode)
    }
}

/// A scene (场景).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// Its number here.
    pub no: SceneNo,
    /// Its code.
    pub code: SceneCode,
    /// Its name.
    pub name: String,
    /// What it looks like.
    pub kind: SceneKind,
    /// Where a special kind leads: what the sun code says, or the other site's address.
    pub link: Option<String>,
    /// The methodology that prices it.
    pub methodology: MethodologyId,
    /// The applications that may submit for it (routes), in order of precedence.
    pub apps: Vec<AppNo>,
    /// First day of its approval.
    pub active_from: Day,
    /// Last day of its approval.
    pub active_to: Day,
}

/// What of a scene may change: its name, its end, and routes that are added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SceneAmendment {
    /// Which.
    pub scene: SceneNo,
    /// Another name.
    pub name: Option<String>,
    /// More routes, behind those it has.
    pub more_apps: Vec<AppNo>,
    /// Another last day of its approval: today at the earliest.
    pub active_to: Option<Day>,
}

/// Whom or what an agreement is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AgreementScope {
    /// 《上海市碳普惠账户用户服务协议》 and 《上海市碳普惠隐私政策》: every opening.
    Platform,
    /// 随申办's own two: journey 2.
    CityApp,
    /// A partner application's own two: journey 1.
    App(AppId),
    /// One application's scene.
    Scene(AppId, SceneCode),
    /// One mall.
    Mall(AppId),
    /// The notice that real-name data is used to match the partner's account.
    Matching,
}

/// One version of one agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Its number here.
    pub no: TextNo,
    /// Its id.
    pub id: AgreementId,
    /// Whom it is for.
    pub scope: AgreementScope,
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// From when it holds.
    pub effective: Day,
    /// BCP 47 tag.
    pub language: String,
    /// HTML.
    pub text: String,
    /// SM3 of the text.
    #[serde(with = "serde_bytes")]
    pub sm3: [u8; 32],
}

/// A version of the rail distance dictionary (轨道交通出行距离字典), by what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DictionaryHead {
    /// A digest of its content: it cannot be forgotten to change.
    #[schema(min_length = 16, max_length = 16, example = "5b1f0c6a9d2e4788")]
    pub version: String,
    /// First day of behaviour that it measures.
    pub effective: Day,
    /// Where it comes from.
    #[schema(min_length = 1, max_length = 256)]
    pub source: String,
    /// Whether it was agreed with the operator of the metro.
    pub verified: bool,
    /// Stations in it.
    pub stations: u32,
    /// Pairs of stations in it.
    pub pairs: u32,
}

/// A dictionary on its way into the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DictionaryImport {
    /// What is said of it.
    pub head: DictionaryHead,
    /// Its canonical text: a line `station_a,station_b,metres` a pair, sorted.
    #[serde(with = "serde_bytes")]
    pub text: Vec<u8>,
}

/// The version that a canonical text has.
pub fn dictionary_version(text: &[u8]) -> String {
    format!("{:016x}", digest8(text))
}

/// What the registry may be asked. Declaring the same thing again is a replay, declaring another
/// thing under the same id a conflict. Numbers in the argument are ignored: the registry gives
/// them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RegistryCommand {
    /// Register a partner.
    RegisterPartner(Partner),
    /// Register an application.
    RegisterApp(Box<App>),
    /// Declare a scene (场景申报), with the applications by id.
    DeclareScene(Box<Scene>),
    /// Amend a scene: what is not said stays.
    AmendScene(Box<SceneAmendment>),
    /// Publish an agreement version.
    PublishAgreement(Box<Agreement>),
    /// Adopt a policy.
    AdoptPolicy(Box<Policy>),
    /// Adopt methodologies.
    AdoptMethodologies(Vec<Methodology>),
    /// Import a distance dictionary.
    ImportDictionary(Box<DictionaryImport>),
    /// Suspend or readmit an application.
    Suspend {
        /// Which.
        app: AppNo,
        /// Whether it is suspended.
        suspended: bool,
    },
    /// Give an application one more key; its number is the registry's.
    AddKey {
        /// Which application.
        app: AppNo,
        /// The key.
        key: Box<AppKey>,
    },
    /// End a key's validity.
    RetireKey {
        /// Of which application.
        app: AppNo,
        /// Which.
        key: u32,
        /// From when it is valid no more.
        until: Timestamp,
    },
    /// Suspend or readmit a partner with all its applications.
    SuspendPartner {
        /// Which.
        partner: PartnerId,
        /// Whether it is suspended.
        suspended: bool,
    },
    /// A token was asked for (Z101).
    IssueToken {
        /// By whom.
        app: AppNo,
    },
}

/// What the registry answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RegistryReply {
    /// Done now, or before.
    Done {
        /// Whether it had been done before.
        replay: bool,
    },
    /// The application's number.
    App(AppNo),
    /// The scene's number.
    Scene(SceneNo),
    /// The key's number.
    Key(u32),
    /// The token's issue time.
    Token(Timestamp),
}

/// What can have happened to the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryEvent {
    /// A partner was registered.
    PartnerRegistered(Partner),
    /// An application was registered.
    AppRegistered(Box<App>),
    /// A scene was declared.
    SceneDeclared(Box<Scene>),
    /// A scene was amended; this is what it is now.
    SceneAmended(Box<Scene>),
    /// An agreement version was published.
    AgreementPublished(Box<Agreement>),
    /// A policy was adopted.
    PolicyAdopted(Box<Policy>),
    /// Methodologies were adopted; they replace those of the same id and effective day.
    MethodologiesAdopted(Vec<Methodology>),
    /// A distance dictionary was imported; it replaces one of the same effective day.
    DictionaryImported(Box<DictionaryImport>),
    /// An application was suspended or readmitted.
    Suspended {
        /// Which.
        app: AppNo,
        /// Whether it is suspended.
        suspended: bool,
    },
    /// An application has one more key.
    KeyAdded {
        /// Which application.
        app: AppNo,
        /// The key, numbered.
        key: Box<AppKey>,
    },
    /// A key's validity has an end.
    KeyRetired {
        /// Of which application.
        app: AppNo,
        /// Which.
        key: u32,
        /// From when it is valid no more.
        until: Timestamp,
    },
    /// A partner was suspended or readmitted, with all its applications.
    PartnerSuspended {
        /// Which.
        partner: PartnerId,
        /// Whether it is suspended.
        suspended: bool,
    },
    /// A token was issued.
    TokenIssued {
        /// To whom.
        app: AppNo,
    },
}
