//! What citizens do themselves: over the same pages and forms as a browser.

use anyhow::Context as _;

use super::Arrival;
use crate::demo::journeys;
use crate::load::book::{LINKED, LINKING, OPENED, REVOKED, REVOKING};
use crate::load::ground::Ground;

/// A newcomer opens an account, by a partner's app or by the city's, and lights scenes.
pub(super) async fn open(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    open_account(ground, ground.people.settled + arrival.number).await
}

/// Opens a citizen's account and lights its scenes.
pub async fn open_account(ground: &Ground, no: u32) -> anyhow::Result<()> {
    let citizen = ground.people.citizen(no);
    let opened = journeys::open_and_light(&ground.cast, &citizen).await?;
    for (app, ccid) in &opened.ccids {
        // INV-03: one pseudonym for (person, application), which the auditor can draw itself.
        let own = ground.people.ccid(no, ground.partner(*app))?;
        let what = || format!("pseudonym of citizen {no} towards application {app}");
        ground.comparisons.holds("INV-03", what, own.as_str() == ccid);
    }
    let what = || format!("scenes lit by citizen {no}");
    let (wanted, lit) = (citizen.lights.len(), opened.lit.len());
    ground.comparisons.same("scenes lit", what, &wanted, &lit);
    ground.count("accounts_opened", 1);
    ground.count("scenes_lit", lit as u64);
    ground.book.mark(no, OPENED);
    Ok(())
}

/// A shopper enters the mall, linking it where that was not done yet.
pub(super) async fn mall(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let from = ground.people.draw(arrival.number, 14);
    // Linking twice at the same time is another story than linking: each shopper links once.
    let suits = |no: u32| {
        ground.people.shops(no) && ground.book.is(no, OPENED) && ground.book.claim(no, LINKING)
    };
    let no = ground.people.next(from, suits).context("every shopper has linked the mall")?;
    link_mall(ground, no).await
}

/// Links the mall and enters it; the mall asks who it is (02.Z405).
pub async fn link_mall(ground: &Ground, no: u32) -> anyhow::Result<()> {
    let ccid = journeys::visit_mall(&ground.cast, &ground.people.citizen(no)).await?;
    let own = ground.people.ccid(no, ground.partner(ground.mall()))?;
    let what = || format!("pseudonym of citizen {no} towards the mall");
    ground.comparisons.holds("INV-03", what, own == ccid);
    ground.count("malls_linked", 1);
    ground.book.mark(no, LINKED | LINKING);
    Ok(())
}

/// A revoker takes the first consent back.
pub(super) async fn revoke(ground: &Ground, arrival: Arrival) -> anyhow::Result<()> {
    let from = ground.people.draw(arrival.number, 15);
    let suits = |no: u32| {
        ground.people.revokes(no) && ground.book.is(no, OPENED) && ground.book.claim(no, REVOKING)
    };
    let no = ground.people.next(from, suits).context("every revoker has revoked")?;
    journeys::revoke(&ground.cast, &ground.people.citizen(no)).await?;
    ground.book.mark(no, REVOKED);
    ground.count("consents_revoked", 1);
    Ok(())
}
