//! `carbon simulate`: load on a platform that runs elsewhere, the sandbox's partners beside it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use carbon_simulations::load::outcome::Outcome;
use carbon_simulations::load::scenario::Scenario;
use carbon_simulations::load::{Access, Wishes, gauges, report, run};

use crate::demonstration;

/// Exit code of a scenario, a key or a platform with which no run can begin.
pub const CANNOT_BEGIN: u8 = 3;

/// What is wished of a simulation over real HTTP.
#[derive(Debug)]
pub struct Load {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// Where the platform is reached.
    pub target: String,
    /// File with the operator's key.
    pub operator_key: PathBuf,
    /// File with the key of the city's app.
    pub city_app_key: PathBuf,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Folder of the report.
    pub report: PathBuf,
    /// The platform's process, where its port does not tell.
    pub pid: Option<u32>,
    /// First port of the sandbox.
    pub sandbox_port: u16,
    /// No progress.
    pub quiet: bool,
}

/// Runs it: 0 when all is well, 1 when a threshold was passed or a book differs, 2 when the
/// generator could not keep to its schedule, 3 when it could not begin.
pub async fn load(load: Load) -> ExitCode {
    match judged(load).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("carbon simulate: {error:#}");
            ExitCode::from(CANNOT_BEGIN)
        }
    }
}

async fn judged(load: Load) -> anyhow::Result<u8> {
    let (name, scenario) = Scenario::read(&load.scenario)?;
    let access = Access {
        target: load.target,
        operator_key: gauges::key(&load.operator_key)?,
        city_app_key: gauges::key(&load.city_app_key)?,
        seed: load.seed,
    };
    let sandbox = demonstration::start_sandbox(load.seed, load.sandbox_port).await?;
    let wishes = Wishes { name, scenario, access, pid: load.pid, quiet: load.quiet };
    let outcome = run(wishes, sandbox).await?;
    let page = report::write(&outcome, &load.report)?;
    println!("{}", report::table(&outcome));
    println!("{}", page.display());
    Ok(outcome.verdict.exit_code())
}

/// Sets two reports side by side, each the file itself or its folder; the table.
pub fn compare(a: &Path, b: &Path) -> anyhow::Result<String> {
    Ok(report::compare(&Outcome::read(a)?, &Outcome::read(b)?))
}
