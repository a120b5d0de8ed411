//! What a thread can do next. A new operation is a variant, a row of the mix, and a line of `run`.

use super::numbers::Numbers;
use super::worker::Worker;

/// One kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Reserve and settle or drop, perhaps with an extension between.
    Step,
    /// Reserve, and keep the hold.
    Keep,
    /// End a hold that was kept.
    End,
    /// Give a hold that was kept to another thread.
    HandOver,
    /// Grow a hold that was kept.
    Extend,
    /// Get in line for what there is no room for.
    Wait,
    /// Look whether it is the turn of one that waits.
    LookAgain,
    /// Reserve, and keep the hold with a deadline.
    Time,
    /// End the holds whose deadline has come.
    Expire,
    Check,
    /// Record without having asked.
    Charge,
    Touch,
    /// Some discoveries inside each other.
    Discover,
    Halt,
    Pause,
    /// Approve or reject a pause.
    Decide,
    /// Change an execution's limits.
    Relimit,
    /// Change a tenant's limits.
    RelimitTenant,
    /// Finish an execution and register another one in its place.
    Renew,
    /// Let idle tenants go.
    Evict,
    /// Look at an execution.
    Look,
    /// Look at a tenant.
    LookAtTenant,
    /// Let time pass, now and then much of it.
    Pass,
}

/// How often each comes, in a thousand.
const MIX: [(Operation, &str, u64); 23] = [
    (Operation::Step, "step", 320),
    (Operation::Keep, "keep", 90),
    (Operation::End, "end", 100),
    (Operation::HandOver, "hand_over", 30),
    (Operation::Extend, "extend", 40),
    (Operation::Wait, "wait", 20),
    (Operation::LookAgain, "look_again", 40),
    (Operation::Time, "time", 30),
    (Operation::Expire, "expire", 5),
    (Operation::Check, "check", 40),
    (Operation::Charge, "charge", 40),
    (Operation::Touch, "touch", 25),
    (Operation::Discover, "discover", 30),
    (Operation::Halt, "halt", 4),
    (Operation::Pause, "pause", 6),
    (Operation::Decide, "decide", 15),
    (Operation::Relimit, "relimit", 20),
    (Operation::RelimitTenant, "relimit_tenant", 3),
    (Operation::Renew, "renew", 50),
    (Operation::Evict, "evict", 2),
    (Operation::Look, "look", 70),
    (Operation::LookAtTenant, "look_at_tenant", 10),
    (Operation::Pass, "pass", 10),
];

const ALL: u64 = {
    let (mut all, mut row) = (0, 0);
    while row < MIX.len() {
        all += MIX[row].2;
        row += 1;
    }
    all
};

impl Operation {
    /// The next one, and its name.
    pub(crate) fn random(numbers: &mut Numbers) -> (Self, &'static str) {
        let mut left = numbers.below(ALL);
        for (operation, name, share) in MIX {
            match left.checked_sub(share) {
                None => return (operation, name),
                Some(rest) => left = rest,
            }
        }
        (Self::Step, "step")
    }

    pub(crate) fn run(self, worker: &mut Worker<'_>) {
        match self {
            Self::Step => worker.step(),
            Self::Keep => worker.keep(),
            Self::End => worker.end_one(),
            Self::HandOver => worker.hand_over(),
            Self::Extend => worker.extend_one(),
            Self::Wait => worker.wait(),
            Self::LookAgain => worker.look_again(),
            Self::Time => worker.keep_timed(),
            Self::Expire => worker.expire(),
            Self::Check => worker.check(),
            Self::Charge => worker.charge(),
            Self::Touch => worker.touch(),
            Self::Discover => worker.discover(),
            Self::Halt => worker.halt(),
            Self::Pause => worker.pause(),
            Self::Decide => worker.decide(),
            Self::Relimit => worker.relimit(),
            Self::RelimitTenant => worker.relimit_tenant(),
            Self::Renew => worker.renew_one(),
            Self::Evict => worker.evict(),
            Self::Look => worker.look(),
            Self::LookAtTenant => worker.look_at_tenant(),
            Self::Pass => worker.pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_a_thousand() {
        assert_eq!(ALL, 1_000);
    }
}
