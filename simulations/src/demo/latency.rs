//! How long each interface took, as the callers saw it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

/// Longest time that is told apart from longer ones: two minutes, in microseconds.
const LONGEST: u64 = 120_000_000;

/// Hears of each call: its code, and how long it took.
pub type Listener = Box<dyn Fn(&str, Duration) + Send + Sync>;

/// Histograms by interface code.
#[derive(Default)]
pub struct Latencies {
    lines: Mutex<BTreeMap<String, Histogram<u64>>>,
    listener: Option<Listener>,
}

/// What the report says of one interface, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyLine {
    /// Half of the calls were at least this fast.
    pub p50: f64,
    /// All but one of a hundred.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// How many calls there were.
    pub count: u64,
}

impl Latencies {
    /// Keeps nothing, and tells a listener of each call instead.
    pub fn heard_by(listener: Listener) -> Self {
        Self { lines: Mutex::default(), listener: Some(listener) }
    }

    /// Notes one call.
    pub fn note(&self, code: &str, took: Duration) {
        if let Some(listener) = &self.listener {
            return listener(code, took);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let mut all = self.lines.lock();
        if !all.contains_key(code)
            && let Ok(histogram) = Histogram::new_with_bounds(1, LONGEST, 3)
        {
            all.insert(code.to_owned(), histogram);
        }
        if let Some(histogram) = all.get_mut(code) {
            histogram.saturating_record(micros);
        }
    }

    /// All interfaces, by code.
    pub fn lines(&self) -> BTreeMap<String, LatencyLine> {
        let all = self.lines.lock();
        all.iter().map(|(code, histogram)| (code.clone(), line(histogram))).collect()
    }
}

fn line(histogram: &Histogram<u64>) -> LatencyLine {
    LatencyLine {
        p50: ms(histogram.value_at_quantile(0.5)),
        p99: ms(histogram.value_at_quantile(0.99)),
        max: ms(histogram.max()),
        count: histogram.len(),
    }
}

#[expect(clippy::float_arithmetic, reason = "a time that is shown, not an amount")]
fn ms(micros: u64) -> f64 {
    // At most two minutes: exact in a double.
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_have_their_median_and_their_worst() {
        let latencies = Latencies::default();
        for millis in 1..=100 {
            latencies.note("Z304", Duration::from_millis(millis));
        }
        let line = &latencies.lines()["Z304"];
        assert_eq!(line.count, 100);
        assert!((49.9..50.2).contains(&line.p50), "{line:?}");
        assert!((99.8..100.2).contains(&line.max), "{line:?}");
    }
}
