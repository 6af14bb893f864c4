//! The commands of `carbon admin`, and the one call that each of them is.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use carbon_protocol::{AppId, OperatorId, PartnerId, SceneCode};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::data::{Dictionaries, Quality};
use super::keys::Keys;
use super::pushes::Pushes;
use super::runs::Runs;

/// One call under `/admin/v1`.
#[derive(Debug, PartialEq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Behind `/admin/v1/`.
    pub path: String,
    /// Of a look, and of what is imported.
    pub query: Vec<(&'static str, String)>,
    /// Of an act.
    pub body: Value,
    /// Where a file goes; standard output where nothing is said.
    pub out: Option<PathBuf>,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// A look.
    Get,
    /// An act.
    Post,
    /// An act with a CSV file, which is the body's text.
    PostCsv,
}

pub fn look(path: impl Into<String>) -> Call {
    let (path, query) = (path.into(), Vec::new());
    Call { method: Method::Get, path, query, body: Value::Null, out: None }
}

pub fn act(path: impl Into<String>, body: Value) -> Call {
    let (path, query) = (path.into(), Vec::new());
    Call { method: Method::Post, path, query, body, out: None }
}

impl Call {
    pub fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

/// What can be operated.
#[derive(Subcommand)]
pub enum Command {
    /// Operators, their roles and keys.
    #[command(subcommand)]
    Operators(Operators),
    /// The audit log: who did what when, and what came of it.
    Audit {
        /// Acts begun at this instant or later (RFC 3339).
        #[arg(long)]
        from: Option<String>,
        /// Acts begun before this instant.
        #[arg(long)]
        to: Option<String>,
        /// Of this operator only.
        #[arg(long)]
        operator: Option<OperatorId>,
        /// Where an earlier answer goes on.
        #[arg(long)]
        cursor: Option<String>,
        /// Acts of a page, 200 at most.
        #[arg(long)]
        limit: Option<u16>,
    },
    /// Partners.
    #[command(subcommand)]
    Partners(Partners),
    /// Partners' applications.
    #[command(subcommand)]
    Applications(Applications),
    /// Keys of applications.
    #[command(subcommand)]
    Keys(Keys),
    /// Scenes (场景).
    #[command(subcommand)]
    Scenes(Scenes),
    /// Agreements (许可协议).
    #[command(subcommand)]
    Agreements(Declared),
    /// Policies, as config/policy.toml writes one.
    #[command(subcommand)]
    Policies(Declared),
    /// Methodologies (方法学), as the interface's documentation has them.
    #[command(subcommand)]
    Methodologies(Declared),
    /// Distances between the metro's stations (Z301).
    #[command(subcommand)]
    Dictionaries(Dictionaries),
    /// The quality of partners' data, by samples of their raw data (C201).
    #[command(subcommand)]
    Quality(Quality),
    /// Issuance runs (签发批次).
    #[command(subcommand)]
    Runs(Runs),
    /// Pushes to an application.
    #[command(subcommand)]
    Pushes(Pushes),
    /// Settlements of malls.
    #[command(subcommand)]
    Settlements(Settlements),
    /// The books of all accounts together.
    TrialBalance,
    /// One citizen's account; the ID number is read from standard input.
    #[command(subcommand)]
    Accounts(Accounts),
}

#[derive(Subcommand)]
pub enum Operators {
    /// Lists them.
    List,
    /// Enrols one; the key is shown this once.
    Enrol {
        /// Their name in the audit log.
        id: OperatorId,
        /// What they are trusted with.
        #[arg(long)]
        role: Role,
    },
    /// Gives one another key; the old one ends at once.
    Rotate {
        /// Who.
        id: OperatorId,
    },
    /// Ends one.
    Revoke {
        /// Who.
        id: OperatorId,
    },
}

/// What an operator is trusted with.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Declares and prepares.
    Operator,
    /// Lets take effect.
    Approver,
    /// All of it.
    Administrator,
}

#[derive(Subcommand)]
pub enum Partners {
    /// Lists them.
    List,
    /// Registers one.
    Register {
        /// Its id.
        id: PartnerId,
        /// Its name.
        #[arg(long)]
        name: String,
    },
    /// Suspends one with all its applications.
    Suspend {
        /// Which.
        id: PartnerId,
    },
    /// Readmits one.
    Readmit {
        /// Which.
        id: PartnerId,
    },
}

#[derive(Subcommand)]
pub enum Applications {
    /// Lists them.
    List,
    /// Registers one; its keys are shown this once.
    Register {
        /// The request (JSON or TOML), as the interface's documentation has it.
        file: PathBuf,
    },
    /// Suspends one.
    Suspend {
        /// Which.
        id: AppId,
    },
    /// Readmits one.
    Readmit {
        /// Which.
        id: AppId,
    },
}

#[derive(Subcommand)]
pub enum Declared {
    /// Lists what was declared.
    List,
    /// Declares one.
    Declare {
        /// The request (JSON or TOML), as the interface's documentation has it.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
pub enum Scenes {
    /// Lists them.
    List,
    /// Declares one (场景申报).
    Declare {
        /// The request (JSON or TOML), as the interface's documentation has it.
        file: PathBuf,
    },
    /// Amends one; what is not said stays.
    Amend {
        /// Which.
        scene: SceneCode,
        /// Another name.
        #[arg(long)]
        name: Option<String>,
        /// An application that may submit for it, too; may be said several times.
        #[arg(long = "app")]
        apps: Vec<AppId>,
        /// Another last day of its approval.
        #[arg(long)]
        active_to: Option<carbon_protocol::Day>,
    },
}

#[derive(Subcommand)]
pub enum Settlements {
    /// Totals of a mall by day.
    Totals {
        /// The mall's application.
        app: AppId,
        /// First day.
        from: carbon_protocol::Day,
        /// Last day.
        to: carbon_protocol::Day,
    },
    /// The settlement file of a mall and a period that is over (CSV).
    File {
        /// The mall's application.
        app: AppId,
        /// A day (2026-11-24) or a month (2026-11), as the policy's cycle says.
        period: String,
        /// Where it goes; standard output where nothing is said.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub enum Accounts {
    /// Looks one up; the answer is masked.
    LookUp(Whose),
    /// Closes one (销户), for good.
    Close(Whose),
}

/// Whose account; the ID number is asked for where no pseudonym is given.
#[derive(Args)]
pub struct Whose {
    /// The application that knows the citizen by the pseudonym.
    #[arg(long, requires = "ccid")]
    app: Option<AppId>,
    /// The pseudonym.
    #[arg(long, requires = "app")]
    ccid: Option<carbon_protocol::Ccid>,
}

impl Whose {
    fn body(&self, ask: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Value> {
        Ok(match (&self.app, &self.ccid) {
            (Some(app), Some(ccid)) => json!({"appId": app, "ccid": ccid}),
            _ => json!({"idNo": ask("ID number")?}),
        })
    }
}

impl Command {
    /// The call it is. `ask` brings what must not stand on a command line.
    pub fn call(&self, ask: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<Call> {
        Ok(match self {
            Self::Operators(operators) => operators.call(),
            Self::Audit { from, to, operator, cursor, limit } => look("audit")
                .with("from", from.as_ref())
                .with("to", to.as_ref())
                .with("operator", operator.as_ref())
                .with("cursor", cursor.as_ref())
                .with("limit", limit.as_ref()),
            Self::Partners(partners) => partners.call(),
            Self::Applications(applications) => applications.call()?,
            Self::Keys(keys) => keys.call(),
            Self::Scenes(scenes) => scenes.call()?,
            Self::Agreements(agreements) => agreements.call("agreements")?,
            Self::Policies(policies) => policies.call("policies")?,
            Self::Methodologies(methodologies) => methodologies.call("methodologies")?,
            Self::Dictionaries(dictionaries) => dictionaries.call()?,
            Self::Quality(quality) => quality.call(),
            Self::Runs(runs) => runs.call(),
            Self::Pushes(pushes) => pushes.call(),
            Self::Settlements(settlements) => settlements.call(),
            Self::TrialBalance => look("trial-balance"),
            Self::Accounts(Accounts::LookUp(whose)) => act("accounts/look-up", whose.body(ask)?),
            Self::Accounts(Accounts::Close(whose)) => act("accounts/close", whose.body(ask)?),
        })
    }
}

impl Operators {
    fn call(&self) -> Call {
        match self {
            Self::List => look("operators"),
            Self::Enrol { id, role } => {
                let role = format!("{role:?}").to_lowercase();
                act("operators", json!({"id": id, "role": role}))
            }
            Self::Rotate { id } => act(format!("operators/{id}/rotate"), json!({})),
            Self::Revoke { id } => act(format!("operators/{id}/revoke"), json!({})),
        }
    }
}

fn suspension(what: &str, id: &impl ToString, suspended: bool) -> Call {
    act(format!("{what}/{}/suspend", id.to_string()), json!({"suspended": suspended}))
}

impl Partners {
    fn call(&self) -> Call {
        match self {
            Self::List => look("partners"),
            Self::Register { id, name } => act("partners", json!({"id": id, "name": name})),
            Self::Suspend { id } => suspension("partners", id, true),
            Self::Readmit { id } => suspension("partners", id, false),
        }
    }
}

impl Applications {
    fn call(&self) -> anyhow::Result<Call> {
        Ok(match self {
            Self::List => look("applications"),
            Self::Register { file } => act("applications", read(file)?),
            Self::Suspend { id } => suspension("applications", id, true),
            Self::Readmit { id } => suspension("applications", id, false),
        })
    }
}

impl Declared {
    fn call(&self, what: &str) -> anyhow::Result<Call> {
        Ok(match self {
            Self::List => look(what),
            Self::Declare { file } => act(what, read(file)?),
        })
    }
}

impl Scenes {
    fn call(&self) -> anyhow::Result<Call> {
        Ok(match self {
            Self::List => look("scenes"),
            Self::Declare { file } => act("scenes", read(file)?),
            Self::Amend { scene, name, apps, active_to } => {
                let mut body = json!({"moreAppIds": apps});
                if let Some(name) = name {
                    body["name"] = json!(name);
                }
                if let Some(active_to) = active_to {
                    body["activeTo"] = json!(active_to);
                }
                act(format!("scenes/{scene}/amend"), body)
            }
        })
    }
}

/// A request from a file: TOML where its name says so, JSON otherwise.
fn read(file: &Path) -> anyhow::Result<Value> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
    match file.extension().is_some_and(|extension| extension == "toml") {
        true => toml::from_str(&text).with_context(|| format!("{shown} is not TOML")),
        false => serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON")),
    }
}

impl Settlements {
    fn call(&self) -> Call {
        match self {
            Self::Totals { app, from, to } => look("settlements")
                .with("appId", Some(app))
                .with("from", Some(from))
                .with("to", Some(to)),
            Self::File { app, period, out } => {
                let call = look("settlements/file");
                let call = call.with("appId", Some(app)).with("period", Some(period));
                Call { out: out.clone(), ..call }
            }
        }
    }
}
