//! The operator's declarations: partners, applications, scenes, agreements, policies,
//! methodologies. The same again is a replay.

use axum::extract::State;
use carbon_protocol::contracts::admin::{
    AgreementRequest, AppKeys, AppRequest, AppView, AppsView, Declared, Methodologies,
    PartnerRequest, SceneRequest, ScenesView, SuspendRequest,
};
use carbon_protocol::contracts::declarations::AmendSceneRequest;
use carbon_protocol::envelope::Envelope;
use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::registry::{
    Agreement, App, AppRole, Partner, RegistryCommand, RegistryReply, Scene, SceneAmendment,
};
use carbon_protocol::signature::sm3;
use carbon_protocol::{AppId, AppNo, PartnerId, Reason, SceneCode, SceneNo, TextNo, Timestamp};
use serde::Deserialize;
use url::Url;

use super::HttpState;
use super::exchange::{Answer, Data};
use super::fault::{Fault, misfit};
use super::keys::Given;
use super::operator::{Approving, Looked, Operated, Operating, Viewing};

/// Most caps of one kind in a policy.
const CAPS: u64 = 1000;

/// Most methodologies that are adopted at once.
const METHODOLOGIES: usize = 1000;
/// Longest address that a special scene leads to: a code for it can still be scanned off a phone.
const LINK_BYTES: usize = 512;

/// A query without fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Refuses texts that are empty, too long or not to be shown.
pub fn texts(fields: &[(&str, &str, usize)]) -> Result<(), Fault> {
    for (name, text, most) in fields {
        let length = text.chars().count();
        if length == 0 || length > *most || text.contains('\0') {
            let fault = Fault::of_field(Reason::OutOfRange, *name);
            return Err(fault.with(format!("1 to {most} characters")));
        }
    }
    Ok(())
}

async fn declare(state: &HttpState, command: RegistryCommand) -> Answer<Declared> {
    match state.platform.register(command).await? {
        RegistryReply::Done { replay } => Ok(Data(Declared { replay })),
        _ => misfit(),
    }
}

/// Registers a partner.
#[utoipa::path(
    post, path = "/admin/v1/partners", operation_id = "registerPartner", tag = "operator",
    request_body = PartnerRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn partners(
    State(state): State<HttpState>,
    call: Operated<Operating, PartnerRequest>,
) -> Answer<Declared> {
    call.about(&call.body.id);
    let PartnerRequest { id, name, credit_code } = call.body;
    texts(&[("name", &name, 64)])?;
    // One credit code has one DID, whenever it is asked for: the same declaration stays the same.
    let did = match &credit_code {
        Some(code) => {
            Some(state.platform.identity().register_legal(name.clone(), code.clone()).await?)
        }
        None => None,
    };
    let partner = Partner { id, name, credit_code, did };
    declare(&state, RegistryCommand::RegisterPartner(partner)).await
}

/// Suspends or readmits a partner with all its applications.
#[utoipa::path(
    post, path = "/admin/v1/partners/{id}/suspend", operation_id = "suspendPartner",
    tag = "operator", params(("id" = PartnerId, Path, description = "The partner.")),
    request_body = SuspendRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn suspend_partner(
    State(state): State<HttpState>,
    call: Operated<Operating, SuspendRequest>,
) -> Answer<Declared> {
    let unknown = |_| Fault::of_field(Reason::NotFound, "id");
    let partner = PartnerId::parse(call.segment(1)).map_err(unknown)?;
    call.about(&partner);
    let suspended = call.body.suspended;
    declare(&state, RegistryCommand::SuspendPartner { partner, suspended }).await
}

/// Registers an application; its keys are shown this once.
#[utoipa::path(
    post, path = "/admin/v1/applications", operation_id = "registerApplication", tag = "operator",
    request_body = AppRequest, responses((status = 200, body = Envelope<AppKeys>)),
)]
pub async fn applications(
    State(state): State<HttpState>,
    call: Operated<Operating, AppRequest>,
) -> Answer<AppKeys> {
    call.about(&call.body.app_id);
    let request = call.body;
    check_app(&request)?;
    let given = Given::of(&request)?;
    let app_id = request.app_id.clone();
    let app = App {
        no: AppNo(0),
        id: request.app_id,
        partner: request.partner_id,
        role: request.role,
        name: request.name,
        chain_code: request.chain_code,
        base_url: request.base_url,
        return_hosts: request.return_hosts,
        mall_url: request.mall_url,
        no_account_text: request.no_account_text,
        sandbox: request.sandbox,
        keys: given.taken(&state)?,
        newest_key: 0,
        suspended: false,
        tokens: [Timestamp(0); 2],
    };
    let no = match state.platform.register(RegistryCommand::RegisterApp(Box::new(app))).await? {
        RegistryReply::App(no) => no,
        _ => return misfit(),
    };
    // The machine compares everything but keys in custody: those are compared here.
    let registry = state.platform.registry();
    let Some(known) = registry.app(no) else { return misfit() };
    if !given.are_of(&state, known)? {
        return Err(Fault::of_field(Reason::AlreadyRegistered, "signKey"));
    }
    Ok(Data(given.shown(app_id)))
}

fn check_app(request: &AppRequest) -> Result<(), Fault> {
    texts(&[
        ("name", &request.name, 64),
        ("chainCode", &request.chain_code, 64),
        ("baseUrl", &request.base_url, 512),
    ])?;
    let reachable = |text: &str| {
        let schemes: &[&str] = if request.sandbox { &["http", "https"] } else { &["https"] };
        Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()))
    };
    let refused = |field: &str| {
        Fault::of_field(Reason::OutOfRange, field).with("an https address; http in the sandbox")
    };
    if !reachable(&request.base_url) {
        return Err(refused("baseUrl"));
    }
    match (&request.mall_url, request.role) {
        (Some(url), AppRole::Mall) if reachable(url) && url.len() <= 512 => {}
        (None, AppRole::Scene) => {}
        _ => return Err(refused("mallUrl")),
    }
    let hosts = &request.return_hosts;
    if hosts.len() > 20 || hosts.iter().any(|host| host.is_empty() || host.len() > 255) {
        return Err(Fault::of_field(Reason::OutOfRange, "returnHosts").with("at most 20 hosts"));
    }
    match &request.no_account_text {
        Some(text) => texts(&[("noAccountText", text, 500)]),
        None => Ok(()),
    }
}

/// Suspends or readmits an application.
#[utoipa::path(
    post, path = "/admin/v1/applications/{appId}/suspend", operation_id = "suspendApplication",
    tag = "operator", params(("appId" = AppId, Path, description = "The application.")),
    request_body = SuspendRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn suspend(
    State(state): State<HttpState>,
    call: Operated<Operating, SuspendRequest>,
) -> Answer<Declared> {
    let app = app_of(&state, call.segment(1), "appId")?;
    call.about(call.segment(1));
    let suspended = call.body.suspended;
    declare(&state, RegistryCommand::Suspend { app, suspended }).await
}

/// The number of an application that the operator names.
pub fn app_of(state: &HttpState, text: &str, field: &str) -> Result<AppNo, Fault> {
    let unknown = || Fault::of_field(Reason::NotFound, field);
    let id = AppId::parse(text).map_err(|_| unknown())?;
    state.platform.registry().app_by_id(&id).map(|app| app.no).ok_or_else(unknown)
}

/// All applications.
#[utoipa::path(
    get, path = "/admin/v1/applications", operation_id = "listApplications", tag = "operator",
    responses((status = 200, body = Envelope<AppsView>)),
)]
pub async fn list_applications(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<AppsView> {
    let registry = state.platform.registry();
    let applications = registry.apps().map(|app| AppView {
        app_id: app.id.clone(),
        partner_id: app.partner.clone(),
        role: app.role,
        name: app.name.clone(),
        suspended: app.suspended,
        sandbox: app.sandbox,
    });
    Ok(Data(AppsView { applications: applications.collect() }))
}

/// Declares a scene (场景申报).
#[utoipa::path(
    post, path = "/admin/v1/scenes", operation_id = "declareScene", tag = "operator",
    request_body = SceneRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn scenes(
    State(state): State<HttpState>,
    call: Operated<Operating, SceneRequest>,
) -> Answer<Declared> {
    call.about(&call.body.scene);
    let request = call.body;
    texts(&[("name", &request.name, 64)])?;
    if request.app_ids.len() > 20 {
        return Err(Fault::of_field(Reason::TooManyItems, "appIds").with("at most 20"));
    }
    let number =
        |(place, id): (usize, &AppId)| app_of(&state, id.as_str(), &format!("appIds[{place}]"));
    let apps = request.app_ids.iter().enumerate().map(number).collect::<Result<_, Fault>>()?;
    check_link(request.link.as_deref())?;
    let known = state.platform.registry().scene_by_code(&request.scene).is_some();
    let scene = Scene {
        no: SceneNo(0),
        code: request.scene,
        name: request.name,
        kind: request.kind,
        link: request.link,
        methodology: request.methodology,
        apps,
        active_from: request.active_from,
        active_to: request.active_to,
    };
    match state.platform.register(RegistryCommand::DeclareScene(Box::new(scene))).await? {
        RegistryReply::Scene(_) => Ok(Data(Declared { replay: known })),
        _ => misfit(),
    }
}

/// Citizens are sent there: nothing but https, and no name before the host that looks like one.
fn check_link(link: Option<&str>) -> Result<(), Fault> {
    let Some(link) = link else { return Ok(()) };
    let plain = |url: Url| url.scheme() == "https" && url.username().is_empty();
    match link.len() <= LINK_BYTES && Url::parse(link).is_ok_and(plain) {
        true => Ok(()),
        false => {
            let fault = Fault::of_field(Reason::OutOfRange, "link");
            Err(fault.with(format!("an https address of at most {LINK_BYTES} characters")))
        }
    }
}

/// Amends a scene: its name, the end of its approval, and routes that are added. What was approved
/// so far stays approved.
#[utoipa::path(
    post, path = "/admin/v1/scenes/{scene}/amend", operation_id = "amendScene", tag = "operator",
    params(("scene" = SceneCode, Path, description = "The scene.")),
    request_body = AmendSceneRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn amend_scene(
    State(state): State<HttpState>,
    call: Operated<Operating, AmendSceneRequest>,
) -> Answer<Declared> {
    let registry = state.platform.registry();
    let code = SceneCode::parse(call.segment(1)).ok();
    let known = code.and_then(|code| registry.scene_by_code(&code).cloned());
    let known = known.ok_or_else(|| Fault::of_field(Reason::UnknownScene, "scene"))?;
    call.about(&known.code);
    let AmendSceneRequest { name, more_app_ids, active_to } = call.body;
    if let Some(name) = &name {
        texts(&[("name", name, 64)])?;
    }
    if known.apps.len() + more_app_ids.len() > 20 {
        return Err(Fault::of_field(Reason::TooManyItems, "moreAppIds").with("at most 20 routes"));
    }
    let number =
        |(place, id): (usize, &AppId)| app_of(&state, id.as_str(), &format!("moreAppIds[{place}]"));
    let more_apps = more_app_ids.iter().enumerate().map(number).collect::<Result<_, Fault>>()?;
    let amendment = SceneAmendment { scene: known.no, name, more_apps, active_to };
    declare(&state, RegistryCommand::AmendScene(Box::new(amendment))).await
}

/// All scenes.
#[utoipa::path(
    get, path = "/admin/v1/scenes", operation_id = "listScenes", tag = "operator",
    responses((status = 200, body = Envelope<ScenesView>)),
)]
pub async fn list_scenes(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<ScenesView> {
    let registry = state.platform.registry();
    let scenes = registry.scenes().map(|scene| SceneRequest {
        scene: scene.code.clone(),
        name: scene.name.clone(),
        kind: scene.kind,
        link: scene.link.clone(),
        methodology: scene.methodology.clone(),
        app_ids: scene.apps.iter().filter_map(|no| Some(registry.app(*no)?.id.clone())).collect(),
        active_from: scene.active_from,
        active_to: scene.active_to,
    });
    Ok(Data(ScenesView { scenes: scenes.collect() }))
}

/// Publishes a version of an agreement.
#[utoipa::path(
    post, path = "/admin/v1/agreements", operation_id = "publishAgreement", tag = "operator",
    request_body = AgreementRequest, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn agreements(
    State(state): State<HttpState>,
    call: Operated<Operating, AgreementRequest>,
) -> Answer<Declared> {
    call.about(format_args!("{} {}", call.body.id, call.body.version));
    let request = call.body;
    texts(&[
        ("title", &request.title, 128),
        ("text", &request.text, 65_536),
        ("language", &request.language, 35),
    ])?;
    let agreement = Agreement {
        // The registry gives it.
        no: TextNo(0),
        id: request.id,
        scope: request.scope,
        title: request.title,
        version: request.version,
        effective: request.effective,
        language: request.language,
        sm3: sm3(request.text.as_bytes()),
        text: request.text,
    };
    declare(&state, RegistryCommand::PublishAgreement(Box::new(agreement))).await
}

/// Adopts a policy; the body is a policy as the configuration writes it.
#[utoipa::path(
    post, path = "/admin/v1/policies", operation_id = "adoptPolicy", tag = "operator",
    request_body = Object, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn policies(
    State(state): State<HttpState>,
    call: Operated<Approving, Policy>,
) -> Answer<Declared> {
    call.about(format_args!("version {}", call.body.version));
    let policy = call.body;
    check_policy(&policy)?;
    declare(&state, RegistryCommand::AdoptPolicy(Box::new(policy))).await
}

/// Refuses numbers that no city can mean: a slip of the pen would count until the next policy.
fn check_policy(policy: &Policy) -> Result<(), Fault> {
    texts(&[("source", &policy.source, 500)])?;
    for (name, value, from, to) in [
        ("version", u64::from(policy.version), 1, u64::from(u32::MAX)),
        ("grams_per_point", policy.grams_per_point, 1, 1_000_000_000),
        ("points_months", policy.points_months.into(), 1, 120),
        ("refund_lot_days", policy.refund_lot_days.into(), 1, 3_660),
        ("acceptance_days", policy.acceptance_days.into(), 1, 400),
        ("freeze_seconds", policy.freeze_seconds.into(), 1, 31 * 86_400),
        ("reopening_days", policy.reopening_days.into(), 0, 3_660),
        ("daily_caps", policy.daily_caps.len() as u64, 0, CAPS),
        ("monthly_caps", policy.monthly_caps.len() as u64, 0, CAPS),
    ] {
        if !(from..=to).contains(&value) {
            let fault = Fault::of_field(Reason::OutOfRange, name);
            return Err(fault.with(format!("{from} to {to}")));
        }
    }
    for (name, caps) in [("daily_caps", &policy.daily_caps), ("monthly_caps", &policy.monthly_caps)]
    {
        let twice =
            |place: &usize| caps[..*place].iter().any(|cap| cap.scene == caps[*place].scene);
        if let Some(place) = (0..caps.len()).find(twice) {
            let fault = Fault::of_field(Reason::Duplicate, format!("{name}[{place}].scene"));
            return Err(fault.with("one cap a scene"));
        }
    }
    Ok(())
}

/// Adopts methodologies: `{"methodologies": [...]}`, each as the configuration writes it.
#[utoipa::path(
    post, path = "/admin/v1/methodologies", operation_id = "adoptMethodologies", tag = "operator",
    request_body = Methodologies, responses((status = 200, body = Envelope<Declared>)),
)]
pub async fn methodologies(
    State(state): State<HttpState>,
    call: Operated<Approving, Methodologies>,
) -> Answer<Declared> {
    let methodologies = call.body.methodologies;
    if methodologies.len() > METHODOLOGIES {
        let fault = Fault::of_field(Reason::TooManyItems, "methodologies");
        return Err(fault.with(format!("at most {METHODOLOGIES}")));
    }
    for one in &methodologies {
        texts(&[("title", &one.title, 128), ("source", &one.source, 1000)])?;
    }
    declare(&state, RegistryCommand::AdoptMethodologies(methodologies)).await
}

/// All methodologies with all their versions; each says whether its factors were verified.
#[utoipa::path(
    get, path = "/admin/v1/methodologies", operation_id = "listMethodologies", tag = "operator",
    responses((status = 200, body = Envelope<Methodologies>)),
)]
pub async fn list_methodologies(
    State(state): State<HttpState>,
    _call: Looked<Viewing, Nothing>,
) -> Answer<Methodologies> {
    let registry = state.platform.registry();
    let methodologies = registry.methodologies().map(|one| Methodology::clone(one)).collect();
    Ok(Data(Methodologies { methodologies }))
}
