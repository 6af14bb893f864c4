//! The account's messages: what it may be asked, what it may answer, and what can have happened to
//! it.

mod commands;
mod events;
mod replies;
mod words;

pub use commands::*;
pub use events::*;
pub use replies::*;
pub use words::*;
