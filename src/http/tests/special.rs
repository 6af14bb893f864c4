//! What operators declare of special scenes, methodologies and partners, through the door: a link
//! where the kind has one, a project that is priced and never submitted, the flag that nobody
//! verified, and a partner's DID as a legal person.

use serde_json::{Value, json};

use super::wholes::{results, trip};
use super::*;

fn scene(kind: &str, link: Option<&str>) -> Value {
    let mut scene = json!({
        "scene": "roof", "name": "分布式光伏", "kind": kind, "methodology": "M-PV",
        "appIds": ["metro"], "activeFrom": "2024-01-01", "activeTo": "2030-12-31",
    });
    if let Some(link) = link {
        scene["link"] = json!(link);
    }
    scene
}

async fn adopt(door: &Door) {
    let formula = json!({
        "kind": "photovoltaic", "grid_g_per_kwh": "420", "max_capacity_watts": 1_000_000,
    });
    let adopt = json!({ "methodologies": [methodology("M-PV", formula)] });
    door.operate("POST", "/admin/v1/methodologies", adopt).await.data();
}

#[test]
fn a_special_scene_leads_where_its_kind_may_and_over_https_only() {
    with_door(1000, async |door| {
        adopt(&door).await;
        let long = format!("https://x.example/{}", "a".repeat(500));
        for (kind, link) in [
            ("sun_code", None),
            ("external", None),
            ("standard", Some("https://x.example")),
            ("announced", Some("https://x.example")),
            ("external", Some("http://x.example")),
            ("external", Some("javascript:alert(1)")),
            ("external", Some("//x.example")),
            ("external", Some("https://city.example@x.example/")),
            ("external", Some("")),
            ("external", Some(long.as_str())),
        ] {
            let answer = door.operate("POST", "/admin/v1/scenes", scene(kind, link)).await;
            answer.refused("40003", "link", &format!("{kind} {link:?}"));
        }
        let good = scene("external", Some("https://x.example/carbon?a=1"));
        door.operate("POST", "/admin/v1/scenes", good.clone()).await.data();
        assert_eq!(
            door.operate("POST", "/admin/v1/scenes", good.clone()).await.data()["replay"],
            true
        );
        let listed = door.operate("GET", "/admin/v1/scenes", json!({})).await;
        let listed = listed.data()["scenes"].as_array().unwrap().clone();
        assert!(listed.contains(&good), "{listed:?}");
        let moved = scene("external", Some("https://other.example"));
        let answer = door.operate("POST", "/admin/v1/scenes", moved).await;
        answer.refused("40918", "sceneCode", "another link");
    });
}

#[test]
fn a_project_is_priced_and_never_submitted() {
    with_door(1000, async |door| {
        adopt(&door).await;
        let site = scene("external", Some("https://x.example/carbon"));
        door.operate("POST", "/admin/v1/scenes", site).await.data();
        let metro = door.caller("metro").await;
        let behaviour = json!({"photovoltaic": {
            "project": "pv-1", "month": "2026-10", "capacityWatts": 10_000,
            "generatedWh": 1_234_567,
        }});
        let asked = json!({"scene": "roof", "behaviour": behaviour});
        let priced = door.post(&metro, "01/Z302", asked).await;
        // 1234567 × 0.42 = 518518.14
        assert_eq!(priced.data()["reductionGrams"], 518_518);
        assert_eq!(priced.data()["verified"], false);
        let row = json!({
            "serial": "r-1", "ccid": "c-1", "scene": "roof", "behaviour": behaviour,
            "reductionGrams": 518_518,
        });
        let batch = json!({"batchSerial": "b-1", "records": [row]});
        let receipt = door.post(&metro, "01/Z304", batch).await;
        assert_eq!(receipt.data()["verdicts"][0]["reason"], "SCENE_NOT_ACTIVE");
    });
}

#[test]
fn every_methodology_is_listed_with_its_source_and_whether_it_was_verified() {
    with_door(1000, async |door| {
        adopt(&door).await;
        let verified = json!({
            "id": "M-CAR", "title": "纯电动", "version": 2, "effective": "2026-12-01",
            "source": "the published document", "verified": true,
            "formula": {"kind": "electric_car", "fuel_g_per_km": "209.5", "grid_g_per_kwh": "420",
                "max_metres_per_day": 1_000_000},
        });
        let adopt = json!({ "methodologies": [verified] });
        door.operate("POST", "/admin/v1/methodologies", adopt).await.data();
        let listed = door.operate("GET", "/admin/v1/methodologies", json!({})).await;
        let listed = listed.data()["methodologies"].as_array().unwrap().clone();
        let told: Vec<String> = listed
            .iter()
            .map(|one| format!("{} {} {}", one["id"], one["effective"], one["verified"]))
            .collect();
        assert_eq!(
            told,
            [
                "\"M-CAR\" \"2024-01-01\" false",
                "\"M-CAR\" \"2026-12-01\" true",
                "\"M-PV\" \"2024-01-01\" false",
                "\"M-RAIL\" \"2024-01-01\" false",
            ]
        );
        assert_eq!(listed[1]["formula"]["fuel_g_per_km"], "209.5");
        assert_eq!(listed[1]["source"], "the published document");
    });
}

#[test]
fn a_partner_with_a_credit_code_gets_its_did_as_a_legal_person() {
    with_door(1000, async |door| {
        let partner = json!({"id": "new-co", "name": "新公司", "creditCode": "91350100M000100Y43"});
        door.identity.fail_next(1);
        let down = door.operate("POST", "/admin/v1/partners", partner.clone()).await;
        assert_eq!(down.status, 503, "{}", down.json);
        let did = |door: &Door| {
            let registry = door.platform.registry();
            let known = registry.partners().find(|partner| partner.id.as_str() == "new-co")?;
            known.did.as_ref().map(ToString::to_string)
        };
        assert_eq!(did(&door), None, "registered without its DID");
        for replay in [false, true] {
            let answer = door.operate("POST", "/admin/v1/partners", partner.clone()).await;
            assert_eq!(answer.data()["replay"], replay);
        }
        assert_eq!(did(&door).as_deref(), Some("did:twin:legal-91350100M000100Y43"));
        let forged = json!({"id": "x", "name": "x", "creditCode": "91350100M000100Y44"});
        let answer = door.operate("POST", "/admin/v1/partners", forged).await;
        answer.refused("40003", "creditCode", "wrong check character");
    });
}

#[test]
fn submitted_grams_are_computed_again_and_may_be_off_by_the_tolerance() {
    with_door(1000, async |door| {
        let citizen = door.lit("990101199001010016", "metro", "rail").await;
        door.clock.advance_ms(3_600_000);
        let metro = door.caller("metro").await;
        let ccid = citizen.ccid.to_string();
        // 1300 × 0.071 = 92.3: the platform's 92, give or take one by the policy.
        let claims = [(90, false), (91, true), (92, true), (93, true), (94, false)];
        let rows = claims
            .iter()
            .zip(0..)
            .map(|((grams, _), no)| trip(&format!("r{grams}"), &ccid, 10 * no, *grams));
        let batch = json!({"batchSerial": "b1", "records": rows.collect::<Vec<Value>>()});
        let receipt = door.post(&metro, "01/Z304", batch).await;
        for ((grams, taken), verdict) in
            claims.iter().zip(receipt.data()["verdicts"].as_array().unwrap())
        {
            let reason = if *taken { Value::Null } else { json!("GRAMS_MISMATCH") };
            assert_eq!(verdict["reason"], reason, "{grams}");
        }
        // Whatever was claimed, the platform's own grams count.
        let asked = json!({"recordSerials": ["r93"]});
        let found = results(&door, &metro, asked, "SUBMITTED").await;
        let record = &found["records"][0];
        assert_eq!(
            (&record["submittedGrams"], &record["reductionGrams"]),
            (&json!(93), &json!(92))
        );
    });
}
