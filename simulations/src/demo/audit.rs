//! Every account as the public interfaces tell it, compared with the book.

use std::collections::BTreeSet;

use carbon_protocol::contracts::PAGE_LIMIT;
use carbon_protocol::contracts::m402::{PointsAnswer, PointsRequest};
use carbon_protocol::contracts::m403::PointsBill;
use carbon_protocol::contracts::z203::AuthorizationStatus;
use carbon_protocol::contracts::z204::{Authorizations, AuthorizationsRequest, Period};
use carbon_protocol::contracts::z501::{Totals, TotalsRequest};
use carbon_protocol::contracts::z502::{Bill, BillRequest};
use carbon_protocol::contracts::z504::{LitScenes, LitScenesRequest};
use carbon_protocol::{Ccid, Points};

use super::book::{BillLine, Link, Page, Place};
use super::caller::Caller;
use super::findings::Findings;
use super::rules::{Seen, SeenGrams, SeenLit};

/// The scenes' consents as 01.Z204 tells them.
pub async fn consents(caller: &Caller, app: usize, ccid: &Ccid) -> anyhow::Result<Vec<SeenLit>> {
    let question = AuthorizationsRequest { ccid: ccid.clone() };
    let answer: Authorizations = caller.must("01/Z204", &question).await?;
    let mut lit = Vec::new();
    for authorization in &answer.authorizations {
        let Some(scene) = &authorization.scene else { continue };
        for period in &authorization.periods {
            lit.push(SeenLit {
                app,
                scene: scene.to_string(),
                from: period.from.0,
                to: period.to.map(|to| to.0),
                consented: is_consented(period),
            });
        }
    }
    Ok(lit)
}

fn is_consented(period: &Period) -> bool {
    let whole = |sm3: &str| sm3.len() == 64 && sm3.bytes().all(|b| b.is_ascii_hexdigit());
    !period.agreements.is_empty()
        && period.agreements.iter().all(|agreement| {
            agreement.version > 0 && whole(&agreement.sm3) && agreement.time <= period.from
        })
}

/// An account towards a scene partner.
pub async fn scene_account(
    caller: &Caller,
    app: usize,
    page: &Page,
    link: &Link,
    findings: &Findings,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let ccid = Ccid::parse(&link.ccid)?;
    let what = |code: &str| format!("{code} of {ccid}");
    let sorted = |mut scenes: Vec<String>| {
        scenes.sort_unstable();
        scenes
    };

    let question = AuthorizationsRequest { ccid: ccid.clone() };
    let answer: Authorizations = caller.must("01/Z204", &question).await?;
    let with = |status: AuthorizationStatus| {
        let matching = answer.authorizations.iter().filter(|one| one.status == status);
        sorted(matching.filter_map(|one| one.scene.as_ref()).map(ToString::to_string).collect())
    };
    let lit = sorted(link.lit.clone());
    findings.same("Z204", || what("Z204 lit"), &lit, &with(AuthorizationStatus::Lit));
    let revoked = sorted(link.revoked.clone());
    findings.same("Z204", || what("Z204 revoked"), &revoked, &with(AuthorizationStatus::Revoked));

    let question = LitScenesRequest { ccid: ccid.clone() };
    let scenes: LitScenes = caller.must("01/Z504", &question).await?;
    let scenes = sorted(scenes.scenes.iter().map(|one| one.scene.to_string()).collect());
    findings.same("Z504", || what("Z504"), &lit, &scenes);

    let totals: Totals = caller.must("01/Z501", &TotalsRequest { ccid: ccid.clone() }).await?;
    compare_totals(app, page, &totals, findings);

    let lines = bill(caller, &ccid).await?;
    let mut expected = page.grams_bill.get(&app).cloned().unwrap_or_default();
    expected.sort();
    findings.same("Z502", || what("Z502"), &expected, &lines);
    let of = |kind: &str| lines.iter().filter(|line| line.kind == kind).map(|l| l.grams).sum();
    seen.grams.push(SeenGrams {
        submitted: of("SUBMITTED"),
        refused: of("ISSUE_REFUSED"),
        pending: totals.pending_grams.0,
        issued: totals.issued_grams.0,
    });
    seen.ccids.entry(app).or_default().insert(ccid.to_string());
    Ok(())
}

fn compare_totals(app: usize, page: &Page, totals: &Totals, findings: &Findings) {
    let expected: BTreeSet<(String, u64, u64, u32)> = page
        .by_scene
        .iter()
        .filter(|((of, _), _)| *of == app)
        .map(|((_, scene), (pending, issued))| {
            let records = page.records.get(&(app, scene.clone())).copied().unwrap_or(0);
            (scene.clone(), *pending, *issued, records)
        })
        .collect();
    let got: BTreeSet<(String, u64, u64, u32)> = totals
        .by_scene
        .iter()
        .map(|one| (one.scene.to_string(), one.pending_grams.0, one.issued_grams.0, one.records))
        .collect();
    let what = || format!("Z501 of {}", totals.ccid);
    findings.same("Z501", what, &expected, &got);
    let sums = |pick: fn(&(String, u64, u64, u32)) -> u64| expected.iter().map(pick).sum::<u64>();
    let whole = (sums(|one| one.1), sums(|one| one.2));
    findings.same("Z501", what, &whole, &(totals.pending_grams.0, totals.issued_grams.0));
}

async fn bill(caller: &Caller, ccid: &Ccid) -> anyhow::Result<Vec<BillLine>> {
    let mut question = bill_request(ccid);
    let mut lines = Vec::new();
    loop {
        let page: Bill = caller.must("01/Z502", &question).await?;
        for entry in &page.entries {
            lines.push(BillLine {
                kind: kind(&entry.kind)?,
                grams: entry.reduction_grams.0,
                points: 0,
            });
        }
        match page.cursor {
            Some(cursor) => question.cursor = Some(cursor),
            None => break,
        }
    }
    lines.sort();
    Ok(lines)
}

fn bill_request(ccid: &Ccid) -> BillRequest {
    BillRequest { ccid: ccid.clone(), as_of: None, cursor: None, limit: Some(PAGE_LIMIT) }
}

/// A kind's name as it travels.
fn kind(kind: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_value(kind)?.as_str().unwrap_or_default().to_owned())
}

/// An account towards the mall.
pub async fn points_account(
    caller: &Caller,
    app: usize,
    page: &Page,
    ccid: &Ccid,
    findings: &Findings,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let points: PointsAnswer =
        caller.must("02/Z402", &PointsRequest { ccid: ccid.clone() }).await?;
    let held = u64::try_from(page.points.at(Place::Held)).unwrap_or(0);
    let (available, on_hold) = (points.available_points.0, points.held_points.0);
    let what = || format!("02.Z402 of {ccid}");
    findings.same("02.Z402", what, &(page.available(), held), &(available, on_hold));
    let lots: Points = points.lots.iter().map(|lot| lot.points).sum();
    findings.same("02.Z402", what, &points.available_points, &lots);

    let mut question = bill_request(ccid);
    let mut lines = Vec::new();
    loop {
        let page: PointsBill = caller.must("02/Z403", &question).await?;
        for entry in &page.entries {
            let kind = kind(&entry.kind)?;
            lines.push(BillLine { kind, grams: 0, points: entry.points.0 });
        }
        match page.cursor {
            Some(cursor) => question.cursor = Some(cursor),
            None => break,
        }
    }
    lines.sort();
    let mut expected = page.points_bill.clone();
    expected.sort();
    findings.same("02.Z403", || format!("02.Z403 of {ccid}"), &expected, &lines);
    let of = |kind: &str| lines.iter().filter(|line| line.kind == kind).map(|l| l.points).sum();
    seen.sees_points = true;
    seen.credited = of("POINTS_CREDITED");
    seen.expired = of("POINTS_EXPIRED");
    (seen.available, seen.held) = (available, on_hold);
    seen.ccids.entry(app).or_default().insert(ccid.to_string());
    Ok(())
}
