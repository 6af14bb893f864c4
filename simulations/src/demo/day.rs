//! The day as it is sent: every application's batches, in waves, with rows that are wrong, that
//! repeat others, or that another application has sent already.

use carbon_protocol::policy::Policy;
use carbon_protocol::{Day, Grams, Reason};
use rand::rngs::StdRng;

use super::book::{BatchEntry, Book, Fate, RowEntry};
use super::population::Citizen;
use super::trips::{DemoScene, Measure, Planner, Row, Under, Wrong};

/// Every so many citizens, one sends a wrong row.
const WRONG_EVERY: usize = 5;
/// Every so many citizens with a car, somebody reports it a second time.
const SAME_CAR_EVERY: usize = 4;

/// A batch on its way.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The application, by its place in the demo's list.
    pub app: usize,
    /// Its serial.
    pub serial: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// What all plans need.
pub struct Plans<'p> {
    /// The scenes that citizens light.
    pub scenes: &'p [DemoScene],
    /// The citizens.
    pub citizens: &'p [Citizen],
    /// The synthetic day.
    pub day: Day,
    /// The policy in force.
    pub policy: &'p Policy,
    /// Rows of a batch at most.
    pub batch_rows: usize,
}

/// Two rows that tell of one trip: the application and serial of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twice {
    /// The report that came first.
    pub first: (usize, String),
    /// The one of the other route.
    pub second: (usize, String),
}

impl Plans<'_> {
    fn under<'b>(&self, book: &'b Book, citizen: usize, app: usize) -> Option<Under<'b>> {
        let link = book.pages.get(citizen)?.links.get(&app)?;
        (!link.ccid.is_empty()).then_some(Under { citizen, ccid: &link.ccid })
    }

    /// The first wave: what everybody did, and what is wrong in itself.
    pub fn first_wave(&self, dice: &mut StdRng, book: &Book) -> Vec<Outgoing> {
        let apps = self.scenes.iter().map(|scene| scene.app + 1).max().unwrap_or(0);
        let mut rows: Vec<Vec<Row>> = vec![Vec::new(); apps];
        let mut planner = Planner { dice, day: self.day, policy: self.policy };
        for citizen in self.citizens {
            for (slot, scene) in citizen.lights.iter().enumerate() {
                let Some(scene) = self.scenes.get(*scene) else { continue };
                let Some(who) = self.under(book, citizen.no, scene.app) else { continue };
                // Each scene has its own hours: only what is meant to overlap does.
                rows[scene.app].extend(planner.good(scene, who, citizen.trips, 5 + 4 * slot));
                if slot == 0 && citizen.no % WRONG_EVERY == 1 {
                    let wrong = Wrong::ALL[citizen.no / WRONG_EVERY % Wrong::ALL.len()];
                    rows[scene.app].extend(planner.wrong(scene, who, wrong));
                }
            }
        }
        let mut batches = Vec::new();
        for (app, rows) in rows.into_iter().enumerate() {
            for (number, rows) in rows.chunks(self.batch_rows.max(2) - 1).enumerate() {
                let mut rows = rows.to_vec();
                // The first row once more in the same batch.
                if let Some(again) = rows.first().cloned() {
                    let fate = Fate::Refused(Reason::Duplicate);
                    rows.push(Row { fate, ..again });
                }
                batches.push(Outgoing { app, serial: format!("day-{app}-{number}"), rows });
            }
        }
        batches
    }

    /// The second wave, when the first is decided: rows sent again, rows under a serial of another
    /// content, cars that were reported, trips that the other route has reported.
    pub fn second_wave(&self, book: &Book, first: &[Outgoing]) -> (Vec<Outgoing>, Vec<Twice>) {
        let mut batches: Vec<Outgoing> = Vec::new();
        let mut add = |app: usize, row: Row| match batches.iter_mut().find(|b| b.app == app) {
            Some(batch) => batch.rows.push(row),
            None => {
                let serial = format!("again-{app}-0");
                batches.push(Outgoing { app, serial, rows: vec![row] });
            }
        };
        for batch in first {
            let good =
                |row: &&Row| matches!(row.fate, Fate::Accepted(grams) if grams == row.claimed);
            let mut good = batch.rows.iter().filter(good);
            if let Some(row) = good.next() {
                add(batch.app, Row { fate: Fate::Replayed, ..row.clone() });
            }
            if let Some(row) = good.next() {
                let claimed = Grams(row.claimed.0 + 1);
                let fate = Fate::Refused(Reason::SerialConflict);
                add(batch.app, Row { fate, claimed, ..row.clone() });
            }
        }
        let cars = self.scenes.iter().filter(|scene| scene.measure == Measure::Car);
        for car in cars {
            let reported = first.iter().flat_map(|batch| &batch.rows);
            let reported = reported
                .filter(|row| row.scene == car.code && matches!(row.fate, Fate::Accepted(_)));
            for row in reported.step_by(SAME_CAR_EVERY) {
                let serial = format!("car-{}", row.serial);
                let fate = Fate::Refused(Reason::ResourceClaimed);
                add(car.app, Row { serial, fate, ..row.clone() });
            }
        }
        let twice = self.twice(book, first);
        let pairs = twice
            .iter()
            .map(|(app, first, row)| Twice {
                first: first.clone(),
                second: (*app, row.serial.clone()),
            })
            .collect();
        for (app, _, row) in twice {
            add(app, row);
        }
        let batches = batches.into_iter().flat_map(|batch| self.split(batch)).collect();
        (batches, pairs)
    }

    fn split(&self, batch: Outgoing) -> Vec<Outgoing> {
        let part = |(number, rows): (usize, &[Row])| Outgoing {
            app: batch.app,
            serial: format!("again-{}-{number}", batch.app),
            rows: rows.to_vec(),
        };
        batch.rows.chunks(self.batch_rows.max(1)).enumerate().map(part).collect()
    }

    /// Trips of citizens who lit two routes of one kind: the second route reports one again.
    fn twice(&self, book: &Book, first: &[Outgoing]) -> Vec<(usize, (usize, String), Row)> {
        let mut found = Vec::new();
        for citizen in self.citizens {
            let lit: Vec<&DemoScene> =
                citizen.lights.iter().filter_map(|scene| self.scenes.get(*scene)).collect();
            let pair = lit.iter().enumerate().find_map(|(at, one)| {
                let same =
                    |other: &&&DemoScene| other.measure == one.measure && other.app != one.app;
                lit[at + 1..].iter().find(same).map(|other| (*one, *other))
            });
            let Some((one, other)) = pair else { continue };
            let Some(who) = self.under(book, citizen.no, other.app) else { continue };
            let of_citizen = |row: &&Row| {
                row.citizen == Some(citizen.no)
                    && row.scene == one.code
                    && matches!(row.fate, Fate::Accepted(_))
            };
            let sent = first.iter().filter(|batch| batch.app == one.app);
            if let Some(row) = sent.flat_map(|batch| &batch.rows).find(of_citizen) {
                let second = Row {
                    serial: format!("t-{}", row.serial),
                    ccid: who.ccid.to_owned(),
                    scene: other.code.clone(),
                    fate: Fate::Refused(Reason::TripAlreadyReported),
                    ..row.clone()
                };
                found.push((other.app, (one.app, row.serial.clone()), second));
            }
        }
        found
    }

    /// The last wave: behaviour of after the revoking.
    pub fn after_revoking(&self, dice: &mut StdRng, book: &Book) -> Vec<Outgoing> {
        let mut planner = Planner { dice, day: self.day, policy: self.policy };
        let mut batches: Vec<Outgoing> = Vec::new();
        for citizen in self.citizens.iter().filter(|citizen| citizen.revokes) {
            let scene = citizen.lights.first().and_then(|scene| self.scenes.get(*scene));
            let Some(scene) = scene else { continue };
            let Some(who) = self.under(book, citizen.no, scene.app) else { continue };
            let Some(row) = planner.revoked(scene, who) else { continue };
            match batches.iter_mut().find(|batch| batch.app == scene.app) {
                Some(batch) => batch.rows.push(row),
                None => {
                    let serial = format!("late-{}", scene.app);
                    batches.push(Outgoing { app: scene.app, serial, rows: vec![row] });
                }
            }
        }
        batches
    }
}

/// Whether a refusal is made by the account, after the receipt: such a one is owed as a push.
pub fn is_decided_later(reason: Reason) -> bool {
    matches!(reason, Reason::SceneNotLit | Reason::DailyCapReached | Reason::TripAlreadyReported)
}

/// Enters a batch that was acknowledged.
pub fn enter(book: &mut Book, day: Day, batch: &Outgoing) {
    for row in &batch.rows {
        let Some(page) = row.citizen.and_then(|citizen| book.pages.get_mut(citizen)) else {
            continue;
        };
        match row.fate {
            Fate::Accepted(grams) => page.accept(batch.app, row.scene.as_str(), grams),
            Fate::Refused(reason) if is_decided_later(reason) => page.refuse_later(batch.app),
            _ => {}
        }
    }
    let rows = batch.rows.iter().map(|row| RowEntry {
        serial: row.serial.clone(),
        citizen: row.citizen,
        app: batch.app,
        scene: row.scene.as_str().to_owned(),
        day,
        fate: row.fate,
    });
    let (serial, app) = (batch.serial.clone(), batch.app);
    book.batches.push(BatchEntry { serial, app, rows: rows.collect() });
}

/// The records that the operator leaves out: every so many of those accepted.
pub fn exclusions(book: &Book, every: usize) -> Vec<(usize, String)> {
    let accepted = book.rows().filter(|row| matches!(row.fate, Fate::Accepted(_)));
    let chosen = accepted.skip(every / 2).step_by(every.max(1));
    chosen.map(|row| (row.app, row.serial.clone())).collect()
}

/// A run has passed everybody: what was accepted is issued, but for what was left out.
pub fn issue(book: &mut Book, excluded: &[(usize, String)], grams_per_point: u64) {
    let mut records: Vec<Vec<(usize, String, Grams, bool)>> = vec![Vec::new(); book.pages.len()];
    for row in book.batches.iter_mut().flat_map(|batch| &mut batch.rows) {
        let (Fate::Accepted(grams), Some(citizen)) = (row.fate, row.citizen) else { continue };
        let out = excluded.iter().any(|(app, serial)| *app == row.app && *serial == row.serial);
        row.fate = if out { Fate::Excluded(grams) } else { Fate::Issued(grams) };
        records[citizen].push((row.app, row.scene.clone(), grams, out));
    }
    for (page, records) in book.pages.iter_mut().zip(records) {
        if !records.is_empty() {
            page.issue(&records, grams_per_point);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carbon_protocol::methodology::{Formula, Methodology};
    use carbon_protocol::{MethodologyId, SceneCode};
    use rand::SeedableRng;

    use super::*;
    use crate::demo::book::Place;
    use crate::demo::population::population;
    use crate::demo::trips::tests::policy;

    fn scene(app: usize, code: &str, measure: Measure, formula: Formula) -> DemoScene {
        DemoScene {
            app,
            code: SceneCode::parse(code).unwrap(),
            measure,
            methodology: Methodology {
                id: MethodologyId::parse(code).unwrap(),
                title: String::new(),
                version: 1,
                effective: Day(0),
                source: String::new(),
                verified: false,
                formula,
            },
            daily_cap: None,
            stations: Vec::new(),
        }
    }

    fn scenes() -> Vec<DemoScene> {
        let bus = || Formula::Bus { g_per_ride: 212.into() };
        let car = Formula::ElectricCar {
            fuel_g_per_km: 210.into(),
            grid_g_per_kwh: 420.into(),
            max_metres_per_day: 1_000_000,
        };
        vec![
            scene(0, "bus-card", Measure::Bus, bus()),
            scene(1, "bus-app", Measure::Bus, bus()),
            scene(2, "car", Measure::Car, car),
        ]
    }

    #[test]
    fn a_day_has_every_kind_of_row_and_the_book_sums_up() {
        let (scenes, policy) = (scenes(), policy());
        let citizens = population(200, 5, scenes.len());
        let mut book = Book::new(citizens.len());
        for citizen in &citizens {
            for scene in &citizen.lights {
                let link = book.pages[citizen.no].links.entry(scenes[*scene].app).or_default();
                link.ccid = format!("ccid-{}-{scene}", citizen.no);
            }
        }
        let plans = Plans {
            scenes: &scenes,
            citizens: &citizens,
            day: Day(20_000),
            policy: &policy,
            batch_rows: 100,
        };
        let mut dice = StdRng::seed_from_u64(1);
        let first = plans.first_wave(&mut dice, &book);
        for batch in &first {
            enter(&mut book, plans.day, batch);
        }
        let (second, twice) = plans.second_wave(&book, &first);
        for batch in &second {
            enter(&mut book, plans.day, batch);
        }
        assert!(!twice.is_empty());
        assert!(first.iter().chain(&second).all(|batch| batch.rows.len() <= 100));
        let refused: BTreeSet<Reason> = book
            .rows()
            .filter_map(|row| match row.fate {
                Fate::Refused(reason) => Some(reason),
                _ => None,
            })
            .collect();
        for reason in [
            Reason::Duplicate,
            Reason::SerialConflict,
            Reason::ResourceClaimed,
            Reason::TripAlreadyReported,
            Reason::GramsMismatch,
            Reason::SceneNotLit,
            Reason::InFuture,
            Reason::TooOld,
            Reason::UnknownCcid,
            Reason::UnknownScene,
        ] {
            assert!(refused.contains(&reason), "no row is refused for {reason:?}");
        }
        assert!(book.rows().any(|row| row.fate == Fate::Replayed));
        let excluded = exclusions(&book, 20);
        issue(&mut book, &excluded, 100);
        let out = book.rows().filter(|row| matches!(row.fate, Fate::Excluded(_))).count();
        assert_eq!(out, excluded.len());
        let issued: u64 = book
            .rows()
            .map(|row| if let Fate::Issued(grams) = row.fate { grams.0 } else { 0 })
            .sum();
        let booked: u64 = book.pages.iter().map(|page| page.grams.gained(Place::Issued)).sum();
        assert_eq!(issued, booked);
        assert!(book.pages.iter().all(|page| page.grams.at(Place::Pending) == 0));
    }
}
