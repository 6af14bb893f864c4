//! The client of the partners' servers: C101 / Q101, C201, 02.Z203 at first linking, pushes, and
//! the challenge of a push address.

use std::sync::Arc;

use carbon_actors::ports::{Failure, LinkAnswer, Partners, Person, PushAnswer, Vault};
use carbon_protocol::contracts::c101::{MatchReply, MatchRequest};
use carbon_protocol::contracts::c201::{RawData, RawDataRequest, RawRecord};
use carbon_protocol::contracts::m203::{LinkReply, LinkRequest};
use carbon_protocol::courier::PushKind;
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::seal::SealedField;
use carbon_protocol::{Ccid, PartnerUid, Serial, Timestamp};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::outbound::{Outbound, Reach};
use crate::signed;
use crate::signing::{AppWire, Wire};

#[cfg(test)]
mod tests;

/// What can be set of calls to partners.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long an answer may take; it is the [`Outbound`]'s.
    pub timeout_ms: u64,
}

/// Partners over HTTP.
#[derive(Clone)]
pub struct HttpPartners(Arc<Inner>);

struct Inner {
    outbound: Outbound,
    vault: Arc<dyn Vault>,
}

impl HttpPartners {
    /// A client; the vault opens the applications' keys.
    pub fn new(outbound: Outbound, vault: Arc<dyn Vault>) -> Self {
        Self(Arc::new(Inner { outbound, vault }))
    }
}

impl Inner {
    /// Asks at the application's base address, which the operator declared.
    async fn ask<T: DeserializeOwned>(
        &self,
        app: &App,
        code: &str,
        request: &impl Serialize,
    ) -> Result<T, Failure> {
        let failed = |why: String| Failure::Partner(format!("{code} of {}: {why}", app.id));
        let body = serde_json::to_vec(request).map_err(|_| failed("not writable".into()))?;
        let url = Url::parse(&format!("{}/{code}", app.base_url.trim_end_matches('/')));
        let url = url.map_err(|_| failed("no address".into()))?;
        let caller = (app.id.as_str(), &self.wire(app) as &dyn Wire);
        let asked = signed::ask(&self.outbound, Reach::Declared, &url, caller, body).await;
        asked.map_err(|error| failed(error.to_string()))
    }

    /// The wire to an application as its keys are now.
    fn wire<'a>(&'a self, app: &'a App) -> AppWire<'a> {
        AppWire { vault: &self.vault, app, at: Timestamp(signed::now_ms()) }
    }

    /// Seals a field under the application's newest data key.
    fn seal(&self, app: &App, field: &str, plain: &str) -> Result<SealedField, Failure> {
        let none = || Failure::Vault(format!("{} has no valid data key", app.id));
        let keys = app.data_keys(Timestamp(signed::now_ms()));
        self.vault.seal_field(keys.first().ok_or_else(none)?, &app.id, field, plain)
    }

    /// Where a push address may lie: a sandbox application's on this machine, too.
    fn reach(app: &App) -> Reach {
        if app.sandbox { Reach::Sandbox } else { Reach::Public }
    }
}

impl Partners for HttpPartners {
    fn match_account(
        &self,
        app: Arc<App>,
        person: Person,
    ) -> BoxFuture<'static, Result<Option<PartnerUid>, Failure>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let seal = |field: &str, plain: &str| inner.seal(&app, field, plain);
            let request = MatchRequest {
                name: seal("name", &person.name)?,
                id_no: seal("idNo", &person.id_no)?,
                phone: person.phone.as_deref().map(|phone| seal("phone", phone)).transpose()?,
            };
            let code = match app.role {
                AppRole::Scene => "C101",
                AppRole::Mall => "Q101",
            };
            let reply: MatchReply = inner.ask(&app, code, &request).await?;
            Ok(reply.partner_uid)
        })
    }

    fn raw_data(
        &self,
        app: Arc<App>,
        serials: Vec<Serial>,
    ) -> BoxFuture<'static, Result<Vec<RawRecord>, Failure>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let reply: RawData = inner.ask(&app, "C201", &RawDataRequest { serials }).await?;
            Ok(reply.records)
        })
    }

    fn link_mall(
        &self,
        app: Arc<App>,
        ccid: Ccid,
        uid: PartnerUid,
        event_id: String,
    ) -> BoxFuture<'static, Result<LinkAnswer, Failure>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let request = LinkRequest { event_id, ccid, partner_uid: uid.clone() };
            let reply: LinkReply = inner.ask(&app, "Z203", &request).await?;
            Ok(match reply.linked {
                true => LinkAnswer::Linked(reply.partner_uid.unwrap_or(uid)),
                false => LinkAnswer::Refused,
            })
        })
    }

    fn push(
        &self,
        app: Arc<App>,
        url: String,
        _kind: PushKind,
        body: Vec<u8>,
    ) -> BoxFuture<'static, PushAnswer> {
        let inner = self.0.clone();
        Box::pin(async move {
            let none = PushAnswer { status: 0, retry_after: None };
            let Ok(url) = Url::parse(&url) else { return none };
            let caller = (app.id.as_str(), &inner.wire(&app) as &dyn Wire);
            let reach = Inner::reach(&app);
            match signed::post(&inner.outbound, reach, &url, caller, body).await {
                Ok(answer) => {
                    let retry_after = answer.header("retry-after");
                    let retry_after = retry_after.and_then(|text| text.trim().parse().ok());
                    PushAnswer { status: answer.status, retry_after }
                }
                Err(_) => none,
            }
        })
    }
}
