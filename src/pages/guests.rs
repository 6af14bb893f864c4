//! Who is asking: the session behind the cookie, and forms that can only have come from our own
//! pages.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::header::{HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Request};
use axum::response::{IntoResponse, Redirect, Response};
use carbon_actors::platform::Platform;
use carbon_protocol::account::{AccountCommand, AccountReply, Look, Summary};
use carbon_protocol::registry::{App, Scene};
use carbon_protocol::{AppId, AppNo, Reason, SceneCode};
use subtle::ConstantTimeEq as _;
use url::Url;

use super::frame::{Frame, cookie};
use super::sessions::Session;
use super::speech::Lang;
use super::trouble::Trouble;
use super::{FORM_BYTES, FORM_TIME, PagesState};

/// The session cookie.
pub const COOKIE: &str = "h5";

/// A citizen with a session.
#[derive(Clone)]
pub struct Guest {
    /// The pages.
    pub state: PagesState,
    /// The session's id.
    pub id: String,
    /// The session as it was when the request came.
    pub session: Session,
    /// The language.
    pub lang: Lang,
}

impl FromRequestParts<PagesState> for Guest {
    type Rejection = Trouble;
    async fn from_request_parts(parts: &mut Parts, state: &PagesState) -> Result<Self, Trouble> {
        let id = cookie(&parts.headers, COOKIE).ok_or(Reason::SessionExpired)?.to_owned();
        let session = state.sessions().find(&id).ok_or(Reason::SessionExpired)?;
        let lang = parts.extensions.get::<Lang>().copied().unwrap_or_default();
        Ok(Self { state: state.clone(), id, session, lang })
    }
}

impl Guest {
    /// The platform.
    pub fn platform(&self) -> &Platform {
        self.state.platform()
    }

    /// What a template of this session needs; `back` is where its arrow leads.
    pub fn frame(&self, back: &str) -> Frame {
        Frame { lang: self.lang, csrf: self.session.csrf.clone(), back: back.into() }
    }

    /// Changes the session.
    pub fn remember(&self, change: impl FnOnce(&mut Session)) {
        // None says that it has ended meanwhile: the next request is told so.
        let _ = self.state.sessions().change(&self.id, change);
    }

    /// The account at a glance.
    pub async fn summary(&self) -> Result<Summary, Trouble> {
        summary(self.platform(), &self.session).await
    }

    /// The account at a glance, refused where it is not open.
    pub async fn opened(&self) -> Result<Summary, Trouble> {
        let summary = self.summary().await?;
        if summary.open { Ok(summary) } else { Err(Reason::AccountNotOpen.into()) }
    }

    /// An application by its id, unless it is suspended.
    pub fn app(&self, id: &str) -> Result<Arc<App>, Trouble> {
        let id = AppId::parse(id).map_err(|_| Reason::NotFound)?;
        let registry = self.platform().registry();
        let app = registry.app_by_id(&id).filter(|app| !app.suspended);
        Ok(app.ok_or(Reason::NotFound)?.clone())
    }

    /// An application by its id, suspended or not: a consent can always be taken back.
    pub fn any_app(&self, id: &str) -> Result<Arc<App>, Trouble> {
        let id = AppId::parse(id).map_err(|_| Reason::NotFound)?;
        Ok(self.platform().registry().app_by_id(&id).ok_or(Reason::NotFound)?.clone())
    }

    /// An application by its number.
    pub fn app_no(&self, no: AppNo) -> Result<Arc<App>, Trouble> {
        let registry = self.platform().registry();
        let app = registry.app(no).filter(|app| !app.suspended);
        Ok(app.ok_or(Reason::NotFound)?.clone())
    }

    /// A scene of an application.
    pub fn scene(&self, app: &App, code: &str) -> Result<Arc<Scene>, Trouble> {
        let code = SceneCode::parse(code).map_err(|_| Reason::UnknownScene)?;
        let registry = self.platform().registry();
        let scene = registry.scene_by_code(&code).filter(|scene| scene.apps.contains(&app.no));
        Ok(scene.ok_or(Reason::UnknownScene)?.clone())
    }
}

/// An account at a glance.
pub async fn summary(platform: &Platform, session: &Session) -> Result<Summary, Trouble> {
    let look = AccountCommand::Look(Look::Summary);
    match platform.account(session.account, look).await? {
        AccountReply::Summary(summary) => Ok(*summary),
        _ => Err(Reason::Internal.into()),
    }
}

/// A form of a page of ours, sent by the citizen it was made for.
pub struct Sent {
    /// Who sent it.
    pub guest: Guest,
    fields: Vec<(String, String)>,
}

impl FromRequest<PagesState> for Sent {
    type Rejection = Trouble;
    async fn from_request(request: Request<Body>, state: &PagesState) -> Result<Self, Trouble> {
        let (mut parts, body) = request.into_parts();
        if !is_own_origin(&parts.headers, state.public_url()) {
            return Err(Reason::Forbidden.into());
        }
        let guest = Guest::from_request_parts(&mut parts, state).await?;
        let body = tokio::time::timeout(FORM_TIME, to_bytes(body, FORM_BYTES)).await;
        let body = body.map_err(|_| Reason::Malformed)?.map_err(|_| Reason::TooLarge)?;
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(&body).into_owned().collect();
        let sent = Self { guest, fields };
        let secret = sent.field("csrf").as_bytes();
        if !bool::from(secret.ct_eq(sent.guest.session.csrf.as_bytes())) {
            return Err(Reason::Forbidden.into());
        }
        Ok(sent)
    }
}

impl Sent {
    /// A field's first value; empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.trim()).unwrap_or_default()
    }

    /// All values of a field.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whether a form was sent from our own pages: browsers tell the page's origin with every form, and
/// nobody else's page can say ours. The host that was asked counts, too, so that the pages work
/// under every name they are reached by.
fn is_own_origin(headers: &HeaderMap, public: &Url) -> bool {
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    if origin == public.origin().ascii_serialization() {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let asked = origin.split_once("://").map(|(_, host)| host);
    asked.is_some() && asked == host
}

/// Leads on to another page of ours.
pub fn to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Leads on with a new session.
pub fn to_with_session(path: &str, id: &str, secure: bool) -> Response {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={id}; Path=/h5; HttpOnly; SameSite=Lax{secure}");
    let mut response = to(path);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_of_our_own_pages_are_taken() {
        let public = Url::parse("https://carbon.example").unwrap();
        let table = [
            (Some("https://carbon.example"), "carbon.example", true),
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true),
            (Some("https://evil.example"), "carbon.example", false),
            (Some("null"), "carbon.example", false),
            (Some(""), "", false),
            (Some("https://carbon.example.evil"), "carbon.example", false),
            (None, "carbon.example", false),
        ];
        for (origin, host, own) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_own_origin(&headers, &public), own, "{origin:?} at {host}");
        }
    }
}
