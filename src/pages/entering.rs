//! Entering: a ticket of the city's app or a partner's link becomes a session, under a new id.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use carbon_actors::ports::Person;
use carbon_protocol::account::{AccountCommand, Channel};
use carbon_protocol::contracts::page::CityTicket;
use carbon_protocol::registry::AgreementScope;
use carbon_protocol::{AccountId, Did, Reason};
use serde::Deserialize;

use super::PagesState;
use super::frame::cookie;
use super::guests::{COOKIE, summary, to_with_session};
use super::sessions::{Newcomer, Session, Visit};
use super::trouble::Trouble;
use crate::tickets::{EntryPage, EntryTicket};

/// Longest life of a city ticket.
const CITY_TICKET_MS: i64 = 5 * 60 * 1000;

/// How one enters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    city_ticket: Option<String>,
    ticket: Option<String>,
}

/// `GET /h5/enter`.
pub async fn enter(
    State(state): State<PagesState>,
    headers: HeaderMap,
    Query(entry): Query<Entry>,
) -> Result<Response, Trouble> {
    let (session, path) = match (entry.city_ticket, entry.ticket) {
        (Some(text), None) => from_city(&state, &text).await?,
        (None, Some(ticket)) => from_partner(&state, &ticket).await?,
        _ => return Err(Reason::BadLink.into()),
    };
    // Whoever was here before has left.
    if let Some(old) = cookie(&headers, COOKIE) {
        state.sessions().end(old);
    }
    let id = state.sessions().begin(session).ok_or(Reason::Busy)?;
    Ok(to_with_session(&path, &id, state.public_url().scheme() == "https"))
}

async fn from_city(state: &PagesState, text: &str) -> Result<(Session, String), Trouble> {
    let now = state.platform().now()?;
    let ticket = CityTicket::open(state.city_app_key(), text).ok_or(Reason::BadLink)?;
    let left = ticket.expires_at.0 - now.0;
    if !(1..=CITY_TICKET_MS).contains(&left) || !state.spend(&ticket.nonce, now, ticket.expires_at)
    {
        return Err(Reason::BadLink.into());
    }
    let person = Person { name: ticket.name, id_no: ticket.id_no, phone: Some(ticket.phone) };
    let account = state.platform().vault().account_of(&person.id_no)?;
    let mut session = Session::new(account, Channel::CityApp);
    if !summary(state.platform(), &session).await?.open {
        session.newcomer = Some(Newcomer { person, did: None });
    }
    Ok((session, "/h5/".into()))
}

async fn from_partner(state: &PagesState, ticket: &str) -> Result<(Session, String), Trouble> {
    let ticket = state.entries().redeem(ticket).ok_or(Reason::BadLink)?;
    if !ticket.real_name_verified {
        return Err(Reason::RealNameRequired.into());
    }
    let registry = state.platform().registry();
    let app = registry.app(ticket.app).filter(|app| !app.suspended).ok_or(Reason::BadLink)?;
    let path = match ticket.page {
        EntryPage::Light => "/h5/light".into(),
        EntryPage::Mall => format!("/h5/malls/{}/link", app.id),
        EntryPage::Zone => "/h5/".into(),
    };
    let (account, newcomer) = who(state, &ticket, &app.chain_code).await?;
    let mut session = Session::new(account, Channel::Partner);
    session.newcomer = newcomer;
    session.visit = Some(Visit {
        app: ticket.app,
        page: ticket.page,
        scenes: ticket.scenes,
        ccid: ticket.ccid,
        partner_uid: ticket.partner_uid,
        return_url: ticket.return_url,
        state: ticket.state,
    });
    if session.newcomer.is_none() {
        bind(state, &session).await?;
    }
    Ok((session, path))
}

/// The account a partner speaks of, and the person where the account is not open yet.
async fn who(
    state: &PagesState,
    ticket: &EntryTicket,
    chain_code: &str,
) -> Result<(AccountId, Option<Newcomer>), Trouble> {
    let platform = state.platform();
    if let Some(ccid) = &ticket.ccid {
        // The directory may only hint: the account says whether the pseudonym is its own.
        if let Some(account) = platform.resolve(ticket.app, ccid) {
            let summary = summary(platform, &Session::new(account, Channel::Partner)).await?;
            let own = |link: &carbon_protocol::account::LinkView| {
                link.app == ticket.app && link.ccid == *ccid
            };
            if summary.open && summary.links.iter().any(own) {
                return Ok((account, None));
            }
        }
        let parent = platform.identity().parent(ccid.clone(), chain_code.into()).await?;
        let (did, person) = parent.ok_or(Reason::UnknownCcid)?;
        return newcomer(state, person, Some(did)).await;
    }
    let person = ticket.person.clone().ok_or(Reason::RealNameRequired)?;
    newcomer(state, person, None).await
}

async fn newcomer(
    state: &PagesState,
    person: Person,
    did: Option<Did>,
) -> Result<(AccountId, Option<Newcomer>), Trouble> {
    let account = state.platform().vault().account_of(&person.id_no)?;
    let session = Session::new(account, Channel::Partner);
    let open = summary(state.platform(), &session).await?.open;
    Ok((account, (!open).then_some(Newcomer { person, did })))
}

/// Binds the pseudonym the partner brought, once the account is open (INV-03).
pub async fn bind(state: &PagesState, session: &Session) -> Result<(), Trouble> {
    let Some(Visit { app, ccid: Some(ccid), partner_uid, .. }) = &session.visit else {
        return Ok(());
    };
    let (app, ccid, partner_uid) = (*app, ccid.clone(), partner_uid.clone());
    let command = AccountCommand::Bind { app, ccid, partner_uid };
    state.platform().account(session.account, command).await?;
    Ok(())
}

/// What must be agreed to before an account is opened, by the way the citizen came.
pub fn opening_scopes(state: &PagesState, session: &Session) -> Vec<AgreementScope> {
    let registry = state.platform().registry();
    let from = session.visit.as_ref().and_then(|visit| registry.app(visit.app));
    let first = match from {
        Some(app) => AgreementScope::App(app.id.clone()),
        None => AgreementScope::CityApp,
    };
    vec![first, AgreementScope::Platform]
}
