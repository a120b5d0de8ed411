//! Streams: charged as they flow, cut off at their budget, settled exactly once.

use http::StatusCode;
use serde_json::{Value, json};

use crate::common::{World, assert_nothing_is_left, budget, request, request_with, telling, tokens, until};

#[tokio::test]
async fn a_stream_is_passed_on_and_settled_with_what_its_end_reports() {
    let world = World::new(&budget(1_000)).await;
    let mut stream = world.client.stream("key-a", &request(100)).await;
    let events = stream.rest().await;
    assert_eq!(events.iter().map(tokens).sum::<u64>(), 100);
    assert_eq!(events.last(), Some(&Value::Null), "[DONE]");
    assert!(events.iter().all(|event| event["usage"].is_null()), "usage that nobody asked for is not shown");
    let usage = world.usage("a");
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 100));
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn usage_that_the_client_asks_for_is_shown() {
    let world = World::new("").await;
    let mut asks = request(5);
    asks["stream_options"] = json!({"include_usage": true});
    let events = world.client.stream("key-a", &asks).await.rest().await;
    let shown: Vec<_> = events.iter().filter(|event| !event["usage"].is_null()).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((&shown[0]["choices"], &shown[0]["usage"]["completion_tokens"]), (&json!([]), &json!(5)));
}

#[tokio::test]
async fn a_stream_ends_with_its_budget_and_says_so_behind_what_has_flowed() {
    let world = World::with(&budget(300), "stream_block_tokens = 16", enforce_core::Clock::system()).await;
    let mut stream = world.client.stream("key-a", &telling(request(1_000))).await;
    let events = stream.rest().await;
    let (last, flowed) = events.split_last().unwrap();
    // The input is set aside as the bytes that it may be; what is left of the budget flows, and one token more, which
    // had been produced when there was no room for it.
    let seen = flowed.iter().map(tokens).sum::<u64>();
    let usage = world.usage("a");
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, seen));
    assert_eq!((&last["error"]["code"], &last["status"]), (&json!("token_limit"), &json!(429)));
    assert_eq!(last["usage"], json!({"prompt_tokens": 3, "completion_tokens": seen, "total_tokens": 3 + seen}));
    assert!(last["error"]["message"].as_str().unwrap().contains("301 / 300"), "{last}");
    assert!(usage.total_tokens <= 301);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn a_client_that_goes_away_has_paid_for_what_has_flowed() {
    let world = World::new(&budget(1_000)).await;
    let silent = request_with(500, &json!({"stall_after": "37"}));
    let mut stream = world.client.stream("key-a", &telling(silent)).await;
    let mut seen = 0;
    while seen < 37 {
        seen += tokens(&stream.next().await.unwrap());
    }
    assert_eq!(world.usage("a").budgets[0].committed, 0, "it is settled at its end");
    drop(stream);
    until(|| world.gateway.enforcer().execution_count() == 0).await;
    let usage = world.usage("a");
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 37));
    assert_eq!(world.stand_in.sent().completion_tokens, 37);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_paid_for_what_has_flowed_and_its_client_is_told() {
    let world = World::new(&budget(1_000)).await;
    let broken = request_with(500, &json!({"fail_after": "20"}));
    let events = world.client.stream("key-a", &telling(broken)).await.rest().await;
    let (last, flowed) = events.split_last().unwrap();
    let seen = flowed.iter().map(tokens).sum::<u64>();
    assert_eq!((&last["error"]["code"], &last["usage"]["completion_tokens"]), (&json!("upstream_error"), &json!(seen)));
    assert_eq!(world.usage("a").output_tokens, seen);
    assert!(seen <= world.stand_in.sent().completion_tokens);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn a_stream_of_an_execution_that_is_halted_is_cut_off() {
    let world = World::new(&budget(1_000)).await;
    let mut stream = world.client.stream("key-a", &telling(request_with(500, &json!({"stall_after": "5"})))).await;
    let mut seen = 0;
    while seen < 5 {
        seen += tokens(&stream.next().await.unwrap());
    }
    world.gateway.enforcer().halt_all(enforce_core::Cause::own(enforce_core::ViolationType::Requested));
    let rest = stream.rest().await;
    assert_eq!((rest.len(), &rest[0]["error"]["code"]), (1, &json!("halted")));
    assert_eq!(world.usage("a").output_tokens, 5);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn a_stream_that_is_refused_is_an_answer_and_no_stream() {
    let world = World::new(&budget(50)).await;
    let stream = world.client.stream("key-a", &request(10)).await;
    assert_eq!(stream.status, StatusCode::TOO_MANY_REQUESTS);
}
