//! What ships as data under `config`: it reads as what the platform expects, names its sources, and
//! claims nothing that nobody has verified.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use carbon_actors::methodology::{Dictionary, compute};
use carbon_protocol::behaviour::{
    Behaviour, Bike, Bus, ElectricCar, Electricity, Photovoltaic, Rail,
};
use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::{AgreementId, Day, Label, Metres, Timestamp, WattHours};
use serde::Deserialize;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Methodologies {
    methodology: Vec<Methodology>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agreements {
    agreement: Vec<Indexed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Indexed {
    id: String,
    scope: String,
    title: String,
    version: u32,
    effective: Day,
    language: String,
    file: String,
}

fn label() -> Label {
    Label::parse("x").unwrap()
}

/// One good behaviour for each methodology, and its worth worked out by hand.
fn examples() -> Vec<(Behaviour, u64)> {
    let (from, to) = (Timestamp(0), Timestamp(1_200_000));
    vec![
        // 4700 m of the dictionary × 71 ÷ 1000 = 333.7
        (
            Behaviour::Rail(Rail {
                in_station: Label::parse("E04").unwrap(),
                out_station: Label::parse("E01").unwrap(),
                in_time: from,
                out_time: to,
                mileage_metres: None,
            }),
            333,
        ),
        (Behaviour::Bus(Bus { line: label(), boarding_time: from, order_no: label() }), 212),
        // 1234 × 97 ÷ 1000 = 119.698
        (
            Behaviour::Bike(Bike {
                start_time: from,
                end_time: to,
                distance_metres: Metres(1234),
                order_no: label(),
            }),
            119,
        ),
        // 30 × 210 − 5 × 420
        (
            Behaviour::ElectricCar(ElectricCar {
                vehicle_hash: label(),
                period_start: Day(1),
                period_end: Day(1),
                distance_metres: Metres(30_000),
                energy_wh: WattHours(5000),
            }),
            4200,
        ),
        // (200 − 100 − 50) × 420
        (
            Behaviour::Electricity(Electricity {
                household_hash: label(),
                month: "2026-10".parse().unwrap(),
                peak_wh: WattHours(100_000),
                valley_wh: WattHours(50_000),
                baseline_wh: WattHours(200_000),
                tier: 2,
                has_pv: false,
            }),
            21_000,
        ),
        // 800 × 420
        (
            Behaviour::Photovoltaic(Photovoltaic {
                project: label(),
                month: "2026-10".parse().unwrap(),
                capacity_watts: 10_000,
                generated_wh: WattHours(800_000),
            }),
            336_000,
        ),
    ]
}

#[test]
fn the_policy_reads_and_says_that_nobody_verified_it() {
    let policy: Policy = toml::from_str(&text("policy.toml")).unwrap();
    assert!(!policy.verified && !policy.source.is_empty());
    assert!(policy.version > 0 && policy.grams_per_point > 0 && policy.points_months > 0);
}

#[test]
fn each_methodology_prices_its_behaviour_and_no_other() {
    let file: Methodologies = toml::from_str(&text("methodologies.toml")).unwrap();
    let dictionary = Dictionary::parse(&text("dictionary/rail.csv")).unwrap();
    let examples = examples();
    assert_eq!(file.methodology.len(), examples.len());
    for (place, methodology) in file.methodology.iter().enumerate() {
        assert!(!methodology.verified && !methodology.source.is_empty(), "{}", methodology.id);
        for (other, (behaviour, grams)) in examples.iter().enumerate() {
            let computed = compute(methodology, &dictionary, behaviour);
            match place == other {
                true => assert_eq!(computed.unwrap().grams.0, *grams, "{}", methodology.id),
                false => assert!(computed.is_err(), "{} priced {behaviour:?}", methodology.id),
            }
        }
    }
}

#[test]
fn every_agreement_has_its_text_and_only_known_blanks() {
    let index: Agreements = toml::from_str(&text("agreements/index.toml")).unwrap();
    let mut ids = HashSet::new();
    for one in &index.agreement {
        assert!(ids.insert(one.id.clone()), "{} stands twice", one.id);
        let blanks: &[&str] = match one.scope.as_str() {
            "platform" | "city_app" | "matching" => &[],
            "app" | "mall" => &["{app}", "{appId}"],
            "scene" => &["{app}", "{scene}", "{appId}", "{sceneCode}"],
            other => panic!("{}: scope {other}", one.id),
        };
        let body = text(&format!("agreements/{}", one.file));
        assert!(body.contains(&format!("<h2>{}</h2>", one.title)), "{}: title", one.id);
        assert!(body.contains("示例文本"), "{} does not say that it is an example", one.id);
        let all = [&one.id, &one.title, &body].map(String::as_str).concat();
        let filled = blanks.iter().fold(all, |text, blank| text.replace(blank, "x"));
        assert!(!filled.contains(['{', '}']), "{}: an unknown blank", one.id);
        assert!(!filled.contains("<script") && !filled.contains("style="), "{}: markup", one.id);
        let id = blanks.iter().fold(one.id.clone(), |text, blank| text.replace(blank, "x"));
        assert!(AgreementId::parse(&id).is_ok(), "{id}");
        assert!(one.version > 0 && one.effective > Day(0) && one.language == "zh-CN");
    }
    let files = std::fs::read_dir(shipped("agreements")).unwrap();
    let texts = files
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "html"))
        .count();
    assert_eq!(texts, index.agreement.len(), "a text that no index names, or the reverse");
}
