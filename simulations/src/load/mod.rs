//! The open-loop load generator behind `carbon simulate`: arrivals on schedule whatever the
//! platform does, latency from the *scheduled* time, an auditor with books of its own.

mod auditor;
mod book;
pub mod citizens;
mod comparisons;
mod decided;
pub mod gauges;
mod ground;
mod happenings;
mod journeys;
mod kept;
mod line;
pub mod live;
mod meter;
mod openends;
pub mod outcome;
mod prepare;
pub mod report;
mod run;
pub mod scenario;
pub mod schedule;
mod verdict;

pub use self::ground::Access;
pub use self::run::{Wishes, run};
