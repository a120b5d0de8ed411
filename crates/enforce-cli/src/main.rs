//! enforce
fn main() {}
