//! The one integration binary: end to end through HTTP, NATS and a browser, and the house's
//! manners. One binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod admin;
mod browser;
mod conformity;
mod demo;
mod disk;
mod faults;
mod figures;
mod guomi;
mod harness;
mod hostile;
mod interfaces;
mod interop;
mod kill;
mod load;
mod manners;
mod nats;
mod opening;
mod quickstart;
mod raw;
mod reckoning;
mod reference;
mod remembering;
mod sampling;
mod secrets;
mod shipped;
mod signers;
mod sockets;
mod stage;
mod store;
mod webdriver;

/// As the binary has it: load is generated here, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
