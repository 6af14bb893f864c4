//! What partners and subscribers have received, and what they hold against it: an event id that
//! changed, an event that changed, an order that was not kept, a gap.

use std::collections::BTreeMap;

use carbon_protocol::account::BillKind;
use carbon_protocol::contracts::m404::{PointsBillItem, PointsBillPush};
use carbon_protocol::contracts::z203::{AuthorizationItem, AuthorizationPush};
use carbon_protocol::contracts::z305::{IssuanceItem, IssuancePush};
use carbon_protocol::contracts::z503::{BillItem, BillPush};
use carbon_protocol::courier::PushKind;
use carbon_protocol::{AppNo, Ccid};

/// An event as it was pushed; the partner's own user id is left out, which may become known late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Z203.
    Authorization(AuthorizationItem),
    /// Z305.
    Issuance(IssuanceItem),
    /// Z503.
    GramsBill(BillItem),
    /// Z404.
    PointsBill(PointsBillItem),
}

/// What an event is numbered among: each kind of bill on its own, everything else together.
type Series = Option<PushKind>;

fn series(kind: PushKind) -> Series {
    kind.is_of_bill().then_some(kind)
}

/// By application, pseudonym, series and sequence.
type Key = (AppNo, Ccid, Series, u32);

/// Everything received.
#[derive(Debug, Default)]
pub struct Receipts {
    items: BTreeMap<Key, Item>,
    /// What an event id stands for.
    ids: BTreeMap<(AppNo, String), Key>,
    /// The newest sequence that has arrived, by kind: each kind is a lane of its own.
    newest: BTreeMap<(AppNo, Ccid, PushKind), u32>,
    /// Ids of 02.Z203 at linking, by pseudonym.
    links: BTreeMap<(AppNo, Ccid), Vec<String>>,
    bulletins: BTreeMap<String, Vec<u8>>,
}

impl Receipts {
    /// A push has arrived. Fails with what is wrong about it.
    pub fn pushed(&mut self, app: AppNo, kind: PushKind, body: &[u8]) -> Result<(), String> {
        let unread = |error: serde_json::Error| format!("unreadable: {error}");
        let key = |ccid: &Ccid, sequence| (app, ccid.clone(), series(kind), sequence);
        match kind {
            PushKind::Authorization => {
                let push: AuthorizationPush = serde_json::from_slice(body).map_err(unread)?;
                for item in push.items {
                    let item = AuthorizationItem { partner_uid: None, ..item };
                    let (key, id) = (key(&item.ccid, item.sequence), item.event_id.clone());
                    self.item(kind, key, id, Item::Authorization(item))?;
                }
            }
            PushKind::Issuance => {
                let push: IssuancePush = serde_json::from_slice(body).map_err(unread)?;
                for item in push.items {
                    let item = IssuanceItem { partner_uid: None, ..item };
                    let (key, id) = (key(&item.ccid, item.sequence), item.event_id.clone());
                    self.item(kind, key, id, Item::Issuance(item))?;
                }
            }
            PushKind::GramsBill => {
                let push: BillPush = serde_json::from_slice(body).map_err(unread)?;
                for item in push.items {
                    let item = BillItem { partner_uid: None, ..item };
                    let (key, id) = (key(&item.ccid, item.sequence), item.event_id.clone());
                    self.item(kind, key, id, Item::GramsBill(item))?;
                }
            }
            PushKind::PointsBill => {
                let push: PointsBillPush = serde_json::from_slice(body).map_err(unread)?;
                for item in push.items {
                    let item = PointsBillItem { partner_uid: None, ..item };
                    let (key, id) = (key(&item.ccid, item.sequence), item.event_id.clone());
                    self.item(kind, key, id, Item::PointsBill(item))?;
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, kind: PushKind, key: Key, id: String, item: Item) -> Result<(), String> {
        let (app, ccid, _, sequence) = key.clone();
        let meant = self.ids.entry((app, id.clone())).or_insert(key.clone());
        if *meant != key {
            return Err(format!("event {id} was {meant:?} and is {key:?} now"));
        }
        if let Some(known) = self.items.get(&key) {
            return match *known == item {
                true => Ok(()),
                false => Err(format!("event {sequence} of {ccid} was {known:?}, is {item:?}")),
            };
        }
        let newest = self.newest.entry((app, ccid.clone(), kind)).or_default();
        if *newest >= sequence {
            return Err(format!("event {sequence} of {ccid} arrives after {newest}"));
        }
        *newest = sequence;
        self.items.insert(key, item);
        Ok(())
    }

    /// 02.Z203 at linking has arrived.
    pub fn linked(&mut self, app: AppNo, ccid: &Ccid, event_id: &str) {
        let ids = self.links.entry((app, ccid.clone())).or_default();
        if !ids.iter().any(|id| id == event_id) {
            ids.push(event_id.into());
        }
    }

    /// How many different links a mall was told of for a pseudonym.
    pub fn links(&self, app: AppNo, ccid: &Ccid) -> usize {
        self.links.get(&(app, ccid.clone())).map_or(0, Vec::len)
    }

    /// A bulletin has arrived. Fails where its id stood for something else before.
    pub fn told(&mut self, id: &str, data: &[u8]) -> Result<(), String> {
        let known = self.bulletins.entry(id.into()).or_insert_with(|| data.into());
        let text = String::from_utf8_lossy;
        match known == data {
            true => Ok(()),
            false => Err(format!("was {}, is {}", text(known), text(data))),
        }
    }

    /// The events of a pseudonym but bills, in order. Fails where one is missing before the last
    /// that came.
    pub fn of(&self, app: AppNo, ccid: &Ccid) -> Result<Vec<&Item>, String> {
        self.series(app, ccid, None)
    }

    /// The entries of a pseudonym's bill that were pushed: how many, and what they sum up to in
    /// grams or points, by kind. Fails where an event is missing before the last that came.
    pub fn booked(
        &self,
        app: AppNo,
        ccid: &Ccid,
        kind: PushKind,
    ) -> Result<BTreeMap<String, (usize, u64)>, String> {
        let mut sums: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        let mut add = |kind: BillKind, amount: u64| {
            let (count, sum) = sums.entry(format!("{kind:?}")).or_default();
            (*count, *sum) = (*count + 1, *sum + amount);
        };
        for item in self.series(app, ccid, Some(kind))? {
            match item {
                Item::GramsBill(item) => {
                    item.entries.iter().for_each(|entry| add(entry.kind, entry.reduction_grams.0));
                }
                Item::PointsBill(item) => {
                    item.entries.iter().for_each(|entry| add(entry.kind, entry.points.0));
                }
                Item::Authorization(_) | Item::Issuance(_) => {}
            }
        }
        Ok(sums)
    }

    fn series(&self, app: AppNo, ccid: &Ccid, series: Series) -> Result<Vec<&Item>, String> {
        let key = |sequence| (app, ccid.clone(), series, sequence);
        let mut items = Vec::new();
        for (due, ((.., sequence), item)) in (1..).zip(self.items.range(key(0)..=key(u32::MAX))) {
            if *sequence != due {
                return Err(format!("event {due} of {ccid} is missing, {sequence} has come"));
            }
            items.push(item);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(id: &str, sequence: u32, status: &str) -> Vec<u8> {
        format!(
            r#"{{"kind":"Z203","items":[{{"eventId":"{id}","sequence":{sequence},"ccid":"c",
            "partnerUid":null,"scene":"bus","status":"{status}","agreements":[],
            "time":"2026-11-24T12:00:00+08:00"}}]}}"#
        )
        .into_bytes()
    }

    #[test]
    fn repetitions_are_fine_and_everything_else_is_held_against_the_sender() {
        let (app, kind) = (AppNo(1), PushKind::Authorization);
        let mut receipts = Receipts::default();
        receipts.pushed(app, kind, &push("1-0", 1, "LIT")).unwrap();
        receipts.pushed(app, kind, &push("1-0", 1, "LIT")).unwrap();
        assert!(receipts.pushed(app, kind, &push("1-1", 1, "LIT")).is_err(), "another id");
        assert!(receipts.pushed(app, kind, &push("1-0", 1, "REVOKED")).is_err(), "another event");
        receipts.pushed(app, kind, &push("3-0", 3, "LIT")).unwrap();
        let ccid = Ccid::parse("c").unwrap();
        assert!(receipts.of(app, &ccid).is_err(), "a gap");
        assert!(receipts.pushed(app, kind, &push("2-0", 2, "REVOKED")).is_err(), "out of order");
        assert!(receipts.told("1", b"a").is_ok() && receipts.told("1", b"b").is_err());
    }
}
