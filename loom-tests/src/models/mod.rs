//! One file per subject. A scenario is written once, over a trait or a function: the kernel's own protocol stands in
//! for it, and so does each planted bug, so a twin fails by the very assertion that its model passes.

#![expect(clippy::redundant_closure, reason = "a closure's type bears the name of the test that it stands in")]

mod above;
mod activity;
mod attachments;
mod bundle;
mod counter;
mod depth;
mod door;
mod epochs;
mod family;
mod hold;
mod let_go;
mod lifecycle;
mod limited;
mod meter;
mod metered;
mod node;
mod open;
mod outbox;
mod own;
mod pacer;
mod pause;
mod pausing;
mod queue;
mod rate;
mod relimit;
mod repaced;
mod repetition;
mod scope;
mod settled;
mod slots;
mod table;
mod tally;
mod timers;
mod versions;
mod wakes;
