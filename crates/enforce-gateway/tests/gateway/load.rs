//! Many clients at once, of whom some go away in the middle: every sum is right, to the token.
//!
//! Clients write down what they have seen: of an answer that came whole, its usage; of a stream, the usage of the last
//! event that they got, beside the tokens that they counted themselves. The stand-in counts what it hands to its
//! connections. A client that goes away does so when the stand-in has fallen silent, so nothing is under way between them,
//! and all three agree; where a client goes away while tokens flow, what has arrived at the gateway lies between what the
//! client saw and what the stand-in sent.

use std::time::Duration;

use enforce_core::Clock;
use http::StatusCode;
use serde_json::{Value, json};

use crate::common::{Client, PRICE, World, assert_nothing_is_left, budget, request, request_with, telling, tokens};

const TENANTS: [&str; 4] = ["a", "b", "c", "d"];
const CLIENTS: u64 = 64;

/// What a client has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: u64,
    input: u64,
    output: u64,
    refused: u64,
    cut: u64,
    gone: u64,
}

impl Seen {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            input: self.input + other.input,
            output: self.output + other.output,
            refused: self.refused + other.refused,
            cut: self.cut + other.cut,
            gone: self.gone + other.gone,
        }
    }

    fn used(usage: &Value) -> Self {
        let of = |name: &str| usage[name].as_u64().unwrap();
        Self { requests: 1, input: of("prompt_tokens"), output: of("completion_tokens"), ..Self::default() }
    }
}

/// What one request does, by its number: plain, streamed to its end, or left in the middle.
async fn one(client: &Client, key: &str, number: u64, leaves: Leaves) -> Seen {
    let most = 1 + number * 7 % 30;
    if number.is_multiple_of(3) {
        let answer = client.ask(key, &[], &request(most)).await;
        return match answer.status {
            StatusCode::OK => Seen::used(&answer.json()["usage"]),
            StatusCode::TOO_MANY_REQUESTS => Seen { refused: 1, ..Seen::default() },
            other => panic!("{other}: {}", answer.text),
        };
    }
    let leaves_after = (number % 3 == 1).then_some(number % most);
    let asks = match (leaves_after, leaves) {
        (Some(after), Leaves::WhenSilent) => request_with(most, &json!({"stall_after": after.to_string()})),
        _ => request(most),
    };
    let mut stream = client.stream(key, &telling(asks)).await;
    if stream.status != StatusCode::OK {
        assert_eq!(stream.status, StatusCode::TOO_MANY_REQUESTS);
        return Seen { refused: 1, ..Seen::default() };
    }
    let (mut seen, mut counted) = (Seen::default(), 0);
    while seen.requests == 0 || leaves_after.is_none_or(|after| counted < after) {
        let Some(event) = stream.next().await else { return seen };
        if event.is_null() {
            continue;
        }
        counted += tokens(&event);
        seen = Seen { cut: u64::from(event["error"].is_object()), ..Seen::used(&event["usage"]) };
        assert_eq!(counted, seen.output, "{event}");
    }
    Seen { gone: 1, ..seen }
}

/// When clients go away that do not stay.
#[derive(Clone, Copy)]
enum Leaves {
    WhenSilent,
    WhileItFlows,
}

/// So many requests, by clients that are at it at once; what was seen, by tenant.
async fn load(world: &World, requests: u64, leaves: Leaves) -> [Seen; 4] {
    let clients = (0..CLIENTS).map(|number| {
        let client = world.client.clone();
        let tenant = number as usize % TENANTS.len();
        tokio::spawn(async move {
            let key = format!("key-{}", TENANTS[tenant]);
            let mut seen = Seen::default();
            for request in (number..requests).step_by(CLIENTS as usize) {
                seen = seen.plus(one(&client, &key, request, leaves).await);
            }
            (tenant, seen)
        })
    });
    let mut all = [Seen::default(); 4];
    for client in clients.collect::<Vec<_>>() {
        let (tenant, seen) = client.await.unwrap();
        all[tenant] = all[tenant].plus(seen);
    }
    all
}

/// Clients, gateway and stand-in agree on every token; nothing is left open.
async fn agree(requests: u64) -> [Seen; 4] {
    let world = World::new(&budget(1_000_000_000)).await;
    let seen = load(&world, requests, Leaves::WhenSilent).await;
    let stand_in = world.stand_in.clone();
    let gateway = world.stop().await;
    assert_nothing_is_left(&gateway);
    for (tenant, seen) in TENANTS.iter().zip(&seen) {
        let usage = gateway.enforcer().tenant_usage(tenant).unwrap();
        assert_eq!((usage.steps, usage.input_tokens, usage.output_tokens), (seen.requests, seen.input, seen.output));
        assert_eq!(usage.cost_nano_usd, seen.input * PRICE.0 + seen.output * PRICE.1);
        assert_eq!(usage.budgets[0].committed, seen.input + seen.output);
        assert_eq!((seen.refused, seen.cut), (0, 0));
    }
    let all = seen.into_iter().fold(Seen::default(), Seen::plus);
    let sent = stand_in.sent();
    assert_eq!((sent.requests, sent.prompt_tokens, sent.completion_tokens), (all.requests, all.input, all.output));
    assert_eq!(all.requests, requests);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_gateway_and_upstream_agree_on_every_token_though_clients_go_away() {
    let seen = agree(2_000).await;
    assert!(seen.iter().all(|seen| seen.gone > 0), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_settled_lies_between_what_was_seen_and_what_was_sent_if_clients_go_away_while_it_flows() {
    let world = World::new(&budget(1_000_000_000)).await;
    let seen = load(&world, 900, Leaves::WhileItFlows).await;
    let stand_in = world.stand_in.clone();
    let gateway = world.stop().await;
    assert_nothing_is_left(&gateway);
    let mut settled = 0;
    for (tenant, seen) in TENANTS.iter().zip(&seen) {
        let usage = gateway.enforcer().tenant_usage(tenant).unwrap();
        assert_eq!((usage.steps, usage.input_tokens), (seen.requests, seen.input));
        assert!(usage.output_tokens >= seen.output, "{usage:?} {seen:?}");
        settled += usage.output_tokens;
    }
    assert!(settled <= stand_in.sent().completion_tokens);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t1_tenants_stay_within_their_budgets_under_load_and_what_was_cut_off_is_a_token_of_debt() {
    const BUDGET: u64 = 2_000;
    let world = World::with(&budget(BUDGET), "stream_block_tokens = 4", Clock::system()).await;
    let seen = load(&world, 1_000, Leaves::WhenSilent).await;
    let gateway = world.stop().await;
    assert_nothing_is_left(&gateway);
    for (tenant, seen) in TENANTS.iter().zip(&seen) {
        let usage = gateway.enforcer().tenant_usage(tenant).unwrap();
        let settled = usage.budgets[0];
        assert_eq!((usage.input_tokens, usage.output_tokens), (seen.input, seen.output));
        assert_eq!(settled.committed, seen.input + seen.output);
        // Each stream that was cut off had one token more on its way.
        assert!(settled.committed <= BUDGET + seen.cut, "{settled:?} {seen:?}");
        assert!(seen.refused > 0, "{seen:?}");
    }
}

/// `cargo test --release -p enforce-gateway -- --ignored --nocapture hundred_thousand`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a while"]
#[expect(clippy::disallowed_methods, reason = "what it takes is measured")]
async fn a_hundred_thousand_requests() {
    let begun = std::time::Instant::now();
    let seen = agree(100_000).await.into_iter().fold(Seen::default(), Seen::plus);
    let took: Duration = begun.elapsed();
    let a_second = 100_000.0 / took.as_secs_f64();
    println!("{seen:?} in {took:.1?}: {a_second:.0} requests a second");
}
