//! Doors of scopes: E1 for whoever comes in while all are halted.

use crate::explore::{TWO, model, twin};
use crate::kernel::door::{Door, Stand};
use crate::kernel::table::{Rejected, Table};
use crate::models::node::Node;
use crate::race::{self, Ground};
use crate::sync::{Keyed, Mutex};

const E1_BESIDE: &str = "E1: nobody who comes in beside a halt of the scope goes on";
const E1_LATER: &str = "E1: nobody comes into a scope below that is entered beside a halt";

/// The cause of every halt.
const CAUSE: u8 = 5;

/// A scope, and who is inside.
#[derive(Debug)]
struct Scope {
    door: Door,
    members: Mutex<Vec<Ground<Node>>>,
}

impl Scope {
    fn new() -> Self {
        Self { door: Door::new(Stand::Open), members: Mutex::new(Vec::new()) }
    }

    fn shut(&self) {
        assert_eq!(self.door.turn(|stand| stand.halted(CAUSE)), Stand::Halted(CAUSE));
    }

    fn inside(&self) -> Vec<Ground<Node>> {
        self.members.lock().clone()
    }

    fn is_still(&self) -> bool {
        self.inside().iter().all(|node| node.barred())
    }
}

fn halt(nodes: &[Ground<Node>]) -> usize {
    nodes.iter().filter(|node| node.halt(|| ())).count()
}

/// One comes in while the scope is halted; `EARLY` looks at the door before it has the list.
fn beside<const EARLY: bool>() -> impl std::fmt::Debug {
    let (entered, halted, scope) = race::two(
        Scope::new(),
        |scope: &Scope| {
            let early = scope.door.stand();
            let mut members = scope.members.lock();
            let stand = if EARLY { early } else { scope.door.stand() };
            if stand == Stand::Open {
                members.push(Ground::new(Node::new()));
            }
            stand
        },
        |scope| {
            scope.shut();
            halt(&scope.inside())
        },
    );
    assert!(scope.is_still(), "{E1_BESIDE}");
    (entered, halted)
}

#[test]
fn e1_nobody_who_comes_in_beside_a_halt_of_the_scope_goes_on() {
    model(E1_BESIDE, TWO, || beside::<false>());
}

#[test]
fn e1_nobody_who_comes_in_beside_a_halt_of_the_scope_goes_on_twin() {
    // Looks at the door, then takes the lock.
    twin(E1_BESIDE, TWO, || beside::<true>());
}

/// A scope as the table of the one above has it.
#[derive(Debug, Clone)]
struct Entry(Ground<Scope>);

impl Keyed for Entry {
    fn key(&self) -> &[u8] {
        b"tenant"
    }
}

struct Above {
    door: Door,
    table: Table<Entry>,
}

/// One makes a scope below and comes into it, while the one above is halted; `EARLY` looks at the door above before the
/// scope below is entered.
fn below<const EARLY: bool>() -> impl std::fmt::Debug {
    let ground = Above { door: Door::new(Stand::Open), table: Table::new(2) };
    let (entered, halted, above) = race::two(
        ground,
        |above: &Above| {
            let early = above.door.stand();
            let scope = Ground::new(Scope::new());
            assert_eq!(above.table.register([], Entry(Ground::clone(&scope))), Ok::<(), Rejected>(()));
            let mut members = scope.members.lock();
            let stand = if EARLY { early } else { above.door.stand() };
            if stand == Stand::Open {
                members.push(Ground::new(Node::new()));
            }
            stand
        },
        |above| {
            above.door.turn(|stand| stand.halted(CAUSE));
            above.table.entries().iter().map(|entry| halt(&entry.0.inside())).sum::<usize>()
        },
    );
    assert!(above.table.entries().iter().all(|entry| entry.0.is_still()), "{E1_LATER}");
    (entered, halted)
}

#[test]
fn e1_nobody_comes_into_a_scope_that_is_entered_beside_a_halt() {
    model(E1_LATER, TWO, || below::<false>());
}

#[test]
fn e1_nobody_comes_into_a_scope_that_is_entered_beside_a_halt_twin() {
    // Looks at the door, then enters the scope.
    twin(E1_LATER, TWO, || below::<true>());
}
