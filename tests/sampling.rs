//! A partner that lies about its raw data (C201) is flagged; an honest one is not.

use carbon_protocol::contracts::sampling::{QualityView, SamplingRequest, SamplingView};
use carbon_protocol::{AppId, Serial};
use carbon_simulations::demo::{caller::now, sending};
use carbon_simulations::sandbox::Switches;

use super::stage::{Stage, batch, rows, submit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_c201_partner_is_flagged() {
    let stage = Stage::start(u64::from(std::process::id()) ^ 0xc201, "").await.unwrap();
    stage.adopt_policy().await.unwrap();
    let lit = stage.lit(stage.first_on("bus")).await.unwrap();
    let app = stage.cast.players[lit.scene.app].app.clone();
    let partners = stage.sandbox.scenes();
    let partner = partners.iter().find(|one| one.profile().app == app.as_str()).unwrap();
    let sent = batch("b-1", &rows(&lit, "raw", 8));
    partner.collected(&sent);
    let receipt = submit(stage.caller(&lit), &sent).await.unwrap();
    assert!(receipt.received > 0, "{receipt:?}");
    sending::decided(stage.caller(&lit), "b-1").await.unwrap();

    let sample = async |serial: &str, app: &AppId| -> SamplingView {
        let today = now().day();
        let request = SamplingRequest {
            serial: Serial::parse(serial).unwrap(),
            app_id: app.clone(),
            from: today.plus(-1),
            to: today,
            size: 100,
            seed: Some(7),
        };
        stage.operator.post("samplings", &request).await.unwrap()
    };
    let honest = sample("honest", &app).await;
    assert!(!honest.flagged && honest.matched > 0, "{honest:?}");
    assert_eq!(honest.matched, honest.population);

    partner.faults().set(Switches { lie_percent: 100, ..Switches::default() });
    let lying = sample("lying", &app).await;
    assert!(lying.flagged, "{lying:?}");
    assert_eq!((lying.matched, lying.mismatch_permille), (0, 1000));
    assert_eq!(lying.mismatches.len() as u64, honest.matched);

    partner.faults().set(Switches { forge: true, ..Switches::default() });
    let forged = sample("forged", &app).await;
    assert_eq!((forged.unanswered, forged.flagged), (honest.matched, true), "{forged:?}");

    let quality: QualityView = stage.operator.get(&format!("data-quality/{app}")).await.unwrap();
    assert!(quality.flagged && quality.samplings == 3, "{quality:?}");
    assert_eq!((quality.matched, quality.differing), (honest.matched, lying.sampled));
}
