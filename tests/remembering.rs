//! A client that remembers what was acknowledged, what was refused and what it never heard of: load
//! for tests that hurt the process, and the question afterwards whether all of it is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carbon_protocol::account::OrderAction;
use carbon_protocol::contracts::issuance::{RunRequest, RunView};
use carbon_protocol::contracts::m303::{OrderAnswer, OrderRequest};
use carbon_protocol::contracts::z304::{Receipt, SubmitRequest};
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use carbon_protocol::{Ccid, OrderNo, Points, Serial};
use carbon_simulations::demo::caller::now;
use carbon_simulations::demo::population::{Citizen, Way};
use carbon_simulations::demo::{journeys, sending};
use parking_lot::Mutex;

use super::stage::{Lit, Stage, batch, rows, submit};

/// Rows of one batch.
const ROWS: usize = 3;
/// Pause between two questions of one reader.
const READ_PAUSE: Duration = Duration::from_millis(20);
/// What happens to one order after the other.
const PLANS: [&[OrderAction]; 4] = [
    &[OrderAction::Pay],
    &[OrderAction::Freeze, OrderAction::Confirm],
    &[OrderAction::Pay, OrderAction::Refund],
    &[OrderAction::Freeze, OrderAction::Cancel],
];

/// What became of a request, as far as its sender knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A yes.
    Acknowledged,
    /// A definite no.
    Refused,
    /// Nothing: it may be there or not, but never twice.
    Nothing,
}

/// A batch that was sent.
#[derive(Clone)]
pub struct Sent {
    /// Whose it is, by place.
    pub of: usize,
    /// The batch.
    pub request: SubmitRequest,
    /// What was heard.
    pub heard: Heard,
}

/// One order with its actions in the order they were sent.
#[derive(Clone)]
pub struct Ordered {
    /// Whose it is, by place.
    pub of: usize,
    /// Its actions.
    pub actions: Vec<(OrderRequest, Heard)>,
}

/// Everything one round of load has sent.
#[derive(Clone, Default)]
pub struct Memory {
    /// By serial.
    pub batches: BTreeMap<String, Sent>,
    /// By number.
    pub orders: BTreeMap<String, Ordered>,
    /// Citizens who opened an account and lit scenes, by number.
    pub openings: BTreeMap<usize, Heard>,
}

impl Memory {
    /// Requests of one kind of outcome: batches, actions of orders, openings.
    pub fn count(&self, wanted: Heard) -> [usize; 3] {
        let actions = self.orders.values().flat_map(|order| &order.actions);
        [
            self.batches.values().filter(|sent| sent.heard == wanted).count(),
            actions.filter(|(_, heard)| *heard == wanted).count(),
            self.openings.values().filter(|heard| **heard == wanted).count(),
        ]
    }

    /// Requests that were answered with a yes or a no, by kind.
    pub fn definite(&self) -> [usize; 3] {
        let (yes, no) = (self.count(Heard::Acknowledged), self.count(Heard::Refused));
        std::array::from_fn(|kind| yes[kind] + no[kind])
    }

    /// Takes in what another round remembers.
    pub fn add(&mut self, other: Self) {
        self.batches.extend(other.batches);
        self.orders.extend(other.orders);
        self.openings.extend(other.openings);
    }
}

/// Citizens with a lit scene, some points, and a mall.
pub struct Company {
    /// By place.
    pub lit: Vec<Lit>,
    /// Their pseudonyms towards the mall.
    pub malls: Vec<Ccid>,
}

impl Company {
    /// So many citizens of the bus, each with points to spend.
    pub async fn gather(stage: &Stage, count: usize) -> anyhow::Result<Self> {
        // A point for every gram: nobody becomes poor while the load lasts, however fast the
        // machine is. Of a poor citizen every order is refused: a load that proves nothing.
        stage.adopt_policy_of(1).await?;
        let mut lit = Vec::new();
        for no in (0..stage.citizens.len()).step_by(2) {
            let first = stage.citizens[no].lights[0];
            if stage.cast.scenes[first].code.as_str() == "bus" && lit.len() < count {
                lit.push(stage.lit(no).await?);
            }
        }
        anyhow::ensure!(lit.len() == count, "too few citizens go by bus");
        for one in &lit {
            let serial = format!("first-{}", one.citizen);
            submit(stage.caller(one), &batch(&serial, &rows(one, "first", 12))).await?;
        }
        for one in &lit {
            sending::decided(stage.caller(one), &format!("first-{}", one.citizen)).await?;
        }
        let run = issue(stage, "run-1").await?;
        anyhow::ensure!(run.points.0 > 0, "no points were credited: {run:?}");
        let mut malls = Vec::new();
        for one in &lit {
            malls.push(journeys::visit_mall(&stage.cast, &stage.citizens[one.citizen]).await?);
        }
        Ok(Self { lit, malls })
    }

    /// Load of every kind until it is dropped; `round` keeps its serials apart from other rounds'.
    pub async fn load(&self, stage: &Stage, round: usize, memory: &Mutex<Memory>) {
        let places = || 0..self.lit.len();
        let submitting = places().map(|at| self.submit_batches(stage, at, round, memory));
        let ordering = places().map(|at| self.place_orders(stage, at, round, memory));
        let reading = places().map(|at| self.look(stage, at));
        let submitting = futures::future::join_all(submitting);
        let ordering = futures::future::join_all(ordering);
        let reading = futures::future::join_all(reading);
        tokio::join!(submitting, ordering, reading, open_one(stage, round, memory));
        std::future::pending::<()>().await;
    }

    async fn submit_batches(&self, stage: &Stage, at: usize, round: usize, memory: &Mutex<Memory>) {
        let one = &self.lit[at];
        for number in 0.. {
            let mark = format!("k{round}-{number}");
            let serial = format!("{mark}-{}", one.citizen);
            let request = batch(&serial, &rows(one, &mark, ROWS));
            let sent = Sent { of: at, request: request.clone(), heard: Heard::Nothing };
            memory.lock().batches.insert(serial.clone(), sent);
            let answer = stage.caller(one).call::<_, Receipt>("01/Z304", &request).await;
            let Ok(answer) = answer else { return };
            let heard = if answer.is_ok() { Heard::Acknowledged } else { Heard::Refused };
            memory.lock().batches.entry(serial).and_modify(|sent| sent.heard = heard);
        }
    }

    async fn place_orders(&self, stage: &Stage, at: usize, round: usize, memory: &Mutex<Memory>) {
        let caller = &stage.cast.players[stage.cast.mall()].caller;
        for number in 0.. {
            let order = format!("o{round}-{number}-{at}");
            for (step, action) in PLANS[number % PLANS.len()].iter().enumerate() {
                let request = OrderRequest {
                    serial: Serial::parse(&format!("{order}-{step}")).unwrap(),
                    order_no: OrderNo::parse(&order).unwrap(),
                    ccid: self.malls[at].clone(),
                    action: *action,
                    points: (step == 0).then_some(Points(1)),
                };
                let remember = |heard| {
                    let mut memory = memory.lock();
                    let fresh = Ordered { of: at, actions: Vec::new() };
                    let order = memory.orders.entry(order.clone()).or_insert(fresh);
                    order.actions.truncate(step);
                    order.actions.push((request.clone(), heard));
                };
                remember(Heard::Nothing);
                match caller.call::<_, OrderAnswer>("02/Z303", &request).await {
                    Ok(Ok(_)) => remember(Heard::Acknowledged),
                    // Poor by now: nothing follows upon a no.
                    Ok(Err(_)) => {
                        remember(Heard::Refused);
                        break;
                    }
                    Err(_) => return,
                }
            }
        }
    }

    /// What a citizen's partner sees of the sums never goes back.
    async fn look(&self, stage: &Stage, at: usize) {
        let (one, mut before) = (&self.lit[at], 0);
        let question = TotalsRequest { ccid: one.ccid.clone() };
        while let Ok(Ok(totals)) = stage.caller(one).call::<_, Totals>("01/Z501", &question).await {
            let sum = totals.pending_grams.0 + totals.issued_grams.0;
            assert!(sum >= before, "{}: {before} g were shown, now {sum}", one.ccid);
            before = sum;
            tokio::time::sleep(READ_PAUSE).await;
        }
    }
}

/// One citizen opens an account and lights scenes.
async fn open_one(stage: &Stage, round: usize, memory: &Mutex<Memory>) {
    let Some(citizen) = newcomers(&stage.citizens).nth(round) else { return };
    memory.lock().openings.insert(citizen.no, Heard::Nothing);
    if journeys::open_and_light(&stage.cast, citizen).await.is_ok() {
        memory.lock().openings.insert(citizen.no, Heard::Acknowledged);
    }
}

/// Citizens who come by the city's app; no other test step uses them.
fn newcomers(citizens: &[Citizen]) -> impl Iterator<Item = &Citizen> {
    citizens.iter().filter(|citizen| citizen.way == Way::CityApp)
}

/// An issuance run over everything, until it is finished.
pub async fn issue(stage: &Stage, serial: &str) -> anyhow::Result<RunView> {
    let question = RunRequest {
        serial: Serial::parse(serial)?,
        through: now().day().plus(1),
        scenes: Vec::new(),
        excluded: Vec::new(),
    };
    let mut run: RunView = stage.operator.post("issuance-runs", &question).await?;
    for _ in 0..1_200 {
        if run.finished_at.is_some() {
            return Ok(run);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        run = stage.operator.get(&format!("issuance-runs/{}", run.run)).await?;
    }
    anyhow::bail!("the run does not finish: {run:?}")
}

/// Serials of rows that must be counted: those of acknowledged batches.
pub fn serials(memory: &Memory) -> BTreeSet<String> {
    let kept = memory.batches.values().filter(|sent| sent.heard == Heard::Acknowledged);
    let rows = kept.flat_map(|sent| &sent.request.records);
    rows.map(|record| record.serial.to_string()).collect()
}
