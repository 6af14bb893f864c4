//! The push console: an application looks through its own pushes and replays them; the operator
//! does so for every application.

use axum::extract::State;
use carbon_protocol::contracts::pushes::{
    Push, PushStatus, Pushes, PushesRequest, Replay, ReplayRequest,
};
use carbon_protocol::courier::{CourierCommand, CourierReply, LaneView, Notice, PushKind};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::{AppId, AppNo, MessageId, Reason, Timestamp};

use super::declaring::app_of;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::ladder::{Anyone, Queried, Signed};
use super::operator::{Looked, Operated, Operating, Viewing};
use super::{HttpState, lists};

/// Events that are looked through at once.
const CHUNK: usize = 512;
/// Events that one look at a filtered list goes through at most; a cursor goes on from there.
const LOOKED_THROUGH: usize = 8 * CHUNK;
/// Events that one replay of a span of time goes through at most.
const REPLAYED: usize = 100_000;

/// 推送控制台: the calling application's pushes, oldest first, with where each one is. Kept for seven
/// days at least, and as long as they were not delivered or given up on.
#[utoipa::path(
    get, path = "/api/v1/pushes", operation_id = "ownPushes", tag = "platform",
    params(
        ("kind" = Option<PushKind>, Query, description = "Of this kind."),
        ("status" = Option<PushStatus>, Query, description = "With this status."),
        ("from" = Option<Timestamp>, Query, description = "Happened at or after this instant…"),
        ("to" = Option<Timestamp>, Query, description = "… and before this one."),
        ("eventId" = Option<String>, Query, max_length = 32,
            description = "This one event, with its content."),
        ("cursor" = Option<String>, Query, max_length = 200,
            description = "Where the page before ended."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200,
            description = "Events of a page."),
    ),
    responses((status = 200, body = Envelope<Pushes>)),
)]
pub async fn own(
    State(state): State<HttpState>,
    call: Queried<Anyone, PushesRequest>,
) -> Answer<Pushes> {
    is_own(call.query.app_id.as_ref())?;
    list(&state, call.caller.no(), call.query).await
}

/// 推送重放: sends events of the calling application again that were delivered or given up on: one by
/// its id, or those of a span of time. They keep their ids.
#[utoipa::path(
    post, path = "/api/v1/pushes/replay", operation_id = "replayOwnPushes", tag = "platform",
    request_body = ReplayRequest, responses((status = 200, body = Envelope<Replay>)),
)]
pub async fn replay_own(
    State(state): State<HttpState>,
    call: Signed<Anyone, ReplayRequest>,
) -> Answer<Replay> {
    is_own(call.body.app_id.as_ref())?;
    replay(&state, call.caller.no(), call.body).await
}

/// Pushes of an application, event by event.
#[utoipa::path(
    get, path = "/admin/v1/pushes/events", operation_id = "pushEvents", tag = "operator",
    params(
        ("appId" = AppId, Query, description = "The application."),
        ("kind" = Option<PushKind>, Query, description = "Of this kind."),
        ("status" = Option<PushStatus>, Query, description = "With this status."),
        ("from" = Option<Timestamp>, Query, description = "Happened at or after this instant…"),
        ("to" = Option<Timestamp>, Query, description = "… and before this one."),
        ("eventId" = Option<String>, Query, max_length = 32,
            description = "This one event, with its content."),
        ("cursor" = Option<String>, Query, max_length = 200,
            description = "Where the page before ended."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200,
            description = "Events of a page."),
    ),
    responses((status = 200, body = Envelope<Pushes>)),
)]
pub async fn of_app(
    State(state): State<HttpState>,
    call: Looked<Viewing, PushesRequest>,
) -> Answer<Pushes> {
    let app = named(&state, call.query.app_id.as_ref())?;
    list(&state, app, call.query).await
}

/// Sends events of an application again.
#[utoipa::path(
    post, path = "/admin/v1/pushes/replay", operation_id = "replayPushes", tag = "operator",
    request_body = ReplayRequest, responses((status = 200, body = Envelope<Replay>)),
)]
pub async fn replay_of_app(
    State(state): State<HttpState>,
    call: Operated<Operating, ReplayRequest>,
) -> Answer<Replay> {
    let app = named(&state, call.body.app_id.as_ref())?;
    call.about(app);
    replay(&state, app, call.body).await
}

/// A partner does not name an application: it has its own.
fn is_own(named: Option<&AppId>) -> Result<(), Fault> {
    match named {
        None => Ok(()),
        Some(_) => Err(Fault::of_field(Reason::UnknownField, "appId")),
    }
}

fn named(state: &HttpState, app: Option<&AppId>) -> Result<AppNo, Fault> {
    let missing = || Fault::of_field(Reason::Malformed, "appId");
    app_of(state, app.ok_or_else(missing)?.as_str(), "appId")
}

async fn lanes(state: &HttpState, app: AppNo) -> Result<Vec<LaneView>, Fault> {
    match state.platform.courier(app, CourierCommand::Look).await? {
        CourierReply::View(lanes) => Ok(lanes),
        CourierReply::Done => misfit(),
    }
}

async fn list(state: &HttpState, app: AppNo, request: PushesRequest) -> Answer<Pushes> {
    let size = lists::page_size(request.limit)?;
    let lanes = lanes(state, app).await?;
    if let Some(id) = &request.event_id {
        let (notice, event) =
            state.platform.notice(app, event_id(id)?).await?.ok_or_else(unknown)?;
        let push = Push { event: Some(event), ..push(&lanes, &notice) };
        return Ok(Data(Pushes { pushes: vec![push], cursor: None }));
    }
    let place: Option<MessageId> = lists::place(state, "pushes", app, request.cursor.as_deref())?;
    let mut after = place.unwrap_or_default();
    let mut pushes = Vec::new();
    for _ in 0..LOOKED_THROUGH / CHUNK {
        let notices = state.platform.notices(app, request.kind, after, CHUNK).await?;
        for notice in &notices {
            if request.to.is_some_and(|to| notice.at >= to) {
                return Ok(Data(Pushes { pushes, cursor: None }));
            }
            if pushes.len() == size {
                let cursor = lists::cursor(state, "pushes", app, Some(after));
                return Ok(Data(Pushes { pushes, cursor }));
            }
            after = notice.id;
            let told = push(&lanes, notice);
            let wanted = request.status.is_none_or(|status| told.status == status);
            if wanted && request.from.is_none_or(|from| notice.at >= from) {
                pushes.push(told);
            }
        }
        if notices.len() < CHUNK {
            return Ok(Data(Pushes { pushes, cursor: None }));
        }
    }
    let cursor = lists::cursor(state, "pushes", app, Some(after));
    Ok(Data(Pushes { pushes, cursor }))
}

fn event_id(text: &str) -> Result<MessageId, Fault> {
    MessageId::parse(text).ok_or_else(unknown)
}

/// Another application's event is one that does not exist.
fn unknown() -> Fault {
    Fault::of_field(Reason::NotFound, "eventId")
}

fn push(lanes: &[LaneView], notice: &Notice) -> Push {
    let kind = notice.body.kind();
    let lane = lanes.iter().find(|lane| lane.kind == kind);
    let status = lane.map_or(PushStatus::Waiting, |lane| status(lane, notice.id));
    let retried = lane.filter(|_| status == PushStatus::Retrying);
    Push {
        event_id: notice.id.to_string(),
        kind,
        sequence: notice.sequence,
        ccid: notice.ccid.clone(),
        time: notice.at,
        status,
        attempts: retried.map_or(0, |lane| lane.attempts),
        next_at: retried.and_then(|lane| lane.next_at),
        event: None,
    }
}

fn status(lane: &LaneView, id: MessageId) -> PushStatus {
    let within = |after: MessageId, through: MessageId| after < id && id <= through;
    if lane.replays.iter().any(|replay| within(replay.after, replay.through)) {
        PushStatus::Replaying
    } else if lane.parked.iter().any(|(after, through, _)| within(*after, *through)) {
        PushStatus::Parked
    } else if id <= lane.cursor {
        PushStatus::Delivered
    } else if lane.retrying.is_some_and(|through| id <= through) {
        PushStatus::Retrying
    } else {
        PushStatus::Waiting
    }
}

async fn replay(state: &HttpState, app: AppNo, request: ReplayRequest) -> Answer<Replay> {
    let kind = request.kind;
    let lanes = lanes(state, app).await?;
    let addressed = lanes.iter().find(|lane| lane.kind == kind && lane.address.is_some());
    let lane = addressed.ok_or_else(|| Fault::of_field(Reason::NotFound, "kind"))?;
    let range = match (&request.event_id, request.from, request.to) {
        (Some(id), None, None) => {
            let id = event_id(id)?;
            let known = state.platform.notice(app, id).await?;
            let known = known.filter(|(notice, _)| notice.body.kind() == kind);
            known.ok_or_else(unknown)?;
            (id <= lane.cursor).then_some((before(id), id, 1))
        }
        (None, Some(from), Some(to)) if from < to => span(state, app, lane, (from, to)).await?,
        (None, Some(_), Some(_)) => return Err(Fault::of_field(Reason::OutOfRange, "to")),
        _ => {
            let fault = Fault::from(Reason::Malformed);
            return Err(fault.with("exactly one of eventId, or from with to"));
        }
    };
    let Some((after, through, events)) = range else {
        return Ok(Data(Replay { kind, events: 0 }));
    };
    state.platform.courier(app, CourierCommand::Replay { kind, after, through }).await?;
    Ok(Data(Replay { kind, events }))
}

/// The id right before another one.
fn before(id: MessageId) -> MessageId {
    match id.item.checked_sub(1) {
        Some(item) => MessageId { item, ..id },
        None => MessageId { sequence: id.sequence.saturating_sub(1), item: u32::MAX },
    }
}

/// What of a kind happened in a span of time and was tried to its end: the range, and how many.
async fn span(
    state: &HttpState,
    app: AppNo,
    lane: &LaneView,
    (from, to): (Timestamp, Timestamp),
) -> Result<Option<(MessageId, MessageId, u32)>, Fault> {
    let mut range: Option<(MessageId, MessageId, u32)> = None;
    let mut after = MessageId::default();
    for _ in 0..REPLAYED / CHUNK {
        let notices = state.platform.notices(app, Some(lane.kind), after, CHUNK).await?;
        for notice in &notices {
            if notice.at >= to || notice.id > lane.cursor {
                return Ok(range);
            }
            if notice.at >= from {
                let (_, through, events) = range.get_or_insert((after, notice.id, 0));
                (*through, *events) = (notice.id, events.saturating_add(1));
            }
            after = notice.id;
        }
        if notices.len() < CHUNK {
            return Ok(range);
        }
    }
    let fault = Fault::of_field(Reason::TooManyItems, "from");
    Err(fault.with(format!("{REPLAYED} events are looked through at most")))
}
