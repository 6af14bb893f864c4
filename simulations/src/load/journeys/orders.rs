//! Orders of the mall (02.Z303): points leave the purse before they are asked for, so that no two
//! orders of the generator compete for them, and every refusal is a difference.

use std::time::Instant;

use anyhow::{Context as _, bail};
use carbon_protocol::account::OrderAction;
use carbon_protocol::contracts::m303::{OrderAnswer, OrderRequest};
use carbon_protocol::{OrderNo, Points, Serial};

use super::Arrival;
use crate::load::book::{LINKED, UNCERTAIN};
use crate::load::ground::Ground;
use crate::load::openends::OpenEnd;

/// Points of an order that has a story.
const STORY: u32 = 3;

/// One action on one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose.
    pub no: u32,
    /// The order's number; with the action it makes the serial.
    pub order: String,
    /// What.
    pub action: OrderAction,
    /// Points that it names or is about.
    pub points: u32,
}

/// PAY of one point.
pub(super) async fn pay(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let (no, order) = buyer(ground, arrival, "p", 1)?;
    take(ground, Step { no, order, action: OrderAction::Pay, points: 1 }, arrival.due).await
}

/// An order with a story: held and captured, held and let go, or captured and given back in part.
pub(super) async fn order(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let (no, order) = buyer(ground, arrival, "o", STORY)?;
    let (first, second, points) = match arrival.number % 3 {
        0 => (OrderAction::Freeze, OrderAction::Confirm, STORY),
        1 => (OrderAction::Freeze, OrderAction::Cancel, STORY),
        _ => (OrderAction::Pay, OrderAction::Refund, 1),
    };
    let step = Step { no, order: order.clone(), action: first, points: STORY };
    take(ground, step, arrival.due).await?;
    take(ground, Step { no, order, action: second, points }, Instant::now()).await
}

/// A shopper whose purse holds the points, which are taken out of it.
fn buyer(
    ground: &Ground,
    arrival: Arrival,
    kind: &str,
    points: u32,
) -> anyhow::Result<(u32, String)> {
    let from = ground.people.draw(arrival.number, 13);
    let rich = |no: u32| {
        ground.people.shops(no) && ground.book.is(no, LINKED) && ground.book.take(no, points)
    };
    let no = ground.people.next(from, rich).context("no shopper has points left")?;
    Ok((no, format!("{}-{kind}{}", ground.mark, arrival.number)))
}

/// Takes a step, and enters it; one whose outcome stays unknown is kept as an open end.
pub async fn take(ground: &Ground, step: Step, due: Instant) -> anyhow::Result<()> {
    let (mall, question) = (ground.mall(), request(ground, &step)?);
    match ground.call::<_, OrderAnswer>(mall, "02/Z303", &question, due).await {
        Ok(Ok(answer)) => {
            enter(ground, &step, &answer);
            ground.kept.step(&step);
            Ok(())
        }
        Ok(Err(no)) => {
            let what = format!("{:?} of {}: refused, {no:?}", step.action, step.order);
            ground.comparisons.differs(what);
            bail!("an order was refused: {no:?}")
        }
        Err(unknown) => {
            ground.book.mark(step.no, UNCERTAIN);
            ground.open_ends.keep(OpenEnd::Order(step));
            Err(unknown).context("an order")
        }
    }
}

/// Takes a step that was acknowledged once more; whether it is answered as a replay.
pub async fn repeat(ground: &Ground, step: &Step) -> anyhow::Result<bool> {
    let (mall, question) = (ground.mall(), request(ground, step)?);
    let answered =
        ground.call::<_, OrderAnswer>(mall, "02/Z303", &question, Instant::now()).await?;
    let points = Points(step.points.into());
    Ok(answered.is_ok_and(|answer| answer.replay && answer.captured_points == points))
}

fn request(ground: &Ground, step: &Step) -> anyhow::Result<OrderRequest> {
    let named = !matches!(step.action, OrderAction::Confirm | OrderAction::Cancel);
    Ok(OrderRequest {
        serial: Serial::parse(&format!("{}-{:?}", step.order, step.action))?,
        order_no: OrderNo::parse(&step.order)?,
        ccid: ground.people.ccid(step.no, ground.partner(ground.mall()))?,
        action: step.action,
        points: named.then_some(Points(step.points.into())),
    })
}

fn enter(ground: &Ground, step: &Step, answer: &OrderAnswer) {
    let points = u64::from(step.points);
    let (expected, got) = match step.action {
        OrderAction::Freeze => (points, answer.held_points.0),
        OrderAction::Confirm | OrderAction::Pay => (points, answer.captured_points.0),
        OrderAction::Cancel => (0, answer.held_points.0),
        OrderAction::Refund => (points, answer.refunded_points.0),
    };
    let what = || format!("points after {:?} of {}", step.action, step.order);
    ground.comparisons.same("order answers", what, &expected, &got);
    let whole = answer.refunded_points <= answer.captured_points;
    ground.comparisons.holds("INV-05", || format!("refunds of {}", step.order), whole);
    match step.action {
        OrderAction::Freeze => ground.count("points_held", points),
        OrderAction::Confirm | OrderAction::Pay => {
            ground.book.spent(step.no, step.points);
            ground.count("points_redeemed", points);
        }
        OrderAction::Cancel => {
            ground.book.put_back(step.no, step.points);
            ground.count("points_released", points);
        }
        OrderAction::Refund => {
            ground.book.refunded(step.no, step.points);
            ground.count("points_refunded", points);
        }
    }
}
