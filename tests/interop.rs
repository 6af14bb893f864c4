//! 国密 against an independent implementation: Python's `gmssl`, written by others and sharing no
//! line with ours. What we sign it verifies, what it signs we verify; digests agree.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use carbon_protocol::signature::{MacType, mac, sm3};
use carbon_protocol::sm2::{PrivateKey, PublicKey};

use super::harness::skipped;

/// Answers one line for each it reads: `VERB argument...`, everything in hexadecimal.
const GMSSL: &str = r#"
import sys
from gmssl import sm2, sm3
def digest(data): return bytes.fromhex(sm3.sm3_hash(list(data)))
def verb(what, *given):
    if what == "verify":
        public, sign, text = given
        key = sm2.CryptSM2(private_key="", public_key=public, asn1=True)
        return "right" if key.verify_with_sm3(sign, bytes.fromhex(text)) else "wrong"
    if what == "sign":
        private, public, text = given
        key = sm2.CryptSM2(private_key=private, public_key=public, asn1=True)
        return key.sign_with_sm3(bytes.fromhex(text))
    if what == "public":
        key = sm2.CryptSM2(private_key=given[0], public_key="")
        return key._kg(int(given[0], 16), key.ecc_table["g"])
    if what == "sm3":
        return digest(bytes.fromhex(given[0])).hex()
    key, text = map(bytes.fromhex, given)
    key = (digest(key) if len(key) > 64 else key).ljust(64, b"\0")
    pad = lambda by: bytes(k ^ by for k in key)
    return digest(pad(0x5c) + digest(pad(0x36) + text)).hex()
for line in open(sys.argv[1]): print(verb(*line.rstrip("\n").split(" ")))
"#;

/// Where `tests/run` puts it.
fn cached_gmssl() -> Option<PathBuf> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache");
    let folders = std::fs::read_dir(cache).ok()?;
    folders
        .filter_map(|folder| Some(folder.ok()?.path()))
        .find(|folder| folder.join("gmssl/sm2.py").is_file())
}

fn python(arguments: &[&str]) -> Option<Output> {
    let mut python = Command::new("python3");
    python.env("PYTHONDONTWRITEBYTECODE", "1").args(arguments);
    if let Some(folder) = cached_gmssl() {
        python.env("PYTHONPATH", folder);
    }
    python.output().ok()
}

fn has_gmssl() -> bool {
    python(&["-c", "import gmssl.sm2"]).is_some_and(|ran| ran.status.success())
}

/// Runs a program with gmssl in a folder; none where there is none.
pub fn python_in(folder: &Path, program: &str) -> Option<Output> {
    let within = format!("import os, sys\nos.chdir({folder:?})\nsys.path.insert(0, '')\n{program}");
    has_gmssl().then(|| python(&["-c", &within]))?
}

fn is_missing(test: &str) -> bool {
    let there = has_gmssl();
    if !there {
        skipped(test, "no python3 with gmssl");
    }
    !there
}

/// What gmssl says to some lines.
fn ask(lines: &[String]) -> Vec<String> {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("lines");
    std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let ran = python(&["-c", GMSSL, file.to_str().unwrap()]).unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let said: Vec<String> = said.lines().map(str::to_owned).collect();
    assert_eq!(said.len(), lines.len(), "{}", String::from_utf8_lossy(&ran.stderr));
    said
}

/// Key pairs as gmssl takes them: it strips leading 0s and 4s from a public key, so those that
/// begin with one are left out.
fn pairs() -> Vec<([u8; 32], PrivateKey, String)> {
    let drawn = (0..16_u8).filter_map(|seed| {
        let scalar = sm3(&[seed]);
        let key = PrivateKey::from_bytes(&scalar)?;
        let bare = key.public().to_string()[2..].to_owned();
        (!bare.starts_with(['0', '4'])).then_some((scalar, key, bare))
    });
    drawn.collect()
}

fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [1, 31, 32, 55, 56, 63, 64, 65, 119, 120, 1000]
        .map(|length: usize| (0..length).map(|at| (at * 7 % 251) as u8).collect())
        .into();
    texts.push("POST\n/api/v1/Z101\n1\nnonce-12\n{\"站\":\"人民广场\"}\n".into());
    texts
}

#[test]
fn what_we_sign_gmssl_verifies() {
    if is_missing("what_we_sign_gmssl_verifies") {
        return;
    }
    let (pairs, texts) = (pairs(), texts());
    assert!(pairs.len() >= 10);
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for ((_, key, bare), text) in pairs.iter().zip(texts.iter().cycle()) {
        let sign = key.sign(text);
        lines.push(format!("verify {bare} {sign} {}", hex::encode(text)));
        expected.push("right");
        let other = [text, &b"!"[..]].concat();
        lines.push(format!("verify {bare} {sign} {}", hex::encode(other)));
        expected.push("wrong");
    }
    assert_eq!(ask(&lines), expected);
}

#[test]
fn what_gmssl_signs_we_verify() {
    if is_missing("what_gmssl_signs_we_verify") {
        return;
    }
    let (pairs, texts) = (pairs(), texts());
    let asked: Vec<String> = pairs
        .iter()
        .zip(texts.iter().cycle())
        .flat_map(|((scalar, _, bare), text)| {
            let scalar = hex::encode(scalar);
            [format!("public {scalar}"), format!("sign {scalar} {bare} {}", hex::encode(text))]
        })
        .collect();
    let said = ask(&asked);
    for (((_, key, bare), text), said) in
        pairs.iter().zip(texts.iter().cycle()).zip(said.chunks_exact(2))
    {
        assert_eq!(said[0], *bare);
        let public = PublicKey::from_hex(&said[0]).unwrap();
        assert_eq!(public, key.public());
        assert!(public.verify(text, &said[1]), "{} {}", text.len(), said[1]);
        assert!(!public.verify(&[text, &b"!"[..]].concat(), &said[1]));
    }
}

#[test]
fn digests_and_hmacs_are_gmssls() {
    if is_missing("digests_and_hmacs_are_gmssls") {
        return;
    }
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for text in texts() {
        lines.push(format!("sm3 {}", hex::encode(&text)));
        expected.push(hex::encode(sm3(&text)));
        for key in [&text[..], b"k", &[0xa5; 64], &[0x5a; 65]] {
            lines.push(format!("hmac {} {}", hex::encode(key), hex::encode(&text)));
            expected.push(hex::encode(mac(MacType::HmacSm3, key, &text)));
        }
    }
    assert_eq!(ask(&lines), expected);
}
