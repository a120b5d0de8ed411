//! The core's own sources once more, over the words, locks and threads of a scheduler that runs one thread at a time and
//! chooses at every one of them who goes on. See `docs/concurrency.md`.

#[cfg(test)]
mod registering;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod taking;
#[cfg(test)]
mod waiters;

#[cfg(test)]
include!(concat!(env!("OUT_DIR"), "/core/lib.rs"));
