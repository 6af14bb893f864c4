//! The binary `carbon`: what it is told on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use carbon::admin::Admin;
use carbon::config::Config;
use carbon::conformity::Conform;
use carbon::stories::Stories;
use carbon::wiring::{self, Layout};
use carbon::{demonstration, maintenance, populate, simulation};
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// A request is many small pieces of memory, made on one thread and freed on another: against the C
/// library's allocator this one takes a tenth off what a citizen's opening costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of a platform that ended because a part of it did.
const FALLEN: i32 = 70;

/// Central platform of Shanghai's carbon inclusion scheme (碳普惠总平台).
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  carbon                                 everything in one process, 2,000 citizens, then serves
  carbon demo --once --users 200 --seed 7 --report report
  carbon serve --data .data              the platform alone
  carbon admin --help                    operates a platform that runs
  carbon sandbox --help                  partners and identity service for a platform
  carbon simulate simulations/scenarios/smoke.toml
  carbon simulate --virtual simulations/scenarios/virtual/storm.toml --seeds 0..200
  carbon conform scene --base https://your.server/carbon --keys my-app.json
  carbon store verify --data .data       walks the journal and derives every balance again

Logs go to standard error; RUST_LOG=info (or debug, carbon::http=debug, …) shows more."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts platform and sandbox, drives synthetic citizens through the whole journey, checks
    /// every account, batch, order and push, and goes on serving.
    Demo(Demo),
    /// Starts the platform.
    Serve(Serve),
    /// Starts the partners' servers and the identity service, and registers them at a platform.
    Sandbox(Sandbox),
    /// Puts load on a platform that runs elsewhere, as a set of partners and citizens, and compares
    /// it with the books: 0 all is well, 1 a threshold or a book, 2 saturated, 3 cannot begin. With
    /// --virtual: the platform itself under a virtual clock, with everything that can go wrong.
    Simulate(Simulate),
    /// Plays the platform against a partner's own server, and tells what to mend: 0 all is well,
    /// 1 something is to be mended, 3 cannot begin.
    Conform(Conform),
    /// Operates a platform over HTTP: operators, partners, scenes, policies, issuance, settlements,
    /// accounts, the audit log.
    Admin(Admin),
    /// Looks after the data of a platform that is stopped.
    #[command(subcommand)]
    Store(Store),
}

#[derive(Args)]
struct Demo {
    /// End after the comparison: exit code 0 when everything agrees, 1 when anything differs.
    #[arg(long)]
    once: bool,
    /// Synthetic citizens.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for report.json.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Data folder to keep; without it a temporary one is used.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Settings (TOML) over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

#[derive(Args)]
struct Serve {
    /// Data folder; it is created if it does not exist.
    #[arg(long)]
    data: PathBuf,
    /// Settings (TOML) over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Sandbox {
    /// The platform's address.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    platform: String,
    /// File with the operator's key (the platform writes it into its data folder).
    #[arg(long)]
    operator_key: PathBuf,
    /// Citizens who open an account, light every scene and enter the mall, at a platform that is
    /// new to them. Needs the key of the city's app beside the operator's.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1000))]
    citizens: u16,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Simulate {
    #[command(subcommand)]
    compare: Option<Reports>,
    #[command(flatten)]
    stories: Stories,
    /// The scenario of the load (TOML).
    #[arg(required_unless_present = "virtual_scenario")]
    scenario: Option<PathBuf>,
    /// The platform's address. Its configuration names the sandbox's identity service, as the
    /// defaults do.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// File with the operator's key (the platform writes it into its data folder).
    #[arg(long, default_value = ".data/operator.key")]
    operator_key: PathBuf,
    /// File with the key of the city's app (the platform writes it into its data folder).
    #[arg(long, default_value = ".data/city-app.key")]
    city_app_key: PathBuf,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for report.json and report.html.
    #[arg(long, default_value = "report")]
    report: PathBuf,
    /// The platform's process, for its memory, where its port does not tell.
    #[arg(long)]
    pid: Option<u32>,
    /// First port of the sandbox that is started beside: the identity service's.
    #[arg(long, default_value_t = demonstration::SANDBOX_PORT)]
    sandbox_port: u16,
    /// No progress.
    #[arg(long)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Reports {
    /// Sets two reports side by side, and marks what got worse by more than a tenth.
    Compare {
        /// The earlier report: report.json or its folder.
        a: PathBuf,
        /// The later one.
        b: PathBuf,
    },
}

#[derive(Subcommand)]
enum Store {
    /// Walks the journal's chain and derives every balance again.
    Verify(Data),
    /// Makes the store again from the journal, and proves it equal to the one that was there.
    Rebuild(Data),
    /// Writes the store anew in key order: sled never gives room back that was once taken.
    Compact(Data),
    /// Tells how much lies in each tree of the store, and what the folders take on the disk.
    Sizes(Data),
    /// Opens synthetic accounts of the sandbox's citizens, without the doors: for sizing.
    Populate(Populate),
}

#[derive(Args)]
struct Populate {
    /// Data folder; nobody may be serving it. Run again, it passes over whoever is open.
    #[arg(long)]
    data: PathBuf,
    /// How many citizens there shall be.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    citizens: u32,
    /// Seed that they are drawn from: that of the runs to come.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Of a thousand citizens, those who are linked to the mall and have points.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=1000))]
    shoppers_permille: u32,
    /// Points that each of those has at least.
    #[arg(long, default_value_t = 100)]
    points: u32,
    /// Port of the sandbox's identity service, its partners on the next ones; they are declared
    /// with these addresses.
    #[arg(long, default_value_t = demonstration::SANDBOX_PORT)]
    sandbox_port: u16,
    /// Settings (TOML) over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

#[derive(Args)]
struct Data {
    /// Data folder.
    #[arg(long)]
    data: PathBuf,
    /// Settings (TOML) over the defaults.
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misspoken(&error),
    };
    // These show their own progress.
    let fallback = match &cli.command {
        // What goes wrong in the virtual world goes wrong on purpose.
        Some(Command::Simulate(simulate)) if simulate.stories.wanted() => "off",
        None | Some(Command::Demo(_) | Command::Simulate(_) | Command::Conform(_)) => "warn",
        Some(Command::Admin(_)) => "warn",
        Some(Command::Store(Store::Populate(_))) => "warn",
        Some(_) => "info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match cli.command.unwrap_or_else(Command::demo) {
        Command::Demo(demo) => run(demo.run()),
        Command::Serve(serve) => run(serve.run()),
        Command::Sandbox(sandbox) => run(sandbox.run()),
        Command::Admin(admin) => run(admin.run()),
        Command::Simulate(Simulate { compare: Some(compare), .. }) => compare.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Conform(conform) => run(async { Ok(conform.run().await) }),
        Command::Store(Store::Verify(data)) => data.verify(),
        Command::Store(Store::Rebuild(data)) => data.rebuild(),
        Command::Store(Store::Compact(data)) => data.compact(),
        Command::Store(Store::Sizes(data)) => data.sizes(),
        Command::Store(Store::Populate(wishes)) => run(wishes.run()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("carbon: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What clap has to say of the command line. Its own exit code for a mistake is 2, which of a
/// simulation says that the generator was saturated.
fn misspoken(error: &clap::Error) -> ExitCode {
    // Where even the terminal is gone, the exit code says enough.
    let _ = error.print();
    let judges = |command: String| ["simulate", "conform"].contains(&command.as_str());
    let simulating = std::env::args().nth(1).is_some_and(judges);
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if simulating => ExitCode::from(simulation::CANNOT_BEGIN),
        _ => ExitCode::from(2),
    }
}

fn run(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    carbon_actors::run(work).context("the runtime cannot be started")?
}

impl Command {
    /// What `carbon` alone does.
    fn demo() -> Self {
        let (users, seed) = (2_000, 1);
        let (once, quiet) = (false, false);
        Self::Demo(Demo { once, users, seed, report: None, data: None, config: None, quiet })
    }
}

impl Demo {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let wishes = demonstration::Wishes {
            users: self.users,
            seed: self.seed,
            quiet: self.quiet,
            once: self.once,
            report: self.report,
            data: self.data,
        };
        let agrees = demonstration::run(Config::load(self.config.as_deref())?, wishes).await?;
        Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Serve {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        let running = wiring::start(&config, &Layout::open(&self.data)?).await?;
        println!("carbon: listening on http://{}", running.address);
        tokio::select! {
            asked = wiring::signal() => asked?,
            part = running.fallen() => {
                eprintln!("carbon: the {part} has ended (the log says why): start it again");
                // No orderly stop: it would wait for the part that is gone.
                std::process::exit(FALLEN);
            }
        }
        println!("carbon: stopping");
        running.stop().await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Sandbox {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.operator_key.display();
        let key = std::fs::read_to_string(&self.operator_key)
            .with_context(|| format!("{file} cannot be read"))?;
        let sandbox = demonstration::sandbox(&self.platform, key.trim()).await?;
        if self.citizens > 0 {
            let file = self.operator_key.with_file_name("city-app.key");
            let city = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let (key, city, many) = (key.trim(), city.trim(), self.citizens.into());
            demonstration::settle(&sandbox, &self.platform, key, city, many).await?;
        }
        println!("{}", sandbox.summary());
        wiring::signal().await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Simulate {
    fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(told) = self.stories.tell() {
            return told;
        }
        let load = simulation::Load {
            scenario: self.scenario.context("no scenario is named")?,
            target: self.target,
            operator_key: self.operator_key,
            city_app_key: self.city_app_key,
            seed: self.seed,
            report: self.report,
            pid: self.pid,
            sandbox_port: self.sandbox_port,
            quiet: self.quiet,
        };
        run(async { Ok(simulation::load(load).await) })
    }
}

impl Reports {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Compare { a, b } = self;
        print!("{}", simulation::compare(&a, &b)?);
        Ok(ExitCode::SUCCESS)
    }
}

impl Populate {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let wishes = populate::Wishes {
            citizens: self.citizens,
            seed: self.seed,
            shoppers_permille: self.shoppers_permille,
            points: self.points,
            quiet: self.quiet,
        };
        let (config, layout) = (Config::load(self.config.as_deref())?, Layout::open(&self.data)?);
        println!("{}", populate::run(config, &layout, self.sandbox_port, wishes).await?);
        Ok(ExitCode::SUCCESS)
    }
}

impl Data {
    fn verify(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        println!("{}", maintenance::verify(&config, &Layout { data: self.data })?);
        Ok(ExitCode::SUCCESS)
    }

    fn compact(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        println!("{}", maintenance::compact(&config, &Layout { data: self.data })?);
        Ok(ExitCode::SUCCESS)
    }

    fn sizes(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        println!("{}", maintenance::sizes(&config, &Layout { data: self.data })?);
        Ok(ExitCode::SUCCESS)
    }

    fn rebuild(self) -> anyhow::Result<ExitCode> {
        let config = Config::load(self.config.as_deref())?;
        println!("{}", maintenance::rebuild(&config, &Layout { data: self.data })?);
        Ok(ExitCode::SUCCESS)
    }
}
