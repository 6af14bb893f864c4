//! Commands of `carbon admin` about issuance runs (签发批次).

use carbon_protocol::{AppId, Day, SceneCode, Serial};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::requests::{Call, act, look};

#[derive(Subcommand)]
pub enum Runs {
    /// Lists them, newest first.
    List {
        /// Where an earlier answer goes on.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Prepares one: it waits for its approval.
    Prepare(Wish),
    /// Prepares and approves one in one act, where the policy does not want two persons.
    Start(Wish),
    /// Shows one.
    Show {
        /// Its number.
        run: u32,
    },
    /// Shows what one would issue if it began now.
    Preview {
        /// Its number.
        run: u32,
    },
    /// Approves one, whole or in part: it begins.
    Approve {
        /// Its number.
        run: u32,
        #[command(flatten)]
        part: Part,
    },
    /// Withdraws one that was prepared.
    Withdraw {
        /// Its number.
        run: u32,
    },
}

/// Which records a run is about.
#[derive(Args)]
pub struct Wish {
    /// A serial of your own: the same again is the same run.
    #[arg(long)]
    serial: Serial,
    /// Records of behaviour up to this day.
    #[arg(long)]
    through: Day,
    #[command(flatten)]
    part: Part,
}

/// Scenes and refusals.
#[derive(Args)]
pub struct Part {
    /// Only this scene; may be said several times.
    #[arg(long = "scene")]
    scenes: Vec<SceneCode>,
    /// Refuse this record; may be said several times.
    #[arg(long = "exclude", value_name = "APP:SERIAL", value_parser = record)]
    excluded: Vec<(AppId, Serial)>,
}

fn record(text: &str) -> Result<(AppId, Serial), String> {
    let (app, serial) = text.split_once(':').ok_or("an application, a colon, a serial")?;
    let app = AppId::parse(app).map_err(|error| error.to_string())?;
    Ok((app, Serial::parse(serial).map_err(|error| error.to_string())?))
}

impl Part {
    fn body(&self) -> Value {
        let excluded = self.excluded.iter();
        let excluded = excluded.map(|(app, serial)| json!({"appId": app, "serial": serial}));
        json!({"scenes": self.scenes, "excluded": excluded.collect::<Vec<Value>>()})
    }
}

impl Wish {
    fn body(&self) -> Value {
        let mut body = self.part.body();
        (body["serial"], body["through"]) = (json!(self.serial), json!(self.through));
        body
    }
}

impl Runs {
    pub fn call(&self) -> Call {
        let of = |run: &u32, what: &str| format!("issuance-runs/{run}{what}");
        match self {
            Self::List { cursor } => look("issuance-runs").with("cursor", cursor.as_ref()),
            Self::Prepare(wish) => act("issuance-runs/prepare", wish.body()),
            Self::Start(wish) => act("issuance-runs", wish.body()),
            Self::Show { run } => look(of(run, "")),
            Self::Preview { run } => look(of(run, "/preview")),
            Self::Approve { run, part } => act(of(run, "/approve"), part.body()),
            Self::Withdraw { run } => act(of(run, "/withdraw"), json!({})),
        }
    }
}
