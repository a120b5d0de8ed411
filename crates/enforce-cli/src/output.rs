//! Output files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is written beside its place and moved there by [`Output::commit`]. Dropped before that, it leaves
/// nothing behind.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    /// `None` if the place is no file that could be replaced, such as a terminal or a pipe: then it is written to.
    partial: Option<PathBuf>,
    writer: BufWriter<File>,
}

impl Output {
    /// Begins a file that will be at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // A link is to stay, and what it leads to is to be replaced.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        // `/dev/stdout` may lead to an ordinary file that somebody else is writing.
        let is_device = path.starts_with("/dev") || path.starts_with("/proc");
        if is_device || fs::metadata(&place).is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().append(true).open(path)?;
            return Ok(Self { place, partial: None, writer: BufWriter::new(file) });
        }
        let name = place.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let mut partial_name = std::ffi::OsString::from(".");
        partial_name.push(name);
        partial_name.push(format!(".{}.partial", std::process::id()));
        let partial = place.with_file_name(partial_name);
        let file = OpenOptions::new().write(true).create_new(true).open(&partial)?;
        Ok(Self { place, partial: Some(partial), writer: BufWriter::new(file) })
    }

    /// Puts the whole file in its place.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.writer.flush()?;
        if let Some(partial) = &self.partial {
            fs::rename(partial, &self.place)?;
            self.partial = None;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // It was not wanted: if it cannot be removed, there is nobody to tell.
            drop(fs::remove_file(partial));
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
