//! The contracts: one file per message, named by its code. Requests refuse unknown fields; every
//! field's comment is its documentation in the served OpenAPI document.
//!
//! Messages of benefit partners (02) begin with `m`, those that both kinds share have no letter.

pub mod accounts;
pub mod admin;
pub mod balances;
pub mod c101;
pub mod c201;
pub mod declarations;
pub mod dictionaries;
pub mod events;
pub mod feed;
pub mod identity;
pub mod issuance;
pub mod keys;
pub mod m203;
pub mod m303;
pub mod m401;
pub mod m402;
pub mod m403;
pub mod m404;
pub mod m405;
pub mod operators;
pub mod page;
pub mod pushes;
pub mod sampling;
pub mod z101;
pub mod z102;
pub mod z201;
pub mod z202;
pub mod z203;
pub mod z204;
pub mod z301;
pub mod z302;
pub mod z303;
pub mod z304;
pub mod z305;
pub mod z306;
pub mod z501;
pub mod z502;
pub mod z503;
pub mod z504;
pub mod z601;

/// Rows of a list that one answer holds at most.
pub const PAGE_LIMIT: u16 = 200;
/// Longest cursor.
pub const CURSOR_MAX: usize = 200;
