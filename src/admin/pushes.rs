//! Commands of `carbon admin` about pushes: how they go, event by event, and sending them again.

use carbon_protocol::AppId;
use clap::Subcommand;
use serde_json::json;

use super::requests::{Call, act, look};

/// Kinds of pushes, as the contracts call them.
const KINDS: [&str; 4] = ["Z203", "Z305", "Z503", "Z404"];
/// Where an event can be on its way.
const STATUSES: [&str; 5] = ["WAITING", "RETRYING", "DELIVERED", "PARKED", "REPLAYING"];

#[derive(Subcommand)]
pub enum Pushes {
    /// How pushes to an application go, by kind.
    Status {
        /// The application.
        app: AppId,
    },
    /// Lists an application's events, oldest first, with where each one is.
    List {
        /// The application.
        app: AppId,
        /// Of this kind only.
        #[arg(long, value_parser = KINDS)]
        kind: Option<String>,
        /// With this status only.
        #[arg(long, value_parser = STATUSES)]
        status: Option<String>,
        /// Happened at this instant or later (RFC 3339).
        #[arg(long)]
        from: Option<String>,
        /// Happened before this instant.
        #[arg(long)]
        to: Option<String>,
        /// Where an earlier answer goes on.
        #[arg(long)]
        cursor: Option<String>,
        /// Events of a page, 200 at most.
        #[arg(long)]
        limit: Option<u16>,
    },
    /// Shows one event with its content.
    Show {
        /// The application.
        app: AppId,
        /// The event's id.
        event: String,
    },
    /// Sends an event, or those of a span of time, again under the same ids.
    Replay {
        /// The application.
        app: AppId,
        /// The kind.
        #[arg(long, value_parser = KINDS)]
        kind: String,
        /// This event alone.
        #[arg(long, conflicts_with_all = ["from", "to"], required_unless_present = "from")]
        event: Option<String>,
        /// What happened at this instant or later (RFC 3339)…
        #[arg(long, requires = "to")]
        from: Option<String>,
        /// … and before this one.
        #[arg(long, requires = "from")]
        to: Option<String>,
    },
}

impl Pushes {
    pub fn call(&self) -> Call {
        let events = |app| look("pushes/events").with("appId", Some(app));
        match self {
            Self::Status { app } => look("pushes").with("appId", Some(app)),
            Self::List { app, kind, status, from, to, cursor, limit } => events(app)
                .with("kind", kind.as_ref())
                .with("status", status.as_ref())
                .with("from", from.as_ref())
                .with("to", to.as_ref())
                .with("cursor", cursor.as_ref())
                .with("limit", limit.as_ref()),
            Self::Show { app, event } => events(app).with("eventId", Some(event)),
            Self::Replay { app, kind, event, from, to } => {
                let mut body = json!({"appId": app, "kind": kind});
                for (name, value) in [("eventId", event), ("from", from), ("to", to)] {
                    if let Some(value) = value {
                        body[name] = json!(value);
                    }
                }
                act("pushes/replay", body)
            }
        }
    }
}
