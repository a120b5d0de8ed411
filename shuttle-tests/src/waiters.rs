//! Many who wait for room, who frees it, and who ends their waiting.

use std::sync::PoisonError;
use std::task::{Poll, Wake, Waker};

use shuttle::sync::Condvar;

use crate::schedules::{explore, threads, twin};
use crate::sync::{Arc, yield_now};
use crate::{
    Actual, Cause, Clock, Demand, Enforcer, Execution, ManualClock, OwnedHold, ResourceLimits, Status, Timestamp,
    ViolationType, Waiting,
};

/// A thread that sleeps until it is called. The scheduler notices if nobody ever calls.
#[derive(Default)]
struct Bell {
    rung: shuttle::sync::Mutex<bool>,
    called: Condvar,
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.called.notify_one();
    }
}

impl Bell {
    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            rung = self.called.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
        *rung = false;
    }

    fn forget(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// Who waits, and sleeps while there is no room.
struct Sleeper {
    /// A bug: forgets a call that came between its look and its sleep.
    forgetful: bool,
}

impl Sleeper {
    fn wait(&self, run: &Execution, amount: u64) -> Result<OwnedHold, ViolationType> {
        let bell = std::sync::Arc::new(Bell::default());
        let mut waiting: Waiting = run.wait_for(Demand::none().tokens(amount, 0));
        loop {
            let polled = waiting.poll_at(&Waker::from(std::sync::Arc::clone(&bell)), Timestamp::ZERO);
            match polled {
                Poll::Ready(ended) => return ended.map_err(|violation| violation.violation_type),
                Poll::Pending if self.forgetful => bell.forget(),
                Poll::Pending => {}
            }
            bell.sleep();
        }
    }
}

/// An enforcer whose clock stands, and one execution with that many tokens.
fn room(tokens: u64) -> (Enforcer, Execution) {
    let limits = ResourceLimits { max_tokens: tokens, ..ResourceLimits::unlimited() };
    let clock = Clock::manual(&ManualClock::starting_at(Timestamp::ZERO));
    let enforcer = Enforcer::builder().limits(limits).clock(clock).build().unwrap();
    let run = enforcer.execution("exec", "tenant").register().unwrap();
    (enforcer, run)
}

fn everyone_is_served(sleeper: Sleeper) -> Vec<usize> {
    let (enforcer, run) = room(8);
    let served = Arc::new(crate::sync::Mutex::new(Vec::new()));
    let (all, order) = (run.clone(), Arc::clone(&served));
    threads(10, move |number| {
        // One of them wants all that there is.
        let amount = if number == 3 { 8 } else { 1 + number as u64 % 5 };
        let hold = sleeper.wait(&all, amount).expect("W1: there is room for each of them, one after the other");
        order.lock().push(number);
        yield_now();
        // Nothing of it was used: all of it comes back.
        hold.settle(Actual::none());
    });
    let usage = run.snapshot();
    assert!(usage.outstanding.is_zero() && usage.total_tokens == 0, "R1: all of it has come back");
    assert_eq!(enforcer.waiting_count(), 0, "W1: nobody waits any more");
    let order = served.lock().clone();
    assert_eq!(order.len(), 10, "W1: everyone is served");
    order
}

#[test]
fn w1_f1_everyone_who_waits_is_served() {
    explore(|| everyone_is_served(Sleeper { forgetful: false }));
}

/// Whom nobody calls sleeps for ever, and that is what the scheduler says.
#[test]
fn w1_f1_everyone_who_waits_is_served_twin() {
    twin("deadlock", || everyone_is_served(Sleeper { forgetful: true }));
}

#[test]
fn w1_a_halt_ends_all_waiting() {
    explore(|| {
        let (enforcer, run) = room(2);
        let all = run.clone();
        let ends = threads(9, move |number| {
            if number == 0 {
                all.halt(Cause::own(ViolationType::Requested));
                return None;
            }
            Some((Sleeper { forgetful: false }).wait(&all, 1))
        });
        assert_eq!(run.status(), Status::Halted(Cause::own(ViolationType::Requested)));
        // No room ever came back: who was not admitted was ended by the halt.
        let ends: Vec<_> = ends.into_iter().flatten().collect();
        let admitted: Vec<bool> = ends.iter().map(Result::is_ok).collect();
        assert!(admitted.iter().filter(|admitted| **admitted).count() <= 2, "T1: two tokens are two");
        let refused = ends.iter().filter_map(|end| end.as_ref().err());
        assert!(refused.copied().all(|why| why == ViolationType::Halted), "E2: {ends:?}");
        assert_eq!(enforcer.waiting_count(), 0, "W1: nobody waits any more");
        admitted
    });
}

/// Somebody holds all that there is. One waits, and others behind it look again and again while the halt comes.
#[test]
fn w1_e2_whose_waiting_a_halt_ends_is_told_so_and_nothing_else() {
    explore(|| {
        let (enforcer, run) = room(1);
        let held = run.reserve_owned(Demand::none().tokens(1, 0)).unwrap();
        let all = run.clone();
        let looks = threads(6, move |number| match number {
            0 => {
                yield_now();
                all.halt(Cause::own(ViolationType::Requested));
                0
            }
            1 => {
                let ended = (Sleeper { forgetful: false }).wait(&all, 1);
                assert_eq!(ended.map(drop), Err(ViolationType::Halted), "E2: nothing else has ended it");
                0
            }
            _ => {
                let mut waiting = all.wait_for(Demand::none().tokens(1, 0));
                for looks in 1.. {
                    if let Poll::Ready(ended) = waiting.poll_at(Waker::noop(), Timestamp::ZERO) {
                        let ended = ended.map(drop).map_err(|violation| violation.violation_type);
                        assert_eq!(ended, Err(ViolationType::Halted), "E2: nothing else has ended it");
                        return looks;
                    }
                    yield_now();
                }
                0
            }
        });
        drop(held);
        assert_eq!(enforcer.waiting_count(), 0, "W1: nobody waits any more");
        looks
    });
}

#[test]
fn w1_room_that_a_raised_limit_makes_is_given_to_who_waits() {
    explore(|| {
        let (enforcer, run) = room(1);
        let (all, served) = (run.clone(), Arc::new(crate::sync::Mutex::new(Vec::new())));
        let order = Arc::clone(&served);
        let holds = threads(8, move |number| {
            if number == 0 {
                let limits = ResourceLimits { max_tokens: 7, ..ResourceLimits::unlimited() };
                all.set_limits(limits).unwrap();
                return None;
            }
            let hold = (Sleeper { forgetful: false }).wait(&all, 1).expect("W1: there is room for all of them");
            order.lock().push(number);
            Some(hold)
        });
        assert_eq!(run.snapshot().outstanding.tokens, 7, "L1: all that the new limit has");
        assert_eq!(enforcer.waiting_count(), 0, "W1: nobody waits any more");
        drop(holds);
        served.lock().clone()
    });
}
