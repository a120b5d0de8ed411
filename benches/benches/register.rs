//! Beginning and ending an execution beside a thousand live ones.

use enforce_benches::{bench, enact, ours};

fn main() {
    bench([ours::register_and_finish(), ours::register_and_finish_expiring(), enact::register_and_unregister()]);
}
