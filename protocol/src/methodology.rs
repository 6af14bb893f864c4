//! Methodologies (方法学) as data: what a behaviour is worth, with the source of each factor. The
//! computing itself is in the platform; an auditor reads the same data and does its own sum.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Day, MethodologyId};

/// One version of one methodology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Methodology {
    /// Published code, like `SHCER02020022024II`.
    pub id: MethodologyId,
    /// Chinese title.
    #[schema(min_length = 1, max_length = 128)]
    pub title: String,
    /// Version of our data, not of the document.
    pub version: u32,
    /// First day of behaviour it prices.
    pub effective: Day,
    /// Where the factors come from.
    #[schema(min_length = 1, max_length = 1000)]
    pub source: String,
    /// Whether somebody has checked them against the published document.
    pub verified: bool,
    /// The formula with its factors.
    pub formula: Formula,
}

/// The formulas; all factors are exact decimals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Formula {
    /// metres × (baseline − project) g/km ÷ 1000.
    Rail {
        /// Grams a passenger-kilometre would have emitted otherwise.
        #[schema(value_type = String, max_length = 40, example = "106")]
        baseline_g_per_km: Decimal,
        /// Grams it does emit.
        #[schema(value_type = String, max_length = 40, example = "106")]
        project_g_per_km: Decimal,
        /// Longest trip that is believed.
        max_metres: u64,
        /// Longest time between the gates.
        max_seconds: u32,
    },
    /// A fixed number of grams for a ride.
    Bus {
        /// Grams of one ride.
        #[schema(value_type = String, max_length = 40, example = "106")]
        g_per_ride: Decimal,
    },
    /// metres × (baseline − project) g/km ÷ 1000 within limits.
    Bike {
        /// Grams a passenger-kilometre would have emitted otherwise.
        #[schema(value_type = String, max_length = 40, example = "106")]
        baseline_g_per_km: Decimal,
        /// Grams it does emit.
        #[schema(value_type = String, max_length = 40, example = "106")]
        project_g_per_km: Decimal,
        /// Shortest ride that counts.
        min_metres: u64,
        /// Longest ride that is believed.
        max_metres: u64,
        /// Fastest mean speed that is believed.
        #[schema(value_type = String, max_length = 40, example = "106")]
        max_metres_per_second: Decimal,
    },
    /// metres × fuel g/km ÷ 1000 − Wh × grid g/kWh ÷ 1000.
    ElectricCar {
        /// Grams a fuel car emits on a kilometre.
        #[schema(value_type = String, max_length = 40, example = "106")]
        fuel_g_per_km: Decimal,
        /// Grams of a kilowatt-hour from the grid.
        #[schema(value_type = String, max_length = 40, example = "106")]
        grid_g_per_kwh: Decimal,
        /// Most metres in a day that are believed.
        max_metres_per_day: u64,
    },
    /// (baseline − used) Wh × grid g/kWh ÷ 1000.
    Electricity {
        /// Grams of a kilowatt-hour from the grid.
        #[schema(value_type = String, max_length = 40, example = "106")]
        grid_g_per_kwh: Decimal,
        /// First price tier that is excluded.
        excluded_from_tier: u8,
    },
    /// generated Wh × grid g/kWh ÷ 1000, of projects up to a capacity.
    Photovoltaic {
        /// Grams of a kilowatt-hour from the grid.
        #[schema(value_type = String, max_length = 40, example = "106")]
        grid_g_per_kwh: Decimal,
        /// Largest installed capacity that counts.
        max_capacity_watts: u64,
    },
}

/// One term of a sum, for Z302's explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Term {
    /// What it is: `distanceMetres`, `baselineGramsPerKm`, …
    #[schema(max_length = 64)]
    pub name: String,
    /// The exact decimal value.
    #[schema(max_length = 64)]
    pub value: String,
}
