//! What a partner provides: calls and pushes that the platform makes, as webhooks of the document;
//! and the page that a citizen enters by. Nothing here is served: the items carry documentation.

#![allow(dead_code, reason = "items that carry documentation")]

use carbon_protocol::AppId;
use carbon_protocol::contracts::c101::{MatchReply, MatchRequest};
use carbon_protocol::contracts::c201::{RawData, RawDataRequest};
use carbon_protocol::contracts::m203::{LinkReply, LinkRequest};
use carbon_protocol::contracts::m404::PointsBillPush;
use carbon_protocol::contracts::z203::AuthorizationPush;
use carbon_protocol::contracts::z305::IssuancePush;
use carbon_protocol::contracts::z503::BillPush;
use carbon_protocol::contracts::z601::Challenge;
use carbon_protocol::envelope::Envelope;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// The webhooks, as a document of their own.
pub fn document() -> OpenApi {
    Webhooks::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(c101, c201, q101, link, challenge, z203, m203, z305, z503, m404))]
struct Webhooks;

/// The consent pages, as a document of their own: the H5 serves them, not this door.
pub fn pages() -> OpenApi {
    Pages::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(light, agree, link_page, link_agree))]
struct Pages;

/// What a consent page is answered with.
#[derive(utoipa::IntoResponses)]
enum Page {
    /// The page, HTML: scripts, frames and foreign content are not in it.
    #[response(status = 200)]
    Shown,
    /// On to another page; at the end back to `returnUrl`, with `code` ("0" for success), `ccid`,
    /// `scenes` (commas between), `state`, `timestamp`, `nonce` and `sign` in the query. The sign
    /// is HMAC-SM3 over `code\nccid\nscenes\nstate\ntimestamp\nnonce\n`: a hint that cannot be
    /// forged. Z204 is the truth.
    #[response(status = 303)]
    Back,
    /// The form did not arrive in time.
    #[response(status = 400)]
    Late,
    /// There is no session: the citizen enters by a link of Z102, once.
    #[response(status = 401)]
    Stranger,
    /// The form is not one of a page of this session.
    #[response(status = 403)]
    Foreign,
    /// There is no such application or scene.
    #[response(status = 404)]
    Unknown,
    /// The scene is not active, or the account does not allow it.
    #[response(status = 409)]
    Conflict,
    /// The form is too large.
    #[response(status = 413)]
    TooLarge,
    /// Busy: try again.
    #[response(status = 503)]
    Busy,
}

/// 01.Z202 账户减排场景授权H5: the page where a citizen lights one scene or several. Open it by the link
/// that Z102 answers for `page: "light"`; the result comes by redirect, and by 01.Z203.
#[utoipa::path(get, path = "/h5/light", operation_id = "01.Z202", tag = "scene", responses(Page))]
fn light() {}

/// 01.Z202 同意授权: the citizen has agreed; sent by the page's own form, with its session's cookie and
/// token.
#[utoipa::path(
    post,
    path = "/h5/light",
    operation_id = "01.Z202.agree",
    tag = "scene",
    responses(Page)
)]
fn agree() {}

/// 02.Z202 账户权益平台授权H5: the consent page before the first visit to a mall. Open it by the link
/// that Z102 answers for `page: "mall"`.
#[utoipa::path(
    get, path = "/h5/malls/{app}/link", operation_id = "02.Z202", tag = "mall",
    params(("app" = AppId, Path, description = "The mall's application.")), responses(Page),
)]
fn link_page() {}

/// 02.Z202 同意授权: the citizen has agreed; sent by the page's own form, with its session's cookie and
/// token.
#[utoipa::path(
    post, path = "/h5/malls/{app}/link", operation_id = "02.Z202.agree", tag = "mall",
    params(("app" = AppId, Path, description = "The mall's application.")), responses(Page),
)]
fn link_agree() {}

/// What a push may be answered with.
#[derive(utoipa::IntoResponses)]
enum Receipt {
    /// Taken; any 2xx is. The body means nothing.
    #[response(status = 200)]
    Taken,
    /// The signature is wrong, stale or replayed: refuse it.
    #[response(status = 401)]
    Unsigned,
    /// This address is gone: deliveries of the kind are paused.
    #[response(status = 410)]
    Gone,
    /// Later; `Retry-After` is obeyed.
    #[response(status = 429)]
    TooMany,
    /// Later; `Retry-After` is obeyed.
    #[response(status = 503)]
    Busy,
}

/// C101 账号匹配: your user behind real-name data, or none. Answer signed, within 5 seconds.
#[utoipa::path(
    post, path = "C101", operation_id = "C101", tag = "partner",
    request_body = MatchRequest,
    responses(
        (status = 200, body = Envelope<MatchReply>),
        (status = 401, description = "The signature is wrong, stale or replayed: refuse it."),
    ),
)]
fn c101() {}

/// C201 原始采集数据查询: the raw data behind records that you submitted, for the platform to compare.
#[utoipa::path(
    post, path = "C201", operation_id = "C201", tag = "partner",
    request_body = RawDataRequest,
    responses(
        (status = 200, body = Envelope<RawData>),
        (status = 401, description = "The signature is wrong, stale or replayed: refuse it."),
    ),
)]
fn c201() {}

/// Q101 账号匹配: as C101, of a benefit partner; no user means a visit to a branch.
#[utoipa::path(
    post, path = "Q101", operation_id = "Q101", tag = "partner",
    request_body = MatchRequest,
    responses(
        (status = 200, body = Envelope<MatchReply>),
        (status = 401, description = "The signature is wrong, stale or replayed: refuse it."),
    ),
)]
fn q101() {}

/// 02.Z203 账户授权/取消的更新: links the pseudonym with your user at `{base}/Z203`; only after your
/// answer is the mall opened. Never batched, asked again with the same event id.
#[utoipa::path(
    post, path = "02.Z203.link", operation_id = "02.Z203.link", tag = "partner",
    request_body = LinkRequest,
    responses(
        (status = 200, body = Envelope<LinkReply>),
        (status = 401, description = "The signature is wrong, stale or replayed: refuse it."),
    ),
)]
fn link() {}

/// 01.Z601 / 02.Z501 消息接收地址配置: the challenge of a push address. Return the body as it came.
#[utoipa::path(
    post, path = "challenge", operation_id = "challenge", tag = "partner",
    request_body = Challenge,
    responses((status = 200, body = Challenge)),
)]
fn challenge() {}

/// 01.Z203 账户授权/取消的更新: scenes lit and revoked. At least once, the same `eventId` on every
/// try, in order of each pseudonym by `sequence`.
#[utoipa::path(
    post, path = "01.Z203", operation_id = "01.Z203", tag = "partner",
    request_body = AuthorizationPush,
    responses(Receipt),
)]
fn z203() {}

/// 02.Z203 账户授权/取消的更新: a mall link that was taken back.
#[utoipa::path(
    post, path = "02.Z203", operation_id = "02.Z203", tag = "partner",
    request_body = AuthorizationPush,
    responses(Receipt),
)]
fn m203() {}

/// 01.Z305 减排量签发结果推送: per record the issued grams or the reason of its refusal, with
/// issuance batch and serial block.
#[utoipa::path(
    post, path = "01.Z305", operation_id = "01.Z305", tag = "partner",
    request_body = IssuancePush,
    responses(Receipt),
)]
fn z305() {}

/// 01.Z503 碳减排量账单推送: new entries of the bill in grams, as 01.Z502 shows them. Owed from the time
/// on at which an address for it is first set.
#[utoipa::path(
    post, path = "01.Z503", operation_id = "01.Z503", tag = "partner",
    request_body = BillPush,
    responses(Receipt),
)]
fn z503() {}

/// 02.Z404 账单推送: new entries of the bill in points, as 02.Z403 shows them, of citizens who are
/// linked to the mall. Owed from the time on at which an address for it is first set.
#[utoipa::path(
    post, path = "02.Z404", operation_id = "02.Z404", tag = "partner",
    request_body = PointsBillPush,
    responses(Receipt),
)]
fn m404() {}
