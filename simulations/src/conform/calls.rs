//! What the platform asks of a partner: C101 or Q101, and of a mall 02.Z203.

use anyhow::Context as _;
use carbon_protocol::contracts::c101::{MatchReply, MatchRequest};
use carbon_protocol::contracts::m203::{LinkReply, LinkRequest};
use carbon_protocol::envelope::{Envelope, OK};
use carbon_protocol::seal::{DataKey, SealedField};
use carbon_protocol::{Ccid, PartnerUid};
use rand::Rng as _;
use serde::de::DeserializeOwned;
use url::Url;

use super::post::{Answer, Flaw, Platform, refused};
use super::report::{Report, Rule};
use super::{Role, Wishes};
use crate::sandbox::wire::Keys;

const ANSWERS: Rule = Rule {
    name: "answers",
    expected: "a signed call is answered 200 with {code: \"0\", data, requestId} in time",
    mend: "answer HTTP 200 and the envelope {code, msg, data, requestId}, within 5 seconds",
};
pub(super) const SIGNED: Rule = Rule {
    name: "signed",
    expected: "the answer is signed, just now",
    mend: "sign STATUS\\nREQUEST-ID\\nTIMESTAMP\\nNONCE\\nBODY\\n with your key, and send \
           X-Request-Id, X-Timestamp, X-Nonce, X-Sign-Type and X-Sign with the answer",
};
const STABLE: Rule = Rule {
    name: "stable",
    expected: "asked again, the answer is the same",
    mend: "derive the user's id from your own account, and never make a new one here",
};
const STRANGER: Rule = Rule {
    name: "stranger",
    expected: "somebody else is another user, or none (data.partnerUid: null)",
    mend: "match by the ID number; where there is no account, answer 200 with partnerUid null",
};
pub(super) const WRONG_SIGNATURE: Rule = Rule {
    name: "wrong-signature",
    expected: "a call under another key is refused (401)",
    mend: "compute the signature over the raw bytes and compare it before anything else",
};
const UNSIGNED: Rule = Rule {
    name: "unsigned",
    expected: "a call without signature is refused (401)",
    mend: "refuse calls that lack any of the X-… headers of a signature",
};
const STALE: Rule = Rule {
    name: "stale",
    expected: "a call signed ten minutes ago is refused (401)",
    mend: "refuse where X-Timestamp is more than five minutes off your clock",
};
const REPLAYED: Rule = Rule {
    name: "replayed",
    expected: "the same bytes with the same nonce are refused the second time (401)",
    mend: "remember each X-Nonce for ten minutes, and refuse one that was used",
};
const FOREIGN_KEY: Rule = Rule {
    name: "foreign-data-key",
    expected: "fields sealed under another data key are refused (400)",
    mend: "check the tag of SM4-GCM, with additional data `appId|field`; answer 400",
};
const DISCREET: Rule = Rule {
    name: "discreet",
    expected: "no answer repeats the name, ID number or phone",
    mend: "take personal data out of your answers, errors included",
};
const LINKS: Rule = Rule {
    name: "links",
    expected: "02.Z203 links the pseudonym with the user: {linked: true, partnerUid}",
    mend: "store CCID ↔ user and answer {linked: true, partnerUid}; refuse with linked: false",
};
const LINKS_AGAIN: Rule = Rule {
    name: "links-again",
    expected: "the same event id again gets the same answer",
    mend: "keep the link; the platform asks again where an answer was lost",
};

/// Asks everything.
pub async fn examine(
    platform: &Platform,
    wishes: &Wishes,
    report: &mut Report,
) -> anyhow::Result<()> {
    let code = match wishes.role {
        Role::Scene => "C101",
        Role::Benefit => "Q101",
    };
    let url = below(&wishes.base, code)?;
    let uid = matching(platform, wishes, code, &url, report).await?;
    if wishes.role == Role::Benefit {
        let uid = uid.map_or_else(|| PartnerUid::parse("u-conform"), Ok)?;
        linking(platform, &below(&wishes.base, "Z203")?, uid, report).await?;
    }
    Ok(())
}

pub(super) fn below(base: &Url, code: &str) -> anyhow::Result<Url> {
    let text = format!("{}/{code}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).context("the base is no address")
}

async fn matching(
    platform: &Platform,
    wishes: &Wishes,
    code: &str,
    url: &Url,
    report: &mut Report,
) -> anyhow::Result<Option<PartnerUid>> {
    let person = wishes.person.each_ref().map(String::as_str);
    let body = question(platform.keys(), person)?;
    let mut heard: Vec<Answer> = Vec::new();
    let asked = platform.post(url, &body, Flaw::None).await;
    let known = asked.clone().and_then(|answer| read::<MatchReply>(&answer));
    heard.extend(asked.clone().ok());
    report.note(code, ANSWERS, known.clone().map(drop));
    report.note(code, SIGNED, signed(platform, asked));
    let uid = known.ok().and_then(|reply| reply.partner_uid);

    let again = platform.post(url, &question(platform.keys(), person)?, Flaw::None).await;
    let again = again.and_then(|answer| read::<MatchReply>(&answer));
    report.note(code, STABLE, again.and_then(|reply| same(uid.as_ref(), &reply.partner_uid)));

    // An ID number of a region that does not exist, so that nobody has it.
    let id_no = format!("99{:016}", rand::rng().random_range(0..10_000_000_000_000_000_u64));
    let stranger = question(platform.keys(), ["李四", &id_no, "13900000000"])?;
    let other = platform.post(url, &stranger, Flaw::None).await;
    let other = other.and_then(|answer| read::<MatchReply>(&answer)).and_then(|reply| {
        match reply.partner_uid.is_some() && reply.partner_uid == uid {
            true => Err("the same user for somebody else".into()),
            false => Ok(()),
        }
    });
    report.note(code, STRANGER, other);

    for (rule, flaw) in
        [(WRONG_SIGNATURE, Flaw::WrongSignature), (UNSIGNED, Flaw::Unsigned), (STALE, Flaw::Stale)]
    {
        let body = question(platform.keys(), person)?;
        let answer = platform.post(url, &body, flaw).await;
        heard.extend(answer.clone().ok());
        report.note(code, rule, refused(answer));
    }
    let call = platform.call(url, &question(platform.keys(), person)?, Flaw::None);
    // Whatever came of the first one is told by the check before.
    let _ = platform.send(&call).await;
    report.note(code, REPLAYED, refused(platform.send(&call).await));

    let foreign = Keys { data: DataKey::new(rand::rng().random()), ..platform.keys().clone() };
    let answer = platform.post(url, &question(&foreign, person)?, Flaw::None).await;
    heard.extend(answer.clone().ok());
    report.note(code, FOREIGN_KEY, refused(answer));

    let told = heard.iter().any(|answer| {
        let text = String::from_utf8_lossy(&answer.body);
        person.iter().any(|plain| text.contains(plain))
    });
    let discreet = if told { Err("an answer repeats what was sealed".into()) } else { Ok(()) };
    report.note(code, DISCREET, discreet);
    Ok(uid)
}

fn question(keys: &Keys, [name, id_no, phone]: [&str; 3]) -> anyhow::Result<Vec<u8>> {
    let seal = |field: &str, plain: &str| {
        SealedField::seal(&keys.data, &keys.app, field, plain, rand::rng().random())
    };
    let request = MatchRequest {
        name: seal("name", name),
        id_no: seal("idNo", id_no),
        phone: Some(seal("phone", phone)),
    };
    Ok(serde_json::to_vec(&request)?)
}

fn same(before: Option<&PartnerUid>, now: &Option<PartnerUid>) -> Result<(), String> {
    match before == now.as_ref() {
        true => Ok(()),
        false => Err("another user than a moment ago".into()),
    }
}

/// Whether an answer is signed, just now.
pub(super) fn signed(platform: &Platform, answer: Result<Answer, String>) -> Result<(), String> {
    match platform.is_signed(&answer?) {
        true => Ok(()),
        false => Err("no right signature, or not of now".into()),
    }
}

/// The data of a success.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    // The text of the error could repeat what the partner holds of somebody.
    let envelope: Envelope<T> = serde_json::from_slice(&answer.body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("not the contract's JSON, at line {line}, column {column}")
    })?;
    if envelope.code != OK {
        return Err("status 200 with a code that is not \"0\"".into());
    }
    envelope.data.ok_or_else(|| "no data in the envelope".into())
}

async fn linking(
    platform: &Platform,
    url: &Url,
    uid: PartnerUid,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mark = hex::encode(rand::rng().random::<[u8; 8]>());
    let request = LinkRequest {
        event_id: format!("conform-{mark}"),
        ccid: Ccid::parse(&format!("did:conform:{mark}"))?,
        partner_uid: uid.clone(),
    };
    let body = serde_json::to_vec(&request)?;
    for rule in [LINKS, LINKS_AGAIN] {
        let came = platform.post(url, &body, Flaw::None).await.and_then(|answer| {
            let reply: LinkReply = read(&answer)?;
            match (reply.linked, reply.partner_uid, platform.is_signed(&answer)) {
                (_, _, false) => Err("the answer is not signed".into()),
                (true, Some(linked), true) if linked == uid => Ok(()),
                _ => Err("not linked with the user that was matched".into()),
            }
        });
        report.note("02.Z203", rule, came);
    }
    let answer = platform.post(url, &body, Flaw::WrongSignature).await;
    report.note("02.Z203", WRONG_SIGNATURE, refused(answer));
    Ok(())
}
