//! Tests of the registry: what is declared once, again, and differently; what look-ups find.

use carbon_protocol::Reason;
use carbon_protocol::keys::{AppKey, KeyHandle, Material};
use carbon_protocol::methodology::Formula;
use carbon_protocol::registry::{AgreementScope, AppRole, SceneAmendment, SceneKind};

use super::*;
use crate::machines::fixtures::app;
use crate::machines::{Machine, fixtures};

/// Plays the shell.
#[derive(Default)]
struct Desk {
    registry: Registry,
    events: Vec<RegistryEvent>,
}

impl Desk {
    fn ask(&mut self, command: RegistryCommand) -> Result<RegistryReply, Reason> {
        let policy = policy(1, "1970-01-01");
        let facts = Facts { now: Timestamp(1_000), policy: &policy };
        let decision = self.registry.decide(&facts, &command).map_err(|no| no.reason)?;
        for event in &decision.events {
            self.registry.apply(facts.now, event);
        }
        self.registry.check().unwrap();
        self.events.extend(decision.events);
        let again = Registry::restore(Stream::Registry, &self.registry.snapshot(), &[]);
        assert_eq!(again.as_ref(), Some(&self.registry), "after {command:?}");
        Ok(decision.reply)
    }

    /// With a partner, a methodology, a scene application and a mall.
    fn with_apps() -> Self {
        let mut desk = Self::default();
        desk.ask(RegistryCommand::RegisterPartner(partner("p", "一"))).unwrap();
        desk.ask(RegistryCommand::AdoptMethodologies(vec![bus("m", "2026-01-01", "1")])).unwrap();
        desk.ask(RegistryCommand::RegisterApp(Box::new(app("metro", AppRole::Scene)))).unwrap();
        desk.ask(RegistryCommand::RegisterApp(Box::new(app("mall", AppRole::Mall)))).unwrap();
        desk
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn partner(id: &str, name: &str) -> Partner {
    let id = PartnerId::parse(id).unwrap();
    Partner { id, name: name.into(), credit_code: None, did: None }
}

fn scene(code: &str, apps: &[u16]) -> Scene {
    Scene {
        no: SceneNo(0),
        code: SceneCode::parse(code).unwrap(),
        name: code.into(),
        kind: SceneKind::Standard,
        link: None,
        methodology: MethodologyId::parse("m").unwrap(),
        apps: apps.iter().copied().map(AppNo).collect(),
        active_from: day("2026-01-01"),
        active_to: day("2027-12-31"),
    }
}

fn agreement(id: &str, version: u32, from: &str) -> Agreement {
    Agreement {
        no: TextNo(0),
        id: AgreementId::parse(id).unwrap(),
        scope: AgreementScope::Platform,
        title: "协议".into(),
        version,
        effective: day(from),
        language: "zh-CN".into(),
        text: "<p>…</p>".into(),
        sm3: carbon_protocol::signature::sm3("<p>…</p>".as_bytes()),
    }
}

fn policy(version: u32, from: &str) -> Policy {
    Policy { version, effective: day(from), ..fixtures::policy() }
}

fn bus(id: &str, from: &str, grams: &str) -> Methodology {
    Methodology {
        id: MethodologyId::parse(id).unwrap(),
        title: "公交".into(),
        version: 1,
        effective: day(from),
        source: "test".into(),
        verified: false,
        formula: Formula::Bus { g_per_ride: grams.parse().unwrap() },
    }
}

#[test]
fn declarations_are_idempotent_and_conflicts_are_named() {
    use RegistryCommand as C;
    let mut desk = Desk::with_apps();
    let named = |mut app: App, name: &str| {
        app.name = name.into();
        C::RegisterApp(Box::new(app))
    };
    let unknown = App { partner: PartnerId::parse("x").unwrap(), ..app("new", AppRole::Scene) };
    let late = Scene { active_to: day("2025-12-31"), ..scene("late", &[1]) };
    let sun = Scene { kind: SceneKind::SunCode, ..scene("sun", &[1]) };
    let leading = Scene { link: Some("https://x.example".into()), ..scene("leads", &[1]) };
    let site = Scene { kind: SceneKind::External, ..leading.clone() };
    let odd = Scene { methodology: MethodologyId::parse("x").unwrap(), ..scene("odd", &[1]) };
    let moved = Agreement { scope: AgreementScope::Matching, ..agreement("a", 3, "2026-01-01") };
    let odd_text = Agreement { sm3: [1; 32], ..agreement("a", 3, "2026-01-01") };
    let policy = |version, from| C::AdoptPolicy(Box::new(policy(version, from)));
    let agreement = |version, from| C::PublishAgreement(Box::new(agreement("a", version, from)));
    let ok = Ok("done");
    let table: Vec<(&str, RegistryCommand, Result<&str, Reason>)> = vec![
        ("partner again", C::RegisterPartner(partner("p", "一")), Ok("replay")),
        (
            "partner otherwise",
            C::RegisterPartner(partner("p", "二")),
            Err(Reason::AlreadyRegistered),
        ),
        ("app again", C::RegisterApp(Box::new(app("metro", AppRole::Scene))), Ok("app 1")),
        ("app otherwise", named(app("metro", AppRole::Scene), "x"), Err(Reason::AlreadyRegistered)),
        ("partner unknown", C::RegisterApp(Box::new(unknown)), Err(Reason::NotFound)),
        ("third app", C::RegisterApp(Box::new(app("bus", AppRole::Scene))), Ok("app 3")),
        ("scene", C::DeclareScene(Box::new(scene("rail", &[1]))), Ok("scene 1")),
        ("scene again", C::DeclareScene(Box::new(scene("rail", &[1]))), Ok("scene 1")),
        (
            "scene otherwise",
            C::DeclareScene(Box::new(scene("rail", &[3]))),
            Err(Reason::AlreadyRegistered),
        ),
        ("two routes", C::DeclareScene(Box::new(scene("bus", &[3, 1]))), Ok("scene 2")),
        ("of nobody", C::DeclareScene(Box::new(scene("none", &[]))), Err(Reason::NotFound)),
        ("of a mall", C::DeclareScene(Box::new(scene("shop", &[2]))), Err(Reason::NotFound)),
        ("of a stranger", C::DeclareScene(Box::new(scene("x", &[9]))), Err(Reason::NotFound)),
        ("ends before it begins", C::DeclareScene(Box::new(late)), Err(Reason::OutOfRange)),
        ("a sun code of nothing", C::DeclareScene(Box::new(sun)), Err(Reason::OutOfRange)),
        ("leads away unasked", C::DeclareScene(Box::new(leading)), Err(Reason::OutOfRange)),
        ("leads to a site", C::DeclareScene(Box::new(site)), Ok("scene 3")),
        ("priced by nothing", C::DeclareScene(Box::new(odd)), Err(Reason::UnknownMethodology)),
        ("agreement", agreement(2, "2026-01-01"), ok),
        ("agreement again", agreement(2, "2026-01-01"), Ok("replay")),
        ("agreement otherwise", agreement(2, "2026-01-02"), Err(Reason::AlreadyRegistered)),
        ("older agreement", agreement(1, "2026-01-01"), Err(Reason::OutOfRange)),
        ("another text's digest", C::PublishAgreement(Box::new(odd_text)), Err(Reason::Malformed)),
        ("version 0", agreement(0, "2026-01-01"), Err(Reason::OutOfRange)),
        ("moved agreement", C::PublishAgreement(Box::new(moved)), Err(Reason::AlreadyRegistered)),
        ("policy", policy(2, "2026-01-01"), ok),
        ("policy again", policy(2, "2026-01-01"), Ok("replay")),
        ("policy otherwise", policy(2, "2026-02-01"), Err(Reason::AlreadyRegistered)),
        ("older policy", policy(1, "2026-01-01"), Err(Reason::OutOfRange)),
        (
            "methodologies again",
            C::AdoptMethodologies(vec![bus("m", "2026-01-01", "1")]),
            Ok("replay"),
        ),
        ("factors mended", C::AdoptMethodologies(vec![bus("m", "2026-01-01", "2")]), ok),
        (
            "suspend a stranger",
            C::Suspend { app: AppNo(9), suspended: true },
            Err(Reason::NotFound),
        ),
        ("suspend", C::Suspend { app: AppNo(1), suspended: true }, ok),
        ("suspend again", C::Suspend { app: AppNo(1), suspended: true }, Ok("replay")),
        ("token of a suspended one", C::IssueToken { app: AppNo(1) }, Err(Reason::UnknownApp)),
        ("token of a stranger", C::IssueToken { app: AppNo(0) }, Err(Reason::UnknownApp)),
        ("readmit", C::Suspend { app: AppNo(1), suspended: false }, ok),
        ("token", C::IssueToken { app: AppNo(1) }, Ok("token 1000")),
    ];
    for (name, command, expected) in table {
        let reply = desk.ask(command).map(|reply| match reply {
            RegistryReply::Done { replay: false } => "done".to_owned(),
            RegistryReply::Done { replay: true } => "replay".to_owned(),
            RegistryReply::App(no) => format!("app {no}"),
            RegistryReply::Scene(no) => format!("scene {no}"),
            RegistryReply::Key(no) => format!("key {no}"),
            RegistryReply::Token(at) => format!("token {}", at.0),
        });
        assert_eq!(reply, expected.map(str::to_owned), "{name}");
    }
    let mut replayed = Registry::new(Stream::Registry);
    desk.events.iter().for_each(|event| replayed.apply(Timestamp(1_000), event));
    assert_eq!(replayed, desk.registry);
}

#[test]
fn journal_entries_carry_declarations_both_ways() {
    for event in &Desk::with_apps().events {
        let bytes = rmp_serde::to_vec(event).unwrap();
        let back: RegistryEvent = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(back, *event);
    }
}

#[test]
fn look_ups_find_what_holds_on_a_day() {
    let mut desk = Desk::with_apps();
    let mut ask = |command| desk.ask(command).map(drop).unwrap();
    for (version, from) in [(1, "2026-01-01"), (2, "2026-03-01"), (3, "2026-02-01")] {
        ask(RegistryCommand::AdoptPolicy(Box::new(policy(version, from))));
    }
    for (version, from) in [(1, "2026-01-01"), (2, "2026-02-01")] {
        ask(RegistryCommand::PublishAgreement(Box::new(agreement("a", version, from))));
        ask(RegistryCommand::PublishAgreement(Box::new(agreement("b", version, from))));
    }
    ask(RegistryCommand::AdoptMethodologies(vec![bus("m", "2026-02-01", "2")]));
    let registry = &desk.registry;
    for (on, expected) in [
        ("2025-12-31", None),
        ("2026-01-01", Some(1)),
        ("2026-01-31", Some(1)),
        ("2026-02-01", Some(3)),
        ("2026-03-01", Some(3)),
    ] {
        assert_eq!(registry.policy(day(on)).map(|policy| policy.version), expected, "{on}");
    }
    for (on, expected) in [
        ("2025-12-31", vec![]),
        ("2026-01-15", vec![("a", 1), ("b", 1)]),
        ("2026-02-01", vec![("a", 2), ("b", 2)]),
    ] {
        let found = registry.agreements(&AgreementScope::Platform, day(on));
        let found: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.version)).collect();
        assert_eq!(found, expected, "{on}");
    }
    let m = MethodologyId::parse("m").unwrap();
    let priced = |on| registry.methodology(&m, day(on)).map(|one| one.effective.to_string());
    assert_eq!(priced("2025-12-31"), None);
    assert_eq!(priced("2026-01-31").as_deref(), Some("2026-01-01"));
    assert_eq!(priced("2026-02-01").as_deref(), Some("2026-02-01"));
    assert!(registry.app(AppNo(0)).is_none() && registry.app(AppNo(9)).is_none());
    assert_eq!(registry.app_by_id(&AppId::parse("mall").unwrap()).unwrap().no, AppNo(2));
}

#[test]
fn two_keys_of_a_purpose_are_valid_at_once_and_never_none() {
    use RegistryCommand as C;
    let mut desk = Desk::with_apps();
    let secret = |from: i64| {
        let key = AppKey::new(Material::Secret(KeyHandle(vec![1])), Timestamp(from));
        C::AddKey { app: AppNo(1), key: Box::new(key) }
    };
    let data = |from: i64| {
        let key = AppKey::new(Material::Data(KeyHandle(vec![2])), Timestamp(from));
        C::AddKey { app: AppNo(1), key: Box::new(key) }
    };
    let end = |key, until: i64| C::RetireKey { app: AppNo(1), key, until: Timestamp(until) };
    // Every row is asked at time 1000; what is said of it, and which keys sign then and at 5000.
    let far = 1_000 + 401 * 24 * 3_600_000;
    type Row = (C, Result<&'static str, Reason>, &'static [u32], &'static [u32]);
    let rows: Vec<Row> = vec![
        (secret(0), Ok("1"), &[1], &[1]),
        (data(0), Ok("2"), &[1], &[1]),
        (end(1, 2000), Err(Reason::OutOfRange), &[1], &[1]),
        (secret(far), Err(Reason::OutOfRange), &[1], &[1]),
        (secret(3000), Ok("3"), &[1], &[3, 1]),
        (secret(0), Err(Reason::TooManyItems), &[1], &[3, 1]),
        (end(1, 2000), Err(Reason::OutOfRange), &[1], &[3, 1]),
        (end(1, far), Err(Reason::OutOfRange), &[1], &[3, 1]),
        (end(1, 4000), Ok("done"), &[1], &[3]),
        (end(1, 4000), Ok("replay"), &[1], &[3]),
        (secret(3999), Err(Reason::TooManyItems), &[1], &[3]),
        (secret(4000), Ok("4"), &[1], &[4, 3]),
        // At 3500 key 1 is valid still, but has an end: what stays must have none.
        (end(3, 3500), Err(Reason::OutOfRange), &[1], &[4, 3]),
        (end(2, 2000), Err(Reason::OutOfRange), &[1], &[4, 3]),
        (data(0), Ok("5"), &[1], &[4, 3]),
        (data(0), Err(Reason::TooManyItems), &[1], &[4, 3]),
        (end(9, 2000), Err(Reason::NotFound), &[1], &[4, 3]),
    ];
    for (command, expected, now, later) in rows {
        let shown = format!("{command:?}");
        let said = desk.ask(command).map(|reply| match reply {
            RegistryReply::Key(no) => no.to_string(),
            RegistryReply::Done { replay: false } => "done".into(),
            RegistryReply::Done { replay: true } => "replay".into(),
            other => format!("{other:?}"),
        });
        assert_eq!(said, expected.map(str::to_owned), "{shown}");
        let app = desk.registry.app(AppNo(1)).unwrap();
        for (at, expected) in [(1_000, now), (5_000, later)] {
            let keys = app.signing_keys(Timestamp(at));
            let keys: Vec<u32> = keys.iter().map(|key| key.no).collect();
            assert_eq!(keys, expected, "{shown} at {at}");
        }
    }
    assert_eq!(desk.registry.app(AppNo(1)).unwrap().data_keys(Timestamp(1_000)).len(), 2);
    let mut replayed = Registry::new(Stream::Registry);
    desk.events.iter().for_each(|event| replayed.apply(Timestamp(1_000), event));
    assert_eq!(replayed, desk.registry);
    let nobody = C::RetireKey { app: AppNo(9), key: 1, until: Timestamp(0) };
    assert_eq!(desk.ask(nobody).unwrap_err(), Reason::NotFound);
}

#[test]
fn a_number_that_does_not_fit_is_noticed() {
    let mut registry = Registry::default();
    let event = RegistryEvent::AppRegistered(Box::new(app("metro", AppRole::Scene)));
    registry.apply(Timestamp(0), &event);
    assert_eq!(registry.check().unwrap_err().invariant, "INV-08");
}

#[test]
fn a_policy_counts_from_its_day_and_never_before_it_was_adopted() {
    let mut registry = Registry::default();
    let mut adopt = |on: &str, version, effective| {
        let at = day(on).start();
        let event = RegistryEvent::PolicyAdopted(Box::new(policy(version, effective)));
        registry.apply(at, &event);
    };
    // The first one has no past to rewrite.
    adopt("2026-03-10", 1, "2026-01-01");
    adopt("2026-03-20", 2, "2026-02-01");
    adopt("2026-03-20", 3, "2026-04-01");
    for (on, expected) in [
        ("2026-01-15", 1),
        ("2026-02-15", 1),
        ("2026-03-19", 1),
        ("2026-03-20", 2),
        ("2026-03-31", 2),
        ("2026-04-01", 3),
    ] {
        assert_eq!(registry.policy(day(on)).map(|policy| policy.version), Some(expected), "{on}");
    }
}

#[test]
fn a_partner_is_suspended_with_all_its_applications() {
    let mut desk = Desk::with_apps();
    let app = |no, suspended| RegistryCommand::Suspend { app: AppNo(no), suspended };
    let all = |suspended| {
        let partner = PartnerId::parse("p").unwrap();
        RegistryCommand::SuspendPartner { partner, suspended }
    };
    let standing =
        |desk: &Desk| -> Vec<bool> { desk.registry.apps().map(|app| app.suspended).collect() };
    for (name, command, expected) in [
        ("one", app(1, true), [true, false]),
        ("all", all(true), [true, true]),
        ("again", all(true), [true, true]),
        ("one of them alone stays out", app(2, false), [true, true]),
        ("all again", all(false), [true, false]),
        ("the one", app(1, false), [false, false]),
    ] {
        desk.ask(command).unwrap();
        assert_eq!(standing(&desk), expected, "{name}");
    }
    desk.ask(all(true)).unwrap();
    let late = RegistryCommand::RegisterApp(Box::new(fixtures::app("late", AppRole::Scene)));
    desk.ask(late).unwrap();
    assert_eq!(standing(&desk), [true, true, true], "one that is registered meanwhile");
    let nobody = PartnerId::parse("nobody").unwrap();
    let unknown = RegistryCommand::SuspendPartner { partner: nobody, suspended: true };
    assert_eq!(desk.ask(unknown).unwrap_err(), Reason::NotFound);
}

#[test]
fn a_scene_is_amended_forwards_only() {
    let mut desk = Desk::with_apps();
    desk.ask(RegistryCommand::RegisterApp(Box::new(app("bus", AppRole::Scene)))).unwrap();
    desk.ask(RegistryCommand::DeclareScene(Box::new(scene("rail", &[1])))).unwrap();
    let amend = |change: fn(&mut SceneAmendment)| {
        let mut amendment =
            SceneAmendment { scene: SceneNo(1), name: None, more_apps: vec![], active_to: None };
        change(&mut amendment);
        RegistryCommand::AmendScene(Box::new(amendment))
    };
    let done = |reply| match reply {
        Ok(RegistryReply::Done { replay }) => Ok(replay),
        Ok(other) => panic!("{other:?}"),
        Err(reason) => Err(reason),
    };
    for (name, command, expected) in [
        ("nothing", amend(|_| {}), Ok(true)),
        ("a name", amend(|a| a.name = Some("轨道".into())), Ok(false)),
        ("again", amend(|a| a.name = Some("轨道".into())), Ok(true)),
        ("a route", amend(|a| a.more_apps = vec![AppNo(3), AppNo(1), AppNo(3)]), Ok(false)),
        ("of a mall", amend(|a| a.more_apps = vec![AppNo(2)]), Err(Reason::NotFound)),
        ("longer", amend(|a| a.active_to = Some(day("2030-12-31"))), Ok(false)),
        (
            "before it began",
            amend(|a| a.active_to = Some(day("2025-12-31"))),
            Err(Reason::OutOfRange),
        ),
        ("nobody's", amend(|a| a.scene = SceneNo(9)), Err(Reason::NotFound)),
    ] {
        assert_eq!(done(desk.ask(command)), expected, "{name}");
    }
    let amended = desk.registry.scene(SceneNo(1)).unwrap();
    assert_eq!((&*amended.name, &amended.apps[..]), ("轨道", &[AppNo(1), AppNo(3)][..]));
    assert_eq!(amended.active_to, day("2030-12-31"));
    // Ending it before today would take back what was accepted.
    let past = SceneAmendment {
        scene: SceneNo(1),
        name: None,
        more_apps: vec![],
        active_to: Some(day("2026-06-30")),
    };
    let today = desk.registry.amend_scene(day("2026-07-01"), &past).err().unwrap();
    assert_eq!((today.reason, today.field.as_deref()), (Reason::OutOfRange, Some("activeTo")));
    assert!(desk.registry.amend_scene(day("2026-06-30"), &past).is_ok());
}
