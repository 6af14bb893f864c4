//! What tests of several machines need.

use carbon_protocol::policy::{ClosingFreezes, Cycle, Policy, SameTrip};
use carbon_protocol::registry::{Agreement, AgreementScope, App, AppRole};
use carbon_protocol::signature::sm3;
use carbon_protocol::{AgreementId, AppId, AppNo, Day, PartnerId, TextNo, Timestamp};

/// A policy with round numbers.
pub fn policy() -> Policy {
    Policy {
        version: 7,
        effective: Day(0),
        source: "test".into(),
        verified: false,
        grams_per_point: 10,
        points_months: 12,
        refund_lot_days: 30,
        acceptance_days: 30,
        correction_days: 30,
        future_tolerance_seconds: 300,
        grams_tolerance: 1,
        freeze_seconds: 1800,
        daily_caps: Vec::new(),
        monthly_caps: Vec::new(),
        four_eyes: false,
        issuance_cycle: Cycle::Any,
        settlement_cycle: Cycle::Day,
        closing_freezes: ClosingFreezes::Release,
        reopening_days: 30,
        same_trip: SameTrip::First,
    }
}

/// A published agreement: the first one, so that a consent to text 1 is one to it.
pub fn agreement() -> Agreement {
    let text = "<p>协议</p>".to_owned();
    Agreement {
        no: TextNo(1),
        id: AgreementId::parse("scene").unwrap(),
        scope: AgreementScope::Platform,
        title: "协议".into(),
        version: 1,
        effective: Day(0),
        language: "zh-CN".into(),
        sm3: sm3(text.as_bytes()),
        text,
    }
}

/// A sandbox application of the partner `p`, as it is when it asks to be registered.
pub fn app(id: &str, role: AppRole) -> App {
    App {
        no: AppNo(0),
        id: AppId::parse(id).unwrap(),
        partner: PartnerId::parse("p").unwrap(),
        role,
        name: id.into(),
        chain_code: "chain".into(),
        base_url: "http://127.0.0.1:1".into(),
        return_hosts: Vec::new(),
        mall_url: None,
        no_account_text: None,
        sandbox: true,
        keys: Vec::new(),
        newest_key: 0,
        suspended: false,
        tokens: [Timestamp(0); 2],
    }
}
