//! `GET /usage`: what tenants have used.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use enforce_core::{Enforcer, NanoUsd};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::Caller;
use crate::refusal::Refusal;

/// A tenant is told what it has used; an admin, what all have.
pub(crate) async fn usage(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Result<Response<Body>, Refusal> {
    let settings = gateway.settings();
    Ok(answer(&match settings.caller(&headers)? {
        Caller::Tenant(tenant) => of(&gateway.enforcer, tenant),
        Caller::Admin => all(&gateway.enforcer, &gateway.tenants()),
    }))
}

/// An object as an answer.
pub(crate) fn answer(object: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(format!("{object}\n")));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// One tenant; one that is not known has used nothing.
fn of(enforcer: &Enforcer, tenant: &str) -> Value {
    match enforcer.tenant_usage(tenant) {
        Some(usage) => json!(usage),
        None => json!({
            "tenant_id": tenant, "live_executions": 0, "steps": 0, "input_tokens": 0, "output_tokens": 0,
            "total_tokens": 0, "cost_nano_usd": 0, "budget": null, "budgets": [],
        }),
    }
}

pub(crate) fn all(enforcer: &Enforcer, tenants: &BTreeSet<Arc<str>>) -> Value {
    let tenants: Vec<Value> = tenants.iter().map(|tenant| of(enforcer, tenant)).collect();
    json!({"tenants": tenants, "process": enforcer.process_usage()})
}

pub(crate) fn table(enforcer: &Enforcer, tenants: &BTreeSet<Arc<str>>) -> String {
    let mut table = format!("{:<16} {:>9} {:>12} {:>12} {:>14}\n", "tenant", "requests", "input", "output", "cost");
    for tenant in tenants {
        let usage = enforcer.tenant_usage(tenant);
        let figures = usage.map(|usage| (usage.steps, usage.input_tokens, usage.output_tokens, usage.cost_nano_usd));
        let (requests, input, output, cost) = figures.unwrap_or_default();
        let cost = NanoUsd::new(cost).unwrap_or(NanoUsd::MAX).to_string();
        // Writing to a string does not fail.
        let _ok = writeln!(table, "{tenant:<16} {requests:>9} {input:>12} {output:>12} {cost:>14}");
    }
    table
}
