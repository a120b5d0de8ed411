//! Whose key it is.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::config::{Config, SettingsError, TenantKeys};

/// What a key in the file begins with if it is the SHA-256 of a key, in hexadecimal digits.
const HASHED: &str = "sha256:";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Tenant(Arc<str>),
    Admin,
}

/// All keys, by their hashes: the time that a look-up takes says nothing of any key.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<[u8; 32], Caller>);

impl Keys {
    pub(crate) fn of(config: &Config) -> Result<Self, SettingsError> {
        let mut keys = Self::default();
        for TenantKeys { name, keys: of_tenant } in &config.tenants {
            let tenant = Caller::Tenant(name.as_str().into());
            of_tenant.iter().try_for_each(|key| keys.add(key, tenant.clone(), name))?;
        }
        config.admin_keys.iter().try_for_each(|key| keys.add(key, Caller::Admin, "admin_keys"))?;
        Ok(keys)
    }

    fn add(&mut self, key: &str, caller: Caller, whose: &str) -> Result<(), SettingsError> {
        let wrong = |what: &str| Err(SettingsError::new(format!("a key of {whose:?} {what}")));
        if key.is_empty() {
            return wrong("is empty; write one that nobody guesses");
        }
        let hash = match key.strip_prefix(HASHED) {
            None if key.trim_ascii() != key || HeaderValue::from_bytes(key.as_bytes()).is_err() => {
                return wrong("can never arrive; write one without spaces at its ends and without control characters");
            }
            None => hash(key.as_bytes()),
            Some(digits) => match from_hex(digits) {
                Some(hash) => hash,
                None => return wrong("is no SHA-256; write 64 hexadecimal digits behind \"sha256:\""),
            },
        };
        match self.0.insert(hash, caller.clone()) {
            Some(other) if other != caller => wrong("is somebody else's, too; each key has one owner"),
            _ => Ok(()),
        }
    }

    /// Whose the key in this field is; `None` if it has none that is known.
    pub(crate) fn caller(&self, authorization: &HeaderValue) -> Option<&Caller> {
        let (scheme, key) = authorization.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| self.0.get(&hash(key.trim_ascii())))?
    }

    /// The tenants; one comes for each of its keys.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = Arc<str>> {
        self.0.values().filter_map(|caller| match caller {
            Caller::Tenant(name) => Some(Arc::clone(name)),
            Caller::Admin => None,
        })
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(tenants: &str) -> Result<Keys, SettingsError> {
        let head = "listen = \"127.0.0.1:0\"\nupstream = \"http://u/v1\"\npolicy = \"p\"\nprices = \"p\"\n";
        Keys::of(&Config::parse(&format!("{head}admin_keys = [\"root\"]\n{tenants}")).unwrap())
    }

    fn asks(keys: &Keys, value: &str) -> Option<Caller> {
        keys.caller(&value.parse().unwrap()).cloned()
    }

    #[test]
    fn a_key_is_found_in_clear_and_hashed() {
        // The SHA-256 of "abc", from the standard's examples.
        let hashed = "sha256:BA7816BF8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let keys = keys(&format!("[[tenant]]\nname = \"a\"\nkeys = [\"one\", {hashed:?}]")).unwrap();
        let a = Some(Caller::Tenant("a".into()));
        assert_eq!([asks(&keys, "Bearer one"), asks(&keys, "bearer abc")], [a.clone(), a]);
        assert_eq!(asks(&keys, "Bearer root"), Some(Caller::Admin));
        for stranger in ["Bearer two", "Bearer ", "one", "Basic one", hashed] {
            assert_eq!(asks(&keys, stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_key_that_is_empty_or_malformed_or_cannot_be_sent_or_has_two_owners_is_refused() {
        for (wrong, said) in [
            ("\"\"", "is empty"),
            ("\"sha256:00\"", "is no SHA-256"),
            ("\"root\"", "somebody else's"),
            ("\" one\"", "can never arrive"),
            ("\"o\\nne\"", "can never arrive"),
        ] {
            let error = keys(&format!("[[tenant]]\nname = \"a\"\nkeys = [{wrong}]")).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
