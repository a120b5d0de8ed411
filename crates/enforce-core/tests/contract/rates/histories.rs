//! Random histories of takes, settles, drops and clocks against the law itself, counted by brute force (Q1).
//!
//! In every window of w, of all that was admitted in it and neither given back later nor left unused, there are at most
//! B + ⌊(w + d)/T⌋ units, d being how far any clock was behind another.

use enforce_core::{Actual, Demand, OwnedHold, RateLimit, RatePeriod, RateUnit, Timestamp};

use super::{of_each_kind, step};
use crate::common::{NOON, builder, noon, register};

const HISTORIES: u64 = 20_000;
const STEPS: u64 = 24;
const BURST: u64 = 9;

/// A small generator of numbers that look random, the same in each run (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What was admitted: when, and how much of it stays.
struct Admitted {
    at: u64,
    stays: u64,
}

/// The worst window: units in it, and how many the law allows.
fn worst(history: &[Admitted], behind: u64, per_minute: u64) -> Option<(u64, u64)> {
    let starts = history.iter().map(|take| take.at);
    let windows = starts.flat_map(|start| history.iter().map(move |take| (start, take.at)));
    windows.filter(|(start, end)| start <= end).find_map(|(start, end)| {
        let stays = history.iter().filter(|take| (start..=end).contains(&take.at)).map(|take| take.stays).sum();
        let refilled = u128::from(end - start + behind) * u128::from(per_minute) / 60_000_000_000;
        let most = BURST + u64::try_from(refilled).unwrap();
        (stays > most).then_some((stays, most))
    })
}

/// How many refunds there were.
fn history(seed: u64) -> u64 {
    let mut numbers = Numbers(seed);
    let per_minute = [60, 350, 48_000_000][seed as usize % 3];
    let (stride, back) = [(0, 0), (1, 0), (3, 0), (3, 2)][seed as usize / 3 % 4];
    // In thirds of a unit's time.
    let tick = 60_000_000_000 / per_minute / 3 + 1;
    let limit = RateLimit::provider(RateUnit::TotalTokens, per_minute, RatePeriod::Minute).burst(BURST);
    let enforcer = builder(&noon()).rate(of_each_kind(limit)[seed as usize / 12 % 3].clone()).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let step = step(&enforcer);
    let (mut history, mut open) = (Vec::<Admitted>::new(), Vec::<(usize, u64, OwnedHold)>::new());
    let (mut latest, mut behind, mut refunds) = (NOON, 0, 0);
    for _ in 0..STEPS {
        latest += numbers.below(5 * stride + 1) * tick;
        let now = latest - (numbers.below(4 * back + 1) * tick).min(latest - NOON);
        behind = behind.max(latest - now);
        if open.is_empty() || numbers.below(5) < 3 {
            let tokens = 1 + numbers.below(BURST);
            let demand: Demand = step.tokens(tokens, 0);
            if let Ok(hold) = run.reserve_owned_at(demand, Timestamp::from_nanos(now)) {
                open.push((history.len(), tokens, hold));
                history.push(Admitted { at: now, stays: tokens });
            }
            continue;
        }
        let (number, tokens, hold) = open.swap_remove(numbers.below(open.len() as u64) as usize);
        let used = numbers.below(tokens + 3);
        refunds += u64::from(used < tokens);
        if used == 0 && numbers.below(2) == 0 {
            drop(hold);
        } else {
            hold.settle_at(Actual::tokens(used, 0), Timestamp::from_nanos(now));
        }
        // What was used above it was not admitted, only recorded.
        history[number].stays = used.min(tokens);
    }
    if let Some((stays, most)) = worst(&history, behind, per_minute) {
        panic!("Q1: {stays} units stay where {most} may ({seed})");
    }
    refunds
}

#[test]
fn q1_whatever_comes_back_no_window_keeps_more_than_the_burst_and_what_refills_in_it() {
    let refunds: u64 = (0..HISTORIES).map(history).sum();
    assert!(refunds > 50_000, "{refunds} holds gave something back");
}
