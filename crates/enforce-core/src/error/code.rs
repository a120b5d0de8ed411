//! Codes within a category of errors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a model provider complained of. Prints and serializes in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LlmErrorCode {
    /// Too many requests or tokens in too short a time.
    RateLimit,
    /// The prompt does not fit into the model's context.
    ContextOverflow,
    /// A content filter refused.
    ContentFiltered,
    /// The request is malformed.
    InvalidRequest,
    /// The credentials are missing, wrong or insufficient.
    AuthFailed,
    /// The model is overloaded or does not exist.
    ModelUnavailable,
    /// Any other failure of the provider.
    ProviderError,
}

impl LlmErrorCode {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimit | Self::ModelUnavailable | Self::ProviderError)
    }
}

impl fmt::Display for LlmErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RateLimit => "rate_limit",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFiltered => "content_filtered",
            Self::InvalidRequest => "invalid_request",
            Self::AuthFailed => "auth_failed",
            Self::ModelUnavailable => "model_unavailable",
            Self::ProviderError => "provider_error",
        })
    }
}

/// Why a tool call failed. Prints and serializes in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolErrorCode {
    /// There is no such tool.
    NotFound,
    /// The caller may not use it.
    PermissionDenied,
    /// Its arguments are malformed.
    InvalidInput,
    /// It ran and failed.
    ExecutionFailed,
    /// It did not finish in time.
    Timeout,
    /// What it returned is malformed.
    OutputInvalid,
}

impl ToolErrorCode {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::ExecutionFailed | Self::Timeout)
    }
}

impl fmt::Display for ToolErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotFound => "not_found",
            Self::PermissionDenied => "permission_denied",
            Self::InvalidInput => "invalid_input",
            Self::ExecutionFailed => "execution_failed",
            Self::Timeout => "timeout",
            Self::OutputInvalid => "output_invalid",
        })
    }
}
