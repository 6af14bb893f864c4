//! `carbon admin` as a person uses it: the real binary against a real platform, with keys in files,
//! tables on standard output, and what was done in the audit log.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use crate::harness::{Server, binary};

/// Runs `carbon admin` with a key; `input` is what the person types.
fn admin(server: &Server, key: &Path, words: &str, input: &str) -> anyhow::Result<Output> {
    let mut child = Command::new(binary())
        .args(["admin", "--url", &server.url, "--key"])
        .arg(key)
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut typed = child.stdin.take().context("no standard input")?;
    // A command that does not read has closed it: that is its right.
    let _ = typed.write_all(input.as_bytes());
    drop(typed);
    Ok(child.wait_with_output()?)
}

fn json(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn settings(address: &str) -> String {
    format!("listen = \"{address}\"\n")
}

#[tokio::test]
async fn two_operators_prepare_and_approve_and_the_log_tells_of_both() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), settings).await?;
    let root = folder.path().join("data/operator.key");
    let run = |key: &Path, words: &str| admin(&server, key, words, "");
    let enrolled = |id: &str, role: &str| -> anyhow::Result<std::path::PathBuf> {
        let words = format!("--json operators enrol {id} --role {role}");
        let key = json(&run(&root, &words)?)["key"].as_str().context("no key")?.to_owned();
        let file = folder.path().join(id);
        std::fs::write(&file, key)?;
        Ok(file)
    };
    let (li, wang) = (enrolled("li", "operator")?, enrolled("wang", "approver")?);
    let policy = include_str!("../config/policy.toml");
    let policy = policy.replace("version = 1", "version = 2");
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, policy.replace("four_eyes = false", "four_eyes = true"))?;
    let declare = format!("policies declare {}", file.display());
    let refused = run(&li, &declare)?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("40301"), "{told}");
    assert!(run(&wang, &declare)?.status.success());
    let alone = run(&root, "runs start --serial r --through 2026-11-24")?;
    assert!(String::from_utf8_lossy(&alone.stderr).contains("40302"));
    let prepared = run(&li, "--json runs prepare --serial r --through 2026-11-24")?;
    assert_eq!(json(&prepared)["status"], "PREPARED");
    assert!(run(&wang, "runs approve 1")?.status.success());
    let table = String::from_utf8(run(&li, "runs list")?.stdout)?;
    assert!(table.contains("preparedBy") && table.contains("wang"), "{table}");
    let log = json(&run(&root, "--json audit --operator li")?);
    let acts = log["acts"].as_array().context("no acts")?.iter();
    let acts: Vec<(&str, &str)> =
        acts.map(|act| (act["act"].as_str().unwrap(), act["outcome"].as_str().unwrap())).collect();
    let expected =
        [("POST /admin/v1/policies", "40301"), ("POST /admin/v1/issuance-runs/prepare", "0")];
    assert_eq!(acts, expected);
    // A person is named on standard input; nobody of that number has an account.
    let nobody = admin(&server, &li, "accounts look-up", "990101199001010016\n")?;
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("40408"));
    let balance = run(&li, "trial-balance")?;
    assert!(String::from_utf8(balance.stdout)?.contains("balanced"), "a table");
    Ok(())
}

#[tokio::test]
async fn operators_and_their_log_outlive_a_kill() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), settings).await?;
    let root = folder.path().join("data/operator.key");
    let enrolled = admin(&server, &root, "--json operators enrol li --role viewer", "")?;
    let key = folder.path().join("li");
    std::fs::write(&key, json(&enrolled)["key"].as_str().context("no key")?)?;
    let before = json(&admin(&server, &key, "--json audit", "")?);
    server.start_again().await?;
    let after = json(&admin(&server, &key, "--json audit", "")?);
    assert_eq!(after, before);
    assert!(after["acts"].as_array().is_some_and(|acts| !acts.is_empty()));
    Ok(())
}
