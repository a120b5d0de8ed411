//! Which of the files of a replay are one and the same: an output must not take the place of an input or of another
//! output.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::error::ReplayError;
use crate::args::ReplayArgs;

/// A file, whatever name leads to it.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    /// Where it is or would be, without links.
    place: Option<PathBuf>,
    /// Device and inode, where there are such and the file exists.
    node: Option<(u64, u64)>,
}

impl Identity {
    /// `None` if it does no harm to name the file twice.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok();
        if metadata.as_ref().is_some_and(is_character_device) {
            return None;
        }
        Some(Self { place: place(path), node: metadata.as_ref().and_then(node) })
    }

    fn is(&self, other: &Self) -> bool {
        let same_place = self.place.is_some() && self.place == other.place;
        same_place || (self.node.is_some() && self.node == other.node)
    }
}

/// Where a file is, or would be if it does not exist yet.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(place) = fs::canonicalize(path) {
        return Some(place);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
}

/// Refuses names by which this replay would overwrite what it reads or what it writes.
pub(super) fn check(args: &ReplayArgs) -> Result<(), ReplayError> {
    let named = |role: &'static str, path: &PathBuf| Identity::of(path).map(|identity| (role, path.clone(), identity));
    let traces = args.traces.iter().filter_map(|path| named("a trace", path));
    let mut others: Vec<_> = args.policy.iter().filter_map(|path| named("the policy", path)).chain(traces).collect();
    let outputs =
        [("--decisions", &args.decisions), ("--per-execution", &args.per_execution), ("--events", &args.events)];
    for (role, path) in outputs {
        let Some(output) = path.as_ref().and_then(|path| named(role, path)) else { continue };
        refuse(&output, &others)?;
        others.push(output);
    }
    match standard_output() {
        Some(identity) => refuse(&("the report", "standard output".into(), identity), &others),
        None => Ok(()),
    }
}

type Named = (&'static str, PathBuf, Identity);

fn refuse((role, path, identity): &Named, others: &[Named]) -> Result<(), ReplayError> {
    match others.iter().find(|(.., other)| identity.is(other)) {
        Some((other_role, other, _)) => {
            Err(ReplayError::SameFile { path: path.clone(), role, other: other.clone(), other_role })
        }
        None => Ok(()),
    }
}

#[cfg(unix)]
fn is_character_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_char_device()
}

#[cfg(unix)]
fn node(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Standard output if it is an ordinary file; a pipe that is named once more gets one thing after the other.
#[cfg(unix)]
fn standard_output() -> Option<Identity> {
    use std::os::fd::AsFd;
    let file = fs::File::from(std::io::stdout().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    Some(Identity { place: None, node: node(&metadata) })
}

#[cfg(not(unix))]
fn is_character_device(_: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn node(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn standard_output() -> Option<Identity> {
    None
}
