//! Sandbox partners, synthetic citizens, and the auditor whose books must agree with the platform.

pub mod conform;
pub mod demo;
pub mod load;
pub mod sandbox;
pub mod virtual_time;
pub mod wire;
