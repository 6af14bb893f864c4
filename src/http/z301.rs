//! 01.Z301 轨道交通出行距离字典: a document, so it is read with GET and spared where it is known.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use carbon_protocol::contracts::z301::{Distance, Distances, DistancesRequest};
use carbon_protocol::envelope::Envelope;
use carbon_protocol::{Day, Reason};

use super::dictionaries::Measure;
use super::exchange::{Compressible, Data};
use super::fault::Fault;
use super::ladder::{Queried, SceneOnly};
use super::{HttpState, lists};

/// 01.Z301 轨道交通出行距离字典: one pair, a page, or all at once.
#[utoipa::path(
    get, path = "/api/v1/01/Z301", operation_id = "01.Z301", tag = "scene",
    params(
        (
            "from" = Option<String>, Query, description = "One end of a pair; both or none.",
            max_length = 64, example = "E01",
        ),
        ("to" = Option<String>, Query, description = "The other end.", max_length = 64,
            example = "E02"),
        ("cursor" = Option<String>, Query, description = "Where the page before ended.",
            max_length = 200),
        ("limit" = Option<u16>, Query, description = "Pairs of a page, at most 200.",
            minimum = 1, maximum = 200, example = 200),
        ("all" = Option<bool>, Query, description = "All pairs at once, as text in `csv`."),
        ("day" = Option<Day>, Query,
            description = "Day of behaviour that the dictionary is wanted for; today without."),
        ("If-None-Match" = Option<String>, Header, description = "The version that is known.",
            max_length = 200),
    ),
    responses(
        (status = 200, body = Envelope<Distances>),
        (status = 304, description = "The dictionary is still the one that is known."),
    ),
)]
pub async fn z301(
    State(state): State<HttpState>,
    call: Queried<SceneOnly, DistancesRequest>,
) -> Result<Response, Fault> {
    let dictionaries = state.dictionaries.newest(&state).await?;
    let day = call.query.day.unwrap_or(call.caller.now.day());
    let unknown = || Fault::of_field(Reason::NotFound, "day");
    let &Measure { effective, ref dictionary, .. } = dictionaries.on(day).ok_or_else(unknown)?;
    let tag = format!("W/\"{}\"", dictionary.version());
    let tag = HeaderValue::from_str(&tag).map_err(|_| Fault::from(Reason::Busy))?;
    let size = lists::page_size(call.query.limit)?;
    if is_known(&call.headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let app = call.caller.no();
    let all = call.query.all.unwrap_or_default();
    let (pairs, next) = match (&call.query.from, &call.query.to) {
        (None, None) if all => (Vec::new(), None),
        (Some(from), Some(to)) if !all => {
            let distance_metres = dictionary
                .distance(from, to)
                .ok_or_else(|| Fault::of_field(Reason::UnknownStation, "to"))?;
            let pair = Distance { from: from.clone(), to: to.clone(), distance_metres };
            (vec![pair], None)
        }
        (None, None) => {
            let kind = format!("Z301:{}", dictionary.version());
            let skip = lists::place(&state, &kind, app, call.query.cursor.as_deref())?;
            let skip: usize = skip.unwrap_or(0);
            let page = dictionary.pairs().skip(skip).take(size);
            let pairs: Vec<Distance> = page
                .map(|(from, to, distance_metres)| Distance {
                    from: from.clone(),
                    to: to.clone(),
                    distance_metres,
                })
                .collect();
            let end = skip.saturating_add(pairs.len());
            let next = (end < dictionary.len()).then_some(end);
            (pairs, lists::cursor(&state, &kind, app, next))
        }
        _ if all => {
            let fault = Fault::of_field(Reason::Malformed, "all");
            return Err(fault.with("all pairs or two stations"));
        }
        (from, _) => {
            let missing = if from.is_some() { "to" } else { "from" };
            let fault = Fault::of_field(Reason::Malformed, missing);
            return Err(fault.with("both stations or none"));
        }
    };
    let version = dictionary.version().to_owned();
    let csv = all.then(|| dictionary.csv());
    let data = Distances { version, effective, pairs, csv, cursor: next };
    let mut response = Data(data).into_response();
    response.headers_mut().insert(header::ETAG, tag);
    response.extensions_mut().insert(Compressible);
    Ok(response)
}

fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let Ok(own) = tag.to_str().map(bare) else { return false };
    let given = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    given.is_some_and(|given| given.trim() == "*" || given.split(',').any(|one| bare(one) == own))
}
