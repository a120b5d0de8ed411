//! Output files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is written beside its place and moved there by [`Output::commit`]. Dropped before that, it leaves
/// nothing behind.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    writer: BufWriter<Target>,
}

#[derive(Debug)]
enum Target {
    /// A file beside the place, whose name no other run has, nor one that was killed.
    Beside(NamedTempFile),
    /// The place itself, which is no file that could be replaced, such as a terminal or a pipe.
    Place(File),
}

impl Output {
    /// Begins a file that will be at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // A link is to stay, and what it leads to is to be replaced.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        // `/dev/stdout` may lead to an ordinary file that somebody else is writing.
        let is_device = path.starts_with("/dev") || path.starts_with("/proc");
        let target = if is_device || fs::metadata(&place).is_ok_and(|metadata| !metadata.is_file()) {
            Target::Place(OpenOptions::new().append(true).open(path)?)
        } else {
            Target::Beside(beside(&place)?)
        };
        Ok(Self { place, writer: BufWriter::new(target) })
    }

    /// Puts the whole file in its place.
    pub(crate) fn commit(self) -> io::Result<()> {
        match self.writer.into_inner().map_err(io::IntoInnerError::into_error)? {
            Target::Beside(file) => file.persist(&self.place).map(drop).map_err(|error| error.error),
            Target::Place(_) => Ok(()),
        }
    }
}

/// A new file in the folder of `place`, with the permissions of the file there or else of any new file.
fn beside(place: &Path) -> io::Result<NamedTempFile> {
    if place.file_name().is_none() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made as any new file is: one that is made as a temporary file could be read by nobody else.
    let file = tempfile::Builder::new()
        .prefix(".enforce-")
        .suffix(".partial")
        .make_in(folder, |path| File::create_new(path))?;
    if let Ok(metadata) = fs::metadata(place) {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    Ok(file)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file) => file.write(bytes),
            Self::Place(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(file) => file.flush(),
            Self::Place(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_appears_when_it_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "before").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"after").unwrap();
        output.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        output.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn a_file_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::create(&folder.path().join("out")).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_a_killed_run_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let left = folder.path().join(format!(".out.{}.partial", std::process::id()));
        fs::write(&left, "half").unwrap();
        // Two runs of one process at once, for the same file.
        let [one, other] = [&path, &path].map(|path| Output::create(path).unwrap());
        one.commit().unwrap();
        other.commit().unwrap();
        assert!(path.exists());
        assert_eq!(fs::read_to_string(left).unwrap(), "half");
    }

    #[test]
    #[cfg(unix)]
    fn permissions_are_those_of_the_file_before_or_of_any_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        fs::write(folder.path().join("usual"), "").unwrap();
        Output::create(&folder.path().join("new")).unwrap().commit().unwrap();
        assert_eq!(mode("new"), mode("usual"));
        fs::set_permissions(folder.path().join("usual"), fs::Permissions::from_mode(0o604)).unwrap();
        Output::create(&folder.path().join("usual")).unwrap().commit().unwrap();
        assert_eq!(mode("usual"), 0o604);
    }

    #[test]
    #[cfg(unix)]
    fn a_device_is_written_to_and_not_replaced() {
        let mut output = Output::create(Path::new("/dev/null")).unwrap();
        output.write_all(b"gone").unwrap();
        output.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn folders_that_are_missing_and_places_that_are_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Output::create(&folder.path().join("none/out")).is_err());
        assert!(Output::create(folder.path()).is_err());
    }
}
