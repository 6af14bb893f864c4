//! A citizen sent by a scene partner (journey 1, 01.Z202): one page for opening the account and
//! lighting the partner's scenes, and the signed way back.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use carbon_protocol::account::{Consent, Purpose, Summary};
use carbon_protocol::registry::{AgreementScope, App, Scene};
use carbon_protocol::{Day, Reason};

use super::agreements::{Shown, consents, shown};
use super::entering::opening_scopes;
use super::errands::{Standing, standing};
use super::frame::{Frame, page};
use super::guests::{Guest, Sent, to};
use super::malls::away;
use super::opening::open;
use super::result::signed_result;
use super::scenes::{begin, is_active, is_lit};
use super::sessions::Visit;
use super::speech::{masked_name, masked_number};
use super::trouble::Trouble;

/// One scene to choose.
#[derive(Debug, Clone)]
struct Choice {
    code: String,
    name: String,
    lit: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "partner.html", config = ".askama.toml")]
struct PartnerPage {
    frame: Frame,
    app_name: String,
    /// Who opens an account; empty where it is open.
    name: String,
    id_no: String,
    opening: Vec<Shown>,
    choices: Vec<Choice>,
    agreements: Vec<Shown>,
    warning: &'static str,
    returns: bool,
}

fn visit(guest: &Guest) -> Result<(Visit, Arc<App>), Trouble> {
    let visit = guest.session.visit.clone().ok_or(Reason::BadLink)?;
    let app = guest.app_no(visit.app)?;
    Ok((visit, app))
}

/// The scenes the partner asked for, as far as they can be lit by consent.
fn scenes(guest: &Guest, visit: &Visit, day: Day) -> Vec<Arc<Scene>> {
    let registry = guest.platform().registry();
    let open = |scene: &&Arc<Scene>| {
        scene.kind.is_lit_from_its_app() && scene.apps.contains(&visit.app) && is_active(scene, day)
    };
    visit.scenes.iter().filter_map(|no| registry.scene(*no)).filter(open).cloned().collect()
}

fn scene_agreements(guest: &Guest, app: &App, scene: &Scene, day: Day) -> Vec<Shown> {
    let scope = AgreementScope::Scene(app.id.clone(), scene.code.clone());
    shown(&guest.platform().registry(), &[scope], day)
}

/// `GET /h5/light`.
pub async fn show(guest: Guest) -> Result<Response, Trouble> {
    form(&guest, "").await
}

async fn form(guest: &Guest, warning: &'static str) -> Result<Response, Trouble> {
    let (visit, app) = visit(guest)?;
    let summary = guest.summary().await?;
    let newcomer = guest.session.newcomer.as_ref().filter(|_| !summary.open);
    if !summary.open && newcomer.is_none_or(|newcomer| newcomer.did.is_none()) {
        // Nobody has told who this is on the chain: the SMS code must.
        return Ok(to("/h5/open"));
    }
    let day = guest.platform().now()?.day();
    let scenes = scenes(guest, &visit, day);
    if scenes.is_empty() {
        return Err(Reason::SceneNotActive.into());
    }
    let choice = |scene: &Arc<Scene>| Choice {
        code: scene.code.to_string(),
        name: scene.name.clone(),
        lit: is_lit(&summary, app.no, scene.no),
    };
    let agreements = scenes.iter().flat_map(|scene| scene_agreements(guest, &app, scene, day));
    let opening = match newcomer {
        Some(_) => {
            shown(&guest.platform().registry(), &opening_scopes(&guest.state, &guest.session), day)
        }
        None => Vec::new(),
    };
    let person = newcomer.map(|newcomer| &newcomer.person);
    page(&PartnerPage {
        frame: guest.frame(""),
        app_name: app.name.clone(),
        name: person.map(|person| masked_name(&person.name)).unwrap_or_default(),
        id_no: person.map(|person| masked_number(&person.id_no, 1, 1)).unwrap_or_default(),
        opening,
        choices: scenes.iter().map(choice).collect(),
        agreements: agreements.collect(),
        warning,
        returns: visit.return_url.is_some(),
    })
}

/// `POST /h5/light`.
pub async fn light(sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    let (visit, app) = visit(guest)?;
    let lang = guest.lang;
    if sent.field("agree").is_empty() {
        let text = lang.say("请先阅读并同意以上协议。", "Please read and accept the agreements.");
        return form(guest, text).await;
    }
    let day = guest.platform().now()?.day();
    let mut chosen = scenes(guest, &visit, day);
    chosen.retain(|scene| sent.values("scene").any(|code| code == scene.code.as_str()));
    if chosen.is_empty() {
        let text = lang.say("请至少选择一个场景。", "Please choose at least one scene.");
        return form(guest, text).await;
    }
    let summary = guest.summary().await?;
    let changed = lang.say(
        "协议已更新，请重新阅读后再同意。",
        "The agreements have changed: please read them again.",
    );
    let Some((opening, lighting)) = agreed(&sent, &summary, &app, &chosen)? else {
        return form(guest, changed).await;
    };
    if !summary.open {
        let newcomer = guest.session.newcomer.clone().ok_or(Reason::SessionExpired)?;
        let Some(did) = newcomer.did.clone() else { return Ok(to("/h5/open")) };
        open(guest, newcomer, did, opening).await?;
    }
    guest.remember(|session| session.want(app.no, chosen.iter().map(|scene| scene.no).collect()));
    if !lighting.is_empty() {
        begin(guest, Purpose::Light { app: app.no, scenes: lighting }).await?;
    }
    Ok(to(&format!("/h5/errands/{}", app.id)))
}

/// Consents to the opening, and to each scene that is not lit.
type Agreed = (Vec<Consent>, Vec<(carbon_protocol::SceneNo, Vec<Consent>)>);

/// What was agreed to; none where the form showed other texts.
fn agreed(
    sent: &Sent,
    summary: &Summary,
    app: &App,
    chosen: &[Arc<Scene>],
) -> Result<Option<Agreed>, Trouble> {
    let guest = &sent.guest;
    let (at, channel) = (guest.platform().now()?, guest.session.channel);
    let opening = match summary.open {
        true => Vec::new(),
        false => {
            let scopes = opening_scopes(&guest.state, &guest.session);
            let needed = shown(&guest.platform().registry(), &scopes, at.day());
            match consents(&needed, sent.values("shown"), at, channel) {
                Some(consents) => consents,
                None => return Ok(None),
            }
        }
    };
    let mut lighting = Vec::new();
    for scene in chosen.iter().filter(|scene| !is_lit(summary, app.no, scene.no)) {
        let needed = scene_agreements(guest, app, scene, at.day());
        if needed.is_empty() {
            return Err(Reason::SceneNotActive.into());
        }
        match consents(&needed, sent.values("shown"), at, channel) {
            Some(consents) => lighting.push((scene.no, consents)),
            None => return Ok(None),
        }
    }
    Ok(Some((opening, lighting)))
}

/// `GET /h5/return`: back to the partner, with the result signed.
pub async fn back(guest: Guest) -> Result<Response, Trouble> {
    let (visit, app) = visit(&guest)?;
    let summary = guest.summary().await?;
    let standing = match summary.open {
        true => standing(&summary, &app, guest.session.wanted_of(app.no)),
        false => Standing::Nothing,
    };
    if standing == Standing::Waiting {
        return Ok(to(&format!("/h5/errands/{}", app.id)));
    }
    let url = signed_result(&guest, &visit, &app, &summary, standing)?;
    Ok(url.map_or_else(|| to("/h5/"), |url| away(&url)))
}
