//! Debian's chromium, driven over plain WebDriver HTTP: as much of it as our pages need.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window, closed with its driver when dropped.
pub struct Window {
    driver: Child,
    session: String,
    client: reqwest::Client,
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Whether a browser with its driver is installed.
pub fn is_installed() -> bool {
    let answers = |program: &str| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    answers("chromedriver") && answers("chromium")
}

impl Window {
    /// Opens a headless window.
    pub async fn open() -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver")?;
        let base = format!("http://127.0.0.1:{port}");
        let client = super::harness::client();
        let mut window = Self { driver, session: String::new(), client };
        for _ in 0..100 {
            if window.client.get(format!("{base}/status")).send().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--lang=zh-CN",
            "--window-size=420,900",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": args},
        }}});
        let answer = window.call(&format!("{base}/session"), &wanted).await?;
        let id = answer["sessionId"].as_str().context("no session")?;
        window.session = format!("{base}/session/{id}");
        Ok(window)
    }

    async fn call(&self, url: &str, body: &Value) -> anyhow::Result<Value> {
        let text = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string())
            .timeout(Duration::from_secs(60))
            .send()
            .await?
            .text()
            .await?;
        let answer: Value = serde_json::from_str(&text)?;
        if let Some(error) = answer["value"]["error"].as_str() {
            bail!("{url}: {error}: {}", answer["value"]["message"]);
        }
        Ok(answer["value"].clone())
    }

    async fn read(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("{}/{path}", self.session);
        let text = self.client.get(url).send().await?.text().await?;
        let answer: Value = serde_json::from_str(&text)?;
        Ok(answer["value"].as_str().unwrap_or_default().to_owned())
    }

    async fn command(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(&format!("{}/{path}", self.session), &body).await
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) -> anyhow::Result<()> {
        self.command("url", json!({ "url": url })).await.map(drop)
    }

    /// Where it is.
    pub async fn url(&self) -> anyhow::Result<String> {
        self.read("url").await
    }

    /// The page's source.
    pub async fn source(&self) -> anyhow::Result<String> {
        self.read("source").await
    }

    /// An element by its CSS selector, waited for.
    pub async fn element(&self, css: &str) -> anyhow::Result<String> {
        let wanted = json!({"using": "css selector", "value": css});
        for _ in 0..100 {
            if let Ok(found) = self.command("element", wanted.clone()).await
                && let Some(id) = found[ELEMENT].as_str()
            {
                return Ok(id.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no {css} at {}: {}", self.url().await?, self.source().await?)
    }

    /// Clicks an element.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        let id = self.element(css).await?;
        self.command(&format!("element/{id}/click"), json!({})).await.map(drop)
    }

    /// Ticks every box of the page.
    pub async fn tick_all(&self) -> anyhow::Result<()> {
        self.element("form").await?;
        let script = "document.querySelectorAll('input[type=checkbox]:not(:checked)')\
                      .forEach(box => box.click())";
        self.command("execute/sync", json!({ "script": script, "args": [] })).await.map(drop)
    }

    /// Types into an element.
    pub async fn type_into(&self, css: &str, text: &str) -> anyhow::Result<()> {
        let id = self.element(css).await?;
        self.command(&format!("element/{id}/value"), json!({ "text": text })).await.map(drop)
    }

    /// Waits until the address contains a part.
    pub async fn wait_for_url(&self, part: &str) -> anyhow::Result<String> {
        for _ in 0..200 {
            let url = self.url().await?;
            if url.contains(part) {
                return Ok(url);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("never came to {part}, but stands at {}: {}", self.url().await?, self.source().await?)
    }
}
