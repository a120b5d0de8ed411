//! One to four scopes, one below the other.

use crate::report::{Row, Target};
use crate::{floor, ours, rivals};

const DEEPEST: usize = 4;

pub(super) fn rows() -> Vec<Row> {
    let scopes = 1..=DEEPEST;
    let trees = super::quiet([floor::cas()])
        .with(scopes.clone().map(|scopes| ours::trees::step(format!("step, {scopes}"), scopes)))
        .with(scopes.clone().map(|scopes| ours::trees::whole(format!("whole, {scopes}"), scopes)))
        .with(scopes.clone().map(|scopes| rivals::budget_context::step(their_step(scopes), scopes)))
        .with(scopes.clone().map(|scopes| rivals::budget_context::whole(theirs(scopes), scopes)))
        .run();
    let steps = scopes.clone().flat_map(|scopes| {
        let (name, ours) = (format!("a step, scopes {scopes}"), format!("step, {scopes}"));
        [
            Row::over(name, &trees, &ours, "CAS", Target::None),
            Row::under(
                format!("– beside budget-context, scopes {scopes}"),
                &trees,
                &ours,
                &their_step(scopes),
                Target::None,
            ),
        ]
    });
    let wholes = scopes.clone().map(|scopes| {
        let (name, ours) = (format!("steps, tokens, money, scopes {scopes}"), format!("whole, {scopes}"));
        Row::under(name, &trees, &ours, &theirs(scopes), Target::AtLeast(5.0))
    });
    steps.chain(wholes).collect()
}

fn their_step(scopes: usize) -> String {
    format!("budget-context step, {scopes}")
}

fn theirs(scopes: usize) -> String {
    format!("budget-context, {scopes}")
}
