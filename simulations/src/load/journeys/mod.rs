//! What an arrival does, journey by journey; each begins at its scheduled time and keeps the book.

pub mod batch;
mod looks;
pub mod orders;
pub mod people;
pub mod submit;

use std::time::Instant;

use super::ground::Ground;
use super::scenario::Journey;

/// One arrival of a journey: its number among those of its kind, and when it should begin.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Which journey.
    pub journey: Journey,
    /// Counted from 0, for each journey by itself.
    pub number: u32,
    /// Its scheduled time, from which latency counts.
    pub due: Instant,
}

/// Carries an arrival out; an error is a journey that broke off.
pub async fn go(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    match arrival.journey {
        Journey::Noop => looks::noop(ground, arrival).await,
        Journey::Submit => submit::trips(ground, arrival).await,
        Journey::Electricity => submit::electricity(ground, arrival).await,
        Journey::Points => looks::points(ground, arrival).await,
        Journey::Totals => looks::totals(ground, arrival).await,
        Journey::Pay => orders::pay(ground, arrival).await,
        Journey::Order => orders::order(ground, arrival).await,
        Journey::Open => people::open(ground, arrival).await,
        Journey::Mall => people::mall(ground, arrival).await,
        Journey::Revoke => people::revoke(ground, arrival).await,
    }
}
