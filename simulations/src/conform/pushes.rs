//! What a partner's push receiver must take, and must not.

use anyhow::Context as _;
use carbon_protocol::contracts::z203::{AuthorizationItem, AuthorizationPush, AuthorizationStatus};
use carbon_protocol::contracts::z305::{IssuanceItem, IssuancePush, IssuedRecord, IssuedStatus};
use carbon_protocol::contracts::z601::Challenge;
use carbon_protocol::{Ccid, Grams, RunNo, SceneCode, Serial, Timestamp};
use rand::Rng as _;
use serde_json::Value;
use url::Url;

use super::post::{Answer, Flaw, Platform, refused};
use super::report::{Report, Rule};
use super::{Role, Wishes};
use crate::sandbox::wire;

/// Items of the largest push.
const MOST: u32 = 500;

const CHALLENGE: Rule = Rule {
    name: "challenge",
    expected: "the challenge of Z601 is returned as it came",
    mend: "answer {\"challenge\": …} with status 200 and the same body",
};
const TAKES: Rule = Rule {
    name: "takes",
    expected: "a push is answered 2xx in time",
    mend: "store the push, answer 200 at once, and work on it afterwards",
};
const TWICE: Rule = Rule {
    name: "twice",
    expected: "the same push again is answered 2xx, too",
    mend: "take each eventId once, and acknowledge it as often as it comes",
};
const DISORDER: Rule = Rule {
    name: "disorder",
    expected: "a later sequence before an earlier one is answered 2xx",
    mend: "take items in any order, and put them in order by `sequence` per ccid",
};
const NEWER_FIELDS: Rule = Rule {
    name: "newer-fields",
    expected: "a field that you do not know is no reason to refuse",
    mend: "read leniently: the platform adds fields without a new version",
};
const MANY: Rule = Rule {
    name: "many",
    expected: "a push of 500 items is answered 2xx in time",
    mend: "raise the limit of your bodies to 4 MB, and answer before you work on the items",
};
const WRONG_SIGNATURE: Rule = Rule {
    name: "wrong-signature",
    expected: "a push under another key is refused (401)",
    mend: "anybody may post to your address: check X-Sign over the raw bytes first",
};
const TAMPERED: Rule = Rule {
    name: "tampered",
    expected: "a body with one more space than was signed is refused (401)",
    mend: "sign and compare the bytes as they came, never JSON that was written again",
};
const STALE: Rule = Rule {
    name: "stale",
    expected: "a push signed ten minutes ago is refused (401)",
    mend: "refuse where X-Timestamp is more than five minutes off your clock",
};
const REPLAYED: Rule = Rule {
    name: "replayed",
    expected: "the same bytes with the same nonce are refused the second time (401)",
    mend: "remember each X-Nonce for ten minutes; a try of the platform has a new one",
};

/// Pushes every kind that the partner is owed.
pub async fn examine(
    platform: &Platform,
    wishes: &Wishes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let kinds: &[&str] = match wishes.role {
        Role::Scene => &["Z203", "Z305"],
        Role::Benefit => &["Z203"],
    };
    for kind in kinds {
        let url = Url::parse(&wishes.push.replace("{kind}", kind)).context("the push address")?;
        of_kind(platform, kind, &url, wishes.role, report).await?;
    }
    Ok(())
}

async fn of_kind(
    platform: &Platform,
    kind: &str,
    url: &Url,
    role: Role,
    report: &mut Report,
) -> anyhow::Result<()> {
    let of = format!("push {kind}");
    let challenge = Challenge { challenge: hex::encode(rand::rng().random::<[u8; 24]>()) };
    let answer = platform.post(url, &serde_json::to_vec(&challenge)?, Flaw::None).await;
    let returned = answer.and_then(|answer| {
        let same = serde_json::from_slice::<Challenge>(&answer.body).ok() == Some(challenge);
        match (answer.status, same) {
            (200, true) => Ok(()),
            (200, false) => Err("another body".into()),
            (status, _) => Err(format!("status {status}")),
        }
    });
    report.note(&of, CHALLENGE, returned);

    let ccid = format!("did:conform:{}", hex::encode(rand::rng().random::<[u8; 8]>()));
    let push = |sequences: std::ops::RangeInclusive<u32>| push(kind, &ccid, role, sequences);
    let first = push(1..=1)?;
    report.note(&of, TAKES, taken(platform.post(url, &first, Flaw::None).await));
    report.note(&of, TWICE, taken(platform.post(url, &first, Flaw::None).await));
    let later = platform.post(url, &push(3..=3)?, Flaw::None).await;
    let earlier = platform.post(url, &push(2..=2)?, Flaw::None).await;
    report.note(&of, DISORDER, taken(later).and(taken(earlier)));
    let mut newer: Value = serde_json::from_slice(&push(4..=4)?)?;
    newer["items"][0]["fieldOfTomorrow"] = Value::from(true);
    let newer = serde_json::to_vec(&newer)?;
    report.note(&of, NEWER_FIELDS, taken(platform.post(url, &newer, Flaw::None).await));
    let many = push(5..=4 + MOST)?;
    report.note(&of, MANY, taken(platform.post(url, &many, Flaw::None).await));

    let next = push(5 + MOST..=5 + MOST)?;
    for (rule, flaw) in
        [(WRONG_SIGNATURE, Flaw::WrongSignature), (TAMPERED, Flaw::Tampered), (STALE, Flaw::Stale)]
    {
        report.note(&of, rule, refused(platform.post(url, &next, flaw).await));
    }
    let call = platform.call(url, &next, Flaw::None);
    // Whatever came of the first one is told by the check before.
    let _ = platform.send(&call).await;
    report.note(&of, REPLAYED, refused(platform.send(&call).await));
    Ok(())
}

fn taken(answer: Result<Answer, String>) -> Result<(), String> {
    match answer? {
        answer if answer.took() => Ok(()),
        answer => Err(format!("status {}", answer.status)),
    }
}

fn push(
    kind: &str,
    ccid: &str,
    role: Role,
    sequences: std::ops::RangeInclusive<u32>,
) -> anyhow::Result<Vec<u8>> {
    let (ccid, now) = (Ccid::parse(ccid)?, wire::now());
    let scene = SceneCode::parse("conform")?;
    Ok(match kind {
        "Z305" => {
            let item = |sequence| issuance(&ccid, &scene, sequence, now);
            let items = sequences.map(item).collect::<anyhow::Result<_>>()?;
            serde_json::to_vec(&IssuancePush { kind: kind.into(), items })?
        }
        _ => {
            // A mall is told of links that were taken back; a scene partner of scenes.
            let (scene, status) = match role {
                Role::Scene => (Some(scene), AuthorizationStatus::Lit),
                Role::Benefit => (None, AuthorizationStatus::Revoked),
            };
            let item = |sequence| AuthorizationItem {
                event_id: event(&ccid, sequence),
                sequence,
                ccid: ccid.clone(),
                partner_uid: None,
                scene: scene.clone(),
                status,
                agreements: Vec::new(),
                time: now,
            };
            let items = sequences.map(item).collect();
            serde_json::to_vec(&AuthorizationPush { kind: kind.into(), items })?
        }
    })
}

fn event(ccid: &Ccid, sequence: u32) -> String {
    let mark: String = ccid.as_str().chars().rev().take(16).collect();
    format!("{mark}-{sequence:04x}")
}

fn issuance(
    ccid: &Ccid,
    scene: &SceneCode,
    sequence: u32,
    now: Timestamp,
) -> anyhow::Result<IssuanceItem> {
    let event_id = event(ccid, sequence);
    let record = IssuedRecord {
        serial: Serial::parse(&format!("conform-{event_id}"))?,
        batch_serial: Serial::parse("conform")?,
        scene: scene.clone(),
        status: IssuedStatus::Issued,
        reduction_grams: Grams(92),
        amends: None,
        reason: None,
    };
    Ok(IssuanceItem {
        sequence,
        ccid: ccid.clone(),
        partner_uid: None,
        run: Some(RunNo(1)),
        serial_block: Some(format!("1-{event_id}")),
        records: vec![record],
        time: now,
        event_id,
    })
}
