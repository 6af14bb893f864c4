//! After a run nothing that is secret lies anywhere in clear: names, ID numbers, phones, keys and
//! tokens are searched for in logs, journal, store, vault and report.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use carbon_simulations::demo::caller::now;
use carbon_simulations::demo::population::population;
use carbon_simulations::sandbox::{Sandbox, SandboxConfig, Switches};
use reqwest::Method;

use super::harness::{Server, binary};
use super::raw::Raw;

const CITIZENS: usize = 24;
/// Everything that is searched for is at least so long, in bytes.
const SHORTEST: usize = 6;
/// Small segments, so that there is little to search; no network but the demo's own.
const SETTINGS: &str = "listen = \"127.0.0.1:0\"\n[journal]\nsegment_bytes = 4194304\n\
                        group_bytes = 1048576\n";

/// What must not be found, with what it is: by its first bytes.
#[derive(Default)]
struct Secrets {
    by_start: HashMap<[u8; SHORTEST], Vec<(String, Vec<u8>)>>,
    count: usize,
}

impl Secrets {
    fn add(&mut self, what: impl Into<String>, bytes: &[u8]) {
        let start = *bytes.first_chunk().expect("too short to be searched for");
        self.by_start.entry(start).or_default().push((what.into(), bytes.to_vec()));
        self.count += 1;
    }

    /// A key, as bytes and as people write it.
    fn add_key(&mut self, what: &str, key: &[u8]) {
        self.add(what, key);
        self.add(format!("{what}, in hexadecimal"), hex::encode(key).as_bytes());
        self.add(format!("{what}, in capitals"), hex::encode_upper(key).as_bytes());
    }

    /// What is found in some bytes.
    fn in_bytes(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for at in 0..bytes.len().saturating_sub(SHORTEST - 1) {
            let start: &[u8; SHORTEST] = bytes[at..].first_chunk().unwrap();
            // Most of a segment is zeros that nobody wrote.
            if *start == [0; SHORTEST] {
                continue;
            }
            for (what, secret) in self.by_start.get(start).into_iter().flatten() {
                if bytes[at..].starts_with(secret) {
                    found.push(what.as_str());
                }
            }
        }
        found
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

async fn secrets(seed: u64) -> (Secrets, Sandbox) {
    // The demo's own sandbox: the same secret gives the same keys.
    let secret = b"carbon sandbox".to_vec();
    let switches = Switches::default();
    let config = SandboxConfig { seed, secret, first_port: 0, switches };
    let sandbox = Sandbox::start(config).await.unwrap();
    let mut secrets = Secrets::default();
    for citizen in population(CITIZENS, seed, sandbox.scenes().len()) {
        let no = citizen.no;
        secrets.add(format!("the name of citizen {no}"), citizen.name.as_bytes());
        secrets.add(format!("the ID number of citizen {no}"), citizen.id_no.as_bytes());
        secrets.add(format!("the phone of citizen {no}"), citizen.phone.as_bytes());
    }
    for partner in sandbox.partners() {
        let app = partner.profile().app;
        secrets.add_key(&format!("the signing key of {app}"), &partner.keys().sign);
        secrets.add_key(&format!("the data key of {app}"), partner.keys().data.bytes());
    }
    let chain = sandbox.identity_access().keys;
    secrets.add_key("the platform's signing key at the identity service", &chain.sign);
    secrets.add_key("the platform's data key at the identity service", chain.data.bytes());
    (secrets, sandbox)
}

/// A token, as a partner gets one.
async fn token(server: &Server, sandbox: &Sandbox) -> String {
    let partner = sandbox.partners().next().unwrap();
    let raw = Raw {
        method: Method::POST,
        path: "/api/v1/Z101".into(),
        body: b"{}".to_vec(),
        signed_body: None,
        app: Some(partner.profile().app.into()),
        key: partner.keys().sign.to_vec(),
        token: None,
        timestamp: now().0.to_string(),
        nonce: format!("{:032x}", rand::random::<u128>()),
        kind: "HMAC-SM3".into(),
        content_type: "application/json".into(),
    };
    let answer = raw.send(&server.url).await;
    let token = answer.body["data"]["token"].as_str().expect("a token").to_owned();
    // It is shown where it does not fit as well: a refusal must not keep it either.
    let shown = raw.with(|raw| {
        raw.path = "/api/v1/02/Z402".into();
        raw.token = Some(token.clone());
    });
    assert_eq!(shown.send(&server.url).await.status, 403);
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_lies_in_clear_after_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let (mut secrets, sandbox) = secrets(seed).await;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("demo.toml"), SETTINGS).unwrap();
    let output = Command::new(binary())
        .args(["demo", "--once", "--quiet", "--users", &CITIZENS.to_string()])
        .args(["--seed", &seed.to_string(), "--config"])
        .arg(at("demo.toml"))
        .arg("--data")
        .arg(at("data"))
        .arg("--report")
        .arg(at("report"))
        // Everything that can be logged, but for the sandbox, which "sends" its SMS to the log.
        .env("RUST_LOG", "debug,carbon_simulations=off")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(at("said.log"), &output.stdout).unwrap();
    std::fs::write(at("demo.log"), &output.stderr).unwrap();

    // A token is known to whoever asked for it: here that is the test.
    let settings = |address: &str| SETTINGS.replace("127.0.0.1:0", address);
    let mut server = Server::start(folder.path(), settings).await.unwrap();
    secrets.add("a token", token(&server, &sandbox).await.as_bytes());
    server.stop().await.unwrap();

    // The platform's own keys lie in a file each, and nowhere else.
    let own = ["operator.key", "city-app.key", "token.key"];
    for name in own {
        let text = std::fs::read_to_string(at("data").join(name)).unwrap();
        let key = hex::decode(text.trim()).unwrap();
        assert_eq!(secrets.in_bytes(text.as_bytes()), [""; 0], "{name}");
        secrets.add_key(name, &key);
    }
    let mut paths = Vec::new();
    files(folder.path(), &mut paths);
    let mut faults = Vec::new();
    let (mut bytes, mut plain) = (0, 0);
    for path in &paths {
        let content = std::fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let found = secrets.in_bytes(&content);
        let own = own.contains(&name);
        faults.extend(found.iter().filter(|what| !own || !what.starts_with(name)).map(|what| {
            format!("{what} is in {}", path.strip_prefix(folder.path()).unwrap().display())
        }));
        // The search itself is tried: an own key is found, and what is no secret is there to find.
        assert!(!own || found.iter().any(|what| what.starts_with(name)), "{name} is not found");
        plain += usize::from(content.windows(9).any(|window| window == b"metro-app"));
        bytes += content.len();
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{} secrets, {} files, {bytes} bytes", secrets.count, paths.len());
    assert!(secrets.count > 3 * CITIZENS && plain >= 2, "{plain} files name an application");
    let logged = std::fs::read_to_string(at("demo.log")).unwrap();
    assert!(logged.contains("DEBUG") && logged.contains("outcome"), "the log says little");
}
