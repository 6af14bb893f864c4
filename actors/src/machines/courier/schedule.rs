//! When a failed push is tried again: 24 hours and 4 minutes in fifteen steps, then it is parked.

use super::Failed;

/// Waits between tries, in seconds, as the contract promises them.
const WAITS: [i64; 15] =
    [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600];
/// Longest wait that a receiver may ask for, in seconds.
const LONGEST: i64 = 86_400;

/// Milliseconds until the next try after `attempts` failed ones; none when all were made. A
/// receiver that says it is overloaded (429, 503) and for how long is left alone at least so long,
/// and never asked sooner than the schedule says: or a short Retry-After would use up all tries
/// within minutes, and park what the contract promises to try for a day.
pub fn wait_ms(attempts: u32, failed: &Failed) -> Option<i64> {
    let place = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let seconds = *WAITS.get(place)?;
    // Between 90 and 110 percent, so that those who failed together are not tried together.
    let permille = 900 + i64::from(failed.jitter.min(999)) / 5;
    let asked = failed.retry_after.filter(|_| matches!(failed.status, 429 | 503)).unwrap_or(0);
    Some((seconds * permille).max(i64::from(asked).min(LONGEST) * 1000))
}
