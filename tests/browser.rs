//! A real browser walks journeys 2, 3 and 4: it opens an account from 随申办, lights a scene, links
//! a mall and enters it.

use carbon_simulations::demo::population::Way;

use super::harness::skipped;
use super::stage::Stage;
use super::webdriver::{self, Window};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_citizen_opens_lights_and_enters_the_mall_in_a_browser() {
    if !webdriver::is_installed() {
        let test = "a_citizen_opens_lights_and_enters_the_mall_in_a_browser";
        return skipped(test, "no chromium with chromedriver");
    }
    let stage = Stage::start(u64::from(std::process::id()) ^ 0xb205, "").await.unwrap();
    let citizen = stage.citizens.iter().find(|citizen| citizen.way == Way::CityApp).unwrap();
    let window = Window::open().await.unwrap();

    // Journey 2: agreements, the code, the list of scenes.
    window.go(stage.cast.city_link(citizen).unwrap().as_str()).await.unwrap();
    window.tick_all().await.unwrap();
    window.click("form[action='/h5/open'] button[type=submit]").await.unwrap();
    window.wait_for_url("/h5/open/code").await.unwrap();
    let code = stage.cast.sms_code(&citizen.phone).await.unwrap();
    window.type_into("input[name=code]", &code).await.unwrap();
    window.click("form[action='/h5/open/code'] button[type=submit]").await.unwrap();
    window.wait_for_url("/h5/scenes").await.unwrap();

    // Journey 3: consent, the waiting page, lit.
    let scene = &stage.cast.scenes[0];
    let app = stage.cast.players[scene.app].app.as_str();
    let light = format!("/h5/scenes/{app}/{}/light", scene.code);
    window.click(&format!("a[href='{light}']")).await.unwrap();
    window.wait_for_url(&light).await.unwrap();
    window.tick_all().await.unwrap();
    window.click(&format!("form[action='{light}'] button[type=submit]")).await.unwrap();
    window.element("main[data-state=lit]").await.unwrap();

    // Journey 4: the mall.
    let mall = stage.cast.players[stage.cast.mall()].app.as_str();
    window.go(&format!("{}/h5/", stage.server.url)).await.unwrap();
    let link = format!("/h5/malls/{mall}/link");
    window.click(&format!("a[href='{link}']")).await.unwrap();
    window.wait_for_url(&link).await.unwrap();
    window.tick_all().await.unwrap();
    window.click(&format!("form[action='{link}'] button[type=submit]")).await.unwrap();
    window.element("main[data-state=linked]").await.unwrap();
    let enter = format!("form[action='/h5/malls/{mall}/enter'] button[type=submit]");
    window.click(&enter).await.unwrap();
    window.wait_for_url(stage.sandbox.mall().base()).await.unwrap();
    window.element("main[data-state=open]").await.unwrap();
    let greeting = window.source().await.unwrap();
    assert!(!greeting.contains(&citizen.name), "the mall shows the whole name");
    let first: String = citizen.name.chars().take(1).collect();
    assert!(greeting.contains(&format!("{first}*")), "{greeting}");
}
