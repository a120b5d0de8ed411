//! The core's own tests, as they are. What they know as `enforce_core` is the library of this folder.
#![cfg(test)]

extern crate enforce_chaos_tests as enforce_core;

include!(concat!(env!("OUT_DIR"), "/contract/main.rs"));

#[test]
fn what_is_tested_here_is_the_disturbed_core() {
    let (failures, interruptions) = enforce_core::chance::disturbed();
    let run = common::run(common::unlimited());
    (0..1_000).for_each(|_| drop(run.reserve(enforce_core::Demand::step()).unwrap()));
    let after = enforce_core::chance::disturbed();
    assert!(after.0 > failures && after.1 > interruptions);
}
