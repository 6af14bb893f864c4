//! Batches as a partner assembles them: which citizens' records are in one, what each record says,
//! and what the rules demand of it. A record follows from seed, citizen and its place in time, so
//! that a batch can be written again word by word.

use anyhow::Context as _;
use carbon_protocol::behaviour::{Behaviour, Bike, Bus, ElectricCar, Electricity, Rail};
use carbon_protocol::contracts::z304::{SubmitRecord, SubmitRequest};
use carbon_protocol::{
    Ccid, Day, Grams, Label, Metres, Reason, SceneCode, Serial, Timestamp, WattHours,
};

use crate::demo::pricing;
use crate::demo::trips::{DemoScene, Measure};
use crate::load::book::OPENED;
use crate::load::citizens::scatter;
use crate::load::ground::Ground;

/// When trips of a day begin, minutes of the day: two rush hours, and little between. Two of them
/// lie farther apart than a trip is long.
const STARTS: [i64; 16] =
    [400, 420, 440, 460, 480, 500, 520, 545, 735, 800, 1020, 1040, 1060, 1080, 1105, 1290];
/// Longest trip, seconds.
const LONGEST_TRIP: u64 = 17 * 60;
/// Days that records are spread over.
const DAYS: u32 = 60;
/// Metres of the long metro trips that fill shoppers' purses before a run: 106 points each.
const LONG_TRIP: Metres = Metres(150_000);

/// A batch, as little as it takes to write it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its serial, and what the serials of its records begin with.
    pub serial: String,
    /// Its scene, by place.
    pub scene: usize,
    /// Whether its trips are the long ones.
    pub long: bool,
    /// Citizens, and the place in time of each one's record.
    pub rows: Vec<(u32, u32)>,
}

/// A row with what the rules demand.
pub struct Row {
    /// As it is sent.
    pub record: SubmitRecord,
    /// Why it must be refused, if it must.
    pub refused: Option<Reason>,
}

impl Batch {
    /// Draws a batch of a scene: citizens who have lit it, one after the other from a random one.
    pub fn draw(ground: &Ground, serial: String, scene: usize, from: u64) -> Self {
        let mut rows = Vec::with_capacity(ground.scenario.partners.batch_rows.into());
        let people = &ground.people;
        let suits = |no: u32| {
            ground.book.is(no, OPENED)
                && people.lights(no).any(|lit| lit == scene)
                && !people.revokes(no)
        };
        let mut at = from % u64::from(people.settled.max(1));
        for _ in 0..ground.scenario.partners.batch_rows {
            let Some(no) = people.next(at, suits) else { break };
            rows.push((no, ground.book.next_record(no)));
            at = u64::from(no) + 1;
        }
        Self { serial, scene, long: false, rows }
    }

    /// The rows in full.
    pub fn write(&self, ground: &Ground) -> anyhow::Result<Vec<Row>> {
        let scene = ground.scene(self.scene)?;
        let partner = ground.partner(scene.app);
        let mut rows = Vec::with_capacity(self.rows.len());
        for (place, (no, record)) in self.rows.iter().enumerate() {
            let drawn = scatter(ground.people.draw(*no, 20) ^ u64::from(*record));
            let (behaviour, dictionary) = self.behaviour(ground, scene, *no, *record, drawn)?;
            let grams = pricing::grams(&scene.methodology, &behaviour, dictionary);
            let mut row = Row {
                record: SubmitRecord {
                    serial: Serial::parse(&format!("{}-{place}", self.serial))?,
                    ccid: ground.people.ccid(*no, partner)?,
                    scene: scene.code.clone(),
                    behaviour,
                    reduction_grams: grams.context("a scene that prices something else")?,
                    corrects: None,
                },
                refused: None,
            };
            let wrong = (drawn >> 20) % 1000;
            if !self.long && wrong < u64::from(ground.scenario.partners.wrong_rows_permille) {
                spoil(&mut row, drawn)?;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// What is sent.
    pub fn request(&self, rows: &[Row]) -> anyhow::Result<SubmitRequest> {
        Ok(SubmitRequest {
            batch_serial: Serial::parse(&self.serial)?,
            records: rows.iter().map(|row| row.record.clone()).collect(),
            voids: Vec::new(),
        })
    }

    fn behaviour(
        &self,
        ground: &Ground,
        scene: &DemoScene,
        no: u32,
        record: u32,
        drawn: u64,
    ) -> anyhow::Result<(Behaviour, Option<Metres>)> {
        let (start, end) = span(ground.first_day, no, record, drawn);
        let metres = Metres(1_000 + drawn % 1_400);
        let order = || Label::parse(&format!("o-{}-{no}-{record}", self.serial));
        let mut dictionary = None;
        let behaviour = match scene.measure {
            Measure::Rail => {
                let pick = (drawn >> 8) as usize % scene.stations.len().max(1);
                let pair = scene.stations.get(pick).context("an empty distance dictionary")?;
                dictionary = Some(pair.2);
                let own = if self.long { Some(LONG_TRIP) } else { None };
                Behaviour::Rail(Rail {
                    in_station: pair.0.clone(),
                    out_station: pair.1.clone(),
                    in_time: start,
                    out_time: end,
                    // Every other trip leaves the distance to the platform's dictionary.
                    mileage_metres: own.or((drawn & 1 == 0).then_some(Metres(metres.0 * 4))),
                })
            }
            Measure::Bus => Behaviour::Bus(Bus {
                line: Label::parse(&format!("line-{}", drawn % 90))?,
                boarding_time: start,
                order_no: order()?,
            }),
            Measure::Bike => Behaviour::Bike(Bike {
                start_time: start,
                end_time: end,
                // Nobody rides faster than the methodology takes for a bike.
                distance_metres: metres.min(Metres(ride_metres(start, end))),
                order_no: order()?,
            }),
            Measure::Car => {
                // A car is reported once a day: after two months of it comes the next car.
                let day = ground.first_day.plus((record % DAYS) as i32);
                let car = format!("v-{}-{no}-{}", ground.mark, record / DAYS);
                Behaviour::ElectricCar(ElectricCar {
                    vehicle_hash: Label::parse(&car)?,
                    period_start: day,
                    period_end: day,
                    distance_metres: Metres(metres.0 * 20),
                    energy_wh: WattHours(metres.0 * 3),
                })
            }
            Measure::Home => {
                // The first month that begins after the run: all of it the scene is lit.
                let household = format!("h-{}-{no}-{record}", ground.mark);
                let used = WattHours(60_000 + drawn % 60_000);
                Behaviour::Electricity(Electricity {
                    household_hash: Label::parse(&household)?,
                    month: ground.first_day.plus(-1).month().plus(1),
                    peak_wh: used,
                    valley_wh: WattHours(used.0 / 2),
                    baseline_wh: WattHours(200_000),
                    tier: 1 + (drawn >> 16 & 1) as u8,
                    has_pv: false,
                })
            }
        };
        Ok((behaviour, dictionary))
    }
}

/// When a citizen's record was: each has a place of its own.
fn span(first: Day, no: u32, record: u32, drawn: u64) -> (Timestamp, Timestamp) {
    let places = STARTS.len() as u32;
    let (day, place) = (record / places % DAYS, (record + no) % places);
    // Below 60 and below 16.
    let start = first.plus(day as i32).start().plus_seconds(STARTS[place as usize] * 60);
    let seconds = 300 + (drawn >> 32) % (LONGEST_TRIP - 300);
    (start, start.plus_seconds(i64::try_from(seconds).unwrap_or(300)))
}

/// Metres of a bike ride at a steady 6 m/s.
fn ride_metres(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from((end.0 - start.0) / 1000 * 6).unwrap_or(0)
}

/// Makes a row wrong in one of three ways that are known at once.
fn spoil(row: &mut Row, drawn: u64) -> anyhow::Result<()> {
    let record = &mut row.record;
    row.refused = Some(match (drawn >> 40) % 3 {
        0 => {
            record.reduction_grams = Grams(record.reduction_grams.0 + 501);
            Reason::GramsMismatch
        }
        1 => {
            record.ccid = Ccid::parse(&format!("did:shcc:nobody-{drawn:016x}"))?;
            Reason::UnknownCcid
        }
        _ => {
            record.scene = SceneCode::parse("no-such-scene")?;
            Reason::UnknownScene
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::citizens::RECORDS_EACH;

    #[test]
    fn no_two_records_of_a_citizen_are_at_the_same_time() {
        let mut spans: Vec<_> =
            (0..RECORDS_EACH).map(|record| span(Day(20_000), 7, record, u64::MAX)).collect();
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert_eq!(RECORDS_EACH, DAYS * STARTS.len() as u32);
    }
}
