//! Calls that change nothing: the door alone, points, grams.

use anyhow::{Context as _, bail};
use carbon_protocol::Points;
use carbon_protocol::contracts::m402::{PointsAnswer, PointsRequest};
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use serde::{Deserialize, Serialize};

use super::Arrival;
use crate::load::book::{LINKED, OPENED};
use crate::load::ground::Ground;

/// What a no-op says.
#[derive(Serialize)]
struct Nothing {
    number: u32,
}

/// What a no-op is told.
#[derive(Deserialize)]
struct Measured {
    bytes: u64,
}

/// The door's whole ladder, and nothing behind it.
pub(super) async fn noop(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let app = arrival.number as usize % (ground.mall() + 1);
    let question = Nothing { number: arrival.number };
    match ground.call::<_, Measured>(app, "noop", &question, arrival.due).await? {
        Ok(measured) if measured.bytes > 0 => Ok(()),
        Ok(_) => bail!("a no-op without a body"),
        Err(no) => bail!("a no-op was refused: {no:?}"),
    }
}

/// 02.Z402 of some shopper.
pub(super) async fn points(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let from = ground.people.draw(arrival.number, 10);
    let no = ground.people.next(from, |no| ground.people.shops(no) && ground.book.is(no, LINKED));
    let no = no.context("no shopper has linked the mall")?;
    let mall = ground.mall();
    let question = PointsRequest { ccid: ground.people.ccid(no, ground.partner(mall))? };
    match ground.call::<_, PointsAnswer>(mall, "02/Z402", &question, arrival.due).await? {
        Ok(answer) => {
            let lots: Points = answer.lots.iter().map(|lot| lot.points).sum();
            let what = || format!("lots of citizen {no} in 02.Z402");
            ground.comparisons.same("02.Z402 lots", what, &answer.available_points, &lots);
            Ok(())
        }
        Err(no) => bail!("02.Z402 was refused: {no:?}"),
    }
}

/// 01.Z501 of some citizen, by the first of its applications.
pub(super) async fn totals(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let from = ground.people.draw(arrival.number, 11);
    let no = ground.people.next(from, |no| ground.book.is(no, OPENED));
    let no = no.context("nobody has an account")?;
    let first = ground.people.lights(no).next().context("a citizen who lights nothing")?;
    let app = ground.scene(first)?.app;
    let question = TotalsRequest { ccid: ground.people.ccid(no, ground.partner(app))? };
    match ground.call::<_, Totals>(app, "01/Z501", &question, arrival.due).await? {
        Ok(_) => Ok(()),
        Err(no) => bail!("01.Z501 was refused: {no:?}"),
    }
}
