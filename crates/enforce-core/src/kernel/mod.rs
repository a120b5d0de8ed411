//! Every concurrent protocol of the library, and nothing else.
//!
//! These files import from [`crate::sync`] alone, take the time as an argument, and know nothing of policy: what a word
//! means to a user, what a refusal leads to and how it is reported is decided above. `loom-tests` compiles this folder
//! a second time over a modelled `sync`, so what is proved there is what runs here.

pub(crate) mod activity;
pub(crate) mod arena;
pub(crate) mod attachments;
pub(crate) mod bound;
pub(crate) mod bundle;
pub(crate) mod cell;
pub(crate) mod depth;
pub(crate) mod door;
pub(crate) mod epochs;
pub(crate) mod gcra;
pub(crate) mod meter;
pub(crate) mod open;
pub(crate) mod outbox;
pub(crate) mod own;
pub(crate) mod queue;
pub(crate) mod repetition;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod tally;
pub(crate) mod timers;
pub(crate) mod versions;
pub(crate) mod wakes;
pub(crate) mod wheel;
pub(crate) mod window;
