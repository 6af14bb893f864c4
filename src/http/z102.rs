//! Z102 获取签名: a single-use link that lets a citizen enter one of our pages.

use axum::extract::State;
use carbon_actors::ports::Person;
use carbon_protocol::contracts::z102::{Entry, EntryPage, EntryRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::seal::SealedField;
use carbon_protocol::{Reason, SceneNo, Timestamp};
use url::Url;
use zeroize::Zeroizing;

use super::exchange::{Answer, Data};
use super::fault::Fault;
use super::ladder::{Anyone, Signed};
use super::{HttpState, lists, scope};
use crate::tickets::{self, EntryTicket};

/// Most scenes of one page.
const SCENES: usize = 20;
/// Longest return address.
const URL_MAX: usize = 512;
/// Longest state.
const STATE_MAX: usize = 128;
/// Longest name, in characters.
const NAME_MAX: usize = 64;

/// Z102 获取签名: signs the entry of one citizen to one page, for one use.
#[utoipa::path(
    post, path = "/api/v1/Z102", operation_id = "Z102", tag = "platform",
    request_body = EntryRequest, responses((status = 200, body = Envelope<Entry>)),
)]
pub async fn z102(
    State(state): State<HttpState>,
    call: Signed<Anyone, EntryRequest>,
) -> Answer<Entry> {
    let (app, request) = (&*call.caller.app, call.body);
    let scenes = match (request.page, app.role) {
        (EntryPage::Light, AppRole::Scene) => lit_scenes(&state, app, call.caller.now, &request)?,
        (EntryPage::Mall, AppRole::Mall) | (EntryPage::Zone, _) if request.scenes.is_empty() => {
            Vec::new()
        }
        (EntryPage::Mall, AppRole::Mall) | (EntryPage::Zone, _) => {
            return Err(Fault::of_field(Reason::OutOfRange, "scenes").with("none for this page"));
        }
        _ => return Err(Fault::of_field(Reason::Forbidden, "page")),
    };
    if !request.real_name_verified {
        return Err(Fault::of_field(Reason::RealNameRequired, "realNameVerified"));
    }
    let person = person(&state, app, call.caller.now, &request)?;
    match (&request.ccid, &person) {
        (None, None) => return Err(Fault::of_field(Reason::RealNameRequired, "ccid")),
        (Some(_), Some(_)) => {
            let fault = Fault::of_field(Reason::OutOfRange, "ccid");
            return Err(fault.with("ccid or real-name data, not both"));
        }
        _ => {}
    }
    if let Some(url) = &request.return_url {
        check_return(app, url)?;
    }
    let plain =
        |text: &String| text.chars().count() <= STATE_MAX && !text.chars().any(char::is_control);
    if !request.state.as_ref().is_none_or(plain) {
        let fault = Fault::of_field(Reason::OutOfRange, "state");
        return Err(fault.with(format!("at most {STATE_MAX} characters")));
    }
    let ticket = state.entries.issue(EntryTicket {
        app: app.no,
        page: match request.page {
            EntryPage::Light => tickets::EntryPage::Light,
            EntryPage::Mall => tickets::EntryPage::Mall,
            EntryPage::Zone => tickets::EntryPage::Zone,
        },
        scenes,
        ccid: request.ccid,
        person,
        partner_uid: request.partner_uid,
        real_name_verified: true,
        return_url: request.return_url,
        state: request.state,
    });
    let ticket = ticket.ok_or_else(|| Fault::from(Reason::Busy).with("too many open links"))?;
    let seconds = state.entries.lifetime().as_secs();
    Ok(Data(Entry {
        url: format!("{}/h5/enter?ticket={ticket}", state.config.public_url),
        expires_in_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
    }))
}

fn lit_scenes(
    state: &HttpState,
    app: &App,
    now: Timestamp,
    request: &EntryRequest,
) -> Result<Vec<SceneNo>, Fault> {
    lists::rows_within(request.scenes.len(), SCENES, "scenes")?;
    let scene = |(place, code)| {
        let field = format!("scenes[{place}]");
        let scene = scope::scene(state, app, code)
            .ok_or_else(|| Fault::of_field(Reason::UnknownScene, field.clone()))?;
        match scope::is_active(&scene, now.day()) {
            true => Ok(scene.no),
            false => Err(Fault::of_field(Reason::SceneNotActive, field)),
        }
    };
    request.scenes.iter().enumerate().map(scene).collect()
}

/// The real-name data, opened; none where none was sent.
fn person(
    state: &HttpState,
    app: &App,
    now: Timestamp,
    request: &EntryRequest,
) -> Result<Option<Person>, Fault> {
    let (name, id_no) = match (&request.name, &request.id_no) {
        (None, None) if request.phone.is_none() => return Ok(None),
        (Some(name), Some(id_no)) => (name, id_no),
        (None, _) => return Err(Fault::of_field(Reason::RealNameRequired, "name")),
        (_, None) => return Err(Fault::of_field(Reason::RealNameRequired, "idNo")),
    };
    let (vault, keys) = (state.platform.vault(), app.data_keys(now));
    // While a data key is being changed two are valid: whichever opens the field is the right one.
    let open = |field: &SealedField, name: &'static str| -> Result<Zeroizing<String>, Fault> {
        for key in &keys {
            if let Some(plain) = vault.open_field(key, &app.id, name, field)? {
                return Ok(plain);
            }
        }
        Err(Fault::of_field(Reason::BadCipherText, name))
    };
    let (name, id_no) = (open(name, "name")?, open(id_no, "idNo")?);
    let phone = request.phone.as_ref().map(|phone| open(phone, "phone")).transpose()?;
    let shown = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
    if !shown(&name) || name.chars().count() > NAME_MAX {
        return Err(Fault::of_field(Reason::OutOfRange, "name"));
    }
    let id_like = (8..=18).contains(&id_no.len());
    if !id_like || !id_no.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Fault::of_field(Reason::OutOfRange, "idNo"));
    }
    let digits = |phone: &str| {
        (5..=20).contains(&phone.len())
            && phone.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+')
    };
    if phone.as_ref().is_some_and(|phone| !digits(phone)) {
        return Err(Fault::of_field(Reason::OutOfRange, "phone"));
    }
    Ok(Some(Person {
        name: name.to_string(),
        id_no: id_no.to_string(),
        phone: phone.map(|phone| phone.to_string()),
    }))
}

/// The citizen returns to hosts that the operator has registered, nowhere else.
fn check_return(app: &App, text: &str) -> Result<(), Fault> {
    let refused = || Fault::of_field(Reason::OutOfRange, "returnUrl");
    if text.len() > URL_MAX {
        return Err(refused().with(format!("at most {URL_MAX} characters")));
    }
    let url = Url::parse(text).map_err(|_| refused().with("not an address"))?;
    let secure = url.scheme() == "https" || (app.sandbox && url.scheme() == "http");
    if !secure {
        return Err(refused().with("https is required"));
    }
    let bare = url.username().is_empty() && url.password().is_none();
    let host = url.host_str().map(|host| match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    let registered = host.is_some_and(|host| app.return_hosts.contains(&host));
    if bare && registered { Ok(()) } else { Err(refused().with("not a registered host")) }
}
