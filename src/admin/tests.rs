//! Every command is the call it is said to be, and answers can be read.

use clap::Parser;
use serde_json::{Value, json};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    admin: Admin,
}

fn call(line: &str) -> Result<Call, String> {
    let words = std::iter::once("admin").chain(line.split(' '));
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    let asked = |what: &str| {
        assert_eq!(what, "ID number");
        Ok("31010119900101001X".to_owned())
    };
    line.admin.command.call(asked).map_err(|error| error.to_string())
}

#[test]
fn every_command_is_one_call() {
    let none = json!({"scenes": [], "excluded": []});
    let mut wish = none.clone();
    (wish["serial"], wish["through"]) = (json!("n"), json!("2026-11-30"));
    let part = json!({"scenes": ["metro"], "excluded": [{"appId": "a", "serial": "r:1"}]});
    let person = json!({"idNo": "31010119900101001X"});
    for (line, path, body) in [
        (
            "operators enrol li --role approver",
            "operators",
            json!({"id": "li", "role": "approver"}),
        ),
        ("operators rotate li", "operators/li/rotate", json!({})),
        ("operators revoke li", "operators/li/revoke", json!({})),
        ("partners register p --name 地铁", "partners", json!({"id": "p", "name": "地铁"})),
        ("partners suspend p", "partners/p/suspend", json!({"suspended": true})),
        ("applications readmit a", "applications/a/suspend", json!({"suspended": false})),
        ("runs prepare --serial n --through 2026-11-30", "issuance-runs/prepare", wish.clone()),
        ("runs start --serial n --through 2026-11-30", "issuance-runs", wish),
        ("runs approve 7", "issuance-runs/7/approve", none),
        ("runs approve 7 --scene metro --exclude a:r:1", "issuance-runs/7/approve", part),
        (
            "scenes amend rail --active-to 2028-12-31 --app a",
            "scenes/rail/amend",
            json!({"moreAppIds": ["a"], "activeTo": "2028-12-31"}),
        ),
        ("runs withdraw 7", "issuance-runs/7/withdraw", json!({})),
        (
            "quality sample a --serial s --from 2026-11-01 --to 2026-11-24 --seed 7",
            "samplings",
            json!({"serial": "s", "appId": "a", "from": "2026-11-01", "to": "2026-11-24",
                "size": 100, "seed": 7}),
        ),
        ("keys add a secret", "applications/a/keys", json!({"kind": "secret"})),
        (
            "keys add-sm2 a 04ab --valid-from 2026-12-01T00:00:00+08:00",
            "applications/a/keys",
            json!({"kind": "sm2", "publicKey": "04ab", "validFrom": "2026-12-01T00:00:00+08:00"}),
        ),
        ("keys retire a 1", "applications/a/keys/1/retire", json!({})),
        (
            "pushes replay a --kind Z305 --event 1-0",
            "pushes/replay",
            json!({"appId": "a", "kind": "Z305", "eventId": "1-0"}),
        ),
        ("accounts look-up", "accounts/look-up", person.clone()),
        ("accounts close", "accounts/close", person),
        (
            "accounts look-up --app a --ccid c",
            "accounts/look-up",
            json!({"appId": "a", "ccid": "c"}),
        ),
    ] {
        let call = call(line).unwrap();
        assert_eq!((call.method, &*call.path, call.body), (Method::Post, path, body), "{line}");
    }
    for (line, path, query) in [
        ("operators list", "operators", ""),
        ("audit --operator li --limit 5", "audit", "operator=li limit=5"),
        ("partners list", "partners", ""),
        ("applications list", "applications", ""),
        ("scenes list", "scenes", ""),
        ("agreements list", "agreements", ""),
        ("policies list", "policies", ""),
        ("dictionaries list", "dictionaries", ""),
        ("quality list", "data-quality", ""),
        ("quality show a", "data-quality/a", ""),
        ("runs list", "issuance-runs", ""),
        ("runs show 7", "issuance-runs/7", ""),
        ("runs preview 7", "issuance-runs/7/preview", ""),
        ("keys list a", "applications/a/keys", ""),
        ("pushes status a", "pushes", "appId=a"),
        (
            "pushes list a --kind Z305 --status PARKED",
            "pushes/events",
            "appId=a kind=Z305 status=PARKED",
        ),
        ("pushes show a 1-0", "pushes/events", "appId=a eventId=1-0"),
        (
            "settlements totals m 2026-11-01 2026-11-30",
            "settlements",
            "appId=m from=2026-11-01 to=2026-11-30",
        ),
        ("settlements file m 2026-11", "settlements/file", "appId=m period=2026-11"),
        ("trial-balance", "trial-balance", ""),
    ] {
        let call = call(line).unwrap();
        let said: Vec<String> =
            call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((call.method, &*call.path, &*said.join(" ")), (Method::Get, path, query));
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    for line in [
        "operators enrol li",
        "operators enrol li/na --role viewer",
        "operators enrol li --role king",
        "runs prepare --serial n --through yesterday",
        "runs approve seven",
        "runs approve 7 --exclude nobody",
        "accounts look-up --app a",
        "keys add a sm2",
        "pushes list a --kind Z999",
        "pushes replay a --kind Z305",
        "pushes replay a --kind Z305 --from 2026-11-24T00:00:00+08:00",
        "accounts look-up 31010119900101001X",
        "policies declare /nowhere/policy.toml",
        "",
    ] {
        assert!(call(line).is_err(), "{line}");
    }
}

#[test]
fn a_policy_is_read_as_the_configuration_writes_it() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy.toml");
    let call = call(&format!("policies declare {file}")).unwrap();
    assert_eq!((&*call.path, &call.body["version"]), ("policies", &json!(1)));
    let policy = serde_json::from_value::<carbon_protocol::policy::Policy>(call.body);
    assert_eq!(policy.unwrap(), crate::declarations::policy().unwrap());
}

#[test]
fn a_dictionary_is_sent_as_the_file_has_it() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/dictionary/rail.csv");
    let import = "--source ours --effective 2026-12-01 --verified";
    let call = call(&format!("dictionaries import {file} {import}")).unwrap();
    assert_eq!((call.method, &*call.path), (Method::PostCsv, "dictionaries"));
    let text = include_str!("../../config/dictionary/rail.csv");
    assert_eq!(call.body, json!(text));
    let query = [("source", "ours"), ("effective", "2026-12-01"), ("verified", "true")];
    assert_eq!(call.query, query.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn answers_are_tables_that_line_up() {
    let data = json!({
        "accounts": 7, "balanced": true,
        "grams": [{"at": "SOURCE", "balance": -92}, {"at": "碳", "balance": 92}],
        "points": [],
    });
    let expected = "\
accounts  7
balanced  true

grams:
  at      balance
  SOURCE  -92
  碳      92

points:
";
    let lines = |text: &str| text.lines().map(str::trim_end).map(String::from).collect::<Vec<_>>();
    assert_eq!(lines(table::render(&data).trim_end()), lines(expected.trim_end()));
    let hostile = table::render(&json!({"name": "a\u{1b}[2Jb", "list": ["x", 1], "none": null}));
    assert!(hostile.contains("a[2Jb") && hostile.contains("x, 1") && hostile.contains("none  -"));
    assert_eq!(table::render(&Value::Null), "-\n");
}
