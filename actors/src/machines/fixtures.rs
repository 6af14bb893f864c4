//! What tests of several machines need.

use carbon_protocol::policy::{Policy, SameTrip};
use carbon_protocol::registry::{App, AppRole};
use carbon_protocol::{AppId, AppNo, Day, PartnerId, Timestamp};

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
        future_tolerance_seconds: 300,
        grams_tolerance: 1,
        freeze_seconds: 1800,
        daily_caps: Vec::new(),
        monthly_caps: Vec::new(),
        same_trip: SameTrip::First,
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
        sign_key: vec![1],
        data_key: vec![2],
        suspended: false,
        tokens: [Timestamp(0); 2],
    }
}
