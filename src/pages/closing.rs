//! Closing one's account (销户): what ends with it is said before, and a tick confirms that it was
//! read.

use askama::Template;
use axum::response::Response;
use carbon_protocol::account::{ClosedBy, Summary};

use super::frame::{Frame, page};
use super::guests::{Guest, Sent};
use super::speech::points;
use super::trouble::Trouble;

/// What ends, and the button.
#[derive(Template)]
#[template(path = "close.html", config = ".askama.toml")]
struct ClosePage {
    frame: Frame,
    points: String,
    lit: usize,
    malls: usize,
    warning: &'static str,
}

/// It is done.
#[derive(Template)]
#[template(path = "closed.html", config = ".askama.toml")]
struct ClosedPage {
    frame: Frame,
}

/// `GET /h5/close`.
pub async fn show(guest: Guest) -> Result<Response, Trouble> {
    let summary = guest.opened().await?;
    confirmation(&guest, &summary, "")
}

fn confirmation(
    guest: &Guest,
    summary: &Summary,
    warning: &'static str,
) -> Result<Response, Trouble> {
    let is_lit = |scene: &&carbon_protocol::account::SceneView| {
        scene.periods.last().is_some_and(|period| period.to.is_none())
    };
    page(&ClosePage {
        frame: guest.frame("/h5/"),
        points: points(summary.points.available),
        lit: summary.scenes.iter().filter(is_lit).count(),
        malls: summary.links.iter().filter(|link| link.mall_linked).count(),
        warning,
    })
}

/// `POST /h5/close`.
pub async fn close(sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let summary = guest.opened().await?;
    if sent.field("agree").is_empty() {
        let warning = guest.lang.say(
            "请先确认您已知晓注销的后果。",
            "Please confirm that you know what ends with the account.",
        );
        return confirmation(guest, &summary, warning);
    }
    let by = ClosedBy::Citizen(guest.session.channel);
    guest.platform().close(guest.session.account, by).await?;
    page(&ClosedPage { frame: guest.frame("") })
}
