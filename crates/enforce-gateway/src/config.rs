//! The gateway's own file: where it listens, whom it asks, whose keys are whose, and how requests are bounded.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;

/// The longest name of a tenant, in bytes: with the longest name of an execution it makes an id that the core takes.
const MAX_TENANT_BYTES: usize = 48;

/// The gateway's own file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// What `/chat/completions` is appended to.
    pub(crate) upstream: String,
    /// The environment variable that has the upstream's key.
    pub(crate) upstream_key_env: Option<String>,
    /// The name by which rates of the policy know the upstream.
    #[serde(default = "upstream_name")]
    pub(crate) provider: String,
    pub(crate) policy: PathBuf,
    pub(crate) prices: PathBuf,
    #[serde(default)]
    pub(crate) admin_keys: Vec<String>,
    #[serde(default)]
    pub(crate) requests: Requests,
    #[serde(default, rename = "tenant")]
    pub(crate) tenants: Vec<TenantKeys>,
}

/// `[[tenant]]`: who may ask, and by which keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantKeys {
    pub(crate) name: String,
    pub(crate) keys: Vec<String>,
}

/// `[requests]`: what a request may be, and what it is taken to ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Requests {
    /// How long a request waits for room; 0 refuses at once.
    pub(crate) max_wait_ms: u64,
    /// Output tokens of a request that names none.
    pub(crate) default_max_tokens: u64,
    /// Bytes of a request that are taken for one input token: 1 is an upper bound, more is an estimate.
    pub(crate) input_bytes_per_token: u64,
    /// Bytes of text in a streamed chunk that are taken for one output token, until the usage is known.
    pub(crate) stream_bytes_per_token: u64,
    /// Output tokens by which the hold of a stream grows.
    pub(crate) stream_block_tokens: u64,
    /// The largest request.
    pub(crate) max_body_bytes: usize,
    /// The largest answer that is not a stream, and the largest event of one that is.
    pub(crate) max_answer_bytes: usize,
    /// Connections at a time; more wait.
    pub(crate) max_connections: usize,
    /// A named execution that has asked nothing for so long ends.
    pub(crate) execution_idle_seconds: u64,
    /// How long streams may go on after a signal to stop.
    pub(crate) grace_ms: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            max_wait_ms: 0,
            default_max_tokens: 1_024,
            input_bytes_per_token: 1,
            stream_bytes_per_token: 4,
            stream_block_tokens: 64,
            max_body_bytes: 1 << 20,
            max_answer_bytes: 16 << 20,
            max_connections: 10_000,
            execution_idle_seconds: 86_400,
            grace_ms: 10_000,
        }
    }
}

impl Requests {
    pub(crate) fn max_wait(&self) -> Duration {
        Duration::from_millis(self.max_wait_ms)
    }

    pub(crate) fn execution_idle(&self) -> Duration {
        Duration::from_secs(self.execution_idle_seconds)
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        let positive = [
            ("default_max_tokens", self.default_max_tokens),
            ("input_bytes_per_token", self.input_bytes_per_token),
            ("stream_bytes_per_token", self.stream_bytes_per_token),
            ("stream_block_tokens", self.stream_block_tokens),
            ("max_body_bytes", self.max_body_bytes as u64),
            ("max_answer_bytes", self.max_answer_bytes as u64),
            ("max_connections", self.max_connections as u64),
            ("execution_idle_seconds", self.execution_idle_seconds),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => {
                Err(SettingsError::new(format!("requests.{key}: 0 lets nothing through; write 1 or more")))
            }
            None => Ok(()),
        }
    }
}

fn upstream_name() -> String {
    "upstream".to_owned()
}

impl Config {
    pub(crate) fn parse(text: &str) -> Result<Self, SettingsError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line =
                error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            SettingsError::new(format!("{place}{}", error.message().replace('\n', " ")))
        })?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), SettingsError> {
        // What stands behind a '#' is no part of what is asked for, so nothing can be appended to it.
        let upstream: Option<Uri> = (!self.upstream.contains('#')).then(|| self.upstream.parse().ok()).flatten();
        if upstream.is_none_or(|uri| uri.scheme_str() != Some("http") || uri.host().is_none() || uri.query().is_some())
        {
            let example = "write one such as \"http://127.0.0.1:9090/v1\"; whoever needs TLS puts it in between";
            return Err(SettingsError::new(format!("upstream: {:?} is no plain http URL; {example}", self.upstream)));
        }
        for TenantKeys { name, keys } in &self.tenants {
            if name.is_empty() || name.len() > MAX_TENANT_BYTES || !name.chars().all(is_plain) {
                let right = format!("write 1 to {MAX_TENANT_BYTES} letters, digits, '-', '_' or '.'");
                return Err(SettingsError::new(format!("tenant: {name:?} is no name; {right}")));
            }
            if keys.is_empty() {
                return Err(SettingsError::new(format!(
                    "tenant {name:?}: it has no key and could never ask; give it one"
                )));
            }
        }
        self.requests.validate()
    }
}

/// A character of the name of a tenant or an execution.
pub(crate) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// Why settings are refused: one line that says where, what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError(String);

impl SettingsError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// With the file that it is about.
    pub(crate) fn in_file(self, file: &std::path::Path) -> Self {
        Self(format!("{}: {}", file.display(), self.0))
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        listen = "127.0.0.1:0"
        upstream = "http://127.0.0.1:9090/v1"
        policy = "policy.toml"
        prices = "prices.toml"
    "#;

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!((config.requests, config.provider.as_str()), (Requests::default(), "upstream"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let wrong = [
            ("listen = 5", "line 1"),
            (&*format!("{GOOD}\nlimit = 5"), "unknown field `limit`"),
            (&GOOD.replace("http://127", "https://127"), "no plain http URL"),
            (&GOOD.replace("http://127.0.0.1:9090/v1", "/v1"), "no plain http URL"),
            (&GOOD.replace("9090/v1", "9090/v1#part"), "no plain http URL"),
            (
                &format!("{GOOD}\n[requests]\nstream_block_tokens = 0"),
                "requests.stream_block_tokens: 0 lets nothing through",
            ),
            (&format!("{GOOD}\n[[tenant]]\nname = \"a/b\"\nkeys = [\"k\"]"), "\"a/b\" is no name"),
            (&format!("{GOOD}\n[[tenant]]\nname = \"a\"\nkeys = []"), "has no key"),
        ];
        for (text, said) in wrong {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
