//! Citizens behind the door: opened, lit and linked as the pages would do it.

use std::time::Duration;

use carbon_actors::ports::Person;
use carbon_protocol::account::{
    AccountCommand, AccountReply, Channel, Consent, Look, Open, Purpose, Summary,
};
use carbon_protocol::{AccountId, AppId, AppNo, Ccid, PartnerUid, SceneCode, TextNo};

use super::{Door, noon};

/// A citizen, as the test knows them.
pub(super) struct Citizen {
    /// The account.
    pub account: AccountId,
    /// The pseudonym towards the application.
    pub ccid: Ccid,
}

fn consent() -> Consent {
    Consent { text: TextNo(1), at: noon(), channel: Channel::CityApp }
}

impl Door {
    pub(super) fn app_no(&self, app: &str) -> AppNo {
        self.platform.registry().app_by_id(&AppId::parse(app).unwrap()).unwrap().no
    }

    async fn summary(&self, account: AccountId) -> Box<Summary> {
        match self.platform.account(account, AccountCommand::Look(Look::Summary)).await.unwrap() {
            AccountReply::Summary(summary) => summary,
            other => panic!("{other:?}"),
        }
    }

    async fn opened(&self, id_no: &str) -> AccountId {
        let phone = Some("13800001234".into());
        let person = Person { name: "张三".into(), id_no: id_no.into(), phone };
        let did = self.identity.enrol(&person);
        let account = self.platform.vault().account_of(id_no).unwrap();
        let person = self.platform.vault().seal_person(person).await.unwrap();
        let open = Open { did, person, channel: Channel::CityApp, consents: vec![consent()] };
        self.platform.account(account, AccountCommand::Open(open)).await.unwrap();
        account
    }

    /// Runs an errand to its good end.
    async fn runs(&self, account: AccountId, id_no: &str, purpose: Purpose) -> Ccid {
        let app = purpose.app();
        self.partners.knows(app, id_no, PartnerUid::parse(&format!("u-{id_no}")).unwrap());
        self.platform.account(account, AccountCommand::Begin(purpose)).await.unwrap();
        for _ in 0..500 {
            let summary = self.summary(account).await;
            let errand = summary.errand.unwrap();
            assert_eq!(errand.failed, None);
            if !errand.running {
                let link = summary.links.into_iter().find(|link| link.app == app);
                return link.unwrap().ccid;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the errand did not end");
    }

    /// A citizen who has lit a scene of an application.
    pub(super) async fn lit(&self, id_no: &str, app: &str, scene: &str) -> Citizen {
        let account = self.opened(id_no).await;
        let code = SceneCode::parse(scene).unwrap();
        let scene = self.platform.registry().scene_by_code(&code).unwrap().no;
        let scenes = vec![(scene, vec![consent()])];
        let purpose = Purpose::Light { app: self.app_no(app), scenes };
        let ccid = self.runs(account, id_no, purpose).await;
        Citizen { account, ccid }
    }

    /// A citizen who has linked a mall.
    pub(super) async fn linked(&self, id_no: &str, mall: &str) -> Citizen {
        let account = self.opened(id_no).await;
        let purpose = Purpose::LinkMall { app: self.app_no(mall), consents: vec![consent()] };
        let ccid = self.runs(account, id_no, purpose).await;
        Citizen { account, ccid }
    }

    /// Takes the consent to a scene back.
    pub(super) async fn revoked(&self, account: AccountId, app: &str, scene: &str) {
        let code = SceneCode::parse(scene).unwrap();
        let scene = self.platform.registry().scene_by_code(&code).unwrap().no;
        let (app, channel) = (self.app_no(app), Channel::CityApp);
        let revoke = AccountCommand::Revoke { app, scene, channel };
        self.platform.account(account, revoke).await.unwrap();
    }

    /// Takes the consent to a mall back.
    pub(super) async fn unlinked(&self, account: AccountId, mall: &str) {
        let (app, channel) = (self.app_no(mall), Channel::CityApp);
        let unlink = AccountCommand::UnlinkMall { app, channel };
        self.platform.account(account, unlink).await.unwrap();
    }
}
