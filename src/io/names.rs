//! Names and what hangs on them: making directories, listing, opening, lengths, free space.
//!
//! These calls are rare (open, flush, compaction), so both backends make them as plain system
//! calls on the calling thread. Every error names the operation and the path.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{File, OpenMode, Space};
use crate::base::error::{Error, Result};

/// Rights of new files, before the process' umask: everybody may read, the owner may write.
const FILE_RIGHTS: Mode = Mode::from_raw_mode(0o644);

/// Makes `dir` and its missing parents. Each name made is durable before the call returns: a
/// directory that a crash unlinks takes a whole database with it.
pub(super) fn create_dir(dir: &Path) -> Result<()> {
    match fs::create_dir(dir) {
        Ok(()) => sync_parent(dir),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = parent(dir).filter(|parent| !parent.exists()) else {
                return Err(Error::io("create directory", dir, None, e));
            };
            create_dir(parent)?;
            create_dir(dir)
        }
        Err(e) => Err(Error::io("create directory", dir, None, e)),
    }
}

/// The directory that holds the name `path`; `None` for the root.
fn parent(path: &Path) -> Option<&Path> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

fn sync_parent(path: &Path) -> Result<()> {
    let Some(parent) = parent(path) else { return Ok(()) };
    let directory = open(parent, OpenMode::Directory)?;
    rustix::fs::fsync(&directory).map_err(|e| Error::io("sync directory", parent, None, e.into()))
}

/// Names in `dir`, sorted; `None` if there is no such directory. A name that is not UTF-8 is none
/// of ours and comes back with its odd bytes replaced.
pub(super) fn list(dir: &Path) -> Result<Option<Vec<String>>> {
    let failed = |e| Error::io("list directory", dir, None, e);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(Some(names))
}

/// Opens a file or directory. The descriptor is not passed on to programs this process starts.
pub(super) fn open(path: &Path, mode: OpenMode) -> Result<File> {
    let (operation, flags) = match mode {
        OpenMode::Read => ("open", OFlags::RDONLY),
        OpenMode::Create => ("create", OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC),
        OpenMode::Direct => ("open for direct writing", OFlags::RDWR | OFlags::DIRECT),
        OpenMode::Directory => ("open directory", OFlags::RDONLY | OFlags::DIRECTORY),
    };
    let call = |flags: OFlags| {
        rustix::io::retry_on_intr(|| rustix::fs::open(path, flags | OFlags::CLOEXEC, FILE_RIGHTS))
    };
    let descriptor = match call(flags) {
        // The file system has no direct I/O: alignment is harmless there, so go on without.
        Err(Errno::INVAL) if mode == OpenMode::Direct => call(flags - OFlags::DIRECT),
        other => other,
    };
    match descriptor {
        Ok(descriptor) => Ok(File::new(path.to_path_buf(), descriptor)),
        Err(e) => Err(Error::io(operation, path, None, e.into())),
    }
}

/// Length of a file in bytes.
pub(super) fn file_len(file: &File) -> Result<u64> {
    match rustix::fs::fstat(file) {
        Ok(stat) => Ok(u64::try_from(stat.st_size).expect("the system reports no negative length")),
        Err(e) => Err(Error::io("find the length of", file.path(), None, e.into())),
    }
}

/// Whether an open handle is a directory. Those need a full sync: a data sync may leave out the
/// journal entry that holds a new name.
pub(super) fn is_directory(file: &File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Free space of the file system that holds `dir`.
pub(super) fn space(dir: &Path) -> Result<Space> {
    let stat =
        rustix::fs::statvfs(dir).map_err(|e| Error::io("find the free space of", dir, None, e.into()))?;
    Ok(Space {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        // File systems that make inodes as they go (btrfs) report none at all.
        free_files: if stat.f_files == 0 { u64::MAX } else { stat.f_favail },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_directories_are_made_once_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b/c");
        assert_eq!(list(&dir).unwrap(), None);
        create_dir(&dir).unwrap();
        create_dir(&dir).unwrap();
        assert_eq!(list(&dir).unwrap(), Some(Vec::new()));
        for name in ["2.log", "10.log", "1.log"] {
            open(&dir.join(name), OpenMode::Create).unwrap();
        }
        assert_eq!(list(&dir).unwrap().unwrap(), ["1.log", "10.log", "2.log"]);
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_reported_by_its_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("taken");
        open(&path, OpenMode::Create).unwrap();
        let text = create_dir(&path).unwrap_err().to_string();
        assert!(text.starts_with("cannot create directory /"), "{text}");
        assert!(text.contains("/taken: File exists"), "{text}");
        let text = list(&path).unwrap_err().to_string();
        assert!(text.contains("/taken: Not a directory"), "{text}");
        assert!(create_dir(&path.join("below")).is_err());
    }

    #[test]
    fn a_missing_file_is_not_made_by_any_mode_but_create() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("absent");
        for mode in [OpenMode::Read, OpenMode::Direct, OpenMode::Directory] {
            let text = open(&path, mode).unwrap_err().to_string();
            assert!(text.contains("absent: No such file"), "{text}");
        }
        let file = open(&path, OpenMode::Create).unwrap();
        assert_eq!(file_len(&file).unwrap(), 0);
        assert!(!is_directory(&file));
        assert!(is_directory(&open(root.path(), OpenMode::Directory).unwrap()));
    }

    #[test]
    fn space_is_counted() {
        let root = tempfile::tempdir().unwrap();
        let space = space(root.path()).unwrap();
        assert!(space.free_bytes > 0);
        assert!(space.free_files > 0);
    }
}
