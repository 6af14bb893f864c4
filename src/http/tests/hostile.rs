//! Bodies of every bad kind: each gets the documented refusal with code, field and request id;
//! never a 500, never a panic, nothing changed.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{Door, Sending, with_door};

type Row = (&'static str, &'static str, String, &'static str, &'static str);

/// A row of the table: who, where, body, code, field.
fn row(who: &'static str, path: &'static str, body: &str, code: &'static str) -> Row {
    (who, path, body.into(), code, "")
}

fn at(field: &'static str, row: Row) -> Row {
    (row.0, row.1, row.2, row.3, field)
}

fn record(change: impl FnOnce(&mut Value)) -> String {
    let mut record = json!({
        "serial": "r1", "ccid": "c1", "scene": "rail", "reductionGrams": 92,
        "behaviour": {"rail": {
            "inStation": "E01", "outStation": "E02",
            "inTime": "2026-11-24T08:00:00+08:00", "outTime": "2026-11-24T08:20:00+08:00",
        }},
    });
    change(&mut record);
    json!({"batchSerial": "b1", "records": [record]}).to_string()
}

fn order(change: impl FnOnce(&mut Value)) -> String {
    let mut order = json!({
        "serial": "s1", "orderNo": "o1", "ccid": "c1", "action": "FREEZE", "points": 5,
    });
    change(&mut order);
    order.to_string()
}

/// What any interface refuses, whatever it is about.
fn shapes() -> Vec<Row> {
    let z304 = "01/Z304";
    let deep = "[".repeat(20_000);
    let deep_object = r#"{"a":"#.repeat(5_000);
    vec![
        row("metro", z304, "", "40001"),
        row("metro", z304, " ", "40001"),
        row("metro", z304, "null", "40001"),
        row("metro", z304, "true", "40001"),
        row("metro", z304, "1", "40001"),
        row("metro", z304, "\"text\"", "40001"),
        row("metro", z304, "[]", "40001"),
        row("metro", z304, "[\"b1\",[]]", "40001"),
        row("metro", z304, "{", "40001"),
        row("metro", z304, "{}}", "40001"),
        row("metro", z304, "{\"batchSerial\"", "40001"),
        row("metro", z304, "{batchSerial:1}", "40001"),
        row("metro", z304, "<xml/>", "40001"),
        row("metro", z304, "\u{feff}{}", "40001"),
        row("metro", z304, "{\"batchSerial\":\"\\ud800\"}", "40001"),
        row("metro", z304, &deep, "40001"),
        at("a", row("metro", z304, &deep_object, "40002")),
        at("batchSerial", row("metro", z304, "{\"records\":[]}", "40001")),
        at("records", row("metro", z304, "{\"batchSerial\":\"b\"}", "40001")),
        at("records", row("metro", z304, "{\"batchSerial\":\"b\",\"records\":[]}", "40003")),
        at("records", row("metro", z304, "{\"batchSerial\":\"b\",\"records\":{}}", "40001")),
        at("records", row("metro", z304, "{\"batchSerial\":\"b\",\"records\":null}", "40001")),
        at("records[0]", row("metro", z304, "{\"batchSerial\":\"b\",\"records\":[1]}", "40001")),
        at("x", row("metro", z304, "{\"batchSerial\":\"b\",\"records\":[],\"x\":1}", "40002")),
        at("Records", row("metro", z304, "{\"batchSerial\":\"b\",\"Records\":[]}", "40002")),
        at(
            "batchSerial",
            row(
                "metro",
                z304,
                "{\"batchSerial\":\"a\",\"batchSerial\":\"b\",\"records\":[]}",
                "40001",
            ),
        ),
        at("batchSerial", row("metro", z304, "{\"batchSerial\":7,\"records\":[]}", "40001")),
        at("batchSerial", row("metro", z304, "{\"batchSerial\":\"\",\"records\":[]}", "40003")),
        at(
            "batchSerial",
            row(
                "metro",
                z304,
                &format!("{{\"batchSerial\":\"{}\",\"records\":[]}}", "b".repeat(65)),
                "40003",
            ),
        ),
    ]
}

/// Serials, pseudonyms and codes of every bad kind.
fn names() -> Vec<Row> {
    let bad = [
        " ",
        "a b",
        "a/b",
        "碳",
        "a\u{0}",
        "\u{202e}abc",
        "a\u{301}",
        "😀",
        "../../etc/passwd",
        "'; DROP TABLE--",
        "${jndi:ldap}",
        "%00",
        "a\nb",
        "<script>",
    ];
    let mut rows: Vec<Row> = bad
        .iter()
        .map(|bad| {
            let body = record(|record| record["ccid"] = json!(bad));
            at("records[0].ccid", row("metro", "01/Z304", &body, "40003"))
        })
        .collect();
    let long = "x".repeat(30_000);
    for field in ["serial", "scene"] {
        let body = record(|record| record[field] = json!(long));
        let path = if field == "serial" { "records[0].serial" } else { "records[0].scene" };
        rows.push(at(path, row("metro", "01/Z304", &body, "40003")));
    }
    rows
}

/// Numbers and times of every bad kind.
fn numbers() -> Vec<Row> {
    let raw =
        |text: &str| record(|record| record["reductionGrams"] = json!("#")).replace("\"#\"", text);
    let field = "records[0].reductionGrams";
    let mut rows: Vec<Row> = [
        ("-1", "40003"),
        ("1.5", "40001"),
        ("1e3", "40001"),
        ("1e999", "40001"),
        ("NaN", "40001"),
        ("Infinity", "40001"),
        ("18446744073709551616", "40001"),
        ("99999999999999999999999999999999", "40001"),
        ("\"92\"", "40001"),
        ("true", "40001"),
        ("null", "40001"),
        ("[]", "40001"),
    ]
    .into_iter()
    .map(|(text, code)| at(field, row("metro", "01/Z304", &raw(text), code)))
    .collect();
    for (text, field) in [("0x10", "records[0]"), ("01", field)] {
        rows.push(at(field, row("metro", "01/Z304", &raw(text), "40001")));
    }
    let times = [
        "",
        "now",
        "2026-11-24",
        "2026-11-24T08:00:00",
        "2026-13-24T08:00:00Z",
        "1969-12-31T00:00:00Z",
        "+999999-01-01T00:00:00Z",
        "0",
    ];
    for time in times {
        let body = record(|record| record["behaviour"]["rail"]["inTime"] = json!(time));
        let field = "records[0].behaviour.rail.inTime";
        rows.push(at(field, row("metro", "01/Z304", &body, "40003")));
    }
    rows
}

fn behaviours() -> Vec<Row> {
    let path = "01/Z304";
    let with = |behaviour: Value| record(|record| record["behaviour"] = behaviour);
    vec![
        at("records[0].behaviour", row("metro", path, &with(json!({})), "40001")),
        at("records[0].behaviour.rail", row("metro", path, &with(json!("rail")), "40001")),
        at("records[0].behaviour", row("metro", path, &with(json!(null)), "40001")),
        at("records[0].behaviour", row("metro", path, &with(json!({"ship": {}})), "40003")),
        at(
            "records[0].behaviour.rail.inStation",
            row("metro", path, &with(json!({"rail": {}})), "40001"),
        ),
        at(
            "records[0].behaviour.rail.speed",
            row(
                "metro",
                path,
                &record(|record| {
                    record["behaviour"]["rail"]["speed"] = json!(1);
                }),
                "40002",
            ),
        ),
    ]
}

fn others() -> Vec<Row> {
    let o = |field: &'static str, value: Value| order(|order| order[field] = value);
    vec![
        at("points", row("mall", "02/Z303", &o("points", json!(0)), "40003")),
        at("points", row("mall", "02/Z303", &o("points", json!(-5)), "40003")),
        at("points", row("mall", "02/Z303", &o("points", json!(null)), "40001")),
        at("action", row("mall", "02/Z303", &o("action", json!("STEAL")), "40003")),
        at("action", row("mall", "02/Z303", &o("action", json!("freeze")), "40003")),
        at("ccid", row("mall", "02/Z303", &order(|_| ()), "40402")),
        at("ccid", row("mall", "02/Z303", &o("points", json!(u64::MAX)), "40402")),
        at("ccid", row("mall", "02/Z402", "{\"ccid\":\"nobody\"}", "40402")),
        at("limit", row("mall", "02/Z403", "{\"ccid\":\"nobody\",\"limit\":70000}", "40003")),
        at("authCode", row("mall", "02/Z405", "{\"authCode\":\"\"}", "40003")),
        at("authCode", row("mall", "02/Z405", "{\"authCode\":\"guess\"}", "40407")),
        at("ccid", row("metro", "01/Z204", "{\"ccid\":\"nobody\"}", "40402")),
        at("ccid", row("metro", "01/Z501", "{\"ccid\":\"nobody\"}", "40402")),
        at("ccid", row("metro", "01/Z504", "{\"ccid\":\"nobody\"}", "40402")),
        at("limit", row("metro", "01/Z306", "{\"batchSerial\":\"b\",\"limit\":0}", "40003")),
        at("limit", row("metro", "01/Z306", "{\"batchSerial\":\"b\",\"limit\":201}", "40003")),
        at("batchSerial", row("metro", "01/Z306", "{\"batchSerial\":\"b\"}", "40405")),
        at(
            "cursor",
            row("metro", "01/Z306", "{\"batchSerial\":\"b\",\"cursor\":\"AAAA\"}", "40004"),
        ),
        row("metro", "01/Z306", "{}", "40001"),
        row("metro", "01/Z306", "{\"batchSerial\":\"b\",\"recordSerials\":[\"r\"]}", "40001"),
        at("recordSerials", row("metro", "01/Z306", "{\"recordSerials\":[]}", "40003")),
        at(
            "to",
            row(
                "metro",
                "01/Z306",
                "{\"from\":\"2026-11-24T08:00:00Z\",\
            \"to\":\"2026-11-23T08:00:00Z\"}",
                "40003",
            ),
        ),
        at("rows", row("metro", "01/Z303", "{\"rows\":[]}", "40003")),
        at(
            "scene",
            row(
                "metro",
                "01/Z302",
                "{\"scene\":\"nowhere\",\"behaviour\":{\"bus\":\
            {\"line\":\"1\",\"boardingTime\":\"2026-11-24T08:00:00Z\",\"orderNo\":\"1\"}}}",
                "40403",
            ),
        ),
        at(
            "behaviour",
            row(
                "metro",
                "01/Z302",
                "{\"scene\":\"rail\",\"behaviour\":{\"bus\":\
            {\"line\":\"1\",\"boardingTime\":\"2026-11-24T08:00:00Z\",\"orderNo\":\"1\"}}}",
                "40009",
            ),
        ),
        at(
            "behaviour.periodEnd",
            row(
                "metro",
                "01/Z302",
                "{\"scene\":\"car\",\"behaviour\":\
            {\"electricCar\":{\"vehicleHash\":\"v\",\"periodStart\":\"1970-01-01\",\"periodEnd\":\
            \"2026-11-01\",\"distanceMetres\":1,\"energyWh\":1}}}",
                "40915",
            ),
        ),
        at(
            "realNameVerified",
            row(
                "metro",
                "Z102",
                "{\"page\":\"light\",\"scenes\":[\"rail\"],\"realNameVerified\":false}",
                "40011",
            ),
        ),
        at(
            "scenes",
            row("metro", "Z102", "{\"page\":\"light\",\"realNameVerified\":true}", "40003"),
        ),
        at(
            "scenes[0]",
            row(
                "metro",
                "Z102",
                "{\"page\":\"light\",\"scenes\":[\"bus-rail\"],\"realNameVerified\":true}",
                "40403",
            ),
        ),
        at("page", row("metro", "Z102", "{\"page\":\"mall\",\"realNameVerified\":true}", "40301")),
        at("ccid", row("mall", "Z102", "{\"page\":\"mall\",\"realNameVerified\":true}", "40011")),
        at(
            "name",
            row(
                "mall",
                "Z102",
                "{\"page\":\"mall\",\"realNameVerified\":true,\
            \"name\":\"AAAA\",\"idNo\":\"AAAA\"}",
                "40006",
            ),
        ),
        at(
            "returnUrl",
            row(
                "mall",
                "Z102",
                "{\"page\":\"mall\",\"realNameVerified\":true,\
            \"ccid\":\"c\",\"returnUrl\":\"https://evil.example/\"}",
                "40003",
            ),
        ),
        at(
            "returnUrl",
            row(
                "mall",
                "Z102",
                "{\"page\":\"mall\",\"realNameVerified\":true,\
            \"ccid\":\"c\",\"returnUrl\":\"https://partner.example@evil.example/\"}",
                "40003",
            ),
        ),
        at(
            "returnUrl",
            row(
                "mall",
                "Z102",
                "{\"page\":\"mall\",\"realNameVerified\":true,\
            \"ccid\":\"c\",\"returnUrl\":\"javascript:alert(1)\"}",
                "40003",
            ),
        ),
        at(
            "set.kind",
            row(
                "mall",
                "02/Z501",
                "{\"set\":{\"kind\":\"Z305\",\"url\":\"https://a.example\"}}",
                "40003",
            ),
        ),
        at(
            "set.url",
            row(
                "bus",
                "01/Z601",
                "{\"set\":{\"kind\":\"Z203\",\"url\":\"http://a.example\"}}",
                "40007",
            ),
        ),
        at(
            "set.url",
            row(
                "bus",
                "01/Z601",
                "{\"set\":{\"kind\":\"Z203\",\"url\":\"https://127.0.0.1:1/\"}}",
                "40007",
            ),
        ),
        at(
            "set.url",
            row(
                "bus",
                "01/Z601",
                "{\"set\":{\"kind\":\"Z203\",\"url\":\"https://[::1]/\"}}",
                "40007",
            ),
        ),
        at(
            "set.url",
            row(
                "bus",
                "01/Z601",
                "{\"set\":{\"kind\":\"Z203\",\"url\":\"https://u:p@a.example\"}}",
                "40007",
            ),
        ),
        at(
            "set.url",
            row(
                "bus",
                "01/Z601",
                "{\"set\":{\"kind\":\"Z203\",\"url\":\"file:///etc/passwd\"}}",
                "40007",
            ),
        ),
        at(
            "set.url",
            row(
                "metro",
                "01/Z601",
                "{\"set\":{\"kind\":\"Z203\",\"url\":\"http://127.0.0.1:9/\"}}",
                "40008",
            ),
        ),
    ]
}

#[test]
fn hostile_bodies_get_the_documented_refusal_and_change_nothing() {
    with_door(100_000, async |door: Door| {
        let table = [shapes(), names(), numbers(), behaviours(), others()].concat();
        assert!(table.len() >= 60, "{} rows", table.len());
        let callers =
            [door.caller("metro").await, door.caller("bus").await, door.caller("mall").await];
        let before = door.platform.health().durable;
        let mut faults = Vec::new();
        for (who, path, body, code, field) in table {
            let caller = callers.iter().find(|caller| caller.app == who).unwrap();
            let path = format!("/api/v1/{path}");
            let sending = Sending::new(caller, "POST", &path, body.clone().into_bytes());
            let shown: String = body.chars().take(160).collect();
            let answer = door.send(caller, &sending).await;
            let place = if field.is_empty() { answer.field().to_owned() } else { field.into() };
            if (answer.code(), answer.field()) != (code, place.as_str()) {
                faults.push(format!("{shown}\n    expected {code} {field}, got {}", answer.json));
                continue;
            }
            answer.refused(code, &place, &shown);
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert_eq!(door.platform.health().durable, before, "nothing was written");
    });
}

#[test]
fn lists_that_are_too_long_and_bodies_that_are_not_text_are_refused() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        let rows: Vec<Value> =
            (0..501).map(|_| json!({"scene": "r", "behaviour": {"electricity": 1}})).collect();
        let answer = door.post(&metro, "01/Z303", json!({"rows": rows})).await;
        assert_eq!(answer.status, 400);
        let serials: Vec<String> = (0..201).map(|no| format!("r{no}")).collect();
        let answer = door.post(&metro, "01/Z306", json!({"recordSerials": serials})).await;
        answer.refused("40005", "recordSerials", "201 serials");
        for bytes in [vec![0xff, 0xfe], vec![0; 100], b"{\"batchSerial\":\"\xc3\x28\"}".to_vec()] {
            let sending = Sending::new(&metro, "POST", "/api/v1/01/Z304", bytes);
            let answer = door.send(&metro, &sending).await;
            assert_eq!(answer.code(), "40001", "{}", answer.json);
        }
        let huge = vec![b' '; super::BODY_BYTES + 1];
        let sending = Sending::new(&metro, "POST", "/api/v1/01/Z304", huge);
        door.send(&metro, &sending).await.refused("41301", "", "too large");
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let sending = Sending {
                content_type: kind,
                ..Sending::new(&metro, "POST", "/api/v1/01/Z304", b"{}".to_vec())
            };
            door.send(&metro, &sending).await.refused("40001", "content-type", kind);
        }
    });
}

#[test]
fn hostile_queries_are_refused() {
    with_door(100_000, async |door: Door| {
        let metro = door.caller("metro").await;
        for (query, code, field) in [
            ("?limit=0", "40003", "limit"),
            ("?limit=-1", "40001", "limit"),
            ("?limit=99999999999", "40003", "limit"),
            ("?limit=10&limit=20", "40001", "limit"),
            ("?from=E01", "40001", "to"),
            ("?to=E01", "40001", "from"),
            ("?from=E01&to=E99", "40010", "to"),
            ("?from=%00&to=E01", "40003", "from"),
            ("?cursor=abc", "40004", "cursor"),
            ("?evil=1", "40002", "evil"),
            ("?%ff=%fe", "40002", "\u{fffd}"),
        ] {
            let path = format!("/api/v1/01/Z301{query}");
            let sending = Sending::new(&metro, "GET", &path, Vec::new());
            door.send(&metro, &sending).await.refused(code, field, query);
        }
        for path in [
            "pushes",
            "pushes?appId=nobody",
            "settlements?appId=mall&from=x&to=y",
            "settlements?appId=mall&from=2026-01-01&to=2025-01-01",
            "issuance-runs/0",
            "issuance-runs/x",
            "issuance-runs/99999999999",
            "applications?x=1",
        ] {
            let request = Request::builder()
                .uri(format!("/admin/v1/{path}"))
                .header("authorization", format!("Bearer {}", super::OPERATOR))
                .body(Body::empty());
            let answer = door.ask(request.unwrap()).await;
            assert!((400..500).contains(&answer.status), "{path}: {}", answer.json);
            assert!(answer.json["requestId"].is_string(), "{path}");
        }
    });
}
