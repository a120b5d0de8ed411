//! Beginning and ending an execution beside a thousand live ones.

use enforce_benches::{bench, ours, rivals};

fn main() {
    bench([
        ours::register_and_finish(),
        ours::register_and_finish_expiring(),
        rivals::enact::register_and_unregister(),
    ]);
}
