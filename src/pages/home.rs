//! The home page: points and grams at a glance, what is lit, which malls there are.

use askama::Template;
use axum::response::Response;
use carbon_protocol::account::{Summary, TotalView};
use carbon_protocol::registry::AppRole;
use carbon_protocol::{AppNo, Grams};

use super::frame::{FormOrigins, Frame, page_leading_to};
use super::guests::Guest;
use super::opening::agreements_page;
use super::scenes::{SceneCard, cards};
use super::speech::{grams, points};
use super::trouble::Trouble;

/// Home of whoever has an account.
#[derive(Template)]
#[template(path = "home.html", config = ".askama.toml")]
struct HomePage {
    frame: Frame,
    points: String,
    held: String,
    expiring: Option<(String, String)>,
    pending: String,
    issued: String,
    month: String,
    lit: Vec<SceneCard>,
    unlit: usize,
    malls: Vec<MallCard>,
}

/// A mall on the home page.
#[derive(Debug, Clone)]
pub struct MallCard {
    /// The application's id.
    pub app: String,
    /// Its name.
    pub name: String,
    /// Whether it is linked.
    pub linked: bool,
}

/// `GET /h5/`.
pub async fn show(guest: Guest) -> Result<Response, Trouble> {
    let summary = guest.summary().await?;
    if !summary.open {
        return agreements_page(&guest, "");
    }
    let today = guest.platform().now()?.day();
    let registry = guest.platform().registry();
    let all = cards(&registry, &summary, today);
    let (lit, unlit): (Vec<_>, Vec<_>) = all.into_iter().partition(|card| card.lit);
    let apps = registry.apps().filter(|app| app.role == AppRole::Mall && !app.suspended);
    let (mut malls, mut urls) = (Vec::new(), Vec::new());
    for app in apps {
        let linked = is_linked(&summary, app.no);
        if linked {
            urls.extend(app.mall_url.as_deref());
        }
        malls.push(MallCard { app: app.id.to_string(), name: app.name.clone(), linked });
    }
    let this_month = |total: &&TotalView| total.month == today.month();
    let month: Grams = summary
        .totals
        .iter()
        .filter(this_month)
        .map(|total| total.pending.saturating_add(total.issued))
        .sum();
    let template = HomePage {
        frame: guest.frame(""),
        points: points(summary.points.available),
        held: match summary.points.held.is_zero() {
            true => String::new(),
            false => points(summary.points.held),
        },
        expiring: summary.lots.first().map(|lot| (points(lot.points), lot.expires.to_string())),
        pending: grams(summary.grams.pending),
        issued: grams(summary.grams.issued),
        month: grams(month),
        lit,
        unlit: unlit.len(),
        malls,
    };
    page_leading_to(&template, FormOrigins::of(urls))
}

/// Whether a mall's link stands.
pub fn is_linked(summary: &Summary, app: AppNo) -> bool {
    summary.links.iter().any(|link| link.app == app && link.mall_linked)
}
