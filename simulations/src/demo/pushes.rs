//! Pushes as the partners' servers received them (Z203, 01.Z305): waited for, learnt from, compared
//! with the book.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carbon_protocol::contracts::z203::AuthorizationStatus;
use carbon_protocol::contracts::z305::IssuedStatus;
use carbon_protocol::{Reason, SceneCode};

use super::book::{Book, Fate};
use super::cast::{Cast, Received};
use super::day::is_decided_later;
use super::findings::Findings;
use super::rules::SeenEvent;

/// How long pushes may take to arrive.
const ARRIVE_WITHIN: Duration = Duration::from_secs(60);

/// Events owed by the book to an application.
fn owed(book: &Book, app: usize) -> usize {
    let links = book.pages.iter().filter_map(|page| page.links.get(&app));
    links.map(|link| link.owed as usize).sum()
}

fn distinct(received: &Received) -> usize {
    let lit = received.authorizations.iter().map(|item| &item.event_id);
    let issued = received.issuances.iter().map(|item| &item.event_id);
    lit.chain(issued).collect::<BTreeSet<_>>().len()
}

/// Waits until every event that the book owes has arrived; answers (owed, arrived).
pub async fn arrived(cast: &Cast, book: &Book) -> (u64, u64) {
    let deadline = tokio::time::Instant::now() + ARRIVE_WITHIN;
    loop {
        let counts = cast.players.iter().enumerate().map(|(app, player)| {
            let owed = owed(book, app);
            (owed, distinct(&(player.received)()))
        });
        let counts: Vec<(usize, usize)> = counts.collect();
        let complete = counts.iter().all(|(owed, arrived)| arrived >= owed);
        if complete || tokio::time::Instant::now() > deadline {
            let sum = |pick: fn(&(usize, usize)) -> usize| counts.iter().map(pick).sum::<usize>();
            return (sum(|one| one.0) as u64, sum(|one| one.1) as u64);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Learns pseudonyms as a partner does: from the Z203 that names its own user.
pub fn learn(cast: &Cast, book: &mut Book, users: &BTreeMap<(usize, String), usize>) {
    for (app, player) in cast.players.iter().enumerate() {
        for item in (player.received)().authorizations {
            let Some(uid) = item.partner_uid else { continue };
            let Some(citizen) = users.get(&(app, uid.to_string())) else { continue };
            if let Some(link) = book.pages.get_mut(*citizen).and_then(|p| p.links.get_mut(&app))
                && link.ccid.is_empty()
            {
                link.ccid = item.ccid.to_string();
            }
        }
    }
}

/// Compares what arrived with the book; answers the events for the rules.
pub fn compare(cast: &Cast, book: &Book, findings: &Findings) -> anyhow::Result<Vec<SeenEvent>> {
    let mut events = Vec::new();
    for (app, player) in cast.players.iter().enumerate() {
        let received = (player.received)();
        for item in &received.authorizations {
            let (id, ccid) = (item.event_id.clone(), item.ccid.to_string());
            let (sequence, body) = (u64::from(item.sequence), serde_json::to_string(item)?);
            events.push(SeenEvent { app, id, ccid, sequence, body });
        }
        for item in &received.issuances {
            let (id, ccid) = (item.event_id.clone(), item.ccid.to_string());
            let (sequence, body) = (u64::from(item.sequence), serde_json::to_string(item)?);
            events.push(SeenEvent { app, id, ccid, sequence, body });
        }
        let once = once(received);
        compare_counts(app, book, &once, findings);
        compare_consents(app, book, &once, findings);
        compare_records(app, book, &once, findings);
    }
    Ok(events)
}

/// Each event once, whichever delivery of it came first.
fn once(mut received: Received) -> Received {
    let mut known = BTreeSet::new();
    received.authorizations.retain(|item| known.insert(item.event_id.clone()));
    received.issuances.retain(|item| known.insert(item.event_id.clone()));
    received
}

fn compare_counts(app: usize, book: &Book, received: &Received, findings: &Findings) {
    let mut got: BTreeMap<&str, u32> = BTreeMap::new();
    let ccids = received.authorizations.iter().map(|item| item.ccid.as_str());
    for ccid in ccids.chain(received.issuances.iter().map(|item| item.ccid.as_str())) {
        *got.entry(ccid).or_default() += 1;
    }
    for link in book.pages.iter().filter_map(|page| page.links.get(&app)) {
        let count = got.remove(link.ccid.as_str()).unwrap_or(0);
        findings.same("pushes", || format!("pushes about {}", link.ccid), &link.owed, &count);
    }
    for ccid in got.keys() {
        findings.wrong(format!("a push about {ccid}, whom the book does not know"));
    }
}

type Consents = BTreeSet<(String, String, bool)>;

fn compare_consents(app: usize, book: &Book, received: &Received, findings: &Findings) {
    let mut expected = Consents::new();
    for link in book.pages.iter().filter_map(|page| page.links.get(&app)) {
        for scene in link.lit.iter().chain(&link.revoked) {
            expected.insert((link.ccid.clone(), scene.clone(), true));
        }
        for scene in &link.revoked {
            expected.insert((link.ccid.clone(), scene.clone(), false));
        }
    }
    let got: Consents = received
        .authorizations
        .iter()
        .map(|item| {
            let scene = item.scene.as_ref().map_or("", SceneCode::as_str).to_owned();
            (item.ccid.to_string(), scene, item.status == AuthorizationStatus::Lit)
        })
        .collect();
    let missing = expected.difference(&got).next();
    findings.same("Z203", || "a consent that was not pushed".into(), &None, &missing);
    let strange = got.difference(&expected).next();
    findings.same("Z203", || "a push without a consent".into(), &None, &strange);
}

fn compare_records(app: usize, book: &Book, received: &Received, findings: &Findings) {
    let mut got: BTreeMap<&str, (IssuedStatus, u64, Option<Reason>)> = BTreeMap::new();
    for record in received.issuances.iter().flat_map(|item| &item.records) {
        let result = (record.status, record.reduction_grams.0, record.reason);
        if got.insert(record.serial.as_str(), result).is_some() {
            findings.wrong(format!("Z305 told twice of {}", record.serial));
        }
    }
    for row in book.rows().filter(|row| row.app == app) {
        let expected = match row.fate {
            Fate::Issued(grams) => (IssuedStatus::Issued, grams.0, None),
            Fate::Excluded(_) => (IssuedStatus::Refused, 0, Some(Reason::Excluded)),
            Fate::Refused(reason) if is_decided_later(reason) => {
                (IssuedStatus::Refused, 0, Some(reason))
            }
            _ => continue,
        };
        let result = got.remove(row.serial.as_str());
        findings.same("Z305", || format!("Z305 of {}", row.serial), &Some(expected), &result);
    }
    for serial in got.keys() {
        findings.wrong(format!("Z305 told of {serial}, which the book does not know"));
    }
}
