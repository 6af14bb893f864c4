//! The client of the identity SaaS (数字身份): signed calls, personal data sealed, answers verified.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use carbon_actors::ports::{Failure, Identity, Person};
use carbon_protocol::contracts::identity::{
    AppSignRequest, DidSignature, H5, H5_RESULT, H5Result, H5ResultRequest, LegalH5Request,
    LegalRegistered, LegalRequest, OPEN_LEGAL_H5, OPEN_SIGNING_H5, PARENT, Parent, ParentPerson,
    ParentRequest, PersonSignRequest, PersonSigned, REGISTER, REGISTER_LEGAL, REGISTER_SUB,
    RegisterRequest, Registered, SIGN_AS_APP, SIGN_AS_PERSON, SMS_CODE, Sent, SigningH5Request,
    SmsCodeRequest, SubDid, SubDidRequest,
};
use carbon_protocol::seal::{DataKey, SealedField};
use carbon_protocol::{Ccid, CreditCode, Did};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::outbound::{Outbound, Reach};
use crate::signed;
use crate::signing::{Shared, Wire};

#[cfg(test)]
mod tests;

/// How the identity service is reached.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its address, without a path.
    pub base_url: String,
    /// The platform's code on the chain.
    pub app_code: String,
    /// The key that calls and answers are signed with, hexadecimal.
    pub key_hex: String,
    /// The key of personal-data fields: 32 hexadecimal digits.
    pub data_key_hex: String,
    /// How long an answer may take.
    pub timeout_ms: u64,
}

impl std::fmt::Debug for Config {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("base_url", &self.base_url)
            .field("app_code", &self.app_code)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}

/// The identity SaaS over HTTP.
#[derive(Clone)]
pub struct SaasIdentity(Arc<Saas>);

struct Saas {
    outbound: Outbound,
    base: String,
    code: String,
    key: zeroize::Zeroizing<Vec<u8>>,
    data_key: DataKey,
    timeout: Duration,
}

impl SaasIdentity {
    /// A client; the addresses and keys must be well-formed.
    pub fn new(outbound: Outbound, config: &Config) -> anyhow::Result<Self> {
        Url::parse(&config.base_url).context("[identity] base_url is no address")?;
        let key = hex::decode(&config.key_hex).context("[identity] key_hex is not hexadecimal")?;
        let data_key = DataKey::from_hex(&config.data_key_hex)
            .context("[identity] data_key_hex takes 32 hexadecimal digits")?;
        Ok(Self(Arc::new(Saas {
            outbound,
            base: config.base_url.trim_end_matches('/').to_owned(),
            code: config.app_code.clone(),
            key: zeroize::Zeroizing::new(key),
            data_key,
            timeout: Duration::from_millis(config.timeout_ms),
        })))
    }
}

impl Saas {
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, Failure> {
        let failed = |why: String| Failure::Identity(format!("{path}: {why}"));
        let body = serde_json::to_vec(request).map_err(|_| failed("not writable".into()))?;
        let url = Url::parse(&format!("{}{path}", self.base));
        let url = url.map_err(|_| failed("no address".into()))?;
        let caller = (self.code.as_str(), &Shared(&self.key) as &dyn Wire);
        let asked = signed::ask(&self.outbound, Reach::Declared, &url, caller, body);
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(answered) => answered.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("no answer in time".into())),
        }
    }

    fn seal(&self, field: &str, plain: &str) -> SealedField {
        SealedField::seal(&self.data_key, &self.code, field, plain, rand::random())
    }

    fn open(&self, field: &str, sealed: &SealedField) -> Result<String, Failure> {
        let plain = sealed.open(&self.data_key, &self.code, field);
        let plain = plain.ok_or_else(|| Failure::Identity(format!("{field} cannot be opened")))?;
        Ok(plain.as_str().to_owned())
    }

    fn person(&self, parent: &ParentPerson) -> Result<(Did, Person), Failure> {
        let phone = parent.phone.as_ref().map(|phone| self.open("phone", phone)).transpose()?;
        let name = self.open("name", &parent.name)?;
        let id_no = self.open("idNo", &parent.id_no)?;
        Ok((parent.did.clone(), Person { name, id_no, phone }))
    }
}

/// What the platform may ask beside its own journeys: signatures, and H5 pages with
/// pre-filled data.
impl SaasIdentity {
    /// 3.3: a person's signature; none where the SMS code is wrong. The code goes to the phone that
    /// is registered with the DID (see [`Identity::send_code`]).
    pub async fn sign_as_person(
        &self,
        did: Did,
        sms_code: String,
        content: String,
    ) -> Result<Option<DidSignature>, Failure> {
        let request = PersonSignRequest { did, sms_code, content };
        let signed: PersonSigned = self.0.ask(SIGN_AS_PERSON, &request).await?;
        Ok(signed.signature)
    }

    /// 4.4.1: the platform's own signature.
    pub async fn sign_as_application(&self, content: String) -> Result<DidSignature, Failure> {
        self.0.ask(SIGN_AS_APP, &AppSignRequest { content }).await
    }

    /// 4.4.3: an H5 in which a legal person's agent registers its DID.
    pub async fn open_legal_h5(
        &self,
        name: String,
        credit_code: CreditCode,
        agent: Person,
        return_url: String,
    ) -> Result<H5, Failure> {
        let request = LegalH5Request {
            name,
            credit_code,
            agent_name: self.0.seal("agentName", &agent.name),
            agent_id_no: self.0.seal("agentIdNo", &agent.id_no),
            agent_phone: agent.phone.map(|phone| self.0.seal("agentPhone", &phone)),
            return_url,
        };
        self.0.ask(OPEN_LEGAL_H5, &request).await
    }

    /// 4.4.4: an H5 in which a citizen signs under a pseudonym.
    pub async fn open_signing_h5(
        &self,
        ccid: Ccid,
        content: String,
        return_url: String,
    ) -> Result<H5, Failure> {
        self.0.ask(OPEN_SIGNING_H5, &SigningH5Request { ccid, content, return_url }).await
    }

    /// 4.4.5: what came of an H5.
    pub async fn h5_result(&self, serial: String) -> Result<H5Result, Failure> {
        self.0.ask(H5_RESULT, &H5ResultRequest { serial }).await
    }
}

impl Identity for SaasIdentity {
    fn send_code(&self, phone: String) -> BoxFuture<'static, Result<(), Failure>> {
        let saas = self.0.clone();
        Box::pin(async move {
            let request = SmsCodeRequest { phone: saas.seal("phone", &phone) };
            saas.ask::<Sent>(SMS_CODE, &request).await?;
            Ok(())
        })
    }

    fn register_did(
        &self,
        person: Person,
        sms_code: String,
    ) -> BoxFuture<'static, Result<Option<Did>, Failure>> {
        let saas = self.0.clone();
        Box::pin(async move {
            let request = RegisterRequest {
                name: saas.seal("name", &person.name),
                id_no: saas.seal("idNo", &person.id_no),
                phone: saas.seal("phone", person.phone.as_deref().unwrap_or_default()),
                sms_code,
            };
            let registered: Registered = saas.ask(REGISTER, &request).await?;
            Ok(registered.did)
        })
    }

    fn register_legal(
        &self,
        name: String,
        credit_code: CreditCode,
    ) -> BoxFuture<'static, Result<Did, Failure>> {
        let saas = self.0.clone();
        Box::pin(async move {
            let request = LegalRequest { name, credit_code };
            let registered: LegalRegistered = saas.ask(REGISTER_LEGAL, &request).await?;
            Ok(registered.did)
        })
    }

    fn register_sub_did(
        &self,
        did: Did,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Ccid, Failure>> {
        let saas = self.0.clone();
        Box::pin(async move {
            let registered: SubDid =
                saas.ask(REGISTER_SUB, &SubDidRequest { did, chain_code }).await?;
            Ok(registered.ccid)
        })
    }

    fn parent(
        &self,
        ccid: Ccid,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Option<(Did, Person)>, Failure>> {
        let saas = self.0.clone();
        Box::pin(async move {
            let parent: Parent = saas.ask(PARENT, &ParentRequest { ccid, chain_code }).await?;
            parent.person.as_ref().map(|person| saas.person(person)).transpose()
        })
    }
}
