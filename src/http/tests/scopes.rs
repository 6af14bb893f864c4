//! Scope: what is another application's answers exactly like what does not exist.

use serde_json::{Value, json};

use super::{Answered, Door, with_door};

/// What a refusal says, without what differs from request to request.
fn told(answer: &Answered) -> Value {
    let mut json = answer.json.clone();
    json["requestId"] = Value::Null;
    json
}

#[test]
fn a_pseudonym_of_another_application_does_not_exist() {
    with_door(100_000, async |door: Door| {
        let citizen = door.lit("31010119900101001X", "metro", "rail").await;
        let other = door.linked("31010119900101002X", "mall").await;
        let (metro, bus) = (door.caller("metro").await, door.caller("bus").await);
        let (mall, shop) = (door.caller("mall").await, door.caller("shop").await);
        let own = json!({"ccid": citizen.ccid});
        assert_eq!(door.post(&metro, "01/Z504", own.clone()).await.code(), "0");
        for path in ["01/Z204", "01/Z501", "01/Z502", "01/Z504"] {
            let foreign = door.post(&bus, path, own.clone()).await;
            let nobody = door.post(&bus, path, json!({"ccid": "nobody"})).await;
            foreign.refused("40402", "ccid", path);
            assert_eq!(told(&foreign), told(&nobody), "{path}");
        }
        let linked = json!({"ccid": other.ccid});
        assert_eq!(door.post(&mall, "02/Z402", linked.clone()).await.code(), "0");
        for path in ["02/Z204", "02/Z401", "02/Z402", "02/Z403"] {
            let foreign = door.post(&shop, path, linked.clone()).await;
            let nobody = door.post(&shop, path, json!({"ccid": "nobody"})).await;
            foreign.refused("40402", "ccid", path);
            assert_eq!(told(&foreign), told(&nobody), "{path}");
        }
        let order = |ccid: &str| {
            let (serial, no) = ("s", "o");
            json!({"serial": serial, "orderNo": no, "ccid": ccid, "action": "PAY", "points": 1})
        };
        let foreign = door.post(&shop, "02/Z303", order(other.ccid.as_str())).await;
        let nobody = door.post(&shop, "02/Z303", order("nobody")).await;
        foreign.refused("40402", "ccid", "order");
        assert_eq!(told(&foreign), told(&nobody));
    });
}

fn batch(serial: &str, ccids: &[&str]) -> Value {
    let record = |(place, ccid): (usize, &&str)| {
        json!({
            "serial": format!("{serial}-{place}"), "ccid": ccid, "scene": "bus-rail",
            "reductionGrams": 92, "behaviour": {"rail": {
                "inStation": "E01", "outStation": "E02",
                "inTime": "2026-11-24T11:00:00+08:00", "outTime": "2026-11-24T11:20:00+08:00",
            }},
        })
    };
    let records: Vec<Value> = ccids.iter().enumerate().map(record).collect();
    json!({"batchSerial": serial, "records": records})
}

#[test]
fn rows_batches_and_codes_of_others_do_not_exist() {
    with_door(100_000, async |door: Door| {
        let citizen = door.lit("31010119900101001X", "metro", "rail").await;
        let (metro, bus) = (door.caller("metro").await, door.caller("bus").await);
        let answer =
            door.post(&bus, "01/Z304", batch("b1", &[citizen.ccid.as_str(), "nobody"])).await;
        let verdicts = &answer.data()["verdicts"];
        for row in 0..2 {
            assert_eq!(verdicts[row]["status"], "REFUSED", "{verdicts}");
            assert_eq!(verdicts[row]["reason"], "UNKNOWN_CCID", "{verdicts}");
        }
        let ask = json!({"batchSerial": "b1"});
        assert_eq!(door.post(&bus, "01/Z306", ask.clone()).await.code(), "0");
        let foreign = door.post(&metro, "01/Z306", ask).await;
        let nobody = door.post(&metro, "01/Z306", json!({"batchSerial": "b2"})).await;
        assert_eq!(told(&foreign), told(&nobody));
        let records = json!({"recordSerials": ["b1-0", "b1-1"]});
        let answer = door.post(&metro, "01/Z306", records).await;
        assert_eq!(answer.data()["records"], json!([]));
        let answer = door.post(
            &metro,
            "01/Z302",
            json!({"scene": "bus-rail", "behaviour":
            {"bus": {"line": "1", "boardingTime": "2026-11-24T08:00:00Z", "orderNo": "1"}}}),
        );
        answer.await.refused("40403", "scene", "another's scene");
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
