//! A partner's raw data (C201): what it collected behind the records that it submitted, and what a
//! liar makes of it.

use std::collections::{HashMap, VecDeque};

use carbon_protocol::behaviour::Behaviour;
use carbon_protocol::contracts::c201::{self, RawRecord};
use carbon_protocol::contracts::z304::SubmitRecord;
use carbon_protocol::{Metres, Serial, WattHours};

/// Records that are kept; the oldest go first.
const KEPT: usize = 200_000;

/// What was collected, by serial.
#[derive(Default)]
pub struct RawData {
    records: HashMap<Serial, RawRecord>,
    order: VecDeque<Serial>,
}

impl RawData {
    /// Keeps what is behind a record. Sent again, it is what it was.
    pub fn collect(&mut self, record: &SubmitRecord) {
        let raw = RawRecord {
            serial: record.serial.clone(),
            ccid: record.ccid.clone(),
            behaviour: record.behaviour.clone(),
        };
        if self.records.contains_key(&raw.serial) {
            return;
        }
        self.order.push_back(raw.serial.clone());
        self.records.insert(raw.serial.clone(), raw);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.records.remove(&oldest);
        }
    }

    /// What C201 answers; `lies` says of which records it is not the truth.
    pub fn tell(&self, serials: &[Serial], lies: impl Fn(&str) -> bool) -> c201::RawData {
        let told = |serial: &Serial| {
            let mut record = self.records.get(serial)?.clone();
            if lies(serial.as_str()) {
                bend(&mut record.behaviour);
            }
            Some(record)
        };
        c201::RawData { records: serials.iter().filter_map(told).collect() }
    }
}

/// Makes another behaviour of it: a longer way, a later hour.
fn bend(behaviour: &mut Behaviour) {
    let longer = |metres: Metres| metres.saturating_add(Metres(777));
    let more = |energy: WattHours| energy.saturating_add(WattHours(777));
    match behaviour {
        Behaviour::Rail(trip) => {
            trip.mileage_metres = Some(longer(trip.mileage_metres.unwrap_or_default()));
        }
        Behaviour::Bus(ride) => ride.boarding_time = ride.boarding_time.plus_seconds(1),
        Behaviour::Bike(ride) => ride.distance_metres = longer(ride.distance_metres),
        Behaviour::ElectricCar(car) => car.distance_metres = longer(car.distance_metres),
        Behaviour::Electricity(home) => home.peak_wh = more(home.peak_wh),
        Behaviour::Photovoltaic(project) => project.generated_wh = more(project.generated_wh),
    }
}

#[cfg(test)]
mod tests {
    use carbon_protocol::behaviour::Bus;
    use carbon_protocol::{Ccid, Grams, Label, SceneCode, Timestamp};

    use super::*;

    fn record(serial: &str, line: &str) -> SubmitRecord {
        let label = |text: &str| Label::parse(text).unwrap();
        SubmitRecord {
            serial: Serial::parse(serial).unwrap(),
            ccid: Ccid::parse("c").unwrap(),
            scene: SceneCode::parse("bus").unwrap(),
            behaviour: Behaviour::Bus(Bus {
                line: label(line),
                boarding_time: Timestamp(0),
                order_no: label("o"),
            }),
            reduction_grams: Grams(212),
            corrects: None,
        }
    }

    #[test]
    fn what_was_collected_is_told_and_a_liar_tells_something_else() {
        let mut raw = RawData::default();
        for (serial, line) in [("r-1", "71"), ("r-2", "72"), ("r-1", "99")] {
            raw.collect(&record(serial, line));
        }
        let serials = ["r-1", "r-2", "r-3"].map(|serial| Serial::parse(serial).unwrap());
        let told = raw.tell(&serials, |serial| serial == "r-2").records;
        assert_eq!(told.len(), 2, "there is none of r-3");
        assert_eq!(told[0].behaviour, record("r-1", "71").behaviour, "the first stays");
        assert_ne!(told[1].behaviour, record("r-2", "72").behaviour);
    }
}
