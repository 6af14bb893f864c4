//! A citizen's shopping (02.Z303), step by step, each answer compared with the rules.

use std::collections::BTreeMap;

use carbon_protocol::contracts::m303::{OrderAnswer, OrderRequest};
use carbon_protocol::{Ccid, OrderNo, Serial};

use super::book::OrderEntry;
use super::caller::{Answered, Caller};
use super::findings::Findings;
use super::rules::{SeenOrder, SeenRepeat};
use super::shopping::{Answer, Step};

/// What a citizen's orders came to, by order number.
pub type Orders = BTreeMap<String, OrderAnswer>;

/// Takes all steps.
pub async fn shop(
    caller: &Caller,
    ccid: &Ccid,
    steps: &[Step],
    findings: &Findings,
) -> anyhow::Result<Orders> {
    let mut orders = Orders::new();
    for step in steps {
        let question = request(ccid, step)?;
        let answered: Answered<OrderAnswer> = caller.call("02/Z303", &question).await?;
        let got = match &answered {
            Ok(answer) if answer.replay => Some(Answer::Replay),
            Ok(_) => Some(Answer::Done),
            Err(no) => no.reason.map(Answer::Refused),
        };
        let what = || format!("02.Z303 {:?} of {} ({})", step.action, step.order, step.serial);
        findings.same("order actions", what, &Some(step.answer), &got);
        repeated(step, &answered, &orders, findings);
        if let Ok(answer) = answered {
            orders.insert(step.order.clone(), answer);
        }
    }
    // What was acknowledged is asked for once more.
    if let Some(step) = steps.iter().rev().find(|step| step.answer == Answer::Done) {
        let again: Answered<OrderAnswer> = caller.call("02/Z303", &request(ccid, step)?).await?;
        let same = again.is_ok_and(|again| {
            again.replay && orders.get(&step.order).is_some_and(|order| same_state(order, &again))
        });
        findings.looked_up(format!("the answer to {}", step.serial), same);
    }
    Ok(orders)
}

fn request(ccid: &Ccid, step: &Step) -> anyhow::Result<OrderRequest> {
    Ok(OrderRequest {
        serial: Serial::parse(&step.serial)?,
        order_no: OrderNo::parse(&step.order)?,
        ccid: ccid.clone(),
        action: step.action,
        points: step.points,
    })
}

fn repeated(step: &Step, got: &Answered<OrderAnswer>, orders: &Orders, findings: &Findings) {
    let same_content = match step.answer {
        Answer::Replay => true,
        Answer::Refused(carbon_protocol::Reason::SerialConflict) => false,
        _ => return,
    };
    let before = orders.get(&step.order);
    let same_answer = got
        .as_ref()
        .is_ok_and(|now| now.replay && before.is_some_and(|before| same_state(before, now)));
    let code = got.as_ref().map_or_else(|no| no.code.clone(), |_| "0".into());
    findings.repeated(SeenRepeat { same_content, same_answer, code });
}

fn same_state(one: &OrderAnswer, other: &OrderAnswer) -> bool {
    let state = |order: &OrderAnswer| {
        (order.status, order.held_points, order.captured_points, order.refunded_points)
    };
    state(one) == state(other)
}

/// Compares the orders with the book, and tells them to the rules.
pub fn compare(entries: &[OrderEntry], orders: &Orders, findings: &Findings) -> Vec<SeenOrder> {
    findings.same("orders", || "number of orders".into(), &entries.len(), &orders.len());
    for entry in entries {
        let got = orders.get(&entry.order).map(|order| OrderEntry {
            order: order.order_no.to_string(),
            status: order.status,
            held: order.held_points,
            captured: order.captured_points,
            refunded: order.refunded_points,
        });
        findings.same("orders", || entry.order.clone(), &Some(entry), &got.as_ref());
    }
    orders
        .values()
        .map(|order| SeenOrder {
            captured: order.captured_points.0,
            refunded: order.refunded_points.0,
            held: order.held_points.0,
        })
        .collect()
}
