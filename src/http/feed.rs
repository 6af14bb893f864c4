//! `GET /api/v1/events`: what is pushed to an application, pulled by it.

use axum::extract::State;
use carbon_protocol::contracts::feed::{Events, EventsRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::{MessageId, Reason};

use super::exchange::{Answer, Data};
use super::fault::Fault;
use super::ladder::{Anyone, Queried};
use super::{HttpState, lists};

/// 事件拉取: events of the calling application, oldest first: the same that are pushed. Kept for seven
/// days at least, and as long as they were not delivered or given up on.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "events", tag = "platform",
    params(
        ("after" = Option<String>, Query, max_length = 200,
            description = "The cursor of an earlier answer."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200,
            description = "Events of a page."),
    ),
    responses((status = 200, body = Envelope<Events>)),
)]
pub async fn events(
    State(state): State<HttpState>,
    call: Queried<Anyone, EventsRequest>,
) -> Answer<Events> {
    let (app, cursor) = (call.caller.no(), call.query.after.as_deref());
    let size = lists::page_size(call.query.limit)?;
    let bad = || Fault::of_field(Reason::BadCursor, "after");
    let place = |cursor: &str| state.seals.place("events", app, cursor).ok_or_else(bad);
    let after: Option<MessageId> = cursor.map(place).transpose()?;
    let (events, last) = state.platform.feed(app, after.unwrap_or_default(), size).await?;
    let cursor = lists::cursor(&state, "events", app, last.or(after));
    Ok(Data(Events { events, cursor }))
}
