//! The auditor's own arithmetic: what a behaviour is worth by the published methodology. Written
//! apart from the platform's, over the same data, so that the two can disagree.

use carbon_protocol::behaviour::Behaviour;
use carbon_protocol::methodology::{Formula, Methodology};
use carbon_protocol::{Grams, Metres};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Grams of a behaviour, rounded down, never below zero; nothing where the methodology is for
/// something else. `dictionary` is the distance of the station pair, for trips without a mileage.
pub fn grams(
    methodology: &Methodology,
    behaviour: &Behaviour,
    dictionary: Option<Metres>,
) -> Option<Grams> {
    let thousand = Decimal::from(1000);
    let reduction = match (&methodology.formula, behaviour) {
        (Formula::Rail { baseline_g_per_km, project_g_per_km, .. }, Behaviour::Rail(trip)) => {
            let metres = Decimal::from(trip.mileage_metres.or(dictionary)?.0);
            metres * (baseline_g_per_km - project_g_per_km) / thousand
        }
        (Formula::Bus { g_per_ride }, Behaviour::Bus(_)) => *g_per_ride,
        (Formula::Bike { baseline_g_per_km, project_g_per_km, .. }, Behaviour::Bike(ride)) => {
            let saved = baseline_g_per_km - project_g_per_km;
            Decimal::from(ride.distance_metres.0) * saved / thousand
        }
        (
            Formula::ElectricCar { fuel_g_per_km, grid_g_per_kwh, .. },
            Behaviour::ElectricCar(car),
        ) => {
            let fuel = Decimal::from(car.distance_metres.0) * fuel_g_per_km;
            let grid = Decimal::from(car.energy_wh.0) * grid_g_per_kwh;
            (fuel - grid) / thousand
        }
        (Formula::Electricity { grid_g_per_kwh, .. }, Behaviour::Electricity(home)) => {
            let used = Decimal::from(home.peak_wh.0 + home.valley_wh.0);
            (Decimal::from(home.baseline_wh.0) - used) * grid_g_per_kwh / thousand
        }
        (Formula::Photovoltaic { grid_g_per_kwh, .. }, Behaviour::Photovoltaic(project)) => {
            Decimal::from(project.generated_wh.0) * grid_g_per_kwh / thousand
        }
        _ => return None,
    };
    Some(Grams(reduction.max(Decimal::ZERO).floor().to_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use carbon_protocol::behaviour::{Bike, Bus, ElectricCar, Rail};
    use carbon_protocol::{Day, Label, MethodologyId, Timestamp, WattHours};

    fn methodology(formula: Formula) -> Methodology {
        Methodology {
            id: MethodologyId::parse("TEST").unwrap(),
            title: "测试".into(),
            version: 1,
            effective: Day(0),
            source: "test".into(),
            verified: false,
            formula,
        }
    }

    fn label() -> Label {
        Label::parse("x").unwrap()
    }

    #[test]
    fn each_formula_gives_what_paper_and_pencil_give() {
        let rail = methodology(Formula::Rail {
            baseline_g_per_km: 106.into(),
            project_g_per_km: 35.into(),
            max_metres: 1,
            max_seconds: 1,
        });
        let bike = methodology(Formula::Bike {
            baseline_g_per_km: 106.into(),
            project_g_per_km: 9.into(),
            min_metres: 1,
            max_metres: 1,
            max_metres_per_second: 1.into(),
        });
        let bus = methodology(Formula::Bus { g_per_ride: Decimal::new(2125, 1) });
        let car = methodology(Formula::ElectricCar {
            fuel_g_per_km: 210.into(),
            grid_g_per_kwh: 420.into(),
            max_metres_per_day: 1,
        });
        let trip = |metres: Option<u64>| {
            Behaviour::Rail(Rail {
                in_station: label(),
                out_station: label(),
                in_time: Timestamp(0),
                out_time: Timestamp(1),
                mileage_metres: metres.map(Metres),
            })
        };
        let ride = Behaviour::Bike(Bike {
            start_time: Timestamp(0),
            end_time: Timestamp(1),
            distance_metres: Metres(1234),
            order_no: label(),
        });
        let boarding =
            Behaviour::Bus(Bus { line: label(), boarding_time: Timestamp(0), order_no: label() });
        let drive = |metres, wh| {
            Behaviour::ElectricCar(ElectricCar {
                vehicle_hash: label(),
                period_start: Day(1),
                period_end: Day(1),
                distance_metres: Metres(metres),
                energy_wh: WattHours(wh),
            })
        };
        // 9876 × 71 ÷ 1000 = 701.196; 1234 × 97 ÷ 1000 = 119.698; 212.5; 30 × 210 − 5 × 420 = 4200.
        assert_eq!(grams(&rail, &trip(Some(9876)), None), Some(Grams(701)));
        assert_eq!(grams(&rail, &trip(None), Some(Metres(1000))), Some(Grams(71)));
        assert_eq!(grams(&rail, &trip(None), None), None);
        assert_eq!(grams(&bike, &ride, None), Some(Grams(119)));
        assert_eq!(grams(&bus, &boarding, None), Some(Grams(212)));
        assert_eq!(grams(&car, &drive(30_000, 5000), None), Some(Grams(4200)));
        assert_eq!(grams(&car, &drive(1000, 50_000), None), Some(Grams(0)), "never negative");
        assert_eq!(grams(&bus, &ride, None), None, "a methodology prices its own behaviour");
    }
}
