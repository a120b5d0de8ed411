//! The policy file.

use enforce_core::{Enforcer, PolicyFile};

use crate::text;

/// The text of a policy file. What is accepted is complete: an enforcer can be built of it.
pub(crate) fn target(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match PolicyFile::parse(text) {
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(!error.to_string().contains('\n'), "an error is one line: {error}");
            if let (Some(line), Some(column)) = (error.line, error.column) {
                assert!((1..=text.matches('\n').count() + 1).contains(&line), "{error}");
                assert!(column >= 1, "{error}");
            }
        }
        Ok(policy) => {
            assert_eq!(
                PolicyFile::parse(&format!("{text}\n# Said last.")).as_ref(),
                Ok(&policy),
                "a comment says nothing"
            );
            if let Err(error) = Enforcer::builder().policy_file(policy.clone()).build() {
                assert_eq!(error.key, "", "{error}");
            }
        }
    }
}
