//! The one command, `carbon demo --once`: small, whole, with its report; and a platform that is in
//! disagreement with its books is told apart.

use std::process::Command;

use serde_json::Value;

use super::harness::binary;

#[test]
fn sixty_citizens_agree_with_the_books() {
    let folder = tempfile::tempdir().unwrap();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let output = Command::new(binary())
        .args(["demo", "--once", "--quiet", "--users", "60", "--seed", &seed.to_string()])
        .arg("--report")
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{logged}", output.status);
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let number = |field: &str| report[field].as_u64().unwrap_or_else(|| panic!("{field}: {text}"));
    assert_eq!((number("users"), number("opened"), number("seed")), (60, 60, seed));
    assert!(number("lit") >= 60 && number("revoked") > 0);
    let (sent, accepted) = (number("records_submitted"), number("records_accepted"));
    assert!(0 < accepted && accepted < sent, "some rows are wrong on purpose");
    assert!(0 < number("records_issued") && number("records_issued") < accepted);
    assert!(number("grams_issued") > 0 && number("points_credited") > 0);
    assert!(number("orders_confirmed") > 0 && number("orders_refunded") > 0);
    assert!(number("pushes_expected") > 0);
    assert_eq!(number("pushes_expected"), number("pushes_delivered"));
    assert_eq!(report["invariants"]["violations"], 0);
    let checked = report["invariants"]["checked"].as_array().unwrap();
    assert_eq!(checked.len(), 10, "all ten rules are checked: {checked:?}");
    for code in ["Z304", "Z306", "02/Z303", "Z501", "Z204"] {
        assert!(report["latency_ms"][code]["count"].as_u64() > Some(0), "{code}");
        assert!(report["latency_ms"][code]["p99"].as_f64() > Some(0.0), "{code}");
    }
}

#[test]
fn a_run_that_cannot_agree_ends_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    // Submissions of more than a few bytes are refused: the books cannot be met.
    std::fs::write(&config, "[http]\nbody_bytes = 2000\n").unwrap();
    let status = Command::new(binary())
        .args(["demo", "--once", "--quiet", "--users", "12", "--seed", "7", "--config"])
        .arg(&config)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), Some(1));
}
