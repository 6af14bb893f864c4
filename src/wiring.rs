//! The wiring: the one place that knows every part. Opens the data folder, starts the platform on
//! its adapters, and puts door and pages in front of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::middleware;
use carbon_actors::followers::Followers;
use carbon_actors::house::Ports;
use carbon_actors::platform::{Platform, Wires};
use carbon_actors::ports::{Failure, Journal as _, Store as _, Subscribers};
use carbon_protocol::registry::RegistryCommand;
use tokio::net::TcpListener;

use crate::clock::SystemClock;
use crate::config::{BusMode, Config};
use crate::connections;
use crate::declarations;
use crate::docs;
use crate::http::{self, Fittings, HttpState};
use crate::identity::SaasIdentity;
use crate::journal::{self, FileJournal};
use crate::keys::Keys;
use crate::nats::{self, Broadcast, NatsBus, NatsSubscribers};
use crate::outbound::Outbound;
use crate::pages::{self, PagesState};
use crate::partners::HttpPartners;
use crate::store::SledStore;
use crate::tickets::Tickets;
use crate::vault::FileVault;

/// The folders and files of one platform.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The data folder.
    pub data: PathBuf,
}

impl Layout {
    /// The layout of a data folder, which is created if need be.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)
            .with_context(|| format!("{} cannot be created", data.display()))?;
        Ok(Self { data: data.to_owned() })
    }

    /// The journal's segments: the truth.
    pub fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }

    /// The store: can be made again.
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }

    /// Persons' keys and the platform's own: backed up with the journal.
    pub fn vault(&self) -> PathBuf {
        self.data.join("vault")
    }
}

/// A platform that runs, and listens.
pub struct Running {
    /// The platform.
    pub platform: Platform,
    /// Where it listens.
    pub address: SocketAddr,
    /// What an operator shows at `/admin/v1`.
    pub operator_key: String,
    /// What the city's app seals its tickets with.
    pub city_app_key: String,
    /// Events, for whoever listens inside the process.
    pub events: Arc<Broadcast>,
    followers: Followers,
    journal: Arc<FileJournal>,
    door: tokio::task::JoinHandle<std::io::Result<()>>,
    close: tokio::sync::oneshot::Sender<()>,
}

/// Opens the store, then the journal, which is verified from where the store ends.
pub(crate) fn open_truth(
    config: &Config,
    layout: &Layout,
) -> anyhow::Result<(Arc<SledStore>, Arc<FileJournal>)> {
    vault_is_there(layout)?;
    let store = Arc::new(SledStore::open(&layout.store(), &config.store)?);
    let cursor = store.cursor("projector")?;
    let journal =
        FileJournal::open(&layout.journal(), config.journal.clone(), cursor, store.clone())?;
    tracing::info!(first = journal.first(), durable = *journal.durable().borrow(), "journal open");
    Ok((store, Arc::new(journal)))
}

fn vault_is_there(layout: &Layout) -> anyhow::Result<()> {
    if layout.journal().is_dir() && !layout.vault().is_dir() {
        bail!(
            "{} is missing beside a journal: without its keys every citizen would get a second \
             account. Put the vault's backup back",
            layout.vault().display()
        );
    }
    Ok(())
}

/// What is opened once around journal and store, which may be opened twice.
struct Around {
    vault: Arc<FileVault>,
    outbound: Outbound,
    events: Arc<Broadcast>,
    connection: Option<async_nats::Client>,
}

impl Around {
    /// Opens journal and store, brings the store up to the journal's end, starts the platform.
    async fn open(
        &self,
        config: &Config,
        layout: &Layout,
    ) -> anyhow::Result<(Platform, Followers, Arc<FileJournal>)> {
        let (store, journal) = open_truth(config, layout)?;
        let subscribers: Arc<dyn Subscribers> = match &self.connection {
            Some(client) => Arc::new(NatsSubscribers::new(client.clone(), self.events.clone())),
            None => self.events.clone(),
        };
        let (vault, outbound) = (&self.vault, &self.outbound);
        let ports = Ports {
            journal: journal.clone(),
            store,
            clock: Arc::new(SystemClock::new(&config.clock)),
            vault: vault.clone(),
            partners: Arc::new(HttpPartners::new(outbound.clone(), vault.clone())),
            identity: Arc::new(SaasIdentity::new(outbound.clone(), &config.identity)?),
            subscribers,
        };
        let (limits, policy) = (config.actors.clone(), declarations::policy()?);
        let (platform, followers) =
            Platform::start(ports, limits, policy, self.wires(config)?).await?;
        Ok((platform, followers, journal))
    }

    fn wires(&self, config: &Config) -> anyhow::Result<Wires> {
        Ok(match (config.bus.mode, self.connection.clone()) {
            (BusMode::InProcess, _) => Wires::InProcess,
            (BusMode::Nats, Some(client)) => {
                let name = config.bus.name.clone();
                Wires::Bus(Box::new(move |lanes| {
                    Box::pin(async move {
                        let bus = NatsBus::start(client, &lanes, &name).await;
                        bus.map(|bus| Arc::new(bus) as _)
                            .map_err(|error| Failure::Bus(format!("{error:#}")))
                    })
                }))
            }
            (BusMode::Nats, None) => bail!("[bus] mode = \"nats\" needs [nats] url"),
        })
    }
}

/// Makes room for a store that is made again from the journal. The damaged one is kept beside it,
/// instead of the one that was damaged before.
fn set_store_aside(layout: &Layout, why: &str) -> anyhow::Result<()> {
    let aside = layout.data.join("store.damaged");
    if !journal::is_whole(&layout.journal())? {
        bail!(
            "the store is damaged ({why}), and the journal that it could be made from has lost its \
             first segments to the archive: bring them back, or a copy of the store"
        );
    }
    tracing::error!(
        why,
        aside = %aside.display(),
        "the store is damaged: it is set aside, and made again from the journal"
    );
    if aside.exists() {
        std::fs::remove_dir_all(&aside)?;
    }
    std::fs::rename(layout.store(), &aside).context("the damaged store cannot be set aside")
}

/// Starts a platform over a data folder. Must run inside an actix system.
pub async fn start(config: &Config, layout: &Layout) -> anyhow::Result<Running> {
    // Bound first: a port that is taken is found before anything was opened.
    let listener = TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    vault_is_there(layout)?;
    let vault = Arc::new(FileVault::open(&layout.vault(), &config.vault)?);
    let outbound = Outbound::new(Duration::from_millis(config.partners.timeout_ms))?;
    let events = Arc::new(Broadcast::default());
    let connection = match config.nats.url.is_empty() {
        true => None,
        false => Some(nats::connect(&config.nats).await?),
    };
    let around = Around { vault, outbound: outbound.clone(), events: events.clone(), connection };
    let mut opened = around.open(config, layout).await;
    if let Some(Failure::Damaged(why)) = opened.as_ref().err().and_then(|e| e.downcast_ref()) {
        set_store_aside(layout, why)?;
        opened = around.open(config, layout).await;
    }
    let (platform, followers, journal) = opened?;
    declare(&platform).await?;
    let keys = Keys::open(&layout.data)?;
    let router = router(config, &platform, outbound, &keys, address)?;
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let serve = connections::serve(listener, router, config.connections.clone(), async {
        // Dropping the sender closes the door, too.
        let _ = closed.await;
    });
    let door = tokio::spawn(serve);
    Ok(Running {
        platform,
        address,
        operator_key: keys.operator.clone(),
        city_app_key: keys.city_app.clone(),
        events,
        followers,
        journal,
        door,
        close,
    })
}

impl Running {
    /// Resolves with what has ended inside the platform without being asked to. Then the process is
    /// to end at once, as if it was killed: whatever was acknowledged is in the journal.
    pub async fn fallen(&self) -> &'static str {
        self.followers.fallen().await
    }

    /// Stops: the door first, the journal last.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.close);
        // Connections that idle are cut off after a moment; whatever they had asked is answered.
        if tokio::time::timeout(Duration::from_secs(10), self.door).await.is_err() {
            tracing::warn!("some connections did not end by themselves");
        }
        self.followers.stop().await;
        let journal = self.journal;
        tokio::task::spawn_blocking(move || journal.close()).await?;
        Ok(())
    }
}

/// What ships with the platform is declared at the first start; later starts find it declared.
async fn declare(platform: &Platform) -> anyhow::Result<()> {
    if platform.registry().policies().is_empty() {
        let policy = declarations::policy()?;
        platform.register(RegistryCommand::AdoptPolicy(Box::new(policy))).await?;
        let methodologies = declarations::methodologies()?;
        platform.register(RegistryCommand::AdoptMethodologies(methodologies)).await?;
    }
    if platform.registry().dictionaries().is_empty() {
        let dictionary = Box::new(declarations::dictionary()?);
        platform.register(RegistryCommand::ImportDictionary(dictionary)).await?;
    }
    for agreement in declarations::agreements()? {
        platform.register(RegistryCommand::PublishAgreement(Box::new(agreement))).await?;
    }
    Ok(())
}

fn router(
    config: &Config,
    platform: &Platform,
    outbound: Outbound,
    keys: &Keys,
    address: SocketAddr,
) -> anyhow::Result<Router> {
    let mut limits = config.http.clone();
    if limits.public_url.is_empty() {
        limits.public_url = format!("http://{address}");
    }
    let public_url = limits.public_url.parse().context("[http] public_url is no address")?;
    let seconds = Duration::from_secs;
    let tickets = &config.tickets;
    let entries = Arc::new(Tickets::new(tickets.entries, seconds(tickets.entry_seconds)));
    let auths = Arc::new(Tickets::new(tickets.auth_codes, seconds(tickets.auth_code_seconds)));
    let door = http::router(HttpState::new(Fittings {
        platform: platform.clone(),
        config: limits,
        token_key: keys.token,
        operator_key: keys.operator.clone(),
        entries: entries.clone(),
        auths: auths.clone(),
        outbound,
    }));
    let h5 = pages::router(PagesState::new(
        platform.clone(),
        config.pages.clone(),
        public_url,
        keys.city_app_key(),
        entries,
        auths,
    ));
    let docs = docs::router(&document())?.layer(middleware::from_fn(connections::hold_back));
    Ok(door.merge(h5).merge(docs))
}

/// Every interface of the platform and of its partners, as OpenAPI.
pub(crate) fn document() -> serde_json::Value {
    http::openapi()
}

/// Resolves when the process is asked to end (Ctrl-C, or SIGTERM).
pub async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
