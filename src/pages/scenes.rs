//! Scenes: the list, the consent to one of them (journey 3), what special kinds show, and taking
//! the consent back.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use carbon_actors::machines::registry::Registry;
use carbon_protocol::account::{AccountCommand, AccountReply, Purpose, Summary};
use carbon_protocol::registry::{AgreementScope, App, Scene, SceneKind};
use carbon_protocol::{AppNo, Day, Reason, SceneNo};
use serde::Deserialize;

use super::agreements::{Shown, consents, shown};
use super::frame::{Frame, page};
use super::guests::{Guest, Sent, to};
use super::sun_code::SunCode;
use super::trouble::Trouble;

/// A scene of an application, on a list.
#[derive(Debug, Clone)]
pub struct SceneCard {
    /// The application's id.
    pub app: String,
    /// The application's name.
    pub app_name: String,
    /// The scene's code.
    pub code: String,
    /// The scene's name.
    pub name: String,
    /// `standard`, `sun`, `announced` or `external`.
    pub kind: &'static str,
    /// Whether it is lit.
    pub lit: bool,
    /// Since when.
    pub since: String,
}

/// The list.
#[derive(Template)]
#[template(path = "scenes.html", config = ".askama.toml")]
struct ScenesPage {
    frame: Frame,
    lit: Vec<SceneCard>,
    unlit: Vec<SceneCard>,
    notice: &'static str,
}

/// The consent.
#[derive(Template)]
#[template(path = "light.html", config = ".askama.toml")]
struct LightPage {
    frame: Frame,
    card: SceneCard,
    agreements: Vec<Shown>,
    warning: &'static str,
}

/// A scene that is not lit by consent alone.
#[derive(Template)]
#[template(path = "special.html", config = ".askama.toml")]
struct SpecialPage {
    frame: Frame,
    card: SceneCard,
    /// The code to be scanned, of a scene that has one.
    code: Option<SunCode>,
    /// The other site's address, of a scene that leads to one.
    site: Option<String>,
}

/// Taking back.
#[derive(Template)]
#[template(path = "revoke.html", config = ".askama.toml")]
struct RevokePage {
    frame: Frame,
    card: SceneCard,
}

fn card(app: &App, scene: &Scene, summary: &Summary) -> SceneCard {
    let since = lit_since(summary, app.no, scene.no);
    SceneCard {
        app: app.id.to_string(),
        app_name: app.name.clone(),
        code: scene.code.to_string(),
        name: scene.name.clone(),
        kind: match scene.kind {
            SceneKind::Standard => "standard",
            SceneKind::SunCode => "sun",
            SceneKind::Announced => "announced",
            SceneKind::External => "external",
        },
        lit: since.is_some(),
        since: since.map(|day| day.to_string()).unwrap_or_default(),
    }
}

fn lit_since(summary: &Summary, app: AppNo, scene: SceneNo) -> Option<Day> {
    let view = summary.scenes.iter().find(|view| view.app == app && view.scene == scene)?;
    let last = view.periods.last()?;
    last.to.is_none().then(|| last.from.day())
}

/// Whether a scene is lit.
pub fn is_lit(summary: &Summary, app: AppNo, scene: SceneNo) -> bool {
    lit_since(summary, app, scene).is_some()
}

/// Every scene by every application that can light it: open ones, and whatever is lit still.
pub fn cards(registry: &Registry, summary: &Summary, today: Day) -> Vec<SceneCard> {
    let mut cards = Vec::new();
    for scene in registry.scenes() {
        let active = is_active(scene, today);
        for app in scene.apps.iter().filter_map(|no| registry.app(*no)) {
            let card = card(app, scene, summary);
            if card.lit || (active && !app.suspended) {
                cards.push(card);
            }
        }
    }
    cards
}

/// Whether a scene's approval covers a day.
pub fn is_active(scene: &Scene, day: Day) -> bool {
    scene.active_from <= day && day <= scene.active_to
}

/// What the list was come back to for.
#[derive(Deserialize)]
pub struct Came {
    done: Option<String>,
}

/// `GET /h5/scenes`.
pub async fn list(guest: Guest, Query(came): Query<Came>) -> Result<Response, Trouble> {
    let summary = guest.summary().await?;
    if !summary.open {
        return Ok(to("/h5/open"));
    }
    let today = guest.platform().now()?.day();
    let all = cards(&guest.platform().registry(), &summary, today);
    let (lit, unlit) = all.into_iter().partition(|card| card.lit);
    let notice = match came.done.as_deref() {
        Some("revoked") => guest.lang.say(
            "授权已取消。今后的行为不再计入碳账户，已签发的减排量和积分不受影响。",
            "Your consent was taken back. What you do from now on is not counted; what was issued \
             stays yours.",
        ),
        _ => "",
    };
    page(&ScenesPage { frame: guest.frame("/h5/"), lit, unlit, notice })
}

/// `GET /h5/scenes/{app}/{scene}/light`.
pub async fn light_page(
    guest: Guest,
    Path((app, scene)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let app = guest.app(&app)?;
    let scene = guest.scene(&app, &scene)?;
    consent_page(&guest, &app, &scene, "").await
}

async fn consent_page(
    guest: &Guest,
    app: &App,
    scene: &Scene,
    warning: &'static str,
) -> Result<Response, Trouble> {
    let summary = guest.summary().await?;
    if !summary.open {
        return Ok(to("/h5/open"));
    }
    let card = card(app, scene, &summary);
    let frame = guest.frame("/h5/scenes");
    if card.lit {
        return Ok(to(&format!("/h5/scenes/{}/{}/revoke", card.app, card.code)));
    }
    if scene.kind != SceneKind::Standard {
        let link = scene.link.as_deref();
        let code = link.filter(|_| scene.kind == SceneKind::SunCode).and_then(SunCode::of);
        let site = scene.link.clone().filter(|_| scene.kind == SceneKind::External);
        return page(&SpecialPage { frame, card, code, site });
    }
    let agreements = needed(guest, app, scene)?;
    page(&LightPage { frame, card, agreements, warning })
}

/// The matching notice and the scene's own agreement; without the latter nothing can be lit.
fn needed(guest: &Guest, app: &App, scene: &Scene) -> Result<Vec<Shown>, Trouble> {
    let day = guest.platform().now()?.day();
    if !is_active(scene, day) {
        return Err(Reason::SceneNotActive.into());
    }
    let registry = guest.platform().registry();
    let own = AgreementScope::Scene(app.id.clone(), scene.code.clone());
    if registry.agreements(&own, day).is_empty() {
        return Err(Reason::SceneNotActive.into());
    }
    Ok(shown(&registry, &[AgreementScope::Matching, own], day))
}

/// `POST /h5/scenes/{app}/{scene}/light`.
pub async fn light(
    Path((app, scene)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let app = guest.app(&app)?;
    let scene = guest.scene(&app, &scene)?;
    if scene.kind != SceneKind::Standard {
        return consent_page(guest, &app, &scene, "").await;
    }
    if sent.field("agree").is_empty() {
        let warning = guest
            .lang
            .say("请先阅读并同意授权协议。", "Please read and accept the agreement first.");
        return consent_page(guest, &app, &scene, warning).await;
    }
    let at = guest.platform().now()?;
    let needed = needed(guest, &app, &scene)?;
    let Some(consents) = consents(&needed, sent.values("shown"), at, guest.session.channel) else {
        let warning = guest.lang.say(
            "协议已更新，请重新阅读后再同意。",
            "The agreement has changed: please read it again.",
        );
        return consent_page(guest, &app, &scene, warning).await;
    };
    let purpose = Purpose::Light { app: app.no, scenes: vec![(scene.no, consents)] };
    begin(guest, purpose).await?;
    guest.remember(|session| session.want(app.no, vec![scene.no]));
    Ok(to(&format!("/h5/errands/{}", app.id)))
}

/// Begins an errand. What is lit or linked already needs none: the waiting page says so.
pub async fn begin(guest: &Guest, purpose: Purpose) -> Result<(), Trouble> {
    let begun = guest.platform().account(guest.session.account, AccountCommand::Begin(purpose));
    match begun.await.map_err(Trouble::from) {
        Ok(AccountReply::Errand(_)) => Ok(()),
        Ok(_) => Err(Reason::Internal.into()),
        Err(Trouble { reason: Reason::AlreadyLit | Reason::AlreadyRegistered }) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// `GET /h5/scenes/{app}/{scene}/revoke`.
pub async fn revoke_page(
    guest: Guest,
    Path((app, scene)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    let app = guest.any_app(&app)?;
    let scene = guest.scene(&app, &scene)?;
    let summary = guest.opened().await?;
    let card = card(&app, &scene, &summary);
    if !card.lit {
        return Ok(to("/h5/scenes"));
    }
    page(&RevokePage { frame: guest.frame("/h5/scenes"), card })
}

/// `POST /h5/scenes/{app}/{scene}/revoke`.
pub async fn revoke(
    Path((app, scene)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let app = guest.any_app(&app)?;
    let scene = guest.scene(&app, &scene)?;
    let channel = guest.session.channel;
    let command = AccountCommand::Revoke { app: app.no, scene: scene.no, channel };
    match guest.platform().account(guest.session.account, command).await.map_err(Trouble::from) {
        // Sent twice: it is taken back already.
        Ok(_) | Err(Trouble { reason: Reason::SceneNotLit }) => {}
        Err(trouble) => return Err(trouble),
    }
    Ok(to("/h5/scenes?done=revoked"))
}
