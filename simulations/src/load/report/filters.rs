//! The units as template filters: `{{ line.count|grouped }}`.

use askama::{PrimitiveType, Result, Values, filter_fn};

use super::units;

#[filter_fn]
pub fn grouped(number: impl PrimitiveType<Value = u64>, _: &dyn Values) -> Result<String> {
    Ok(units::grouped(number.get()))
}

#[filter_fn]
pub fn micros(time: impl PrimitiveType<Value = u64>, _: &dyn Values) -> Result<String> {
    Ok(units::micros(time.get()))
}

#[filter_fn]
pub fn bytes(size: impl PrimitiveType<Value = u64>, _: &dyn Values) -> Result<String> {
    Ok(units::bytes(size.get()))
}

#[filter_fn]
pub fn per_second(milli: impl PrimitiveType<Value = u64>, _: &dyn Values) -> Result<String> {
    Ok(units::per_second(milli.get()))
}

/// Milliseconds as a clock shows them.
#[filter_fn]
pub fn clock(milli: impl PrimitiveType<Value = u64>, _: &dyn Values) -> Result<String> {
    Ok(units::clock(milli.get() / 1_000))
}
