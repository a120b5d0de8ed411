//! Halts and pauses that reach what is below: E1, E3.

use super::lifecycle::returned;
use super::node::Node;
use super::scope::{self, Scope, Standing};
use crate::explore::{THREE_BOUNDED, TWO, model, twin};
use crate::kernel::cell::Cell;
use crate::kernel::state::State;
use crate::kernel::tally::HALTED;
use crate::race;

const E1: &str = "E1: nothing is taken once a change has returned";
const E1_ADDED: &str = "E1: what is added below a halt is halted, or sees it";
const E3_ADDED: &str = "E3: what is added below a pause stands as the scope above it";

/// A parent and its child, as one scope of two tallies; the child's is the one that is marked last.
struct Family<const BEHIND: bool> {
    parent: Node,
    child: Node,
}

impl<const BEHIND: bool> Scope for Family<BEHIND> {
    fn new() -> Self {
        Self { parent: Node::new(), child: Node::new() }
    }

    fn change(&self, change: scope::Change) -> (bool, Standing) {
        let Self { parent, child } = self;
        let below = || match change {
            scope::Change::Pause(_) => child.pause_above(|| ()),
            scope::Change::Halt(_) | scope::Change::Finish => assert!(child.halt(|| ())),
        };
        // Behind the lock, that is the planted bug.
        let under_the_lock = || {
            if !BEHIND {
                below();
            }
        };
        let changed = match change {
            scope::Change::Halt(cause) => parent.life.halt(cause, parent.words(), None, under_the_lock),
            scope::Change::Pause(cause) => parent.life.pause(cause, 1, parent.words(), under_the_lock),
            scope::Change::Finish => parent.life.finish(parent.words(), None, under_the_lock),
        };
        if BEHIND && changed.first {
            below();
        }
        (changed.first, self.standing())
    }

    fn take(&self, tally: usize) -> bool {
        [&self.parent, &self.child][tally].tally.take(1).is_ok()
    }

    fn used(&self) -> [u64; 2] {
        [&self.parent, &self.child].map(|node| node.tally.word().used(10))
    }

    fn standing(&self) -> Standing {
        let state = self.parent.life.state();
        Standing { halted: state.is_halted(), ended: state.is_finished(), cause: state.cause() }
    }
}

#[test]
fn e1_nothing_below_is_taken_once_a_halt_has_returned() {
    model(E1, THREE_BOUNDED, || returned::<Family<false>>(scope::Change::Halt(1), scope::Change::Halt(2)));
}

#[test]
fn e1_nothing_below_is_taken_once_a_halt_has_returned_twin() {
    // Marks what is below when it has let go of the lock.
    twin(E1, THREE_BOUNDED, || returned::<Family<true>>(scope::Change::Halt(1), scope::Change::Halt(2)));
}

#[test]
fn e1_nothing_below_is_taken_once_a_pause_has_returned() {
    model(E1, THREE_BOUNDED, || returned::<Family<false>>(scope::Change::Pause(1), scope::Change::Pause(2)));
}

#[test]
fn e1_nothing_below_is_taken_once_a_pause_has_returned_twin() {
    // Marks what is below when it has let go of the lock.
    twin(E1, THREE_BOUNDED, || returned::<Family<true>>(scope::Change::Pause(1), scope::Change::Pause(2)));
}

/// A parent, and a child that it finds once it has been added.
struct Growing {
    parent: Node,
    child: Node,
    added: Cell,
}

impl Growing {
    fn new() -> Self {
        Self { parent: Node::new(), child: Node::new(), added: Cell::new(0) }
    }

    fn has_child(&self) -> bool {
        self.added.load() == 1
    }

    /// Adds the child, unless the parent's state bars it: then a halted or paused one.
    fn add(&self, state: State) {
        if state.is_halted() {
            self.child.halt(|| ());
        } else if state.is_paused() {
            self.child.pause_above(|| ());
        }
        self.added.apply(|_| (1, ()));
    }

    fn halt(&self) -> bool {
        let first = self.parent.halt(|| {
            if self.has_child() {
                self.child.halt(|| ());
            }
        });
        assert!(!self.has_child() || self.child.barred(), "{E1_ADDED}: by the time a halt returns, {first}");
        first
    }
}

/// How the child is added.
type Add = fn(&Growing);

fn add_under_the_lock(family: &Growing) {
    family.parent.life.hold_still(|state| family.add(state));
}

fn look_then_add(family: &Growing) {
    family.add(family.parent.life.state());
}

/// Two halts, and a child that is added.
fn halted(add: Add) -> impl std::fmt::Debug {
    let (a, (), b, family) = race::three(Growing::new(), Growing::halt, add, Growing::halt);
    assert!(a != b, "one of the halts is the first");
    assert!(family.child.life.state().is_halted(), "{E1_ADDED}");
    assert_eq!(family.child.tally.word().flags(), HALTED, "{E1_ADDED}");
    a
}

#[test]
fn e1_a_child_added_beside_a_halt_is_halted() {
    model(E1_ADDED, THREE_BOUNDED, || halted(add_under_the_lock));
}

#[test]
fn e1_a_child_added_beside_a_halt_is_halted_twin() {
    // Looks at the parent's state and adds the child outside the lock.
    twin(E1_ADDED, THREE_BOUNDED, || halted(look_then_add));
}

/// A pause and an approval of it, and a child that is added.
fn paused(add: Add) -> impl std::fmt::Debug {
    let (found, (), family) = race::two(
        Growing::new(),
        |family: &Growing| {
            family.parent.pause(1, || {
                if family.has_child() {
                    family.child.pause_above(|| ());
                }
            });
            let found = family.has_child();
            assert!(!found || family.child.barred(), "{E3_ADDED}: by the time a pause returns");
            family.parent.resume(1, |_| {
                if family.has_child() {
                    family.child.resume_above(|_| ());
                }
            });
            found
        },
        add,
    );
    assert!(!family.parent.is_paused(E3_ADDED), "nothing else pauses it");
    assert!(!family.child.is_paused(E3_ADDED), "{E3_ADDED}");
    found
}

#[test]
fn e3_a_child_added_beside_a_pause_stands_as_its_parent() {
    model(E3_ADDED, TWO, || paused(add_under_the_lock));
}

#[test]
fn e3_a_child_added_beside_a_pause_stands_as_its_parent_twin() {
    // Looks at the parent's state and adds the child outside the lock.
    twin(E3_ADDED, TWO, || paused(look_then_add));
}
