//! Single-use tickets: the links of Z102 (a citizen enters our pages) and the authCodes of
//! 02.Z405 (a mall learns who has come). The door and the pages share them; they live in memory, so
//! that after a restart a citizen enters again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carbon_actors::ports::Person;
use carbon_protocol::{AccountId, AppNo, Ccid, PartnerUid, SceneNo};
use parking_lot::Mutex;

/// Which of our pages a Z102 link opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryPage {
    /// 01.Z202: light scenes.
    Light,
    /// 02.Z202: consent to a mall.
    Mall,
    /// The carbon zone.
    Zone,
}

/// What a Z102 link carries: everything the partner said of its citizen, checked by the door.
#[derive(Debug, Clone)]
pub struct EntryTicket {
    /// The partner's application.
    pub app: AppNo,
    /// The page.
    pub page: EntryPage,
    /// The scenes to light; none for the other pages.
    pub scenes: Vec<SceneNo>,
    /// The person by the application's pseudonym…
    pub ccid: Option<Ccid>,
    /// … or by real-name data.
    pub person: Option<Person>,
    /// The partner's id of its user, when it said one.
    pub partner_uid: Option<PartnerUid>,
    /// Whether the partner has verified the citizen's real name.
    pub real_name_verified: bool,
    /// Where the result goes; its host is one of the application's.
    pub return_url: Option<String>,
    /// What the partner wants back with the result.
    pub state: Option<String>,
}

/// What an authCode stands for (02.Z405).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthTicket {
    /// The mall's application: nobody else may redeem it.
    pub app: AppNo,
    /// Whose.
    pub account: AccountId,
    /// The mall's pseudonym of the citizen.
    pub ccid: Ccid,
}

/// Tickets of one kind: each is redeemed once, within its time, and their number is bounded.
#[derive(Debug)]
pub struct Tickets<T> {
    capacity: usize,
    lifetime: Duration,
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    payloads: HashMap<String, (Instant, T)>,
    /// In the order of issue, which is the order of expiry: all live equally long.
    order: VecDeque<(Instant, String)>,
}

impl<T> Tickets<T> {
    /// Room for `capacity` tickets that live `lifetime` each.
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        let inner = Inner { payloads: HashMap::new(), order: VecDeque::new() };
        Self { capacity, lifetime, inner: Mutex::new(inner) }
    }

    /// How long a ticket lives.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Issues a ticket; none where there is no room (an honest 503).
    pub fn issue(&self, payload: T) -> Option<String> {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        inner.forget_expired(now);
        if inner.order.len() >= self.capacity {
            return None;
        }
        let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        let expires = now + self.lifetime;
        inner.payloads.insert(ticket.clone(), (expires, payload));
        inner.order.push_back((expires, ticket.clone()));
        Some(ticket)
    }

    /// Redeems a ticket; none where it is unknown, used or expired.
    pub fn redeem(&self, ticket: &str) -> Option<T> {
        self.redeem_if(ticket, |_| true)
    }

    /// Redeems a ticket whose payload passes; a ticket that does not pass stays unused, so that a
    /// stranger cannot use it up.
    pub fn redeem_if(&self, ticket: &str, passes: impl FnOnce(&T) -> bool) -> Option<T> {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        inner.forget_expired(now);
        let (_, payload) = inner.payloads.get(ticket)?;
        if !passes(payload) {
            return None;
        }
        inner.payloads.remove(ticket).map(|(_, payload)| payload)
    }
}

impl<T> Inner<T> {
    fn forget_expired(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(expires, _)| *expires <= now) {
            if let Some((_, ticket)) = self.order.pop_front() {
                self.payloads.remove(&ticket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_redeemed_once() {
        let tickets = Tickets::new(10, Duration::from_secs(60));
        let ticket = tickets.issue(7).unwrap();
        assert_eq!(tickets.redeem("guess"), None);
        assert_eq!(tickets.redeem_if(&ticket, |payload| *payload == 8), None);
        assert_eq!(tickets.redeem(&ticket), Some(7));
        assert_eq!(tickets.redeem(&ticket), None);
    }

    #[test]
    fn tickets_expire_and_make_room() {
        let tickets = Tickets::new(2, Duration::from_millis(30));
        let old = tickets.issue(1).unwrap();
        assert!(tickets.issue(2).is_some());
        assert_eq!(tickets.issue(3), None);
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(tickets.redeem(&old), None);
        assert!(tickets.issue(3).is_some());
    }
}
