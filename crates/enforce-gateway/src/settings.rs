//! All that the gateway is told, read and validated as a whole.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use enforce_core::PolicyFile;
use enforce_prices::PriceTable;
use http::{HeaderValue, Uri};

use crate::config::{Config, SettingsError};
use crate::keys::Keys;

/// What the gateway is told: its own file, the policy and the prices that this names, and the upstream's key. Read and
/// validated as a whole.
#[derive(Debug)]
pub struct Settings {
    pub(crate) config: Config,
    pub(crate) policy: PolicyFile,
    pub(crate) prices: PriceTable,
    pub(crate) keys: Keys,
    /// Where completions are asked for.
    pub(crate) completions: Uri,
    /// What the upstream is shown.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Settings {
    /// Reads the gateway's file and those that it names, which stand beside it unless their paths are absolute.
    ///
    /// # Errors
    /// A file that cannot be read or says what cannot be, with its name and the place.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let config = Config::parse(&text(path)?).map_err(|error| error.in_file(path))?;
        let beside = |file: &Path| path.parent().unwrap_or(Path::new("")).join(file);
        let (policy, prices) = (beside(&config.policy), beside(&config.prices));
        Self::assembled(config, (&policy, &text(&policy)?), (&prices, &text(&prices)?))
    }

    /// From texts: the gateway's file, in whose place policy and prices stand, whatever it calls them.
    ///
    /// # Errors
    /// A text that says what cannot be.
    pub fn of(config: &str, policy: &str, prices: &str) -> Result<Self, SettingsError> {
        let config = Config::parse(config)?;
        let files = (config.policy.clone(), config.prices.clone());
        Self::assembled(config, (&files.0, policy), (&files.1, prices))
    }

    fn assembled(config: Config, policy: (&Path, &str), prices: (&Path, &str)) -> Result<Self, SettingsError> {
        let wrong = |file, error: &dyn std::error::Error| SettingsError::new(error.to_string()).in_file(file);
        let keys = Keys::of(&config)?;
        let (completions, authorization) = (completions(&config.upstream)?, authorization(&config)?);
        let policy = PolicyFile::parse(policy.1).map_err(|error| wrong(policy.0, &error))?;
        let prices = PriceTable::read(prices.1).map_err(|error| wrong(prices.0, &error))?;
        Ok(Self { config, policy, prices, keys, completions, authorization })
    }

    /// With another upstream, at this address.
    ///
    /// # Errors
    /// An address that makes no URL.
    pub fn with_upstream(mut self, upstream: SocketAddr) -> Result<Self, SettingsError> {
        self.config.upstream = format!("http://{upstream}/v1");
        self.completions = completions(&self.config.upstream)?;
        Ok(self)
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.config.listen
    }
}

fn text(path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|error| SettingsError::new(error.to_string()).in_file(path))
}

fn completions(upstream: &str) -> Result<Uri, SettingsError> {
    let uri = format!("{}/chat/completions", upstream.trim_end_matches('/')).parse();
    uri.map_err(|error| SettingsError::new(format!("upstream: {upstream:?}: {error}")))
}

fn authorization(config: &Config) -> Result<Option<HeaderValue>, SettingsError> {
    let Some(name) = &config.upstream_key_env else { return Ok(None) };
    let wrong = |what| SettingsError::new(format!("upstream_key_env: the environment variable {name:?} {what}"));
    let key = std::env::var(name).map_err(|_| wrong("is not set"))?;
    let mut value =
        HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| wrong("has no key that fits a header"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}
