//! Files with results: written beside and renamed, so that a name always leads to a whole result, the earlier one
//! or the new one, however a command ends.
//!
//! `OutputFile::check` comes before the work, so that a wrong path does not cost a run, and touches nothing. What is no
//! ordinary file, such as `/dev/stdout` or a pipe, is written into. A pipe is opened only then: its reader would take
//! the end of the check for the end of the file.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// A file that an argument names and that can be written.
#[derive(Debug, Clone)]
pub struct OutputFile {
    path: PathBuf,
}

impl OutputFile {
    /// Finds out whether the file can be written, and leaves what is in it.
    pub fn check(argument: &str, path: &Path) -> Result<OutputFile> {
        let advice = "takes a file in a directory that is there and can be written";
        check(path).with_context(|| format!("cannot create {}; {argument} {advice}", path.display()))?;
        Ok(OutputFile { path: path.to_owned() })
    }

    /// The same, of an argument that may be left out.
    pub fn check_if_given(argument: &str, path: Option<&Path>) -> Result<Option<OutputFile>> {
        path.map(|path| OutputFile::check(argument, path)).transpose()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, content: &[u8]) -> Result<()> {
        write(&self.path, content)
    }

    pub fn write_json(&self, content: &impl Serialize) -> Result<()> {
        write_json(&self.path, content)
    }

    pub fn write_by<T>(&self, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
        write_by(&self.path, write)
    }
}

pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    write_by(path, |file| Ok(file.write_all(content)?))
}

pub fn write_json(path: &Path, content: &impl Serialize) -> Result<()> {
    write(path, (serde_json::to_string_pretty(content)? + "\n").as_bytes())
}

fn write_by<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let written = match Target::of(path) {
        Ok(Target::Stream | Target::Pipe) => into_stream(path, write),
        Ok(Target::File { path, permissions }) => beside(&path, permissions, write),
        Err(error) => Err(error.into()),
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

enum Target {
    /// An ordinary file, or none yet.
    File {
        path: PathBuf,
        permissions: Option<Permissions>,
    },
    Stream,
    /// A pipe, with a name or of a shell's process substitution.
    Pipe,
}

impl Target {
    fn of(path: &Path) -> io::Result<Target> {
        let file = |metadata: &Metadata| -> io::Result<Target> {
            // Renaming onto a link would replace the link.
            let path = fs::canonicalize(path)?;
            Ok(Target::File { path, permissions: Some(metadata.permissions()) })
        };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => file(&metadata),
            Ok(metadata) if metadata.file_type().is_fifo() => Ok(Target::Pipe),
            Ok(_) => Ok(Target::Stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
                // A link that leads nowhere yet leads to the file to be.
                Ok(target) => Target::of(&directory(path).join(target)),
                Err(_) => Ok(Target::File { path: path.to_owned(), permissions: None }),
            },
            Err(error) => Err(error),
        }
    }
}

fn check(path: &Path) -> io::Result<()> {
    let open = |path: &Path| File::options().append(true).open(path).map(drop);
    match Target::of(path)? {
        Target::Stream => open(path),
        Target::Pipe => Ok(()),
        Target::File { path, permissions } => {
            if permissions.is_some() {
                open(&path)?;
            }
            // A file without a name.
            tempfile::tempfile_in(directory(&path)).map(drop)
        }
    }
}

/// The directory a file lies or will lie in.
pub fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside<T>(
    path: &Path,
    permissions: Option<Permissions>,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    // As of any new file: the user's mask decides what is left of it.
    let open_to_all = Permissions::from_mode(0o666);
    let mut builder = tempfile::Builder::new();
    let part = builder
        .prefix(".rabi-bench-")
        .suffix(".part")
        .permissions(open_to_all)
        .tempfile_in(directory(path))?;
    if let Some(permissions) = permissions {
        part.as_file().set_permissions(permissions)?;
    }
    let mut file = BufWriter::new(part.as_file());
    let written = write(&mut file)?;
    file.flush()?;
    drop(file);
    // Or a loss of power could leave the name with nothing in it.
    part.as_file().sync_all()?;
    part.persist(path)?;
    Ok(written)
}

fn into_stream<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut file = BufWriter::new(File::options().append(true).open(path)?);
    let written = write(&mut file)?;
    file.flush()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_checked_keeps_what_is_in_it_and_a_new_one_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, "earlier").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("new", &link).unwrap();
        for path in [&old, &new, &link] {
            OutputFile::check("--out", path).unwrap();
        }
        assert_eq!(fs::read_to_string(&old).unwrap(), "earlier");
        assert!(!new.exists());
        write(&link, b"through").unwrap();
        assert!(link.is_symlink() && fs::read_to_string(&new).unwrap() == "through");
        let error = OutputFile::check("--out", &dir.path().join("no/file")).unwrap_err().to_string();
        assert!(
            error.ends_with("; --out takes a file in a directory that is there and can be written"),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_written_to_its_end_leaves_the_earlier_content_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "earlier").unwrap();
        let file = OutputFile::check("--out", &path).unwrap();
        let failed = file.write_by(|out| {
            out.write_all(b"a half")?;
            anyhow::bail!("no more") as Result<()>
        });
        assert!(format!("{:#}", failed.unwrap_err()).ends_with("file: no more"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        file.write(b"whole").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_reader_of_a_pipe_gets_all_of_it_and_not_the_end_of_the_check() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (path, (sender, receiver)) = (pipe.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || sender.send(fs::read(path)));
        let file = OutputFile::check("--out", &pipe).unwrap();
        std::thread::spawn(move || file.write(b"text"));
        let read =
            receiver.recv_timeout(std::time::Duration::from_secs(10)).expect("a reader that gets to the end");
        assert_eq!(read.unwrap(), b"text");
    }

    #[test]
    fn a_device_is_written_into() {
        let full = Path::new("/dev/full");
        let file = OutputFile::check("--out", full).unwrap();
        let error = format!("{:#}", file.write(b"text").unwrap_err());
        assert!(error.starts_with("cannot write /dev/full: No space left"), "{error}");
        assert!(!fs::metadata(full).unwrap().is_file());
    }
}
