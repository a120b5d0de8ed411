//! Promises, kernel, models, twins and `docs/concurrency.md` speak of the same things.
//!
//! A promise that the kernel cites and nobody models is a claim; a model that the page does not explain is a number.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TWIN: &str = "_twin";

pub(crate) fn path(below_root: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(below_root)
}

pub(crate) fn page() -> String {
    std::fs::read_to_string(path("docs/concurrency.md")).unwrap()
}

/// All Rust files of a folder, one after the other.
fn sources(folder: &str) -> String {
    let files = std::fs::read_dir(path(folder)).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|it| it == "rs"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}

/// The words of a text, as far as names go.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

/// A letter and a digit: the id of a promise.
fn is_id(word: &str) -> bool {
    matches!(word.as_bytes(), [letter, digit] if letter.is_ascii_uppercase() && digit.is_ascii_digit())
}

fn ids(text: &str) -> BTreeSet<String> {
    words(text).filter(|word| is_id(word)).map(str::to_owned).collect()
}

/// The tests of the models: those that explore a promise and those that plant a bug, by the promise they are after.
fn tests() -> (BTreeSet<String>, BTreeSet<String>) {
    let models = sources("loom-tests/src/models");
    let names = models.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    let (twins, models): (Vec<_>, Vec<_>) = names.partition(|name| name.ends_with(TWIN));
    let twins = twins.into_iter().filter_map(|name| name.strip_suffix(TWIN));
    (models.into_iter().map(str::to_owned).collect(), twins.map(str::to_owned).collect())
}

/// The promise of a model, from its name.
pub(crate) fn id_of(model: &str) -> String {
    model.split('_').next().unwrap_or_default().to_uppercase()
}

#[test]
fn every_model_has_a_twin_and_every_twin_a_model() {
    let (models, twins) = tests();
    assert!(models.len() > 20, "the models are where they are looked for");
    assert_eq!(models, twins);
}

#[test]
fn the_page_explains_every_model_and_no_other() {
    let page = page();
    // Breaks have a table of their own.
    let (models, _) = page.split_once("## Deliberate breaks").unwrap();
    let rows = models.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let explained: Vec<(String, String)> = rows
        .filter_map(|row| {
            let id = words(row).find(|word| is_id(word))?;
            let name = row.split('`').find(|name| name.starts_with(&format!("{}_", id.to_lowercase())))?;
            Some((id.to_owned(), name.to_owned()))
        })
        .collect();
    let names: BTreeSet<String> = explained.iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(names.len(), explained.len(), "one row for each model");
    assert_eq!(names, tests().0);
}

#[test]
fn the_kernel_cites_what_is_modelled_and_models_what_it_cites() {
    let modelled: BTreeSet<String> = tests().0.iter().map(|model| id_of(model)).collect();
    assert_eq!(ids(&sources("crates/enforce-core/src/kernel")), modelled);
}

/// The tests beside the models that are named after a promise, by file.
fn beside() -> Vec<(PathBuf, BTreeSet<String>)> {
    let folders = ["shuttle-tests/src", "chaos-tests/src"].map(|folder| std::fs::read_dir(path(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|file| file.unwrap().path());
    files
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let names = text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
            let names = names.filter(|name| is_id(&id_of(name))).map(str::to_owned);
            (file, names.collect::<BTreeSet<_>>())
        })
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

#[test]
fn the_page_names_what_is_tried_beside_the_models_and_each_file_has_a_twin() {
    let page = page();
    let section = page.split("\n## ").find(|section| section.starts_with("Beyond loom")).unwrap();
    let named: BTreeSet<&str> = words(section).collect();
    let files = beside();
    assert!(files.len() >= 3, "the tests are where they are looked for");
    for (file, names) in files {
        let (twins, tried): (BTreeSet<_>, BTreeSet<_>) = names.iter().partition(|name| name.ends_with(TWIN));
        assert!(!twins.is_empty(), "{}: nothing planted, nothing found", file.display());
        for twin in twins {
            assert!(tried.iter().any(|name| twin.strip_suffix(TWIN) == Some(name)), "{twin} is nobody's");
        }
        for name in tried {
            assert!(named.contains(name.as_str()), "the page does not name {name}");
        }
    }
}

#[test]
fn the_page_names_no_test_beside_the_models_that_is_none() {
    let page = page();
    let section = page.split("\n## ").find(|section| section.starts_with("Beyond loom")).unwrap();
    let there: BTreeSet<String> = beside().into_iter().flat_map(|(_, names)| names).collect();
    for name in words(section).filter(|word| word.contains('_') && is_id(&id_of(word))) {
        assert!(there.contains(name), "{name} is no test");
    }
}

#[test]
fn the_page_names_no_promise_that_is_none() {
    let all: BTreeSet<String> =
        "T1 T2 T3 T4 R1 R2 L1 E1 E2 E3 G1 G2 C1 Q1 D1 I1 N1 S1 W1 F1 V1".split(' ').map(str::to_owned).collect();
    assert_eq!(ids(&page()), all);
}
