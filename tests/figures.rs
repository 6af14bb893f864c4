//! Figures: what `carbon serve` does on this machine, seen by callers over real HTTP. Ignored,
//! since a measurement is no verdict.
//!
//! The generator (signing, JSON, verifying every answer) and the sandbox partners run in this
//! process and share the cores with the server: every rate is a lower bound of the server's own.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use carbon_protocol::account::OrderAction;
use carbon_protocol::behaviour::{Behaviour, Bus};
use carbon_protocol::contracts::admin::Declared;
use carbon_protocol::contracts::issuance::{RunRequest, RunView};
use carbon_protocol::contracts::m303::{OrderAnswer, OrderRequest};
use carbon_protocol::contracts::z304::{Receipt, SubmitRecord, SubmitRequest, VerdictStatus};
use carbon_protocol::contracts::z306::RecordStatus;
use carbon_protocol::{Ccid, Grams, Label, OrderNo, Points, Serial};
use carbon_simulations::demo::caller::{Operator, now};
use carbon_simulations::demo::cast::Cast;
use carbon_simulations::demo::latency::Latencies;
use carbon_simulations::demo::population::{Citizen, Way, population};
use carbon_simulations::demo::trips::{DemoScene, Measure};
use carbon_simulations::demo::{DemoConfig, assemble, journeys, scenery, sending};
use carbon_simulations::sandbox::{Sandbox, SandboxConfig, Switches};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::harness::{Server, client};

pub const SEED: u64 = 2026;
/// Citizens opened before memory is measured, so that what is made once is made.
const FIRST: usize = 100;
/// Citizens whose memory and disk are measured.
const CITIZENS: usize = 500;
/// Rows of one batch: the most that the contract allows.
const ROWS: usize = 1000;
const NOOPS: usize = 100_000;
const PAYMENTS: usize = 20_000;
/// Days ahead that behaviour may be dated: the rows are spread over them, one an hour.
const AHEAD_DAYS: u32 = 60;
/// Grams of a bus ride by the shipped methodology (212.5, cut).
const RIDE: Grams = Grams(212);

/// A citizen with a lit bus scene and a linked mall.
pub struct Person {
    bus: Ccid,
    mall: Ccid,
}

/// What is measured, and who measures.
pub struct Ground {
    pub server: Server,
    pub cast: Arc<Cast>,
    operator: Operator,
    pub bus: DemoScene,
    folder: TempDir,
    _sandbox: Sandbox,
}

/// What a load took: in all, and each call's microseconds until a definite answer.
pub struct Took {
    pub whole: Duration,
    calls: Vec<u64>,
    /// Hundredths of CPU seconds: of the server, of this process.
    pub ticks: (u64, u64),
}

impl Ground {
    pub async fn prepare() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (secret, switches) = (b"figures".to_vec(), Switches::default());
        let config = SandboxConfig { seed: SEED, secret, first_port: 0, switches };
        let sandbox = Sandbox::start(config).await?;
        let server = Server::start(folder.path(), |address| settings(address, &sandbox)).await?;
        let key = |name: &str| {
            let text = std::fs::read_to_string(folder.path().join("data").join(name));
            text.map(|text| text.trim().to_owned()).context(name.to_owned())
        };
        let config = DemoConfig {
            users: 0,
            seed: SEED,
            quiet: true,
            platform_url: server.url.clone(),
            operator_key: key("operator.key")?,
            city_app_key: key("city-app.key")?,
            at_once: 16,
        };
        let cast = assemble::cast(&config, &sandbox, &Arc::new(Latencies::default())).await?;
        let operator = assemble::operator(&config, &cast);
        let bus = cast.scenes.iter().find(|scene| scene.measure == Measure::Bus);
        let bus = bus.context("the sandbox has no bus")?.clone();
        let mut policy = scenery::policy(&bus.code, Grams::ZERO);
        policy.daily_caps.clear();
        policy.future_tolerance_seconds = AHEAD_DAYS * 86_400;
        let _: Declared = operator.post("policies", &policy).await?;
        Ok(Self { server, cast: Arc::new(cast), operator, bus, folder, _sandbox: sandbox })
    }

    /// Opens by journey 1 with the bus lit, then links and enters the mall by journey 4.
    pub async fn open(&self, citizens: &[Citizen], at_once: usize) -> anyhow::Result<Vec<Person>> {
        let one = async |citizen: &Citizen| -> anyhow::Result<Person> {
            let opened = journeys::open_and_light(&self.cast, citizen).await?;
            let bus = opened.ccids.get(&self.bus.app).context("journey 1 tells the pseudonym")?;
            let mall = journeys::visit_mall(&self.cast, citizen).await?;
            Ok(Person { bus: Ccid::parse(bus)?, mall })
        };
        futures::stream::iter(citizens).map(one).buffer_unordered(at_once).try_collect().await
    }

    async fn health(&self, field: &str) -> anyhow::Result<u64> {
        let url = format!("{}/readyz", self.server.url);
        let health: Value = client().get(url).send().await?.json().await?;
        health[field].as_u64().with_context(|| format!("{field} of {health}"))
    }

    /// Waits until the followers have followed, checkpoints are written and pushes are out: until
    /// the server has nothing left that it would do by itself.
    pub async fn quiet(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let before = ticks(self.server.pid())?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let busy = ticks(self.server.pid())? - before > 3;
            if !busy && self.health("lag").await? == 0 && self.health("waiting").await? == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the server does not come to rest");
        }
    }

    /// Resident bytes of the server, bytes on disk of its journal and of its store.
    fn sizes(&self) -> anyhow::Result<[u64; 3]> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
        let data = self.folder.path().join("data");
        let kib: u64 = kib.parse()?;
        Ok([kib * 1024, used(&data.join("journal"))?, used(&data.join("store"))?])
    }

    /// Does `total` things from so many connections, each its next as soon as it is answered.
    pub async fn drive<W>(
        &self,
        connections: usize,
        total: usize,
        work: impl Fn(usize) -> W + Clone + Send + 'static,
    ) -> anyhow::Result<Took>
    where
        W: Future<Output = anyhow::Result<()>> + Send,
    {
        let next = Arc::new(AtomicUsize::new(0));
        let both = || anyhow::Ok((ticks(self.server.pid())?, ticks(std::process::id())?));
        let (before, began) = (both()?, Instant::now());
        let mut lanes = JoinSet::new();
        for _ in 0..connections {
            let (next, work) = (next.clone(), work.clone());
            lanes.spawn(async move {
                let mut calls = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return anyhow::Ok(calls);
                    }
                    let began = Instant::now();
                    work(number).await?;
                    calls.push(u64::try_from(began.elapsed().as_micros())?);
                }
            });
        }
        let mut calls = Vec::with_capacity(total);
        while let Some(lane) = lanes.join_next().await {
            calls.extend(lane??);
        }
        let (whole, after) = (began.elapsed(), both()?);
        calls.sort_unstable();
        Ok(Took { whole, calls, ticks: (after.0 - before.0, after.1 - before.1) })
    }
}

impl Took {
    pub fn micros(&self, percent: usize) -> u64 {
        self.calls[(self.calls.len() * percent / 100).min(self.calls.len() - 1)]
    }

    fn line(&self, what: &str, many: usize) {
        let (server, own) = self.ticks;
        line(
            what,
            &format!(
                "{:>7}/s   p50 {} ms, p99 {} ms; {} in {} ms; CPU: server {server}0 ms, \
                 generator and sandbox {own}0 ms",
                rate(many, self.whole),
                thousandths(self.micros(50)),
                thousandths(self.micros(99)),
                many,
                self.whole.as_millis(),
            ),
        );
    }
}

fn settings(address: &str, sandbox: &Sandbox) -> String {
    let access = sandbox.identity_access();
    format!(
        "listen = \"{address}\"\n\
         [identity]\nbase_url = \"{}\"\napp_code = \"{}\"\nkey_hex = \"{}\"\n\
         data_key_hex = \"{}\"\n\
         [http]\nrequests_per_second = 1000000\nnonces_per_app = 5000000\n\
         [connections]\naddress_requests_per_second = 1000000\n",
        access.base,
        access.keys.app,
        hex::encode(&access.keys.sign),
        hex::encode(access.keys.data.bytes()),
    )
}

pub fn line(what: &str, value: &str) {
    println!("{what:<34} {value}");
}

pub fn rate(many: usize, took: Duration) -> u128 {
    many as u128 * 1_000_000 / took.as_micros().max(1)
}

fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1000, number % 1000)
}

/// User and system time of a process, in hundredths of a second (`USER_HZ` is 100 on Linux).
pub fn ticks(process: u32) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

/// Bytes that a folder takes on disk: what is reserved and not written does not count.
fn used(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let (path, meta) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        bytes += if meta.is_dir() { used(&path)? } else { meta.blocks() * 512 };
    }
    Ok(bytes)
}

/// Batches of bus rides: row after row another citizen, and each citizen's rides an hour apart.
fn batches(
    bus: &DemoScene,
    people: &[Person],
    which: std::ops::Range<usize>,
) -> Vec<SubmitRequest> {
    let first = now().day().plus(1).start();
    let record = |number: usize| SubmitRecord {
        serial: Serial::parse(&format!("f-{number}")).unwrap(),
        ccid: people[number % people.len()].bus.clone(),
        scene: bus.code.clone(),
        behaviour: Behaviour::Bus(Bus {
            line: Label::parse(&format!("line-{}", number % 90)).unwrap(),
            boarding_time: first.plus_seconds((number / people.len() * 3600) as i64),
            order_no: Label::parse(&format!("o-{number}")).unwrap(),
        }),
        reduction_grams: RIDE,
        corrects: None,
    };
    which
        .map(|batch| SubmitRequest {
            batch_serial: Serial::parse(&format!("b-{batch}")).unwrap(),
            records: (batch * ROWS..(batch + 1) * ROWS).map(record).collect(),
            voids: Vec::new(),
        })
        .collect()
}

async fn submit(
    ground: &Ground,
    people: &[Person],
    which: std::ops::Range<usize>,
) -> anyhow::Result<()> {
    ground.quiet().await?;
    let tries = |cast: &Cast| cast.latencies.lines().get("Z304").map_or(0, |line| line.count);
    let (tried, disk) = (tries(&ground.cast), ground.sizes()?);
    let (rows, count) = (which.len() * ROWS, which.len());
    let depth = which.end * ROWS / people.len();
    let requests = Arc::new(batches(&ground.bus, people, which));
    let (cast, app, sent) = (ground.cast.clone(), ground.bus.app, requests.clone());
    let began = Instant::now();
    let took = ground
        .drive(8, count, move |number| {
            let (cast, sent) = (cast.clone(), sent.clone());
            async move {
                let caller = &cast.player(app)?.caller;
                let receipt: Receipt = caller.must("01/Z304", &sent[number]).await?;
                let good = receipt.verdicts.iter().all(|row| row.status == VerdictStatus::Received);
                ensure!(good && !receipt.replay, "{receipt:?}");
                Ok(())
            }
        })
        .await?;
    while ground.health("lag").await? > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let decided = began.elapsed();
    let caller = &ground.cast.player(app)?.caller;
    let (mut late, mut accepted) = (0, 0);
    for request in requests.iter() {
        let serial = request.batch_serial.as_str();
        let found = sending::results(caller, serial).await?;
        late += found.iter().filter(|row| row.status == RecordStatus::Received).count();
        let settled = sending::decided(caller, serial).await?;
        accepted += settled.iter().filter(|row| row.status == RecordStatus::Submitted).count();
    }
    ensure!(accepted == rows, "{} of {rows} rows were not accepted", rows - accepted);
    ground.quiet().await?;
    let after = ground.sizes()?;
    let again = tries(&ground.cast) - tried - count as u64;
    took.line(&format!("Z304 records, until receipts ({depth}/acct)"), rows);
    line(
        "  until all rows are decided",
        &format!(
            "{:>7}/s   (readyz lag 0 after {} ms; {late} rows undecided then; {again} of {} calls \
             were told 503 and came again)",
            rate(rows, decided),
            decided.as_millis(),
            count as u64 + again,
        ),
    );
    let [rss, journal, store] = [0, 1, 2].map(|at| after[at].saturating_sub(disk[at]));
    let rows = rows as u64;
    line(
        "  bytes per record",
        &format!("journal {}, store {}, resident {}", journal / rows, store / rows, rss / rows),
    );
    Ok(())
}

async fn issue(ground: &Ground) -> anyhow::Result<()> {
    let question = RunRequest {
        serial: Serial::parse("figures")?,
        through: now().day().plus(i32::try_from(AHEAD_DAYS)?),
        scenes: Vec::new(),
        excluded: Vec::new(),
    };
    let began = Instant::now();
    let mut run: RunView = ground.operator.post("issuance-runs", &question).await?;
    while run.finished_at.is_none() {
        ensure!(began.elapsed() < Duration::from_secs(120), "{run:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        run = ground.operator.get(&format!("issuance-runs/{}", run.run)).await?;
    }
    let took = began.elapsed();
    line(
        "issuance run, records",
        &format!(
            "{:>7}/s   {} records, {} points, {} accounts in {} ms (Z305 pushes meanwhile)",
            rate(usize::try_from(run.records)?, took),
            run.records,
            run.points.0,
            run.accounts,
            took.as_millis(),
        ),
    );
    Ok(())
}

async fn pay(ground: &Ground, people: Arc<Vec<Person>>, connections: usize) -> anyhow::Result<()> {
    ground.quiet().await?;
    let (cast, mall) = (ground.cast.clone(), ground.cast.mall());
    let took = ground
        .drive(connections, PAYMENTS, move |number| {
            let (cast, people) = (cast.clone(), people.clone());
            async move {
                let request = OrderRequest {
                    serial: Serial::parse(&format!("p-{connections}-{number}"))?,
                    order_no: OrderNo::parse(&format!("order-{connections}-{number}"))?,
                    ccid: people[number % people.len()].mall.clone(),
                    action: OrderAction::Pay,
                    points: Some(Points(1)),
                };
                let caller = &cast.player(mall)?.caller;
                let answer: OrderAnswer = caller.must("02/Z303", &request).await?;
                ensure!(!answer.replay && answer.captured_points == Points(1), "{answer:?}");
                Ok(())
            }
        })
        .await?;
    took.line(&format!("02.Z303 PAY 1 point, {connections} connections"), PAYMENTS);
    Ok(())
}

async fn noop(ground: &Ground) -> anyhow::Result<()> {
    ground.quiet().await?;
    let (cast, app) = (ground.cast.clone(), ground.bus.app);
    let took = ground
        .drive(64, NOOPS, move |number| {
            let cast = cast.clone();
            async move {
                let question = serde_json::json!({ "number": number });
                let _: Value = cast.player(app)?.caller.must("noop", &question).await?;
                Ok(())
            }
        })
        .await?;
    took.line("signed noop, 64 connections", NOOPS);
    Ok(())
}

async fn opening(ground: &Ground) -> anyhow::Result<Vec<Person>> {
    let mut citizens = population(FIRST + CITIZENS, SEED, ground.cast.scenes.len());
    let place = ground.cast.scenes.iter().position(|scene| scene.code == ground.bus.code);
    for citizen in &mut citizens {
        (citizen.way, citizen.lights) = (Way::PartnerApp, Vec::from_iter(place));
    }
    let (first, measured) = citizens.split_at(FIRST);
    let mut people = ground.open(first, 16).await?;
    ground.quiet().await?;
    let (before, awake) = (ground.sizes()?, ground.health("awake").await?);
    let began = Instant::now();
    people.extend(ground.open(measured, 16).await?);
    let took = began.elapsed();
    ground.quiet().await?;
    let (after, awake) = (ground.sizes()?, ground.health("awake").await? - awake);
    ensure!(awake == CITIZENS as u64, "{awake} of {CITIZENS} are awake");
    line(
        "citizens opened, lit, mall visited",
        &format!("{:>7}/s   {CITIZENS} in {} ms", rate(CITIZENS, took), took.as_millis()),
    );
    let [rss, journal, store] = [0, 1, 2].map(|at| after[at].saturating_sub(before[at]) / awake);
    line(
        "  bytes per account",
        &format!("resident {rss}, journal {journal}, store {store} ({awake} more awake)"),
    );
    line(
        "  resident before and after",
        &format!("{} KiB, {} KiB", before[0] >> 10, after[0] >> 10),
    );
    Ok(people)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo test --release --test all figures -- --ignored --nocapture"]
async fn figures() {
    let cores = std::thread::available_parallelism().unwrap();
    let build = if cfg!(debug_assertions) { "debug: these figures mean little" } else { "release" };
    println!("\n{cores} cores, shared by server, generator and sandbox partners; {build} build.");
    println!(
        "Opening: journey 1 (bus lit), mall linked and entered, all of it over HTTP;\n\
         resident bytes hold the pages' sessions, the newest entries kept for followers and\n\
         caches, too. Journal and store are blocks on disk. Z304: batches of {ROWS} bus rides,\n\
         8 connections, every row accepted; n/acct: rows that an account holds at the end.\n\
         PAY: 1 point, round robin over all accounts, answered when durable. noop: the door's\n\
         whole ladder (signature, nonce, token, pace), and nothing behind it.\n"
    );
    let ground = Ground::prepare().await.unwrap();
    let people = Arc::new(opening(&ground).await.unwrap());
    noop(&ground).await.unwrap();
    submit(&ground, &people, 0..30).await.unwrap();
    submit(&ground, &people, 30..120).await.unwrap();
    issue(&ground).await.unwrap();
    pay(&ground, people.clone(), 1).await.unwrap();
    pay(&ground, people, 64).await.unwrap();
    let rest = ground.sizes().unwrap();
    line("at the end", &format!("resident {} KiB", rest[0] >> 10));
}
