//! Hosts and lists of hosts.

use enforce_core::NetworkPolicy;

use crate::{round_trip, text};

/// A host, and on the lines behind it the names of a list.
pub(crate) fn target(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut lines = text.lines().map(str::to_owned);
    let host = lines.next().unwrap_or_default();
    let names: Vec<String> = lines.collect();
    let list = NetworkPolicy::AllowList(names.clone());
    let quoted = serde_json::to_string(&list).expect("a policy can be written");
    assert_eq!(round_trip::<NetworkPolicy>(&quoted).as_ref(), Some(&list));

    assert!(NetworkPolicy::Open.check(&host).is_ok());
    let allows = |policy: &NetworkPolicy, host: &str| policy.check(host).is_ok();
    for policy in [&list, &NetworkPolicy::AirGapped] {
        let allowed = allows(policy, &host);
        if allowed {
            let is_sign = |it: char| it.is_ascii_alphanumeric() || "-_.:[]%".contains(it);
            assert!(host.chars().all(is_sign), "what is no host is allowed by nothing");
        }
        assert_eq!(allows(policy, &host.to_ascii_uppercase()), allowed, "the case does not matter");
        if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            assert_eq!(allows(policy, &format!("{host}:443")), allowed, "a port does not matter");
            assert_eq!(allows(policy, &format!("{host}.")), allowed, "one dot behind it does not matter");
        }
        for lead in ["evil.com/", "evil.com?", "user@", "http://", " "] {
            assert!(!allows(policy, &format!("{lead}{host}")), "that is no host");
        }
    }
    let reversed: Vec<String> = names.iter().rev().cloned().collect();
    assert_eq!(allows(&NetworkPolicy::AllowList(reversed), &host), allows(&list, &host), "no order in a list");
    let alone = names.iter().any(|name| allows(&NetworkPolicy::AllowList(vec![name.clone()]), &host));
    assert_eq!(alone, allows(&list, &host), "a list allows what one of its names does");
    for name in &names {
        let one = NetworkPolicy::AllowList(vec![name.clone()]);
        match one.validate() {
            Err(_) => assert!(!allows(&one, &host), "a name that is no host allows none"),
            Ok(()) if name.starts_with("*.") => assert!(!allows(&one, &name[2..]), "what is below it, and not itself"),
            Ok(()) => assert!(allows(&one, name), "a name allows itself"),
        }
    }
    assert_eq!(
        list.validate().is_ok(),
        names.iter().all(|it| NetworkPolicy::AllowList(vec![it.clone()]).validate().is_ok())
    );
}
