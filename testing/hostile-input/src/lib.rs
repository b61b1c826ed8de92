//! What must hold whatever anybody sends.
//!
//! Each target takes bytes, gives them to a reader of ours as the functions do, and panics where a promise breaks. The
//! same targets serve twice: `make fuzz` searches with them, guided by coverage, and the tests of this crate run them over
//! the kept corpus, over mutations of it, and over inputs too large to be kept.

mod message;
mod object;
mod response;
mod webhook;

pub mod corpus;
pub mod large;
pub mod mutation;

pub use message::message;
pub use object::object;
pub use response::response;
pub use webhook::webhook;

/// Takes input and panics if a promise breaks.
pub type Target = fn(&[u8]);

/// Every target, by the name that its corpus and its fuzzer have.
pub const TARGETS: [(&str, Target); 4] =
    [("webhook", webhook), ("message", message), ("object", object), ("response", response)];
