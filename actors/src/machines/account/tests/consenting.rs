//! Opening, binding, errands, lighting and revoking.

use carbon_protocol::ErrandNo;
use carbon_protocol::account::LinkView;

use super::*;

type Step = (&'static str, fn() -> AccountCommand, Result<&'static str, Reason>);

/// Walks down a table: each row upon what the rows before have changed.
fn walk(desk: &mut Desk, steps: &[Step]) {
    for (name, command, expected) in steps {
        let got = desk.ask(command()).map(|reply| match reply {
            AccountReply::Done { replay: false } => "done",
            AccountReply::Done { replay: true } => "replay",
            AccountReply::Errand(_) => "errand",
            other => panic!("{name}: {other:?}"),
        });
        assert_eq!(got, *expected, "{name}");
    }
}

fn bind(app: AppNo, ccid: &str, uid: Option<&str>) -> AccountCommand {
    let ccid = Ccid::parse(ccid).unwrap();
    let partner_uid = uid.map(|uid| PartnerUid::parse(uid).unwrap());
    AccountCommand::Bind { app, ccid, partner_uid }
}

fn matched(errand: u32, ccid: &str) -> AccountCommand {
    let (ccid, partner_uid) = (Ccid::parse(ccid).unwrap(), uid());
    let outcome = ErrandOutcome::Matched { ccid, partner_uid };
    AccountCommand::ErrandDone { errand: ErrandNo(errand), outcome }
}

fn failed(errand: u32, reason: Reason) -> AccountCommand {
    let outcome = ErrandOutcome::Failed(reason);
    AccountCommand::ErrandDone { errand: ErrandNo(errand), outcome }
}

fn revoke(app: AppNo, scene: SceneNo) -> AccountCommand {
    AccountCommand::Revoke { app, scene, channel: Channel::CityApp }
}

fn unlink() -> AccountCommand {
    AccountCommand::UnlinkMall { app: MALL, channel: Channel::CityApp }
}

fn link_mall() -> AccountCommand {
    AccountCommand::Begin(Purpose::LinkMall { app: MALL, consents: vec![consent(MALL_TEXT)] })
}

#[test]
fn nothing_is_done_for_somebody_who_has_not_opened() {
    walk(
        &mut Desk::new(),
        &[
            ("bind", || bind(METRO, "c-1", None), Err(Reason::AccountNotOpen)),
            ("light", || light(METRO, TRIPS), Err(Reason::AccountNotOpen)),
            ("revoke", || revoke(METRO, TRIPS), Err(Reason::AccountNotOpen)),
            ("link", link_mall, Err(Reason::AccountNotOpen)),
            ("unlink", unlink, Err(Reason::AccountNotOpen)),
            ("person", || AccountCommand::Look(Look::Person), Err(Reason::AccountNotOpen)),
            ("abandon", || AccountCommand::Abandon, Ok("replay")),
            ("a stale errand", || matched(1, "c-1"), Ok("replay")),
        ],
    );
}

#[test]
fn one_person_has_one_account_by_every_route() {
    let other = || {
        let AccountCommand::Open(open) = open() else { unreachable!() };
        AccountCommand::Open(Open { did: Did::parse("did:sh:2").unwrap(), ..open })
    };
    let silent = || {
        let AccountCommand::Open(open) = open() else { unreachable!() };
        AccountCommand::Open(Open { consents: Vec::new(), ..open })
    };
    walk(
        &mut Desk::new(),
        &[
            ("without consent", silent, Err(Reason::ConsentRequired)),
            ("opened", open, Ok("done")),
            ("again", open, Ok("replay")),
            ("again, whatever was shown", silent, Ok("replay")),
            ("another DID", other, Err(Reason::AlreadyRegistered)),
        ],
    );
}

#[test]
fn one_pseudonym_per_application() {
    let mut desk = Desk::opened();
    walk(
        &mut desk,
        &[
            ("first", || bind(METRO, "c-1", None), Ok("done")),
            ("again", || bind(METRO, "c-1", None), Ok("replay")),
            ("with the user's id", || bind(METRO, "c-1", Some("u-1")), Ok("done")),
            ("again with it", || bind(METRO, "c-1", Some("u-1")), Ok("replay")),
            ("without it keeps it", || bind(METRO, "c-1", None), Ok("replay")),
            ("another user there", || bind(METRO, "c-1", Some("u-2")), Ok("done")),
            ("a second one", || bind(METRO, "c-2", None), Err(Reason::AlreadyRegistered)),
            ("shared", || bind(RIVAL, "c-1", None), Err(Reason::AlreadyRegistered)),
            ("the rival's own", || bind(RIVAL, "c-2", None), Ok("done")),
        ],
    );
    let links: Vec<LinkView> = desk.summary().links;
    let seen: Vec<_> = links
        .iter()
        .map(|link| (link.app, link.ccid.as_str(), link.partner_uid.as_ref().map(|u| u.as_str())))
        .collect();
    assert_eq!(seen, [(METRO, "c-1", Some("u-2")), (RIVAL, "c-2", None)]);
}

#[test]
fn errands_succeed_fail_repeat_and_go_stale() {
    let two = || {
        let scenes = [TRIPS, BIKES].map(|scene| (scene, vec![consent(SCENE_TEXT)])).into();
        AccountCommand::Begin(Purpose::Light { app: METRO, scenes })
    };
    let none = || AccountCommand::Begin(Purpose::Light { app: METRO, scenes: Vec::new() });
    let silent = || {
        let scenes = vec![(TRIPS, Vec::new())];
        AccountCommand::Begin(Purpose::Light { app: METRO, scenes })
    };
    let twice = || {
        let scenes = [TRIPS, TRIPS].map(|scene| (scene, vec![consent(SCENE_TEXT)])).into();
        AccountCommand::Begin(Purpose::Light { app: METRO, scenes })
    };
    let mut desk = Desk::opened();
    walk(
        &mut desk,
        &[
            ("no scene", none, Err(Reason::OutOfRange)),
            ("no consent", silent, Err(Reason::ConsentRequired)),
            ("a scene twice", twice, Err(Reason::Duplicate)),
            ("begun", || light(METRO, TRIPS), Ok("errand")),
            ("the form sent twice", || light(METRO, TRIPS), Ok("errand")),
            ("another aim meanwhile", two, Err(Reason::ErrandRunning)),
            ("a number never given", || matched(9, "ccid-1"), Ok("replay")),
            ("no account there", || failed(1, Reason::NoPartnerAccount), Ok("done")),
            ("its late success", || matched(1, "ccid-1"), Ok("replay")),
            ("begun again", || light(METRO, TRIPS), Ok("errand")),
            ("lit", || matched(2, "ccid-1"), Ok("done")),
            ("repeated result", || matched(2, "ccid-1"), Ok("replay")),
            ("lit already", || light(METRO, TRIPS), Err(Reason::AlreadyLit)),
            ("lit already among two", two, Err(Reason::AlreadyLit)),
            ("the other scene", || light(METRO, BIKES), Ok("errand")),
            ("another CCID comes back", || matched(3, "ccid-x"), Ok("done")),
        ],
    );
    let summary = desk.summary();
    let errand = summary.errand.unwrap();
    assert_eq!(errand.failed, Some(Reason::AlreadyRegistered), "INV-03 stopped it");
    assert_eq!(summary.scenes.len(), 1);
    assert_eq!(summary.links.len(), 1);
}

#[test]
fn revoking_half_way_stops_the_errand_and_a_late_result_lights_nothing() {
    let mut desk = Desk::opened();
    walk(
        &mut desk,
        &[
            ("begun", || light(METRO, TRIPS), Ok("errand")),
            ("revoked before it was lit", || revoke(METRO, TRIPS), Ok("done")),
            ("the late result", || matched(1, "ccid-1"), Ok("replay")),
            ("nothing to revoke", || revoke(METRO, TRIPS), Ok("replay")),
            ("begun", || light(METRO, TRIPS), Ok("errand")),
            ("abandoned", || AccountCommand::Abandon, Ok("done")),
            ("the late result", || matched(2, "ccid-1"), Ok("replay")),
            ("linking", link_mall, Ok("errand")),
            ("unlinked half-way", unlink, Ok("done")),
            ("the late result", || matched(3, "ccid-3"), Ok("replay")),
        ],
    );
    let summary = desk.summary();
    assert!(summary.scenes.is_empty() && summary.links.is_empty());
}

#[test]
fn spans_and_notices_tell_the_whole_history() {
    let mut desk = Desk::opened();
    for round in 0..3_u32 {
        walk(&mut desk, &[("begun", || light(METRO, TRIPS), Ok("errand"))]);
        desk.later(HOUR).ask(matched(round + 1, "ccid-1")).unwrap();
        desk.later(HOUR).ask(revoke(METRO, TRIPS)).unwrap();
    }
    let periods = desk.summary().scenes[0].periods.clone();
    assert_eq!(periods.len(), 3);
    for (round, period) in (0..).zip(&periods) {
        assert_eq!(period.from, morning().plus_ms((round * 2 + 1) * HOUR));
        assert_eq!(period.to, Some(morning().plus_ms((round * 2 + 2) * HOUR)));
        assert_eq!(period.consents, [consent(SCENE_TEXT)]);
    }
    let notices: Vec<u32> =
        desk.events
            .iter()
            .filter_map(|(_, event)| match event {
                AccountEvent::SceneLit { notice, .. }
                | AccountEvent::SceneRevoked { notice, .. } => Some(*notice),
                _ => None,
            })
            .collect();
    assert_eq!(notices, [1, 2, 3, 4, 5, 6], "INV-07");
}

#[test]
fn a_mall_is_linked_unlinked_and_linked_again_under_one_pseudonym() {
    let mut desk = Desk::opened();
    walk(
        &mut desk,
        &[
            ("begun", link_mall, Ok("errand")),
            ("linked", || matched(1, "ccid-3"), Ok("done")),
            ("again", link_mall, Err(Reason::AlreadyRegistered)),
            ("unlinked", unlink, Ok("done")),
            ("nothing to unlink", unlink, Ok("replay")),
            ("begun", link_mall, Ok("errand")),
            ("linked", || matched(2, "ccid-3"), Ok("done")),
        ],
    );
    let links = desk.summary().links;
    assert_eq!(links.len(), 1);
    assert!(links[0].mall_linked);
    assert_eq!(links[0].mall_consents.len(), 2);
}
