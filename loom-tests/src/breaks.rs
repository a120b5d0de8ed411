//! Deliberate breaks of the real sources, each of which a test has to catch.
//!
//! A break is a file of `breaks/`: which promise it breaks, in which file, what it is, which test catches it, and the text
//! that it puts in the place of another, or several. Whether each of them still fits the sources is held by every `cargo test`; whether
//! each is caught takes a build for each, and is asked for:
//!
//! ```sh
//! cargo test -p enforce-loom-tests breaks -- --ignored --nocapture
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::promises::{page, path, words};

const INSTEAD_OF: &str = "\n--- instead of\n";
const STANDS: &str = "\n--- stands\n";

#[derive(Debug)]
struct Break {
    name: String,
    promise: String,
    file: String,
    bug: String,
    package: String,
    test: String,
    /// What it replaces by what.
    texts: Vec<(String, String)>,
}

impl Break {
    fn of(file: &Path) -> Self {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(file).unwrap();
        let (head, texts) = text.split_once(INSTEAD_OF).unwrap();
        let pair = |texts: &str| {
            let (before, after) = texts.split_once(STANDS).unwrap();
            (before.to_owned(), after.trim_end_matches('\n').to_owned())
        };
        let texts = texts.split(INSTEAD_OF).map(pair).collect();
        let field = |key: &str| {
            let values = head.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            values.map(str::to_owned).next().unwrap_or_else(|| panic!("{name}: no {key}"))
        };
        let caught_by = field("caught by");
        let (package, test) = caught_by.split_once(' ').unwrap();
        let (package, test) = (package.to_owned(), test.to_owned());
        let (promise, file, bug) = (field("promise"), field("file"), field("bug"));
        Self { name, promise, file, bug, package, test, texts }
    }

    fn all() -> Vec<Self> {
        let files = fs::read_dir(path("loom-tests/breaks")).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<PathBuf> = files.collect();
        files.sort();
        files.iter().map(|file| Self::of(file)).collect()
    }

    /// The name of its test, without its modules.
    fn function(&self) -> &str {
        self.test.rsplit("::").next().unwrap()
    }

    /// The sources with it.
    fn applied(&self, source: &str) -> String {
        self.texts.iter().fold(source.to_owned(), |source, (before, after)| {
            assert_eq!(source.matches(before).count(), 1, "{}: its text stands once in {}", self.name, self.file);
            source.replacen(before, after, 1)
        })
    }

    /// As the page lists it.
    fn row(&self) -> String {
        let file = self.file.strip_prefix("crates/enforce-core/src/").unwrap();
        format!("| {} | {} | `{file}` | {} | `{}` |", self.promise, self.name, self.bug, self.function())
    }
}

/// The text of every Rust file below a folder.
fn below(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|entry| match entry.extension() {
            _ if entry.is_dir() => below(&entry),
            Some(it) if it == "rs" => fs::read_to_string(&entry).unwrap(),
            _ => String::new(),
        })
        .collect()
}

#[test]
fn every_break_fits_the_sources_as_they_are() {
    let all = Break::all();
    assert!(all.len() >= 10, "{} breaks", all.len());
    for it in all {
        let source = fs::read_to_string(path(&it.file)).unwrap();
        assert_ne!(it.applied(&source), source, "{}", it.name);
    }
}

#[test]
fn every_break_is_caught_by_a_test_that_names_its_promise() {
    let tests = below(&path("loom-tests/src/models")) + &below(&path("crates/enforce-core/tests/contract"));
    for it in Break::all() {
        assert!(tests.contains(&format!("#[test]\nfn {}(", it.function())), "{}: {}", it.name, it.test);
        assert!(words(it.function()).any(|word| word.split('_').any(|part| part.to_uppercase() == it.promise)));
    }
}

#[test]
fn the_page_lists_every_break_as_it_is_and_no_other() {
    let page = page();
    let (_, table) = page.split_once("## Deliberate breaks").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: BTreeSet<String> = table.lines().filter(|line| line.contains('`')).map(str::to_owned).collect();
    let rows: BTreeSet<String> = rows.into_iter().filter(|row| row.starts_with("| ")).collect();
    assert_eq!(rows, Break::all().iter().map(Break::row).collect());
}

/// A copy of the workspace, without what is built.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        let copy = Self(std::env::temp_dir().join(format!("enforce-breaks-{}", std::process::id())));
        copy_all(&path("."), &copy.0.join("workspace"));
        copy
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("workspace").join(name)
    }

    /// Runs these tests of a package.
    fn run(&self, package: &str, tests: &[&str]) -> Output {
        let target: &[&str] = if package == "enforce-core" { &["--test", "contract"] } else { &["--lib"] };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "-p", package]).args(target).args(["--", "--exact"]).args(tests);
        cargo.current_dir(self.0.join("workspace")).env("CARGO_TARGET_DIR", self.0.join("target"));
        cargo.output().unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (entry, name) = (entry.path(), entry.file_name());
        let built = name.to_str().is_some_and(|name| name.starts_with("target") || name == ".git");
        match (built, entry.is_dir()) {
            (true, _) => {}
            (false, true) => copy_all(&entry, &to.join(name)),
            (false, false) => drop(fs::copy(&entry, to.join(name)).unwrap()),
        }
    }
}

/// Both streams.
fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
#[ignore = "builds the library once for each break"]
fn each_break_is_caught() {
    let (all, copy) = (Break::all(), Copy::new());
    let packages: BTreeSet<&str> = all.iter().map(|it| it.package.as_str()).collect();
    for package in packages {
        let tests: BTreeSet<&str> = all.iter().filter(|it| it.package == package).map(|it| it.test.as_str()).collect();
        let whole = copy.run(package, &tests.iter().copied().collect::<Vec<_>>());
        let passed = format!("test result: ok. {} passed", tests.len());
        assert!(whole.status.success() && told(&whole).contains(&passed), "unbroken: {}", told(&whole));
        println!("unbroken: {} tests of {package} pass", tests.len());
    }
    let mut missed = Vec::new();
    for it in &all {
        let source = fs::read_to_string(copy.file(&it.file)).unwrap();
        fs::write(copy.file(&it.file), it.applied(&source)).unwrap();
        let output = copy.run(&it.package, &[&it.test]);
        fs::write(copy.file(&it.file), source).unwrap();
        let told = told(&output);
        // It was built, ran, and failed.
        let caught = !output.status.success()
            && told.contains("running 1 test")
            && told.contains(&format!("test {} ... FAILED", it.test));
        println!("{} {}: {} by {}", if caught { "caught" } else { "MISSED" }, it.promise, it.name, it.test);
        if !caught {
            println!("{told}");
            missed.push(&it.name);
        }
    }
    assert!(missed.is_empty(), "nobody has caught {missed:?}");
}
