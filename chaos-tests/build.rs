//! Copies the core's sources, all but `sync.rs`, and its tests to where this crate includes them beside its own.
//!
//! Why a copy: the core's files find each other by `crate::` and by their folders. `#[path]` would keep neither: a file that
//! is named by it looks for its own modules beside itself and no longer in its folder. So whatever names a second `sync`
//! would have to stand in the core itself, as a feature or a `cfg`, and a real build could come upon it. A copy leaves the
//! core as it is, and whoever needs more of `sync` than is here does not compile.

use std::io::Result;
use std::path::{Path, PathBuf};
use std::{env, fs};

const SOURCES: &str = "../crates/enforce-core/src";
const TESTS: &str = "../crates/enforce-core/tests/contract";

/// Those of the tests that many threads run at once, those that wait, the random sequences, and what these need. All others
/// hold here, too, but say nothing more in as much time again.
const CHOSEN: [&str; 5] = ["mod common;", "mod limits;", "mod oracle;", "mod threads;", "mod waiting;"];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    // The core's own feature, which is never on here.
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"policy-file\"))");
    again(SOURCES, &out.join("core"), "lib.rs", |line| line != "mod sync;")?;
    fs::remove_file(out.join("core/sync.rs"))?;
    again(TESTS, &out.join("contract"), "main.rs", |line| CHOSEN.contains(&line))
}

/// Copies a folder, so that its `root` can be included: what is included stands in the middle of a file, so it has no
/// documentation of its own. Of its lines those stay that are `kept`.
fn again(from: &str, to: &Path, root: &str, kept: impl Fn(&str) -> bool) -> Result<()> {
    println!("cargo::rerun-if-changed={from}");
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy(Path::new(from), to)?;
    let root = to.join(root);
    let text = fs::read_to_string(&root)?;
    let kept = text.lines().filter(|line| !line.starts_with("//!") && kept(line));
    fs::write(root, kept.fold(String::new(), |text, line| text + line + "\n"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            // What the core asserts of the size of a record is about its own words: compiled, and not asked. Its unit tests
            // run where they live.
            let text = fs::read_to_string(entry.path())?.replace("const _: () = {", "const _: fn() = || {");
            fs::write(to, text.replace("#[cfg(test)]", "#[cfg(any())]"))?;
        }
    }
    Ok(())
}
