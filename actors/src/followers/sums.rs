//! Sums over entries: totals of issuance runs, and of malls by day. An entry that comes again is
//! passed over by every sum that has it.

use std::collections::BTreeMap;

use carbon_protocol::account::{AccountEvent, LotPoints};
use carbon_protocol::{AppNo, Day, Points, RunNo};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::models::{self, RunRow, SettlementRow, decode, encode};
use super::projector::Trees;
use crate::ports::{Failure, Tree};

/// What one entry adds to sums: all of it or nothing is in a sum.
#[derive(Default)]
pub(super) struct Sums {
    /// By run; where one began is told by its own event.
    pub runs: BTreeMap<RunNo, RunRow>,
    settlements: BTreeMap<(AppNo, Day), SettlementRow>,
}

impl Sums {
    /// Adds what an event says.
    pub fn add(&mut self, day: Day, event: &AccountEvent) {
        match event {
            AccountEvent::Issued { run, issued, refused, .. } => {
                let totals = &mut self.runs.entry(*run).or_default().totals;
                totals.records = totals.records.saturating_add(issued.len() as u64);
                totals.refused = totals.refused.saturating_add(refused.len() as u64);
                let grams = issued.iter().map(|record| record.grams).sum();
                totals.grams = totals.grams.saturating_add(grams);
            }
            AccountEvent::PointsCredited { run, lot, .. } => {
                let totals = &mut self.runs.entry(*run).or_default().totals;
                totals.points = totals.points.saturating_add(lot.points);
            }
            AccountEvent::OrderConfirmed { action, points } => {
                self.captured(action.app, day, *points);
            }
            AccountEvent::OrderPaid { action, lots } => {
                self.captured(action.app, day, sum(lots));
            }
            AccountEvent::OrderRefunded { action, lots } => {
                let totals = &mut self.settlements.entry((action.app, day)).or_default().totals;
                totals.refunded = totals.refunded.saturating_add(sum(lots));
                totals.refunds = totals.refunds.saturating_add(1);
            }
            _ => {}
        }
    }

    fn captured(&mut self, app: AppNo, day: Day, points: Points) {
        let totals = &mut self.settlements.entry((app, day)).or_default().totals;
        totals.captured = totals.captured.saturating_add(points);
        totals.orders = totals.orders.saturating_add(1);
    }

    /// Adds an entry's sums to those that do not have them yet.
    pub fn put(self, trees: &mut Trees, sequence: u64) -> Result<(), Failure> {
        for (run, more) in self.runs {
            let to = (Tree::Runs, models::run_key(run));
            add(
                trees,
                to,
                sequence,
                |row: &mut RunRow| &mut row.last,
                |row| {
                    row.began = row.began.max(more.began);
                    let (totals, more) = (&mut row.totals, more.totals);
                    totals.records = totals.records.saturating_add(more.records);
                    totals.refused = totals.refused.saturating_add(more.refused);
                    totals.grams = totals.grams.saturating_add(more.grams);
                    totals.points = totals.points.saturating_add(more.points);
                },
            )?;
        }
        for ((app, day), more) in self.settlements {
            let to = (Tree::Settlements, models::settlement_key(app, day));
            add(
                trees,
                to,
                sequence,
                |row: &mut SettlementRow| &mut row.last,
                |row| {
                    let (totals, more) = (&mut row.totals, more.totals);
                    totals.captured = totals.captured.saturating_add(more.captured);
                    totals.refunded = totals.refunded.saturating_add(more.refunded);
                    totals.orders = totals.orders.saturating_add(more.orders);
                    totals.refunds = totals.refunds.saturating_add(more.refunds);
                },
            )?;
        }
        Ok(())
    }
}

/// Adds to a row, unless it has the entry already.
fn add<Row: Serialize + DeserializeOwned + Default>(
    trees: &mut Trees,
    (tree, key): (Tree, Vec<u8>),
    sequence: u64,
    last: fn(&mut Row) -> &mut u64,
    more: impl FnOnce(&mut Row),
) -> Result<(), Failure> {
    let row = trees.get(tree, key.clone())?;
    let mut row: Row = row.map(|row| decode(tree, &row)).transpose()?.unwrap_or_default();
    if *last(&mut row) < sequence {
        *last(&mut row) = sequence;
        more(&mut row);
        trees.put(tree, key, encode(tree, &row)?);
    }
    Ok(())
}

fn sum(lots: &[LotPoints]) -> Points {
    lots.iter().map(|lot| lot.points).sum()
}
