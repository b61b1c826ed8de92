//! Boots the function.
fn main() {}
