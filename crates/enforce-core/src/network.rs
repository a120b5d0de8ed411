//! Which hosts may be reached: one pure check, outside every reservation.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::decision::{EnforcementViolation, Retry, ScopeKind, ViolationType};
use crate::limits::ConfigError;

/// Which hosts an execution may reach.
///
/// A host is a name in the letters, digits, hyphens and underscores of the domain name system, or an address; a port, the
/// case and one trailing dot do not matter. Whatever else is given (a URL, a user before an `@`, a path) is no host, and
/// only an open policy lets it pass: that it ends in an allowed name would not mean that it leads there. Names are
/// compared and never resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkPolicy {
    /// Every host. The default.
    #[default]
    Open,
    /// No host but a local one, such as a provider on the same machine: `localhost`, its subdomains, and loopback
    /// addresses.
    AirGapped,
    /// The hosts named, exactly, and for a name `*.suffix` every host below `suffix` (not `suffix` itself). A local host
    /// has to be named, too.
    AllowList(Vec<String>),
}

impl NetworkPolicy {
    /// Checks the names of the list.
    ///
    /// # Errors
    /// A name that is no host, nor `*.` before one: empty, longer than 253 bytes, with a `*` or another sign in it, or with
    /// a port.
    ///
    /// ```
    /// use enforce_core::NetworkPolicy;
    ///
    /// assert!(NetworkPolicy::AllowList(vec!["*.example.com".into()]).validate().is_ok());
    /// assert!(NetworkPolicy::AllowList(vec!["api.*.com".into()]).validate().is_err());
    /// ```
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self::AllowList(names) = self else { return Ok(()) };
        match names.iter().find(|name| Pattern::of(name).is_none()) {
            None => Ok(()),
            Some(name) => Err(ConfigError::new(
                "allowed_hosts",
                format!("{name:?} names no host"),
                "write a host without a port, such as api.example.com, or *.example.com for all below it",
            )),
        }
    }

    /// Whether `host` may be reached.
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
        let allowed = match self {
            Self::Open => true,
            Self::AirGapped => Host::of(host).is_some_and(|host| host.is_local()),
            Self::AllowList(names) => Host::of(host).is_some_and(|host| {
                names.iter().filter_map(|name| Pattern::of(name)).any(|pattern| pattern.matches(&host))
            }),
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

/// A host, read.
#[derive(Debug, PartialEq, Eq)]
enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Host<'a> {
    /// `host`, perhaps with a port.
    fn of(host: &'a str) -> Option<Self> {
        if let Some(bracketed) = host.strip_prefix('[') {
            // An address of version 6 has colons of its own, so it stands in brackets where a port may follow.
            let (address, rest) = bracketed.split_once(']')?;
            let has_port_alone = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
            return address.parse().ok().filter(|_| has_port_alone).map(Self::address_v6);
        }
        match host.rsplit_once(':') {
            Some((name, port)) if is_port(port) && !name.contains(':') => Self::without_port(name),
            _ => Self::without_port(host),
        }
    }

    fn without_port(host: &'a str) -> Option<Self> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        (name.len() <= MAX_HOST_BYTES && name.split('.').all(is_label)).then_some(Self::Name(name))
    }

    fn address_v6(address: std::net::Ipv6Addr) -> Self {
        // An address of version 4 in version 6's clothes is that of version 4.
        Self::Address(IpAddr::V6(address).to_canonical())
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name.eq_ignore_ascii_case("localhost") || is_below("localhost", name),
        }
    }
}

/// A name of the list, read.
#[derive(Debug, PartialEq, Eq)]
enum Pattern<'a> {
    Exactly(Host<'a>),
    Below(&'a str),
}

impl<'a> Pattern<'a> {
    fn of(name: &'a str) -> Option<Self> {
        match name.strip_prefix("*.") {
            None => Host::without_port(name).map(Self::Exactly),
            Some(suffix) => match Host::without_port(suffix)? {
                Host::Name(suffix) => Some(Self::Below(suffix)),
                // No host is below an address.
                Host::Address(_) => None,
            },
        }
    }

    fn matches(&self, host: &Host<'_>) -> bool {
        match (self, host) {
            (Self::Exactly(Host::Name(own)), Host::Name(name)) => own.eq_ignore_ascii_case(name),
            (Self::Exactly(own), host) => own == host,
            (Self::Below(suffix), Host::Name(name)) => is_below(suffix, name),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// A part of a name between dots. Names in other scripts are written in their ASCII form.
fn is_label(label: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_sign)
}

/// Whether `name` has at least one label before `suffix`.
fn is_below(suffix: &str, name: &str) -> bool {
    let dot = name.len().checked_sub(suffix.len()).and_then(|at| at.checked_sub(1));
    dot.and_then(|dot| name.get(dot..))
        .is_some_and(|tail| tail.strip_prefix('.').is_some_and(|tail| tail.eq_ignore_ascii_case(suffix)))
}
