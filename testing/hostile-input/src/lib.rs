//! Properties that hold for all input bytes.
//!
//! Each target passes bytes to a parser of the product and panics if a property does not hold. `make fuzz` runs the targets
//! guided by coverage. The tests of this crate run them over the corpus, over mutations of it, and over generated inputs
//! that are too large to store.

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

/// A function that panics if a property does not hold for the input.
pub type Target = fn(&[u8]);

/// All targets, with the name of their corpus and fuzz target.
pub const TARGETS: [(&str, Target); 4] =
    [("webhook", webhook), ("message", message), ("object", object), ("response", response)];
