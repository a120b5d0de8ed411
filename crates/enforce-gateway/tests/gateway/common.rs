//! What the tests share: a gateway with a stand-in behind it, and a client.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use enforce_core::{Clock, TenantUsage};
use enforce_gateway::{Gateway, Settings, StandIn};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};

/// $0.40 and $1.60 per million tokens: 400 and 1,600 nano-dollars each.
pub(crate) const PRICES: &str = "[[price]]\nmodel = \"quill\"\ninput = \"0.40\"\noutput = \"1.60\"";
pub(crate) const PRICE: (u64, u64) = (400, 1_600);

pub(crate) const ADMIN: &str = "key-of-the-admin";

/// The gateway's file for tenants `a` to `d`, whose keys are `key-a` to `key-d`.
pub(crate) fn config(upstream: SocketAddr, requests: &str) -> String {
    let tenants = ["a", "b", "c", "d"].map(|name| format!("[[tenant]]\nname = \"{name}\"\nkeys = [\"key-{name}\"]\n"));
    format!(
        "listen = \"127.0.0.1:0\"\nupstream = \"http://{upstream}/v1\"\npolicy = \"policy.toml\"\n\
         prices = \"prices.toml\"\nadmin_keys = [\"{ADMIN}\"]\n[requests]\n{requests}\n{}",
        tenants.concat()
    )
}

/// A gateway that runs, and what is behind it.
pub(crate) struct World {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) stand_in: StandIn,
    pub(crate) upstream: SocketAddr,
    pub(crate) client: Client,
    stop: oneshot::Sender<()>,
    stop_now: oneshot::Sender<()>,
    served: JoinHandle<()>,
    behind: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new(policy: &str) -> Self {
        Self::with(policy, "", Clock::system()).await
    }

    pub(crate) async fn with(policy: &str, requests: &str, clock: Clock) -> Self {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = behind.local_addr().unwrap();
        let stand_in = StandIn::new();
        let serving = stand_in.clone();
        let behind = tokio::spawn(async move { match serving.serve(behind).await {} });

        let settings = Settings::of(&config(upstream, requests), policy, PRICES).unwrap();
        let gateway = Gateway::new(settings, clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let (stop_now, at_once) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let at_once = async move {
            if at_once.await.is_err() {
                pending::<()>().await;
            }
        };
        let served = tokio::spawn(Arc::clone(&gateway).serve(listener, stopped, at_once));
        Self { gateway, stand_in, upstream, client, stop, stop_now, served, behind }
    }

    /// What a tenant has used.
    pub(crate) fn usage(&self, tenant: &str) -> TenantUsage {
        self.gateway.enforcer().tenant_usage(tenant).unwrap()
    }

    /// Brings it to its end, as a signal would.
    pub(crate) async fn stop(self) -> Arc<Gateway> {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
        self.behind.abort();
        self.gateway
    }

    /// Brings it to its end at once, as a second signal would.
    pub(crate) async fn stop_now(self) -> Arc<Gateway> {
        self.stop.send(()).unwrap();
        self.stop_now.send(()).unwrap();
        self.served.await.unwrap();
        self.behind.abort();
        self.gateway
    }

    /// The upstream is there no more.
    pub(crate) async fn lose_upstream(&mut self) {
        self.behind.abort();
        assert!((&mut self.behind).await.unwrap_err().is_cancelled());
    }
}

/// Waits until others have brought something about.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    while !happened() {
        yield_now().await;
    }
}

/// A client that keeps its connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The `error.code` of a refusal, once its shape is that of every refusal.
    pub(crate) fn code(&self) -> String {
        let object = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(object["status"], self.status.as_u16());
        assert_eq!(object["detail"], object["error"]["message"]);
        assert!(object["title"].is_string() && object["type"].is_string() && object["error"]["type"].is_string());
        object["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { http: HttpClient::builder(TokioExecutor::new()).build(HttpConnector::new()), address }
    }

    /// An answer that has begun, or why there is none.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        key: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<http::Response<Incoming>, hyper_util::client::legacy::Error> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().unwrap();
        if !key.is_empty() {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        self.http.request(request).await
    }

    /// An answer that was read to its end.
    pub(crate) async fn whole(
        &self,
        method: Method,
        path: &str,
        key: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (parts, body) = self.try_send(method, path, key, headers, body).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Asks for a completion, and reads the whole answer.
    pub(crate) async fn ask(&self, key: &str, headers: &[(&'static str, &str)], request: &Value) -> Answer {
        self.whole(Method::POST, "/v1/chat/completions", key, headers, request.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.whole(Method::GET, path, key, &[], "").await
    }

    /// Asks for a stream, and reads it event by event.
    pub(crate) async fn stream(&self, key: &str, request: &Value) -> Events {
        let mut request = request.clone();
        request["stream"] = true.into();
        let answer = self.try_send(Method::POST, "/v1/chat/completions", key, &[], request.to_string());
        let answer = answer.await.unwrap();
        Events { status: answer.status(), body: answer.into_body(), arrived: BytesMut::new() }
    }
}

/// A stream that is being read.
pub(crate) struct Events {
    pub(crate) status: StatusCode,
    body: Incoming,
    arrived: BytesMut,
}

impl Events {
    /// The next event; `None` at the end. `[DONE]` is null.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.arrived.windows(2).position(|two| two == b"\n\n") {
                let event = self.arrived.split_to(end + 2);
                let data = event.strip_prefix(b"data: ").unwrap();
                return Some(serde_json::from_slice(data).unwrap_or(Value::Null));
            }
            let frame = self.body.frame().await?.unwrap();
            self.arrived.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// All that is left.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The output tokens that a chunk shows.
pub(crate) fn tokens(event: &Value) -> u64 {
    u64::from(event["choices"][0]["delta"]["content"] == " token")
}

/// A request of three words for so many tokens.
pub(crate) fn request(max_tokens: u64) -> Value {
    json!({"model": "quill", "max_tokens": max_tokens, "messages": [{"role": "user", "content": "three short words"}]})
}

/// The same, of which something else is asked.
pub(crate) fn request_with(max_tokens: u64, metadata: &Value) -> Value {
    let mut request = request(max_tokens);
    request["metadata"] = metadata.clone();
    request
}

/// The same, whose stream tells the usage in each chunk.
pub(crate) fn telling(mut request: Value) -> Value {
    request["stream_options"] = json!({"include_usage": true, "continuous_usage_stats": true});
    request
}

/// A policy of one budget of tokens for each tenant.
pub(crate) fn budget(tokens: u64) -> String {
    format!("[[budget]]\non = \"tenant\"\ntokens = {tokens}\nper = \"total\"\n")
}

/// Nothing is set aside, nobody waits, nobody is registered.
pub(crate) fn assert_nothing_is_left(gateway: &Arc<Gateway>) {
    let enforcer = gateway.enforcer();
    assert_eq!((enforcer.execution_count(), enforcer.waiting_count()), (0, 0));
    assert_eq!(enforcer.process_usage().live_executions, 0);
    for tenant in ["a", "b", "c", "d"] {
        let Some(usage) = enforcer.tenant_usage(tenant) else { continue };
        assert_eq!(usage.live_executions, 0, "{usage:?}");
        assert!(usage.budgets.iter().all(|budget| budget.outstanding == 0), "{usage:?}");
    }
}
