//! Names of executions, tenants and steps.

use std::borrow::Borrow;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use svix_ksuid::{Ksuid, KsuidLike};

/// The longest id that is accepted, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 128;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        ///
        /// Any text converts into one; its length is checked where it is registered.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            #[doc = concat!("A new id: `", $prefix, "` and 27 characters that sort by time (a KSUID).")]
            #[must_use]
            pub fn new() -> Self {
                Self(format!("{}{}", $prefix, Ksuid::new(None::<SystemTime>, None)).into())
            }

            /// The id with this text.
            #[must_use]
            pub fn from_string(text: impl Into<String>) -> Self {
                Self(text.into().into())
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// A new id, as [`Self::new`].
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// The name of one execution.
    ExecutionId,
    "exec_"
);
id!(
    /// The name of a tenant, whose executions share its limits.
    TenantId,
    "tenant_"
);
id!(
    /// The name of one step of an execution.
    StepId,
    "step_"
);

/// Whether `text` may name a `kind` ("execution id", "tenant id"): 1 to [`MAX_ID_BYTES`] bytes.
pub(crate) fn validate(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    if text.is_empty() || text.len() > MAX_ID_BYTES { Err(InvalidId { kind, bytes: text.len() }) } else { Ok(()) }
}

/// An id that is empty or longer than 128 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidId {
    /// Which id it was, such as `execution id`.
    pub kind: &'static str,
    /// How long it was, in bytes.
    pub bytes: usize,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, bytes } = self;
        write!(f, "invalid {kind}: {bytes} bytes long; it must have 1 to {MAX_ID_BYTES}")
    }
}

impl std::error::Error for InvalidId {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_new_id_is_its_prefix_and_27_alphanumerics() {
        for (id, prefix) in [
            (ExecutionId::new().to_string(), "exec_"),
            (TenantId::new().to_string(), "tenant_"),
            (StepId::new().to_string(), "step_"),
        ] {
            let ksuid = id.strip_prefix(prefix).unwrap();
            assert!(ksuid.len() == 27 && ksuid.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        }
    }

    #[test]
    fn two_new_ids_differ() {
        assert_ne!(ExecutionId::new(), ExecutionId::default());
    }

    #[test]
    fn every_way_in_keeps_the_text() {
        let ids = [TenantId::from("t"), TenantId::from("t".to_owned()), TenantId::from_string("t")];
        assert!(ids.iter().all(|id| id.as_str() == "t" && id.as_ref() == "t" && id.to_string() == "t"));
    }

    #[test]
    fn a_map_keyed_by_id_is_read_by_str() {
        let map = HashMap::from([(StepId::from("step_1"), 7)]);
        assert_eq!(map.get("step_1"), Some(&7));
    }

    #[test]
    fn serde_sees_a_bare_string() {
        let id = ExecutionId::from("exec_1");
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""exec_1""#);
        assert_eq!(serde_json::from_str::<ExecutionId>(r#""exec_1""#).unwrap(), id);
    }

    #[test]
    fn an_id_has_1_to_128_bytes() {
        assert_eq!(validate("tenant id", "x"), Ok(()));
        assert_eq!(validate("tenant id", &"x".repeat(128)), Ok(()));
        for text in [String::new(), "x".repeat(129), "é".repeat(65)] {
            let error = validate("tenant id", &text).unwrap_err();
            assert_eq!(error.bytes, text.len());
            assert_eq!(
                error.to_string(),
                format!("invalid tenant id: {} bytes long; it must have 1 to 128", text.len())
            );
        }
    }
}
