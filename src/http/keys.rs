//! Keys: the platform's public one for anybody, and the operator's way to give an application a new
//! key and to retire the old one while both sides go on.

use axum::extract::State;
use carbon_actors::ports::Purpose;
use carbon_protocol::contracts::admin::{AppKeys, AppRequest, Declared};
use carbon_protocol::contracts::keys::{
    KeyAdded, KeyKind, KeyRequest, KeyView, KeysView, PlatformKeys, RetireRequest,
};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::keys::{AppKey, KeyHandle, Material};
use carbon_protocol::registry::{App, RegistryCommand, RegistryReply};
use carbon_protocol::signature::MacType;
use carbon_protocol::sm2::{self, PublicKey};
use carbon_protocol::{AppId, Reason, Timestamp};
use zeroize::Zeroizing;

use super::HttpState;
use super::declaring::{Nothing, app_of};
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::operator::{Looked, Operated, Operating, Viewing};

/// Bytes of a secret of the HMACs.
const SECRET: usize = 32;
/// Bytes of a key of personal-data fields.
const DATA: usize = 16;

/// 平台公钥: the platform's public keys. Signatures of type SM2-SM3 on answers and pushes verify
/// under one of them. Public: neither signature nor token is needed.
#[utoipa::path(
    get, path = "/api/v1/keys", operation_id = "keys", tag = "platform",
    responses((status = 200, body = Envelope<PlatformKeys>)),
)]
pub async fn keys(State(state): State<HttpState>) -> Answer<PlatformKeys> {
    let keys = vec![state.platform.vault().public_key()];
    Ok(Data(PlatformKeys { keys, signer_id: sm2::SIGNER_ID.into() }))
}

/// The keys of an application, without the secret ones themselves.
#[utoipa::path(
    get, path = "/admin/v1/applications/{appId}/keys", operation_id = "listKeys", tag = "operator",
    params(("appId" = String, Path, max_length = 32, description = "The application.")),
    responses((status = 200, body = Envelope<KeysView>)),
)]
pub async fn list_keys(
    State(state): State<HttpState>,
    call: Looked<Viewing, Nothing>,
) -> Answer<KeysView> {
    let no = app_of(&state, call.segment(1), "appId")?;
    let registry = state.platform.registry();
    let Some(app) = registry.app(no) else { return misfit() };
    let view = |key: &AppKey| {
        let (kind, public_key) = match &key.material {
            Material::Secret(_) => (KeyKind::Secret, None),
            Material::Sm2(public) => (KeyKind::Sm2, Some(*public)),
            Material::Data(_) => (KeyKind::Data, None),
        };
        let (valid_from, valid_until) = (key.from, key.until);
        KeyView { key_no: key.no, kind, public_key, valid_from, valid_until }
    };
    let keys = app.keys.iter().map(view).collect();
    Ok(Data(KeysView { app_id: app.id.clone(), keys }))
}

/// Gives an application one more key, at once or from a time on. A secret one is shown this once.
/// The very key that the application has already is a replay.
#[utoipa::path(
    post, path = "/admin/v1/applications/{appId}/keys", operation_id = "addKey", tag = "operator",
    params(("appId" = String, Path, max_length = 32, description = "The application.")),
    request_body = KeyRequest, responses((status = 200, body = Envelope<KeyAdded>)),
)]
pub async fn add_key(
    State(state): State<HttpState>,
    call: Operated<Operating, KeyRequest>,
) -> Answer<KeyAdded> {
    let no = app_of(&state, call.segment(1), "appId")?;
    call.about(call.segment(1));
    let given = Key::of(&call.body)?;
    let registry = state.platform.registry();
    let Some(app) = registry.app(no) else { return misfit() };
    let now = state.platform.now()?;
    for key in app.keys.iter().filter(|key| !key.has_ended(now)) {
        if given.is(&state, &key.material)? {
            return Ok(Data(KeyAdded { key_no: key.no, key: given.shown(), replay: true }));
        }
    }
    let from = call.body.valid_from.unwrap_or(now);
    let key = Box::new(AppKey::new(given.taken(&state)?, from));
    match state.platform.register(RegistryCommand::AddKey { app: no, key }).await? {
        RegistryReply::Key(key_no) => {
            Ok(Data(KeyAdded { key_no, key: given.shown(), replay: false }))
        }
        _ => misfit(),
    }
}

/// Ends a key's validity, at once or at a time. The last valid key of a purpose stays.
#[utoipa::path(
    post, path = "/admin/v1/applications/{appId}/keys/{keyNo}/retire", operation_id = "retireKey",
    tag = "operator",
    params(
        ("appId" = String, Path, max_length = 32, description = "The application."),
        ("keyNo" = u32, Path, description = "The key's number."),
    ),
    request_body = RetireRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn retire_key(
    State(state): State<HttpState>,
    call: Operated<Operating, RetireRequest>,
) -> Answer<Declared> {
    let app = app_of(&state, call.segment(1), "appId")?;
    call.about(format_args!("{} key {}", call.segment(1), call.segment(3)));
    let unknown = || Fault::of_field(Reason::NotFound, "keyNo");
    let key = call.segment(3).parse::<u32>().map_err(|_| unknown())?;
    let until = match call.body.valid_until {
        Some(until) => until,
        None => state.platform.now()?,
    };
    match state.platform.register(RegistryCommand::RetireKey { app, key, until }).await? {
        RegistryReply::Done { replay } => Ok(Data(Declared { replay })),
        _ => misfit(),
    }
}

/// A key as it comes in, or was made here.
enum Key {
    Secret(Zeroizing<Vec<u8>>),
    Sm2(PublicKey),
    Data(Zeroizing<Vec<u8>>),
}

impl Key {
    fn of(request: &KeyRequest) -> Result<Self, Fault> {
        let key = request.key.as_deref();
        let misplaced = |field: &str, given: bool| match given {
            true => Err(Fault::of_field(Reason::OutOfRange, field).with("not for this kind")),
            false => Ok(()),
        };
        if request.kind == KeyKind::Sm2 {
            misplaced("key", key.is_some())?;
            let missing = || Fault::of_field(Reason::OutOfRange, "publicKey").with("it is needed");
            return Ok(Self::Sm2(request.public_key.ok_or_else(missing)?));
        }
        misplaced("publicKey", request.public_key.is_some())?;
        Ok(match request.kind {
            KeyKind::Data => Self::Data(bytes_of::<DATA>(key, "key")?),
            KeyKind::Secret | KeyKind::Sm2 => Self::Secret(bytes_of::<SECRET>(key, "key")?),
        })
    }

    /// The key in the vault's custody.
    fn taken(&self, state: &HttpState) -> Result<Material, Fault> {
        let take = |purpose, key: &[u8]| state.platform.vault().take(purpose, key);
        Ok(match self {
            Self::Secret(key) => Material::Secret(take(Purpose::Mac, key)?),
            Self::Sm2(public) => Material::Sm2(*public),
            Self::Data(key) => Material::Data(take(Purpose::Fields, key)?),
        })
    }

    /// Whether it is the same key. What is in custody cannot be looked at: both are put to work.
    fn is(&self, state: &HttpState, known: &Material) -> Result<bool, Fault> {
        let vault = state.platform.vault();
        let tag = |key: &KeyHandle| vault.mac(key, MacType::HmacSm3, b"the same key?");
        Ok(match (self, known) {
            (Self::Secret(key), Material::Secret(known)) => {
                tag(&vault.take(Purpose::Mac, key)?)? == tag(known)?
            }
            (Self::Sm2(public), Material::Sm2(known)) => public == known,
            (Self::Data(key), Material::Data(known)) => {
                let Ok(app) = AppId::parse("same") else { return misfit() };
                let sealed =
                    vault.seal_field(&vault.take(Purpose::Fields, key)?, &app, "same", "?")?;
                vault.open_field(known, &app, "same", &sealed)?.is_some()
            }
            _ => false,
        })
    }

    /// What is shown of it, once.
    fn shown(&self) -> Option<String> {
        match self {
            Self::Secret(key) | Self::Data(key) => Some(hex::encode(key)),
            Self::Sm2(_) => None,
        }
    }
}

/// A key as given, or a fresh one.
fn bytes_of<const N: usize>(given: Option<&str>, field: &str) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut key = Zeroizing::new(vec![0; N]);
    match given {
        Some(text) => hex::decode_to_slice(text, &mut key).map_err(|_| {
            Fault::of_field(Reason::OutOfRange, field).with(format!("{N} bytes, hexadecimal"))
        })?,
        None => rand::RngCore::fill_bytes(&mut rand::rng(), &mut key),
    }
    Ok(key)
}

/// The keys that an application is registered with.
pub struct Given(Vec<Key>);

impl Given {
    /// As the request names them; what it does not name is made.
    pub fn of(request: &AppRequest) -> Result<Self, Fault> {
        let mut keys = vec![Key::Data(bytes_of::<DATA>(request.data_key.as_deref(), "dataKey")?)];
        keys.extend(request.public_key.map(Key::Sm2));
        // An application that signs with SM2 needs no secret, and is given none unasked.
        if request.sign_key.is_some() || request.public_key.is_none() {
            let secret = bytes_of::<SECRET>(request.sign_key.as_deref(), "signKey")?;
            keys.push(Key::Secret(secret));
        }
        Ok(Self(keys))
    }

    /// The keys in the vault's custody; the registry numbers them.
    pub fn taken(&self, state: &HttpState) -> Result<Vec<AppKey>, Fault> {
        let key = |key: &Key| Ok(AppKey::new(key.taken(state)?, Timestamp(0)));
        self.0.iter().map(key).collect()
    }

    /// Whether an application has all of them.
    pub fn are_of(&self, state: &HttpState, app: &App) -> Result<bool, Fault> {
        for key in &self.0 {
            let mut found = false;
            for known in &app.keys {
                found |= key.is(state, &known.material)?;
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The answer that shows them.
    pub fn shown(&self, app_id: AppId) -> AppKeys {
        let mut keys =
            AppKeys { app_id, sign_key: None, public_key: None, data_key: String::new() };
        for key in &self.0 {
            match key {
                Key::Secret(_) => keys.sign_key = key.shown(),
                Key::Sm2(public) => keys.public_key = Some(*public),
                Key::Data(_) => keys.data_key = key.shown().unwrap_or_default(),
            }
        }
        keys
    }
}
