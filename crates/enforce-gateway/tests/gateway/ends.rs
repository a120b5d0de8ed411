//! Being told to stop.

use std::time::Duration;

use enforce_core::{Cause, Clock, ScopeStatus, ViolationType};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{advance, pause};

use crate::common::{World, assert_nothing_is_left, budget, request, request_with, telling, tokens, until};

#[tokio::test]
async fn a_stream_that_ends_within_the_grace_ends_by_itself() {
    let world = World::with("", "grace_ms = 3_600_000", Clock::system()).await;
    let mut stream = world.client.stream("key-a", &request(5_000)).await;
    let mut seen = tokens(&stream.next().await.unwrap());
    let stand_in = world.stand_in.clone();
    let stopped = tokio::spawn(world.stop());
    let rest = stream.rest().await;
    seen += rest.iter().map(tokens).sum::<u64>();
    assert_eq!((seen, rest.last()), (5_000, Some(&Value::Null)));
    let gateway = stopped.await.unwrap();
    let usage = gateway.enforcer().tenant_usage("a").unwrap();
    assert_eq!((usage.output_tokens, stand_in.sent().completion_tokens), (5_000, 5_000));
    assert_nothing_is_left(&gateway);
}

#[tokio::test]
async fn an_answer_that_is_on_its_way_has_the_grace_too() {
    let world = World::with("", "grace_ms = 3_600_000", Clock::system()).await;
    // More than all buffers on the way take.
    let asks = request(1_000_000).to_string();
    let answer = world.client.try_send(Method::POST, "/v1/chat/completions", "key-a", &[], asks).await.unwrap();
    let enforcer = world.gateway.enforcer().clone();
    // Time moves by hand alone while somebody else is at work.
    let (over, works) = oneshot::channel::<()>();
    let worker = tokio::task::spawn_blocking(move || drop(works.blocking_recv()));
    pause();
    let stopped = tokio::spawn(world.stop());
    until(|| matches!(enforcer.status(), ScopeStatus::Halted(_))).await;
    advance(Duration::from_secs(60)).await;
    let whole = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap()["usage"]["completion_tokens"], 1_000_000);
    assert_nothing_is_left(&stopped.await.unwrap());
    drop(over);
    worker.await.unwrap();
}

#[tokio::test]
async fn a_stream_beyond_the_grace_is_halted_told_so_and_settled() {
    let world = World::with(&budget(1_000), "grace_ms = 0", Clock::system()).await;
    let mut stream = world.client.stream("key-a", &telling(request_with(500, &json!({"stall_after": "5"})))).await;
    let mut seen = 0;
    while seen < 5 {
        seen += tokens(&stream.next().await.unwrap());
    }
    let stopped = tokio::spawn(world.stop());
    let rest = stream.rest().await;
    assert_eq!((rest.len(), &rest[0]["error"]["code"]), (1, &json!("halted")));
    let gateway = stopped.await.unwrap();
    assert_eq!(gateway.enforcer().tenant_usage("a").unwrap().output_tokens, 5);
    assert_nothing_is_left(&gateway);
}

#[tokio::test]
async fn what_is_to_end_at_once_waits_for_no_grace_and_is_settled() {
    let world = World::with(&budget(2_000), "grace_ms = 3_600_000", Clock::system()).await;
    let mut stream = world.client.stream("key-a", &telling(request_with(500, &json!({"stall_after": "5"})))).await;
    let mut seen = 0;
    while seen < 5 {
        seen += tokens(&stream.next().await.unwrap());
    }
    // A call whose answer never comes is charged in full.
    let (client, asks) = (world.client.clone(), request_with(500, &json!({"stall_after": "0"})));
    let call = tokio::spawn(async move {
        client.try_send(Method::POST, "/v1/chat/completions", "key-b", &[], asks.to_string()).await.is_err()
    });
    let stand_in = world.stand_in.clone();
    until(|| stand_in.sent().requests == 2).await;
    let gateway = world.stop_now().await;
    let used = |tenant| gateway.enforcer().tenant_usage(tenant).unwrap().output_tokens;
    assert_eq!((used("a"), used("b")), (5, 500));
    assert!(call.await.unwrap());
    assert_nothing_is_left(&gateway);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody() {
    let world = World::with(&budget(10_000_000), "grace_ms = 0", Clock::system()).await;
    // More than all buffers on the way take.
    let mut stream = world.client.stream("key-a", &telling(request(1_000_000))).await;
    while tokens(&stream.next().await.unwrap()) == 0 {}
    let stand_in = world.stand_in.clone();
    let gateway = world.stop().await;
    assert_nothing_is_left(&gateway);
    let settled = gateway.enforcer().tenant_usage("a").unwrap().output_tokens;
    assert!((1..=stand_in.sent().completion_tokens).contains(&settled), "{settled}");
}

#[tokio::test]
async fn who_comes_when_it_is_to_end_is_told_to_go_elsewhere() {
    let world = World::new("").await;
    let named = [("x-enforce-execution", "run")];
    world.client.ask("key-a", &named, &request(7)).await;
    world.gateway.enforcer().close(Cause::own(ViolationType::Requested));
    let refused = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"));
    // What is known goes on.
    assert_eq!(world.client.ask("key-a", &named, &request(7)).await.status, StatusCode::OK);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn named_executions_end_with_it() {
    let world = World::new("").await;
    world.client.ask("key-a", &[("x-enforce-execution", "run")], &request(7)).await;
    assert_eq!(world.gateway.enforcer().execution_count(), 1);
    let gateway = world.stop().await;
    assert_nothing_is_left(&gateway);
    let told: Value = serde_json::from_str(&gateway.usage(true)).unwrap();
    assert_eq!(told["tenants"][0]["output_tokens"], 7);
    let table = gateway.usage(false);
    assert_eq!(
        table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>(),
        ["a", "1", "3", "7", "$0.0000124"]
    );
}
