//! What comes back to a rate, of takes as a whole or in part, against a replay of the same history without it.
//!
//! The models show that threads change nothing about it; here one thread goes through many histories, and the oracle is
//! the rate's own definition.

use crate::kernel::gcra::{Paced, Rate, Tat, TooFast};
use crate::kernel::queue::Queue;

const RATE: Rate = Rate { interval: 10, scale: 1, burst: 4 };
const HISTORIES: u64 = 40_000;
const STEPS: u64 = 14;

/// A small generator of numbers that look random, the same in each run (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A take that was admitted, or a charge that asked nobody.
struct Taken {
    at: u64,
    /// What stays of it.
    cost: u64,
    amount: u64,
    paced: Option<Paced>,
}

/// Where the arrival time stands without what has been undone.
fn replay(history: &[Taken]) -> u64 {
    let staying = history.iter().filter(|taken| taken.cost > 0);
    staying.fold(0, |tat, taken| tat.max(taken.at) + taken.cost)
}

/// How far ahead of `now` the cell is.
fn ahead(tat: &Tat, now: u64) -> u64 {
    match tat.look(&RATE, now, RATE.burst) {
        Ok(()) => 0,
        // Debt included.
        Err(TooFast::After(ahead)) => ahead,
        Err(TooFast::Never) => unreachable!("the burst itself fits"),
    }
}

/// One history; clocks move on by up to `stride` and step back by up to `back`. With `parts`, takes are given back in
/// part as well, and some amounts are charged unasked. The number of takes that were given back.
fn history(seed: u64, stride: u64, back: u64, parts: bool) -> usize {
    let mut numbers = Numbers(seed);
    let (tat, line) = (Tat::new(&RATE, 0), Queue::new());
    let (what, amounts) = if parts { ("in part", 3) } else { ("as a whole", 2) };
    let mut history: Vec<Taken> = Vec::new();
    let (mut latest, mut undone, mut may_stay) = (0, 0, 0);
    for _ in 0..STEPS {
        let open: Vec<usize> = (0..history.len()).filter(|&number| history[number].paced.is_some()).collect();
        if open.is_empty() || numbers.below(5) < 3 {
            let at = (latest + numbers.below(stride + 1)).saturating_sub(numbers.below(back + 1));
            let amount = 1 + numbers.below(amounts);
            latest = latest.max(at);
            let cost = amount * RATE.interval;
            if parts && numbers.below(8) == 0 {
                tat.charge(&RATE, at, amount);
                history.push(Taken { at, cost, amount, paced: None });
            } else if let Ok(paced) = tat.take(&RATE, at, amount) {
                history.push(Taken { at, cost, amount, paced: Some(paced) });
            }
            continue;
        }
        let number = open[numbers.below(open.len() as u64) as usize];
        let taken = &mut history[number];
        let paced = taken.paced.take().unwrap();
        let amount = if parts { numbers.below(taken.amount + 1) } else { taken.amount };
        let _nobody_waits = match amount == taken.amount {
            true => tat.undo(paced, &line),
            // As a hold does, which keeps no more of it.
            false => tat.refund(&RATE, Paced::again(&RATE, taken.at, taken.amount, paced.mark()), amount, &line),
        };
        taken.cost -= amount * RATE.interval;
        undone += 1;
        may_stay += latest - history[number].at;
        let (cell, exact) = (ahead(&tat, latest), replay(&history).saturating_sub(latest));
        assert!(
            cell >= exact,
            "Q1: {exact} ahead without what came back {what}, and {cell} with it ({seed}, {stride}, {back})"
        );
        assert!(
            parts || back > 0 || cell - exact <= may_stay,
            "T2: {cell} ahead for {exact}, at most {may_stay} may stay ({seed}, {stride}, {back})"
        );
    }
    undone
}

#[test]
fn what_comes_back_of_a_take_is_no_more_than_in_a_replay_and_little_less() {
    let undone = (0..HISTORIES)
        .map(|seed| {
            let (stride, back) = [(0, 0), (4, 0), (15, 0), (15, 7)][seed as usize % 4];
            let parts = seed / 4 % 2 == 1;
            let (sender, receiver) = std::sync::mpsc::channel();
            // One thread, so one interleaving; the words exist inside a model alone.
            loom::model::Builder::new().check(move || sender.send(history(seed, stride, back, parts)).unwrap());
            receiver.iter().sum::<usize>()
        })
        .sum::<usize>();
    assert!(undone > 50_000, "{undone} takes were undone");
}
