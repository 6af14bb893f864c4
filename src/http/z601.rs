//! 01.Z601 / 02.Z501 消息接收地址配置: push addresses, verified by a challenge before they are used.

use axum::extract::State;
use carbon_protocol::Reason;
use carbon_protocol::contracts::z601::{Address, AddressRequest, Addresses, Challenge, SetAddress};
use carbon_protocol::courier::{CourierCommand, CourierReply, LaneView, PushKind};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::registry::App;
use url::Url;

use super::HttpState;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{Caller, MallOnly, SceneOnly, Signed};
use crate::outbound::{NoAnswer, Reach};
use crate::signed;
use crate::signing::AppWire;

/// Longest address.
const URL_MAX: usize = 512;

/// 01.Z601 消息接收地址配置: sets, pauses, resumes and shows push addresses.
#[utoipa::path(
    post, path = "/api/v1/01/Z601", operation_id = "01.Z601", tag = "scene",
    request_body = AddressRequest, responses((status = 200, body = Envelope<Addresses>)),
)]
pub async fn z601(
    State(state): State<HttpState>,
    call: Signed<SceneOnly, AddressRequest>,
) -> Answer<Addresses> {
    configure(&state, &call.caller, call.body).await
}

/// 02.Z501 消息接收地址配置: as 01.Z601.
#[utoipa::path(
    post, path = "/api/v1/02/Z501", operation_id = "02.Z501", tag = "mall",
    request_body = AddressRequest, responses((status = 200, body = Envelope<Addresses>)),
)]
pub async fn m501(
    State(state): State<HttpState>,
    call: Signed<MallOnly, AddressRequest>,
) -> Answer<Addresses> {
    configure(&state, &call.caller, call.body).await
}

async fn configure(
    state: &HttpState,
    caller: &Caller,
    request: AddressRequest,
) -> Answer<Addresses> {
    let app = caller.no();
    if let Some(pause) = &request.pause {
        is_owed(&caller.app, pause.kind, "pause.kind")?;
    }
    if let Some(SetAddress { kind, url }) = request.set {
        is_owed(&caller.app, kind, "set.kind")?;
        let target = checked(&caller.app, &url)?;
        challenge(state, caller, &target).await?;
        let set = CourierCommand::SetAddress { kind, url: target.into() };
        state.platform.courier(app, set).await?;
    }
    if let Some(pause) = request.pause {
        let command = CourierCommand::Pause { kind: pause.kind, paused: pause.paused };
        state.platform.courier(app, command).await?;
    }
    match state.platform.courier(app, CourierCommand::Look).await? {
        CourierReply::View(lanes) => {
            Ok(Data(Addresses { addresses: lanes.iter().map(address_of).collect() }))
        }
        CourierReply::Done => misfit(),
    }
}

/// How one kind's delivery stands, as contracts tell it.
pub fn address_of(lane: &LaneView) -> Address {
    Address {
        kind: lane.kind,
        url: lane.address.as_ref().map(|address| address.url.clone()),
        paused: lane.address.as_ref().is_some_and(|address| address.paused),
        delivered: lane.delivered,
        attempts: lane.attempts,
        next_at: lane.next_at,
        parked: u32::try_from(lane.parked.len()).unwrap_or(u32::MAX),
    }
}

/// A mall is owed no issuance results, for one.
fn is_owed(app: &App, kind: PushKind, field: &str) -> Result<(), Fault> {
    let kinds = PushKind::of(app.role);
    if kinds.contains(&kind) {
        return Ok(());
    }
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.code()).collect();
    Err(Fault::of_field(Reason::OutOfRange, field).with(format!("one of {}", kinds.join(", "))))
}

/// What can be said of an address without calling it.
fn checked(app: &App, text: &str) -> Result<Url, Fault> {
    let refused = |why: &str| Fault::of_field(Reason::PushAddressRefused, "set.url").with(why);
    if text.len() > URL_MAX {
        return Err(refused("at most 512 characters"));
    }
    let url = Url::parse(text).map_err(|_| refused("not an address"))?;
    match url.scheme() {
        "https" => {}
        "http" if app.sandbox => {}
        _ => return Err(refused("https is required")),
    }
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if !bare || url.host().is_none() {
        return Err(refused("without user, password and fragment"));
    }
    Ok(url)
}

/// Posts a challenge, signed as a push is; only its owner can know to return it.
async fn challenge(state: &HttpState, caller: &Caller, url: &Url) -> Result<(), Fault> {
    let challenge = Challenge { challenge: hex::encode(rand::random::<[u8; 24]>()) };
    let Ok(body) = serde_json::to_vec(&challenge) else { return misfit() };
    let wire = AppWire { vault: state.platform.vault(), app: &caller.app, at: caller.now };
    let reach = if caller.app.sandbox { Reach::Sandbox } else { Reach::Public };
    let failed = |why: String| Fault::of_field(Reason::ChallengeFailed, "set.url").with(why);
    let answer = match signed::post(
        &state.outbound,
        reach,
        url,
        (caller.app.id.as_str(), &wire),
        body,
    )
    .await
    {
        Ok(answer) => answer,
        Err(NoAnswer::Refused) => {
            let fault = Fault::of_field(Reason::PushAddressRefused, "set.url");
            return Err(fault.with("a public address over https is required"));
        }
        Err(no) => return Err(failed(no.to_string())),
    };
    if answer.status != 200 {
        return Err(failed(format!("answered with status {}", answer.status)));
    }
    match serde_json::from_slice::<Challenge>(&answer.body) {
        Ok(returned) if returned == challenge => Ok(()),
        _ => Err(failed("the answer is not the challenge".into())),
    }
}
