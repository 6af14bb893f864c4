//! Scope: what is another application's answers exactly like what does not exist, at every
//! interface of the table; an interface without a row here fails.

use std::collections::BTreeSet;

use carbon_protocol::courier::{CourierCommand, PushKind};
use serde_json::{Value, json};

use super::{Answered, Caller, Door, Sending, with_door};

/// What a stranger may have got to know of somebody else's.
struct Others {
    /// A citizen's pseudonym towards the metro.
    ccid: String,
    /// A citizen's pseudonym towards the mall.
    visitor: String,
    /// A batch of the metro, and a record in it.
    batch: &'static str,
    record: &'static str,
    /// The mall's authCode for its visitor.
    auth_code: String,
    /// Cursors that the metro was given: of a bill, of a batch, of the dictionary.
    bill: String,
    results: String,
    dictionary: String,
    feed: String,
    /// An event that the metro was told.
    event: String,
    /// The same citizen's pseudonym towards the stranger.
    own_visitor: String,
}

/// Two questions that differ in one identifier: another's, and one that nobody has.
type Pair = (Value, Value);
/// What is asked at an interface, by whom. Nobody asks where nothing can be named.
type Row = (&'static str, &'static str, fn(&Others) -> Vec<Pair>);

const NOBODY: &str = "nobody";
const NO_EVENT: &str = "0000000000ffffff-0000";

fn ccids(ccid: &str) -> Vec<Pair> {
    vec![(json!({"ccid": ccid}), json!({"ccid": NOBODY}))]
}

fn of_citizens(others: &Others) -> Vec<Pair> {
    ccids(&others.ccid)
}

fn of_visitors(others: &Others) -> Vec<Pair> {
    ccids(&others.visitor)
}

fn nothing(_: &Others) -> Vec<Pair> {
    Vec::new()
}

/// With another's cursor beside one that nobody was given.
fn cursors(question: Value, cursor: &str) -> Pair {
    let with = |cursor: &str| {
        let mut question = question.clone();
        question["cursor"] = json!(cursor);
        question
    };
    (with(cursor), with("AAAA"))
}

fn behaviour() -> Value {
    json!({"rail": {
        "inStation": "E01", "outStation": "E02",
        "inTime": "2026-11-24T11:00:00+08:00", "outTime": "2026-11-24T11:20:00+08:00",
    }})
}

/// A batch of the bus with one row, under a serial of its own each time.
fn batch(serial: &str, record: &str, ccid: &str, scene: &str) -> Value {
    json!({"batchSerial": serial, "records": [{
        "serial": record, "ccid": ccid, "scene": scene, "reductionGrams": 92,
        "behaviour": behaviour(),
    }]})
}

fn order(order: &str, serial: &str, ccid: &str, action: &str) -> Value {
    let points = (action == "PAY").then_some(1);
    json!({"serial": serial, "orderNo": order, "ccid": ccid, "action": action, "points": points})
}

/// Every interface of the partners, who asks there, and what.
const TABLE: &[Row] = &[
    ("Z101", "bus", nothing),
    ("Z102", "bus", |_| {
        let entry = |scene: &str| {
            json!({
                "page": "light", "scenes": [scene], "ccid": "c", "realNameVerified": true,
            })
        };
        vec![(entry("rail"), entry(NOBODY))]
    }),
    ("Z201", "bus", |_| vec![(json!({"scenes": ["rail"]}), json!({"scenes": [NOBODY]}))]),
    ("noop", "bus", nothing),
    ("keys", "bus", nothing),
    ("events", "bus", |others| {
        let query = |cursor: &str| json!(format!("?after={cursor}"));
        vec![(query(&others.feed), query("AAAA"))]
    }),
    ("pushes", "bus", |others| {
        let query = |event: &str| json!(format!("?eventId={event}"));
        vec![(query(&others.event), query(NO_EVENT))]
    }),
    ("pushes/replay", "bus", |others| {
        let again = |event: &str| json!({"kind": "Z305", "eventId": event});
        vec![(again(&others.event), again(NO_EVENT))]
    }),
    ("01/Z204", "bus", of_citizens),
    ("01/Z301", "bus", |others| {
        let query = |cursor: &str| json!(format!("?limit=1&cursor={cursor}"));
        vec![(query(&others.dictionary), query("AAAA"))]
    }),
    ("01/Z302", "bus", |_| {
        let question = |scene: &str| json!({"scene": scene, "behaviour": behaviour()});
        vec![(question("rail"), question(NOBODY))]
    }),
    ("01/Z303", "bus", |_| {
        let rows = |scene: &str| json!({"rows": [{"scene": scene, "behaviour": behaviour()}]});
        vec![(rows("rail"), rows(NOBODY))]
    }),
    ("01/Z306", "bus", |others| {
        vec![
            (json!({"batchSerial": others.batch}), json!({"batchSerial": NOBODY})),
            (json!({"recordSerials": [others.record]}), json!({"recordSerials": [NOBODY]})),
            cursors(json!({"batchSerial": others.batch, "limit": 1}), &others.results),
        ]
    }),
    // Behind Z306: from here on the serials are the stranger's own, too.
    ("01/Z304", "bus", |others| {
        vec![
            // Another's citizen, another's scene; another's serials are free for everybody.
            (batch("x1", "y1", &others.ccid, "bus-rail"), batch("x2", "y1", NOBODY, "bus-rail")),
            (batch("x3", "y2", &others.ccid, "rail"), batch("x4", "y2", NOBODY, NOBODY)),
            (
                batch(others.batch, others.record, NOBODY, "bus-rail"),
                batch("x5", "y3", NOBODY, "bus-rail"),
            ),
        ]
    }),
    ("01/Z501", "bus", of_citizens),
    ("01/Z502", "bus", |others| {
        let cursor = cursors(json!({"ccid": others.ccid, "limit": 1}), &others.bill);
        [of_citizens(others), vec![cursor]].concat()
    }),
    ("01/Z504", "bus", of_citizens),
    ("01/Z601", "bus", nothing),
    ("02/Z204", "shop", of_visitors),
    ("02/Z303", "shop", |others| {
        vec![
            // Another's citizen; then one's own citizen with another's order and serial.
            (order("n1", "n1", &others.visitor, "PAY"), order("n1", "n1", NOBODY, "PAY")),
            (order("n2", "n2", &others.visitor, "CONFIRM"), order("n2", "n2", NOBODY, "CONFIRM")),
            (
                order("mall-order", "mall-serial", &others.own_visitor, "CONFIRM"),
                order(NOBODY, "n3", &others.own_visitor, "CONFIRM"),
            ),
        ]
    }),
    ("02/Z401", "shop", of_visitors),
    ("02/Z402", "shop", of_visitors),
    ("02/Z403", "shop", of_visitors),
    ("02/Z405", "shop", |others| {
        vec![(json!({"authCode": others.auth_code}), json!({"authCode": NOBODY}))]
    }),
    ("02/Z501", "shop", nothing),
];

/// What an answer says, without what differs from request to request: the request's id, and the
/// serials that were asked for.
fn told(answer: &Answered) -> (u16, Value) {
    let mut json = answer.json.clone();
    json["requestId"] = Value::Null;
    if json["data"].is_object() {
        json["data"]["batchSerial"] = Value::Null;
        json["data"]["receivedAt"] = Value::Null;
        for verdict in json["data"]["verdicts"].as_array_mut().into_iter().flatten() {
            verdict["serial"] = Value::Null;
        }
    }
    (answer.status, json)
}

async fn ask(door: &Door, caller: &Caller, code: &str, question: &Value) -> Answered {
    match question {
        Value::String(query) => {
            let path = format!("/api/v1/{code}{query}");
            door.send(caller, &Sending::new(caller, "GET", &path, Vec::new())).await
        }
        body => door.post(caller, code, body.clone()).await,
    }
}

/// Two partners' things, which a third and a fourth will ask for.
async fn others(door: &Door) -> Others {
    let id_no = "31010119900101001X";
    let (metro, ccid) = super::wholes::issued(door, id_no).await;
    let citizen = door.linked(id_no, "mall").await;
    let mall = door.caller("mall").await;
    let visitor = citizen.ccid.to_string();
    let held = door.post(&mall, "02/Z303", order("mall-order", "mall-serial", &visitor, "PAY"));
    held.await.data();
    let ticket = crate::tickets::AuthTicket {
        app: door.app_no("mall"),
        account: citizen.account,
        ccid: citizen.ccid.clone(),
    };
    let cursor = |answer: Answered| {
        answer.data()["cursor"].as_str().expect("there is a next page").to_owned()
    };
    let bill = door.post(&metro, "01/Z502", json!({"ccid": ccid, "limit": 1})).await;
    let pulled = ask(door, &metro, "events", &json!("")).await;
    let event = pulled.data()["events"][1]["item"]["eventId"].as_str().unwrap().to_owned();
    let (kind, url) = (PushKind::Issuance, "https://partner.example/push".into());
    let set = CourierCommand::SetAddress { kind, url };
    door.platform.courier(door.app_no("bus"), set).await.unwrap();
    let results = door.post(&metro, "01/Z306", json!({"batchSerial": "b1", "limit": 1})).await;
    Others {
        visitor,
        batch: "b1",
        record: "r1",
        auth_code: door.auths.issue(ticket).unwrap(),
        bill: cursor(bill),
        feed: cursor(pulled),
        event,
        results: cursor(results),
        dictionary: cursor(ask(door, &metro, "01/Z301", &json!("?limit=1")).await),
        own_visitor: door.linked(id_no, "shop").await.ccid.to_string(),
        ccid,
    }
}

#[test]
fn at_every_interface_what_is_anothers_is_told_like_what_does_not_exist() {
    with_door(100_000, async |door: Door| {
        let others = others(&door).await;
        let callers = [door.caller("bus").await, door.caller("shop").await];
        let mut faults = Vec::new();
        for &(code, app, questions) in TABLE {
            let caller = callers.iter().find(|caller| caller.app == app).unwrap();
            for (foreign, nobodys) in questions(&others) {
                let there = told(&ask(&door, caller, code, &foreign).await);
                let nowhere = told(&ask(&door, caller, code, &nobodys).await);
                if there != nowhere {
                    faults.push(format!("{code} {foreign}\n  {there:?}\n  {nowhere:?}"));
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        // What was asked for was there all the time, and is there still.
        let (metro, mall) = (door.caller("metro").await, door.caller("mall").await);
        for (caller, code, question) in [
            (&metro, "01/Z501", json!({"ccid": others.ccid})),
            (&metro, "01/Z306", json!({"batchSerial": others.batch})),
            (&mall, "02/Z402", json!({"ccid": others.visitor})),
            (&mall, "02/Z405", json!({"authCode": others.auth_code})),
        ] {
            assert_eq!(door.post(caller, code, question).await.code(), "0", "{code}");
        }
    });
}

#[test]
fn every_interface_has_a_row_and_the_operators_are_closed_to_partners() {
    with_door(100_000, async |door: Door| {
        let document = super::super::routes::table().into_openapi();
        let metro = door.caller("metro").await;
        let mut served = BTreeSet::new();
        for (path, item) in &document.paths.paths {
            if let Some(code) = path.strip_prefix("/api/v1/") {
                served.insert(code);
            } else if path.starts_with("/admin/") {
                // A partner's good signature and token, and a path that exists: still nobody.
                let path = path.replace(['{', '}'], "");
                for (method, there) in [("GET", item.get.is_some()), ("POST", item.post.is_some())]
                {
                    let body = if method == "POST" { b"{}".to_vec() } else { Vec::new() };
                    let sending = Sending::new(&metro, method, &path, body);
                    let answer = door.send(&metro, &sending).await;
                    assert_eq!(answer.status, if there { 401 } else { 405 }, "{method} {path}");
                }
            } else {
                assert!(path.starts_with('/') && item.post.is_none(), "{path}: whose is it?");
            }
        }
        let table: BTreeSet<&str> = TABLE.iter().map(|(code, ..)| *code).collect();
        assert_eq!(served, table, "each interface needs a row: what can be named there?");
    });
}

#[test]
fn an_auth_code_is_the_malls_own_and_used_once() {
    with_door(100_000, async |door: Door| {
        let citizen = door.linked("31010119900101003X", "mall").await;
        let (mall, shop) = (door.caller("mall").await, door.caller("shop").await);
        let ticket = crate::tickets::AuthTicket {
            app: door.app_no("mall"),
            account: citizen.account,
            ccid: citizen.ccid.clone(),
        };
        let code = json!({"authCode": door.auths.issue(ticket).unwrap()});
        door.post(&shop, "02/Z405", code.clone()).await.refused("40407", "authCode", "a stranger");
        let answer = door.post(&mall, "02/Z405", code.clone()).await;
        assert_eq!(answer.data()["maskedName"], "张*");
        assert_eq!(answer.data()["maskedPhone"], "138****1234");
        assert_eq!(answer.data()["ccid"], citizen.ccid.as_str());
        door.post(&mall, "02/Z405", code).await.refused("40407", "authCode", "twice");
    });
}
