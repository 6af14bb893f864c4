//! Policies: numbers a city decides, kept as versioned data with a source and a verified flag.
//! Every decision that used one stores its version; none is ever written into code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Day, Grams, SceneCode};

/// Everything the machines may ask of policy, as of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Counted up with every change; stored in what it priced.
    pub version: u32,
    /// First day it holds.
    pub effective: Day,
    /// Where the numbers come from.
    pub source: String,
    /// Whether somebody has checked them against the published rule.
    pub verified: bool,
    /// Grams for one point; what is left over is carried.
    pub grams_per_point: u64,
    /// Months a lot of points lives; it ends with the last day of its last month.
    pub points_months: u8,
    /// Days of the new lot that a refund into an expired lot makes.
    pub refund_lot_days: u16,
    /// How long after the behaviour a record is accepted.
    pub acceptance_days: u16,
    /// How long after the behaviour a record can be corrected or voided.
    pub correction_days: u16,
    /// How far a partner's clock may run ahead of ours.
    pub future_tolerance_seconds: u32,
    /// Allowed difference between submitted and computed grams of one record.
    pub grams_tolerance: u64,
    /// How long a freeze holds points before it lapses.
    pub freeze_seconds: u32,
    /// Grams per citizen and day, by scene. A scene that is not named has no cap.
    pub daily_caps: Vec<DailyCap>,
    /// Grams per citizen and month, by scene.
    pub monthly_caps: Vec<DailyCap>,
    /// Whether an issuance run is prepared by one operator and approved by another.
    pub four_eyes: bool,
    /// Up to which days issuance runs reach.
    pub issuance_cycle: Cycle,
    /// The periods that settlement files of malls are made for.
    pub settlement_cycle: Cycle,
    /// What becomes of open freezes when an account is closed.
    pub closing_freezes: ClosingFreezes,
    /// Days after which a citizen whose account was closed may open one again.
    pub reopening_days: u16,
    /// Which report of one trip counts when two partners send it (INV-10).
    pub same_trip: SameTrip,
}

/// A cap of one scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailyCap {
    /// The scene it limits.
    pub scene: SceneCode,
    /// The most that one citizen is credited in the period.
    pub grams: Grams,
}

/// Which of two reports of one trip counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameTrip {
    /// The one that arrived first.
    First,
}

/// A cycle of the calendar, in Shanghai's days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cycle {
    /// Any day ends one.
    Any,
    /// Every day that is over.
    Day,
    /// Every month that is over.
    Month,
}

impl Cycle {
    /// Whether a day is the last of a cycle that is over `today`.
    pub fn is_over(self, day: Day, today: Day) -> bool {
        match self {
            Self::Any => true,
            Self::Day => day < today,
            Self::Month => day < today && day == day.month().last_day(),
        }
    }
}

/// What becomes of open freezes when an account is closed (销户).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosingFreezes {
    /// The account is not closed before its orders have ended.
    Refuse,
    /// They are released as if the mall had cancelled, and end with all other points.
    Release,
}

impl Policy {
    /// How long after the behaviour anything can still happen to a record: as long its serial, its
    /// trip and its grams must be remembered.
    pub fn remembered_days(&self) -> u16 {
        self.acceptance_days.max(self.correction_days)
    }

    /// The daily cap of a scene, if it has one.
    pub fn daily_cap(&self, scene: &SceneCode) -> Option<Grams> {
        self.daily_caps.iter().find(|cap| cap.scene == *scene).map(|cap| cap.grams)
    }

    /// The monthly cap of a scene, if it has one.
    pub fn monthly_cap(&self, scene: &SceneCode) -> Option<Grams> {
        self.monthly_caps.iter().find(|cap| cap.scene == *scene).map(|cap| cap.grams)
    }
}
