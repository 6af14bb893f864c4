//! Books at the door: the trial balance, and settlement files that can be made again.

use axum::body::Body;
use axum::http::Request;
use carbon_protocol::signature::sm3;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Door, OPERATOR, with_door};

impl Door {
    /// The body of a file, and its type.
    async fn file(&self, path: &str) -> (String, String) {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {OPERATOR}"))
            .body(Body::empty())
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), kind)
    }
}

#[test]
fn the_trial_balance_is_what_all_accounts_have() {
    with_door(100_000, async |door: Door| {
        door.saver("31010119900101001X").await;
        door.lit("310101199001010028", "metro", "rail").await;
        let balance = door.operate("GET", "/admin/v1/trial-balance", Value::Null).await;
        let balance = balance.data();
        assert_eq!((&balance["accounts"], &balance["balanced"]), (&json!(2), &json!(true)));
        let places = |book: &str| -> Vec<(String, i64)> {
            let places = balance[book].as_array().unwrap().iter();
            let place = |one: &Value| {
                (one["place"].as_str().unwrap().to_owned(), one["balance"].as_i64().unwrap())
            };
            places.map(place).filter(|(_, balance)| *balance != 0).collect()
        };
        let named = |place: &str, balance| (place.to_owned(), balance);
        assert_eq!(places("grams"), [named("SOURCE", -92), named("CREDITED", 92)]);
        assert_eq!(places("points"), [named("SOURCE", -9), named("AVAILABLE", 9)]);
    });
}

#[test]
fn a_settlement_file_has_control_totals_and_can_be_made_again() {
    with_door(100_000, async |door: Door| {
        let id_no = "31010119900101001X";
        door.saver(id_no).await;
        let ccid = door.linked(id_no, "mall").await.ccid.to_string();
        let mall = door.caller("mall").await;
        for (serial, order, action, points) in [
            ("s1", "o1", "PAY", 5),
            ("s2", "o2", "FREEZE", 3),
            ("s3", "o2", "CONFIRM", 3),
            ("s4", "o1", "REFUND", 2),
        ] {
            let body = json!({"serial": serial, "orderNo": order, "ccid": ccid,
                "action": action, "points": points});
            door.post(&mall, "02/Z303", body).await.data();
        }
        let path = "/admin/v1/settlements/file?appId=mall&period=2026-11-24";
        let early = door.operate("GET", path, Value::Null).await;
        early.refused("40003", "period", "a day that is not over");
        door.clock.advance_ms(24 * 3_600_000);
        let (file, kind) = door.file(path).await;
        assert_eq!(kind, "text/csv; charset=utf-8");
        let time = "2026-11-24T13:00:00+08:00";
        let body = format!(
            "H,carbon-settlement,1,mall,2026-11-24,2026-11-24\n\
             L,{time},o1,s1,CAPTURE,5,{ccid}\n\
             L,{time},o2,s3,CAPTURE,3,{ccid}\n\
             L,{time},o1,s4,REFUND,2,{ccid}\n"
        );
        let digest = hex::encode(sm3(body.as_bytes()));
        assert_eq!(file, format!("{body}T,2,8,1,2,6,3,{digest}\n"));
        // Later, with more behind it, it is the same to the byte.
        let pay = json!({"serial": "s5", "orderNo": "o5", "ccid": ccid, "action": "PAY",
            "points": 1});
        let mall = door.caller("mall").await;
        door.post(&mall, "02/Z303", pay).await.data();
        assert_eq!(door.file(path).await.0, file);
        let other = door.file("/admin/v1/settlements/file?appId=shop&period=2026-11-24").await.0;
        assert!(other.contains("\nT,0,0,0,0,0,0,"), "{other}");
        door.adopt(2, json!({"settlement_cycle": "month"})).await;
        for (period, what) in
            [("2026-11-25", "a day of a monthly cycle"), ("2026-11", "a month that is not over")]
        {
            let path = format!("/admin/v1/settlements/file?appId=mall&period={period}");
            let refused = door.operate("GET", &path, Value::Null).await;
            refused.refused("40003", "period", what);
        }
    });
}
