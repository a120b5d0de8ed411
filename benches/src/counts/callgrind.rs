//! Running this very binary under callgrind.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A callgrind that is there.
#[derive(Debug)]
pub struct Callgrind {
    binary: PathBuf,
}

/// Why nothing was counted.
#[derive(Debug)]
pub enum CountError {
    /// A program could not be started.
    Start(std::io::Error),
    /// The run ended badly, or its output has no count in it.
    NoCount {
        /// What it said last.
        said: String,
    },
}

impl fmt::Display for CountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "callgrind was not started: {error}"),
            Self::NoCount { said } => write!(f, "callgrind counted nothing; it said: {said}"),
        }
    }
}

impl Callgrind {
    /// Under which this binary can run, if valgrind is installed.
    pub fn find() -> Option<Self> {
        let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        let binary = std::env::current_exe().ok()?;
        version.is_ok_and(|status| status.success()).then_some(Self { binary })
    }

    /// Instructions of a whole run that does the path `name` so many times: this binary is called with both.
    pub(super) fn count(&self, name: &str, times: u32) -> Result<u64, CountError> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&self.binary)
            .args(["--run", name, &times.to_string()])
            .stdout(Stdio::null())
            .output()
            .map_err(CountError::Start)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let collected = said.lines().rev().find_map(|line| line.split_once("Collected : "));
        match collected.map(|(_, count)| count.trim().parse()) {
            Some(Ok(count)) if output.status.success() => Ok(count),
            _ => Err(CountError::NoCount { said: said.lines().last().unwrap_or("nothing").to_owned() }),
        }
    }
}
