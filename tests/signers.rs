//! The signers that partners copy (`protocol/signers`): each makes the signatures of the shared
//! vectors, as the platform's own code does. A language that is not on this machine is SKIPPED.

use std::path::{Path, PathBuf};
use std::process::Command;

use carbon_protocol::signature::{self, MacType};
use carbon_protocol::sm2::PublicKey;
use serde_json::Value;

use super::harness::skipped;
use super::interop;

/// Reads the vectors, signs each by the file beside them, and prints the signatures, a line each.
const PYTHON: &str = r#"
import json, carbon_sign as s
for v in json.load(open("vectors.json", encoding="utf-8"))["vectors"]:
    body, key = v["body"].encode(), bytes.fromhex(v["keyHex"])
    if v["kind"] == "request":
        text = s.request_string(v["method"], v["pathAndQuery"], v["timestamp"], v["nonce"], body)
        headers = {"x-timestamp": str(v["timestamp"]), "X-NONCE": v["nonce"],
                   "X-Sign-Type": v["signType"], "X-Sign": v["sign"].upper()}
        right = lambda body: s.Signer("app", key).push_is_right(
            v["method"], v["pathAndQuery"], headers, body)
        assert right(body) and not right(body + b" ")
    else:
        text = s.answer_string(v["status"], v["requestId"], v["timestamp"], v["nonce"], body)
    print(s.sign(v["signType"], key, text))
"#;

/// Verifies the vectors of SM2-SM3, then signs with every part of them and verifies that.
const PYTHON_SM2: &str = r#"
import json, carbon_sign as s
sm2 = json.load(open("vectors.json", encoding="utf-8"))["sm2"]
key, public = bytes.fromhex(sm2["privateKeyHex"]), sm2["publicKey"]
mine = s.Signer("app", key, "SM2-SM3", platform_keys=[public])
for v in sm2["vectors"]:
    body = v["body"].encode()
    headers = {"x-timestamp": str(v["timestamp"]), "X-NONCE": v["nonce"],
               "X-Sign-Type": "SM2-SM3", "X-Sign": v["sign"]}
    def right(headers):
        if v["kind"] == "request":
            return mine.push_is_right(v["method"], v["pathAndQuery"], headers, body)
        return mine.answer_is_right(v["status"], {**headers, "x-request-id": v["requestId"]}, body)
    assert right(headers) == v["right"], v["name"]
    assert not right({**headers, "X-Sign-Type": "HMAC-SM3"}), v["name"]
    if v["kind"] == "request":
        own = mine.headers(v["method"], v["pathAndQuery"], body)
        assert mine.push_is_right(v["method"], v["pathAndQuery"], own, body), v["name"]
        text = s.request_string(v["method"], v["pathAndQuery"], own["X-Timestamp"],
                                own["X-Nonce"], body)
        print(own["X-Sign"], text.hex())
"#;

const NODE: &str = r#"
import { readFileSync } from "node:fs";
const s = await import(process.cwd() + "/carbon-sign.mjs");
for (const v of JSON.parse(readFileSync("vectors.json", "utf8")).vectors) {
  const [body, key] = [Buffer.from(v.body), Buffer.from(v.keyHex, "hex")];
  let text;
  if (v.kind === "request") {
    text = s.requestString(v.method, v.pathAndQuery, v.timestamp, v.nonce, body);
    const headers = { "x-timestamp": String(v.timestamp), "X-NONCE": v.nonce,
                      "X-Sign-Type": v.signType, "X-Sign": v.sign.toUpperCase() };
    const right = (body) =>
      new s.Signer("app", key).pushIsRight(v.method, v.pathAndQuery, headers, body);
    if (!right(body) || right(Buffer.concat([body, Buffer.from(" ")]))) throw new Error(v.name);
  } else {
    text = s.answerString(v.status, v.requestId, v.timestamp, v.nonce, body);
  }
  console.log(s.sign(v.signType, key, text));
}
"#;

/// The shell reads a list `type key file`, and the texts from the files beside it.
const SHELL: &str = r#"
SIGN_TYPE=HMAC-SM3
. ./carbon-sign.sh
while read -r SIGN_TYPE SIGN_KEY file; do carbon_mac <"$WORK/$file"; done <"$WORK/list"
"#;

/// Java and Go have no JSON reader of their own (or none worth its lines here): they read the
/// vectors as hexadecimal lines `type key text`, and print the signatures.
const JAVA: &str = r#"
public class Vectors {
    public static void main(String[] files) throws Exception {
        var hex = java.util.HexFormat.of();
        for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of(files[0]))) {
            String[] part = line.split(" ", -1);
            System.out.println(
                CarbonSign.sign(part[0], hex.parseHex(part[1]), hex.parseHex(part[2])));
        }
    }
}
"#;

const GO: &str = r#"package carbonsign

import ("bufio"; "encoding/hex"; "fmt"; "os"; "strings"; "testing")

func TestVectors(t *testing.T) {
	file, _ := os.Open("lines")
	for lines := bufio.NewScanner(file); lines.Scan(); {
		part := strings.Split(lines.Text(), " ")
		key, _ := hex.DecodeString(part[1])
		text, _ := hex.DecodeString(part[2])
		sign, _ := Sign(part[0], key, text)
		fmt.Println(sign)
	}
}
"#;

struct Vector {
    name: String,
    kind: MacType,
    key: Vec<u8>,
    text: Vec<u8>,
    sign: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/signers")
}

fn vectors() -> Vec<Vector> {
    let file = std::fs::read(folder().join("vectors.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let read = |v: &Value| {
        let text = |name: &str| v[name].as_str().unwrap();
        Vector {
            name: text("name").to_owned(),
            kind: text("signType").parse().unwrap(),
            key: hex::decode(text("keyHex")).unwrap(),
            text: text_of(v),
            sign: text("sign").to_owned(),
        }
    };
    file["vectors"].as_array().unwrap().iter().map(read).collect()
}

/// What is signed of a vector.
fn text_of(v: &Value) -> Vec<u8> {
    let text = |name: &str| v[name].as_str().unwrap();
    let (stamp, body) = (v["timestamp"].as_i64().unwrap(), text("body").as_bytes());
    if v["kind"] == "request" {
        let (method, path) = (text("method"), text("pathAndQuery"));
        return signature::request_string(method, path, stamp, text("nonce"), body);
    }
    let status = u16::try_from(v["status"].as_u64().unwrap()).unwrap();
    signature::answer_string(status, text("requestId"), stamp, text("nonce"), body)
}

fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("SKIPPED: no {program} here: its signer was not run");
    }
    there
}

fn compare(language: &str, command: &mut Command) {
    let ran = command.output().unwrap();
    let (said, failed) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    let is_sign = |line: &&str| line.len() == 64 && line.bytes().all(|b| b.is_ascii_hexdigit());
    let signs: Vec<&str> = said.lines().filter(is_sign).collect();
    let vectors = vectors();
    assert_eq!(signs.len(), vectors.len(), "{language}: {said}{failed}");
    for (vector, sign) in vectors.iter().zip(signs) {
        assert_eq!(sign, vector.sign, "{language}: {} {}", vector.name, vector.kind);
    }
}

fn lines(path: &Path) {
    let line =
        |v: &Vector| format!("{} {} {}\n", v.kind, hex::encode(&v.key), hex::encode(&v.text));
    std::fs::write(path, vectors().iter().map(line).collect::<String>()).unwrap();
}

#[test]
fn the_platform_makes_the_signatures_of_the_vectors() {
    let vectors = vectors();
    assert!(vectors.len() >= 30);
    for v in vectors {
        assert_eq!(signature::sign(v.kind, &v.key, &v.text), v.sign, "{} {}", v.name, v.kind);
    }
}

#[test]
fn the_python_signer_makes_them() {
    if has("python3") {
        let mut python = Command::new("python3");
        python.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONIOENCODING", "utf-8");
        compare("Python", python.args(["-c", PYTHON]).current_dir(folder()));
    }
}

#[test]
fn the_shell_signer_makes_them() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("SKIPPED: no openssl here: the signer for shells was not run");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (no, v) in vectors().iter().enumerate() {
        std::fs::write(work.path().join(no.to_string()), &v.text).unwrap();
        list += &format!("{} {} {no}\n", v.kind, hex::encode(&v.key));
    }
    std::fs::write(work.path().join("list"), list).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", SHELL]).current_dir(folder()).env("WORK", work.path());
    compare("shell", &mut shell);
}

#[test]
fn the_vectors_of_sm2_verify_or_do_not_as_they_say() {
    let file = std::fs::read(folder().join("vectors.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let public = PublicKey::from_hex(file["sm2"]["publicKey"].as_str().unwrap()).unwrap();
    let vectors = file["sm2"]["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 8);
    for vector in vectors {
        let right = public.verify(&text_of(vector), vector["sign"].as_str().unwrap());
        assert_eq!(right, vector["right"].as_bool().unwrap(), "{}", vector["name"]);
    }
}

#[test]
fn the_python_signer_speaks_sm2() {
    let Some(ran) = interop::python_in(&folder(), PYTHON_SM2) else {
        return skipped("the_python_signer_speaks_sm2", "no python3 with gmssl");
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let file = std::fs::read(folder().join("vectors.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let public = PublicKey::from_hex(file["sm2"]["publicKey"].as_str().unwrap()).unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(said.lines().count() >= 4, "{said}");
    for line in said.lines() {
        let (sign, text) = line.split_once(' ').unwrap();
        assert!(public.verify(&hex::decode(text).unwrap(), sign), "{line}");
    }
}

#[test]
fn the_node_signer_makes_them() {
    if has("node") {
        let mut node = Command::new("node");
        compare("Node", node.args(["--input-type=module", "-e", NODE]).current_dir(folder()));
    }
}

#[test]
fn the_java_signer_makes_them() {
    if !has("javac") {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("CarbonSign.java"), work.path().join("CarbonSign.java")).unwrap();
    std::fs::write(work.path().join("Vectors.java"), JAVA).unwrap();
    lines(&work.path().join("lines"));
    let javac = ["-Xlint:all", "-Werror", "CarbonSign.java", "Vectors.java"];
    let compiled = Command::new("javac").args(javac).current_dir(work.path()).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let mut java = Command::new("java");
    compare("Java", java.args(["-cp", ".", "Vectors", "lines"]).current_dir(work.path()));
}

#[test]
fn the_go_signer_makes_them() {
    // Unlike the others, Go wants `version` without dashes.
    if Command::new("go").arg("version").output().is_err() {
        println!("SKIPPED: no go here: its signer was not run");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("carbon_sign.go"), work.path().join("carbon_sign.go")).unwrap();
    std::fs::write(work.path().join("carbon_sign_test.go"), GO).unwrap();
    std::fs::write(work.path().join("go.mod"), "module carbonsign\n\ngo 1.19\n").unwrap();
    lines(&work.path().join("lines"));
    compare("Go", Command::new("go").args(["test", "-v"]).current_dir(work.path()));
}
