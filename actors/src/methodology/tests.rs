//! Tests of the methodologies: tables with the sums worked out by hand, limits from both sides, and
//! the dictionary's text.

use carbon_protocol::behaviour::{
    Behaviour, Bike, Bus, ElectricCar, Electricity, Photovoltaic, Rail,
};
use carbon_protocol::methodology::{Formula, Methodology};
use carbon_protocol::{Day, Label, MethodologyId, Metres, Reason, Timestamp, WattHours};
use rust_decimal::Decimal;

use super::*;

const SECOND: i64 = 1000;
const TEXT: &str = "# ours\nstation_a,station_b,metres\nE01,E02,1300\nE02,N01,1500\nN01,E01,2800\n";

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

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

fn rail_by(baseline: &str, project: &str) -> Methodology {
    methodology(Formula::Rail {
        baseline_g_per_km: dec(baseline),
        project_g_per_km: dec(project),
        max_metres: 100_000,
        max_seconds: 14_400,
    })
}

fn bike() -> Methodology {
    methodology(Formula::Bike {
        baseline_g_per_km: dec("106"),
        project_g_per_km: dec("9"),
        min_metres: 100,
        max_metres: 30_000,
        max_metres_per_second: dec("6.5"),
    })
}

fn bus(grams: &str) -> Methodology {
    methodology(Formula::Bus { g_per_ride: dec(grams) })
}

fn car() -> Methodology {
    methodology(Formula::ElectricCar {
        fuel_g_per_km: dec("210"),
        grid_g_per_kwh: dec("420"),
        max_metres_per_day: 1_000_000,
    })
}

fn electricity() -> Methodology {
    methodology(Formula::Electricity { grid_g_per_kwh: dec("420"), excluded_from_tier: 3 })
}

fn photovoltaic() -> Methodology {
    methodology(Formula::Photovoltaic { grid_g_per_kwh: dec("420"), max_capacity_watts: 1_000_000 })
}

fn trip(from: &str, to: &str, ms: i64, mileage: Option<u64>) -> Behaviour {
    Behaviour::Rail(Rail {
        in_station: label(from),
        out_station: label(to),
        in_time: Timestamp(1_000_000),
        out_time: Timestamp(1_000_000 + ms),
        mileage_metres: mileage.map(Metres),
    })
}

fn far(metres: u64) -> Behaviour {
    trip("X", "Y", 1800 * SECOND, Some(metres))
}

fn ride(metres: u64, ms: i64) -> Behaviour {
    Behaviour::Bike(Bike {
        start_time: Timestamp(1_000_000),
        end_time: Timestamp(1_000_000 + ms),
        distance_metres: Metres(metres),
        order_no: label("o"),
    })
}

fn boarding() -> Behaviour {
    Behaviour::Bus(Bus { line: label("71"), boarding_time: Timestamp(0), order_no: label("o") })
}

fn drive(days: i32, metres: u64, wh: u64) -> Behaviour {
    Behaviour::ElectricCar(ElectricCar {
        vehicle_hash: label("v"),
        period_start: Day(20_000),
        period_end: Day(20_000 + days - 1),
        distance_metres: Metres(metres),
        energy_wh: WattHours(wh),
    })
}

fn home(peak: u64, valley: u64, baseline: u64, tier: u8, has_pv: bool) -> Behaviour {
    Behaviour::Electricity(Electricity {
        household_hash: label("h"),
        month: "2026-10".parse().unwrap(),
        peak_wh: WattHours(peak),
        valley_wh: WattHours(valley),
        baseline_wh: WattHours(baseline),
        tier,
        has_pv,
    })
}

fn roof(month: &str, capacity_watts: u64, generated: u64) -> Behaviour {
    Behaviour::Photovoltaic(Photovoltaic {
        project: label("p"),
        month: month.parse().unwrap(),
        capacity_watts,
        generated_wh: WattHours(generated),
    })
}

fn grams(methodology: &Methodology, behaviour: &Behaviour) -> Result<u64, Reason> {
    let dictionary = Dictionary::parse(TEXT).unwrap();
    compute(methodology, &dictionary, behaviour)
        .map(|computed| computed.grams.0)
        .map_err(|rejection| rejection.reason)
}

fn each_row(table: Vec<(&str, Methodology, Behaviour, Result<u64, Reason>)>) {
    for (name, methodology, behaviour, expected) in table {
        assert_eq!(grams(&methodology, &behaviour), expected, "{name}: {behaviour:?}");
    }
}

#[test]
fn rail_is_metres_by_the_saved_grams_of_a_kilometre() {
    let hour = 3600 * SECOND;
    let rail = || rail_by("106", "35");
    each_row(vec![
        // metres × (106 − 35) ÷ 1000 = metres × 0.071
        ("9876 × 0.071 = 701.196", rail(), far(9876), Ok(701)),
        ("10000 × 0.071 = 710 exactly", rail(), far(10_000), Ok(710)),
        ("14 × 0.071 = 0.994: still nothing", rail(), far(14), Ok(0)),
        ("15 × 0.071 = 1.065", rail(), far(15), Ok(1)),
        ("no way at all", rail(), far(0), Ok(0)),
        ("the longest: 100000 × 0.071 = 7100", rail(), far(100_000), Ok(7100)),
        ("a metre more", rail(), far(100_001), Err(Reason::OutsideLimits)),
        // metres × (130 − 33) ÷ 1000
        ("the other source: 9876 × 0.097 = 957.972", rail_by("130", "33"), far(9876), Ok(957)),
        // metres × (106.5 − 35.25) ÷ 1000 = metres × 0.07125
        ("8000 × 0.07125 = 570", rail_by("106.5", "35.25"), far(8000), Ok(570)),
        ("7999 × 0.07125 = 569.92875", rail_by("106.5", "35.25"), far(7999), Ok(569)),
        ("worse than what it replaces: −710", rail_by("35", "106"), far(10_000), Ok(0)),
        // The dictionary: 1300 × 0.071 = 92.3, 2800 × 0.071 = 198.8
        ("by the dictionary", rail(), trip("E01", "E02", hour, None), Ok(92)),
        ("in the other direction", rail(), trip("E02", "E01", hour, None), Ok(92)),
        ("written the other way round", rail(), trip("E01", "N01", hour, None), Ok(198)),
        ("own mileage goes first", rail(), trip("E01", "E02", hour, Some(2000)), Ok(142)),
        ("unknown with mileage", rail(), trip("Q", "E01", hour, Some(1000)), Ok(71)),
        ("unknown station", rail(), trip("Q", "E01", hour, None), Err(Reason::UnknownStation)),
        ("in and out", rail(), trip("E01", "E01", hour, None), Err(Reason::UnknownStation)),
        ("the longest time", rail(), trip("A", "B", 4 * hour, Some(1000)), Ok(71)),
        ("longer", rail(), trip("A", "B", 4 * hour + 1, Some(1000)), Err(Reason::OutsideLimits)),
        ("no time at all", rail(), trip("A", "B", 0, Some(1000)), Ok(71)),
        ("out before in", rail(), trip("A", "B", -1, Some(1000)), Err(Reason::OutsideLimits)),
        ("absurd", rail(), far(u64::MAX), Err(Reason::OutsideLimits)),
        ("a bike", rail(), ride(1000, hour), Err(Reason::UnknownMethodology)),
        ("a bus", rail(), boarding(), Err(Reason::UnknownMethodology)),
    ]);
}

#[test]
fn a_bus_ride_has_a_fixed_worth() {
    each_row(vec![
        ("Wuhan's", bus("212.5"), boarding(), Ok(212)),
        ("Chongqing's", bus("120"), boarding(), Ok(120)),
        ("nearly 1", bus("0.999999999"), boarding(), Ok(0)),
        ("below zero", bus("-3.5"), boarding(), Ok(0)),
        ("more than is kept", bus("18446744073709551616"), boarding(), Err(Reason::OutOfRange)),
        ("the most that is kept", bus("18446744073709551615"), boarding(), Ok(u64::MAX)),
        ("a trip", bus("212.5"), far(1), Err(Reason::UnknownMethodology)),
        ("a home", bus("1"), home(1, 1, 3, 1, false), Err(Reason::UnknownMethodology)),
    ]);
}

#[test]
fn a_bike_ride_counts_within_distance_and_speed() {
    let minutes = 60 * SECOND;
    each_row(vec![
        // metres × (106 − 9) ÷ 1000 = metres × 0.097
        ("1234 × 0.097 = 119.698", bike(), ride(1234, 10 * minutes), Ok(119)),
        ("2000 × 0.097 = 194", bike(), ride(2000, 10 * minutes), Ok(194)),
        ("the shortest: 9.7", bike(), ride(100, 10 * minutes), Ok(9)),
        ("shorter", bike(), ride(99, 10 * minutes), Err(Reason::OutsideLimits)),
        ("the longest: 2910", bike(), ride(30_000, 200 * minutes), Ok(2910)),
        ("longer", bike(), ride(30_001, 200 * minutes), Err(Reason::OutsideLimits)),
        // 6.5 m/s × 600 s = 3900 m: 378.3 g
        ("the fastest", bike(), ride(3900, 10 * minutes), Ok(378)),
        ("a metre too fast", bike(), ride(3901, 10 * minutes), Err(Reason::OutsideLimits)),
        ("a millisecond", bike(), ride(3900, 10 * minutes - 1), Err(Reason::OutsideLimits)),
        ("in no time", bike(), ride(100, 0), Err(Reason::OutsideLimits)),
        ("backwards", bike(), ride(100, -5), Err(Reason::OutsideLimits)),
        ("absurd", bike(), ride(u64::MAX, i64::MAX / 2), Err(Reason::OutsideLimits)),
        ("a trip", bike(), far(1000), Err(Reason::UnknownMethodology)),
        ("a drive", bike(), drive(1, 1, 1), Err(Reason::UnknownMethodology)),
    ]);
}

#[test]
fn an_electric_car_saves_fuel_and_uses_the_grid() {
    each_row(vec![
        // metres × 0.21 − Wh × 0.42
        ("30000 × 0.21 − 5000 × 0.42 = 6300 − 2100", car(), drive(1, 30_000, 5000), Ok(4200)),
        ("41234 × 0.21 − 6789 × 0.42 = 5807.76", car(), drive(1, 41_234, 6789), Ok(5807)),
        ("1 × 0.21 − 1 × 0.42 = −0.21", car(), drive(1, 1, 1), Ok(0)),
        ("210 − 21000: more than it saved", car(), drive(1, 1000, 50_000), Ok(0)),
        ("exactly even: 4200 − 4200", car(), drive(1, 20_000, 10_000), Ok(0)),
        ("parked", car(), drive(30, 0, 0), Ok(0)),
        ("a month: 630000 − 84000", car(), drive(30, 3_000_000, 200_000), Ok(546_000)),
        ("the most of a day", car(), drive(1, 1_000_000, 0), Ok(210_000)),
        ("more", car(), drive(1, 1_000_001, 0), Err(Reason::OutsideLimits)),
        ("two days' worth in two days", car(), drive(2, 1_000_001, 0), Ok(210_000)),
        ("a year", car(), drive(366, 1000, 0), Ok(210)),
        ("longer", car(), drive(367, 1000, 0), Err(Reason::OutsideLimits)),
        ("ends before it begins", car(), drive(0, 1000, 0), Err(Reason::OutsideLimits)),
        ("absurd energy", car(), drive(1, 1000, u64::MAX), Ok(0)),
        ("a bus", car(), boarding(), Err(Reason::UnknownMethodology)),
        ("a home", car(), home(1, 1, 3, 1, false), Err(Reason::UnknownMethodology)),
    ]);
}

#[test]
fn a_household_saves_what_it_stays_below_its_baseline() {
    each_row(vec![
        // (baseline − peak − valley) × 0.42
        (
            "(200000 − 150000) × 0.42",
            electricity(),
            home(100_000, 50_000, 200_000, 1, false),
            Ok(21_000),
        ),
        ("(10001 − 9998) × 0.42 = 1.26", electricity(), home(9000, 998, 10_001, 2, false), Ok(1)),
        ("2 × 0.42 = 0.84", electricity(), home(0, 0, 2, 1, false), Ok(0)),
        ("just the baseline", electricity(), home(5, 5, 10, 1, false), Ok(0)),
        ("above it: −0.42", electricity(), home(6, 5, 10, 1, false), Ok(0)),
        ("third tier", electricity(), home(1, 1, 9, 3, false), Err(Reason::OutsideLimits)),
        ("no tier", electricity(), home(1, 1, 9, 0, false), Err(Reason::OutOfRange)),
        ("a tier that is not", electricity(), home(1, 1, 9, 4, false), Err(Reason::OutOfRange)),
        ("with photovoltaics", electricity(), home(1, 1, 9, 1, true), Err(Reason::OutsideLimits)),
        ("absurd use", electricity(), home(u64::MAX, u64::MAX, 9, 1, false), Ok(0)),
        // (2^64 − 1) × 0.42 = 7747632510958011678.3
        (
            "absurd baseline",
            electricity(),
            home(0, 0, u64::MAX, 1, false),
            Ok(7_747_632_510_958_011_678),
        ),
        ("a trip", electricity(), far(1), Err(Reason::UnknownMethodology)),
    ]);
}

#[test]
fn a_photovoltaic_project_saves_what_it_takes_off_the_grid() {
    each_row(vec![
        // generated × 0.42
        (
            "1234567 × 0.42 = 518518.14",
            photovoltaic(),
            roof("2026-06", 10_000, 1_234_567),
            Ok(518_518),
        ),
        ("100000 × 0.42 = 42000", photovoltaic(), roof("2026-06", 10_000, 100_000), Ok(42_000)),
        ("2 × 0.42 = 0.84", photovoltaic(), roof("2026-06", 10_000, 2), Ok(0)),
        ("a dark month", photovoltaic(), roof("2026-12", 10_000, 0), Ok(0)),
        // A megawatt is let in, a watt more is not.
        ("1 MW: 42000", photovoltaic(), roof("2026-06", 1_000_000, 100_000), Ok(42_000)),
        ("more", photovoltaic(), roof("2026-06", 1_000_001, 1), Err(Reason::OutsideLimits)),
        // 10 W through all 28 · 24 hours of February: 6720 Wh × 0.42 = 2822.4
        ("sun all day", photovoltaic(), roof("2026-02", 10, 6720), Ok(2822)),
        ("and at night", photovoltaic(), roof("2026-02", 10, 6721), Err(Reason::OutsideLimits)),
        ("a leap year's: 6960 Wh", photovoltaic(), roof("2028-02", 10, 6960), Ok(2923)),
        ("absurd", photovoltaic(), roof("2026-02", 1, u64::MAX), Err(Reason::OutsideLimits)),
        ("a home", photovoltaic(), home(1, 1, 3, 1, false), Err(Reason::UnknownMethodology)),
        ("as a home", electricity(), roof("2026-06", 1, 1), Err(Reason::UnknownMethodology)),
    ]);
}

#[test]
fn a_factor_that_does_not_fit_is_refused_not_wrapped() {
    let largest =
        methodology(Formula::Electricity { grid_g_per_kwh: Decimal::MAX, excluded_from_tier: 3 });
    assert_eq!(grams(&largest, &home(0, 0, 10_000, 1, false)), Err(Reason::OutOfRange));
    let opposed = rail_by(&Decimal::MAX.to_string(), &Decimal::MIN.to_string());
    assert_eq!(grams(&opposed, &far(1)), Err(Reason::OutOfRange));
}

#[test]
fn the_terms_explain_the_sum() {
    let dictionary = Dictionary::parse(TEXT).unwrap();
    let terms = |methodology: &Methodology, behaviour: &Behaviour| -> Vec<String> {
        let computed = compute(methodology, &dictionary, behaviour).unwrap();
        computed.terms().iter().map(|term| format!("{}={}", term.name, term.value)).collect()
    };
    assert_eq!(
        terms(&rail_by("106.50", "35"), &trip("E01", "E02", 1, None)),
        [
            "distanceMetres=1300",
            "baselineGramsPerKm=106.5",
            "projectGramsPerKm=35",
            "exactGrams=92.95"
        ]
    );
    assert_eq!(
        terms(&car(), &drive(1, 1000, 50_000)),
        [
            "distanceMetres=1000",
            "fuelGramsPerKm=210",
            "energyWh=50000",
            "gridGramsPerKwh=420",
            "baselineGrams=210",
            "projectGrams=21000",
            "exactGrams=-20790",
            "negativeCountsAs=0"
        ]
    );
    assert_eq!(terms(&bus("212.5"), &boarding()), ["gramsPerRide=212.5", "exactGrams=212.5"]);
}

#[test]
fn a_refusal_names_the_field_and_the_limit() {
    let dictionary = Dictionary::parse(TEXT).unwrap();
    let no = compute(&bike(), &dictionary, &ride(50, 60_000)).unwrap_err();
    assert_eq!(no.field.as_deref(), Some("distanceMetres"));
    assert_eq!(no.detail.as_deref(), Some("100 to 30000 m"));
    let no = compute(&rail_by("1", "0"), &dictionary, &trip("E01", "Q", 1, None)).unwrap_err();
    assert_eq!(no.field.as_deref(), Some("outStation"));
}

#[test]
fn methodologies_pass_the_journal_unchanged() {
    for one in [rail_by("106", "35"), bike(), bus("212.5"), car(), electricity()] {
        let bytes = rmp_serde::to_vec(&one).unwrap();
        assert_eq!(rmp_serde::from_slice::<Methodology>(&bytes).unwrap(), one);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Methodology>(&text).unwrap(), one);
    }
}

#[test]
fn a_dictionary_is_read_or_the_line_is_named() {
    let head = "station_a,station_b,metres";
    let table: Vec<(&str, String, Result<usize, usize>)> = vec![
        ("good", TEXT.into(), Ok(3)),
        ("with a mark and CRLF", format!("\u{feff}{head}\r\nA,B,1\r\n"), Ok(1)),
        ("spaces", format!("{head}\n A , B , 7 \n\n"), Ok(1)),
        ("no pairs", head.into(), Ok(0)),
        ("nothing", String::new(), Err(1)),
        ("another header", "a,b,c\nA,B,1".into(), Err(1)),
        ("two columns", format!("{head}\nA,B"), Err(2)),
        ("four columns", format!("{head}\nA,B,1,2"), Err(2)),
        ("itself", format!("{head}\nA,B,1\nA,A,1"), Err(3)),
        ("an interchange", format!("{head}\nA,B,0"), Ok(1)),
        ("negative", format!("{head}\nA,B,-1"), Err(2)),
        ("half metres", format!("{head}\nA,B,1.5"), Err(2)),
        ("another city", format!("{head}\nA,B,1000001"), Err(2)),
        ("no code", format!("{head}\n人民广场,B,1"), Err(2)),
        ("twice", format!("# c\n{head}\nA,B,1\nA,B,1"), Err(4)),
        ("twice, reversed, otherwise", format!("{head}\nA,B,1\nC,B,1\nB,A,2"), Err(4)),
    ];
    for (name, text, expected) in table {
        let read = Dictionary::parse(&text).map(|read| read.len()).map_err(|bad| bad.0[0].line);
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn a_dictionary_is_versioned_by_its_content() {
    let one = Dictionary::parse(TEXT).unwrap();
    let shuffled = "station_a,station_b,metres\nE01,N01,2800\nN01,E02,1500\nE02,E01,1300\n";
    let same = Dictionary::parse(shuffled).unwrap();
    assert_eq!(one, same);
    let other = Dictionary::parse(&TEXT.replace("1300", "1301")).unwrap();
    assert_ne!(one.version(), other.version());
    let pairs: Vec<_> = one.pairs().map(|(a, b, metres)| format!("{a} {b} {metres}")).collect();
    assert_eq!(pairs, ["E01 E02 1300", "E01 N01 2800", "E02 N01 1500"]);
    assert!(!one.is_empty() && one.version().len() == 16);
}

#[test]
fn every_bad_line_is_told_up_to_a_number() {
    let text = "station_a,station_b,metres\nA,B,1\nA,B\nB,A,2\nA,C,x\nC,A,3\n";
    let told = Dictionary::parse(text).unwrap_err().to_string();
    let expected = "line 3: expected three columns; line 4: this pair stands above; \
                    line 5: metres are no whole number";
    assert_eq!(told, expected);
    let many = format!("station_a,station_b,metres\n{}", "A,A,1\n".repeat(1000));
    let told = Dictionary::parse(&many).unwrap_err().0;
    assert_eq!((told.len(), told[19].line), (20, 21));
}

#[test]
fn a_dictionary_is_read_again_from_its_own_text() {
    let one = Dictionary::parse(TEXT).unwrap();
    assert_eq!(Dictionary::parse(&one.csv()).unwrap(), one);
    assert_eq!(one.stations(), 3);
}
