//! SM2-SM3 through the real binary: a key pair registered by the operator's command line, requests
//! signed with it, answers that verify under the platform's published key. What a call costs is
//! printed beside the same call under HMAC-SM3.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use carbon_protocol::signature;
use carbon_protocol::sm2::{PrivateKey, PublicKey};
use serde_json::{Value, json};

use super::harness::{Server, binary, client};
use super::stage::Stage;

const METRO: &str = "metro-app";
/// Calls of each kind that are timed.
const CALLS: u32 = 200;

/// An application that signs with a key pair.
struct Signer<'s> {
    pair: PrivateKey,
    server: &'s Server,
    platform: PublicKey,
    http: reqwest::Client,
    token: String,
}

impl Signer<'_> {
    /// Posts, and gives the answer's data once its signature is proven.
    async fn call(&self, code: &str, body: &Value) -> anyhow::Result<Value> {
        let (path, body) = (format!("/api/v1/{code}"), serde_json::to_vec(body)?);
        let now = carbon_simulations::demo::caller::now().0;
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        let string = signature::request_string("POST", &path, now, &nonce, &body);
        let request = self
            .http
            .post(format!("{}{path}", self.server.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .header(signature::APP_ID, METRO)
            .header(signature::TIMESTAMP, now.to_string())
            .header(signature::NONCE, &nonce)
            .header(signature::SIGN_TYPE, "SM2-SM3")
            .header(signature::SIGN, self.pair.sign(&string));
        let answer = request.body(body).send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bytes = answer.bytes().await?;
        let said = String::from_utf8_lossy(&bytes);
        let stamp = header(signature::TIMESTAMP).context("no timestamp")?.parse()?;
        let id = header(signature::REQUEST_ID).context("no request id")?;
        let nonce = header(signature::NONCE).context("no nonce")?;
        let string = signature::answer_string(status, id, stamp, nonce, &bytes);
        let sign = header(signature::SIGN).context("no signature")?;
        anyhow::ensure!(self.platform.verify(&string, sign), "{said} is not the platform's");
        anyhow::ensure!(status == 200, "{code}: {said}");
        Ok(serde_json::from_slice::<Value>(&bytes)?["data"].take())
    }
}

async fn timed<F: Future<Output = anyhow::Result<()>>>(
    call: impl Fn() -> F,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    for _ in 0..CALLS {
        call().await?;
    }
    Ok(began.elapsed() / CALLS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_pair_speaks_for_an_application_from_registration_to_a_query() -> anyhow::Result<()> {
    let stage = Stage::start(u64::from(std::process::id()) ^ 0x52, "").await?;
    let lit = stage.lit(stage.first_on("metro")).await?;
    let pair = PrivateKey::from_bytes(&[7; 32]).context("no key")?;
    let added = Command::new(binary())
        .args(["admin", "--json", "--url", &stage.server.url, "--key"])
        .arg(stage.data().join("operator.key"))
        .args(["keys", "add-sm2", METRO])
        .arg(serde_json::to_value(pair.public())?.as_str().context("no text")?)
        .output()?;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let http = client();
    let published = http.get(format!("{}/api/v1/keys", stage.server.url)).send().await?;
    let published: Value = published.json().await?;
    let key = published["data"]["keys"][0].as_str().context("no key is published")?;
    let platform = PublicKey::from_hex(key).context("not a key")?;
    let token = String::new();
    let mut signer = Signer { pair, server: &stage.server, platform, http, token };
    let token = signer.call("Z101", &json!({})).await?;
    signer.token = token["token"].as_str().context("no token")?.to_owned();
    let whose = json!({ "ccid": lit.ccid });
    assert_eq!(signer.call("01/Z504", &whose).await?["scenes"][0]["scene"], "metro");
    let stranger = PrivateKey::from_bytes(&[8; 32]).context("no key")?;
    let own = std::mem::replace(&mut signer.pair, stranger);
    let refused = signer.call("01/Z504", &whose).await.unwrap_err().to_string();
    assert!(refused.contains("40103"), "{refused}");
    signer.pair = own;
    // The secret of before is valid as well, until somebody retires it.
    let caller = stage.caller(&lit);
    let by_pair = timed(async || signer.call("noop", &json!({})).await.map(|_| ())).await?;
    let by_secret = timed(async || {
        let answered: carbon_simulations::demo::caller::Answered<Value> =
            caller.call("noop", &json!({})).await?;
        answered.map(|_| ()).map_err(|no| anyhow::anyhow!("{no:?}"))
    });
    println!(
        "a no-op on one connection, both sides signing and checking: {by_pair:?} with SM2-SM3, \
         {:?} with HMAC-SM3",
        by_secret.await?
    );
    Ok(())
}
