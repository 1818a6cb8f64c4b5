//! Parse, call, print the error, return the exit code.
fn main() {}
