//! The undoing of rates against a replay of the same history without the undone takes.
//!
//! The models show that threads change nothing about it; here one thread goes through many histories, and the oracle is
//! the rate's own definition.

use crate::kernel::gcra::{Paced, Rate, Tat, TooFast};

const RATE: Rate = Rate { interval: 10, scale: 1, burst: 4 };
const HISTORIES: u64 = 20_000;
const STEPS: u64 = 14;

/// A small generator of numbers that look random, the same in each run (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A take that was admitted.
struct Taken {
    at: u64,
    cost: u64,
    paced: Option<Paced>,
}

/// Where the arrival time stands without what has been undone.
fn replay(history: &[Taken]) -> u64 {
    history.iter().filter(|taken| taken.paced.is_some()).fold(0, |tat, taken| tat.max(taken.at) + taken.cost)
}

/// How far ahead of `now` the cell is.
fn ahead(tat: &Tat, now: u64) -> u64 {
    match tat.look(&RATE, now, RATE.burst) {
        Ok(()) => 0,
        Err(TooFast::After(ahead)) => ahead,
        Err(TooFast::Never) => unreachable!("the burst itself fits"),
    }
}

/// One history; clocks move on by up to `stride` and step back by up to `back`. The number of undone takes.
fn history(seed: u64, stride: u64, back: u64) -> usize {
    let mut numbers = Numbers(seed);
    let tat = Tat::new();
    let mut history: Vec<Taken> = Vec::new();
    let (mut latest, mut undone, mut may_stay) = (0, 0, 0);
    for _ in 0..STEPS {
        let open: Vec<usize> = (0..history.len()).filter(|&number| history[number].paced.is_some()).collect();
        if open.is_empty() || numbers.below(5) < 3 {
            let at = (latest + numbers.below(stride + 1)).saturating_sub(numbers.below(back + 1));
            let amount = 1 + numbers.below(2);
            latest = latest.max(at);
            if let Ok(paced) = tat.take(&RATE, at, amount) {
                history.push(Taken { at, cost: amount * RATE.interval, paced: Some(paced) });
            }
            continue;
        }
        let number = open[numbers.below(open.len() as u64) as usize];
        tat.undo(history[number].paced.take().unwrap());
        undone += 1;
        may_stay += latest - history[number].at;
        let (cell, exact) = (ahead(&tat, latest), replay(&history).saturating_sub(latest));
        assert!(
            cell >= exact,
            "Q1: {exact} ahead without what was undone, and {cell} with it ({seed}, {stride}, {back})"
        );
        assert!(
            back > 0 || cell - exact <= may_stay,
            "T2: {cell} ahead for {exact}, at most {may_stay} may stay ({seed}, {stride}, {back})"
        );
    }
    undone
}

#[test]
fn an_undone_take_gives_back_no_more_than_a_replay_and_little_less() {
    let undone = (0..HISTORIES)
        .map(|seed| {
            let (stride, back) = [(0, 0), (4, 0), (15, 0), (15, 7)][seed as usize % 4];
            let (sender, receiver) = std::sync::mpsc::channel();
            // One thread, so one interleaving; the words exist inside a model alone.
            loom::model::Builder::new().check(move || sender.send(history(seed, stride, back)).unwrap());
            receiver.iter().sum::<usize>()
        })
        .sum::<usize>();
    assert!(undone > 50_000, "{undone} takes were undone");
}
