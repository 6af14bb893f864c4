//! Who stands outside in the virtual world: partners and the identity service that are slow, silent
//! or lying, subscribers that cannot be told, and what has reached each of them.

use std::sync::Arc;
use std::time::Duration;

use carbon_actors::ports::{
    Bulletin, Failure, Identity, LinkAnswer, Partners, Person, PushAnswer, Subscribers,
};
use carbon_actors::twins::ScriptedIdentity;
use carbon_protocol::contracts::c201::RawRecord;
use carbon_protocol::courier::PushKind;
use carbon_protocol::registry::App;
use carbon_protocol::{Ccid, CreditCode, Did, PartnerUid, Serial};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::receipts::Receipts;
use super::world::World;

/// How long an answer from outside is waited for.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Partners, the identity service and subscribers in one: all of them outlive the platform.
#[derive(Clone)]
pub struct Outside {
    world: Arc<World>,
    identity: Arc<ScriptedIdentity>,
    /// What partners and subscribers have received.
    pub receipts: Arc<Mutex<Receipts>>,
    identity_down_until: Arc<Mutex<Option<Instant>>>,
}

impl Outside {
    /// Everybody there is outside.
    pub fn new(world: Arc<World>) -> Self {
        let identity = Arc::new(ScriptedIdentity::default());
        Self { world, identity, receipts: Arc::default(), identity_down_until: Arc::default() }
    }

    /// A new process begins: the moments of the one before mean nothing to it.
    pub fn begin_life(&self) {
        *self.identity_down_until.lock() = None;
    }

    /// The DID of a person.
    pub fn did(&self, person: &Person) -> Did {
        self.identity.enrol(person)
    }

    /// The CCID of a person towards an application, as the partner knows it, too.
    pub fn ccid(&self, did: &Did, chain_code: &str) -> Ccid {
        self.identity.ccid_of(did, chain_code)
    }

    /// The way to a partner and back; fails where one of them does.
    async fn travel(&self, side: &'static str) -> Result<(), Failure> {
        let faults = &self.world.scenario.faults;
        self.world.wait(5..=400).await;
        if !self.world.step() || self.world.strikes(faults.partner_fails) {
            return Err(Failure::Partner(format!("{side} answers 500")));
        }
        if self.world.strikes(faults.partner_silent) {
            tokio::time::sleep(TIME_OUT).await;
            return Err(Failure::Partner(format!("{side} is silent")));
        }
        Ok(())
    }

    fn lies(&self) -> bool {
        self.world.strikes(self.world.scenario.faults.partner_lies)
    }

    async fn reach_identity(&self) -> Result<(), Failure> {
        self.world.wait(5..=200).await;
        let now = Instant::now();
        let down = |until: Option<Instant>| until.is_some_and(|until| now < until);
        let strikes = self.world.strikes(self.world.scenario.faults.identity_down);
        let was_down = down(*self.identity_down_until.lock());
        if strikes && !was_down {
            let time = Duration::from_millis(self.world.draw(100..=30_000));
            *self.identity_down_until.lock() = Some(now + time);
        }
        match self.world.step() && !was_down && !strikes {
            true => Ok(()),
            false => Err(Failure::Identity("down".into())),
        }
    }
}

impl Partners for Outside {
    /// Nobody samples in the virtual world.
    fn raw_data(
        &self,
        _app: Arc<App>,
        _serials: Vec<Serial>,
    ) -> BoxFuture<'static, Result<Vec<RawRecord>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn match_account(
        &self,
        _app: Arc<App>,
        person: Person,
    ) -> BoxFuture<'static, Result<Option<PartnerUid>, Failure>> {
        let outside = self.clone();
        Box::pin(async move {
            outside.travel("C101").await?;
            let uid = PartnerUid::parse(&format!("u-{}", person.id_no)).ok();
            Ok(uid.filter(|_| !outside.lies()))
        })
    }

    fn link_mall(
        &self,
        app: Arc<App>,
        ccid: Ccid,
        uid: PartnerUid,
        event_id: String,
    ) -> BoxFuture<'static, Result<LinkAnswer, Failure>> {
        let outside = self.clone();
        Box::pin(async move {
            outside.travel("Z203").await?;
            outside.receipts.lock().linked(app.no, &ccid, &event_id);
            Ok(if outside.lies() { LinkAnswer::Refused } else { LinkAnswer::Linked(uid) })
        })
    }

    fn push(
        &self,
        app: Arc<App>,
        _url: String,
        kind: PushKind,
        body: Vec<u8>,
    ) -> BoxFuture<'static, PushAnswer> {
        let outside = self.clone();
        let answer = |status, retry_after| PushAnswer { status, retry_after };
        Box::pin(async move {
            let (world, faults) = (&outside.world, &outside.world.scenario.faults);
            world.wait(5..=400).await;
            if !world.step() {
                return answer(0, None);
            }
            let times = if world.strikes(faults.push_doubled) { 2 } else { 1 };
            for _ in 0..times {
                let received = outside.receipts.lock().pushed(app.no, kind, &body);
                if let Err(wrong) = received {
                    world.wrong(format!("push of {} to {}: {wrong}", kind.code(), app.no));
                }
            }
            if world.strikes(faults.push_refused) {
                let busy = world.chance(300);
                return answer(if busy { 503 } else { 500 }, busy.then_some(20));
            }
            if world.strikes(faults.push_unanswered) {
                tokio::time::sleep(TIME_OUT).await;
                return answer(0, None);
            }
            world.wait(1..=200).await;
            // The answer may still be lost with the process that waits for it.
            if world.step() { answer(200, None) } else { answer(0, None) }
        })
    }
}

impl Identity for Outside {
    fn send_code(&self, phone: String) -> BoxFuture<'static, Result<(), Failure>> {
        self.identity.send_code(phone)
    }

    fn register_did(
        &self,
        person: Person,
        sms_code: String,
    ) -> BoxFuture<'static, Result<Option<Did>, Failure>> {
        self.identity.register_did(person, sms_code)
    }

    fn register_legal(
        &self,
        name: String,
        credit_code: CreditCode,
    ) -> BoxFuture<'static, Result<Did, Failure>> {
        self.identity.register_legal(name, credit_code)
    }

    fn register_sub_did(
        &self,
        did: Did,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Ccid, Failure>> {
        let outside = self.clone();
        Box::pin(async move {
            outside.reach_identity().await?;
            outside.identity.register_sub_did(did, chain_code).await
        })
    }

    fn parent(
        &self,
        ccid: Ccid,
        chain_code: String,
    ) -> BoxFuture<'static, Result<Option<(Did, Person)>, Failure>> {
        self.identity.parent(ccid, chain_code)
    }
}

impl Subscribers for Outside {
    fn publish(&self, bulletins: Vec<Bulletin>) -> BoxFuture<'static, Result<(), Failure>> {
        let outside = self.clone();
        Box::pin(async move {
            let world = &outside.world;
            world.wait(1..=50).await;
            if !world.step() || world.strikes(world.scenario.faults.subscribers) {
                return Err(Failure::Bus("nobody listens".into()));
            }
            for bulletin in &bulletins {
                let told = outside.receipts.lock().told(&bulletin.id, &bulletin.data);
                if let Err(wrong) = told {
                    world.wrong(format!("bulletin {}: {wrong}", bulletin.id));
                }
            }
            Ok(())
        })
    }
}
