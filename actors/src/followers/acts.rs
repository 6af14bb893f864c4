//! The audit log as a read model: acts of operators by time, and by operator and time.
//!
//! | tree | key | value |
//! |---|---|---|
//! | Audit | `0`, began at 8, number 8 | `ActRow` |
//! | Audit | `1`, operator, `0`, began at 8, number 8 | nothing |

use carbon_protocol::operators::{ActRef, OperatorsEvent};
use carbon_protocol::{OperatorId, Timestamp};
use serde::{Deserialize, Serialize};

use super::models::{behind, damaged, decode, encode, instant, instant_of, part};
use super::projector::Trees;
use crate::ports::{Failure, Store, Tree};

/// An act of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActRow {
    /// Who.
    pub operator: OperatorId,
    /// Method and path's pattern.
    pub what: String,
    /// What it was about, as far as it is known.
    pub about: Option<String>,
    /// The request's id.
    pub request: String,
    /// The code of the answer; none while it is under way, or where the process ended first.
    pub outcome: Option<String>,
}

const BY_TIME: u8 = 0;
const BY_OPERATOR: u8 = 1;

fn place(act: ActRef) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&instant(act.at));
    bytes[8..].copy_from_slice(&act.number.to_be_bytes());
    bytes
}

fn time_key(act: ActRef) -> Vec<u8> {
    [&[BY_TIME][..], &place(act)].concat()
}

/// Behind a name comes a byte that no name has: nobody's acts lie among another's.
fn operator_key(operator: &OperatorId, act: ActRef) -> Vec<u8> {
    [&[BY_OPERATOR][..], operator.as_str().as_bytes(), &[0], &place(act)].concat()
}

/// Folds an event of the operators.
pub(super) fn project(
    trees: &mut Trees,
    at: Timestamp,
    event: &OperatorsEvent,
) -> Result<(), Failure> {
    match event {
        OperatorsEvent::Acted { number, operator, what, request, refused } => {
            let act = ActRef { at, number: *number };
            let row = ActRow {
                operator: operator.clone(),
                what: what.clone(),
                about: None,
                request: request.clone(),
                outcome: refused.clone(),
            };
            trees.put(Tree::Audit, operator_key(operator, act), Vec::new());
            trees.put(Tree::Audit, time_key(act), encode(Tree::Audit, &row)?);
        }
        OperatorsEvent::Concluded { act, about, outcome } => {
            let key = time_key(*act);
            let Some(row) = trees.get(Tree::Audit, key.clone())? else {
                return Err(damaged(Tree::Audit));
            };
            let row: ActRow = decode(Tree::Audit, &row)?;
            let (about, outcome) = (about.clone(), Some(outcome.clone()));
            let row = encode(Tree::Audit, &ActRow { about, outcome, ..row })?;
            trees.put(Tree::Audit, key, row);
        }
        OperatorsEvent::Enrolled { .. }
        | OperatorsEvent::Rotated { .. }
        | OperatorsEvent::Revoked { .. } => {}
    }
    Ok(())
}

/// Acts begun in `from..to`, oldest first, behind an act of an earlier answer; of one operator, or
/// of all.
pub fn acts(
    store: &dyn Store,
    operator: Option<&OperatorId>,
    (from, to): (Timestamp, Timestamp),
    after: Option<ActRef>,
    limit: usize,
) -> Result<Vec<(ActRef, ActRow)>, Failure> {
    let tree = Tree::Audit;
    let key = |act| operator.map_or_else(|| time_key(act), |who| operator_key(who, act));
    let edge = |at| key(ActRef { at, number: 0 });
    let start = after.map_or_else(|| edge(from), |act| behind(&key(act)).max(edge(from)));
    let found = store.scan(tree, &start, &edge(to), limit, false)?;
    let row = |(key, value): (Vec<u8>, Vec<u8>)| {
        let place = key.len().checked_sub(16).ok_or_else(|| damaged(tree))?;
        let at = instant_of(part(tree, &key, place)?);
        let act = ActRef { at, number: u64::from_be_bytes(part(tree, &key, place + 8)?) };
        let value = match operator {
            None => value,
            Some(_) => store.get(tree, &time_key(act))?.ok_or_else(|| damaged(tree))?,
        };
        Ok((act, decode(tree, &value)?))
    };
    found.into_iter().map(row).collect()
}
