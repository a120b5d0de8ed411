//! The gateway's own file.

use http::HeaderValue;

use super::{POLICY, PRICES};
use crate::config::TenantKeys;
use crate::keys::Caller;
use crate::settings::Settings;
use crate::text;

/// The text of the file. What is accepted can be acted upon: every key can be shown, and lets in whose it is.
pub(crate) fn target(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let settings = match Settings::of(text, POLICY, PRICES) {
        Err(error) => return assert!(!error.to_string().contains('\n'), "an error is one line: {error}"),
        Ok(settings) => settings,
    };
    let again = Settings::of(&format!("{text}\n# Said last."), POLICY, PRICES).expect("a comment says nothing");
    assert_eq!(format!("{:?}", again.config), format!("{:?}", settings.config));

    let asked = &settings.completions;
    assert_eq!((asked.scheme_str(), asked.query()), (Some("http"), None), "{asked}");
    assert!(asked.host().is_some_and(|host| !host.is_empty()), "{asked}");
    assert!(asked.path().ends_with("/chat/completions"), "{asked}");

    let shown = |key: &str| HeaderValue::try_from(format!("Bearer {key}")).expect("a key fits a header");
    let is_clear = |key: &&String| !key.starts_with("sha256:");
    for TenantKeys { name, keys } in &settings.config.tenants {
        assert!(settings.keys.tenants().any(|known| *known == **name));
        for key in keys.iter().filter(is_clear) {
            assert_eq!(settings.keys.caller(&shown(key)), Some(&Caller::Tenant(name.as_str().into())));
        }
    }
    for key in settings.config.admin_keys.iter().filter(is_clear) {
        assert_eq!(settings.keys.caller(&shown(key)), Some(&Caller::Admin));
    }
    assert_eq!(settings.keys.caller(&shown("")), None, "nobody is let in without a key");
}
