//! Many threads at once (T1, E1, G1, G2, C1): sums are exact at the end, and no limit is passed on the way.

use std::sync::Barrier;
use std::thread;

use crate::common::{builder, noon, register, run};

#[test]
fn g1_the_id_is_free_for_every_caller_to_whom_finish_has_returned() {
    let enforcer = builder(&noon()).max_executions(1).build().unwrap();
    for _ in 0..5_000 {
        let run = register(&enforcer, "exec", "tenant");
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                run.finish();
            });
            start.wait();
            run.finish();
            register(&enforcer, "exec", "tenant").finish();
        });
    }
}
