//! Sessions of citizens in the pages: in memory, bounded, ended by idleness. What they hold of a
//! person lives only until the account is open.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carbon_actors::ports::Person;
use carbon_protocol::account::{Channel, Consent};
use carbon_protocol::{AccountId, AppNo, Ccid, Did, PartnerUid, SceneNo};
use parking_lot::Mutex;

use crate::tickets::EntryPage;

/// One citizen's visit.
#[derive(Debug, Clone)]
pub struct Session {
    /// What every form of this session carries.
    pub csrf: String,
    /// Whose account, open or not.
    pub account: AccountId,
    /// By which way the citizen came.
    pub channel: Channel,
    /// The person, while the account is not open.
    pub newcomer: Option<Newcomer>,
    /// From which partner the citizen came, if from one.
    pub visit: Option<Visit>,
    /// The opening under way.
    pub opening: Option<Opening>,
    /// What was consented to in this session, by application: what a waiting page waits for.
    pub wanted: Vec<(AppNo, Vec<SceneNo>)>,
}

/// A person whose account is not open yet.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Real-name data.
    pub person: Person,
    /// The person on the identity chain, where 4.4.7 has told it.
    pub did: Option<Did>,
}

/// What a partner said when it sent the citizen (Z102).
#[derive(Debug, Clone)]
pub struct Visit {
    /// The partner's application.
    pub app: AppNo,
    /// The page it asked for.
    pub page: EntryPage,
    /// The scenes it asked for.
    pub scenes: Vec<SceneNo>,
    /// Its pseudonym of the citizen.
    pub ccid: Option<Ccid>,
    /// Its id of its user.
    pub partner_uid: Option<PartnerUid>,
    /// Where the result goes.
    pub return_url: Option<String>,
    /// What it wants back with the result.
    pub state: Option<String>,
}

/// An opening that waits for the SMS code.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What was agreed to.
    pub consents: Vec<Consent>,
    /// Where the code was sent.
    pub phone: String,
    /// How often it was sent.
    pub sent: u32,
    /// When it was sent last.
    pub sent_at: Instant,
    /// Wrong codes since.
    pub tries: u32,
}

impl Session {
    /// A session of an account, with a fresh secret for its forms.
    pub fn new(account: AccountId, channel: Channel) -> Self {
        Self {
            csrf: secret(),
            account,
            channel,
            newcomer: None,
            visit: None,
            opening: None,
            wanted: Vec::new(),
        }
    }

    /// The scenes consented to in this session, of an application.
    pub fn wanted_of(&self, app: AppNo) -> Option<&[SceneNo]> {
        self.wanted.iter().find(|(of, _)| *of == app).map(|(_, scenes)| scenes.as_slice())
    }

    /// Remembers what was consented to.
    pub fn want(&mut self, app: AppNo, scenes: Vec<SceneNo>) {
        self.wanted.retain(|(of, _)| *of != app);
        self.wanted.push((app, scenes));
    }
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    capacity: usize,
    idle: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sessions: HashMap<String, (Instant, Session)>,
    swept: Instant,
}

impl Sessions {
    /// Room for `capacity` sessions, each ended after `idle` without a request.
    pub fn new(capacity: usize, idle: Duration) -> Self {
        let inner = Inner { sessions: HashMap::new(), swept: Instant::now() };
        Self { capacity, idle, inner: Mutex::new(inner) }
    }

    /// Begins a session under a new id; none where there is no room.
    pub fn begin(&self, session: Session) -> Option<String> {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let full = inner.sessions.len() >= self.capacity;
        if full || now.duration_since(inner.swept) > self.idle / 8 {
            inner.sessions.retain(|_, (used, _)| now.duration_since(*used) < self.idle);
            inner.swept = now;
        }
        if inner.sessions.len() >= self.capacity {
            return None;
        }
        let id = secret();
        inner.sessions.insert(id.clone(), (now, session));
        Some(id)
    }

    /// A session as it is; finding it keeps it awake.
    pub fn find(&self, id: &str) -> Option<Session> {
        self.change(id, |session| session.clone())
    }

    /// Changes a session; none where it has ended.
    pub fn change<T>(&self, id: &str, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let (used, session) = inner.sessions.get_mut(id)?;
        if now.duration_since(*used) >= self.idle {
            inner.sessions.remove(id);
            return None;
        }
        *used = now;
        Some(change(session))
    }

    /// Ends a session: the id is worth nothing from now on.
    pub fn end(&self, id: &str) {
        self.inner.lock().sessions.remove(id);
    }
}

/// A text nobody guesses.
fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

/// Nonces of the city app's tickets: each enters once while it could be valid.
#[derive(Debug, Default)]
pub struct Spent(Mutex<HashMap<String, i64>>);

impl Spent {
    /// Spends a nonce that could be shown until `expires`; false where it was spent before, or
    /// there are `capacity` of them already.
    pub fn spend(&self, nonce: &str, now: i64, expires: i64, capacity: usize) -> bool {
        let mut spent = self.0.lock();
        if spent.len() >= capacity {
            spent.retain(|_, until| *until > now);
        }
        if spent.len() >= capacity || spent.contains_key(nonce) {
            return false;
        }
        spent.insert(nonce.into(), expires);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session::new(AccountId([1; 16]), Channel::CityApp)
    }

    #[test]
    fn a_session_is_found_under_its_own_id_until_it_ends() {
        let sessions = Sessions::new(10, Duration::from_secs(60));
        let id = sessions.begin(session()).unwrap();
        let other = sessions.begin(session()).unwrap();
        assert_ne!(id, other);
        assert!(sessions.find("guess").is_none());
        assert_ne!(sessions.find(&id).unwrap().csrf, sessions.find(&other).unwrap().csrf);
        sessions.change(&id, |session| session.want(AppNo(1), vec![SceneNo(2)]));
        assert_eq!(sessions.find(&id).unwrap().wanted_of(AppNo(1)), Some(&[SceneNo(2)][..]));
        assert_eq!(sessions.find(&other).unwrap().wanted_of(AppNo(1)), None);
        sessions.end(&id);
        assert!(sessions.find(&id).is_none());
    }

    #[test]
    fn idle_sessions_end_and_make_room() {
        let sessions = Sessions::new(1, Duration::from_millis(30));
        let id = sessions.begin(session()).unwrap();
        assert!(sessions.begin(session()).is_none());
        std::thread::sleep(Duration::from_millis(40));
        assert!(sessions.find(&id).is_none());
        assert!(sessions.begin(session()).is_some());
    }

    #[test]
    fn a_nonce_is_spent_once_and_room_is_bounded() {
        let spent = Spent::default();
        assert!(spent.spend("a", 0, 10, 2));
        assert!(!spent.spend("a", 1, 10, 2));
        assert!(spent.spend("b", 1, 20, 2));
        assert!(!spent.spend("c", 2, 30, 2));
        assert!(spent.spend("c", 11, 30, 2));
    }
}
