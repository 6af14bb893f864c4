//! Synthetic citizens: drawn from a seed, so that a run can be had again. Nobody real can be among
//! them: their ID numbers carry valid check digits in a region code that was never given out.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Region codes begin with 11 to 82; 99 belongs to nobody.
const NOWHERE: &str = "990101";
const SURNAMES: [&str; 16] = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "林",
];
const GIVEN: [&str; 20] = [
    "伟", "芳", "娜", "敏", "静", "强", "磊", "洋", "艳", "勇", "军", "杰", "涛", "明", "超", "霞",
    "平", "刚", "桂英", "建华",
];

/// By which journey a citizen opens the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Journey 1, from a scene partner's app.
    PartnerApp,
    /// Journey 2, from 随申办.
    CityApp,
}

/// What a citizen does in the mall, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shopping {
    /// Never goes there.
    No,
    /// Holds points, then confirms.
    FreezeConfirm,
    /// Holds points, then cancels.
    FreezeCancel,
    /// Pays at once.
    Pay,
    /// Pays, then gets a part back.
    PayRefundPart,
    /// Pays, then gets all back in two parts, and tries a third.
    PayRefundAll,
    /// Asks for more than there is, then pays what there is.
    Overspend,
    /// Repeats each action with the same serial, then with other content.
    Repeat,
}

/// One synthetic citizen: who it is, and what it is going to do.
#[derive(Debug, Clone)]
pub struct Citizen {
    /// Place in the population.
    pub no: usize,
    /// Name.
    pub name: String,
    /// ID number.
    pub id_no: String,
    /// Phone.
    pub phone: String,
    /// How the account is opened.
    pub way: Way,
    /// Which of the standard scenes are lit, by their place in the list of the demo's scenes;
    /// the first one is lit while opening in journey 1.
    pub lights: Vec<usize>,
    /// How many trips are made on each lit scene.
    pub trips: usize,
    /// What is done in the mall.
    pub shopping: Shopping,
    /// Whether the first lit scene is revoked at the end.
    pub revokes: bool,
}

/// The check digit of an 18-character ID number (GB 11643-1999, ISO 7064 MOD 11-2).
pub fn check_digit(first17: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const DIGITS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let digits = first17.chars().filter_map(|c| c.to_digit(10));
    let sum: u32 = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    DIGITS.get((sum % 11) as usize).copied().unwrap_or('X')
}

/// Draws a population. `scenes` is how many standard scenes there are to light.
pub fn population(users: usize, seed: u64, scenes: usize) -> Vec<Citizen> {
    let mut dice = StdRng::seed_from_u64(seed);
    (0..users).map(|no| citizen(no, scenes.max(1), &mut dice)).collect()
}

/// Draws one citizen: `dice` decides everything but the numbers.
pub fn citizen(no: usize, scenes: usize, dice: &mut StdRng) -> Citizen {
    let surname = SURNAMES[dice.random_range(0..SURNAMES.len())];
    let given = GIVEN[dice.random_range(0..GIVEN.len())];
    // The number in the population is spread over birthday and order code: unique by construction.
    let day = no / 1000;
    let first17 = format!(
        "{NOWHERE}{:04}{:02}{:02}{:03}",
        1950 + day / 336 % 50,
        1 + day / 28 % 12,
        1 + day % 28,
        no % 1000
    );
    let way = if no.is_multiple_of(2) { Way::PartnerApp } else { Way::CityApp };
    let wanted = match dice.random_range(0..10) {
        0..5 => 1,
        5..8 => 2,
        _ => 3,
    };
    let first = dice.random_range(0..scenes);
    let lights = (0..wanted.min(scenes)).map(|step| (first + step) % scenes).collect();
    Citizen {
        no,
        name: format!("{surname}{given}"),
        id_no: format!("{first17}{}", check_digit(&first17)),
        phone: format!("1990{:07}", no % 10_000_000),
        way,
        lights,
        trips: dice.random_range(1..=3),
        shopping: shopping(no),
        // Some of both ways; no shopper, so that each story stays easy to read.
        revokes: no % 17 == 3,
    }
}

/// Every third citizen goes shopping, each in turn in another manner: small runs meet all of them.
fn shopping(no: usize) -> Shopping {
    if !no.is_multiple_of(3) {
        return Shopping::No;
    }
    match no / 3 % 7 {
        0 => Shopping::FreezeConfirm,
        1 => Shopping::FreezeCancel,
        2 => Shopping::Pay,
        3 => Shopping::PayRefundPart,
        4 => Shopping::PayRefundAll,
        5 => Shopping::Overspend,
        _ => Shopping::Repeat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_check_digit_is_that_of_the_standards_example() {
        // The worked example of GB 11643-1999.
        assert_eq!(check_digit("11010519491231002"), 'X');
        assert_eq!(check_digit("44052418800101001"), '4');
    }

    #[test]
    fn nobody_meets_a_namesake_number_and_all_do_something() {
        let people = population(3000, 7, 4);
        let ids: HashSet<_> = people.iter().map(|citizen| &citizen.id_no).collect();
        let phones: HashSet<_> = people.iter().map(|citizen| &citizen.phone).collect();
        assert_eq!((ids.len(), phones.len()), (3000, 3000));
        assert!(people.iter().all(|citizen| citizen.id_no.len() == 18));
        assert!(people.iter().all(|citizen| !citizen.lights.is_empty() && citizen.trips > 0));
    }

    #[test]
    fn the_same_seed_draws_the_same_people() {
        let names = |seed| -> Vec<String> {
            population(50, seed, 4).into_iter().map(|citizen| citizen.name).collect()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }
}
