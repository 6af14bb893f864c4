//! Events of a scenario at their seconds: partners and the identity service misbehave and recover,
//! the operator issues.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use parking_lot::Mutex;

use super::ground::Ground;
use super::outcome::FaultLine;
use super::prepare;
use super::scenario::{Event, Happening};
use crate::sandbox::{Faults, Switches};

/// What happened so far.
pub type Happened = Arc<Mutex<Vec<FaultLine>>>;

/// Checks that every application that an event names is there: before the run, not in it.
pub fn check(ground: &Ground) -> anyhow::Result<()> {
    let events = &ground.scenario.events;
    let apps: Vec<&str> = ground.sandbox.partners().map(|partner| partner.profile().app).collect();
    for app in events.iter().filter_map(|event| event.app.as_deref()) {
        anyhow::ensure!(apps.contains(&app), "event: app = \"{app}\": one of {apps:?} is allowed");
    }
    Ok(())
}

/// Lets everything happen at its second of the run.
pub async fn play(ground: Arc<Ground>, began: Instant, happened: Happened) {
    let mut events = ground.scenario.events.clone();
    events.sort_by_key(|event| event.at_second);
    for event in events {
        let at = began + Duration::from_secs(event.at_second.into());
        tokio::time::sleep_until(at.into()).await;
        let said = match happen(&ground, &event).await {
            Ok(said) => said,
            Err(error) => {
                let said = format!("{:?} failed: {error:#}", event.what);
                ground.comparisons.differs(said.clone());
                said
            }
        };
        let at_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        happened.lock().push(FaultLine { at_ms, what: said });
    }
}

async fn happen(ground: &Ground, event: &Event) -> anyhow::Result<String> {
    let all = Switches { error_percent: 100, ..Switches::default() };
    let (slow_ms, percent) = (event.ms, event.percent);
    let switches = match event.what {
        Happening::Issue => {
            prepare::issue(ground).await?;
            return Ok("the operator issued everything".into());
        }
        Happening::IdentityDown => {
            ground.sandbox.identity_faults().set(all);
            return Ok("the identity service is down".into());
        }
        Happening::IdentityBack => {
            ground.sandbox.identity_faults().set(Switches::default());
            return Ok("the identity service is back".into());
        }
        Happening::Slow => Switches { slow_ms, ..Switches::default() },
        Happening::Errors => Switches { error_percent: percent, ..Switches::default() },
        Happening::LostAnswers => Switches { lost_percent: percent, ..Switches::default() },
        Happening::Down => all,
        Happening::Back => Switches::default(),
    };
    let app = event.app.as_deref().context("an event without its app")?;
    let faults = faults(ground, app).context("no such application")?;
    faults.set(switches);
    Ok(match event.what {
        Happening::Slow => format!("{app} takes {slow_ms} ms longer"),
        Happening::Errors => format!("{app} answers {percent} of 100 requests 500"),
        Happening::LostAnswers => format!("{app} loses {percent} of 100 answers"),
        Happening::Back => format!("{app} is back"),
        _ => format!("{app} is down"),
    })
}

fn faults<'g>(ground: &'g Ground, app: &str) -> Option<&'g Faults> {
    ground.sandbox.partners().find(|partner| partner.profile().app == app).map(|p| p.faults())
}
