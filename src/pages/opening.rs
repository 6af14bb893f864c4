//! Opening the account (journey 2): agreements, real-name data, SMS code; it ends at the list of
//! scenes.

use std::time::{Duration, Instant};

use askama::Template;
use axum::response::Response;
use carbon_protocol::account::{AccountCommand, Consent, Open};
use carbon_protocol::{Did, Reason};

use super::agreements::{Shown, consents, shown};
use super::entering::{bind, opening_scopes};
use super::frame::{Frame, page};
use super::guests::{Guest, Sent, to};
use super::sessions::{Newcomer, Opening};
use super::speech::{masked_name, masked_number};
use super::trouble::Trouble;
use crate::tickets::EntryPage;

/// The agreements and the real-name data.
#[derive(Template)]
#[template(path = "open.html", config = ".askama.toml")]
struct OpenPage {
    frame: Frame,
    agreements: Vec<Shown>,
    name: String,
    id_no: String,
    phone: String,
    warning: &'static str,
}

/// The page of the SMS code.
#[derive(Template)]
#[template(path = "code.html", config = ".askama.toml")]
struct CodePage {
    frame: Frame,
    phone: String,
    warning: String,
    exhausted: bool,
    wait_seconds: u64,
    may_resend: bool,
}

/// `GET /h5/open`.
pub async fn show(guest: Guest) -> Result<Response, Trouble> {
    if guest.summary().await?.open {
        return Ok(to("/h5/scenes"));
    }
    agreements_page(&guest, "")
}

/// The page that opening begins with; the home page of whoever has no account is the same.
pub fn agreements_page(guest: &Guest, warning: &'static str) -> Result<Response, Trouble> {
    let newcomer = guest.session.newcomer.as_ref().ok_or(Reason::SessionExpired)?;
    let person = &newcomer.person;
    let phone = person.phone.as_deref().map(|phone| masked_number(phone, 3, 4));
    page(&OpenPage {
        frame: guest.frame(""),
        agreements: needed(guest)?,
        name: masked_name(&person.name),
        id_no: masked_number(&person.id_no, 1, 1),
        phone: phone.unwrap_or_default(),
        warning,
    })
}

fn needed(guest: &Guest) -> Result<Vec<Shown>, Trouble> {
    let platform = guest.platform();
    let scopes = opening_scopes(&guest.state, &guest.session);
    Ok(shown(&platform.registry(), &scopes, platform.now()?.day()))
}

/// `POST /h5/open`: agreed; the code is sent.
pub async fn agree(sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    if guest.summary().await?.open {
        return Ok(to("/h5/scenes"));
    }
    let lang = guest.lang;
    if sent.field("agree").is_empty() {
        let warning =
            lang.say("请先阅读并同意以上协议。", "Please read and accept the agreements.");
        return agreements_page(guest, warning);
    }
    let at = guest.platform().now()?;
    let consents = consents(&needed(guest)?, sent.values("shown"), at, guest.session.channel);
    let Some(consents) = consents.filter(|consents| !consents.is_empty()) else {
        let warning = lang.say(
            "协议已更新，请重新阅读后再同意。",
            "The agreements have changed: please read them again.",
        );
        return agreements_page(guest, warning);
    };
    let newcomer = guest.session.newcomer.as_ref().ok_or(Reason::SessionExpired)?;
    let phone = match newcomer.person.phone.as_deref() {
        Some(phone) => phone.to_owned(),
        None => sent.field("phone").to_owned(),
    };
    if !is_phone(&phone) {
        let warning =
            lang.say("请填写 11 位手机号码。", "Please enter a mobile number of 11 digits.");
        return agreements_page(guest, warning);
    }
    guest.remember(|session| match &mut session.opening {
        // Going back and agreeing again neither sends more codes than allowed nor allows more
        // tries.
        Some(opening) if opening.phone == phone => opening.consents = consents,
        opening => {
            let sent = opening.as_ref().map_or(0, |opening| opening.sent);
            let tries = opening.as_ref().map_or(0, |opening| opening.tries);
            *opening = Some(Opening { consents, phone, sent, sent_at: Instant::now(), tries });
        }
    });
    send_code(guest, true).await?;
    Ok(to("/h5/open/code"))
}

fn is_phone(phone: &str) -> bool {
    phone.len() == 11 && phone.starts_with('1') && phone.bytes().all(|byte| byte.is_ascii_digit())
}

/// `GET /h5/open/code`.
pub async fn code_page(guest: Guest) -> Result<Response, Trouble> {
    code_form(&guest, String::new())
}

fn code_form(guest: &Guest, warning: String) -> Result<Response, Trouble> {
    let session = guest.state.sessions().find(&guest.id).ok_or(Reason::SessionExpired)?;
    let Some(opening) = session.opening else { return Ok(to("/h5/open")) };
    let config = guest.state.config();
    let pause = Duration::from_secs(config.sms_pause_seconds);
    page(&CodePage {
        frame: guest.frame("/h5/open"),
        phone: masked_number(&opening.phone, 3, 4),
        warning,
        exhausted: opening.tries >= config.sms_tries,
        wait_seconds: pause.saturating_sub(opening.sent_at.elapsed()).as_secs(),
        may_resend: opening.sent < config.sms_sends,
    })
}

/// `POST /h5/open/resend`.
pub async fn resend(sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    if guest.session.opening.is_none() {
        return Ok(to("/h5/open"));
    }
    if send_code(guest, false).await? {
        return Ok(to("/h5/open/code"));
    }
    let text = guest.lang.say(
        "验证码发送得太频繁，请稍等片刻再重新获取。",
        "Codes cannot be sent that often: wait a moment before asking again.",
    );
    code_form(guest, text.into())
}

/// Sends a code unless limits forbid; `first` keeps quiet where one was sent a moment ago.
async fn send_code(guest: &Guest, first: bool) -> Result<bool, Trouble> {
    let config = guest.state.config();
    let pause = Duration::from_secs(config.sms_pause_seconds);
    // Counted before it is sent: two forms at once are one message.
    let phone = guest.state.sessions().change(&guest.id, |session| {
        let opening = session.opening.as_mut()?;
        let fresh = opening.sent > 0 && opening.sent_at.elapsed() < pause;
        if fresh || opening.sent >= config.sms_sends {
            return None;
        }
        (opening.sent, opening.sent_at) = (opening.sent + 1, Instant::now());
        Some(opening.phone.clone())
    });
    let Some(phone) = phone.flatten() else { return Ok(first) };
    if let Err(failure) = guest.platform().identity().send_code(phone).await {
        // It may be asked for again at once; it still counts against the limit.
        guest.remember(|session| {
            if let Some(opening) = &mut session.opening
                && let Some(earlier) = Instant::now().checked_sub(pause)
            {
                opening.sent_at = earlier;
            }
        });
        return Err(failure.into());
    }
    // A new code, new tries: the old code is worth nothing now.
    guest.remember(|session| {
        if let Some(opening) = &mut session.opening {
            opening.tries = 0;
        }
    });
    Ok(true)
}

/// `POST /h5/open/code`.
pub async fn check_code(sent: Sent) -> Result<Response, Trouble> {
    let guest = &sent.guest;
    if guest.summary().await?.open {
        return Ok(to(next(guest)));
    }
    let newcomer = guest.session.newcomer.clone().ok_or(Reason::SessionExpired)?;
    let code = sent.field("code").to_owned();
    let shaped = (4..=8).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    if !shaped {
        let text = guest.lang.say("请填写短信中的数字验证码。", "Enter the digits of the message.");
        return code_form(guest, text.into());
    }
    let limit = guest.state.config().sms_tries;
    // Counted before it is checked, so that guesses at once do not get more tries.
    let counted = guest.state.sessions().change(&guest.id, |session| {
        let opening = session.opening.as_mut().filter(|opening| opening.tries < limit)?;
        opening.tries += 1;
        Some((opening.clone(), limit - opening.tries))
    });
    let Some((opening, left)) = counted.ok_or(Reason::SessionExpired)? else {
        return code_form(guest, String::new());
    };
    let mut person = newcomer.person;
    person.phone = Some(opening.phone.clone());
    match guest.platform().identity().register_did(person.clone(), code).await? {
        Some(did) => {
            open(guest, Newcomer { person, did: None }, did, opening.consents).await?;
            Ok(to(next(guest)))
        }
        None => {
            let text = match guest.lang {
                // The page itself says that this code is void.
                _ if left == 0 => String::new(),
                super::speech::Lang::Zh => format!("验证码不正确，还可以再试 {left} 次。"),
                super::speech::Lang::En => format!("The code is wrong; tries left: {left}."),
            };
            code_form(guest, text)
        }
    }
}

/// Where opening ends: the list of scenes, or the page the partner asked for.
fn next(guest: &Guest) -> &'static str {
    match &guest.session.visit {
        Some(visit) if visit.page == EntryPage::Light => "/h5/light",
        _ => "/h5/scenes",
    }
}

/// Opens the account and binds what the partner brought.
pub async fn open(
    guest: &Guest,
    newcomer: Newcomer,
    did: Did,
    consents: Vec<Consent>,
) -> Result<(), Trouble> {
    let platform = guest.platform();
    let person = platform.vault().seal_person(newcomer.person).await?;
    let open = Open { did, person, channel: guest.session.channel, consents };
    platform.account(guest.session.account, AccountCommand::Open(open)).await?;
    bind(&guest.state, &guest.session).await?;
    guest.remember(|session| {
        session.newcomer = None;
        session.opening = None;
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mobile_number_has_eleven_digits() {
        for (phone, good) in [
            ("13812345678", true),
            ("23812345678", false),
            ("1381234567", false),
            ("1381234567a", false),
            ("１３812345678", false),
        ] {
            assert_eq!(is_phone(phone), good, "{phone}");
        }
    }
}
