//! The reference dictionary of the metro, where it lies beside the checkout: it imports over HTTP
//! as it is, and all its pairs come back. Prints sizes and times.

use std::path::{Path, PathBuf};
use std::time::Instant;

use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::contracts::dictionaries::DictionariesView;
use carbon_protocol::contracts::z301::Distances;
use carbon_protocol::envelope::Envelope;
use carbon_simulations::sandbox::client::sign_request;
use serde::de::DeserializeOwned;

use super::harness::{Server, binary, client};
use super::stage::Stage;

/// Pairs in the reference file.
const PAIRS: u32 = 136_499;
/// Stations in it.
const STATIONS: u32 = 523;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/metro/distances.csv")
}

/// Resident memory of a process, in MiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

async fn read<T: DeserializeOwned>(answer: reqwest::Response) -> T {
    let text = answer.text().await.unwrap();
    let envelope: Envelope<T> = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", text.chars().take(300).collect::<String>()));
    envelope.data.unwrap_or_else(|| panic!("{}", text.chars().take(300).collect::<String>()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_dictionary_imports_and_is_served_whole() {
    let Ok(csv) = std::fs::read_to_string(file()) else {
        println!("SKIPPED the_reference_dictionary_imports: {} is not there", file().display());
        return;
    };
    let stage = Stage::start(u64::from(std::process::id()) ^ 0x301, "").await.unwrap();
    let key = std::fs::read_to_string(stage.data().join("operator.key")).unwrap();
    let before = resident(stage.server.pid());
    let import = |csv: String| {
        let url = format!(
            "{}/admin/v1/dictionaries?source=reference&effective=2024-06-01",
            stage.server.url
        );
        let post = client().post(url).header("content-type", "text/csv");
        post.header("authorization", format!("Bearer {}", key.trim())).body(csv).send()
    };
    let begun = Instant::now();
    let declared: Declared = read(import(csv.clone()).await.unwrap()).await;
    let imported = begun.elapsed();
    assert!(!declared.replay);
    let declared: Declared = read(import(csv.clone()).await.unwrap()).await;
    assert!(declared.replay);
    let listed: DictionariesView = stage.operator.get("dictionaries").await.unwrap();
    let newest = &listed.dictionaries.last().unwrap().dictionary;
    assert_eq!((newest.pairs, newest.stations), (PAIRS, STATIONS));

    let metro = &stage.sandbox.scenes()[0];
    let token = stage.sandbox.client(metro, &stage.server.url).unwrap();
    let token: carbon_protocol::contracts::z101::Token = token
        .call_bare("Z101", &carbon_protocol::contracts::z101::TokenRequest {})
        .await
        .unwrap()
        .data()
        .unwrap();
    let get = async |query: &str, zipped: bool| {
        let path = format!("/api/v1/01/Z301?{query}");
        let mut get = client().get(format!("{}{path}", stage.server.url));
        for (name, value) in sign_request(metro.keys(), Default::default(), "GET", &path, b"") {
            get = get.header(name, value);
        }
        if zipped {
            get = get.header("accept-encoding", "gzip");
        }
        get.header("authorization", format!("Bearer {}", token.token)).send().await.unwrap()
    };
    let begun = Instant::now();
    let all: Distances = read(get("all=true", false).await).await;
    let served = begun.elapsed();
    let text = all.csv.unwrap();
    assert_eq!(text.lines().count() as u32, PAIRS + 1);
    let zipped = get("all=true", true).await;
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    let zipped = zipped.bytes().await.unwrap().len();

    // Every pair comes back as it was, in one direction or the other.
    let pairs = |text: &str| {
        let sorted = |line: &str| {
            let mut parts: Vec<String> = line.split(',').map(str::to_owned).collect();
            parts[..2].sort();
            parts
        };
        let mut all: Vec<_> = text.lines().skip(1).map(sorted).collect();
        all.sort();
        all
    };
    assert!(pairs(&csv) == pairs(&text), "pairs were lost or changed");
    let one: Distances = read(get("from=0112&to=0111", false).await).await;
    assert_eq!((one.version.as_str(), one.pairs[0].distance_metres.0), (&*all.version, 1500));
    let page: Distances = read(get("limit=200", false).await).await;
    assert!(page.pairs.len() == 200 && page.cursor.is_some());
    println!(
        "imported in {imported:?}; all pairs served in {served:?}, {} bytes of CSV, {zipped} \
         zipped; resident {before} -> {} MiB",
        text.len(),
        resident(stage.server.pid())
    );
}

#[tokio::test]
async fn a_dictionary_is_imported_by_command_and_a_bad_one_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), |address| format!("listen = \"{address}\"\n"));
    let server = server.await.unwrap();
    let file = folder.path().join("distances.csv");
    let import = |csv: &str| {
        std::fs::write(&file, csv).unwrap();
        let mut import = std::process::Command::new(binary());
        import.args(["admin", "--json", "--url", &server.url, "--key"]);
        import.arg(folder.path().join("data/operator.key"));
        import.args(["dictionaries", "import"]).arg(&file);
        import.args(["--source", "a test", "--effective", "2026-12-01"]);
        let done = import.output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    };
    let good = "station_a,station_b,metres\nA,B,1500\n";
    let (first, said) = import(good);
    assert!(first && said.contains("\"replay\": false"), "{said}");
    let (again, said) = import(good);
    assert!(again && said.contains("\"replay\": true"), "{said}");
    let (bad, said) = import("station_a,station_b,metres\nA,B,1500\nB,A,far\nC\n");
    assert!(!bad, "{said}");
    assert!(said.contains("line 3: metres are no whole number; line 4: expected"), "{said}");
}
