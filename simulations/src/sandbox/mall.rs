//! The mall (权益方): links a CCID with its own user (02.Z203), and greets whoever comes with an
//! authCode (02.Z405).

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use carbon_protocol::contracts::m203::{LinkReply, LinkRequest};
use carbon_protocol::contracts::m405::{Visitor, VisitorRequest};
use carbon_protocol::registry::AppRole;
use serde::Deserialize;

use super::partner::{Partner, Profile};
use super::wire::{self, Incoming};

/// The one mall.
pub const PROFILE: Profile = Profile {
    partner: "sandbox-bank",
    partner_name: "沙箱银行",
    credit_code: "91310000MA0CAR8073",
    app: "mall-app",
    name: "沙箱银行积分商城",
    role: AppRole::Mall,
    scenes: &[],
};

/// What a mall has beyond every partner's routes.
pub(super) fn routes(mall: &Partner) -> Router {
    let calls = Router::new().route("/Z203", post(link)).with_state(mall.clone());
    let pages = Router::new().route("/mall", get(greet)).with_state(mall.clone());
    mall.0.faults.over(calls).merge(pages)
}

/// Links once and for all: the same CCID with the same user is linked again, with another user it
/// is refused.
async fn link(State(mall): State<Partner>, incoming: Incoming) -> Response {
    let inner = &mall.0;
    let work = || {
        wire::verify(&incoming, &inner.keys, &inner.nonces)?;
        let request: LinkRequest = incoming.read()?;
        if inner.faults.switches().refuse_link {
            return Ok(LinkReply { linked: false, partner_uid: None });
        }
        let mut links = inner.links.lock();
        let user = links.entry(request.ccid).or_insert_with(|| request.partner_uid.clone());
        let linked = *user == request.partner_uid;
        Ok(LinkReply { linked, partner_uid: Some(request.partner_uid).filter(|_| linked) })
    };
    wire::answer(&inner.keys, work())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    auth_code: Option<String>,
}

/// The mall's H5: the user behind the authCode is asked of the platform and greeted.
async fn greet(State(mall): State<Partner>, Query(entry): Query<Entry>) -> Response {
    let name = mall.0.profile.name;
    let (Some(code), Some(client)) = (entry.auth_code, mall.0.client.get()) else {
        return wire::page(403, name, "<main data-state=\"closed\">请从碳普惠专区进入。</main>");
    };
    let request = VisitorRequest { auth_code: code };
    let asked = client.call::<_, Visitor>("02/Z405", &request).await;
    let Some(user) = asked.ok().and_then(|answered| answered.envelope.data) else {
        let inner = "<main data-state=\"closed\">登录已失效，请重新进入。</main>";
        return wire::page(403, name, inner);
    };
    let inner = format!(
        "<main data-state=\"open\" data-ccid=\"{}\"><p>您好，{}（{}）</p></main>",
        user.ccid,
        wire::escape(&user.masked_name),
        wire::escape(user.masked_phone.as_deref().unwrap_or("-"))
    );
    wire::page(200, name, &inner)
}
