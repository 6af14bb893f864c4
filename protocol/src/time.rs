//! Instants, days and months. Days and months are Asia/Shanghai's, which has kept UTC+8 without
//! daylight saving since 1991: a fixed offset is exact for every date this scheme can see.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

const SHANGHAI_OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// An instant in milliseconds since 1970. RFC 3339 with offset in JSON, an integer in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-24T08:30:00+08:00")]
pub struct Timestamp(pub i64);

/// A day in Asia/Shanghai, counted from 1970-01-01. `YYYY-MM-DD` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-11-24")]
pub struct Day(pub i32);

/// A month in Asia/Shanghai, counted from 1970-01. `YYYY-MM` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ToSchema)]
#[schema(
    value_type = String, pattern = r"^\d{4}-(0[1-9]|1[0-2])$", min_length = 7, max_length = 7,
    example = "2026-11",
)]
pub struct Month(pub i32);

impl Timestamp {
    /// The day this instant falls on in Shanghai.
    pub fn day(self) -> Day {
        let days = self.0.saturating_add(SHANGHAI_OFFSET_MS).div_euclid(DAY_MS);
        Day(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// The month this instant falls in, in Shanghai.
    pub fn month(self) -> Month {
        self.day().month()
    }

    /// The instant `ms` later (or earlier, when negative).
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The instant `seconds` later.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_ms(seconds.saturating_mul(1000))
    }
}

impl Day {
    /// The first instant of the day.
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0) * DAY_MS - SHANGHAI_OFFSET_MS)
    }

    /// The day `days` later (or earlier, when negative).
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The month of the day.
    pub fn month(self) -> Month {
        let date = self.date();
        Month((i32::from(date.year()) - 1970) * 12 + i32::from(date.month()) - 1)
    }

    fn date(self) -> Date {
        let span = jiff::Span::new().try_days(self.0).unwrap_or_default();
        // Beyond the calendar's end (year 9999) every day is its last.
        jiff::civil::date(1970, 1, 1).checked_add(span).unwrap_or(Date::MAX)
    }
}

impl Month {
    /// The first day of the month.
    pub fn first_day(self) -> Day {
        let (year, month) = (1970 + self.0.div_euclid(12), self.0.rem_euclid(12) + 1);
        let (year, month) = (i16::try_from(year).unwrap_or(9999), month as i8);
        let date = Date::new(year, month, 1).unwrap_or(Date::MAX);
        let days = date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days());
        Day(days)
    }

    /// The last day of the month.
    pub fn last_day(self) -> Day {
        self.plus(1).first_day().plus(-1)
    }

    /// The month `months` later.
    pub fn plus(self, months: i32) -> Self {
        Self(self.0.saturating_add(months))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = Offset::constant(8);
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        let zoned = instant.to_zoned(TimeZone::fixed(offset));
        write!(f, "{}+08:00", zoned.datetime())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", 1970 + self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

/// A text that is no instant, day or month of the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct BadTime(pub &'static str);

impl FromStr for Timestamp {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = BadTime("an RFC 3339 time with offset, like 2026-11-24T08:30:00+08:00");
        if text.len() > 40 {
            return Err(bad);
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| bad)?;
        (instant.as_millisecond() >= 0).then_some(Self(instant.as_millisecond())).ok_or(bad)
    }
}

impl FromStr for Day {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = BadTime("a day, like 2026-11-24");
        if text.len() != 10 {
            return Err(bad);
        }
        let date: Date = text.parse().map_err(|_| bad)?;
        let days = date.since(jiff::civil::date(1970, 1, 1)).map_err(|_| bad)?.get_days();
        (days >= 0).then_some(Self(days)).ok_or(bad)
    }
}

impl FromStr for Month {
    type Err = BadTime;
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = BadTime("a month, like 2026-11");
        let first: Day = format!("{text}-01").parse().map_err(|_| bad)?;
        if text.len() == 7 { Ok(first.month()) } else { Err(bad) }
    }
}

macro_rules! text_or_integer {
    ($name:ident, $inner:ty, $expects:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Text)
                } else {
                    <$inner>::deserialize(deserializer).map($name)
                }
            }
        }
    };
}

text_or_integer!(Timestamp, i64, "an RFC 3339 time with offset, like 2026-11-24T08:30:00+08:00");
text_or_integer!(Day, i32, "a day, like 2026-11-24");
text_or_integer!(Month, i32, "a month, like 2026-11");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_shanghais() {
        let late: Timestamp = "2026-11-30T23:59:59.999+08:00".parse().unwrap();
        assert_eq!(late.day().to_string(), "2026-11-30");
        assert_eq!(late.plus_ms(1).day().to_string(), "2026-12-01");
        assert_eq!(late.month().to_string(), "2026-11");
        assert_eq!(late.month().last_day().to_string(), "2026-11-30");
        assert_eq!("2028-02".parse::<Month>().unwrap().last_day().to_string(), "2028-02-29");
        assert_eq!(late.day().start().to_string(), "2026-11-30T00:00:00+08:00");
        assert_eq!(late.to_string(), "2026-11-30T23:59:59.999+08:00");
    }

    #[test]
    fn months_and_days_agree_over_two_centuries() {
        for month in (0..2400).map(Month) {
            assert_eq!(month.first_day().month(), month);
            assert_eq!(month.last_day().plus(1).month(), month.plus(1));
            assert_eq!(month.to_string().parse::<Month>().unwrap(), month);
        }
    }

    #[test]
    fn hostile_times_are_refused() {
        for bad in ["", "now", "2026-11-24", "2026-11-24T08:30:00", "1969-12-31T00:00:00Z"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
        for bad in ["2026-13-01", "2026-1-1", "-2026-01-01", "2026-02-30"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
