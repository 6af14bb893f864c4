//! Captures and refunds of malls, one by one, as the lines of a settlement file.
//!
//! | tree | key | value |
//! |---|---|---|
//! | SettlementLines | app 2, day 4, sequence 8, item 4 | `SettlementLine` |

use carbon_protocol::account::{AccountEvent, LotPoints, OrderRef};
use carbon_protocol::{AccountId, AppNo, Ccid, Day, MessageId, OrderNo, Points, Serial, Timestamp};
use serde::{Deserialize, Serialize};

use super::links::Links;
use super::models::{day_bytes, decode, encode};
use super::projector::{Place, Trees};
use crate::ports::{Failure, Store, Tree};

/// Lines read from the store at once.
const AT_ONCE: usize = 1_000;

/// Points captured by a mall, or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementLine {
    /// When.
    pub at: Timestamp,
    /// The order.
    pub order: OrderNo,
    /// The action's serial.
    pub serial: Serial,
    /// By which pseudonym the mall knows the citizen.
    pub ccid: Ccid,
    /// Whether they were given back.
    pub refund: bool,
    /// How many.
    pub points: Points,
}

fn key(app: AppNo, day: Day, id: MessageId) -> Vec<u8> {
    let place = (id.sequence.to_be_bytes(), id.item.to_be_bytes());
    [&app.0.to_be_bytes()[..], &day_bytes(day), &place.0, &place.1].concat()
}

/// The mall, the action, whether points come back, and how many.
fn moved(event: &AccountEvent) -> Option<(&OrderRef, bool, Points)> {
    let sum = |lots: &[LotPoints]| lots.iter().map(|lot| lot.points).sum();
    Some(match event {
        AccountEvent::OrderConfirmed { action, points } => (action, false, *points),
        AccountEvent::OrderPaid { action, lots } => (action, false, sum(lots)),
        AccountEvent::OrderRefunded { action, lots } => (action, true, sum(lots)),
        _ => return None,
    })
}

/// Folds an event of an account.
pub(super) fn project(
    trees: &mut Trees,
    links: &mut Links,
    account: AccountId,
    event: &AccountEvent,
    Place { id, at }: Place,
) -> Result<(), Failure> {
    let Some((action, refund, points)) = moved(event) else { return Ok(()) };
    let Some(link) = links.of(account, action.app)? else {
        tracing::error!(?account, app = %action.app, "a settlement without a CCID");
        return Ok(());
    };
    let line = SettlementLine {
        at,
        order: action.order.clone(),
        serial: action.serial.clone(),
        ccid: link.ccid,
        refund,
        points,
    };
    let line = encode(Tree::SettlementLines, &line)?;
    trees.put(Tree::SettlementLines, key(action.app, at.day(), id), line);
    Ok(())
}

/// Lines of a mall in the order of the journal, `from` and `to` included, at most `limit`.
pub fn lines(
    store: &dyn Store,
    app: AppNo,
    (from, to): (Day, Day),
    limit: usize,
) -> Result<Vec<SettlementLine>, Failure> {
    let tree = Tree::SettlementLines;
    let first = MessageId { sequence: 0, item: 0 };
    let (mut from, to) = (key(app, from, first), key(app, to.plus(1), first));
    let mut lines = Vec::new();
    loop {
        let page = store.scan(tree, &from, &to, AT_ONCE.min(limit - lines.len()), false)?;
        for (_, value) in &page {
            lines.push(decode(tree, value)?);
        }
        match page.last() {
            Some((last, _)) if page.len() == AT_ONCE && lines.len() < limit => {
                from = [&last[..], &[0]].concat();
            }
            _ => return Ok(lines),
        }
    }
}
