//! Turns the migration guide around: its old code, which other crates do not compile, becomes what is tested here.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const GUIDE: &str = "../docs/migration.md";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={GUIDE}");
    let old = fs::read_to_string(GUIDE)?.replace("```rust", "```text").replace("```rs", "```rust");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migration.md"), old)?;
    Ok(())
}
