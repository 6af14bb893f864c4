//! What a citizen did: one trip, ride or month, as a partner reports it (Z302, Z303, Z304) and as
//! the journal keeps it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Day, Label, Metres, Month, Timestamp, WattHours};

/// One behaviour. The variant must be the one that the scene's methodology computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Behaviour {
    /// A metro trip (轨道交通).
    Rail(Rail),
    /// A bus ride (地面公交).
    Bus(Bus),
    /// A shared-bike ride (互联网租赁自行车).
    Bike(Bike),
    /// A day or longer of driving an electric car (纯电动乘用车).
    ElectricCar(ElectricCar),
    /// A month of a household's electricity (居民低碳用电).
    Electricity(Electricity),
    /// A month of a photovoltaic project (分布式光伏): not a citizen's behaviour, so it is priced by
    /// Z302 and Z303, and taken by no batch.
    Photovoltaic(Photovoltaic),
}

/// The kind of a behaviour, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BehaviourKind {
    /// A metro trip.
    Rail,
    /// A bus ride.
    Bus,
    /// A shared-bike ride.
    Bike,
    /// A period of driving an electric car.
    ElectricCar,
    /// A month of a household's electricity.
    Electricity,
    /// A month of a photovoltaic project.
    Photovoltaic,
}

/// A metro trip between two stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rail {
    /// Code of the station of entry, as in the Z301 dictionary.
    pub in_station: Label,
    /// Code of the station of exit.
    pub out_station: Label,
    /// When the citizen passed the gate inwards.
    pub in_time: Timestamp,
    /// When the citizen passed the gate outwards.
    pub out_time: Timestamp,
    /// Mileage by the partner's own table; without it the dictionary's distance counts.
    #[serde(default)]
    pub mileage_metres: Option<Metres>,
}

/// A bus ride: a fixed reduction per boarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bus {
    /// The line.
    pub line: Label,
    /// When the citizen boarded.
    pub boarding_time: Timestamp,
    /// The partner's order of the ride.
    pub order_no: Label,
}

/// A shared-bike ride.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bike {
    /// When the bike was unlocked.
    pub start_time: Timestamp,
    /// When it was locked.
    pub end_time: Timestamp,
    /// The ride's length.
    pub distance_metres: Metres,
    /// The partner's order of the ride.
    pub order_no: Label,
}

/// What an electric car drove and charged in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ElectricCar {
    /// The vehicle, hashed by the partner.
    pub vehicle_hash: Label,
    /// First day of the period.
    pub period_start: Day,
    /// Last day of the period.
    pub period_end: Day,
    /// Metres driven in it.
    pub distance_metres: Metres,
    /// Watt-hours used in it.
    pub energy_wh: WattHours,
}

/// A month of a household's electricity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Electricity {
    /// The household, hashed by the partner.
    pub household_hash: Label,
    /// The month.
    pub month: Month,
    /// Used in peak hours (06:00 to 22:00).
    pub peak_wh: WattHours,
    /// Used in valley hours.
    pub valley_wh: WattHours,
    /// The household's baseline for the month.
    pub baseline_wh: WattHours,
    /// The price tier the household is in (1, 2 or 3).
    #[schema(minimum = 1, maximum = 3)]
    pub tier: u8,
    /// Whether the home has photovoltaics.
    pub has_pv: bool,
}

/// What a photovoltaic project on a roof generated in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Photovoltaic {
    /// The project, as the city registered it.
    pub project: Label,
    /// The month.
    pub month: Month,
    /// Installed capacity, in watts at the modules' peak.
    pub capacity_watts: u64,
    /// Generated in the month.
    pub generated_wh: WattHours,
}

impl Behaviour {
    /// Its kind.
    pub fn kind(&self) -> BehaviourKind {
        match self {
            Self::Rail(_) => BehaviourKind::Rail,
            Self::Bus(_) => BehaviourKind::Bus,
            Self::Bike(_) => BehaviourKind::Bike,
            Self::ElectricCar(_) => BehaviourKind::ElectricCar,
            Self::Electricity(_) => BehaviourKind::Electricity,
            Self::Photovoltaic(_) => BehaviourKind::Photovoltaic,
        }
    }

    /// The time span of the behaviour. A boarding has no end: it lasts its minute.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::Rail(trip) => (trip.in_time, trip.out_time),
            Self::Bus(ride) => (ride.boarding_time, ride.boarding_time.plus_seconds(60)),
            Self::Bike(ride) => (ride.start_time, ride.end_time),
            Self::ElectricCar(car) => {
                (car.period_start.start(), car.period_end.plus(1).start().plus_ms(-1))
            }
            Self::Electricity(home) => whole(home.month),
            Self::Photovoltaic(project) => whole(project.month),
        }
    }

    /// The day it counts for: the day it ended (the whole period must be over to be reported).
    pub fn day(&self) -> Day {
        match self {
            Self::Bus(ride) => ride.boarding_time.day(),
            _ => self.span().1.day(),
        }
    }

    /// Things that can be reported once per period by anybody: a vehicle's days, a household's or a
    /// project's month. One key per day or month, unique across citizens and partners.
    pub fn resources(&self) -> Vec<String> {
        match self {
            Self::ElectricCar(car) => (car.period_start.0..=car.period_end.0)
                .map(|day| format!("vehicle:{}:{day}", car.vehicle_hash))
                .collect(),
            Self::Electricity(home) => {
                vec![format!("household:{}:{}", home.household_hash, home.month)]
            }
            Self::Photovoltaic(project) => {
                vec![format!("project:{}:{}", project.project, project.month)]
            }
            Self::Rail(_) | Self::Bus(_) | Self::Bike(_) => Vec::new(),
        }
    }
}

/// A month from its first instant to its last.
fn whole(month: Month) -> (Timestamp, Timestamp) {
    (month.first_day().start(), month.plus(1).first_day().start().plus_ms(-1))
}
