//! Whole journeys, walked by the browser of the demo's citizens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use carbon_actors::twins::SMS_CODE;
use carbon_protocol::account::Channel;
use carbon_protocol::contracts::z202::Consented;
use carbon_protocol::{Ccid, PartnerUid, Reason};
use carbon_simulations::demo::browser::Browser;
use carbon_simulations::demo::latency::Latencies;
use carbon_simulations::demo::visits::{self, Outcome};
use carbon_simulations::wire::Web;

use super::*;

fn browser() -> Browser {
    Browser::new(Web::new(Duration::from_secs(10)), Arc::new(Latencies::default()))
}

fn uid(text: &str) -> PartnerUid {
    PartnerUid::parse(text).unwrap()
}

/// Journey 2: opened from the city's app.
async fn opened(stage: &Stage) -> (Browser, Url) {
    let mut browser = browser();
    let page = visits::enter(&mut browser, &stage.city_link("n-open")).await.unwrap();
    let page = visits::open_account(&mut browser, &page, async || Ok(SMS_CODE.to_owned()));
    let page = page.await.unwrap();
    assert_eq!(page.url.path(), "/h5/scenes");
    (browser, page.url)
}

#[test]
fn opened_lit_and_revoked_from_the_citys_app() {
    play(|stage| async move {
        stage.partners.knows(stage.metro, ID_NO, uid("u-1"));
        let (mut browser, home) = opened(&stage).await;
        let summary = stage.summary().await;
        assert!(summary.open);
        assert_eq!(stage.identity.codes(), ["13800001234"]);

        let outcome = visits::light(&mut browser, &home, "metro", "rail").await.unwrap();
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let summary = stage.summary().await;
        let consents = &summary.scenes[0].periods[0].consents;
        assert_eq!(stage.agreements_of(consents), ["matching", "rail"]);
        assert_eq!(consents[1].channel, Channel::CityApp);
        assert_eq!(summary.links[0].partner_uid, Some(uid("u-1")));

        // A reload of the waiting page, and a second session, tell the same.
        let errand = home.join("/h5/errands/metro").unwrap();
        let page = browser.open("errand", &errand).await.unwrap();
        assert_eq!(page.state().as_deref(), Some("lit"));
        let page = browser.open("home", &home.join("/h5/").unwrap()).await.unwrap();
        assert!(page.html.contains("场景rail") && page.html.contains("metro&#60;i&#62;"));

        visits::revoke(&mut browser, &home, "metro", "rail").await.unwrap();
        assert!(stage.summary().await.scenes[0].periods[0].to.is_some());
    });
}

#[test]
fn without_an_account_at_the_partner_one_is_told_what_to_do() {
    play(|stage| async move {
        let (mut browser, home) = opened(&stage).await;
        let outcome = visits::light(&mut browser, &home, "metro", "rail").await.unwrap();
        assert_eq!(outcome, Outcome::Failed);
        let page = browser.open("errand", &home.join("/h5/errands/metro").unwrap()).await.unwrap();
        assert!(page.html.contains("没有找到您的账号"), "{}", page.html);
        let outcome = visits::link_mall(&mut browser, &home, "mall").await.unwrap();
        assert_eq!(outcome, Outcome::Failed);
        let page = browser.open("errand", &home.join("/h5/errands/mall").unwrap()).await.unwrap();
        assert!(page.html.contains("线下营业网点"), "{}", page.html);
        assert!(stage.summary().await.scenes.is_empty());
    });
}

#[test]
fn a_mall_is_linked_entered_and_unlinked() {
    play(|stage| async move {
        stage.partners.knows(stage.mall, ID_NO, uid("m-1"));
        let (mut browser, home) = opened(&stage).await;
        let outcome = visits::link_mall(&mut browser, &home, "mall").await.unwrap();
        let Outcome::Done(ended) = outcome else { panic!("not linked") };
        let url = visits::enter_mall(&mut browser, &ended, "mall").await.unwrap();
        assert_eq!(url.host_str(), Some("mall.example"));
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["from"], "city");
        let link = stage.summary().await.links[0].clone();
        let ticket = AuthTicket { app: stage.mall, account: stage.account(), ccid: link.ccid };
        assert_eq!(stage.codes.redeem(&query["authCode"]), Some(ticket));
        assert_eq!(stage.codes.redeem(&query["authCode"]), None);
        assert_eq!(stage.agreements_of(&link.mall_consents), ["matching", "mall"]);

        let address = home.join("/h5/malls/mall/unlink").unwrap();
        let page = browser.open("unlink", &address).await.unwrap();
        let form = page.form("/h5/malls/mall/unlink").unwrap();
        browser.submit("unlink", &page, &form, &[]).await.unwrap().expect_ok("unlink").unwrap();
        assert!(!stage.summary().await.links[0].mall_linked);
    });
}

fn result_of(url: &Url) -> Consented {
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    Consented {
        code: query["code"].clone(),
        ccid: query.get("ccid").map(|ccid| Ccid::parse(ccid).unwrap()),
        scenes: query["scenes"].clone(),
        state: query["state"].clone(),
        timestamp: query["timestamp"].parse().unwrap(),
        nonce: query["nonce"].clone(),
        sign_type: query["signType"].parse().unwrap(),
        sign: query["sign"].clone(),
    }
}

#[test]
fn a_partner_gets_its_citizen_back_with_a_signed_result() {
    play(|stage| async move {
        let link = stage.partner_link(|ticket| ticket.partner_uid = Some(uid("u-1")));
        let back = visits::consent_for_partner(&mut browser(), &link).await.unwrap();
        assert_eq!(back.host_str(), Some("metro.example"));
        let result = result_of(&back);
        assert!(result.is_signed_with(SIGN_KEY), "{back}");
        assert_eq!((result.code.as_str(), result.scenes.as_str()), ("0", "rail,bus"));
        assert_eq!(result.state, "state-7");
        let summary = stage.summary().await;
        assert_eq!(result.ccid, Some(summary.links[0].ccid.clone()));
        assert_eq!(summary.scenes.len(), 2);
        assert_eq!(summary.scenes[0].periods[0].consents[0].channel, Channel::Partner);
        // The partner said who its user is: nobody was asked.
        assert_eq!(stage.partners.matched(), 0);
        assert!(stage.identity.codes().is_empty());

        // Again, with everything lit: the same end.
        let link = stage.partner_link(|_| {});
        let back = visits::consent_for_partner(&mut browser(), &link).await.unwrap();
        assert_eq!(result_of(&back).code, "0");
    });
}

#[test]
fn a_partner_hears_of_a_failure_and_of_a_citizen_who_left() {
    play(|stage| async move {
        let mut browser = browser();
        let page = visits::enter(&mut browser, &stage.partner_link(|_| {})).await.unwrap();
        let back = page.link("/h5/return").unwrap();
        let left = browser.open("back", &back).await.unwrap().leaves_for.unwrap();
        let result = result_of(&left);
        assert!(result.is_signed_with(SIGN_KEY));
        assert_eq!(result.code, Reason::ConsentRequired.code());
        assert!(!stage.summary().await.open);

        let form = page.form("/h5/light").unwrap();
        browser.submit("consent", &page, &form, &[]).await.unwrap().expect_ok("consent").unwrap();
        // The partner knows nobody by that name.
        let result = loop {
            let back = browser.open("back", &back).await.unwrap();
            if let Some(url) = back.leaves_for {
                break result_of(&url);
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(result.code, Reason::NoPartnerAccount.code());
        assert_eq!(result.scenes, "");
    });
}

#[test]
fn a_partner_without_a_pseudonym_sends_its_citizen_through_the_sms_code() {
    play(|stage| async move {
        let mut browser = browser();
        let link = stage.partner_link(|ticket| {
            ticket.ccid = None;
            ticket.person = Some(Person { phone: None, ..person() });
            ticket.partner_uid = Some(uid("u-1"));
        });
        let page = visits::enter(&mut browser, &link).await.unwrap();
        assert_eq!(page.url.path(), "/h5/open");
        let form = page.form("/h5/open").unwrap();
        let page = browser.submit("agree", &page, &form, &[("phone", "1")]).await.unwrap();
        assert!(page.html.contains("11 位手机号码"), "{}", page.html);
        let form = page.form("/h5/open").unwrap();
        let page = browser.submit("agree", &page, &form, &[("phone", "13900001111")]).await;
        let page = page.unwrap();
        assert_eq!(stage.identity.codes(), ["13900001111"]);
        let form = page.form("/h5/open").unwrap();
        let page = browser.submit("code", &page, &form, &[("code", SMS_CODE)]).await.unwrap();
        assert_eq!(page.url.path(), "/h5/light");
        let form = page.form("/h5/light").unwrap();
        let page = browser.submit("consent", &page, &form, &[]).await.unwrap();
        assert_eq!(page.url.path(), "/h5/errands/metro");
    });
}

#[test]
fn a_scene_with_a_sun_code_is_lit_by_who_comes_from_its_app() {
    play(|stage| async move {
        let (app, car) = (AppId::parse("metro").unwrap(), SceneCode::parse("car").unwrap());
        let scope = AgreementScope::Scene(app, car.clone());
        publish(&stage.platform, agreement("car", scope, 1)).await;
        let scene = stage.platform.registry().scene_by_code(&car).unwrap().no;
        let link = stage.partner_link(|ticket| {
            ticket.scenes = vec![scene];
            ticket.partner_uid = Some(uid("u-1"));
        });
        let back = visits::consent_for_partner(&mut browser(), &link).await.unwrap();
        assert_eq!(result_of(&back).scenes, "car");
        assert_eq!(stage.summary().await.scenes[0].scene, scene);
    });
}

#[test]
fn an_account_is_closed_by_its_citizen_who_must_wait_before_the_next() {
    play(|stage| async move {
        stage.partners.knows(stage.metro, ID_NO, uid("u-1"));
        let (mut browser, home) = opened(&stage).await;
        visits::light(&mut browser, &home, "metro", "rail").await.unwrap();
        let address = home.join("/h5/").unwrap();
        let page = browser.open("home", &address).await.unwrap();
        assert!(page.html.contains("href=\"/h5/close\""), "{}", page.html);
        let address = home.join("/h5/close").unwrap();
        let page = browser.open("close", &address).await.unwrap();
        let form = page.form("/h5/close").unwrap();
        let hasty = browser.submit("close", &page, &form, &[("agree", "")]).await.unwrap();
        let hasty = hasty.expect_ok("close").unwrap();
        assert!(hasty.html.contains("请先确认"), "{}", hasty.html);
        assert!(stage.summary().await.open);
        let form = hasty.form("/h5/close").unwrap();
        let done = browser.submit("close", &hasty, &form, &[("agree", "yes")]).await.unwrap();
        let done = done.expect_ok("close").unwrap();
        assert_eq!(done.state().as_deref(), Some("closed"));
        let summary = stage.summary().await;
        assert!(!summary.open && summary.erased);
        assert!(summary.scenes[0].periods[0].to.is_some());
        // Whoever comes back at once is told to wait.
        let mut again = self::browser();
        let page = visits::enter(&mut again, &stage.city_link("n-again")).await.unwrap();
        let opened = visits::open_account(&mut again, &page, async || Ok(SMS_CODE.to_owned()));
        assert!(opened.await.is_err());
        assert!(!stage.summary().await.open);
    });
}
