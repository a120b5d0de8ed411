//! All or nothing over several words: T1, T2, T3.

use crate::explore::{THREE, TWO, model, twin};
use crate::kernel::activity::Activity;
use crate::kernel::bundle::{Bundle, Leg, RateLeg};
use crate::kernel::gcra::{Rate, Tat, TooFast};
use crate::kernel::queue::OnceQueue;
use crate::kernel::tally::Tally;
use crate::race;

const T1: &str = "T1: no limit of the chain is exceeded";
const T2: &str = "T2: a refused demand leaves no amount on any word";
const T2_IDLE: &str = "T2: a refused demand is no activity";
const T2_REAPED: &str = "T2: a demand that the reaper beat leaves no amount";
const T3: &str = "T3: steps never look exhausted by a take that does not stay";

const RATE: Rate = Rate { interval: 10, scale: 1, burst: 2 };

/// What one demand takes from: two scopes, a rate, and steps.
struct Words {
    near: [Tally; 2],
    far: Tally,
    tat: Tat,
    line: OnceQueue,
    steps: Tally,
    activity: Activity,
}

impl Words {
    fn new(far: u64, steps: u64) -> Self {
        Self {
            near: [Tally::new(2), Tally::new(2)],
            far: Tally::new(far),
            tat: Tat::new(&RATE, 0),
            line: OnceQueue::new(),
            steps: Tally::new(steps),
            activity: Activity::new(0),
        }
    }

    /// Two units from both scopes of one execution.
    fn legs(&self, execution: usize) -> [Leg<'_>; 2] {
        [&self.near[execution], &self.far].map(|tally| Leg { tally, amount: 2, observed: false, first: false })
    }

    fn rates(&self, amount: u64) -> [RateLeg<'_>; 1] {
        [RateLeg { tat: &self.tat, line: &self.line, rate: RATE, amount }]
    }

    fn step(&self) -> Leg<'_> {
        Leg { tally: &self.steps, amount: 1, observed: false, first: false }
    }

    /// How far ahead of `now` the rate is.
    fn ahead(&self, now: u64) -> u64 {
        match self.tat.look(&RATE, now, RATE.burst) {
            Ok(()) => 0,
            Err(TooFast::After(ahead)) => ahead,
            Err(TooFast::Never) => unreachable!("the burst itself fits"),
        }
    }
}

const NOTHING: Bundle<'static> = Bundle { legs: &[], rates: &[], last: None, activity: None, now_ns: 0 };

/// Two executions of one tenant, of which one fits.
fn chain(take: fn(&[Leg<'_>]) -> bool) -> impl std::fmt::Debug {
    let (a, b, words) =
        race::two(Words::new(3, 0), move |words| take(&words.legs(0)), move |words| take(&words.legs(1)));
    assert!(words.far.word().remaining() >= 0, "{T1}: {} remains", words.far.word().remaining());
    assert!(a != b, "{T1}, and one of the two fits: {a}, {b}");
    let left = [&words.near[0], &words.near[1], &words.far].map(|tally| tally.word().remaining());
    assert_eq!(left, [if a { 0 } else { 2 }, if b { 0 } else { 2 }, 1], "{T1}, and nothing else is taken");
    a
}

#[test]
fn t1_bundles_exceed_no_limit_of_the_chain() {
    model(T1, TWO, || chain(|legs| Bundle { legs, ..NOTHING }.take(&mut [None], |_| ()).is_ok()));
}

#[test]
fn t1_bundles_exceed_no_limit_of_the_chain_twin() {
    // Looks at every word and then charges them all.
    twin(T1, TWO, || {
        chain(|legs| {
            let fits = legs.iter().all(|leg| leg.tally.word().fits(leg.amount).is_ok());
            if fits {
                legs.iter().for_each(|leg| assert!(!leg.tally.settle(0, leg.amount).cut));
            }
            fits
        })
    });
}

/// Two demands of which one gets the last step: the other has taken all the rest by then, and gives it back.
fn refused(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (a, b, words) = race::two(Words::new(4, 1), take, take);
    let left = [&words.near[0], &words.far, &words.steps].map(|tally| tally.word().remaining());
    assert!(a || b, "{T2}, so the step is taken");
    assert!(!(a && b), "{T2}, and one step is one step");
    assert_eq!(left, [2, 2, 0], "{T2}: tallies");
    assert_eq!(words.ahead(0), 10, "{T2}: rate");
    a
}

#[test]
fn t2_a_refused_bundle_leaves_no_amount() {
    model(T2, TWO, || {
        refused(|words| {
            let (legs, rates) = (words.legs(0), words.rates(1));
            Bundle { legs: &legs[1..], rates: &rates, last: Some(words.step()), ..NOTHING }
                .take(&mut [None], |_| ())
                .is_ok()
        })
    });
}

#[test]
fn t2_a_refused_bundle_leaves_no_amount_twin() {
    // Gives back only a word that nobody has changed since.
    twin(T2, TWO, || {
        refused(|words| {
            let taken = words.far.take(2).unwrap();
            let paced = words.tat.take(&RATE, 0, 1).unwrap();
            let stepped = words.steps.take(1).is_ok();
            if !stepped {
                let _nobody_waits = words.tat.undo(paced, words.line.queue());
                if words.far.word() == taken {
                    words.far.give(2);
                }
            }
            stepped
        })
    });
}

/// Two demands at different times, of which one gets the last step.
fn idle(take: fn(&Words, u64) -> bool) -> impl std::fmt::Debug {
    let (a, b, words) = race::two(Words::new(4, 1), move |words| take(words, 5), move |words| take(words, 7));
    assert!(a != b, "{T2_IDLE}: {a}, {b}");
    assert_eq!(words.activity.see().last(), if a { 5 } else { 7 }, "{T2_IDLE}");
    a
}

#[test]
fn t2_a_refusal_is_no_activity() {
    model(T2_IDLE, TWO, || {
        idle(|words, now_ns| {
            let activity = Some(&words.activity);
            Bundle { last: Some(words.step()), activity, now_ns, ..NOTHING }.take(&mut [None], |_| ()).is_ok()
        })
    });
}

#[test]
fn t2_a_refusal_is_no_activity_twin() {
    // Touches when it looks, before the step is certain.
    twin(T2_IDLE, TWO, || {
        idle(|words, now_ns| {
            words.steps.word().fits(1).is_ok() && words.activity.touch(now_ns) && words.steps.take(1).is_ok()
        })
    });
}

/// A demand against the reaper.
fn reaped(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (taken, reaped, words) = race::two(Words::new(4, 1), take, |words| {
        let seen = words.activity.see();
        seen.last() == 0 && words.activity.reap(seen)
    });
    assert!(taken != reaped, "{T2_REAPED}: taken {taken}, reaped {reaped}");
    let left = [&words.far, &words.steps].map(|tally| tally.word().remaining());
    assert_eq!(left, if taken { [2, 0] } else { [4, 1] }, "{T2_REAPED}: tallies");
    assert_eq!(words.ahead(5), if taken { 10 } else { 0 }, "{T2_REAPED}: rate");
    taken
}

#[test]
fn t2_a_reaped_bundle_leaves_no_amount() {
    model(T2_REAPED, TWO, || {
        reaped(|words| {
            let (legs, rates, activity) = (words.legs(0), words.rates(1), Some(&words.activity));
            Bundle { legs: &legs[1..], rates: &rates, last: Some(words.step()), activity, now_ns: 5 }
                .take(&mut [None], |_| ())
                .is_ok()
        })
    });
}

#[test]
fn t2_a_reaped_bundle_leaves_no_amount_twin() {
    // Takes the mark of the reaper for something that can be looked at beforehand.
    twin(T2_REAPED, TWO, || {
        reaped(|words| {
            let live = !words.activity.see().reaped();
            let (legs, rates) = (words.legs(0), words.rates(1));
            let bundle = Bundle { legs: &legs[1..], rates: &rates, last: Some(words.step()), now_ns: 5, ..NOTHING };
            live && bundle.take(&mut [None], |_| ()).is_ok() && words.activity.touch(5)
        })
    });
}

/// A demand that may lose on the rate, somebody else who takes from that rate, and one who would halt if no step is
/// left.
fn exhausted(take: fn(&Words) -> bool) -> impl std::fmt::Debug {
    let (taken, rate, seen, words) = race::three(
        Words::new(4, 1),
        take,
        |words| words.tat.take(&RATE, 0, 1).is_ok(),
        |words| words.steps.word().remaining() == 0,
    );
    assert!(taken != rate, "the rate has room for one of them: {taken}, {rate}");
    assert!(taken || !seen, "{T3}: seen exhausted, and then not");
    assert_eq!(words.steps.word().remaining(), i64::from(!taken), "{T3}: at rest");
    (taken, seen)
}

#[test]
fn t3_steps_never_look_exhausted_by_a_transient_take() {
    model(T3, THREE, || {
        exhausted(|words| {
            Bundle { rates: &words.rates(2), last: Some(words.step()), ..NOTHING }.take(&mut [None], |_| ()).is_ok()
        })
    });
}

#[test]
fn t3_steps_never_look_exhausted_by_a_transient_take_twin() {
    // Takes the step before the rate, and gives it back.
    twin(T3, THREE, || {
        exhausted(|words| {
            let taken = words.steps.take(1).is_ok() && words.tat.take(&RATE, 0, 2).is_ok();
            if !taken {
                words.steps.give(1);
            }
            taken
        })
    });
}
