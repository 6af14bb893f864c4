//! The operator of the virtual world: starts issuance runs, and restarts the platform when its
//! clock is not trusted any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use carbon_protocol::courier::{CourierCommand, PushKind};
use carbon_protocol::issuance::{IssuanceCommand, IssuanceReply, Scope};
use carbon_protocol::registry::AppRole;
use carbon_protocol::{OperatorId, Reason, RecordRef, RunNo, Serial};
use parking_lot::Mutex;

use super::senders::Sender;
use super::stage::{MALL, SCENE_APPS, Stage};

/// How long a run may take before it must have ended.
const RUN: Duration = Duration::from_secs(3_600);

/// The operator.
pub struct Operator {
    senders: Arc<Vec<Sender>>,
    state: Mutex<State>,
}

struct State {
    left: u32,
    run: Option<Wanted>,
    started: u32,
    excluded: BTreeSet<RecordRef>,
}

/// A run that is wanted: a crash does not change what it is.
#[derive(Clone)]
struct Wanted {
    serial: String,
    excluded: Vec<RecordRef>,
}

impl Operator {
    /// An operator who starts so many runs.
    pub fn new(senders: Arc<Vec<Sender>>, runs: u32) -> Self {
        let state = State { left: runs, run: None, started: 0, excluded: BTreeSet::new() };
        Self { senders, state: Mutex::new(state) }
    }

    /// Records that were excluded from any run.
    pub fn excluded(&self) -> BTreeSet<RecordRef> {
        self.state.lock().excluded.clone()
    }

    /// Starts the runs that are left, one after the other.
    pub async fn live(&self, stage: &Stage) {
        loop {
            if self.state.lock().run.is_none() {
                if self.state.lock().left == 0 {
                    return;
                }
                stage.world.wait(2_000..=9_000).await;
                let wanted = self.draw(stage);
                let mut state = self.state.lock();
                (state.left, state.run) = (state.left - 1, Some(wanted));
            }
            if let Err(error) = self.carry_out(stage).await {
                stage.world.wrong(format!("an issuance run: {error}"));
                return std::future::pending().await;
            }
        }
    }

    /// A last run over everything.
    pub async fn last_run(&self, stage: &Stage) {
        self.state.lock().left += 1;
        self.live(stage).await;
    }

    fn draw(&self, stage: &Stage) -> Wanted {
        let mut excluded = Vec::new();
        for sender in self.senders.iter() {
            let records = sender.records();
            if let Some(record) = records.values().nth(stage.world.pick(records.len()))
                && stage.world.chance(400)
            {
                excluded.push(record.record);
            }
        }
        let mut state = self.state.lock();
        state.excluded.extend(&excluded);
        state.started += 1;
        Wanted { serial: format!("run-{}", state.started), excluded }
    }

    async fn carry_out(&self, stage: &Stage) -> anyhow::Result<()> {
        let Some(Wanted { serial, excluded }) = self.state.lock().run.clone() else {
            return Ok(());
        };
        let through = stage.world.wall().day();
        let (serial, by) = (Serial::parse(&serial)?, OperatorId::parse("root")?);
        let start = || {
            let scope = Scope { through, scenes: Vec::new(), excluded: excluded.clone() };
            let (serial, by) = (serial.clone(), by.clone());
            stage.platform.issuance(IssuanceCommand::Start { serial, scope, by })
        };
        let run: RunNo = match stage.insist(start).await {
            Ok(IssuanceReply::Run(run, _)) => run.no,
            other => anyhow::bail!("starting {serial} is answered {other:?}"),
        };
        let watched = tokio::time::timeout(RUN, async {
            loop {
                let look = || stage.platform.issuance(IssuanceCommand::Look(Some(run)));
                match stage.insist(look).await {
                    Ok(IssuanceReply::Run(run, _)) if run.finished_at.is_some() => return Ok(()),
                    Ok(IssuanceReply::Run(..)) => stage.world.wait(200..=1_000).await,
                    other => return Err(anyhow::anyhow!("run {run} is answered {other:?}")),
                }
            }
        });
        watched.await.map_err(|_| anyhow::anyhow!("run {run} does not end"))??;
        self.state.lock().run = None;
        Ok(())
    }

    /// Resolves when the platform must be started again, because its clock is not trusted.
    pub async fn watch_clock(&self, stage: &Stage) {
        loop {
            tokio::time::sleep(Duration::from_secs(7)).await;
            if stage.platform.now().is_err() {
                return;
            }
        }
    }

    /// Has every push that failed tried again at once.
    pub async fn resume_pushes(&self, stage: &Stage) -> Result<(), Reason> {
        let scenes = SCENE_APPS.map(|app| (app, AppRole::Scene));
        for (app, role) in scenes.into_iter().chain([(MALL, AppRole::Mall)]) {
            for kind in PushKind::of(role).iter().copied() {
                for paused in [true, false] {
                    let pause = || CourierCommand::Pause { kind, paused };
                    stage.insist(|| stage.platform.courier(app, pause())).await?;
                }
            }
        }
        Ok(())
    }
}
