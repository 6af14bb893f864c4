//! When journeys begin: pure functions of seed, stage and second, so that a schedule can be had
//! again, and so that a stage of a million arrivals needs the memory of one second of them.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Deserialize;

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// Arrivals a second, changing evenly over a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// At the stage's beginning.
    pub from: u32,
    /// At its end.
    pub to: u32,
}

/// How the arrivals of one second lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// At equal distances.
    Even,
    /// Anywhere, each on its own: what a Poisson process looks like once the second's number of
    /// arrivals is known.
    #[default]
    Random,
}

/// Arrivals of one journey in one second of a stage, microseconds from the second's beginning, in
/// order. `seed` should differ by stage and journey.
pub fn second(ramp: Ramp, seconds: u32, spacing: Spacing, seed: u64, second: u32) -> Vec<u64> {
    let count = due(ramp, seconds, second + 1) - due(ramp, seconds, second);
    match spacing {
        // In the middle of its share, so that no two seconds touch.
        Spacing::Even => (0..count).map(|no| (2 * no + 1) * SECOND / (2 * count)).collect(),
        Spacing::Random => {
            let mut dice = StdRng::seed_from_u64(seed ^ (u64::from(second) << 32));
            let mut times: Vec<u64> = (0..count).map(|_| dice.random_range(0..SECOND)).collect();
            times.sort_unstable();
            times
        }
    }
}

/// Arrivals that are due before a second of a stage: the area under the ramp, rounded down, so
/// that the seconds of a stage add up to what the whole of it asks for.
pub fn due(ramp: Ramp, seconds: u32, second: u32) -> u64 {
    let (from, to) = (i128::from(ramp.from), i128::from(ramp.to));
    let (whole, at) = (i128::from(seconds.max(1)), i128::from(second.min(seconds)));
    let area = (2 * whole * from * at + (to - from) * at * at) / (2 * whole);
    u64::try_from(area).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: Ramp = Ramp { from: 10, to: 10 };

    #[test]
    fn the_seconds_of_a_ramp_add_up_to_its_area() {
        for (from, to, seconds, whole) in
            [(10, 10, 7, 70), (0, 100, 10, 500), (100, 0, 10, 500), (0, 1, 3, 1), (3, 4, 1, 3)]
        {
            let ramp = Ramp { from, to };
            assert_eq!(due(ramp, seconds, seconds), whole, "{ramp:?} for {seconds} s");
            for spacing in [Spacing::Even, Spacing::Random] {
                let sum: usize =
                    (0..seconds).map(|at| second(ramp, seconds, spacing, 1, at).len()).sum();
                assert_eq!(sum as u64, whole, "{ramp:?} for {seconds} s, {spacing:?}");
            }
        }
    }

    #[test]
    fn a_ramp_rises_second_by_second() {
        let ramp = Ramp { from: 0, to: 100 };
        let counts: Vec<usize> =
            (0..10).map(|at| second(ramp, 10, Spacing::Even, 1, at).len()).collect();
        assert_eq!(counts, [5, 15, 25, 35, 45, 55, 65, 75, 85, 95]);
    }

    #[test]
    fn even_arrivals_keep_their_distance() {
        let times = second(FLAT, 5, Spacing::Even, 1, 2);
        assert_eq!(times[..3], [50_000, 150_000, 250_000]);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 100_000));
    }

    #[test]
    fn random_arrivals_lie_in_their_second_in_order_and_come_back_with_the_seed() {
        let ramp = Ramp { from: 1000, to: 1000 };
        let times = second(ramp, 5, Spacing::Random, 7, 3);
        assert!(times.is_sorted() && times.iter().all(|at| *at < SECOND));
        assert_eq!(times, second(ramp, 5, Spacing::Random, 7, 3));
        assert_ne!(times, second(ramp, 5, Spacing::Random, 8, 3));
        assert_ne!(times, second(ramp, 5, Spacing::Random, 7, 4));
        // Spread over the whole second: each tenth has its share of about a hundred.
        for tenth in 0..10 {
            let here = times.iter().filter(|at| **at / 100_000 == tenth).count();
            assert!((50..150).contains(&here), "{here} in tenth {tenth}");
        }
    }

    #[test]
    fn nothing_arrives_where_nothing_is_asked_for() {
        assert!(second(Ramp { from: 0, to: 0 }, 5, Spacing::Even, 1, 0).is_empty());
        assert_eq!(due(Ramp { from: 5, to: 5 }, 0, 0), 0);
    }
}
