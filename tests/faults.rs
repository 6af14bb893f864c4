//! Partners that fail: a citizen without an account there is told so and can try again, and a push
//! whose answer was lost comes again, the same.

use std::time::Duration;

use carbon_protocol::Reason;
use carbon_protocol::contracts::z305::{IssuancePush, IssuedStatus};
use carbon_simulations::demo::journeys;
use carbon_simulations::demo::population::Way;
use carbon_simulations::demo::trips::{Planner, Under, Wrong};
use carbon_simulations::demo::visits::{self, Outcome};
use carbon_simulations::demo::{caller::now, scenery, sending};
use carbon_simulations::sandbox::{Partner, Switches};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::stage::{Stage, batch, submit};

/// How long a push that failed may take to come again: 15 s by the schedule, and its jitter.
const AGAIN_WITHIN: Duration = Duration::from_secs(40);

fn partner<'s>(stage: &'s Stage, scene: &str) -> &'s Partner {
    let has = |partner: &&Partner| partner.profile().scenes.iter().any(|(code, ..)| *code == scene);
    stage.sandbox.partners().find(has).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_citizen_without_an_account_there_is_told_and_can_try_again() {
    let stage = Stage::start(u64::from(std::process::id()) ^ 0xfa17, "").await.unwrap();
    let citizen = stage.citizens.iter().find(|citizen| citizen.way == Way::CityApp).unwrap();
    let nobody = Switches { no_account_percent: 100, ..Switches::default() };
    partner(&stage, "bus").faults().set(nobody);
    stage.sandbox.mall().faults().set(nobody);
    let mut browser = stage.cast.browser();
    let page = visits::enter(&mut browser, &stage.cast.city_link(citizen).unwrap()).await.unwrap();
    let code = || stage.cast.sms_code(&citizen.phone);
    let home = visits::open_account(&mut browser, &page, code).await.unwrap().url;
    let mall = stage.cast.players[stage.cast.mall()].app.as_str();

    let light = visits::light(&mut browser, &home, "bus-app", "bus").await.unwrap();
    assert_eq!(light, Outcome::Failed, "C101 found nobody");
    let link = visits::link_mall(&mut browser, &home, mall).await.unwrap();
    assert_eq!(link, Outcome::Failed, "Q101 found nobody");
    let pushed = partner(&stage, "bus").deliveries().count();
    assert_eq!(pushed, 0, "a scene that was not lit was pushed");

    partner(&stage, "bus").faults().set(Switches::default());
    stage.sandbox.mall().faults().set(Switches { refuse_link: true, ..Switches::default() });
    let light = visits::light(&mut browser, &home, "bus-app", "bus").await.unwrap();
    assert!(matches!(light, Outcome::Done(_)));
    let link = visits::link_mall(&mut browser, &home, mall).await.unwrap();
    assert_eq!(link, Outcome::Failed, "the mall has refused 02.Z203");
    stage.sandbox.mall().faults().set(Switches::default());
    journeys::visit_mall(&stage.cast, citizen).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_that_hang_lie_or_answer_late_hurt_nobody_else() {
    let seed = u64::from(std::process::id()) ^ 0x11a6;
    let stage = Stage::start(seed, "[partners]\ntimeout_ms = 400\n").await.unwrap();
    let citizen = stage.citizens.iter().find(|citizen| citizen.way == Way::CityApp).unwrap();
    let mut browser = stage.cast.browser();
    let page = visits::enter(&mut browser, &stage.cast.city_link(citizen).unwrap()).await.unwrap();
    // The identity service is down: the page says so, and how to go on.
    stage.sandbox.identity_faults().set(Switches { error_percent: 100, ..Switches::default() });
    let form = page.form("/h5/open").unwrap();
    let down = browser.submit("H5 agree", &page, &form, &[]).await.unwrap();
    assert_eq!(down.status.as_u16(), 503);
    assert!(down.html.contains("请稍等片刻再试"), "{}", down.html);
    stage.sandbox.identity_faults().set(Switches::default());
    let code = || stage.cast.sms_code(&citizen.phone);
    let home = visits::open_account(&mut browser, &page, code).await.unwrap().url;

    let bad = [
        Switches { slow_ms: 60_000, ..Switches::default() },
        Switches { forge: true, ..Switches::default() },
        Switches { garble: true, ..Switches::default() },
    ];
    for switches in bad {
        partner(&stage, "bus").faults().set(switches);
        let light = visits::light(&mut browser, &home, "bus-app", "bus").await.unwrap();
        assert_eq!(light, Outcome::Failed, "{switches:?}");
    }
    // Late, and in time; what the slow calls brought afterwards changes nothing.
    partner(&stage, "bus").faults().set(Switches { slow_ms: 150, ..Switches::default() });
    let light = visits::light(&mut browser, &home, "bus-app", "bus").await.unwrap();
    assert!(matches!(light, Outcome::Done(_)));

    // A push that hangs is given up, and comes again once the partner answers.
    let bus = partner(&stage, "bus");
    assert!(bus.deliveries().more_than(0, Duration::from_secs(20)).await, "Z203 never came");
    let before = bus.deliveries().count();
    bus.faults().set(Switches { slow_ms: 60_000, ..Switches::default() });
    visits::revoke(&mut browser, &home, "bus-app", "bus").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bus.deliveries().count(), before, "a partner that hangs took a push");
    bus.faults().set(Switches::default());
    assert!(bus.deliveries().more_than(before, AGAIN_WITHIN).await, "a push was given up");
    assert!(bus.deliveries().after(before).iter().all(|attempt| attempt.verified));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_whose_answer_was_lost_comes_again_the_same() {
    let stage = Stage::start(u64::from(std::process::id()) ^ 0x1057, "").await.unwrap();
    stage.adopt_policy().await.unwrap();
    let lit = stage.lit(stage.first_on("bus")).await.unwrap();
    let bus = partner(&stage, "bus");
    assert!(bus.deliveries().more_than(0, Duration::from_secs(20)).await, "Z203 never came");
    let before = bus.deliveries().count();

    bus.faults().set(Switches { lost_percent: 100, ..Switches::default() });
    let policy = scenery::policy(&lit.scene.code, carbon_protocol::Grams(u64::MAX));
    let mut dice = StdRng::seed_from_u64(1);
    let mut planner = Planner { dice: &mut dice, day: now().day().plus(1), policy: &policy };
    let who = Under { citizen: lit.citizen, ccid: lit.ccid.as_str() };
    let row = planner.wrong(&lit.scene, who, Wrong::BeforeLit).unwrap();
    let serial = row.serial.clone();
    submit(stage.caller(&lit), &batch("early", &[row])).await.unwrap();
    sending::decided(stage.caller(&lit), "early").await.unwrap();
    assert!(bus.deliveries().more_than(before, Duration::from_secs(20)).await, "Z305 never came");
    bus.faults().set(Switches::default());
    let again = bus.deliveries().more_than(before + 1, AGAIN_WITHIN).await;
    assert!(again, "a push that was answered 500 never came again");

    let tries = bus.deliveries().after(before);
    assert!(tries.iter().all(|attempt| attempt.verified && attempt.kind == "Z305"));
    assert_eq!(tries[0].body, tries[1].body, "another content on the second try");
    let push: IssuancePush = tries[1].read().unwrap();
    let [item] = &push.items[..] else { panic!("{push:?}") };
    assert_eq!((item.sequence, item.ccid.clone()), (2, lit.ccid.clone()), "Z203 was the first");
    let [record] = &item.records[..] else { panic!("{push:?}") };
    assert_eq!((record.serial.as_str(), record.status), (&*serial, IssuedStatus::Refused));
    assert_eq!(record.reason, Some(Reason::SceneNotLit));
}
