//! Reading sections, keys and values of TOML, each with its place in the text.

use std::fmt::Display;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{PolicyFileError, known_keys};
use crate::allowance::Allowances;
use crate::limits::{Action, ConfigError, LongRunningExecutionPolicy, RateOn, RatePeriod, RateUnit};
use crate::money::{MoneyError, NanoUsd};

/// A key of a section, and how its value gets into the section's struct.
pub(super) type Key<T> = (&'static str, fn(&mut T, &Entry<'_>) -> Result<(), PolicyFileError>);

/// The keys of a struct that are named as its fields.
macro_rules! keys {
    ($config:ident: $($field:ident),+) => {
        &[$((stringify!($field), |config: &mut $config, entry: &Entry<'_>| {
            config.$field = entry.read()?;
            Ok(())
        })),+]
    };
}
pub(super) use keys;

/// A name with its value.
pub(super) struct Entry<'a> {
    text: &'a str,
    name: String,
    /// The name, after its section's.
    path: String,
    /// Where the name stands, in bytes.
    at: usize,
    value: DeValue<'a>,
    /// Where the value stands, in bytes.
    value_at: usize,
}

/// The entries of the whole text, in its order.
pub(super) fn document(text: &str) -> Result<Vec<Entry<'_>>, PolicyFileError> {
    match DeTable::parse(text) {
        Ok(table) => Ok(entries(text, "", table.into_inner())),
        Err(error) => {
            let message = error.message().replace('\n', ", ");
            Err(match error.span() {
                Some(span) => PolicyFileError::at(text, span.start, None, message),
                None => PolicyFileError { line: None, column: None, key: None, message },
            })
        }
    }
}

/// The entries of a table, in the order of the text.
fn entries<'a>(text: &'a str, prefix: &str, table: DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(name, value)| Entry {
            text,
            path: format!("{prefix}{}", name.get_ref()),
            at: name.span().start,
            name: name.into_inner().into_owned(),
            value_at: value.span().start,
            value: value.into_inner(),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

impl<'a> Entry<'a> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value as what its key needs.
    pub(super) fn read<V: Value>(&self) -> Result<V, PolicyFileError> {
        V::read(self)
    }

    /// The value as a section.
    pub(super) fn section(self) -> Result<Section<'a>, PolicyFileError> {
        match self.value {
            DeValue::Table(table) => Ok(Section::of(self.text, &self.name, self.at, table)),
            _ => Err(self.expected(&format!("a section [{}]", self.name))),
        }
    }

    /// The value as sections of the same name.
    pub(super) fn tables(self) -> Result<Vec<Section<'a>>, PolicyFileError> {
        let expected = self.expected(&format!("sections [[{}]]", self.name));
        let DeValue::Array(tables) = self.value else { return Err(expected) };
        let section = |value: Spanned<DeValue<'a>>| {
            let at = value.span().start;
            match value.into_inner() {
                DeValue::Table(table) => Ok(Section::of(self.text, &self.name, at, table)),
                _ => Err(expected.clone()),
            }
        };
        tables.into_iter().map(section).collect()
    }

    /// The error of a section that does not exist.
    pub(super) fn unknown_section(&self) -> PolicyFileError {
        let sections = known_keys().map(|(section, _)| section);
        self.unknown("section", "the sections are", &sections)
    }

    /// The error of a name that is none of `known`, with the one that was probably meant.
    fn unknown(&self, kind: &str, listing: &str, known: &[&str]) -> PolicyFileError {
        // What has entries of its own is no key.
        let is_key = !matches!(self.value, DeValue::Table(_));
        let home = known_keys().into_iter().find(|(_, keys)| is_key && keys.contains(&self.name()));
        let advice = match (home, nearest(&self.name, known)) {
            (Some((section, _)), _) => format!("it belongs in [{section}]"),
            (None, Some(name)) => format!("did you mean {name}?"),
            (None, None) => format!("{listing} {}", known.join(", ")),
        };
        PolicyFileError::at(self.text, self.at, Some(&self.path), format!("unknown {kind}; {advice}"))
    }

    /// An error of the value.
    fn invalid(&self, message: impl Into<String>) -> PolicyFileError {
        PolicyFileError::at(self.text, self.value_at, Some(&self.path), message)
    }

    /// The error of a value that is something else than `expected`.
    fn expected(&self, expected: &str) -> PolicyFileError {
        let found = match &self.value {
            DeValue::String(text) => format!("the string {text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.invalid(format!("expected {expected}, found {found}"))
    }

    /// The value as one of these names.
    pub(super) fn one_of<T: Copy + Display>(&self, choices: &[T]) -> Result<T, PolicyFileError> {
        let chosen = match &self.value {
            DeValue::String(text) => choices.iter().find(|choice| choice.to_string() == text.as_ref()),
            _ => None,
        };
        chosen.copied().ok_or_else(|| {
            let quoted: Vec<_> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
            self.expected(&format!("one of {}", quoted.join(", ")))
        })
    }
}

/// A table of the file with its entries, in the order of the text.
pub(super) struct Section<'a> {
    text: &'a str,
    name: String,
    /// Where it begins, in bytes.
    at: usize,
    entries: Vec<Entry<'a>>,
}

impl<'a> Section<'a> {
    fn of(text: &'a str, name: &str, at: usize, table: DeTable<'a>) -> Self {
        Self { text, name: name.to_owned(), at, entries: entries(text, &format!("{name}."), table) }
    }

    /// That none of `keys` is left out.
    pub(super) fn needs(&self, keys: &[&str]) -> Result<(), PolicyFileError> {
        match keys.iter().find(|key| self.entries.iter().all(|entry| entry.name != **key)) {
            Some(key) => Err(PolicyFileError::at(self.text, self.at, Some(&self.name), format!("lacks the key {key}"))),
            None => Ok(()),
        }
    }

    /// Removes the entry of this name.
    pub(super) fn take(&mut self, name: &str) -> Option<Entry<'a>> {
        let at = self.entries.iter().position(|entry| entry.name == name)?;
        Some(self.entries.remove(at))
    }

    /// Reads every entry into `config`, and validates that.
    pub(super) fn read<T>(
        &self,
        config: &mut T,
        keys: &[Key<T>],
        validate: fn(&T) -> Result<(), ConfigError>,
    ) -> Result<(), PolicyFileError> {
        for entry in &self.entries {
            let Some((_, set)) = keys.iter().find(|(name, _)| *name == entry.name) else {
                let known = known_keys().into_iter().find(|(section, _)| *section == self.name);
                let known = known.map(|(_, keys)| keys).unwrap_or_default();
                return Err(entry.unknown("key", &format!("[{}] has", self.name), &known));
            };
            set(config, entry)?;
        }
        validate(config).map_err(|error| self.locate(&error))
    }

    /// Every entry as an allowance, validated together with those before it.
    pub(super) fn allowances(&self) -> Result<Vec<(String, u64)>, PolicyFileError> {
        let mut named = Vec::new();
        for entry in &self.entries {
            named.push((entry.name.clone(), entry.read()?));
            Allowances::validate(&named).map_err(|error| entry.invalid(format!("{}; {}", error.wrong, error.right)))?;
        }
        Ok(named)
    }

    /// What stands against the section as a whole.
    pub(super) fn wrong(&self, error: &ConfigError) -> PolicyFileError {
        PolicyFileError::at(self.text, self.at, Some(&self.name), format!("{}; {}", error.wrong, error.right))
    }

    /// What `validate` complains of, at the entry it complains of.
    pub(super) fn locate(&self, error: &ConfigError) -> PolicyFileError {
        let message = format!("{}; {}", error.wrong, error.right);
        match self.entries.iter().find(|entry| entry.name == error.key) {
            Some(entry) => entry.invalid(message),
            None => {
                PolicyFileError { line: None, column: None, key: Some(format!("{}.{}", self.name, error.key)), message }
            }
        }
    }
}

/// What the value of a key can be.
pub(super) trait Value: Sized {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError>;
}

/// Any whole number up to `u64::MAX`, although TOML promises only those of 63 bits.
impl Value for u64 {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        match &entry.value {
            DeValue::Integer(number) => Self::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        }
        .ok_or_else(|| entry.expected(&format!("a whole number from 0 to {}", Self::MAX)))
    }
}

impl Value for u32 {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        let number = entry.read::<u64>()?;
        Self::try_from(number).map_err(|_| entry.expected(&format!("a whole number from 0 to {}", Self::MAX)))
    }
}

impl Value for i16 {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        match &entry.value {
            DeValue::Integer(number) => Self::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        }
        .ok_or_else(|| entry.expected(&format!("a whole number from {} to {}", Self::MIN, Self::MAX)))
    }
}

impl Value for bool {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.value.as_bool().ok_or_else(|| entry.expected("true or false"))
    }
}

impl Value for NanoUsd {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        let money = match &entry.value {
            DeValue::String(text) => text.parse(),
            DeValue::Integer(number) if number.as_str().starts_with('-') => Err(MoneyError::Negative),
            DeValue::Integer(_) => NanoUsd::from_usd_whole(entry.read()?),
            DeValue::Float(number) => {
                let advice = format!("a float is not exact money: write cost as a string: \"{number}\"");
                return Err(entry.invalid(advice));
            }
            _ => return Err(entry.expected("dollars as a decimal string such as \"5.00\" or as a whole number")),
        };
        money.map_err(|error| entry.invalid(error.to_string()))
    }
}

impl Value for Action {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.one_of(&[Self::Refuse, Self::Pause, Self::Halt, Self::Observe])
    }
}

/// An array of strings.
impl Value for Vec<String> {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        let expected = || entry.expected("an array of strings");
        let DeValue::Array(values) = &entry.value else { return Err(expected()) };
        let text = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        };
        values.iter().map(|value| text(value.get_ref())).collect::<Option<_>>().ok_or_else(expected)
    }
}

impl Value for String {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.value.as_str().map(str::to_owned).ok_or_else(|| entry.expected("a string"))
    }
}

impl Value for RateOn {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.one_of(&Self::ALL)
    }
}

impl Value for RateUnit {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.one_of(&Self::ALL)
    }
}

impl Value for RatePeriod {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.one_of(&Self::ALL)
    }
}

/// A preset, by its name.
impl Value for LongRunningExecutionPolicy {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        let name = entry.one_of(&["standard", "extended", "unlimited", "disabled"])?;
        Self::preset(name).ok_or_else(|| entry.expected("a preset"))
    }
}

impl<V: Value> Value for Option<V> {
    fn read(entry: &Entry<'_>) -> Result<Self, PolicyFileError> {
        entry.read().map(Some)
    }
}

/// The name that `text` probably means: the one with the fewest edits, if those change at most half of it and are at
/// most three.
fn nearest<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
    let (edits, name) = names.iter().map(|name| (edits(text, name), *name)).min()?;
    (edits <= 3 && edits * 2 <= name.len()).then_some(name)
}

/// How many characters to insert, delete or replace to turn one text into the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // The edits from the part of `from` so far to each beginning of `to`.
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, from) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (at, to) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
