//! Starts the real binary on free ports with a folder of its own, waits until it is ready, kills
//! it, starts it again; finds the programs that some tests need, or says SKIPPED.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// How long a start may take, replay of the journal included.
const START: Duration = Duration::from_secs(60);

/// How long a stop in good order may take.
const STOP: Duration = Duration::from_secs(30);

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_carbon"))
}

/// An HTTP client for tests.
pub fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client without certificates of its own")
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Says, loudly, that a test could not be run here.
pub fn skipped(test: &str, missing: &str) {
    println!("SKIPPED {test}: {missing} (tests/run installs it)");
}

/// The path of a program, if it is installed.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// `carbon serve` as a process of its own.
pub struct Server {
    /// Where it is reached.
    pub url: String,
    folder: PathBuf,
    config: PathBuf,
    child: Option<Child>,
    starts: u32,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// Starts it in a folder, with settings (TOML) laid over the defaults. `settings` gets the
    /// address to listen on.
    pub async fn start(
        folder: &Path,
        settings: impl FnOnce(&str) -> String,
    ) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let config = folder.join("config.toml");
        std::fs::write(&config, settings(&address))?;
        let mut server = Self {
            url: format!("http://{address}"),
            folder: folder.to_owned(),
            config,
            child: None,
            starts: 0,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// The process, for what the system tells about it.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Starts it (again) over the same folder, and waits until it is ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.starts += 1;
        let log = File::create(self.log_path())?;
        let child = Command::new(binary())
            .arg("serve")
            .arg("--data")
            .arg(self.folder.join("data"))
            .arg("--config")
            .arg(&self.config)
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()
            .context("carbon serve")?;
        self.child = Some(child);
        let client = client();
        let ready = format!("{}/readyz", self.url);
        let deadline = tokio::time::Instant::now() + START;
        while tokio::time::Instant::now() < deadline {
            if let Ok(answer) = client.get(&ready).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok()?) {
                bail!("carbon serve ended with {status}:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("carbon serve is not ready after {START:?}:\n{}", self.log())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to stop (SIGTERM), and waits until it has.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let asked = Command::new("kill").arg(child.id().to_string()).status()?;
        anyhow::ensure!(asked.success(), "kill: {asked}");
        let deadline = tokio::time::Instant::now() + STOP;
        while tokio::time::Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                anyhow::ensure!(status.success(), "stopped with {status}:\n{}", self.log());
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = child.kill();
        let _ = child.wait();
        bail!("it did not stop within {STOP:?}:\n{}", self.log())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("serve-{}.log", self.starts))
    }

    /// What the last start has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// What all starts have logged.
    pub fn logs(&self) -> String {
        (1..=self.starts)
            .filter_map(|start| {
                std::fs::read_to_string(self.folder.join(format!("serve-{start}.log"))).ok()
            })
            .collect()
    }
}

/// A nats-server of its own, ended when dropped.
pub struct Nats {
    /// Where it is reached.
    pub url: String,
    child: Child,
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nats {
    /// Starts one with JetStream in a folder; none where the program is missing.
    pub async fn start(folder: &Path) -> anyhow::Result<Option<Self>> {
        let Some(program) = program("nats-server").or_else(cached_nats) else {
            return Ok(None);
        };
        let port = free_port();
        let child = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream"])
            .arg("--store_dir")
            .arg(folder.join("nats"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nats-server")?;
        let nats = Self { url: format!("nats://127.0.0.1:{port}"), child };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(Some(nats));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("nats-server does not listen")
    }
}

/// Where `tests/run` put it.
fn cached_nats() -> Option<PathBuf> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache");
    let folders = std::fs::read_dir(cache).ok()?;
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join("nats-server")))
        .find(|file| file.is_file())
}
