//! Which names a model goes by, as genai-prices writes it.

use regex_lite::Regex;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A clause that a name meets or not. Case counts in patterns alone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Clause {
    And(Vec<Clause>),
    Or(Vec<Clause>),
    Equals(Folded),
    StartsWith(Folded),
    EndsWith(Folded),
    Contains(Folded),
    Regex(Pattern),
}

impl Clause {
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.matches_folded(name, &name.to_lowercase())
    }

    /// Nested no deeper than the JSON reader allows.
    fn matches_folded(&self, name: &str, folded: &str) -> bool {
        match self {
            Self::And(clauses) => clauses.iter().all(|clause| clause.matches_folded(name, folded)),
            Self::Or(clauses) => clauses.iter().any(|clause| clause.matches_folded(name, folded)),
            Self::Equals(Folded(text)) => folded == text,
            Self::StartsWith(Folded(text)) => folded.starts_with(text),
            Self::EndsWith(Folded(text)) => folded.ends_with(text),
            Self::Contains(Folded(text)) => folded.contains(text),
            Self::Regex(Pattern(regex)) => regex.is_match(name),
        }
    }
}

/// Text in lower case.
#[derive(Debug)]
pub(crate) struct Folded(String);

impl<'de> Deserialize<'de> for Folded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.to_lowercase()))
    }
}

/// A regular expression, matched in time linear in the name.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        let read = Regex::new(&pattern).map(Self);
        read.map_err(|error| D::Error::custom(format_args!("a regular expression that cannot be used: {error}")))
    }
}
