//! Makes the sandbox known to a platform: partners, applications, scenes and agreements by the
//! operator's interface, push addresses by the partners' own. All of it can be repeated.

use anyhow::{Context as _, bail};
use carbon_protocol::contracts::admin::{
    AgreementRequest, AppRequest, PartnerRequest, SceneRequest,
};
use carbon_protocol::contracts::z601::{AddressRequest, Addresses, SetAddress};
use carbon_protocol::courier::PushKind;
use carbon_protocol::registry::{AgreementScope, AppRole, SceneKind};
use carbon_protocol::{
    AgreementId, AppId, CreditCode, Day, MethodologyId, PartnerId, Reason, SceneCode,
};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::client::Operator;
use super::partner::Partner;
use super::{Client, Sandbox};

/// From when agreements and approvals hold.
const FROM: &str = "2024-01-01";
/// Until when the scenes are approved.
const TO: &str = "2035-12-31";

impl Sandbox {
    /// Declares all partners at a platform: what is declared already, by an earlier call or by the
    /// platform's own templates, is left as it is. Then every application gets a token and sets
    /// its push addresses. `base` is the platform's base URL. The clients of the partners, in the
    /// order of [`Sandbox::partners`].
    pub async fn register(&self, base: &str, operator: &Operator) -> anyhow::Result<Vec<Client>> {
        let mut clients = Vec::new();
        for partner in self.partners() {
            declare(partner, operator)
                .await
                .with_context(|| format!("declaring {}", partner.profile().app))?;
            let client = self.client(partner, base)?;
            address(partner, &client)
                .await
                .with_context(|| format!("push addresses of {}", partner.profile().app))?;
            // A second registration finds the client there: its keys are the same.
            let _ = partner.0.client.set(client.clone());
            clients.push(client);
        }
        Ok(clients)
    }
}

async fn declare(partner: &Partner, operator: &Operator) -> anyhow::Result<()> {
    let profile = partner.profile();
    let id = PartnerId::parse(profile.partner)?;
    let (name, credit_code) =
        (profile.partner_name.into(), Some(CreditCode::parse(profile.credit_code)?));
    post(operator, "partners", &PartnerRequest { id, name, credit_code }).await?;
    post(operator, "applications", &application(partner)?).await?;
    let app = AppId::parse(profile.app)?;
    for (code, name, methodology) in profile.scenes {
        let scene = SceneRequest {
            scene: SceneCode::parse(code)?,
            name: (*name).into(),
            kind: SceneKind::Standard,
            link: None,
            methodology: MethodologyId::parse(methodology)?,
            app_ids: vec![app.clone()],
            active_from: FROM.parse()?,
            active_to: TO.parse()?,
        };
        post(operator, "scenes", &scene).await?;
    }
    for agreement in agreements(partner, &app)? {
        post(operator, "agreements", &agreement).await?;
    }
    Ok(())
}

fn application(partner: &Partner) -> anyhow::Result<AppRequest> {
    let profile = partner.profile();
    let base = Url::parse(partner.base()).context("the sandbox server has not started")?;
    let host = base.host_str().context("a sandbox server has a host")?;
    let host = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let keys = partner.keys();
    Ok(AppRequest {
        app_id: AppId::parse(profile.app)?,
        partner_id: PartnerId::parse(profile.partner)?,
        role: profile.role,
        name: profile.name.into(),
        chain_code: profile.app.into(),
        base_url: partner.base().into(),
        return_hosts: vec![host],
        mall_url: (profile.role == AppRole::Mall).then(|| format!("{}/mall", partner.base())),
        no_account_text: None,
        sandbox: true,
        sign_key: Some(hex::encode(&keys.sign)),
        public_key: None,
        data_key: Some(hex::encode(keys.data.bytes())),
    })
}

/// The agreements that an application needs, under the ids that the platform's templates have: a
/// platform that filled them in already keeps its own.
fn agreements(partner: &Partner, app: &AppId) -> anyhow::Result<Vec<AgreementRequest>> {
    let (profile, effective): (_, Day) = (partner.profile(), FROM.parse()?);
    let agreement = |id: String, scope, title: String| -> anyhow::Result<AgreementRequest> {
        let text = format!("<h1>{title}</h1><p>沙箱示例文本，仅供联调使用，不具法律效力。</p>");
        let (id, language) = (AgreementId::parse(&id)?, "zh-CN".to_owned());
        Ok(AgreementRequest { id, scope, title, version: 1, effective, language, text })
    };
    let name = profile.name;
    if profile.role == AppRole::Mall {
        let title = format!("{name}碳普惠权益商城用户授权协议");
        let scope = AgreementScope::Mall(app.clone());
        return Ok(vec![agreement(format!("mall-{app}"), scope, title)?]);
    }
    let own = AgreementScope::App(app.clone());
    let mut all = vec![
        agreement(format!("user-{app}"), own.clone(), format!("{name}用户协议"))?,
        agreement(format!("privacy-{app}"), own, format!("{name}隐私政策"))?,
    ];
    for (code, scene, _) in profile.scenes {
        let scope = AgreementScope::Scene(app.clone(), SceneCode::parse(code)?);
        let title = format!("{name}{scene}碳普惠场景用户授权协议");
        all.push(agreement(format!("scene-{app}-{code}"), scope, title)?);
    }
    Ok(all)
}

/// Declares one thing; that it is declared already is as good.
async fn post(operator: &Operator, path: &str, request: &impl Serialize) -> anyhow::Result<()> {
    let answered = operator.post::<_, Value>(path, request).await?;
    match answered.reason() {
        None if answered.status == 200 => Ok(()),
        Some(Reason::AlreadyRegistered) => {
            tracing::info!(path, "declared already, perhaps otherwise: left as it is");
            Ok(())
        }
        reason => {
            let (field, detail) = (answered.envelope.field, answered.envelope.detail);
            bail!("{path} was refused: {} {reason:?} {field:?} {detail:?}", answered.status)
        }
    }
}

/// Z601 / 02.Z501: where pushes go; the platform asks the address a challenge meanwhile. Bills are
/// not wanted: these partners ask for them.
async fn address(partner: &Partner, client: &Client) -> anyhow::Result<()> {
    let role = partner.profile().role;
    let code = match role {
        AppRole::Scene => "01/Z601",
        AppRole::Mall => "02/Z501",
    };
    for kind in PushKind::of(role).iter().filter(|kind| !kind.is_of_bill()) {
        let url = partner.push_url(kind.code());
        let set = Some(SetAddress { kind: *kind, url });
        let request = AddressRequest { set, pause: None };
        client.call::<_, Addresses>(code, &request).await?.data()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::extract::State;
    use axum::response::Response;
    use axum::routing::post;
    use carbon_protocol::contracts::m405::{Visitor, VisitorRequest};
    use carbon_protocol::contracts::z101::Token;
    use carbon_protocol::{Ccid, Rejection};
    use parking_lot::Mutex;
    use serde_json::json;

    use super::super::client::http;
    use super::super::tests::sandbox;
    use super::super::wire::{self, Incoming, Keys};
    use super::*;

    /// As much of a platform as registering needs; declares each thing once, keeps addresses.
    #[derive(Clone)]
    struct Platform {
        keys: Arc<Vec<Keys>>,
        declared: Arc<Mutex<Vec<(String, Value)>>>,
        addresses: Arc<Mutex<Vec<String>>>,
    }

    async fn declared(State(platform): State<Platform>, incoming: Incoming) -> Response {
        assert_eq!(incoming.header("authorization"), Some("Bearer operator"));
        let thing = (incoming.uri.path().to_owned(), incoming.read::<Value>().unwrap());
        let mut declared = platform.declared.lock();
        let outcome = if declared.contains(&thing) {
            Err(Rejection::new(Reason::AlreadyRegistered))
        } else {
            declared.push(thing);
            Ok(json!({ "replay": false }))
        };
        wire::answer(&platform.keys[0], outcome)
    }

    async fn called(State(platform): State<Platform>, incoming: Incoming) -> Response {
        let app = incoming.header("x-app-id").unwrap();
        let keys = platform.keys.iter().find(|keys| keys.app == app).unwrap();
        wire::verify(&incoming, keys, &wire::Nonces::default()).unwrap();
        match incoming.uri.path() {
            "/api/v1/Z101" => {
                let token = Token { token: "t".into(), expires_in_seconds: 7200 };
                wire::answer(keys, Ok(token))
            }
            "/api/v1/02/Z405" => {
                let request: VisitorRequest = incoming.read().unwrap();
                wire::answer(keys, visitor(&request.auth_code))
            }
            path => {
                let request: AddressRequest = incoming.read().unwrap();
                let url = request.set.unwrap().url;
                platform.addresses.lock().push(format!("{path} {url}"));
                wire::answer(keys, Ok(Addresses { addresses: Vec::new() }))
            }
        }
    }

    fn visitor(auth_code: &str) -> Result<Visitor, Rejection> {
        if auth_code != "good" {
            return Err(Reason::BadAuthCode.into());
        }
        Ok(Visitor {
            ccid: Ccid::parse("did:shcc:1").unwrap(),
            partner_uid: None,
            masked_name: "<张*".into(),
            masked_phone: None,
        })
    }

    #[tokio::test]
    async fn everything_is_declared_once_and_the_mall_greets_who_comes_with_a_code() {
        let sandbox = sandbox().await;
        let platform = Platform {
            keys: Arc::new(sandbox.partners().map(|partner| partner.keys().clone()).collect()),
            declared: Arc::default(),
            addresses: Arc::default(),
        };
        let routes = Router::new()
            .route("/admin/v1/{*path}", post(declared))
            .route("/api/v1/{*code}", post(called))
            .with_state(platform.clone());
        let base = wire::serve(0, routes).await.unwrap();
        let mall_page = format!("{}/mall?authCode=", sandbox.mall().base());
        let web = http(std::time::Duration::from_secs(10)).unwrap();
        let early = web.get(format!("{mall_page}good")).send().await.unwrap();
        assert_eq!(early.status(), 403, "no platform is known yet");

        let operator = Operator::new(&base, "operator").unwrap();
        // Every scene partner has one scene here; three agreements each, one of the mall.
        let scenes = sandbox.scenes().len();
        assert_eq!(sandbox.register(&base, &operator).await.unwrap().len(), scenes + 1);
        let first = platform.declared.lock().clone();
        sandbox.register(&base, &operator).await.unwrap();
        assert_eq!(*platform.declared.lock(), first, "a second time declares nothing");
        let count = |path: &str| first.iter().filter(|(at, _)| at.ends_with(path)).count();
        let counts = ["partners", "applications", "scenes", "agreements"].map(count);
        assert_eq!(counts, [scenes + 1, scenes + 1, scenes, 3 * scenes + 1]);
        for (path, thing) in &first {
            if path.ends_with("applications") {
                assert_eq!(thing["signKey"].as_str().map(str::len), Some(64), "{path}");
                assert_eq!(thing["dataKey"].as_str().map(str::len), Some(32), "{path}");
            }
        }
        // Two kinds for each scene partner, one for the mall; twice.
        assert_eq!(platform.addresses.lock().len(), 2 * (2 * scenes + 1));
        let metro = format!("/api/v1/01/Z601 {}/push/Z305", sandbox.scenes()[0].base());
        assert!(platform.addresses.lock().contains(&metro));

        let greeted = web.get(format!("{mall_page}good")).send().await.unwrap();
        let page = greeted.text().await.unwrap();
        assert!(page.contains("data-state=\"open\" data-ccid=\"did:shcc:1\""), "{page}");
        assert!(page.contains("&lt;张*") && !page.contains("<张"), "{page}");
        let refused = web.get(format!("{mall_page}bad")).send().await.unwrap();
        assert_eq!(refused.status(), 403);
    }
}
