//! Executions that their clients name: limits over many requests, pauses, approvals.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{ADMIN, Answer, World, request};

/// 10,000 nano-dollars: a request of seven tokens passes it.
const PAUSES: &str = "[long_running]\ncost_alert_threshold_usd = \"0.00001\"";
const RUN: [(&str, &str); 1] = [("x-enforce-execution", "run")];

async fn ask(world: &World, key: &str) -> Answer {
    world.client.ask(key, &RUN, &request(7)).await
}

async fn decide(world: &World, verb: &str, key: &str, decision: &Value) -> Answer {
    let path = format!("/executions/run/{verb}");
    world.client.whole(Method::POST, &path, key, &[("x-enforce-tenant", "a")], decision.to_string()).await
}

/// Pauses the execution; the number of its pause.
async fn paused(world: &World) -> u64 {
    assert_eq!(ask(world, "key-a").await.status, StatusCode::OK);
    let refused = ask(world, "key-a").await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "paused"));
    assert_eq!(
        (&refused.headers["x-should-retry"], &refused.headers["x-enforce-execution"]),
        (&"false".parse().unwrap(), &"run".parse().unwrap())
    );
    refused.headers["x-enforce-pause"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_paused_execution_goes_on_when_an_admin_approves_that_pause() {
    let world = World::new(PAUSES).await;
    let pause = paused(&world).await;
    let by_tenant = decide(&world, "approve", "key-a", &json!({"pause": pause})).await;
    assert_eq!((by_tenant.status, &*by_tenant.code()), (StatusCode::FORBIDDEN, "not_an_admin"));
    let of_another = decide(&world, "approve", ADMIN, &json!({"pause": pause + 1})).await;
    assert_eq!((of_another.status, &*of_another.code()), (StatusCode::CONFLICT, "not_carried_out"));
    let malformed = decide(&world, "approve", ADMIN, &json!({"by": "ada"})).await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask(&world, "key-a").await.status, StatusCode::TOO_MANY_REQUESTS);

    let approved = decide(&world, "approve", ADMIN, &json!({"pause": pause, "by": "ada", "why": "worth it"})).await;
    assert_eq!((approved.status, &approved.json()["next_limit"]), (StatusCode::OK, &json!(20_000)));
    assert_eq!(ask(&world, "key-a").await.status, StatusCode::OK);
    let shown = world.client.get("/executions/run", "key-a").await.json();
    assert_eq!((&shown["approvals"][0]["by"], &shown["usage"]["steps"]), (&json!("ada"), &json!(2)));
    let late = decide(&world, "approve", ADMIN, &json!({"pause": pause})).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "E3");
}

#[tokio::test]
async fn a_rejected_execution_is_halted_until_it_is_ended() {
    let world = World::new(PAUSES).await;
    let pause = paused(&world).await;
    let rejected = decide(&world, "reject", ADMIN, &json!({"pause": pause})).await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text);
    let refused = ask(&world, "key-a").await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "halted"));
    let ended = world.client.whole(Method::DELETE, "/executions/run", "key-a", &[], "").await;
    assert_eq!(ended.json()["usage"]["output_tokens"], 7);
    assert_eq!(ask(&world, "key-a").await.status, StatusCode::OK, "the name is free again");
}

#[tokio::test]
async fn executions_of_two_tenants_with_one_name_do_not_meet() {
    let world = World::new(PAUSES).await;
    paused(&world).await;
    assert_eq!(world.client.get("/executions/run", "key-b").await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&world, "key-b").await.status, StatusCode::OK);
    let mine = world.client.get("/executions/run", "key-b").await.json();
    assert_eq!(mine["usage"]["tenant_id"], "b");
}

#[tokio::test]
async fn an_agent_that_repeats_itself_is_halted() {
    let world = World::new("[long_running]\nmax_same_step_repetitions = 3").await;
    for _ in 0..2 {
        assert_eq!(ask(&world, "key-a").await.status, StatusCode::OK);
    }
    assert_eq!(ask(&world, "key-a").await.code(), "same_step_loop");
    assert_eq!(world.client.ask("key-a", &RUN, &request(8)).await.code(), "halted");
    for _ in 0..3 {
        assert_eq!(world.client.ask("key-a", &[], &request(7)).await.status, StatusCode::OK, "of no execution");
    }
}
