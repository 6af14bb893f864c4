//! The platform's own parts around the actors: the doors, the adapters, the wiring.

pub mod clock;
pub mod config;
pub mod conformity;
mod declarations;
pub mod demonstration;
mod disk;
pub mod distances;
mod docs;
pub mod http;
pub mod identity;
pub mod journal;
mod keys;
pub mod maintenance;
pub mod nats;
pub mod outbound;
pub mod pages;
pub mod partners;
pub mod populate;
mod signed;
mod signing;
pub mod simulation;
pub mod store;
pub mod stories;
pub mod tickets;
pub mod vault;
pub mod wiring;
