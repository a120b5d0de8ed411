//! A small service without a network: callers send requests, a loop spawns a task for each, and every task reserves,
//! calls a model that is not there, and settles what the call really used. What is refused is answered with 429 and,
//! where waiting helps, a Retry-After.
//!
//! `cargo run -p enforce-async --example service`

use std::error::Error;

use enforce_async::{
    Actual, Demand, EnforcementMiddleware, Enforcer, ExecutionError, ExecutionId, NanoUsd, ProviderKey, ProviderPolicy,
    RegisterError, ResourceLimits, TenantId,
};
use tokio::sync::{mpsc, oneshot};

/// What a caller asks for: as much output as it would take at most.
struct Request {
    tenant: &'static str,
    input_tokens: u64,
    max_output_tokens: u64,
    reply: oneshot::Sender<Response>,
}

/// What an HTTP server would send.
struct Response {
    status: u16,
    /// In seconds, as the header wants it.
    retry_after: Option<u64>,
    body: String,
}

impl From<ExecutionError> for Response {
    fn from(error: ExecutionError) -> Self {
        // A delay is rounded up: a client that comes back a moment too early comes back in vain.
        let seconds = error.retry_delay().as_millis().div_ceil(1_000);
        Self {
            status: error.to_http_status(),
            retry_after: error.is_retryable().then(|| u64::try_from(seconds).unwrap_or(u64::MAX)),
            body: error.to_string(),
        }
    }
}

/// Why a registration was not to be had, as an answer.
fn not_registered(error: RegisterError) -> Response {
    match error {
        RegisterError::Refused(violation) => violation.to_error().into(),
        RegisterError::InvalidId(error) => ExecutionError::validation(error.to_string()).into(),
        error => ExecutionError::kernel_internal(error.to_string()).into(),
    }
}

/// The model: yields as a network call would, answers with half of what it might, and says what that cost.
async fn call_model(input_tokens: u64, max_output_tokens: u64) -> (u64, NanoUsd) {
    tokio::task::yield_now().await;
    let output_tokens = max_output_tokens / 2;
    let price = NanoUsd::new(input_tokens * 3_000 + output_tokens * 15_000).unwrap_or(NanoUsd::MAX);
    (output_tokens, price)
}

/// One request from beginning to end. Dropped at any point, it leaves nothing behind: the hold gives back, the slot is
/// free again.
async fn answer(
    middleware: &EnforcementMiddleware,
    provider: ProviderKey,
    request: &Request,
) -> Result<Response, Response> {
    let registered = middleware.register_execution(ExecutionId::new(), TenantId::from(request.tenant)).await;
    let run = registered.map_err(not_registered)?.execution().clone().finish_on_drop();

    let demand = Demand::step().tokens(request.input_tokens, request.max_output_tokens).provider(provider);
    let hold = run.reserve(demand).map_err(|violation| violation.to_error())?;
    let (output_tokens, price) = call_model(request.input_tokens, request.max_output_tokens).await;
    hold.settle(Actual::tokens(request.input_tokens, output_tokens).cost(price));
    Ok(Response { status: 200, retry_after: None, body: format!("{output_tokens} tokens for {price}") })
}

/// The service: one task a request, until nobody can send any more.
async fn serve(middleware: EnforcementMiddleware, provider: ProviderKey, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        let middleware = middleware.clone();
        tokio::spawn(async move {
            let response = answer(&middleware, provider, &request).await.unwrap_or_else(|refused| refused);
            let _caller_gone = request.reply.send(response).is_err();
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits =
        ResourceLimits { max_tokens: 4_000, max_concurrent_executions: Some(2), ..ResourceLimits::unlimited() };
    let rates = ProviderPolicy { requests_per_minute: Some(30), request_burst: Some(4), ..Default::default() };
    let enforcer = Enforcer::builder().limits(limits).provider(rates).build()?;
    let provider = enforcer.provider("model-api")?;
    let (send, requests) = mpsc::channel(16);
    let service = tokio::spawn(serve(EnforcementMiddleware::new_over(enforcer.clone()), provider, requests));

    // Three at once of one tenant that may run two; one that wants too much; more than the provider takes in a burst.
    let asked = [
        ("tenant_a", 1_200, 800),
        ("tenant_a", 1_500, 600),
        ("tenant_a", 900, 400),
        ("tenant_b", 3_000, 2_000),
        ("tenant_b", 700, 300),
        ("tenant_c", 700, 300),
        ("tenant_d", 700, 300),
    ];
    let mut replies = Vec::new();
    for (tenant, input_tokens, max_output_tokens) in asked {
        let (reply, answer) = oneshot::channel();
        send.send(Request { tenant, input_tokens, max_output_tokens, reply }).await?;
        replies.push((tenant, answer));
    }
    drop(send);
    for (tenant, answer) in replies {
        let Response { status, retry_after, body } = answer.await?;
        let retry_after = retry_after.map(|seconds| format!("Retry-After: {seconds}; ")).unwrap_or_default();
        println!("{tenant}  {status}  {retry_after}{body}");
    }
    service.await?;
    for tenant in ["tenant_a", "tenant_b", "tenant_c", "tenant_d"] {
        if let Some(usage) = enforcer.tenant_usage(tenant) {
            println!("{tenant}: {} tokens, {}", usage.total_tokens, NanoUsd::new(usage.cost_nano_usd)?);
        }
    }
    Ok(())
}
