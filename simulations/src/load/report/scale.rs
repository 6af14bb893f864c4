//! Axes of a plot: where a value lies, and which values get a label. Integers throughout.

use super::units;

/// Nothing that is drawn on a logarithmic axis is larger, and ten times it can still be counted.
const HUGE: u64 = 1_000_000_000_000_000_000;

/// What a plot's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things that are counted.
    Count,
    /// A time in microseconds.
    Micros,
    /// Memory.
    Bytes,
}

/// The axis of values, which begins at zero or, on a logarithmic one, below the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero to a multiple of the step.
    Linear {
        /// From one label to the next.
        step: u64,
        /// The value at the upper edge.
        top: u64,
    },
    /// Each factor takes the same height.
    Log {
        /// The value at the lower edge.
        bottom: u64,
        /// The value at the upper edge.
        top: u64,
    },
}

impl Unit {
    /// A value as people read it.
    pub fn show(self, value: u64) -> String {
        match self {
            Self::Count => units::grouped(value),
            Self::Micros => units::micros(value),
            Self::Bytes => units::bytes(value),
        }
    }

    /// A value as an axis is labelled: `10 ms`, not `10.0 ms`.
    pub fn label(self, value: u64) -> String {
        let (number, unit) = match self {
            Self::Count => (value, ""),
            Self::Micros => match value {
                0..1_000 => (value, " µs"),
                1_000..1_000_000 => (value / 1_000, " ms"),
                _ => (value / 1_000_000, " s"),
            },
            Self::Bytes => match value {
                0..1_024 => (value, " B"),
                1_024..0x10_0000 => (value >> 10, " KiB"),
                0x10_0000..0x4000_0000 => (value >> 20, " MiB"),
                _ => (value >> 30, " GiB"),
            },
        };
        if value == 0 { "0".into() } else { format!("{}{unit}", units::grouped(number)) }
    }

    /// Distances between labels that read well, growing.
    fn steps(self) -> impl Iterator<Item = u64> {
        let base = if self == Self::Bytes { 1_024 } else { 1_000 };
        let magnitudes = std::iter::successors(Some(1_u64), move |size| size.checked_mul(base));
        magnitudes.flat_map(|size| {
            [1, 2, 5, 10, 20, 50, 100, 200, 500].map(|factor| size.saturating_mul(factor))
        })
    }
}

impl Scale {
    /// From zero to at least `highest`, with so many labels at most above the zero.
    pub fn linear(highest: u64, unit: Unit, labels: u64) -> Self {
        let highest = highest.max(1);
        let fits = |step: &u64| highest.div_ceil(*step) <= labels;
        let step = unit.steps().find(fits).unwrap_or(highest);
        Self::Linear { step, top: step.saturating_mul(highest.div_ceil(step)) }
    }

    /// From 1, 2 or 5 times a power of ten below `lowest` to one above `highest`.
    pub fn log(lowest: u64, highest: u64) -> Self {
        let (lowest, highest) = (lowest.clamp(1, HUGE), highest.clamp(1, HUGE));
        let round = |value: u64| [1, 2, 5, 10].map(|factor| factor * 10_u64.pow(value.ilog10()));
        let bottom = round(lowest).into_iter().rfind(|value| *value <= lowest).unwrap_or(1);
        let top = round(highest).into_iter().find(|value| *value >= highest).unwrap_or(HUGE);
        Self::Log { bottom, top: top.max(bottom * 10) }
    }

    /// How far above the lower edge a value lies, where the upper edge is at `full`.
    pub fn above(self, value: u64, full: u64) -> u64 {
        let (value, whole) = match self {
            Self::Linear { top, .. } => (value.min(top), top),
            Self::Log { bottom, top } => {
                (log2(value.clamp(bottom, top)) - log2(bottom), log2(top) - log2(bottom))
            }
        };
        let whole = u128::from(whole.max(1));
        let place = (u128::from(value) * u128::from(full) + whole / 2) / whole;
        u64::try_from(place).unwrap_or(full)
    }

    /// The values that get a label.
    pub fn labels(self) -> Vec<u64> {
        match self {
            Self::Linear { step, top } => {
                (0..=top / step).map(|place| place * step).collect::<Vec<_>>()
            }
            Self::Log { bottom, top } => {
                std::iter::successors(Some(1_u64), |value| value.checked_mul(10))
                    .skip_while(|value| *value < bottom)
                    .take_while(|value| *value <= top)
                    .collect()
            }
        }
    }
}

/// Seconds between the labels of a time axis: at most eight of them.
pub fn time_step(seconds: u64) -> u64 {
    const DAY: u64 = 86_400;
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200]
        .into_iter()
        .find(|step| seconds / step <= 8)
        .unwrap_or_else(|| DAY * seconds.div_ceil(8 * DAY))
}

/// The binary logarithm in 4096ths: every squaring doubles it, and what overflows is its next bit.
fn log2(value: u64) -> u64 {
    let value = value.max(1);
    let whole = value.ilog2();
    let mut mantissa = u128::from(value) << (63 - whole);
    let mut bits = u64::from(whole);
    for _ in 0..12 {
        mantissa = (mantissa * mantissa) >> 63;
        let carry = mantissa >> 64;
        mantissa >>= carry;
        bits = bits << 1 | u64::from(carry > 0);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_zero_and_covers_the_highest() {
        let cases = [(0, Unit::Count, "0 1"), (1_304, Unit::Count, "0 500 1,000 1,500")];
        for (highest, unit, expected) in cases {
            let labels = Scale::linear(highest, unit, 4).labels();
            let text: Vec<_> = labels.into_iter().map(|value| unit.label(value)).collect();
            assert_eq!(text.join(" "), expected);
        }
        let memory = Scale::linear(700 << 20, Unit::Bytes, 4);
        let text: Vec<_> = memory.labels().into_iter().map(|v| Unit::Bytes.label(v)).collect();
        assert_eq!(text.join(" "), "0 200 MiB 400 MiB 600 MiB 800 MiB");
        assert_eq!(Scale::linear(u64::MAX, Unit::Count, 4).above(u64::MAX, 100), 100);
    }

    #[test]
    fn a_logarithmic_axis_gives_each_factor_the_same_height() {
        let scale = Scale::log(130, 9_000);
        assert_eq!(scale, Scale::Log { bottom: 100, top: 10_000 });
        let places = [0, 100, 1_000, 10_000, 99_000].map(|value| scale.above(value, 1_000));
        assert_eq!(places, [0, 0, 500, 1_000, 1_000]);
        assert_eq!(scale.labels(), [100, 1_000, 10_000]);
        assert_eq!(Scale::log(650, 19_000), Scale::Log { bottom: 500, top: 20_000 });
        assert_eq!(Scale::log(650, 19_000).labels(), [1_000, 10_000]);
        assert_eq!(Scale::log(0, 0), Scale::Log { bottom: 1, top: 10 });
        assert_eq!(Scale::log(u64::MAX, u64::MAX).above(u64::MAX, 10), 10);
    }

    #[test]
    fn a_time_axis_has_at_most_eight_steps() {
        for (seconds, step) in [(0, 1), (8, 1), (9, 2), (1_200, 300), (86_400, 14_400)] {
            assert_eq!(time_step(seconds), step, "{seconds}");
        }
        assert_eq!(time_step(30 * 86_400), 4 * 86_400);
    }
}
