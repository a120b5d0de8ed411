//! Waiting for room.

use enforce_core::{Cause, Clock, ViolationType};
use http::StatusCode;
use serde_json::json;

use crate::common::{Events, World, assert_nothing_is_left, budget, request, request_with, telling, tokens, until};

const PATIENT: &str = "max_wait_ms = 3_600_000";

/// A stream that has fallen silent, and holds most of a budget of 300.
async fn silent(world: &World) -> Events {
    let asks = telling(request_with(500, &json!({"stall_after": "5"})));
    let mut stream = world.client.stream("key-a", &asks).await;
    let mut seen = 0;
    while seen < 5 {
        seen += tokens(&stream.next().await.unwrap());
    }
    stream
}

#[tokio::test]
async fn a_request_waits_until_there_is_room() {
    let world = World::with(&budget(300), PATIENT, Clock::system()).await;
    let stream = silent(&world).await;
    let client = world.client.clone();
    let waiter = tokio::spawn(async move { client.ask("key-a", &[], &request(7)).await });
    until(|| world.gateway.enforcer().waiting_count() == 1).await;
    drop(stream);
    assert_eq!(waiter.await.unwrap().status, StatusCode::OK);
    assert_eq!(world.usage("a").total_tokens, 3 + 5 + 3 + 7);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_leaves_the_line() {
    let world = World::with(&budget(300), PATIENT, Clock::system()).await;
    let stream = silent(&world).await;
    let client = world.client.clone();
    let waiter = tokio::spawn(async move { client.ask("key-a", &[], &request(7)).await });
    until(|| world.gateway.enforcer().waiting_count() == 1).await;
    waiter.abort();
    until(|| world.gateway.enforcer().waiting_count() == 0).await;
    drop(stream);
    assert_eq!(world.stand_in.sent().requests, 1, "it was never sent");
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn whoever_has_waited_long_enough_is_refused_and_may_come_back() {
    let world = World::with(&budget(300), "max_wait_ms = 1", Clock::system()).await;
    let _stream = silent(&world).await;
    let refused = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "token_limit"));
    assert_eq!(refused.json()["violation"]["retry"], "when_freed");
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_call_goes_on_and_is_settled_though_its_client_has_gone() {
    let world = World::with(&budget(1_000), "max_connections = 1", Clock::system()).await;
    let client = world.client.clone();
    let asks = request_with(7, &json!({"stall_after": "0"}));
    let asked = tokio::spawn(async move { client.ask("key-a", &[], &asks).await });
    until(|| world.stand_in.sent().requests == 1).await;
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    // Only one connection is let in at a time: the server has seen this one go.
    world.client.get("/healthz", "").await;
    assert_eq!(world.gateway.enforcer().execution_count(), 1, "the upstream is still at it");
    halt_all(&world);
    until(|| world.gateway.enforcer().execution_count() == 0).await;
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn a_call_that_is_stopped_is_charged_the_most_that_it_can_have_come_to() {
    let world = World::with(&budget(1_000), "", Clock::system()).await;
    let client = world.client.clone();
    let asks = request_with(7, &json!({"stall_after": "0"}));
    let asked = tokio::spawn(async move { client.ask("key-a", &[], &asks).await });
    until(|| world.stand_in.sent().requests == 1).await;
    let held = world.usage("a").budgets[0].outstanding;
    halt_all(&world);
    let refused = asked.await.unwrap();
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "halted"));
    let usage = world.usage("a");
    assert_eq!((usage.total_tokens, usage.output_tokens), (held, 7));
    assert_nothing_is_left(&world.stop().await);
}

fn halt_all(world: &World) {
    world.gateway.enforcer().halt_all(Cause::own(ViolationType::Requested));
}
