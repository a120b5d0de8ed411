//! One file per subject. A scenario is written once, over a trait: the kernel's own protocol implements it, and so does
//! each planted bug, so a twin fails by the very assertion that its model passes.

mod bundle;
mod counter;
mod hold;
mod pacer;
mod rate;
mod tally;
