//! The four journeys, each citizen's own: opening by one way or the other, lighting, the mall, and
//! taking a consent back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use carbon_protocol::contracts::identity::{H5, H5Request, H5Result, H5ResultRequest, H5Status};
use carbon_protocol::contracts::m405::{Visitor, VisitorRequest};
use carbon_protocol::contracts::z102::{Entry, EntryPage, EntryRequest};
use carbon_protocol::contracts::z202::Consented;
use carbon_protocol::{Ccid, SceneCode};
use url::Url;

use super::browser::Browser;
use super::cast::{Cast, Player};
use super::population::{Citizen, Way};
use super::trips::DemoScene;
use super::visits::{self, Outcome};

/// Every so many citizens of journey 1, the partner does not know the phone: the H5 asks for it.
const NO_PHONE_EVERY: usize = 10;
/// How long 4.4.5 may say "pending" after the citizen has finished.
const RESULT_WITHIN: Duration = Duration::from_secs(10);

/// What came of a citizen's opening and lighting.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Pseudonyms that partners learnt on the way, by application.
    pub ccids: BTreeMap<usize, String>,
    /// Scenes lit: application and code.
    pub lit: Vec<(usize, SceneCode)>,
}

/// Opens the account by the citizen's way, and lights all scenes.
pub async fn open_and_light(cast: &Cast, citizen: &Citizen) -> anyhow::Result<Opened> {
    let mut opened = Opened::default();
    let scenes: Vec<&DemoScene> =
        citizen.lights.iter().filter_map(|scene| cast.scene(*scene)).collect();
    let Some(first) = scenes.first() else { return Ok(opened) };
    let mut browser = cast.browser();
    match citizen.way {
        Way::PartnerApp => {
            let player = cast.player(first.app)?;
            let own: Vec<&&DemoScene> = scenes.iter().filter(|s| s.app == first.app).collect();
            let codes: Vec<SceneCode> = own.iter().map(|scene| scene.code.clone()).collect();
            let ccid = register(cast, player, citizen, &mut browser).await?;
            consent(cast, player, citizen, &mut browser, &ccid, &codes).await?;
            opened.ccids.insert(first.app, ccid.to_string());
            opened.lit.extend(codes.into_iter().map(|code| (first.app, code)));
            let rest: Vec<&&DemoScene> = scenes.iter().filter(|s| s.app != first.app).collect();
            if !rest.is_empty() {
                let home = enter_from_city(cast, citizen, &mut browser).await?;
                light_each(cast, &mut browser, &home, &rest, &mut opened).await?;
            }
        }
        Way::CityApp => {
            let page = visits::enter(&mut browser, &cast.city_link(citizen)?).await?;
            let page =
                visits::open_account(&mut browser, &page, || cast.sms_code(&citizen.phone)).await?;
            ensure!(page.url.path() == "/h5/scenes", "opening led to {}", page.url.path());
            let all: Vec<&&DemoScene> = scenes.iter().collect();
            light_each(cast, &mut browser, &page.url, &all, &mut opened).await?;
        }
    }
    Ok(opened)
}

async fn light_each(
    cast: &Cast,
    browser: &mut Browser,
    home: &Url,
    scenes: &[&&DemoScene],
    opened: &mut Opened,
) -> anyhow::Result<()> {
    for scene in scenes {
        let app = cast.player(scene.app)?.app.as_str();
        let code = scene.code.as_str();
        match visits::light(browser, home, app, code).await? {
            Outcome::Done(_) => opened.lit.push((scene.app, scene.code.clone())),
            Outcome::Failed => bail!("lighting {code} of {app} failed"),
        }
    }
    Ok(())
}

/// Enters the carbon zone from 随申办, with an account.
pub async fn enter_from_city(
    cast: &Cast,
    citizen: &Citizen,
    browser: &mut Browser,
) -> anyhow::Result<Url> {
    let page = visits::enter(browser, &cast.city_link(citizen)?).await?;
    Ok(page.url)
}

/// Journey 1, first half: the partner opens the identity service's H5; the citizen confirms and
/// types the code; the partner asks what came of it.
async fn register(
    cast: &Cast,
    player: &Player,
    citizen: &Citizen,
    browser: &mut Browser,
) -> anyhow::Result<Ccid> {
    let phone_known = !citizen.no.is_multiple_of(NO_PHONE_EVERY);
    let question = H5Request {
        name: player.sealed("name", &citizen.name),
        id_no: player.sealed("idNo", &citizen.id_no),
        phone: phone_known.then(|| player.sealed("phone", &citizen.phone)),
        return_url: player.return_url.clone(),
    };
    let h5: H5 = player.chain.must("4.4.2", &question).await?;
    let url = Url::parse(&h5.url).context("the address of the identity H5")?;
    let page = browser.open("identity H5", &url).await?.expect_ok("the identity H5")?;
    let form = page.form("/h5/")?;
    let phone = ("phone", citizen.phone.as_str());
    let filled: &[(&str, &str)] = if phone_known { &[] } else { &[phone] };
    let page = browser.submit("identity H5", &page, &form, filled).await?.expect_ok("the code")?;
    let code = cast.sms_code(&citizen.phone).await?;
    let form = page.form("/h5/")?;
    let page = browser.submit("identity H5", &page, &form, &[("code", &code)]).await?;
    page.leaves_for.clone().with_context(|| format!("the identity H5 ended at {}", page.status))?;
    let question = H5ResultRequest { serial: h5.serial };
    let deadline = tokio::time::Instant::now() + RESULT_WITHIN;
    loop {
        let result: H5Result = player.chain.must("4.4.5", &question).await?;
        match (result.status, result.ccid) {
            (H5Status::Done, Some(ccid)) => return Ok(ccid),
            (H5Status::Pending, _) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (status, _) => bail!("4.4.5 says {status:?} after the citizen has finished"),
        }
    }
}

/// Journey 1, second half: the partner's link to the consent page, and the signed result.
async fn consent(
    cast: &Cast,
    player: &Player,
    citizen: &Citizen,
    browser: &mut Browser,
    ccid: &Ccid,
    scenes: &[SceneCode],
) -> anyhow::Result<()> {
    // Some partners say who their user is; the others are asked by C101.
    let said = citizen.no.is_multiple_of(4);
    let state = format!("visit-{}", citizen.no);
    let question = EntryRequest {
        page: EntryPage::Light,
        scenes: scenes.to_vec(),
        ccid: Some(ccid.clone()),
        name: None,
        id_no: None,
        phone: None,
        partner_uid: said.then(|| (player.uid)(&citizen.id_no)).flatten(),
        real_name_verified: true,
        return_url: Some(player.return_url.clone()),
        state: Some(state.clone()),
    };
    let entry: Entry = player.caller.must("Z102", &question).await?;
    let link = cast.platform.join(&entry.url).context("the link of Z102")?;
    let back = visits::consent_for_partner(browser, &link).await?;
    let result = returned(&back)?;
    ensure!(result.is_signed_with(&player.sign_key), "the citizen returned with a wrong signature");
    let mut lit: Vec<&str> = result.scenes.split(',').collect();
    let mut wanted: Vec<&str> = scenes.iter().map(SceneCode::as_str).collect();
    lit.sort_unstable();
    wanted.sort_unstable();
    let as_wanted = result.code == "0" && result.state == state && lit == wanted;
    ensure!(
        as_wanted && result.ccid.as_ref() == Some(ccid),
        "the citizen returned with {result:?}"
    );
    Ok(())
}

fn returned(url: &Url) -> anyhow::Result<Consented> {
    let mut fields = serde_json::Map::new();
    for (name, value) in url.query_pairs() {
        let value = match &*name {
            "timestamp" => value.parse::<i64>()?.into(),
            _ => value.into_owned().into(),
        };
        fields.insert(name.into_owned(), value);
    }
    Ok(serde_json::from_value(fields.into())?)
}

/// Journey 4: consents to the mall, enters it; the mall asks who it is. The pseudonym.
pub async fn visit_mall(cast: &Cast, citizen: &Citizen) -> anyhow::Result<Ccid> {
    let mall = cast.player(cast.mall())?;
    let mut browser = cast.browser();
    let home = enter_from_city(cast, citizen, &mut browser).await?;
    let ended = match visits::link_mall(&mut browser, &home, mall.app.as_str()).await? {
        Outcome::Done(ended) => ended,
        Outcome::Failed => bail!("linking the mall failed"),
    };
    let url = visits::enter_mall(&mut browser, &ended, mall.app.as_str()).await?;
    let code = url.query_pairs().find(|(name, _)| name == "authCode");
    let (_, auth_code) = code.context("the mall was opened without an authCode")?;
    let question = VisitorRequest { auth_code: auth_code.into_owned() };
    let visitor: Visitor = mall.caller.must("02/Z405", &question).await?;
    let first: String = citizen.name.chars().take(1).collect();
    ensure!(visitor.masked_name.starts_with(&first), "the mall was told another name");
    ensure!(visitor.masked_name != citizen.name, "the mall was told the whole name");
    let again = mall.caller.call::<_, Visitor>("02/Z405", &question).await?;
    ensure!(again.is_err(), "an authCode was taken twice");
    Ok(visitor.ccid)
}

/// Takes the consent to the first scene back.
pub async fn revoke(cast: &Cast, citizen: &Citizen) -> anyhow::Result<(usize, SceneCode)> {
    let scene = citizen.lights.first().and_then(|scene| cast.scene(*scene));
    let scene = scene.context("nothing was lit")?;
    let app = cast.player(scene.app)?.app.as_str();
    let mut browser = cast.browser();
    let home = enter_from_city(cast, citizen, &mut browser).await?;
    visits::revoke(&mut browser, &home, app, scene.code.as_str()).await?;
    Ok((scene.app, scene.code.clone()))
}
