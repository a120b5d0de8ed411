//! The path by id, a thousand live executions in turn.

use enforce_benches::{bench, floor, ours, rivals};

fn main() {
    bench([
        floor::map_get(),
        floor::map_get_clone(),
        ours::by_id_bare(),
        ours::by_id_active(),
        ours::by_id_usual(),
        rivals::enact::step_of_many(),
        rivals::enact::whole_of_many(),
    ]);
}
