//! The handle path: what a scheduler pays that keeps its handles.

use enforce_benches::{bench, floor, ours};

fn main() {
    bench([
        floor::cas(),
        ours::bare(),
        ours::bare_owned(),
        ours::bare_acquired(),
        ours::active(),
        ours::usual(),
        ours::usual_clock(),
        ours::budget(),
        ours::full(),
        ours::check(),
        ours::refused(),
        ours::refused_bare(),
        ours::usual_on_two_threads(),
    ]);
}
