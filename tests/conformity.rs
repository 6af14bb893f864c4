//! `carbon conform` as a program: the sandbox's partners pass, a broken one is told what to mend,
//! and nobody there is no verdict.

use std::path::Path;
use std::process::{Command, Output};

use carbon_simulations::sandbox::{Partner, Sandbox, SandboxConfig, Switches};
use serde_json::Value;

use super::harness::{binary, client};

async fn keys(partner: &Partner, folder: &Path) -> std::path::PathBuf {
    let url = format!("{}/sandbox/keys", partner.base());
    let keys = client().get(url).send().await.unwrap().text().await.unwrap();
    let file = folder.join(partner.profile().app);
    std::fs::write(&file, keys).unwrap();
    file
}

async fn conform(kind: &str, base: &str, keys: &Path) -> Output {
    let mut conform = Command::new(binary());
    conform.args(["conform", kind, "--json", "--base", base, "--keys"]).arg(keys);
    tokio::task::spawn_blocking(move || conform.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_are_examined_and_told_what_to_mend() {
    let (secret, switches) = (b"conform".to_vec(), Switches::default());
    let config = SandboxConfig { seed: 1, secret, first_port: 0, switches };
    let sandbox = Sandbox::start(config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (kind, partner) in [("scene", &sandbox.scenes()[0]), ("benefit", sandbox.mall())] {
        let keys = keys(partner, folder.path()).await;
        let right = conform(kind, partner.base(), &keys).await;
        let said = String::from_utf8_lossy(&right.stdout).into_owned();
        assert_eq!(right.status.code(), Some(0), "{kind}: {said}");

        partner.faults().set(Switches { forge: true, ..Switches::default() });
        let forged = conform(kind, partner.base(), &keys).await;
        partner.faults().set(Switches::default());
        assert_eq!(forged.status.code(), Some(1), "{kind}");
        let report: Value = serde_json::from_slice(&forged.stdout).unwrap();
        let failed = report["checks"].as_array().unwrap().iter();
        let failed: Vec<&Value> = failed.filter(|check| check["outcome"] == "failed").collect();
        assert!(failed.iter().any(|check| check["name"].as_str().unwrap().ends_with(".signed")));
        assert!(failed.iter().all(|check| !check["mend"].as_str().unwrap().is_empty()));
    }
    let nobody = conform("scene", "http://127.0.0.1:9", Path::new("/no/such/file")).await;
    assert_eq!(nobody.status.code(), Some(3));
    let misspoken = Command::new(binary()).args(["conform", "neither"]).output().unwrap();
    assert_eq!(misspoken.status.code(), Some(3));
}
