//! After the process was hurt: every acknowledgement is there, once; what nobody heard of is there
//! once or not at all; sums, bills and pushes agree with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carbon_protocol::account::{BillKind, OrderAction};
use carbon_protocol::contracts::m303::OrderAnswer;
use carbon_protocol::contracts::m402::{PointsAnswer, PointsRequest};
use carbon_protocol::contracts::m403::PointsBill;
use carbon_protocol::contracts::z203::AuthorizationStatus;
use carbon_protocol::contracts::z304::Receipt;
use carbon_protocol::contracts::z305::IssuedStatus;
use carbon_protocol::contracts::z306::RecordStatus;
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use carbon_protocol::contracts::z502::BillRequest;
use carbon_protocol::{Ccid, Points};
use carbon_simulations::demo::cast::Received;
use carbon_simulations::demo::{sending, visits};

use super::remembering::{Company, Heard, Memory, Ordered, serials};
use super::stage::Stage;

/// How long pushes may take to arrive after the last start, their longest pause included.
const PUSHED_WITHIN: Duration = Duration::from_secs(120);

/// After a restart: what was acknowledged is answered as a replay; what was never heard of is asked
/// again under its serial, and from then on its outcome is known.
pub async fn settle(stage: &Stage, company: &Company, memory: &mut Memory) {
    for (serial, sent) in &mut memory.batches {
        let caller = stage.caller(&company.lit[sent.of]);
        match caller.call::<_, Receipt>("01/Z304", &sent.request).await.unwrap() {
            Ok(receipt) => {
                let lost = sent.heard == Heard::Acknowledged && !receipt.replay;
                assert!(!lost, "batch {serial} was acknowledged and is gone");
                sent.heard = Heard::Acknowledged;
            }
            Err(no) => {
                let turned = sent.heard == Heard::Acknowledged;
                assert!(!turned, "batch {serial} was acknowledged, and now it is {no:?}");
                sent.heard = Heard::Refused;
            }
        }
        if sent.heard == Heard::Acknowledged {
            let rows = sending::decided(caller, serial).await.unwrap();
            assert_eq!(rows.len(), sent.request.records.len(), "{serial}");
        }
    }
    for (number, order) in &mut memory.orders {
        settle_order(stage, number, order).await;
    }
}

async fn settle_order(stage: &Stage, number: &str, order: &mut Ordered) {
    let mall = &stage.cast.players[stage.cast.mall()].caller;
    let mut last = None;
    for (request, heard) in &mut order.actions {
        let serial = request.serial.as_str();
        match mall.call::<_, OrderAnswer>("02/Z303", request).await.unwrap() {
            Ok(answer) => {
                assert_ne!(*heard, Heard::Refused, "{serial} was refused, and now it is taken");
                let lost = *heard == Heard::Acknowledged && !answer.replay;
                assert!(!lost, "{serial} was acknowledged and is gone");
                *heard = Heard::Acknowledged;
                last = Some(answer);
            }
            Err(no) => {
                assert_ne!(*heard, Heard::Acknowledged, "{serial} was taken, and now it is {no:?}");
                *heard = Heard::Refused;
            }
        }
    }
    if let Some(answer) = last {
        let stands = (answer.held_points, answer.captured_points, answer.refunded_points);
        assert_eq!(stands, expected(order), "{number}");
    }
}

/// Points held, captured and refunded by an order, after the actions that were acknowledged.
fn expected(order: &Ordered) -> (Points, Points, Points) {
    let (mut held, mut captured, mut refunded) = (0, 0, 0);
    let done = order.actions.iter().filter(|(_, heard)| *heard == Heard::Acknowledged);
    for (request, _) in done {
        match request.action {
            OrderAction::Freeze => held += 1,
            OrderAction::Confirm => (held, captured) = (held - 1, captured + 1),
            OrderAction::Cancel => held -= 1,
            OrderAction::Pay => captured += 1,
            OrderAction::Refund => refunded += 1,
        }
    }
    (Points(held), Points(captured), Points(refunded))
}

/// At the end: sums and bills of every citizen, and that whoever opened an account has it.
pub async fn check_sums(stage: &Stage, company: &Company, memory: &Memory) {
    for (at, one) in company.lit.iter().enumerate() {
        let caller = stage.caller(one);
        let own = memory.batches.iter().filter(|(_, sent)| sent.of == at);
        let kept = own.filter(|(_, sent)| sent.heard == Heard::Acknowledged);
        let serials: BTreeSet<String> = kept
            .map(|(serial, _)| serial.clone())
            .chain([format!("first-{}", one.citizen)])
            .collect();
        let (mut grams, mut records) = (0, 0);
        for serial in &serials {
            for row in sending::decided(caller, serial).await.unwrap() {
                if matches!(row.status, RecordStatus::Submitted | RecordStatus::Issued) {
                    (grams, records) = (grams + row.reduction_grams.0, records + 1);
                }
            }
        }
        let question = TotalsRequest { ccid: one.ccid.clone() };
        let totals: Totals = caller.must("01/Z501", &question).await.unwrap();
        let counted: u32 = totals.by_scene.iter().map(|scene| scene.records).sum();
        assert_eq!(totals.pending_grams.0 + totals.issued_grams.0, grams, "{}", one.ccid);
        assert_eq!(counted, records, "{}", one.ccid);
    }
    for (at, ccid) in company.malls.iter().enumerate() {
        check_bill(stage, ccid, memory.orders.iter().filter(|(_, order)| order.of == at)).await;
    }
    for (no, heard) in &memory.openings {
        if *heard == Heard::Acknowledged {
            let link = stage.cast.city_link(&stage.citizens[*no]).unwrap();
            let page = visits::enter(&mut stage.cast.browser(), &link).await.unwrap();
            let newcomer = page.form("/h5/open").is_ok();
            assert!(!newcomer, "citizen {no} had opened an account");
        }
    }
}

/// A citizen's bill holds each order's lines once, and adds up.
async fn check_bill<'o>(
    stage: &Stage,
    ccid: &Ccid,
    orders: impl Iterator<Item = (&'o String, &'o Ordered)>,
) {
    let mall = &stage.cast.players[stage.cast.mall()].caller;
    let (mut credited, mut booked) = (0, BTreeMap::<String, Vec<BillKind>>::new());
    let mut question =
        BillRequest { ccid: ccid.clone(), as_of: None, cursor: None, limit: Some(200) };
    loop {
        let page: PointsBill = mall.must("02/Z403", &question).await.unwrap();
        for line in page.entries {
            match line.order_no {
                Some(order) => booked.entry(order.to_string()).or_default().insert(0, line.kind),
                None => credited += line.points.0,
            }
        }
        match page.cursor {
            Some(cursor) => question.cursor = Some(cursor),
            None => break,
        }
    }
    let (mut bound, mut owed) = (0, BTreeMap::new());
    for (number, order) in orders {
        let (held, captured, refunded) = expected(order);
        bound += held.0 + captured.0 - refunded.0;
        let done = order.actions.iter().filter(|(_, heard)| *heard == Heard::Acknowledged);
        let lines: Vec<BillKind> = done.map(|(request, _)| line_of(request.action)).collect();
        if !lines.is_empty() {
            owed.insert(number.clone(), lines);
        }
    }
    let strange = booked.iter().find(|(order, lines)| owed.get(*order) != Some(lines));
    assert_eq!(strange, None, "{ccid}: the bill has other lines than were acknowledged");
    assert_eq!(booked.len(), owed.len(), "{ccid}: an order is not in the bill");
    let question = PointsRequest { ccid: ccid.clone() };
    let points: PointsAnswer = mall.must("02/Z402", &question).await.unwrap();
    assert_eq!(points.available_points.0 + bound, credited, "{ccid}");
}

/// The line that an action leaves in the bill.
fn line_of(action: OrderAction) -> BillKind {
    match action {
        OrderAction::Freeze => BillKind::PointsHeld,
        OrderAction::Cancel => BillKind::PointsReleased,
        OrderAction::Confirm | OrderAction::Pay => BillKind::PointsRedeemed,
        OrderAction::Refund => BillKind::PointsRefunded,
    }
}

/// Every partner was told of everything: each event under one id and one content, its first
/// deliveries in the order of each account, no sequence left out, every record issued once.
pub async fn check_pushes(stage: &Stage, memory: &Memory) {
    let mut wanted = serials(memory);
    let deadline = tokio::time::Instant::now() + PUSHED_WITHIN;
    loop {
        let issued = issued(stage);
        if wanted.iter().all(|serial| issued.contains_key(serial)) && gaps(stage).is_empty() {
            break;
        }
        wanted.retain(|serial| !issued.contains_key(serial));
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "{} records were never pushed; gaps {:?}", wanted.len(), gaps(stage));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let twice: Vec<_> = issued(stage).into_iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "told twice under different ids: {twice:?}");
    for player in &stage.cast.players {
        check_order(&(player.received)());
    }
    check_lit(stage, memory);
}

/// Serials of records told as issued, with the ids of the events that told it.
fn issued(stage: &Stage) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in stage.cast.players.iter().flat_map(|player| (player.received)().issuances) {
        for record in item.records.iter().filter(|one| one.status == IssuedStatus::Issued) {
            told.entry(record.serial.to_string()).or_default().insert(item.event_id.clone());
        }
    }
    told
}

/// Pseudonyms whose sequences have not all arrived: with the highest and how many there are.
fn gaps(stage: &Stage) -> Vec<(usize, String, u32, usize)> {
    let mut gaps = Vec::new();
    for (app, player) in stage.cast.players.iter().enumerate() {
        let received = (player.received)();
        let mut seen: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let lit = received.authorizations.iter().map(|item| (&item.ccid, item.sequence));
        for (ccid, sequence) in lit.chain(received.issuances.iter().map(|i| (&i.ccid, i.sequence)))
        {
            seen.entry(ccid.to_string()).or_default().insert(sequence);
        }
        for (ccid, sequences) in seen {
            let highest = sequences.last().copied().unwrap_or(0);
            if usize::try_from(highest).unwrap() != sequences.len() {
                gaps.push((app, ccid, highest, sequences.len()));
            }
        }
    }
    gaps
}

/// Within one kind of push the first delivery of each event comes in the account's order.
fn check_order(received: &Received) {
    let lit = received.authorizations.iter().map(|item| {
        ("Z203", &item.ccid, item.sequence, &item.event_id, serde_json::to_string(item).unwrap())
    });
    let issued = received.issuances.iter().map(|item| {
        ("Z305", &item.ccid, item.sequence, &item.event_id, serde_json::to_string(item).unwrap())
    });
    let (mut contents, mut last) = (BTreeMap::new(), BTreeMap::new());
    for (kind, ccid, sequence, id, content) in lit.chain(issued) {
        match contents.get(id) {
            Some(first) => assert_eq!(first, &content, "{id} came with another content"),
            None => {
                let before = last.insert((kind, ccid), sequence).unwrap_or(0);
                assert!(before < sequence, "{kind} of {ccid}: {sequence} came after {before}");
                contents.insert(id, content);
            }
        }
    }
}

/// A scene is told as lit once at most, and of everybody who saw it lit.
fn check_lit(stage: &Stage, memory: &Memory) {
    for (app, player) in stage.cast.players.iter().enumerate() {
        let received = (player.received)().authorizations;
        let lit = received.iter().filter(|item| item.status == AuthorizationStatus::Lit);
        let mut ids: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
        for item in lit.clone() {
            ids.entry((&item.ccid, &item.scene)).or_default().insert(&item.event_id);
        }
        let twice = ids.iter().find(|(_, ids)| ids.len() > 1);
        assert_eq!(twice, None, "lit twice");
        let opened = memory.openings.iter().filter(|(_, heard)| **heard == Heard::Acknowledged);
        for citizen in opened.map(|(no, _)| &stage.citizens[*no]) {
            for scene in citizen.lights.iter().map(|place| &stage.cast.scenes[*place]) {
                let uid = (player.uid)(&citizen.id_no);
                let told = lit.clone().any(|item| {
                    item.partner_uid == uid && item.scene.as_ref() == Some(&scene.code)
                });
                let own = scene.app == app;
                assert!(!own || told, "citizen {} saw {} lit", citizen.no, scene.code.as_str());
            }
        }
    }
}
