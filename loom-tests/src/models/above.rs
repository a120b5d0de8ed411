//! Pauses from above beside those of a scope's own: E3.

use super::node::Node;
use crate::explore::{TWO, model, twin};
use crate::kernel::state::State;
use crate::race;

const E3_EITHER: &str = "E3: paused as long as its own pause or one above it stands";
const E3_BELOW: &str = "E3: what is below stays paused as long as any pause above it stands";

/// A child that is paused from above and by itself: what the two pauses do and undo.
trait Child: Send + Sync + 'static {
    fn new() -> Self;
    fn pause(&self);
    fn resume(&self);
    fn pause_above(&self);
    fn resume_above(&self);
    fn node(&self) -> &Node;
}

impl Child for Node {
    fn new() -> Self {
        Node::new()
    }

    fn pause(&self) {
        Node::pause(self, 1, || ());
    }

    fn resume(&self) {
        Node::resume(self, 1, |_| ());
    }

    fn pause_above(&self) {
        Node::pause_above(self, || ());
    }

    fn resume_above(&self) {
        Node::resume_above(self, |_| ());
    }

    fn node(&self) -> &Node {
        self
    }
}

/// One bit for both: a pause from above is a pause.
struct OneBit(Node);

impl Child for OneBit {
    fn new() -> Self {
        Self(Node::new())
    }

    fn pause(&self) {
        let _first: bool = self.0.try_pause(1, || ());
    }

    fn resume(&self) {
        self.0.resume(1, |_| ());
    }

    fn pause_above(&self) {
        self.pause();
    }

    fn resume_above(&self) {
        self.resume();
    }

    fn node(&self) -> &Node {
        &self.0
    }
}

/// A pause of its own and one from above, each ended by whoever began it.
fn either<C: Child>() -> impl std::fmt::Debug {
    let (above, own, child) = race::two(
        C::new(),
        |child: &C| {
            child.pause_above();
            let barred = child.node().barred();
            child.resume_above();
            (barred, child.node().life.state().is_paused())
        },
        |child: &C| {
            child.pause();
            let barred = child.node().barred();
            child.resume();
            (barred, child.node().life.state().is_paused())
        },
    );
    assert!(above.0 && own.0, "{E3_EITHER}: {above:?}, {own:?}");
    assert!(!child.node().is_paused(E3_EITHER), "{E3_EITHER}, and no longer");
    (above, own)
}

#[test]
fn e3_a_child_stays_paused_while_either_pause_stands() {
    model(E3_EITHER, TWO, || either::<Node>());
}

#[test]
fn e3_a_child_stays_paused_while_either_pause_stands_twin() {
    twin(E3_EITHER, TWO, || either::<OneBit>());
}

/// Three scopes, one above the other.
#[derive(Debug)]
struct Line {
    top: Node,
    middle: Node,
    leaf: Node,
}

/// Whether a scope that is resumed and stands so resumes what is below it.
type Descends = fn(State) -> bool;

impl Line {
    fn new() -> Self {
        Self { top: Node::new(), middle: Node::new(), leaf: Node::new() }
    }

    fn pause_leaf(&self) {
        self.leaf.pause_above(|| ());
    }

    fn resume_leaf(&self, middle: State, descends: Descends) {
        if descends(middle) {
            self.leaf.resume_above(|_| ());
        }
    }

    fn pause_top(&self) {
        self.top.pause(2, || self.middle.pause_above(|| self.pause_leaf()));
    }

    fn resume_top(&self, descends: Descends) -> bool {
        self.top.resume(2, |_| self.middle.resume_above(|state| self.resume_leaf(state, descends)))
    }

    fn pause_middle(&self) {
        self.middle.pause(1, || self.pause_leaf());
    }

    fn resume_middle(&self, descends: Descends) -> bool {
        self.middle.resume(1, |state| self.resume_leaf(state, descends))
    }
}

/// The top and the middle of a line are paused and resumed, each by one.
fn line(descends: Descends) -> impl std::fmt::Debug {
    let (top, middle, line) = race::two(
        Line::new(),
        move |line: &Line| {
            line.pause_top();
            let barred = line.leaf.barred() && line.middle.barred();
            (barred, line.resume_top(descends), line.middle.life.state().is_paused())
        },
        move |line: &Line| {
            line.pause_middle();
            let barred = line.leaf.barred() && line.middle.barred();
            (barred, line.resume_middle(descends), line.middle.life.state().is_paused())
        },
    );
    assert!(top.0 && middle.0, "{E3_BELOW}: {top:?}, {middle:?}");
    assert!(top.1 && middle.1, "nothing else ends the pauses");
    for node in [&line.top, &line.middle, &line.leaf] {
        assert!(!node.is_paused(E3_BELOW), "{E3_BELOW}, and no longer");
    }
    (top.2, middle.2)
}

#[test]
fn e3_what_is_below_stays_paused_while_any_pause_stands() {
    model(E3_BELOW, TWO, || line(|state| !state.is_paused()));
}

#[test]
fn e3_what_is_below_stays_paused_while_any_pause_stands_twin() {
    // Who is resumed resumes what is below, whatever else pauses it.
    twin(E3_BELOW, TWO, || line(|_| true));
}
