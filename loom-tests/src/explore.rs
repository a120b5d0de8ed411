//! Runs a model through its interleavings, and sees to it that a green result means something.
//!
//! A model can be green because it explored nothing: the explorer's own caps on time and number end a run *silently*,
//! and a scenario in which nothing ever raced proves nothing. So no cap is ever set, whatever the environment says,
//! the interleavings are counted here, and a scenario returns a *witness* of what happened in it: one that never varies
//! has not raced. That a model would notice a bug at all is what its broken twin shows.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

use crate::promises::id_of;
use crate::sync::Loads;

/// How far a model is explored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Racing threads.
    threads: usize,
    /// Switches away from a thread that could have gone on; `None` = all there are.
    preemptions: Option<usize>,
}

/// Two threads, every interleaving.
pub(crate) const TWO: Bounds = Bounds { threads: 2, preemptions: None };
/// Two threads, every interleaving with at most three preemptions.
pub(crate) const TWO_BOUNDED: Bounds = Bounds { threads: 2, preemptions: Some(3) };
/// Three threads, every interleaving.
pub(crate) const THREE: Bounds = Bounds { threads: 3, preemptions: None };
/// Three threads, every interleaving with at most three preemptions.
pub(crate) const THREE_BOUNDED: Bounds = Bounds { threads: 3, preemptions: Some(3) };

/// A scenario longer than this fails; it is not cut short.
const MOST_SWITCHES: usize = 10_000;

/// Names the twin that a child process is to run.
const TWIN: &str = "ENFORCE_LOOM_TWIN";
const FOUND: &str = "found after interleaving ";

#[derive(Debug, Default)]
struct Seen {
    interleavings: usize,
    witnesses: BTreeSet<String>,
}

/// What the runs so far have shown. Outside the model: nothing in it waits for this lock.
#[expect(clippy::disallowed_types, reason = "the recorder must not be part of what is explored")]
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<std::sync::Mutex<Seen>>);

impl Recorder {
    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

/// Where the test is that gave the scenario, as the test harness names it.
fn name_of<F>(_scenario: &F) -> String {
    let path = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    path.split_once("::").map_or(path, |(_crate, rest)| rest).to_owned()
}

/// A test asserts the promise that its name bears.
fn check_name(name: &str, promise: &str) {
    let id = id_of(name.rsplit("::").next().unwrap_or_default());
    assert!(promise.starts_with(&format!("{id}: ")), "{name} is not about “{promise}”");
}

/// Explores `scenario` once through all orders and once through all values that a load may read.
fn run<W: Debug>(bounds: Bounds, scenario: impl Fn() -> W + Send + Sync + 'static, recorders: &[Recorder; 2]) {
    let scenario = Arc::new(scenario);
    for (loads, recorder) in [Loads::Latest, Loads::Stale].into_iter().zip(recorders) {
        loads.explore();
        let scenario = Arc::clone(&scenario);
        pass(bounds, recorder, move || scenario());
    }
}

fn pass<W: Debug>(bounds: Bounds, recorder: &Recorder, scenario: impl Fn() -> W + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // Every knob is set here, because the explorer would take those that are not from the environment.
    builder.max_threads = bounds.threads;
    builder.preemption_bound = bounds.preemptions;
    builder.max_branches = MOST_SWITCHES;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    let recorder = recorder.clone();
    builder.check(move || {
        recorder.with(|seen| seen.interleavings += 1);
        let witness = format!("{:?}", scenario());
        recorder.with(|seen| seen.witnesses.insert(witness));
    });
}

/// One line of the report. The harness captures what is printed, so this goes past it.
fn report(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// Explores `scenario`, which asserts the end state in the words of `promise` and returns a witness of what happened.
pub(crate) fn model<W: Debug>(promise: &str, bounds: Bounds, scenario: impl Fn() -> W + Send + Sync + 'static) {
    let name = name_of(&scenario);
    check_name(&name, promise);
    let recorders = Default::default();
    run(bounds, scenario, &recorders);
    let [(orders, ends), (stale, _)] =
        recorders.map(|seen| seen.with(|seen| (seen.interleavings, seen.witnesses.len())));
    assert!(orders > 1 && ends > 1, "{name} is vacuous: {orders} interleavings, {ends} different ends");
    let Bounds { threads, preemptions } = bounds;
    let preemptions = preemptions.map_or("exhaustive".to_owned(), |bound| format!("≤ {bound} preemptions"));
    report(format_args!(
        "model {name}: {orders} + {stale} interleavings, {ends} ends, {threads} threads, {preemptions} — {promise}"
    ));
}

/// Explores a `scenario` with a bug planted in it; passes if `promise` is seen broken.
///
/// It runs in a child process, this very test alone, because a broken protocol may also hang or abort.
pub(crate) fn twin<W: Debug>(promise: &str, bounds: Bounds, scenario: impl Fn() -> W + Send + Sync + 'static) {
    let name = name_of(&scenario);
    check_name(&name, promise);
    if std::env::var(TWIN).is_ok_and(|twin| twin == name) {
        let recorders: [Recorder; 2] = Default::default();
        let counted = recorders.clone();
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            let interleavings: usize = counted.iter().map(|seen| seen.with(|seen| seen.interleavings)).sum();
            report(format_args!("{FOUND}{interleavings}"));
        }));
        run(bounds, scenario, &recorders);
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(TWIN, &name)
        .output()
        .unwrap();
    let said = [child.stdout, child.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!child.status.success(), "{name}: the planted bug was not found\n{said}");
    assert!(said.contains(promise), "{name}: failed, but not of “{promise}”\n{said}");
    let found = said.lines().find_map(|line| line.strip_prefix(FOUND)).unwrap_or("?");
    report(format_args!("twin  {name}: found in interleaving {found}"));
}
