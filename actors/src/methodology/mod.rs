//! What a behaviour is worth by a methodology (方法学): exact decimals, rounded down to whole grams
//! at the very end, with every term of the sum (Z302 shows them).

mod dictionary;
#[cfg(test)]
mod tests;

use carbon_protocol::behaviour::{Behaviour, Bike, ElectricCar, Electricity, Photovoltaic, Rail};
use carbon_protocol::methodology::{Formula, Methodology, Term};
use carbon_protocol::{Grams, Reason, Rejection};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

pub use dictionary::{BadDictionary, Dictionary, LineFault};

/// The longest period an electric car is reported in. Bounds what one row can claim, whatever a
/// methodology believes.
pub const LONGEST_PERIOD_DAYS: i32 = 366;
/// The worst price tier of electricity (阶梯) there is.
const LAST_TIER: u8 = 3;

/// A behaviour's worth, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// Whole grams, rounded down, never below zero.
    pub grams: Grams,
    /// Whether the sum came out negative, and counts as zero.
    pub negative: bool,
    terms: Vec<(&'static str, Decimal)>,
}

impl Computed {
    /// The terms of the sum, in the order they are used.
    pub fn terms(&self) -> Vec<Term> {
        let term = |(name, value): &(&str, Decimal)| Term {
            name: (*name).into(),
            value: value.normalize().to_string(),
        };
        self.terms.iter().map(term).collect()
    }
}

/// Computes. Refuses a behaviour of another kind than the methodology's (`UnknownMethodology`), one
/// outside its limits (`OutsideLimits`, with the limit), and a trip without mileage between
/// stations that the dictionary does not know (`UnknownStation`).
pub fn compute(
    methodology: &Methodology,
    dictionary: &Dictionary,
    behaviour: &Behaviour,
) -> Result<Computed, Rejection> {
    match (&methodology.formula, behaviour) {
        (
            Formula::Rail { baseline_g_per_km, project_g_per_km, max_metres, max_seconds },
            Behaviour::Rail(trip),
        ) => {
            let metres = rail_metres(trip, dictionary, *max_metres, *max_seconds)?;
            saved_by_distance(metres, *baseline_g_per_km, *project_g_per_km)
        }
        (Formula::Bus { g_per_ride }, Behaviour::Bus(_)) => {
            let mut sum = Sum::default();
            sum.term("gramsPerRide", *g_per_ride);
            sum.result(Some(*g_per_ride))
        }
        (
            Formula::Bike {
                baseline_g_per_km,
                project_g_per_km,
                min_metres,
                max_metres,
                max_metres_per_second,
            },
            Behaviour::Bike(ride),
        ) => {
            bike_limits(ride, *min_metres, *max_metres, *max_metres_per_second)?;
            saved_by_distance(ride.distance_metres.0, *baseline_g_per_km, *project_g_per_km)
        }
        (
            Formula::ElectricCar { fuel_g_per_km, grid_g_per_kwh, max_metres_per_day },
            Behaviour::ElectricCar(car),
        ) => {
            car_limits(car, *max_metres_per_day)?;
            car_grams(car, *fuel_g_per_km, *grid_g_per_kwh)
        }
        (
            Formula::Electricity { grid_g_per_kwh, excluded_from_tier },
            Behaviour::Electricity(home),
        ) => {
            home_limits(home, *excluded_from_tier)?;
            home_grams(home, *grid_g_per_kwh)
        }
        (
            Formula::Photovoltaic { grid_g_per_kwh, max_capacity_watts },
            Behaviour::Photovoltaic(project),
        ) => {
            project_limits(project, *max_capacity_watts)?;
            project_grams(project, *grid_g_per_kwh)
        }
        _ => Err(Reason::UnknownMethodology.into()),
    }
}

/// A refusal that names the field, and the limit it is outside of.
fn outside(field: &str, limit: impl Into<String>) -> Rejection {
    Rejection::of_field(Reason::OutsideLimits, field).with(limit)
}

/// The trip's metres: the partner's mileage, or the dictionary's distance without one.
fn rail_metres(
    trip: &Rail,
    dictionary: &Dictionary,
    max_metres: u64,
    max_seconds: u32,
) -> Result<u64, Rejection> {
    let ms = trip.out_time.0.saturating_sub(trip.in_time.0);
    if ms < 0 {
        return Err(outside("outTime", "not before inTime"));
    }
    if ms > i64::from(max_seconds).saturating_mul(1000) {
        return Err(outside("outTime", format!("at most {max_seconds} s after inTime")));
    }
    let metres = trip
        .mileage_metres
        .or_else(|| dictionary.distance(&trip.in_station, &trip.out_station))
        .ok_or_else(|| Rejection::of_field(Reason::UnknownStation, "outStation"))?;
    if metres.0 > max_metres {
        return Err(outside("mileageMetres", format!("at most {max_metres} m")));
    }
    Ok(metres.0)
}

fn bike_limits(
    ride: &Bike,
    min_metres: u64,
    max_metres: u64,
    max_metres_per_second: Decimal,
) -> Result<(), Rejection> {
    let metres = ride.distance_metres.0;
    if !(min_metres..=max_metres).contains(&metres) {
        let limit = format!("{min_metres} to {max_metres} m");
        return Err(outside("distanceMetres", limit));
    }
    let ms = ride.end_time.0.saturating_sub(ride.start_time.0);
    if ms < 0 {
        return Err(outside("endTime", "not before startTime"));
    }
    // Compared as products, so that a ride without length in time needs no division.
    let thousand = Decimal::ONE_THOUSAND;
    let farthest = max_metres_per_second.checked_mul(Decimal::from(ms));
    let ridden = Decimal::from(metres).checked_mul(thousand);
    match (ridden, farthest) {
        (Some(ridden), Some(farthest)) if ridden <= farthest => Ok(()),
        _ => Err(outside("endTime", format!("at most {} m/s", max_metres_per_second.normalize()))),
    }
}

fn car_limits(car: &ElectricCar, max_metres_per_day: u64) -> Result<(), Rejection> {
    let days = car.period_end.0.saturating_sub(car.period_start.0).saturating_add(1);
    if !(1..=LONGEST_PERIOD_DAYS).contains(&days) {
        return Err(outside("periodEnd", format!("1 to {LONGEST_PERIOD_DAYS} days")));
    }
    let believed = u64::from(days.unsigned_abs()).saturating_mul(max_metres_per_day);
    if car.distance_metres.0 > believed {
        return Err(outside("distanceMetres", format!("at most {max_metres_per_day} m a day")));
    }
    Ok(())
}

fn home_limits(home: &Electricity, excluded_from_tier: u8) -> Result<(), Rejection> {
    if !(1..=LAST_TIER).contains(&home.tier) {
        return Err(Rejection::of_field(Reason::OutOfRange, "tier").with("1 to 3"));
    }
    if home.tier >= excluded_from_tier {
        return Err(outside("tier", format!("below {excluded_from_tier}")));
    }
    if home.has_pv {
        return Err(outside("hasPv", "homes with photovoltaics are excluded"));
    }
    Ok(())
}

/// Whether a project is small enough, and has not generated more than its modules can when the sun
/// never sets.
fn project_limits(project: &Photovoltaic, max_capacity_watts: u64) -> Result<(), Rejection> {
    if project.capacity_watts > max_capacity_watts {
        return Err(outside("capacityWatts", format!("at most {max_capacity_watts} W")));
    }
    let (first, last) = (project.month.first_day().0, project.month.last_day().0);
    let hours = u64::from(last.saturating_sub(first).saturating_add(1).unsigned_abs()) * 24;
    if project.generated_wh.0 > project.capacity_watts.saturating_mul(hours) {
        let limit = format!("at most the capacity by {hours} hours of the month");
        return Err(outside("generatedWh", limit));
    }
    Ok(())
}

/// metres × (baseline − project) ÷ 1000.
fn saved_by_distance(metres: u64, baseline: Decimal, own: Decimal) -> Result<Computed, Rejection> {
    let mut sum = Sum::default();
    let metres = Decimal::from(metres);
    sum.term("distanceMetres", metres);
    sum.term("baselineGramsPerKm", baseline);
    sum.term("projectGramsPerKm", own);
    sum.result(baseline.checked_sub(own).and_then(|saved| thousandth(metres, saved)))
}

/// metres × fuel ÷ 1000 − Wh × grid ÷ 1000.
fn car_grams(car: &ElectricCar, fuel: Decimal, grid: Decimal) -> Result<Computed, Rejection> {
    let mut sum = Sum::default();
    let (metres, energy) = (Decimal::from(car.distance_metres.0), Decimal::from(car.energy_wh.0));
    sum.term("distanceMetres", metres);
    sum.term("fuelGramsPerKm", fuel);
    sum.term("energyWh", energy);
    sum.term("gridGramsPerKwh", grid);
    let (baseline, project) = (thousandth(metres, fuel), thousandth(energy, grid));
    for (name, grams) in [("baselineGrams", baseline), ("projectGrams", project)] {
        if let Some(grams) = grams {
            sum.term(name, grams);
        }
    }
    sum.result(baseline.zip(project).and_then(|(fuel, grid)| fuel.checked_sub(grid)))
}

/// (baseline − used) × grid ÷ 1000.
fn home_grams(home: &Electricity, grid: Decimal) -> Result<Computed, Rejection> {
    let mut sum = Sum::default();
    let baseline = Decimal::from(home.baseline_wh.0);
    let (peak, valley) = (Decimal::from(home.peak_wh.0), Decimal::from(home.valley_wh.0));
    sum.term("baselineWh", baseline);
    sum.term("peakWh", peak);
    sum.term("valleyWh", valley);
    sum.term("gridGramsPerKwh", grid);
    let saved = peak.checked_add(valley).and_then(|used| baseline.checked_sub(used));
    sum.result(saved.and_then(|saved| thousandth(saved, grid)))
}

/// generated × grid ÷ 1000.
fn project_grams(project: &Photovoltaic, grid: Decimal) -> Result<Computed, Rejection> {
    let mut sum = Sum::default();
    let generated = Decimal::from(project.generated_wh.0);
    sum.term("generatedWh", generated);
    sum.term("gridGramsPerKwh", grid);
    sum.result(thousandth(generated, grid))
}

/// amount × factor ÷ 1000. Exact: the amount is whole, so three digits more than the factor's are
/// needed, and a decimal has 28. Nothing where it does not fit.
fn thousandth(amount: Decimal, factor: Decimal) -> Option<Decimal> {
    amount.checked_mul(factor)?.checked_div(Decimal::ONE_THOUSAND)
}

/// A sum with its terms, as numbers: they become text where somebody wants to read them.
#[derive(Default)]
struct Sum {
    terms: Vec<(&'static str, Decimal)>,
}

impl Sum {
    fn term(&mut self, name: &'static str, value: Decimal) {
        self.terms.push((name, value));
    }

    /// Rounds down to whole grams. A negative reduction counts as zero, and a term says so.
    fn result(mut self, exact: Option<Decimal>) -> Result<Computed, Rejection> {
        let too_large = || Rejection::new(Reason::OutOfRange).with("the sum exceeds what is kept");
        let exact = exact.ok_or_else(too_large)?;
        self.term("exactGrams", exact);
        let negative = exact < Decimal::ZERO;
        if negative {
            self.term("negativeCountsAs", Decimal::ZERO);
        }
        let grams = exact.max(Decimal::ZERO).floor().to_u64().ok_or_else(too_large)?;
        Ok(Computed { grams: Grams(grams), negative, terms: self.terms })
    }
}
