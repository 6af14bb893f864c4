//! Deliveries: one task per application and kind of push takes what is owed from the feed, in
//! order, sends it, and tells the courier how it went. One slow partner delays nobody else.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use carbon_protocol::courier::{CourierCommand, CourierReply, LaneView, Notice, PushKind, Replay};
use carbon_protocol::entry::Stream;
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::{AppNo, MessageId, Timestamp};

use crate::followers::vital::Vital;
use crate::followers::{models, rendering};
use crate::house::House;
use crate::machines::courier::Courier;
use crate::machines::planted::{Planted, is_planted};
use crate::ports::{Failure, PushAnswer};
use crate::refusal::Refusal;
use crate::system;

/// Longest sleep of a task that nothing wakes: what is rung while nobody listens is found then.
const NAP: Duration = Duration::from_secs(30);
/// Pause after the courier or the store did not answer.
const BREATH: Duration = Duration::from_millis(200);

/// Runs a task for every application and kind, those registered later included.
pub async fn run(house: Arc<House>) {
    let mut stopping = house.stopping();
    let mut running: HashSet<(AppNo, PushKind)> = HashSet::new();
    loop {
        for app in house.registry().apps() {
            for kind in PushKind::of(app.role) {
                if running.insert((app.no, *kind)) {
                    let lane = Lane { house: house.clone(), app: app.no, kind: *kind };
                    tokio::spawn(Vital::over(house.clone(), "lane of deliveries", lane.run()));
                }
            }
        }
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = house.bells.registry.notified() => {}
        }
    }
}

struct Lane {
    house: Arc<House>,
    app: AppNo,
    kind: PushKind,
}

/// What a lane does after one look.
enum Next {
    /// Look again at once: something was delivered.
    Again,
    /// Sleep until something is owed, the address changes, or for so long.
    Sleep(Duration),
}

impl Lane {
    async fn run(self) {
        let bell = self.house.bells.feed(self.app, self.kind);
        let mut stopping = self.house.stopping();
        loop {
            let step = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                step = self.step() => step,
            };
            let nap = match step {
                Ok(Next::Again) => continue,
                Ok(Next::Sleep(nap)) => nap,
                Err(failure) => {
                    tracing::warn!(app = %self.app, kind = ?self.kind, %failure, "no delivery");
                    BREATH
                }
            };
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                () = bell.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    async fn step(&self) -> Result<Next, Failure> {
        let registry = self.house.registry();
        let Some(app) = registry.app(self.app).cloned() else { return Ok(Next::Sleep(NAP)) };
        let Some(lane) = self.look().await? else { return Ok(Next::Sleep(NAP)) };
        let Some(address) = lane.address.clone().filter(|to| !to.paused && !app.suspended) else {
            return Ok(Next::Sleep(NAP));
        };
        // Beside what is owed, and not while the receiver fails.
        let replay = lane.replays.first().filter(|_| lane.attempts == 0);
        if let Some(replay) = replay
            && self.until(replay.next_at)?.is_none()
        {
            self.again(replay, &app, address.url).await?;
            return Ok(Next::Again);
        }
        if let Some(nap) = self.until(lane.next_at)? {
            return Ok(Next::Sleep(nap));
        }
        let range = (lane.cursor, lane.retrying);
        let Some((through, count, answer)) = self.push(range, &app, address.url).await? else {
            let next = lane.replays.first().and_then(|replay| replay.next_at);
            return Ok(Next::Sleep(self.until(next)?.unwrap_or(NAP)));
        };
        let jitter = jitter(self.app, through, self.house.ports.clock.now()?);
        self.tell(outcome(self.kind, through, count, answer, jitter)).await?;
        Ok(Next::Again)
    }

    /// The next push of a replay.
    async fn again(&self, replay: &Replay, app: &Arc<App>, url: String) -> Result<(), Failure> {
        let kind = self.kind;
        let range = (replay.after, Some(replay.through));
        let Some((through, count, answer)) = self.push(range, app, url).await? else {
            // What there was is kept no more, or was sent.
            let through = replay.through;
            return self.tell(CourierCommand::Replayed { kind, through, count: 0 }).await;
        };
        let PushAnswer { status, retry_after } = answer;
        self.tell(match status {
            200..=299 => CourierCommand::Replayed { kind, through, count },
            _ => {
                let jitter = jitter(self.app, through, self.house.ports.clock.now()?);
                CourierCommand::ReplayFailed { kind, through, status, retry_after, jitter }
            }
        })
        .await
    }

    /// Pushes the next events behind one, up to another where it is named: the last of them, how
    /// many, and what came back. Nothing where there are none.
    async fn push(
        &self,
        range: (MessageId, Option<MessageId>),
        app: &Arc<App>,
        url: String,
    ) -> Result<Option<(MessageId, u32, PushAnswer)>, Failure> {
        let (notices, body) = self.owed(range, app).await?;
        let Some(last) = notices.last() else { return Ok(None) };
        let count = u32::try_from(notices.len()).unwrap_or(u32::MAX);
        let answer = self.house.ports.partners.push(app.clone(), url, self.kind, body).await;
        tracing::debug!(app = %self.app, kind = ?self.kind, count, status = answer.status, "push");
        Ok(Some((last.id, count, answer)))
    }

    /// How long to sleep until an instant, at most a nap; none where it has come.
    fn until(&self, at: Option<Timestamp>) -> Result<Option<Duration>, Failure> {
        let Some(at) = at else { return Ok(None) };
        let left = at.0.saturating_sub(self.house.ports.clock.now()?.0);
        let left = u64::try_from(left).ok().filter(|left| *left > 0);
        Ok(left.map(|left| Duration::from_millis(left).min(NAP)))
    }

    async fn look(&self) -> Result<Option<LaneView>, Failure> {
        match self.ask(CourierCommand::Look).await? {
            CourierReply::View(lanes) => Ok(lanes.into_iter().find(|lane| lane.kind == self.kind)),
            CourierReply::Done => Ok(None),
        }
    }

    /// The next events behind one, and the contract's body for them. A retry carries the same
    /// events: none beyond its last one.
    async fn owed(
        &self,
        (cursor, retrying): (MessageId, Option<MessageId>),
        app: &App,
    ) -> Result<(Vec<Notice>, Vec<u8>), Failure> {
        let limit = match (app.role, self.kind) {
            // 02.Z203 has its own answer and is never batched (decision 7).
            (AppRole::Mall, PushKind::Authorization) => 1,
            _ => self.house.limits.push_events,
        };
        let (house, kind, owner) = (self.house.clone(), self.kind, self.app);
        let work = move || {
            let store = &*house.ports.store;
            let mut notices = models::notices(store, owner, kind, cursor, limit)?;
            if let Some(through) = retrying {
                notices.retain(|notice| notice.id <= through);
            }
            let mut told = Cow::Borrowed(&notices);
            if is_planted(Planted::PushIdChanged) && retrying.is_some() {
                told.to_mut().iter_mut().for_each(|notice| notice.id.item += 1_000);
            }
            let body = match told.is_empty() {
                true => Vec::new(),
                false => rendering::body(store, &house.registry(), owner, kind, &told)?,
            };
            Ok((notices, body))
        };
        system::blocking(work).await?
    }

    async fn tell(&self, command: CourierCommand) -> Result<(), Failure> {
        // Until the courier knows, the same push would go out again: ask as long as it takes.
        loop {
            match self.ask(command.clone()).await {
                Ok(_) => return Ok(()),
                Err(Failure::Busy(_)) => tokio::time::sleep(BREATH).await,
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn ask(&self, command: CourierCommand) -> Result<CourierReply, Failure> {
        match self.house.ask::<Courier>(Stream::Courier(self.app), command, true).await {
            Ok(reply) => Ok(reply),
            Err(Refusal::Broken(failure)) => Err(failure),
            Err(Refusal::No(rejection)) => Err(Failure::Bus(format!("{:?}", rejection.reason))),
        }
    }
}

fn outcome(
    kind: PushKind,
    through: MessageId,
    count: u32,
    answer: PushAnswer,
    jitter: u16,
) -> CourierCommand {
    match answer.status {
        200..=299 => CourierCommand::Delivered { kind, through, count },
        status => CourierCommand::Failed {
            kind,
            through,
            count,
            status,
            retry_after: answer.retry_after,
            jitter,
        },
    }
}

/// Between 0 and 999, so that partners that failed together are not tried together: no chance is
/// needed where whom, what and when differ anyway.
fn jitter(app: AppNo, through: MessageId, now: Timestamp) -> u16 {
    let mut hasher = DefaultHasher::new();
    (app, through, now).hash(&mut hasher);
    // A remainder of a thousand fits.
    (hasher.finish() % 1000) as u16
}
