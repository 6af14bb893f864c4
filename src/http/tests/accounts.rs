//! Accounts as operators see them: masked, looked up by who they are, and closed for good.

use serde_json::{Value, json};

use super::{Door, with_door};

const ID_NO: &str = "31010119900101001X";

impl Door {
    /// A citizen with 92 grams issued, 9 points, and one lit scene; the pseudonym at `metro`.
    pub(super) async fn saver(&self, id_no: &str) -> String {
        let ccid = self.lit(id_no, "metro", "rail").await.ccid.to_string();
        self.clock.advance_ms(3_600_000);
        let trip = json!({
            "serial": "r1", "ccid": ccid, "scene": "rail", "reductionGrams": 92,
            "behaviour": {"rail": {
                "inStation": "E01", "outStation": "E02",
                "inTime": "2026-11-24T12:10:00+08:00", "outTime": "2026-11-24T12:15:00+08:00",
            }},
        });
        self.pending("metro", "b1", vec![trip]).await;
        let run = json!({"serial": "run-1", "through": "2026-11-24"});
        self.operate("POST", "/admin/v1/issuance-runs", run).await.data();
        self.finished(1).await;
        ccid
    }
}

#[test]
fn an_account_is_looked_up_by_who_it_is_and_shown_masked() {
    with_door(100_000, async |door: Door| {
        let ccid = door.saver(ID_NO).await;
        let path = "/admin/v1/accounts/look-up";
        let by_person = door.operate("POST", path, json!({"idNo": ID_NO})).await;
        let by_pseudonym = json!({"appId": "metro", "ccid": ccid});
        let by_pseudonym = door.operate("POST", path, by_pseudonym).await;
        assert_eq!(by_person.data(), by_pseudonym.data());
        let account = by_person.data();
        assert_eq!(account["status"], "OPEN");
        assert_eq!(account["maskedName"], "张*");
        assert_eq!(account["maskedIdNo"], "310***********001X");
        assert_eq!(account["maskedPhone"], "138****1234");
        assert_eq!(account["litScenes"], json!([{"appId": "metro", "scene": "rail"}]));
        let amounts = (&account["issuedGrams"], &account["availablePoints"]);
        assert_eq!(amounts, (&json!(92), &json!(9)));
        assert!(!by_person.json.to_string().contains(ID_NO));
        for (body, code, field) in [
            (json!({"idNo": "310101199001010000"}), "40408", ""),
            (json!({"idNo": ""}), "40003", "idNo"),
            (json!({"appId": "bus", "ccid": ccid}), "40402", "ccid"),
            (json!({"appId": "metro", "ccid": "nobody"}), "40402", "ccid"),
            (json!({"appId": "metro"}), "40001", ""),
            (json!({}), "40001", ""),
        ] {
            let what = body.to_string();
            door.operate("POST", path, body).await.refused(code, field, &what);
        }
        let viewer = door.enrol("viewer", "viewer").await;
        let refused = door.operate_as(&viewer, "POST", path, json!({"idNo": ID_NO})).await;
        refused.refused("40301", "", "a viewer asks for a person");
        // The log names the account as the answer does, and nobody.
        let log = door.operate("GET", "/admin/v1/audit", Value::Null).await.json.to_string();
        assert!(log.contains(account["account"].as_str().unwrap()));
        for secret in [ID_NO, "张三", "13800001234", &*ccid] {
            assert!(!log.contains(secret), "{secret} is in the audit log");
        }
    });
}

#[test]
fn an_account_is_closed_for_partners_and_for_good() {
    with_door(100_000, async |door: Door| {
        let ccid = door.saver(ID_NO).await;
        let account = door.linked(ID_NO, "mall").await;
        let (metro, mall) = (door.caller("metro").await, door.caller("mall").await);
        let freeze = json!({"serial": "s1", "orderNo": "o1", "ccid": account.ccid,
            "action": "FREEZE", "points": 4});
        assert_eq!(door.post(&mall, "02/Z303", freeze.clone()).await.data()["status"], "FROZEN");
        let (path, who) = ("/admin/v1/accounts/close", json!({"idNo": ID_NO}));
        door.adopt(2, json!({"closing_freezes": "refuse"})).await;
        let open = door.operate("POST", path, who.clone()).await;
        open.refused("40925", "", "an order is open");
        assert_eq!(open.json["detail"], "open orders: 1");
        door.adopt(3, json!({"closing_freezes": "release"})).await;
        let operator = door.enrol("li", "operator").await;
        let refused = door.operate_as(&operator, "POST", path, who.clone()).await;
        refused.refused("40301", "", "an operator closes");
        let approver = door.enrol("wang", "approver").await;
        for replay in [false, true] {
            let closed = door.operate_as(&approver, "POST", path, who.clone()).await;
            assert_eq!(closed.data()["replay"], replay);
            assert_eq!(closed.data()["account"]["status"], "ERASED");
        }
        let seen = door.operate("POST", "/admin/v1/accounts/look-up", who).await;
        assert_eq!(seen.data()["status"], "ERASED");
        assert!(seen.data()["maskedName"].is_null() && seen.data()["maskedIdNo"].is_null());
        assert_eq!(seen.data()["voidedPoints"], 9);
        assert_eq!(
            (&seen.data()["litScenes"], &seen.data()["linkedMalls"]),
            (&json!([]), &json!([]))
        );
        // The partners see consents that have ended, and what they knew before.
        let consents = door.post(&metro, "01/Z204", json!({"ccid": ccid})).await;
        assert_eq!(consents.data()["authorizations"][0]["status"], "REVOKED");
        let totals = door.post(&metro, "01/Z501", json!({"ccid": ccid})).await;
        assert_eq!(totals.data()["issuedGrams"], 92);
        let points = door.post(&mall, "02/Z402", json!({"ccid": account.ccid})).await;
        points.refused("40907", "", "a mall whose link has ended");
        let again = door.post(&mall, "02/Z303", freeze.clone()).await;
        assert_eq!(again.data()["replay"], true, "what was answered is answered again");
        let mut other = freeze;
        (other["serial"], other["action"]) = (json!("s2"), json!("CONFIRM"));
        let late = door.post(&mall, "02/Z303", other).await;
        assert_eq!(late.code(), "40923", "{}", late.json);
        let balance = door.operate("GET", "/admin/v1/trial-balance", Value::Null).await;
        assert_eq!(balance.data()["balanced"], true);
    });
}
