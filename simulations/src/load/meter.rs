//! Counts and latencies of a run: in all, and second by second.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::outcome::{CallLine, JourneyLine, Quantiles, Slice};

/// Longest latency that is told apart from longer ones: two minutes, in microseconds.
const LONGEST: u64 = 120_000_000;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<'c> {
    /// With success.
    Done,
    /// With a definite no: the envelope's code.
    Refused(&'c str),
    /// Without a usable answer.
    Broken,
}

/// Everything that is measured; shared by all tasks.
#[derive(Default)]
pub struct Meter(Mutex<Measured>);

#[derive(Default)]
struct Measured {
    calls: BTreeMap<String, Call>,
    journeys: BTreeMap<&'static str, Journey>,
    lag: Latency,
    second: Second,
}

#[derive(Default)]
struct Call {
    whole: Latency,
    slice: Latency,
    slice_errors: u64,
    refused: BTreeMap<String, u64>,
    broken: u64,
}

#[derive(Default)]
struct Journey {
    scheduled: u64,
    unsent: u64,
    done: u64,
    failed: u64,
    latency: Latency,
}

/// What a second came to, of the generator's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Arrivals that the schedule asked for.
    pub scheduled: u64,
    /// Of those, arrivals that could not begin.
    pub unsent: u64,
    /// How late the clockwork was at worst, microseconds.
    pub lag_us: u64,
}

/// A histogram of microseconds, made when the first value comes.
#[derive(Default)]
struct Latency(Option<Histogram<u64>>);

impl Latency {
    fn note(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        if self.0.is_none() {
            // The bounds are constants that fit; were they not, nothing would be recorded.
            self.0 = Histogram::new_with_bounds(1, LONGEST, 3).ok();
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(micros);
        }
    }

    fn reset(&mut self) {
        if let Some(histogram) = &mut self.0 {
            histogram.reset();
        }
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The value that so many of a thousand do not pass.
    fn permille(&self, permille: u64) -> u64 {
        let Some(histogram) = &self.0 else { return 0 };
        if histogram.is_empty() {
            return 0;
        }
        // The ranked value, found by counting: no fraction is needed.
        let rank = (histogram.len() * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for step in histogram.iter_recorded() {
            seen += step.count_since_last_iteration();
            if seen >= rank {
                return step.value_iterated_to();
            }
        }
        histogram.max()
    }

    fn max(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::max)
    }

    fn quantiles(&self) -> Quantiles {
        Quantiles {
            p50_us: self.permille(500),
            p90_us: self.permille(900),
            p99_us: self.permille(990),
            p999_us: self.permille(999),
            max_us: self.max(),
        }
    }
}

impl Meter {
    /// Forgets all that was measured: what was prepared is no part of the run.
    pub fn begin(&self) {
        *self.0.lock() = Measured::default();
    }

    /// A call by its path (`01/Z304`) ended now, that should have been sent at `due`.
    pub fn call(&self, path: &str, due: Instant, ended: Ended<'_>) {
        let took = due.elapsed();
        let mut all = self.0.lock();
        if !all.calls.contains_key(path) {
            all.calls.insert(path.to_owned(), Call::default());
        }
        let Some(call) = all.calls.get_mut(path) else { return };
        match ended {
            Ended::Done => {}
            Ended::Refused(code) => {
                call.slice_errors += 1;
                match call.refused.get_mut(code) {
                    Some(count) => *count += 1,
                    None => drop(call.refused.insert(code.to_owned(), 1)),
                }
            }
            Ended::Broken => {
                call.slice_errors += 1;
                call.broken += 1;
                return;
            }
        }
        call.whole.note(took);
        call.slice.note(took);
    }

    /// The schedule asks for a journey, so late after its time.
    pub fn arrival(&self, journey: &'static str, lag: Duration) {
        let mut all = self.0.lock();
        all.journeys.entry(journey).or_default().scheduled += 1;
        all.lag.note(lag);
        all.second.scheduled += 1;
        let lag = u64::try_from(lag.as_micros()).unwrap_or(LONGEST);
        all.second.lag_us = all.second.lag_us.max(lag);
    }

    /// Something is waited for that is no arrival of the schedule.
    pub fn awaited(&self, journey: &'static str) {
        self.0.lock().journeys.entry(journey).or_default().scheduled += 1;
    }

    /// A journey could not begin.
    pub fn unsent(&self, journey: &'static str) {
        let mut all = self.0.lock();
        all.journeys.entry(journey).or_default().unsent += 1;
        all.second.unsent += 1;
    }

    /// A journey came to its end, or broke off.
    pub fn ended(&self, journey: &'static str, due: Instant, well: bool) {
        let took = due.elapsed();
        let mut all = self.0.lock();
        let line = all.journeys.entry(journey).or_default();
        if well {
            line.done += 1;
            line.latency.note(took);
        } else {
            line.failed += 1;
        }
    }

    /// The second that has just ended: its calls, its arrivals.
    pub fn tick(&self) -> (BTreeMap<String, Slice>, Second) {
        let mut all = self.0.lock();
        let mut slices = BTreeMap::new();
        for (path, call) in &mut all.calls {
            let (count, errors) = (call.slice.count(), std::mem::take(&mut call.slice_errors));
            if count + errors > 0 {
                let slice = Slice {
                    count,
                    errors,
                    p50_us: call.slice.permille(500),
                    p99_us: call.slice.permille(990),
                    max_us: call.slice.max(),
                };
                slices.insert(name(path), slice);
            }
            call.slice.reset();
        }
        (slices, std::mem::take(&mut all.second))
    }

    /// All calls by name; rates are left to whoever knows the stages.
    pub fn calls(&self) -> BTreeMap<String, CallLine> {
        let all = self.0.lock();
        let line = |(path, call): (&String, &Call)| {
            let line = CallLine {
                count: call.whole.count(),
                refused: call.refused.clone(),
                broken: call.broken,
                per_second_milli: 0,
                latency: call.whole.quantiles(),
            };
            (name(path), line)
        };
        all.calls.iter().map(line).collect()
    }

    /// All journeys by name.
    pub fn journeys(&self) -> BTreeMap<String, JourneyLine> {
        let all = self.0.lock();
        let line = |(name, journey): (&&'static str, &Journey)| {
            let line = JourneyLine {
                scheduled: journey.scheduled,
                unsent: journey.unsent,
                done: journey.done,
                failed: journey.failed,
                latency: journey.latency.quantiles(),
            };
            ((*name).to_owned(), line)
        };
        all.journeys.iter().map(line).collect()
    }

    /// How late 99 of 100 arrivals were at most.
    pub fn lag_p99(&self) -> Duration {
        Duration::from_micros(self.0.lock().lag.permille(990))
    }
}

/// An interface's name as reports have it: `01.Z304` for `01/Z304`.
fn name(path: &str) -> String {
    path.replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_cut_out_of_the_whole() {
        let meter = Meter::default();
        let due = Instant::now();
        meter.call("01/Z304", due, Ended::Done);
        meter.call("01/Z304", due, Ended::Refused("50301"));
        meter.call("01/Z304", due, Ended::Broken);
        meter.arrival("submit", Duration::from_millis(3));
        meter.unsent("submit");
        let (slices, second) = meter.tick();
        let slice = slices["01.Z304"];
        assert_eq!((slice.count, slice.errors), (2, 2));
        assert_eq!(second, Second { scheduled: 1, unsent: 1, lag_us: 3_000 });
        assert!(meter.tick().0.is_empty(), "a second is told once");
        let line = &meter.calls()["01.Z304"];
        assert_eq!((line.count, line.broken, line.refused["50301"]), (2, 1, 1));
        meter.begin();
        assert!(meter.calls().is_empty() && meter.journeys().is_empty());
    }

    #[test]
    fn quantiles_are_ranks() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|micros| latency.note(Duration::from_micros(micros)));
        let of = latency.quantiles();
        assert_eq!((of.p50_us, of.p90_us, of.p99_us), (500, 900, 990));
        assert_eq!((of.p999_us, of.max_us), (999, 1000));
        assert_eq!(Latency::default().quantiles(), Quantiles::default());
    }
}
