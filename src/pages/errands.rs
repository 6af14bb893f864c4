//! The waiting page: what has become of a consent. It looks at the account every time, so it
//! survives reloads, restarts and double clicks.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use carbon_protocol::account::Summary;
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::{Reason, SceneNo};

use super::frame::{FormOrigins, Frame, page_leading_to};
use super::guests::{Guest, to};
use super::home::is_linked;
use super::scenes::is_lit;
use super::trouble::Trouble;

/// How an errand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Under way.
    Waiting,
    /// All scenes are lit.
    Lit,
    /// The mall is linked.
    Linked,
    /// It came to nothing; with the reason where it is known.
    Failed(Option<Reason>),
    /// Nothing was asked for.
    Nothing,
}

/// How an application's errand stands, as the account and this session know.
pub fn standing(summary: &Summary, app: &App, wanted: Option<&[SceneNo]>) -> Standing {
    let done = match app.role {
        AppRole::Mall => Standing::Linked,
        AppRole::Scene => Standing::Lit,
    };
    let reached = match (app.role, wanted) {
        (AppRole::Mall, _) => is_linked(summary, app.no),
        (AppRole::Scene, Some(wanted)) => {
            !wanted.is_empty() && wanted.iter().all(|scene| is_lit(summary, app.no, *scene))
        }
        (AppRole::Scene, None) => false,
    };
    if reached {
        return done;
    }
    match &summary.errand {
        Some(errand) if errand.app == app.no && errand.running => Standing::Waiting,
        Some(errand) if errand.app == app.no => match errand.failed {
            Some(reason) => Standing::Failed(Some(reason)),
            None if wanted.is_some() => Standing::Failed(None),
            None => done,
        },
        // The account shows its newest errand: ours may still be under way behind it.
        Some(errand) if errand.running && wanted.is_some() => Standing::Waiting,
        _ if wanted.is_some() => Standing::Failed(None),
        _ => Standing::Nothing,
    }
}

/// The page.
#[derive(Template)]
#[template(path = "errand.html", config = ".askama.toml")]
struct ErrandPage {
    frame: Frame,
    app: String,
    app_name: String,
    state: &'static str,
    /// Why it failed, for the citizen.
    explained: String,
    no_account: bool,
    mall: bool,
    /// Whether a partner waits for the result.
    returns: bool,
    retry: String,
}

/// `GET /h5/errands/{app}`.
pub async fn show(guest: Guest, Path(app): Path<String>) -> Result<Response, Trouble> {
    let app = guest.app(&app)?;
    let standing = ended(&guest, &app).await?;
    let mall = app.role == AppRole::Mall;
    let (state, reason) = match standing {
        Standing::Waiting => ("waiting", None),
        Standing::Lit => ("lit", None),
        Standing::Linked => ("linked", None),
        Standing::Failed(reason) => ("failed", reason),
        Standing::Nothing => return Ok(to("/h5/")),
    };
    let no_account = reason == Some(Reason::NoPartnerAccount);
    let explained = match (state, reason) {
        ("failed", Some(Reason::NoPartnerAccount)) => no_account_text(&guest, &app, mall),
        ("failed", Some(reason)) => guest.lang.reason(reason).to_owned(),
        _ => String::new(),
    };
    let visit = guest.session.visit.as_ref();
    let template = ErrandPage {
        frame: guest.frame(if state == "waiting" { "" } else { "/h5/" }),
        app: app.id.to_string(),
        app_name: app.name.clone(),
        state,
        explained,
        no_account,
        mall,
        returns: visit.is_some_and(|visit| visit.app == app.no && visit.return_url.is_some()),
        retry: match visit {
            Some(visit) if visit.app == app.no && !mall => "/h5/light".into(),
            _ if mall => format!("/h5/malls/{}/link", app.id),
            _ => "/h5/scenes".into(),
        },
    };
    page_leading_to(&template, FormOrigins::of(app.mall_url.as_deref().filter(|_| mall)))
}

/// How the errand stands, as soon as it has ended, or after a moment.
async fn ended(guest: &Guest, app: &App) -> Result<Standing, Trouble> {
    let wanted = guest.session.wanted_of(app.no);
    let vigil = guest.platform().vigil(guest.session.account);
    let now = standing(&guest.opened().await?, app, wanted);
    let moment = Duration::from_millis(guest.state.config().errand_wait_ms);
    if now == Standing::Waiting && tokio::time::timeout(moment, vigil.ended()).await.is_ok() {
        return Ok(standing(&guest.opened().await?, app, wanted));
    }
    Ok(now)
}

/// What a citizen without an account at the partner is told: the partner's words, or ours.
fn no_account_text(guest: &Guest, app: &App, mall: bool) -> String {
    let own = app.no_account_text.as_deref().filter(|text| !text.trim().is_empty());
    let default = match mall {
        true => guest.lang.say(
            "未查到您的实名账户。请携带身份证件到该机构的线下营业网点开户，然后再来授权。",
            "No account was found under your real name. Please open one at a branch of this \
             institution, with your ID, and come again.",
        ),
        false => guest.lang.say(
            "未查到您的实名账户。请先在对方应用中注册并完成实名认证，然后再来点亮。",
            "No account was found under your real name. Please register in the partner's app, \
             verify your real name there, and come again.",
        ),
    };
    own.unwrap_or(default).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_protocol::account::{
        ErrandView, GramsBook, LinkView, LitPeriod, PointsBook, SceneView,
    };
    use carbon_protocol::{AppId, AppNo, Ccid, ErrandNo, PartnerId, Timestamp};

    fn app(role: AppRole) -> App {
        App {
            no: AppNo(1),
            id: AppId::parse("metro").unwrap(),
            partner: PartnerId::parse("p").unwrap(),
            role,
            name: "地铁".into(),
            chain_code: "c".into(),
            base_url: String::new(),
            return_hosts: Vec::new(),
            mall_url: None,
            no_account_text: None,
            sandbox: true,
            keys: Vec::new(),
            newest_key: 0,
            suspended: false,
            tokens: [Timestamp(0); 2],
        }
    }

    fn summary(errand: Option<(u16, bool, Option<Reason>)>, lit: &[u16], mall: bool) -> Summary {
        let period = LitPeriod { from: Timestamp(1), to: None, consents: Vec::new() };
        Summary {
            closed_at: None,
            erased: false,
            open: true,
            opened_at: Timestamp(1),
            did: None,
            links: vec![LinkView {
                app: AppNo(1),
                ccid: Ccid::parse("c1").unwrap(),
                partner_uid: None,
                mall_linked: mall,
                mall_consents: Vec::new(),
                mall_changed_at: None,
            }],
            scenes: lit
                .iter()
                .map(|scene| SceneView {
                    scene: SceneNo(*scene),
                    app: AppNo(1),
                    periods: vec![period.clone()],
                })
                .collect(),
            running: Vec::new(),
            errand: errand.map(|(app, running, failed)| ErrandView {
                errand: ErrandNo(3),
                app: AppNo(app),
                running,
                failed,
            }),
            totals: Vec::new(),
            lots: Vec::new(),
            points: PointsBook::default(),
            grams: GramsBook::default(),
        }
    }

    #[test]
    fn the_standing_follows_the_account_and_not_the_click() {
        use Standing::{Failed, Linked, Lit, Nothing, Waiting};
        let none = Reason::NoPartnerAccount;
        let wanted = Some(&[SceneNo(7)][..]);
        let scene = app(AppRole::Scene);
        for (name, errand, lit, wanted, expected) in [
            ("under way", Some((1, true, None)), &[][..], wanted, Waiting),
            ("lit", Some((1, false, None)), &[7], wanted, Lit),
            ("lit, whatever runs elsewhere", Some((2, true, None)), &[7], wanted, Lit),
            ("behind another errand", Some((2, true, None)), &[], wanted, Waiting),
            ("failed", Some((1, false, Some(none))), &[], wanted, Failed(Some(none))),
            (
                "another scene is lit",
                Some((1, false, Some(none))),
                &[6],
                wanted,
                Failed(Some(none)),
            ),
            ("abandoned", Some((1, false, None)), &[], wanted, Failed(None)),
            ("never begun", None, &[], wanted, Failed(None)),
            ("a new session", Some((1, false, None)), &[7], None, Lit),
            ("a new session, running", Some((1, true, None)), &[], None, Waiting),
            ("nothing asked", None, &[], None, Nothing),
        ] {
            assert_eq!(standing(&summary(errand, lit, false), &scene, wanted), expected, "{name}");
        }
        let mall = app(AppRole::Mall);
        let running = Some((1, true, None));
        assert_eq!(standing(&summary(running, &[], false), &mall, Some(&[])), Waiting);
        assert_eq!(standing(&summary(None, &[], true), &mall, None), Linked);
    }
}
