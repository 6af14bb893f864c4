//! A synthetic day of trips, in rows as partners send them, some deliberately wrong, each with the
//! verdict that the rules demand.
//!
//! The day is tomorrow: a trip counts only while its scene is lit, and the citizens light their
//! scenes a moment ago. The demo's policy therefore lets partners' clocks run two days ahead.

use carbon_protocol::behaviour::{Behaviour, Bike, Bus, ElectricCar, Rail};
use carbon_protocol::methodology::Methodology;
use carbon_protocol::policy::Policy;
use carbon_protocol::{Day, Grams, Label, Metres, Reason, SceneCode, Timestamp, WattHours};
use rand::Rng;
use rand::rngs::StdRng;

use super::book::Fate;
use super::pricing;

/// What a scene measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Metro trips.
    Rail,
    /// Bus rides.
    Bus,
    /// Shared-bike rides.
    Bike,
    /// Days of an electric car.
    Car,
    /// Months of a household's electricity.
    Home,
}

/// A scene that the demo's citizens light, with all that its rows need.
#[derive(Debug, Clone)]
pub struct DemoScene {
    /// Place of the application in the demo's list.
    pub app: usize,
    /// The scene's code.
    pub code: SceneCode,
    /// What it measures.
    pub measure: Measure,
    /// What prices it.
    pub methodology: Methodology,
    /// Grams a citizen and day, where policy caps it.
    pub daily_cap: Option<Grams>,
    /// Station pairs of the distance dictionary, for trips without a mileage.
    pub stations: Vec<(Label, Label, Metres)>,
}

/// A row on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The record's serial.
    pub serial: String,
    /// Whose; none for a pseudonym that nobody has.
    pub citizen: Option<usize>,
    /// The pseudonym it is sent under.
    pub ccid: String,
    /// The scene's code.
    pub scene: SceneCode,
    /// What was done.
    pub behaviour: Behaviour,
    /// Grams the partner claims.
    pub claimed: Grams,
    /// What should become of it.
    pub fate: Fate,
}

/// What may be wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// More grams than the behaviour is worth.
    Grams,
    /// From before the scene was lit.
    BeforeLit,
    /// Further ahead than the tolerance.
    Future,
    /// Older than is accepted.
    TooOld,
    /// Under a pseudonym that nobody has.
    Stranger,
    /// For a scene that nobody declared.
    NoScene,
}

impl Wrong {
    /// All of them, in the order they are dealt.
    pub const ALL: [Self; 6] =
        [Self::Grams, Self::BeforeLit, Self::Future, Self::TooOld, Self::Stranger, Self::NoScene];

    /// The reason the rules demand.
    pub fn reason(self) -> Reason {
        match self {
            Self::Grams => Reason::GramsMismatch,
            Self::BeforeLit => Reason::SceneNotLit,
            Self::Future => Reason::InFuture,
            Self::TooOld => Reason::TooOld,
            Self::Stranger => Reason::UnknownCcid,
            Self::NoScene => Reason::UnknownScene,
        }
    }
}

/// The day's plan: dice, dates and the policy that judges.
pub struct Planner<'p> {
    /// Drawn from in a fixed order.
    pub dice: &'p mut StdRng,
    /// The synthetic day.
    pub day: Day,
    /// The policy in force.
    pub policy: &'p Policy,
}

/// A citizen's pseudonym towards the application that a row is sent by.
#[derive(Debug, Clone, Copy)]
pub struct Under<'c> {
    /// Place in the population.
    pub citizen: usize,
    /// The pseudonym.
    pub ccid: &'c str,
}

impl Planner<'_> {
    /// A citizen's good rows on one scene, in order; `hour` is when the first one begins. Caps cut
    /// the last ones.
    pub fn good(
        &mut self,
        scene: &DemoScene,
        who: Under<'_>,
        trips: usize,
        hour: usize,
    ) -> Vec<Row> {
        // A car is reported once a day.
        let trips = if scene.measure == Measure::Car { 1 } else { trips };
        let mut left = scene.daily_cap;
        let mut rows = Vec::with_capacity(trips);
        for trip in 0..trips {
            let start = self.day.start().plus_seconds(((hour + trip) * 3600) as i64);
            let serial = format!("r-{}-{}-{trip}", scene.code, who.citizen);
            let Some(mut row) = self.row(scene, who, serial, start) else { continue };
            if let Some(left) = &mut left {
                let grams = row.claimed.min(*left);
                *left = left.saturating_sub(grams);
                row.fate = if grams.is_zero() && !row.claimed.is_zero() {
                    Fate::Refused(Reason::DailyCapReached)
                } else {
                    Fate::Accepted(grams)
                };
            }
            rows.push(row);
        }
        rows
    }

    /// A row that is wrong in one way.
    pub fn wrong(&mut self, scene: &DemoScene, who: Under<'_>, wrong: Wrong) -> Option<Row> {
        let noon = |day: Day| day.start().plus_seconds(12 * 3600);
        let start = match wrong {
            Wrong::BeforeLit => noon(self.day.plus(-2)),
            Wrong::Future => noon(self.day.plus(30)),
            Wrong::TooOld => noon(self.day.plus(-i32::from(self.policy.acceptance_days) - 30)),
            Wrong::Grams | Wrong::Stranger | Wrong::NoScene => noon(self.day).plus_seconds(36_000),
        };
        let name = format!("{wrong:?}").to_lowercase();
        let serial = format!("w-{}-{}-{name}", scene.code, who.citizen);
        let mut row = self.row(scene, who, serial, start)?;
        match wrong {
            Wrong::Grams => row.claimed = Grams(row.claimed.0 + self.policy.grams_tolerance + 500),
            Wrong::Stranger => {
                row.citizen = None;
                row.ccid = format!("did:sub:nobody-{:08x}", self.dice.random::<u32>());
            }
            Wrong::NoScene => row.scene = SceneCode::parse("no-such-scene").ok()?,
            Wrong::BeforeLit | Wrong::Future | Wrong::TooOld => {}
        }
        row.fate = Fate::Refused(wrong.reason());
        Some(row)
    }

    /// A row on a scene that its citizen has revoked before the behaviour.
    pub fn revoked(&mut self, scene: &DemoScene, who: Under<'_>) -> Option<Row> {
        let start = self.day.start().plus_seconds(21 * 3600);
        let serial = format!("v-{}-{}", scene.code, who.citizen);
        let mut row = self.row(scene, who, serial, start)?;
        if let Behaviour::ElectricCar(car) = &mut row.behaviour {
            // Another car: that of the day is claimed, which would be the first thing wrong.
            car.vehicle_hash = Label::parse(&format!("other-{}", car.vehicle_hash)).ok()?;
        }
        row.fate = Fate::Refused(Reason::SceneNotLit);
        Some(row)
    }

    fn row(
        &mut self,
        scene: &DemoScene,
        who: Under<'_>,
        serial: String,
        start: Timestamp,
    ) -> Option<Row> {
        let (behaviour, dictionary) = self.behaviour(scene, who.citizen, &serial, start)?;
        let claimed = pricing::grams(&scene.methodology, &behaviour, dictionary)?;
        Some(Row {
            serial,
            citizen: Some(who.citizen),
            ccid: who.ccid.to_owned(),
            scene: scene.code.clone(),
            behaviour,
            claimed,
            fate: Fate::Accepted(claimed),
        })
    }

    fn behaviour(
        &mut self,
        scene: &DemoScene,
        citizen: usize,
        serial: &str,
        start: Timestamp,
    ) -> Option<(Behaviour, Option<Metres>)> {
        let minutes = self.dice.random_range(8..40_i64);
        let end = start.plus_seconds(minutes * 60);
        let metres = Metres(self.dice.random_range(1_000..2_400_u64));
        let order_no = Label::parse(&format!("o-{serial}")).ok()?;
        let mut dictionary = None;
        let behaviour = match scene.measure {
            Measure::Rail => {
                let pick = (self.dice.random::<u32>() as usize).checked_rem(scene.stations.len());
                let (in_station, out_station, distance) = scene.stations.get(pick?)?.clone();
                // Every other trip leaves the distance to the platform's dictionary.
                let own = self.dice.random_bool(0.5);
                let mileage_metres = own.then_some(Metres(metres.0 * 4));
                dictionary = Some(distance);
                Behaviour::Rail(Rail {
                    in_station,
                    out_station,
                    in_time: start,
                    out_time: end,
                    mileage_metres,
                })
            }
            Measure::Bus => {
                let line = Label::parse(&format!("line-{}", metres.0 % 90)).ok()?;
                Behaviour::Bus(Bus { line, boarding_time: start, order_no })
            }
            Measure::Bike => Behaviour::Bike(Bike {
                start_time: start,
                end_time: end,
                distance_metres: metres,
                order_no,
            }),
            Measure::Car => {
                let day = start.day();
                Behaviour::ElectricCar(ElectricCar {
                    vehicle_hash: Label::parse(&format!("vehicle-{citizen}")).ok()?,
                    period_start: day,
                    period_end: day,
                    distance_metres: Metres(metres.0 * 20),
                    energy_wh: WattHours(metres.0 * 3),
                })
            }
            // No month ends in the demo's one day.
            Measure::Home => return None,
        };
        Some((behaviour, dictionary))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use carbon_protocol::MethodologyId;
    use carbon_protocol::methodology::Formula;
    use carbon_protocol::policy::{ClosingFreezes, Cycle, SameTrip};
    use rand::SeedableRng;
    use rust_decimal::Decimal;

    pub(crate) fn policy() -> Policy {
        Policy {
            version: 1,
            effective: Day(0),
            source: "test".into(),
            verified: false,
            grams_per_point: 100,
            points_months: 12,
            refund_lot_days: 30,
            acceptance_days: 30,
            correction_days: 30,
            future_tolerance_seconds: 172_800,
            grams_tolerance: 1,
            freeze_seconds: 900,
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

    fn buses(daily_cap: Option<Grams>) -> DemoScene {
        DemoScene {
            app: 0,
            code: SceneCode::parse("bus").unwrap(),
            measure: Measure::Bus,
            methodology: Methodology {
                id: MethodologyId::parse("M").unwrap(),
                title: String::new(),
                version: 1,
                effective: Day(0),
                source: String::new(),
                verified: false,
                formula: Formula::Bus { g_per_ride: Decimal::from(200) },
            },
            daily_cap,
            stations: Vec::new(),
        }
    }

    #[test]
    fn a_cap_cuts_the_third_ride_and_refuses_the_fourth() {
        let (mut dice, policy) = (StdRng::seed_from_u64(1), policy());
        let mut planner = Planner { dice: &mut dice, day: Day(20_000), policy: &policy };
        let who = Under { citizen: 3, ccid: "c" };
        let rows = planner.good(&buses(Some(Grams(500))), who, 4, 6);
        let fates: Vec<Fate> = rows.iter().map(|row| row.fate).collect();
        assert_eq!(
            fates,
            [
                Fate::Accepted(Grams(200)),
                Fate::Accepted(Grams(200)),
                Fate::Accepted(Grams(100)),
                Fate::Refused(Reason::DailyCapReached)
            ]
        );
        assert!(
            rows.iter().all(|row| row.claimed == Grams(200) && row.behaviour.day().0 == 20_000)
        );
    }

    #[test]
    fn a_wrong_row_is_wrong_in_the_way_it_says() {
        let (mut dice, policy) = (StdRng::seed_from_u64(1), policy());
        let mut planner = Planner { dice: &mut dice, day: Day(20_000), policy: &policy };
        let who = Under { citizen: 3, ccid: "c" };
        for wrong in Wrong::ALL {
            let row = planner.wrong(&buses(None), who, wrong).unwrap();
            assert_eq!(row.fate, Fate::Refused(wrong.reason()));
            let day = row.behaviour.day().0;
            match wrong {
                Wrong::Grams => assert_eq!(row.claimed, Grams(701)),
                Wrong::BeforeLit => assert!(day < 20_000 - 1),
                Wrong::Future => assert!(day > 20_010),
                Wrong::TooOld => assert!(day < 20_000 - 40),
                Wrong::Stranger => assert_ne!(row.ccid, "c"),
                Wrong::NoScene => assert_eq!(row.scene.as_str(), "no-such-scene"),
            }
        }
    }
}
