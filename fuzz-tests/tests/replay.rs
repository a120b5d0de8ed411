//! Every file of the corpus through the function of its fuzz target. What once broke a law stays in the corpus.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use enforce_fuzz_tests::{TARGETS, run};

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder)
}

/// The files and folders in a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn stems(folder: &Path) -> BTreeSet<String> {
    entries(folder).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn replay(name: &str) {
    let seeds = entries(&fuzz("corpus").join(name));
    assert!(seeds.len() >= 3, "the corpus of {name} is where it is looked for");
    for seed in seeds {
        let data = std::fs::read(&seed).unwrap();
        let outcome = std::panic::catch_unwind(|| run(name, &data));
        assert!(outcome.is_ok(), "{} breaks a law of {name}", seed.display());
    }
}

macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_replayed_and_has_a_fuzzer_and_a_corpus() {
            let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!([$(stringify!($target)),*].map(str::to_owned).into_iter().collect::<BTreeSet<_>>(), named);
            assert_eq!(stems(&fuzz("fuzz_targets")), named);
            assert_eq!(stems(&fuzz("corpus")), named);
        }
    };
}

replay! {
    decisions events gateway_file gateway_request gateway_stream ids money network policy_file prices_genai
    prices_litellm prices_own settings state traces usage
}
