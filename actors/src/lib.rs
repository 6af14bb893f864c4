//! The house of the ledger: pure machines, their actix shells, the ports they speak through, and
//! the invariants that hold always. See the map in the README.

pub mod balances;
pub mod followers;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod house;
pub mod invariants;
pub mod lanes;
mod loads;
pub mod machines;
pub mod methodology;
pub mod platform;
pub mod ports;
pub mod recovery;
pub mod refusal;
mod rooms;
mod scribe;
mod shell;
pub mod snapshot;
mod system;
pub mod twins;
pub mod vigils;

pub use system::{run, run_alone};
