//! Makes the cast out of the sandbox: registers it at the platform, gets tokens, reads the distance
//! dictionary, and tells which methodology each scene measures by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use carbon_protocol::contracts::PAGE_LIMIT;
use carbon_protocol::contracts::z101::{Token, TokenRequest};
use carbon_protocol::contracts::z203::AuthorizationPush;
use carbon_protocol::contracts::z301::Distances;
use carbon_protocol::contracts::z305::IssuancePush;
use carbon_protocol::seal::DataKey;
use carbon_protocol::{AppId, Label, MethodologyId, Metres, SceneCode};
use url::Url;

use super::caller::{Caller, Operator};
use super::cast::{Cast, Player, Received};
use super::latency::Latencies;
use super::progress::Progress;
use super::trips::{DemoScene, Measure};
use super::{BUS_CAP, DemoConfig, Report, play, scenery};
use crate::sandbox::{self, Deliveries, Partner, Sandbox};
use crate::wire::Web;

/// How long any answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Registers the sandbox, plays the whole journey, compares everything with the books.
pub async fn run(config: DemoConfig, sandbox: &Sandbox) -> anyhow::Result<Report> {
    let (began, latencies) = (Instant::now(), Arc::new(Latencies::default()));
    let progress = Arc::new(Progress::new(config.quiet));
    let stage = progress.stage("registering partners", sandbox.partners().count());
    let cast = cast(&config, sandbox, &latencies).await?;
    drop(stage);
    let operator = operator(&config, &cast);
    play(&config, cast, operator, progress.clone(), began).await
}

/// The operator of a run.
pub fn operator(config: &DemoConfig, cast: &Cast) -> Operator {
    let (web, base) = (cast.web.clone(), cast.platform.clone());
    Operator::new(web, base, config.operator_key.clone(), cast.latencies.clone())
}

/// Everybody who plays, registered and with tokens.
pub async fn cast(
    config: &DemoConfig,
    sandbox: &Sandbox,
    latencies: &Arc<Latencies>,
) -> anyhow::Result<Cast> {
    let platform = Url::parse(&config.platform_url).context("the platform's address")?;
    let identity = Url::parse(&sandbox.identity_access().base)?;
    let operator = sandbox::Operator::new(&config.platform_url, &config.operator_key)?;
    sandbox.register(&config.platform_url, &operator).await.context("registering the sandbox")?;
    let web = Web::new(ANSWER_WITHIN);
    let mut players = Vec::new();
    let mut scenes: Vec<DemoScene> = Vec::new();
    for (app, partner) in sandbox.partners().enumerate() {
        let player = player(partner, &web, &platform, &identity, latencies)?;
        let token: Token = player.caller.must("Z101", &TokenRequest {}).await?;
        player.caller.carry(token.token);
        for (code, _, methodology) in partner.profile().scenes {
            scenes.push(scene(app, code, methodology, &player.caller).await?);
        }
        players.push(player);
    }
    let city_key = DataKey::from_hex(&config.city_app_key).context("the city app's key")?;
    let (homes, scenes) = scenes.into_iter().partition(|scene| scene.measure == Measure::Home);
    let latencies = latencies.clone();
    Ok(Cast { platform, identity, city_key, players, scenes, homes, web, latencies })
}

fn player(
    partner: &Partner,
    web: &Web,
    platform: &Url,
    identity: &Url,
    latencies: &Arc<Latencies>,
) -> anyhow::Result<Player> {
    let (keys, chain) = (partner.keys().clone(), partner.chain_keys().clone());
    let caller = |base: &Url, keys: &sandbox::wire::Keys| {
        Caller::new(web.clone(), base.clone(), keys.clone(), latencies.clone())
    };
    let (users, pushes) = (partner.clone(), partner.deliveries().clone());
    let collector = partner.clone();
    Ok(Player {
        app: AppId::parse(&keys.app)?,
        caller: caller(platform, &keys),
        chain: caller(identity, &chain),
        chain_code: chain.app.clone(),
        chain_key: chain.data.clone(),
        return_url: format!("{}/return", partner.base()),
        sign_key: keys.sign.to_vec(),
        uid: Box::new(move |id_no| users.account_of(id_no)),
        collected: Box::new(move |batch| collector.collected(batch)),
        received: Box::new(move || received(&pushes)),
    })
}

/// What a partner's server took; a push whose signature was wrong was not.
fn received(deliveries: &Deliveries) -> Received {
    let mut received = Received::default();
    for delivery in deliveries.all().iter().filter(|delivery| delivery.verified) {
        if let Ok(push) = delivery.read::<AuthorizationPush>() {
            received.authorizations.extend(push.items);
        } else if let Ok(push) = delivery.read::<IssuancePush>() {
            received.issuances.extend(push.items);
        }
    }
    received
}

async fn scene(
    app: usize,
    code: &str,
    methodology: &str,
    caller: &Caller,
) -> anyhow::Result<DemoScene> {
    let measure = match methodology {
        "SHCER02020022024II" => Measure::Rail,
        "SHCER02020012024II" => Measure::Bus,
        "SHCER02020032024II" => Measure::Bike,
        "SHCER02020042024II" => Measure::Car,
        "SHCER02010022024II" => Measure::Home,
        other => bail!("no trips are drawn for the methodology {other}"),
    };
    let stations = if measure == Measure::Rail { stations(caller).await? } else { Vec::new() };
    Ok(DemoScene {
        app,
        code: SceneCode::parse(code)?,
        measure,
        methodology: scenery::methodology(measure, MethodologyId::parse(methodology)?),
        daily_cap: (measure == Measure::Bus).then_some(BUS_CAP),
        stations,
    })
}

/// A page of the distance dictionary (01.Z301).
async fn stations(caller: &Caller) -> anyhow::Result<Vec<(Label, Label, Metres)>> {
    let page: Distances = caller.ask(&format!("01/Z301?limit={PAGE_LIMIT}")).await?;
    let pairs = page.pairs.into_iter().map(|pair| (pair.from, pair.to, pair.distance_metres));
    Ok(pairs.filter(|(_, _, metres)| !metres.is_zero()).collect())
}
