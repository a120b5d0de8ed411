//! Counts that were stored, and what has become of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How many per cent more than stored are a gross change.
const GROSS_PER_CENT: f64 = 25.0;

/// Instructions of one operation by path.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Baseline(BTreeMap<String, f64>);

/// One path, then and now.
#[derive(Debug)]
pub struct Change {
    name: String,
    stored: Option<f64>,
    counted: f64,
}

impl Baseline {
    /// As it was stored in the file `path`.
    ///
    /// # Errors
    /// The file cannot be read, or is not one that [`Baseline::store`] has written.
    pub fn load(path: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    }

    /// Writes it to the file `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn store(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    /// One more path; its count is kept to a tenth.
    pub fn put(&mut self, name: &str, counted: f64) {
        self.0.insert(name.to_owned(), (counted * 10.0).round() / 10.0);
    }

    /// A path that has just been counted, beside what was stored of it.
    pub fn compare(&self, name: &str, counted: f64) -> Change {
        Change { name: name.to_owned(), stored: self.0.get(name).copied(), counted }
    }
}

impl Change {
    fn per_cent(&self) -> Option<f64> {
        self.stored.map(|stored| (self.counted / stored - 1.0) * 100.0)
    }

    /// Whether it is so many more that no other compiler or library explains it.
    pub fn is_gross(&self) -> bool {
        self.per_cent().is_some_and(|more| more > GROSS_PER_CENT)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instructions: {:<20}{:>8.0}", self.name, self.counted)?;
        match (self.stored, self.per_cent()) {
            (Some(stored), Some(more)) => write!(f, "   stored {stored:>8.0}   {more:>+6.1} %")?,
            _ => f.write_str("   not stored")?,
        }
        if self.is_gross() { f.write_str("   GROSS") } else { Ok(()) }
    }
}
