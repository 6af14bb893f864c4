//! What the demo declares for itself before its day begins: a policy that lets partners' clocks run
//! ahead, and the methodologies (方法学) that its auditor reckons with. The factors are those that
//! ship with the platform, written down apart from them: the platform and the auditor must agree.

use carbon_protocol::methodology::{Formula, Methodology};
use carbon_protocol::policy::{ClosingFreezes, Cycle, DailyCap, Policy, SameTrip};
use carbon_protocol::{Day, Grams, MethodologyId, SceneCode};
use rust_decimal::Decimal;

use super::trips::Measure;

/// Counted far above what an operator would reach, so that the demo's version is the newest.
const VERSION: u32 = 1_000_001;
/// 2025-01-01, before any day that the demo sends.
const EFFECTIVE: Day = Day(20_089);
const SOURCE: &str = "the demo's own, as shipped; unverified";
/// Two days and a bit: the demo's day is tomorrow, and a car's day ends with it.
const AHEAD_SECONDS: u32 = 180_000;
/// Of a load run: 62 days, and an hour for clocks that differ.
const LOAD_AHEAD_SECONDS: u32 = 62 * 86_400 + 3_600;

/// The policy of the demo. `capped` gets a daily cap of so many grams.
pub fn policy(capped: &SceneCode, cap: Grams) -> Policy {
    policy_of(vec![DailyCap { scene: capped.clone(), grams: cap }])
}

fn policy_of(daily_caps: Vec<DailyCap>) -> Policy {
    Policy {
        version: VERSION,
        effective: EFFECTIVE,
        source: SOURCE.into(),
        verified: false,
        grams_per_point: 100,
        points_months: 24,
        refund_lot_days: 30,
        acceptance_days: 90,
        correction_days: 90,
        future_tolerance_seconds: AHEAD_SECONDS,
        grams_tolerance: 1,
        freeze_seconds: 3600,
        daily_caps,
        monthly_caps: Vec::new(),
        four_eyes: false,
        issuance_cycle: Cycle::Any,
        settlement_cycle: Cycle::Day,
        closing_freezes: ClosingFreezes::Release,
        reopening_days: 30,
        same_trip: SameTrip::First,
    }
}

/// The policy of a load run: nobody is capped, and behaviour may be dated two months ahead, since a
/// trip counts only after its scene was lit, and the run lights the scenes itself.
pub fn load_policy() -> Policy {
    Policy {
        version: VERSION + 1,
        future_tolerance_seconds: LOAD_AHEAD_SECONDS,
        ..policy_of(Vec::new())
    }
}

/// The methodology of what a scene measures, under the id that the scene names.
pub fn methodology(measure: Measure, id: MethodologyId) -> Methodology {
    let formula = match measure {
        Measure::Rail => Formula::Rail {
            baseline_g_per_km: 106.into(),
            project_g_per_km: 35.into(),
            max_metres: 150_000,
            max_seconds: 14_400,
        },
        Measure::Bus => Formula::Bus { g_per_ride: Decimal::new(2125, 1) },
        Measure::Bike => Formula::Bike {
            baseline_g_per_km: 106.into(),
            project_g_per_km: 9.into(),
            min_metres: 100,
            max_metres: 30_000,
            max_metres_per_second: 7.into(),
        },
        Measure::Car => Formula::ElectricCar {
            fuel_g_per_km: 210.into(),
            grid_g_per_kwh: 420.into(),
            max_metres_per_day: 1_000_000,
        },
        Measure::Home => Formula::Electricity { grid_g_per_kwh: 420.into(), excluded_from_tier: 3 },
    };
    let title = match measure {
        Measure::Rail => "轨道交通",
        Measure::Bus => "地面公交",
        Measure::Bike => "互联网租赁自行车",
        Measure::Car => "纯电动乘用车",
        Measure::Home => "居民低碳用电",
    };
    Methodology {
        id,
        title: title.into(),
        version: VERSION,
        effective: EFFECTIVE,
        source: SOURCE.into(),
        verified: false,
        formula,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_numbers_hold_from_the_first_of_january() {
        assert_eq!(EFFECTIVE.to_string(), "2025-01-01");
        let bus = SceneCode::parse("bus").unwrap();
        let policy = policy(&bus, Grams(400));
        assert_eq!(policy.daily_cap(&bus), Some(Grams(400)));
        let ahead = i64::from(policy.future_tolerance_seconds);
        // Whenever the run begins, the end of tomorrow is within it.
        assert!(ahead >= 2 * 86_400);
    }
}
