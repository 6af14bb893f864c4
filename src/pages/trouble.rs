//! What can keep a page from being shown, and the kind page that is shown instead.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carbon_actors::ports::Failure;
use carbon_actors::refusal::Refusal;
use carbon_protocol::Reason;

use super::speech::Lang;

/// Why a page is not shown.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The reason, with its code for support.
    pub reason: Reason,
}

impl From<Reason> for Trouble {
    fn from(reason: Reason) -> Self {
        Self { reason }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        let reason = match &failure {
            Failure::Partner(_) => Reason::PartnerUnavailable,
            Failure::Identity(_) => Reason::IdentityUnavailable,
            Failure::Clock(_) => Reason::ClockUnsafe,
            Failure::Full(_) => Reason::DiskFull,
            Failure::Invariant(_) => Reason::Internal,
            _ => Reason::Busy,
        };
        tracing::warn!(%failure, "a page could not be made");
        Self { reason }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::No(rejection) => rejection.reason.into(),
            Refusal::Broken(failure) => failure.into(),
        }
    }
}

impl IntoResponse for Trouble {
    /// Only the status: the frame around all pages writes the page, in the citizen's language.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.reason.status());
        let mut response = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Trouble {
    /// A heading.
    pub fn title(&self, lang: Lang) -> &'static str {
        match self.reason {
            Reason::BadLink => lang.say("链接已失效", "This link is no longer valid"),
            Reason::SessionExpired => lang.say("页面已过期", "This page has expired"),
            Reason::RealNameRequired => lang.say("请先完成实名认证", "Verify your real name first"),
            Reason::NotFound | Reason::UnknownScene => {
                lang.say("没有找到这个页面", "There is no such page")
            }
            Reason::AccountNotOpen => lang.say("尚未开通碳账户", "No carbon account yet"),
            Reason::Forbidden => lang.say("无法提交", "This cannot be sent"),
            Reason::AccountClosed => lang.say("碳账户已注销", "The carbon account is closed"),
            Reason::OrdersOpen => lang.say("还有未完成的订单", "There are open orders"),
            reason if reason.status() >= 500 || reason.retryable() => {
                lang.say("暂时无法办理", "Not possible right now")
            }
            _ => lang.say("无法办理", "This is not possible"),
        }
    }

    /// What to do next.
    pub fn advice(&self, lang: Lang) -> &'static str {
        match self.reason {
            Reason::BadLink | Reason::SessionExpired => lang.say(
                "为保护您的信息，链接只能使用一次，页面闲置后会自动退出。请返回原来的应用，重新进入碳普惠专区。",
                "To protect your data a link works once, and an idle page logs itself out. Go back \
                 to the app you came from and enter again.",
            ),
            Reason::RealNameRequired => lang.say(
                "请返回原来的应用完成实名认证，然后再来开通碳账户、点亮场景。",
                "Go back to the app you came from, verify your real name there, and come again.",
            ),
            Reason::AccountNotOpen => lang.say(
                "请先在随申办的碳普惠专区开通碳账户。",
                "Open your carbon account in the city app's carbon zone first.",
            ),
            Reason::AccountClosed => lang.say(
                "账户已按您的要求注销。如需重新开通，请在规定的等待期之后再来。",
                "It was closed as asked. To open one again, come back after the waiting time.",
            ),
            Reason::OrdersOpen => lang.say(
                "商城订单正在占用积分。请等订单完成或取消后，再来注销碳账户。",
                "An order of a mall holds points. Close the account once it was completed or \
                 cancelled.",
            ),
            Reason::Forbidden => lang.say(
                "请从本页面的按钮提交。返回上一页，刷新后再试一次。",
                "Use the button of the page itself: go back, reload, and try again.",
            ),
            Reason::NotFound | Reason::UnknownScene => {
                lang.say("请从碳普惠专区首页重新进入。", "Start again from the carbon zone's home page.")
            }
            Reason::SceneNotActive => lang.say(
                "这个场景目前不在开放期内，请留意后续公告。",
                "This scene is not open at present. Please watch for announcements.",
            ),
            reason if reason.status() >= 500 || reason.retryable() => lang.say(
                "请稍等片刻再试。您已经提交的内容不会丢失，也不会重复办理。",
                "Please try again in a moment. Nothing you have sent is lost or done twice.",
            ),
            _ => lang.say(
                "请返回首页查看当前状态；如有疑问，请联系客服并告知下方编号。",
                "Go back to the home page to see how things stand. If in doubt, tell support the \
                 code below.",
            ),
        }
    }
}
