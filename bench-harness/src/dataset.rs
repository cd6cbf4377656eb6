//! A clone of a loaded data set, so that one load serves many runs.
//!
//! Each file is cloned in the cheapest way that keeps the origin as it is:
//!
//! 1. a reflink (`FICLONE`), where the file system shares blocks until they are written;
//! 2. a hard link, for files that no engine changes in place: Rabi's tables and RocksDB's;
//! 3. else a copy, which keeps holes: some engines make files as large as their address space.
//!
//! The three leave different parts of a clone in the page cache, so all of it is dropped from
//! there: every run on a clone begins with no page cached, whichever way the clone was made.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{Advice, SeekFrom, fadvise, ioctl_ficlone, seek};
use rustix::io::Errno;
use serde::Serialize;

use crate::interrupt;
use crate::size::size;

/// How the bytes of a data set were cloned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cloned {
    /// Lengths of the files whose blocks are shared until they are written.
    pub reflinked_bytes: u64,
    /// Lengths of the files that are one with the origin's.
    pub linked_bytes: u64,
    /// Lengths of the files that were copied, holes included.
    pub copied_bytes: u64,
}

impl Cloned {
    pub fn sentence(&self) -> String {
        let Self { reflinked_bytes, linked_bytes, copied_bytes } = self;
        format!(
            "cloned the data set: {} by reflink, {} by hard link, {} by copy",
            size(*reflinked_bytes),
            size(*linked_bytes),
            size(*copied_bytes)
        )
    }
}

/// Clones the directory `from` to `to`, which must not be there yet.
pub fn clone(from: &Path, to: &Path) -> Result<Cloned> {
    let mut cloned = Cloned::default();
    clone_directory(from, to, &mut cloned)?;
    Ok(cloned)
}

fn clone_directory(from: &Path, to: &Path, cloned: &mut Cloned) -> Result<()> {
    let context = || format!("cannot clone the data set {} to {}", from.display(), to.display());
    let entries = fs::read_dir(from).with_context(context)?;
    fs::create_dir(to).with_context(context)?;
    for entry in entries {
        if let Some(signal) = interrupt::asked() {
            bail!("cut short by {}, while the data set was cloned", signal.name());
        }
        let entry = entry.with_context(context)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().with_context(context)?;
        if kind.is_dir() {
            clone_directory(&source, &target, cloned)?;
        } else if kind.is_file() {
            clone_file(&source, &target, cloned)
                .with_context(|| format!("cannot clone {} to {}", source.display(), target.display()))?;
        } else {
            bail!("{} is neither a file nor a directory; no data set has such", source.display());
        }
    }
    Ok(())
}

fn clone_file(from: &Path, to: &Path, cloned: &mut Cloned) -> io::Result<()> {
    let mut source = File::open(from)?;
    let len = source.metadata()?.len();
    let mut target = File::create_new(to)?;
    if ioctl_ficlone(&target, &source).is_ok() {
        cloned.reflinked_bytes += len;
    } else if is_never_changed(from) && link(from, to)? {
        target = File::open(to)?;
        cloned.linked_bytes += len;
    } else {
        copy_with_holes(&mut source, &mut target, len)?;
        cloned.copied_bytes += len;
    }
    // Only what is on the device can leave the page cache.
    target.sync_all()?;
    for file in [&source, &target] {
        fadvise(file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// Links `to`, an empty file, in place; false where the file system has no hard links.
fn link(from: &Path, to: &Path) -> io::Result<bool> {
    fs::remove_file(to)?;
    if fs::hard_link(from, to).is_ok() {
        return Ok(true);
    }
    File::create_new(to)?;
    Ok(false)
}

/// Whether the engines only ever write files of this name anew: `table-00000001`, `000001.sst`.
fn is_never_changed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let number = name.strip_prefix("table-").or_else(|| name.strip_suffix(".sst"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn copy_with_holes(source: &mut File, target: &mut File, len: u64) -> io::Result<()> {
    target.set_len(len)?;
    let mut at = 0;
    while at < len {
        let data = match seek(&*source, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = seek(&*source, SeekFrom::Hole(data))?;
        source.seek(io::SeekFrom::Start(data))?;
        target.seek(io::SeekFrom::Start(data))?;
        let copied = io::copy(&mut Read::by_ref(source).take(hole - data), target)?;
        if copied != hole - data {
            return Err(io::Error::other("the file became shorter while it was read"));
        }
        at = hole;
    }
    target.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_clone_equals_its_origin_and_leaves_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("below")).unwrap();
        let files =
            [("table-00000001", "a table"), ("below/000002.sst", "another"), ("stage-00000003", "log")];
        for (name, text) in files {
            fs::write(from.join(name), text).unwrap();
        }
        let cloned = clone(&from, &to).unwrap();
        for (name, text) in files {
            assert_eq!(fs::read_to_string(to.join(name)).unwrap(), text, "{name}");
        }
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let shared = |name: &str| inode(&from.join(name)) == inode(&to.join(name));
        if cloned.reflinked_bytes == 0 {
            assert_eq!(cloned, Cloned { reflinked_bytes: 0, linked_bytes: 14, copied_bytes: 3 });
            assert!(shared("table-00000001") && shared("below/000002.sst"));
        } else {
            assert_eq!(cloned, Cloned { reflinked_bytes: 17, linked_bytes: 0, copied_bytes: 0 });
            assert!(!shared("table-00000001"));
        }
        assert!(!shared("stage-00000003"));
        fs::write(to.join("stage-00000003"), "changed").unwrap();
        fs::remove_file(to.join("table-00000001")).unwrap();
        assert_eq!(fs::read_to_string(from.join("stage-00000003")).unwrap(), "log");
        assert_eq!(fs::read_to_string(from.join("table-00000001")).unwrap(), "a table");
    }

    #[test]
    fn only_tables_are_linked() {
        for (name, linked) in [
            ("table-00000001", true),
            ("000012.sst", true),
            ("table-", false),
            ("table-1.tmp", false),
            (".sst", false),
            ("MANIFEST-00000001", false),
            ("data.mdb", false),
        ] {
            assert_eq!(is_never_changed(Path::new(name)), linked, "{name}");
        }
    }

    #[test]
    fn a_copy_keeps_holes_and_what_is_between_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("from");
        let mut source = File::create_new(&path).unwrap();
        source.seek(io::SeekFrom::Start(1 << 30)).unwrap();
        source.write_all(b"between").unwrap();
        source.set_len(1 << 32).unwrap();
        let mut source = File::open(&path).unwrap();
        let mut target =
            File::options().create_new(true).read(true).write(true).open(dir.path().join("to")).unwrap();
        copy_with_holes(&mut source, &mut target, 1 << 32).unwrap();
        let copied = target.metadata().unwrap();
        assert_eq!(copied.len(), 1 << 32);
        assert!(copied.blocks() < 1000, "{} blocks", copied.blocks());
        let mut text = [0; 7];
        target.seek(io::SeekFrom::Start(1 << 30)).unwrap();
        target.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"between");
    }

    #[test]
    fn a_data_set_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = clone(&dir.path().join("nowhere"), &dir.path().join("to")).unwrap_err();
        assert!(format!("{error:#}").contains("nowhere"), "{error:#}");
    }
}
