//! Citizens of the virtual world: each does one thing after the other, and the one that a crash
//! interrupted again, until it is answered.

use std::time::Duration;

use carbon_protocol::account::{
    AccountCommand, AccountReply, Channel, ErrandView, Look, Open, OrderAction, OrderCommand,
    OrderReply, Purpose,
};
use carbon_protocol::{AccountId, AppNo, Ccid, Did, OrderNo, Points, Reason, Serial, Timestamp};
use parking_lot::Mutex;

use carbon_actors::ports::Person;

use super::books::{Book, Lit};
use super::stage::{MALL, SCENE_APPS, Stage, chain_code, consent, scene_of};

/// How long an errand may take before it must have ended, one way or the other.
const ERRAND: Duration = Duration::from_secs(1_800);

/// A citizen.
pub struct Citizen {
    /// The account.
    pub account: AccountId,
    /// On the chain.
    pub did: Did,
    person: Person,
    state: Mutex<State>,
}

struct State {
    left: u32,
    /// What is under way, and when it was begun: a crash does not end it.
    deed: Option<(Deed, Timestamp)>,
    serials: u32,
    /// Number of the serial that was booked last: a crash may come between that and the next deed.
    booked: u32,
    book: Book,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Open,
    /// Lights scenes and links the mall, at once.
    Light(Vec<AppNo>),
    /// Lights a scene and thinks better of it.
    Hesitate(AppNo),
    Revoke(AppNo),
    Unlink,
    Order(Action),
    Look,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Action {
    serial: String,
    order: String,
    action: OrderAction,
    points: Option<Points>,
}

impl Citizen {
    /// A citizen of a number.
    pub fn new(stage: &super::outside::Outside, number: u16, deeds: u32) -> Self {
        let mut id = [0; 16];
        // Spread over partitions, so over lanes.
        id[..2].copy_from_slice(&number.wrapping_mul(40_503).to_be_bytes());
        id[2..4].copy_from_slice(&number.to_be_bytes());
        let (name, id_no) = (format!("citizen {number}"), format!("99010119900101{number:04}"));
        let person = Person { name, id_no, phone: None };
        let state = State { left: deeds, deed: None, serials: 0, booked: 0, book: Book::default() };
        Self {
            account: AccountId(id),
            did: stage.did(&person),
            person,
            state: Mutex::new(State { deed: Some((Deed::Open, Timestamp(0))), ..state }),
        }
    }

    /// A copy of the books.
    pub fn book(&self) -> Book {
        self.state.lock().book.clone()
    }

    /// By which pseudonym an application knows the citizen.
    pub fn ccid(&self, stage: &Stage, app: AppNo) -> Ccid {
        stage.outside.ccid(&self.did, &chain_code(app))
    }

    /// Does everything that is left to do.
    pub async fn live(&self, stage: &Stage) {
        loop {
            let Some((deed, begun)) = self.next(stage) else { return };
            stage.world.note(|| format!("{}: {deed:?}", self.did));
            if let Err(error) = self.act(stage, &deed, begun).await {
                stage.world.wrong(format!("{}: {deed:?}: {error}", self.did));
                return std::future::pending().await;
            }
            {
                let mut state = self.state.lock();
                (state.deed, state.left) = (None, state.left.saturating_sub(1));
            }
            // Now and then long enough to be put to sleep.
            let pause = if stage.world.chance(150) { 8_000 } else { 1_500 };
            stage.world.wait(0..=pause).await;
        }
    }

    fn next(&self, stage: &Stage) -> Option<(Deed, Timestamp)> {
        let mut state = self.state.lock();
        if state.deed.is_none() && state.left > 0 {
            state.deed = Some((state.draw(stage), stage.world.wall()));
        }
        state.deed.clone()
    }

    async fn act(&self, stage: &Stage, deed: &Deed, begun: Timestamp) -> anyhow::Result<()> {
        match deed {
            Deed::Open => self.open(stage).await,
            Deed::Light(apps) => {
                let each = apps.iter().map(|app| self.light(stage, *app, begun));
                futures::future::join_all(each).await.into_iter().collect()
            }
            Deed::Hesitate(app) => self.hesitate(stage, *app, begun).await,
            Deed::Revoke(app) => self.revoke(stage, *app, begun).await,
            Deed::Unlink => {
                let unlink = AccountCommand::UnlinkMall { app: MALL, channel: Channel::CityApp };
                self.done(stage, &unlink).await?;
                self.state.lock().book.linked.1 = false;
                Ok(())
            }
            Deed::Order(action) => self.order(stage, action).await,
            Deed::Look => self.look(stage).await,
        }
    }

    async fn done(&self, stage: &Stage, command: &AccountCommand) -> anyhow::Result<()> {
        match stage.account(self.account, command).await {
            Ok(AccountReply::Done { .. }) => Ok(()),
            other => anyhow::bail!("answered {other:?}"),
        }
    }

    async fn open(&self, stage: &Stage) -> anyhow::Result<()> {
        let person = stage.platform.vault().seal_person(self.person.clone()).await?;
        let consents = vec![consent(stage.world.wall())];
        let (did, channel) = (self.did.clone(), Channel::CityApp);
        self.done(stage, &AccountCommand::Open(Open { did, person, channel, consents })).await
    }

    /// Lights an application's scene, or links the mall; whether it comes to that is for the
    /// partner to say.
    async fn light(&self, stage: &Stage, app: AppNo, asked: Timestamp) -> anyhow::Result<()> {
        let book = self.book();
        if book.is_lit(app) || (app == MALL && book.linked.1) {
            // It came to that before a crash, which interrupted another of the deed's errands.
            return Ok(());
        }
        let consents = vec![consent(stage.world.wall())];
        let purpose = match app {
            MALL => Purpose::LinkMall { app, consents },
            _ => Purpose::Light { app, scenes: vec![(scene_of(app), consents)] },
        };
        let errand = match stage.account(self.account, &AccountCommand::Begin(purpose)).await {
            Ok(AccountReply::Errand(errand)) => Some(errand),
            // It came to that before a crash.
            Err(Reason::AlreadyLit | Reason::AlreadyRegistered) => None,
            other => anyhow::bail!("beginning is answered {other:?}"),
        };
        let watched = tokio::time::timeout(ERRAND, async {
            loop {
                let summary = stage.summary(self.account).await?;
                let lit = match app {
                    MALL => summary.links.iter().any(|link| link.app == app && link.mall_linked),
                    _ => summary.scenes.iter().any(|scene| {
                        let open = scene.periods.last().is_some_and(|last| last.to.is_none());
                        scene.app == app && open
                    }),
                };
                let running = |view: &ErrandView| view.running;
                if lit || !summary.errand.as_ref().is_some_and(running) {
                    return Some(lit);
                }
                stage.world.wait(100..=600).await;
            }
        });
        let lit = match watched.await {
            Ok(Some(lit)) => lit,
            Ok(None) => return Ok(()),
            Err(_) => anyhow::bail!("errand {errand:?} of {app} does not end"),
        };
        anyhow::ensure!(lit || errand.is_some(), "{app} was lit already, and is not");
        let mut state = self.state.lock();
        match app {
            MALL if lit => state.book.linked = (true, true),
            _ if lit => {
                let seen = Some(stage.world.wall());
                let span = Lit { asked, seen, ended: None };
                state.book.lit.entry(app).or_default().push(span);
            }
            _ => {}
        }
        Ok(())
    }

    /// Begins to light a scene, and takes that back before or after it came to it.
    async fn hesitate(&self, stage: &Stage, app: AppNo, asked: Timestamp) -> anyhow::Result<()> {
        let scenes = vec![(scene_of(app), vec![consent(stage.world.wall())])];
        let begin = AccountCommand::Begin(Purpose::Light { app, scenes });
        match stage.account(self.account, &begin).await {
            Ok(AccountReply::Errand(_)) | Err(Reason::AlreadyLit) => {}
            other => anyhow::bail!("beginning is answered {other:?}"),
        }
        stage.world.wait(0..=900).await;
        let (scene, channel) = (scene_of(app), Channel::CityApp);
        self.done(stage, &AccountCommand::Revoke { app, scene, channel }).await?;
        let ended = Some((asked, stage.world.wall()));
        let span = Lit { asked, seen: None, ended };
        self.state.lock().book.lit.entry(app).or_default().push(span);
        Ok(())
    }

    async fn revoke(&self, stage: &Stage, app: AppNo, asked: Timestamp) -> anyhow::Result<()> {
        let (scene, channel) = (scene_of(app), Channel::CityApp);
        self.done(stage, &AccountCommand::Revoke { app, scene, channel }).await?;
        let answered = stage.world.wall();
        let mut state = self.state.lock();
        if let Some(last) = state.book.lit.get_mut(&app).and_then(|spans| spans.last_mut()) {
            last.ended = Some((asked, answered));
        }
        Ok(())
    }

    async fn order(&self, stage: &Stage, action: &Action) -> anyhow::Result<()> {
        let now = stage.world.wall();
        let first = self.ask_order(stage, action, 1).await?;
        let after = stage.world.wall();
        {
            let mut state = self.state.lock();
            let expected = [now, after]
                .map(|at| state.book.expected(&action.order, action.action, action.points, at));
            let fits = expected.iter().flatten().any(|answer| *answer == first.refused);
            let booked = state.booked == state.serials;
            state.booked = state.serials;
            anyhow::ensure!(
                fits || first.replay,
                "refused {:?}, expected {expected:?}; books {:?}",
                first.refused,
                state.book.orders.get(&action.order)
            );
            let lapses = first.order.as_ref().and_then(|order| order.lapses);
            let Action { order, action, points, .. } = action;
            if !booked {
                state.book.answered(order, *action, *points, first.refused, lapses);
            }
            state.book.compare(order, first.order.as_ref(), after).map_err(anyhow::Error::msg)?;
        }
        if stage.world.chance(300) {
            self.repeat(stage, action, &first).await?;
        }
        Ok(())
    }

    /// The same serial again, perhaps much later, gets the same answer; with another meaning, none.
    async fn repeat(
        &self,
        stage: &Stage,
        action: &Action,
        first: &OrderReply,
    ) -> anyhow::Result<()> {
        let pause = if stage.world.chance(500) { 12_000 } else { 50 };
        stage.world.wait(0..=pause).await;
        let again = self.ask_order(stage, action, 1).await?;
        anyhow::ensure!(
            again.replay && again.refused == first.refused,
            "{action:?} was answered {first:?}, and again {again:?}"
        );
        let conflict = self.ask_order(stage, action, 2).await;
        anyhow::ensure!(conflict.is_err(), "{action:?} with another meaning gets {conflict:?}");
        Ok(())
    }

    async fn ask_order(
        &self,
        stage: &Stage,
        action: &Action,
        digest: u64,
    ) -> anyhow::Result<OrderReply> {
        let command = AccountCommand::Order(OrderCommand {
            app: MALL,
            ccid: self.ccid(stage, MALL),
            order: OrderNo::parse(&action.order)?,
            serial: Serial::parse(&action.serial)?,
            action: action.action,
            points: action.points,
            digest,
        });
        match stage.account(self.account, &command).await {
            Ok(AccountReply::Order(reply)) => Ok(reply),
            other => anyhow::bail!("answered {other:?}"),
        }
    }

    /// Compares every order, scene and link with the books.
    pub async fn look(&self, stage: &Stage) -> anyhow::Result<()> {
        let orders: Vec<String> = self.state.lock().book.orders.keys().cloned().collect();
        for no in orders {
            let (app, order) = (MALL, OrderNo::parse(&no)?);
            let look = AccountCommand::Look(Look::Order { app, order });
            let view = match stage.account(self.account, &look).await {
                Ok(AccountReply::Order(reply)) => reply.order,
                other => anyhow::bail!("order {no} is answered {other:?}"),
            };
            let now = stage.world.wall();
            let compared = self.state.lock().book.compare(&no, view.as_ref(), now);
            compared.map_err(anyhow::Error::msg)?;
        }
        let Some(summary) = stage.summary(self.account).await else { return Ok(()) };
        let book = self.book();
        for app in SCENE_APPS {
            let scenes = summary.scenes.iter().filter(|scene| scene.app == app);
            let lit = scenes.flat_map(|scene| &scene.periods).any(|period| period.to.is_none());
            anyhow::ensure!(lit == book.is_lit(app), "scene of {app}: lit is {lit}");
        }
        let linked = summary.links.iter().any(|link| link.app == MALL && link.mall_linked);
        anyhow::ensure!(linked == book.linked.1, "the mall: linked is {linked}");
        Ok(())
    }
}

impl State {
    /// What to do next.
    fn draw(&mut self, stage: &Stage) -> Deed {
        let world = &stage.world;
        let dark: Vec<AppNo> =
            SCENE_APPS.into_iter().filter(|app| !self.book.is_lit(*app)).collect();
        let app = SCENE_APPS[world.pick(SCENE_APPS.len())];
        match world.draw(0..=99) {
            0..=24 if !dark.is_empty() || !self.book.linked.1 => {
                let mall = (!self.book.linked.1).then_some(MALL);
                let mut apps: Vec<AppNo> = dark.into_iter().chain(mall).collect();
                let fewer = world.pick(apps.len()) + 1;
                apps.truncate(fewer);
                self.book.link_errands += usize::from(apps.contains(&MALL));
                Deed::Light(apps)
            }
            25..=27 if !self.book.is_lit(app) => Deed::Hesitate(app),
            28..=33 if self.book.is_lit(app) => Deed::Revoke(app),
            34..=35 if self.book.linked.1 => Deed::Unlink,
            36..=89 if self.book.linked.0 => Deed::Order(self.draw_action(stage)),
            _ => Deed::Look,
        }
    }

    fn draw_action(&mut self, stage: &Stage) -> Action {
        let world = &stage.world;
        self.serials += 1;
        let serial = format!("s{}", self.serials);
        let known: Vec<(&String, Points)> =
            self.book.orders.iter().map(|(no, order)| (no, order.left())).collect();
        let new = || format!("o{}", self.serials);
        let amount = Some(Points(world.draw(1..=12)));
        let (order, left) = match known.get(world.pick(known.len())) {
            Some((no, left)) if world.chance(650) => ((*no).clone(), *left),
            _ => (new(), Points::ZERO),
        };
        // What was captured is mostly given back.
        let least = if left > Points::ZERO && world.chance(700) { 6 } else { 0 };
        let (action, points) = match world.draw(least..=9) {
            0..=1 => (OrderAction::Freeze, amount),
            2..=3 => (OrderAction::Pay, amount),
            4 => (OrderAction::Confirm, None),
            5 => (OrderAction::Cancel, None),
            // One more than is left, all that is left, or some of it.
            6 => (OrderAction::Refund, Some(left.saturating_add(Points(1)))),
            7 => (OrderAction::Refund, None),
            _ => (OrderAction::Refund, Some(Points(world.draw(1..=left.0.max(1))))),
        };
        Action { serial, order, action, points }
    }
}
