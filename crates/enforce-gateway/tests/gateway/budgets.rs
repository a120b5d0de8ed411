//! Refusals by limits: what they say, and that they are right.

use std::time::Duration;

use enforce_core::{Clock, ManualClock, Timestamp};
use http::StatusCode;
use serde_json::json;

use crate::common::{Answer, World, budget, request, request_with, tokens, until};

/// Noon, on a day in 2022.
const NOON: Timestamp = Timestamp::from_nanos(1_641_643_200_000_000_000);

/// Advances the clock as the refusal says, but for a second, and then by that second.
async fn obey(world: &World, time: &ManualClock, refused: &Answer) -> [StatusCode; 2] {
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    time.advance(Duration::from_secs(seconds - 1));
    let early = world.client.ask("key-a", &[], &request(7)).await.status;
    time.advance(Duration::from_secs(1));
    [early, world.client.ask("key-a", &[], &request(7)).await.status]
}

#[tokio::test]
async fn a_rate_says_when_to_come_back_and_then_lets_in() {
    let time = ManualClock::starting_at(NOON);
    let policy = "[[rate]]\non = \"tenant_provider\"\nunit = \"requests\"\nlimit = 6\nper = \"minute\"\nburst = 1";
    let world = World::with(policy, "", Clock::manual(&time)).await;
    assert_eq!(world.client.ask("key-a", &[], &request(7)).await.status, StatusCode::OK);
    let refused = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((&*refused.code(), &refused.headers["retry-after"]), ("rate_limit", &"10".parse().unwrap()));
    assert_eq!(refused.headers["ratelimit"], "\"rate_limit\";r=0;t=10");
    assert_eq!(refused.headers["x-should-retry"], "true");
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(world.client.ask("key-b", &[], &request(7)).await.status, StatusCode::OK, "each tenant has its own");
    assert_eq!(obey(&world, &time, &refused).await, [StatusCode::TOO_MANY_REQUESTS, StatusCode::OK]);
}

#[tokio::test]
async fn a_budget_of_a_day_says_when_the_next_one_begins_and_then_lets_in() {
    let time = ManualClock::starting_at(NOON);
    let world = World::with(&budget(200).replace("total", "day"), "", Clock::manual(&time)).await;
    while world.client.ask("key-a", &[], &request(7)).await.status == StatusCode::OK {}
    let refused = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((&*refused.code(), &refused.headers["retry-after"]), ("token_limit", &"43200".parse().unwrap()));
    assert_eq!(refused.headers["x-should-retry"], "false", "not within a minute");
    assert_eq!(obey(&world, &time, &refused).await, [StatusCode::TOO_MANY_REQUESTS, StatusCode::OK]);
}

#[tokio::test]
async fn what_never_fits_is_not_to_be_tried_again() {
    let world = World::new(&budget(200)).await;
    let refused = world.client.ask("key-a", &[], &request(1_000)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "token_limit"));
    assert_eq!(refused.headers["x-should-retry"], "false");
    assert!(!refused.headers.contains_key("retry-after"));
    assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
    assert_eq!(refused.json()["violation"]["remaining"], 200);
}

#[tokio::test]
async fn what_is_left_of_a_limit_that_all_share_is_told_to_nobody() {
    let world = World::new(&budget(200).replace("tenant", "process")).await;
    let refused = world.client.ask("key-a", &[], &request(1_000)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "token_limit"));
    assert!(!refused.headers.contains_key("ratelimit") && !refused.headers.contains_key("ratelimit-policy"));
    assert!(!refused.text.contains("200"), "{}", refused.text);
}

#[tokio::test]
async fn money_is_a_budget_too_and_the_most_that_a_call_may_cost_is_set_aside() {
    let policy = "[tenant]\nbudget_usd = \"0.0001\"";
    let world = World::new(policy).await;
    // 100,000 nano-dollars: 40 output tokens for 64,000, and what the input may cost.
    let refused = world.client.ask("key-a", &[], &request(60)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "cost_limit"));
    let answer = world.client.ask("key-a", &[], &request(30)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(world.usage("a").cost_nano_usd, 3 * 400 + 30 * 1_600);
}

#[tokio::test]
async fn as_many_requests_run_at_once_as_the_tenant_may() {
    let world = World::new("[limits]\nmax_concurrent_executions = 1").await;
    let mut stream = world.client.stream("key-a", &request_with(500, &json!({"stall_after": "1"}))).await;
    while tokens(&stream.next().await.unwrap()) == 0 {}
    let refused = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "concurrency_limit"));
    assert_eq!(
        (&refused.headers["x-should-retry"], &refused.headers["retry-after"]),
        (&"true".parse().unwrap(), &"1".parse().unwrap())
    );
    drop(stream);
    until(|| world.gateway.enforcer().execution_count() == 0).await;
    assert_eq!(world.client.ask("key-a", &[], &request(7)).await.status, StatusCode::OK);
}
