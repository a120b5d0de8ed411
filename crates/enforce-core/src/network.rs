//! Which hosts may be reached: one pure check, outside every reservation.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::limits::ConfigError;

/// Which hosts an execution may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkPolicy {
    /// Every host. The default.
    #[default]
    Open,
    /// No host but a local one: `localhost`, its subdomains, and loopback addresses.
    AirGapped,
    /// The hosts named, exactly, and for a name `*.suffix` every host below `suffix` (not `suffix` itself).
    AllowList(Vec<String>),
}

impl NetworkPolicy {
    /// Checks the names of the list.
    ///
    /// # Errors
    /// A name that is empty, longer than 253 bytes, or has a `*` anywhere but in a leading `*.`.
    ///
    /// ```
    /// use enforce_core::NetworkPolicy;
    ///
    /// assert!(NetworkPolicy::AllowList(vec!["*.example.com".into()]).validate().is_ok());
    /// assert!(NetworkPolicy::AllowList(vec!["api.*.com".into()]).validate().is_err());
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self::AllowList(names) = self else { return Ok(()) };
        for name in names {
            let host = name.strip_prefix("*.").unwrap_or(name);
            if host.is_empty() || host.len() > MAX_HOST_BYTES || host.contains('*') {
                return Err(ConfigError::new(
                    "network",
                    format!("{name:?} names no host"),
                    "write a host, such as api.example.com, or *.example.com for all below it",
                ));
            }
        }
        Ok(())
    }

    /// Whether `host` may be reached. A port, the case and one trailing dot do not matter.
    ///
    /// # Errors
    /// `network_violation`: never to be retried.
    ///
    /// ```
    /// use enforce_core::{NetworkPolicy, ViolationType};
    ///
    /// let policy = NetworkPolicy::AllowList(vec!["api.example.com".into(), "*.internal".into()]);
    /// assert!(policy.check("API.example.com:443").is_ok());
    /// assert!(policy.check("models.internal").is_ok());
    /// let refused = policy.check("internal").unwrap_err();
    /// assert_eq!(refused.violation_type, ViolationType::NetworkViolation);
    /// assert!(NetworkPolicy::AirGapped.check("127.0.0.1:11434").is_ok());
    /// ```
    pub fn check(&self, host: &str) -> Result<(), EnforcementViolation> {
        let host = bare_host(host);
        let allowed = match self {
            Self::Open => true,
            Self::AirGapped => is_local(host),
            Self::AllowList(names) => names.iter().any(|name| matches(name, host)),
        };
        if allowed { Ok(()) } else { Err(violation()) }
    }
}

impl fmt::Display for NetworkPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::AirGapped => f.write_str("air-gapped"),
            Self::AllowList(names) => write!(f, "only {}", names.join(", ")),
        }
    }
}

/// The longest name that the domain name system knows (RFC 1035, 2.3.4, in its printed form).
const MAX_HOST_BYTES: usize = 253;

fn violation() -> EnforcementViolation {
    EnforcementViolation::of(ScopeKind::Execution, ViolationType::NetworkViolation, 0, 1, 0, Retry::Never)
}

/// The host without brackets, port and trailing dot.
fn bare_host(host: &str) -> &str {
    let host = match host.strip_prefix('[') {
        // An address of version 6 has colons of its own, so it stands in brackets where a port may follow.
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => match host.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        },
    };
    host.strip_suffix('.').unwrap_or(host)
}

fn is_local(host: &str) -> bool {
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost") || matches("*.localhost", host)
}

fn matches(name: &str, host: &str) -> bool {
    match name.strip_prefix('*') {
        // `.suffix` with its dot: something has to stand before it.
        Some(suffix) => {
            let split = host.len().checked_sub(suffix.len()).filter(|split| *split > 0);
            split.and_then(|split| host.get(split..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
        }
        None => bare_host(name).eq_ignore_ascii_case(host),
    }
}
