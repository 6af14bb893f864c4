//! Every type that crosses a boundary: between partners and platform, between actors, into the
//! journal. Pure data; the only behaviour here is what makes a value valid.

pub mod account;
pub mod behaviour;
pub mod claims;
pub mod contracts;
pub mod courier;
pub mod credit_code;
pub mod entry;
pub mod envelope;
pub mod examples;
pub mod ids;
pub mod intake;
pub mod issuance;
pub mod keys;
pub mod methodology;
pub mod operators;
mod packed;
pub mod policy;
pub mod quality;
pub mod registry;
pub mod rejection;
pub mod seal;
pub mod signature;
pub mod sm2;
pub mod time;
pub mod units;

pub use credit_code::CreditCode;
pub use ids::*;
pub use rejection::{Reason, Rejection};
pub use time::{Day, Month, Timestamp};
pub use units::{Grams, Metres, Points, WattHours};
