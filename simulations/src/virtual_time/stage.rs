//! The stage of the virtual world: a running platform, how it is asked, and what is declared on it.

use std::sync::Arc;
use std::time::Duration;

use carbon_actors::platform::Platform;
use carbon_actors::ports::Failure;
use carbon_actors::refusal::Refusal;
use carbon_protocol::account::{AccountCommand, AccountReply, Channel, Consent, Look, Summary};
use carbon_protocol::courier::{CourierCommand, PushKind};
use carbon_protocol::methodology::{Formula, Methodology};
use carbon_protocol::policy::{ClosingFreezes, Cycle, Policy, SameTrip};
use carbon_protocol::registry::{
    Agreement, AgreementScope, App, AppRole, Partner, RegistryCommand, Scene, SceneKind,
};
use carbon_protocol::signature::sm3;
use carbon_protocol::{
    AccountId, AgreementId, AppId, AppNo, Day, MethodologyId, PartnerId, Reason, SceneCode,
    SceneNo, TextNo, Timestamp,
};

use super::outside::Outside;
use super::world::World;

/// The applications of scene partners; each has the scene of its own number.
pub const SCENE_APPS: [AppNo; 2] = [AppNo(1), AppNo(2)];
/// The mall's application.
pub const MALL: AppNo = AppNo(3);
/// Grams for one point.
pub const GRAMS_PER_POINT: u64 = 10;
/// How long a question is repeated before somebody must say that it is never answered.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A running platform in the world.
#[derive(Clone)]
pub struct Stage {
    /// The world.
    pub world: Arc<World>,
    /// Who stands outside.
    pub outside: Outside,
    /// The platform of this life.
    pub platform: Platform,
}

/// The scene of a scene partner's application.
pub fn scene_of(app: AppNo) -> SceneNo {
    SceneNo(app.0)
}

/// The chain code of an application.
pub fn chain_code(app: AppNo) -> String {
    format!("chain-{app}")
}

/// The policy: round numbers, holds of two minutes.
pub fn policy() -> Policy {
    Policy {
        version: 1,
        effective: Day(0),
        source: "made up".into(),
        verified: false,
        grams_per_point: GRAMS_PER_POINT,
        points_months: 12,
        refund_lot_days: 30,
        acceptance_days: 30,
        correction_days: 30,
        future_tolerance_seconds: 300,
        grams_tolerance: 1,
        freeze_seconds: 120,
        daily_caps: Vec::new(),
        monthly_caps: Vec::new(),
        four_eyes: false,
        issuance_cycle: Cycle::Any,
        settlement_cycle: Cycle::Day,
        closing_freezes: ClosingFreezes::Release,
        reopening_days: 30,
        same_trip: SameTrip::First,
    }
}

/// A consent to something, given now.
pub fn consent(at: Timestamp) -> Consent {
    Consent { text: TextNo(1), at, channel: Channel::CityApp }
}

impl Stage {
    /// Asks until there is a definite answer, as a patient caller does: the same question, however
    /// often something breaks. Nobody hears the answer of a process that has died.
    pub async fn insist<T, F: Future<Output = Result<T, Refusal>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, Reason> {
        let asked = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = ask().await;
                if self.world.is_dead() {
                    std::future::pending::<()>().await;
                }
                match answer {
                    Ok(answer) => return Ok(answer),
                    Err(Refusal::No(rejection)) => return Err(rejection.reason),
                    Err(Refusal::Broken(Failure::Invariant(invariant))) => {
                        self.world.wrong(format!("an actor stopped on {invariant}"));
                        std::future::pending::<()>().await;
                    }
                    Err(Refusal::Broken(_)) => self.world.wait(50..=1_000).await,
                }
            }
        });
        match asked.await {
            Ok(answer) => answer,
            Err(_) => {
                self.world.wrong("a question is not answered for an hour");
                std::future::pending().await
            }
        }
    }

    /// Asks an account until it answers.
    pub async fn account(
        &self,
        id: AccountId,
        command: &AccountCommand,
    ) -> Result<AccountReply, Reason> {
        self.insist(|| self.platform.account(id, command.clone())).await
    }

    /// An account at a glance.
    pub async fn summary(&self, id: AccountId) -> Option<Summary> {
        match self.account(id, &AccountCommand::Look(Look::Summary)).await {
            Ok(AccountReply::Summary(summary)) => Some(*summary),
            other => {
                self.world.wrong(format!("a summary is answered {other:?}"));
                None
            }
        }
    }

    /// Declares partners, applications, scenes and addresses, in peace.
    pub async fn declare(&self) -> anyhow::Result<()> {
        let partner = |id: &str| PartnerId::parse(id);
        let methodology = MethodologyId::parse("ride")?;
        let mut declarations = vec![RegistryCommand::AdoptMethodologies(vec![Methodology {
            id: methodology.clone(),
            title: "ride".into(),
            version: 1,
            effective: Day(0),
            source: "made up".into(),
            verified: false,
            formula: Formula::Bus { g_per_ride: 100.into() },
        }])];
        let text = "<p>made up</p>".to_owned();
        declarations.push(RegistryCommand::PublishAgreement(Box::new(Agreement {
            no: TextNo(0),
            id: AgreementId::parse("scene")?,
            scope: AgreementScope::Platform,
            title: "made up".into(),
            version: 1,
            effective: Day(0),
            language: "zh-CN".into(),
            sm3: sm3(text.as_bytes()),
            text,
        })));
        for (app, role) in
            SCENE_APPS.map(|app| (app, AppRole::Scene)).into_iter().chain([(MALL, AppRole::Mall)])
        {
            let (id, name) = (format!("app-{app}"), format!("partner-{app}"));
            let owner =
                Partner { id: partner(&name)?, name: name.clone(), credit_code: None, did: None };
            declarations.push(RegistryCommand::RegisterPartner(owner));
            declarations.push(RegistryCommand::RegisterApp(Box::new(App {
                no: AppNo(0),
                id: AppId::parse(&id)?,
                partner: partner(&name)?,
                role,
                name,
                chain_code: chain_code(app),
                base_url: "http://127.0.0.1:1".into(),
                return_hosts: Vec::new(),
                mall_url: None,
                no_account_text: None,
                sandbox: true,
                keys: Vec::new(),
                newest_key: 0,
                suspended: false,
                tokens: [Timestamp(0); 2],
            })));
        }
        for app in SCENE_APPS {
            declarations.push(RegistryCommand::DeclareScene(Box::new(Scene {
                no: SceneNo(0),
                code: SceneCode::parse(&format!("bus-{app}"))?,
                name: "bus".into(),
                kind: SceneKind::Standard,
                link: None,
                methodology: methodology.clone(),
                apps: vec![app],
                active_from: self.world.wall().day().plus(-300),
                active_to: self.world.wall().day().plus(300),
            })));
        }
        for declaration in declarations {
            self.platform.register(declaration).await?;
        }
        let scenes = SCENE_APPS.map(|app| (app, AppRole::Scene));
        for (app, role) in scenes.into_iter().chain([(MALL, AppRole::Mall)]) {
            for kind in PushKind::of(role).iter().copied() {
                let url = format!("http://127.0.0.1:1/{}", kind.code());
                self.platform.courier(app, CourierCommand::SetAddress { kind, url }).await?;
            }
        }
        Ok(())
    }
}
