//! The network policy: which hosts may be reached, and what only looks like one.

use enforce_core::{ExecutionErrorCategory, NetworkPolicy, Retry, ScopeKind, ViolationType};

use crate::common::{builder, noon, register};

fn allow(names: &[&str]) -> NetworkPolicy {
    NetworkPolicy::AllowList(names.iter().map(|name| (*name).to_owned()).collect())
}

/// What reaches one host and is written in another's name, and what is no host at all.
const HOSTILE: [&str; 46] = [
    "",
    ".",
    "..",
    ":",
    ":80",
    "[]",
    "[]:80",
    "*",
    "*.internal",
    ".internal",
    "..internal",
    "a..internal",
    "internal..",
    "evil.com/.internal",
    "evil.com/api.example.com",
    "evil.com#.internal",
    "evil.com?.internal",
    "evil.com\\.internal",
    "evil.com\0.internal",
    "evil.com\n.internal",
    "evil.com .internal",
    " api.example.com",
    "api.example.com ",
    "user@api.example.com",
    "evil.com@x.internal",
    "api.example.com@evil.com",
    "http://api.example.com",
    "//api.example.com",
    "api.example.com.evil.com",
    "evilapi.example.com",
    "xapi.example.com:443",
    "api.example.com:443:evil.com",
    "api.example.com:65536",
    "api.example.com:-1",
    "api.example.com:+1",
    "api.example.com:",
    "api.example.com:80@evil.com",
    "[api.example.com]",
    "[::1].evil.com",
    "[::1]evil.com",
    "[::1",
    "[::1%25lo]",
    "::1]",
    "%61pi.example.com",
    "аpi.example.com",
    "localhost。",
];

#[test]
fn what_only_looks_like_an_allowed_host_is_refused() {
    let listed = allow(&["api.example.com", "*.internal", "localhost", "::1"]);
    for host in HOSTILE {
        for policy in [&listed, &NetworkPolicy::AirGapped, &allow(&[])] {
            let refused = policy.check(host).unwrap_err();
            assert_eq!(refused.violation_type, ViolationType::NetworkViolation, "{host:?}");
        }
        assert!(NetworkPolicy::Open.check(host).is_ok(), "{host:?}");
    }
}

#[test]
fn an_air_gap_lets_local_hosts_pass_and_no_other() {
    for (host, local) in [
        ("localhost", true),
        ("LOCALHOST.:8080", true),
        ("ollama.localhost:11434", true),
        ("127.0.0.1", true),
        ("127.1.2.3:80", true),
        ("[::1]:11434", true),
        ("::1", true),
        ("[::ffff:127.0.0.1]:80", true),
        ("::ffff:127.0.0.1", true),
        ("127.0.0.1.evil.com", false),
        ("localhost.evil.com", false),
        ("notlocalhost", false),
        ("0.0.0.0", false),
        ("::", false),
        ("127.1", false),
        ("2130706433", false),
        ("0x7f.0.0.1", false),
        ("0177.0.0.1", false),
        ("10.0.0.1", false),
        ("169.254.169.254", false),
        ("[::ffff:10.0.0.1]", false),
        ("fe80::1%lo", false),
    ] {
        assert_eq!(NetworkPolicy::AirGapped.check(host).is_ok(), local, "{host}");
    }
}

#[test]
fn a_list_allows_its_hosts_exactly_and_what_is_below_a_suffix() {
    let policy = allow(&["api.example.com", "Models.Example.org.", "*.internal", "10.0.0.1", "2001:db8::1"]);
    assert_eq!(policy.validate(), Ok(()));
    for (host, allowed) in [
        ("api.example.com", true),
        ("API.EXAMPLE.COM.:443", true),
        ("models.example.org:0", true),
        ("a.internal", true),
        ("a.b.internal:8443", true),
        ("my_model-1.internal", true),
        ("10.0.0.1:80", true),
        ("[2001:db8::1]:80", true),
        ("2001:0db8:0::0:1", true),
        ("[::ffff:10.0.0.1]", true),
        ("example.com", false),
        ("x.api.example.com", false),
        ("internal", false),
        ("xinternal", false),
        ("10.0.0.10", false),
        ("2001:db8::2", false),
        ("localhost", false),
    ] {
        assert_eq!(policy.check(host).is_ok(), allowed, "{host}");
    }
}

#[test]
fn names_are_as_long_as_names_may_be() {
    let label = "a".repeat(63);
    let longest = [label.as_str(), &label, &label, &label[..61]].join(".");
    assert_eq!(longest.len(), 253);
    for (name, valid) in [
        (longest.clone(), true),
        (format!("{longest}."), true),
        (format!("{longest}a"), false),
        (format!("{label}a.com"), false),
        (format!("*.{label}"), true),
        ("*.".to_owned(), false),
        ("*.*.com".to_owned(), false),
        ("*.10.0.0.1".to_owned(), false),
        ("*.::1".to_owned(), false),
        ("api.example.com:443".to_owned(), false),
        ("[::1]".to_owned(), false),
        ("http://a.b".to_owned(), false),
        (String::new(), false),
    ] {
        let policy = allow(&[&name]);
        assert_eq!(policy.validate().err().map(|error| error.key), (!valid).then_some("allowed_hosts"), "{name}");
        if valid && !name.starts_with('*') {
            assert!(policy.check(&name).is_ok(), "{name}");
        }
    }
    let error = builder(&noon()).network(allow(&["api.*.com"])).build().unwrap_err();
    assert!(error.to_string().starts_with("allowed_hosts: \"api.*.com\" names no host; write a host"), "{error}");
}

#[test]
fn t2_the_check_of_a_host_changes_nothing_and_is_a_matter_of_policy() {
    let enforcer = builder(&noon()).network(allow(&["api.example.com"])).build().unwrap();
    let run = register(&enforcer, "exec", "tenant");
    let before = run.snapshot();
    assert_eq!(run.check_host("api.example.com:443"), Ok(()));
    let refused = run.check_host("evil.com").unwrap_err();
    assert_eq!((refused.scope, refused.retry), (ScopeKind::Execution, Retry::Never));
    let error = refused.to_error();
    assert_eq!((error.category, error.to_http_status()), (ExecutionErrorCategory::PolicyViolation, 403));
    assert!(error.is_fatal());
    let child = run.child("child").register().unwrap();
    assert!(child.check_host("evil.com").is_err() && child.check_host("api.example.com").is_ok());
    child.finish();
    assert_eq!(run.snapshot(), before);
    run.finish();
    assert_eq!(run.check_host("api.example.com"), Ok(()), "it asks for no state");
}

#[test]
fn policies_come_back_as_they_were_written() {
    for policy in [NetworkPolicy::Open, NetworkPolicy::AirGapped, allow(&["a.b", "*.c"])] {
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<NetworkPolicy>(&json).unwrap(), policy);
    }
    assert_eq!(allow(&["a.b", "*.c"]).to_string(), "only a.b, *.c");
    assert_eq!(NetworkPolicy::AirGapped.to_string(), "air-gapped");
}
