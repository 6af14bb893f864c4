//! Points malls: the consent before the first visit (journey 4, 02.Z202), entering with a single-
//! use authCode, and taking the consent back.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use carbon_protocol::Reason;
use carbon_protocol::account::{AccountCommand, Purpose};
use carbon_protocol::registry::{AgreementScope, App, AppRole};
use url::Url;

use super::agreements::{Shown, consents, shown};
use super::frame::{FormOrigins, Frame, page, page_leading_to};
use super::guests::{Guest, Sent, to};
use super::home::is_linked;
use super::scenes::begin;
use super::trouble::Trouble;
use crate::tickets::AuthTicket;

/// The consent.
#[derive(Template)]
#[template(path = "mall_link.html", config = ".askama.toml")]
struct LinkPage {
    frame: Frame,
    app: String,
    app_name: String,
    agreements: Vec<Shown>,
    warning: &'static str,
}

/// A mall that is linked: enter, or take the consent back.
#[derive(Template)]
#[template(path = "mall.html", config = ".askama.toml")]
struct MallPage {
    frame: Frame,
    app: String,
    app_name: String,
}

/// Taking back.
#[derive(Template)]
#[template(path = "mall_unlink.html", config = ".askama.toml")]
struct UnlinkPage {
    frame: Frame,
    app: String,
    app_name: String,
}

fn mall(guest: &Guest, id: &str) -> Result<Arc<App>, Trouble> {
    let app = guest.app(id)?;
    if app.role == AppRole::Mall { Ok(app) } else { Err(Reason::NotFound.into()) }
}

/// `GET /h5/malls/{app}/link`.
pub async fn link_page(guest: Guest, Path(app): Path<String>) -> Result<Response, Trouble> {
    let app = mall(&guest, &app)?;
    consent_page(&guest, &app, "").await
}

async fn consent_page(
    guest: &Guest,
    app: &App,
    warning: &'static str,
) -> Result<Response, Trouble> {
    let summary = guest.opened().await?;
    let (id, name) = (app.id.to_string(), app.name.clone());
    let frame = guest.frame("/h5/");
    if is_linked(&summary, app.no) {
        let template = MallPage { frame, app: id, app_name: name };
        return page_leading_to(&template, FormOrigins::of(app.mall_url.as_deref()));
    }
    let agreements = needed(guest, app)?;
    page(&LinkPage { frame, app: id, app_name: name, agreements, warning })
}

fn needed(guest: &Guest, app: &App) -> Result<Vec<Shown>, Trouble> {
    let day = guest.platform().now()?.day();
    let registry = guest.platform().registry();
    let own = AgreementScope::Mall(app.id.clone());
    if registry.agreements(&own, day).is_empty() {
        return Err(Reason::SceneNotActive.into());
    }
    Ok(shown(&registry, &[AgreementScope::Matching, own], day))
}

/// `POST /h5/malls/{app}/link`.
pub async fn link(Path(app): Path<String>, sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let app = mall(guest, &app)?;
    guest.opened().await?;
    if sent.field("agree").is_empty() {
        let warning = guest
            .lang
            .say("请先阅读并同意授权协议。", "Please read and accept the agreement first.");
        return consent_page(guest, &app, warning).await;
    }
    let at = guest.platform().now()?;
    let needed = needed(guest, &app)?;
    let Some(consents) = consents(&needed, sent.values("shown"), at, guest.session.channel) else {
        let warning = guest.lang.say(
            "协议已更新，请重新阅读后再同意。",
            "The agreement has changed: please read it again.",
        );
        return consent_page(guest, &app, warning).await;
    };
    begin(guest, Purpose::LinkMall { app: app.no, consents }).await?;
    guest.remember(|session| session.want(app.no, Vec::new()));
    Ok(to(&format!("/h5/errands/{}", app.id)))
}

/// `POST /h5/malls/{app}/enter`: leaves for the mall with an authCode (02.Z405).
pub async fn enter(Path(app): Path<String>, sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let app = mall(guest, &app)?;
    let summary = guest.opened().await?;
    let link = summary.links.iter().find(|link| link.app == app.no && link.mall_linked);
    let link = link.ok_or(Reason::MallNotLinked)?;
    let url = app.mall_url.as_deref().and_then(|url| Url::parse(url).ok());
    let mut url = url.ok_or(Reason::NotFound)?;
    let (app, account, ccid) = (app.no, guest.session.account, link.ccid.clone());
    let code = guest.state.codes().issue(AuthTicket { app, account, ccid }).ok_or(Reason::Busy)?;
    url.query_pairs_mut().append_pair("authCode", &code);
    Ok(away(&url))
}

/// Leads to another site.
pub fn away(url: &Url) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, url.as_str())]).into_response()
}

/// `GET /h5/malls/{app}/unlink`.
pub async fn unlink_page(guest: Guest, Path(app): Path<String>) -> Result<Response, Trouble> {
    let app = guest.any_app(&app)?;
    if !is_linked(&guest.opened().await?, app.no) {
        return Ok(to("/h5/"));
    }
    let (id, app_name) = (app.id.to_string(), app.name.clone());
    page(&UnlinkPage { frame: guest.frame("/h5/"), app: id, app_name })
}

/// `POST /h5/malls/{app}/unlink`.
pub async fn unlink(Path(app): Path<String>, sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let app = guest.any_app(&app)?;
    let command = AccountCommand::UnlinkMall { app: app.no, channel: guest.session.channel };
    match guest.platform().account(guest.session.account, command).await.map_err(Trouble::from) {
        // Sent twice: it is taken back already.
        Ok(_) | Err(Trouble { reason: Reason::MallNotLinked }) => Ok(to("/h5/")),
        Err(trouble) => Err(trouble),
    }
}
