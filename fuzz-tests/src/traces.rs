//! Recorded traces, in every format that there is.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::progress::Progress;
use crate::trace::{Format, Item, Run, Trace};

const MAX: u64 = (1 << 56) - 1;

/// The file, as each format, and as the one that it shows.
pub(crate) fn target(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file for a while");
    file.write_all(data).expect("a file for a while");
    let path = [file.path().to_path_buf()];
    let shown = Trace::open(&path, None, &Progress::default()).ok().map(|trace| trace.format());
    for format in Format::value_variants() {
        let read = items(&path, Some(*format));
        if shown == Some(*format) {
            assert_eq!(items(&path, None), read, "who names the format reads the same");
        }
    }
}

/// What happens in it, and the error that ends it.
type Read = (Vec<Item>, Option<String>);

fn items(path: &[PathBuf], format: Option<Format>) -> Read {
    let mut items = Vec::new();
    let trace = match Trace::open(path, format, &Progress::default()) {
        Ok(trace) => trace,
        Err(error) => return (items, Some(line(error.to_string()))),
    };
    let (mut rows, mut time_ns, mut ended) = (0, 0, HashSet::<Run>::new());
    for item in trace {
        let item = match item {
            Ok(item) => item,
            Err(error) => return (items, Some(line(error.to_string()))),
        };
        assert!(item.time_ns() >= time_ns, "in the order of time: {item:?}");
        time_ns = item.time_ns();
        match &item {
            Item::Begin { run, .. } => assert!(!ended.contains(run), "nobody comes back: {item:?}"),
            Item::End { run, .. } => assert!(ended.insert(run.clone()), "everyone ends once: {item:?}"),
            Item::Step(step) => {
                rows += 1;
                assert_eq!(step.row, rows, "every row has the next number");
                for amounts in [step.asked, step.used] {
                    assert!(amounts.input_tokens.max(amounts.output_tokens) <= MAX, "what can be counted: {item:?}");
                }
                let (tenant, execution) = (step.run.tenant.len(), step.run.execution.len());
                assert!((1..=128).contains(&tenant) && (1..=128).contains(&execution), "ids: {item:?}");
                assert!(!ended.contains(&step.run), "nobody takes a step after its end: {item:?}");
                if step.last {
                    ended.insert(step.run.clone());
                }
            }
        }
        items.push(item);
    }
    assert!(rows > 0, "a trace without a row is an error");
    (items, None)
}

/// An error is one line.
fn line(error: String) -> String {
    assert!(!error.contains('\n'), "{error}");
    error
}
