//! `carbon simulate` against a platform of its own: small, whole, with its report; and each exit
//! code is met.

use std::path::Path;
use std::process::{Command, Output};

use carbon_simulations::load::outcome::{Outcome, Verdict};
use tempfile::TempDir;

use super::harness::{Server, binary};

/// Everything once, as `simulations/scenarios/smoke.toml`, in ten seconds.
const SMALL: &str = r#"
title = "Small"
about = "Everything once, for a test."

[population]
citizens = 120
newcomers = 12
shoppers_permille = 400
revokers_permille = 200
households_permille = 200
points = 100

[partners]
batch_rows = 20
wrong_rows_permille = 100

[generator]
lag_ms = 2000 # Other tests run beside this one.

[[stage]]
name = "morning"
seconds = 4
rates = { submit = { from = 2, to = 4 }, open = { from = 2, to = 2 }, mall = { from = 1, to = 1 } }
mix = { rate = { from = 10, to = 20 }, shares = { noop = 1, points = 1, totals = 1, pay = 1 } }

[[stage]]
name = "trouble"
seconds = 4
rates.submit = { from = 2, to = 2 }
rates.revoke = { from = 1, to = 1 }
rates.electricity = { from = 1, to = 1 }
mix = { rate = { from = 3, to = 3 }, shares = { order = 1 } }

[[event]]
at_second = 3
what = "errors"
app = "metro-app"
percent = 40

[[event]]
at_second = 4
what = "issue"

[[event]]
at_second = 6
what = "back"
app = "metro-app"

[[threshold]]
call = "02.Z303"
refused_permille = 0
"#;

/// A platform, and a sandbox's ports that it was told of.
struct Ground {
    server: Server,
    folder: TempDir,
    sandbox_port: u16,
}

impl Ground {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox_port = free_ports(8);
        let settings = |address: &str| {
            format!(
                "listen = \"{address}\"\n[identity]\n\
                 base_url = \"http://127.0.0.1:{sandbox_port}\"\n"
            )
        };
        let server = Server::start(folder.path(), settings).await.unwrap();
        Self { server, folder, sandbox_port }
    }

    /// Runs a scenario; what the process said, and its report.
    fn simulate(&self, scenario: &str, seed: u64) -> (Output, Option<Outcome>) {
        let (file, report) =
            (self.folder.path().join("small.toml"), self.folder.path().join("report"));
        let _ = std::fs::remove_dir_all(&report);
        std::fs::write(&file, scenario).unwrap();
        let data = self.folder.path().join("data");
        let output = Command::new(binary())
            .arg("simulate")
            .arg(&file)
            .args(["--quiet", "--target", &self.server.url, "--seed", &seed.to_string()])
            .args(["--sandbox-port", &self.sandbox_port.to_string()])
            .arg("--operator-key")
            .arg(data.join("operator.key"))
            .arg("--city-app-key")
            .arg(data.join("city-app.key"))
            .arg("--report")
            .arg(&report)
            .output()
            .unwrap();
        let outcome = report.is_dir().then(|| Outcome::read(&report).unwrap());
        (output, outcome)
    }
}

/// The first of so many ports in a row that nobody listens on.
fn free_ports(many: u16) -> u16 {
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = 20_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    (start..).step_by(many.into()).find(|first| (*first..*first + many).all(free)).unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_small_city_passes_and_a_passed_threshold_or_a_saturated_generator_is_told() {
    let ground = Ground::start().await;
    let (output, outcome) = ground.simulate(SMALL, 1);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.verdict, Verdict::Passed);
    assert_eq!((outcome.citizens, outcome.stages.len(), outcome.faults.len()), (132, 2, 3));
    let journeys = "submit electricity open mall noop points totals pay order revoke";
    for journey in journeys.split(' ') {
        let line = &outcome.journeys[journey];
        assert!(line.done > 0 && line.failed + line.unsent == 0, "{journey}: {line:?}");
    }
    for call in ["01.Z304", "02.Z303", "02.Z402", "01.Z501", "01.Z204", "noop"] {
        assert!(outcome.calls[call].latency.p99_us > 0, "{call}");
    }
    let count = |what: &str| outcome.counts.get(what).copied().unwrap_or(0);
    assert!(count("records_refused") > 0 && count("records_received") > count("records_refused"));
    assert!(count("points_redeemed") > count("points_refunded"));
    assert!(count("citizens_compared") >= 120 && outcome.books.compared["points"] > 0);
    for rule in ["INV-01", "INV-02", "INV-03", "INV-04", "INV-05", "INV-06", "INV-09"] {
        assert!(outcome.books.invariants.contains_key(rule), "{rule} was not checked");
    }
    let ticks = &outcome.timeline;
    assert!(ticks.len() >= 8 && ticks.iter().all(|tick| tick.own_bytes > 0));
    assert!(ticks.iter().any(|tick| tick.platform_bytes.is_some() && !tick.platform.is_empty()));

    let strict = "refused_permille = 0\n[[threshold]]\ncall = \"02.Z303\"\np99_ms = 0\n";
    let strict = SMALL.replace("refused_permille = 0\n", strict);
    let (output, outcome) = ground.simulate(&strict, 2);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.books.differences_total, 0, "{:?}", outcome.books.differences);
    assert!(outcome.thresholds.iter().any(|line| !line.holds));

    let narrow = SMALL.replace("[generator]\n", "[generator]\nunder_way = 1\n");
    let (output, outcome) = ground.simulate(&narrow, 3);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let unsent: u64 = outcome.unwrap().journeys.values().map(|line| line.unsent).sum();
    assert!(unsent > 0);
}

#[test]
fn what_cannot_begin_ends_with_three_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let simulate = |scenario: String, more: &[&str]| {
        std::fs::write(&file, scenario).unwrap();
        let output = Command::new(binary()).arg("simulate").arg(&file).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        said(&output)
    };
    let unknown = simulate(SMALL.replace("citizens = 120", "citizen = 120"), &[]);
    assert!(unknown.contains("unknown field `citizen`, expected one of"), "{unknown}");
    let no_key = simulate(SMALL.to_owned(), &["--operator-key", "/nowhere/operator.key"]);
    assert!(no_key.contains("/nowhere/operator.key"), "{no_key}");
    let misspelt = simulate(SMALL.to_owned(), &["--sed", "7"]);
    assert!(misspelt.contains("--seed"), "{misspelt}");
}

#[test]
fn every_scenario_that_is_shipped_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/scenarios");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            // Those of the virtual world have a test of their own.
            continue;
        }
        let (name, _) = carbon_simulations::load::scenario::Scenario::read(&path).unwrap();
        names.push(name);
    }
    names.sort_unstable();
    let shipped =
        ["city_day", "opening", "query_peak", "redemption_peak", "smoke", "submission_peak"];
    assert_eq!(names, shipped);
}
