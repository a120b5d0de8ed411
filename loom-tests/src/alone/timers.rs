//! Who is to be looked at when, in several shards.

use std::rc::Rc;

use super::alone;
use crate::kernel::timers::{Moment, Seat, Seated, Timers};

#[derive(Clone)]
struct Run(Rc<Seat>);

impl Seated for Run {
    fn seat(&self) -> &Seat {
        &self.0
    }
}

/// Timers that have been started at 0, and as many who are due at that moment.
fn placed(shards: usize, many: usize, moment: Moment) -> (Timers<Run>, Vec<Run>) {
    let (timers, runs) = (Timers::new(shards), (0..many).map(|_| Run(Rc::new(Seat::new()))).collect::<Vec<_>>());
    timers.start(0, || runs.clone(), |_| moment);
    (timers, runs)
}

/// How many are due in that shard at `now`.
fn due(timers: &Timers<Run>, shard: usize, now: u64, moment: Moment) -> usize {
    let mut found = Vec::new();
    timers.due((shard, now), &mut (0, 0), 1_000, &mut found, |_| moment);
    found.len()
}

#[test]
fn those_who_wait_are_spread_over_the_shards() {
    alone(|| {
        let (timers, runs) = placed(4, 32, Moment::At(5));
        let due: Vec<usize> = (0..4).map(|shard| due(&timers, shard, 5, Moment::At(5))).collect();
        assert_eq!(due.iter().sum::<usize>(), runs.len());
        assert!(due.iter().filter(|many| **many > 0).count() > 1, "{due:?}");
    });
}

#[test]
fn the_last_moment_of_the_clock_never_comes() {
    alone(|| {
        for (moment, found) in [(u64::MAX - 1, 1), (u64::MAX, 0)] {
            let (timers, _runs) = placed(1, 1, Moment::At(moment));
            assert_eq!(due(&timers, 0, u64::MAX, Moment::At(moment)), found);
        }
    });
}

#[test]
fn behind_a_close_nobody_is_there_and_nobody_enters() {
    alone(|| {
        let (timers, runs) = placed(2, 3, Moment::At(5));
        assert_eq!(timers.len(), 3);
        timers.close();
        assert_eq!(timers.len(), 0);
        for run in &runs {
            timers.enter(run, |_| Moment::At(5));
            assert_eq!((timers.len(), Rc::strong_count(&run.0)), (0, 1));
        }
    });
}
