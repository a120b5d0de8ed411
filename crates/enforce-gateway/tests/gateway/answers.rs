//! What is answered, to whom, and in what shape.

use http::{Method, StatusCode};
use serde_json::json;

use crate::common::{ADMIN, PRICE, World, assert_nothing_is_left, budget, request, request_with};

#[tokio::test]
async fn a_completion_is_passed_on_and_settled_to_the_token() {
    let world = World::new(&budget(1_000)).await;
    let answer = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], " token".repeat(7));
    assert_eq!(answer.json()["usage"]["total_tokens"], 10);
    let usage = world.usage("a");
    assert_eq!((usage.steps, usage.input_tokens, usage.output_tokens), (1, 3, 7));
    assert_eq!(usage.cost_nano_usd, 3 * PRICE.0 + 7 * PRICE.1);
    let told = world.client.get("/usage", "key-a").await.json();
    assert_eq!(told, json!(usage));
    assert_eq!(world.client.get("/usage", "key-b").await.json()["total_tokens"], 0, "everybody is told their own");
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn an_admin_is_told_what_all_have_used_and_gets_no_completions() {
    let world = World::new("").await;
    world.client.ask("key-b", &[], &request(7)).await;
    let tenants = world.client.get("/usage", ADMIN).await.json()["tenants"].clone();
    let totals = ["a", "b", "c", "d"].map(|name| json!([name, if name == "b" { 10 } else { 0 }]));
    let told: Vec<_> =
        tenants.as_array().unwrap().iter().map(|one| json!([one["tenant_id"], one["total_tokens"]])).collect();
    assert_eq!(told, totals);
    let refused = world.client.ask(ADMIN, &[], &request(7)).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::FORBIDDEN, "not_a_tenant"));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_in_one_shape_and_takes_nothing() {
    let world = World::with(&budget(1_000), "max_body_bytes = 2_000", enforce_core::Clock::system()).await;
    let post = |path: &'static str, key: &'static str, body: String| {
        let client = world.client.clone();
        async move { client.whole(Method::POST, path, key, &[], body).await }
    };
    let completions = "/v1/chat/completions";
    let mut unpriced = request(7);
    unpriced["model"] = "quil".into();
    for (answer, status, code) in [
        (post(completions, "", request(7).to_string()).await, 401, "invalid_api_key"),
        (post(completions, "key-x", request(7).to_string()).await, 401, "invalid_api_key"),
        (post(completions, "key-a", "hello".to_owned()).await, 400, "invalid_request"),
        (post(completions, "key-a", "[".repeat(1_999)).await, 400, "invalid_request"),
        (post(completions, "key-a", " ".repeat(2_001)).await, 413, "body_too_large"),
        (post(completions, "key-a", unpriced.to_string()).await, 404, "model_not_found"),
        (post("/v1/completions", "key-a", String::new()).await, 404, "not_found"),
        (post("/usage", "key-a", String::new()).await, 405, "method_not_allowed"),
        (world.client.get("/usage", "key-x").await, 401, "invalid_api_key"),
        (world.client.get("/executions/none", "key-a").await, 404, "unknown_execution"),
        (world.client.get("/executions/a%2Fb", "key-a").await, 400, "invalid_request"),
        (world.client.get("/executions/%ff", "key-a").await, 400, "invalid_request"),
        (world.client.ask("key-a", &[], &request(u64::MAX)).await, 400, "invalid_request"),
        (world.client.get("/executions/none", ADMIN).await, 400, "invalid_request"),
        (world.client.ask("key-a", &[("x-enforce-execution", "a b")], &request(7)).await, 400, "invalid_request"),
    ] {
        assert_eq!((answer.status.as_u16(), &*answer.code()), (status, code), "{}", answer.text);
    }
    assert_eq!(world.stand_in.sent().requests, 0);
    assert!(world.gateway.enforcer().tenant_usage("a").is_none_or(|usage| usage.steps == 0));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::new("").await;
    let (long, body) = ("x".repeat(1_000_000), request(7).to_string());
    let answer = world.client.try_send(Method::POST, "/v1/chat/completions", "key-a", &[("x-long", &long)], body).await;
    // Who still writes when the connection is closed may miss the answer.
    assert!(answer.map_or(true, |answer| answer.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    assert_eq!(world.stand_in.sent().requests, 0);
}

#[tokio::test]
async fn an_error_of_the_upstream_is_shown_and_everything_goes_back() {
    let world = World::new(&budget(1_000)).await;
    for (status, shown) in [(400, 400), (429, 429), (503, 503), (401, 502), (302, 502)] {
        let answer = world.client.ask("key-a", &[], &request_with(7, &json!({"status": status.to_string()}))).await;
        assert_eq!(answer.status.as_u16(), shown);
        assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text);
    }
    let usage = world.usage("a");
    assert_eq!((usage.total_tokens, usage.cost_nano_usd, usage.budgets[0].outstanding), (0, 0, 0));
    assert_eq!(usage.steps, 5, "what has begun has begun");
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502_and_everything_goes_back() {
    let mut world = World::new(&budget(1_000)).await;
    world.lose_upstream().await;
    let answer = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_GATEWAY, "upstream_error"));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("refused"), "{}", answer.text);
    assert_eq!(world.usage("a").total_tokens, 0);
    assert_nothing_is_left(&world.stop().await);
}

#[tokio::test]
async fn a_host_that_the_policy_does_not_allow_is_not_asked() {
    let world = World::new("[network]\nallowed_hosts = [\"models.example.com\"]").await;
    let answer = world.client.ask("key-a", &[], &request(7)).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::FORBIDDEN, "network_violation"));
    assert_eq!(world.stand_in.sent().requests, 0);
}

#[tokio::test]
async fn it_says_that_it_is_there() {
    let world = World::new("").await;
    assert_eq!(world.client.get("/healthz", "").await.text, "ok\n");
}

#[tokio::test]
async fn a_field_that_names_somebody_twice_is_refused() {
    let world = World::new("").await;
    for (key, name, values) in
        [("", "authorization", ["Bearer key-b", "Bearer key-a"]), ("key-a", "x-enforce-execution", ["one", "two"])]
    {
        let answer = world.client.ask(key, &values.map(|value| (name, value)), &request(7)).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (400, "invalid_request"), "{}", answer.text);
        assert!(answer.text.contains(name), "{}", answer.text);
    }
    assert_eq!(world.stand_in.sent().requests, 0);
}
