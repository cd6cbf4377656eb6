//! System calls about names: making directories, listing, opening, lengths, free space.
//!
//! These calls are rare (open, flush, compaction), so both backends make them as plain system
//! calls on the calling thread. Every error names the operation and the path.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Advice, AtFlags, FileType, Mode, OFlags, RenameFlags, StatxFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

use super::{Dir, Entry, File, OpenMode, Space};
use crate::base::error::{Error, Result};
use crate::base::limits::SECTOR;

/// Rights of new files, before the process' umask: everybody may read, the owner may write.
const FILE_RIGHTS: Mode = Mode::from_raw_mode(0o644);

/// Opens the directory that `path` leads to now; `None` if there is none.
pub(super) fn open_dir(path: &Path) -> Result<Option<Dir>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
        Ok(descriptor) => Ok(Some(Dir::new(File::new(path.to_path_buf(), descriptor)))),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(Error::io("open directory", path, None, e.into())),
    }
}

/// Makes the directory `path` and its missing parents, and opens it.
pub(super) fn create_dir(path: &Path) -> Result<Dir> {
    let failed = |e| Error::io("create directory", path, None, e);
    fs::create_dir_all(path).map_err(failed)?;
    open_dir(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// Makes the names durable that lead to `dir`: if a crash unlinks one of these directories, the whole database
/// is lost. Goes up by `..`, which needs no path, to the root of the file system. Each directory on the way is
/// synced, whoever made it: an earlier opening may have died before it did so.
pub(super) fn sync_parents(dir: &Dir) -> Result<()> {
    let failed = |e: Errno| Error::io("sync the directories above", dir.path(), None, e.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut below = rustix::fs::fstat(dir.file()).map_err(failed)?;
    let mut parent = rustix::fs::openat(dir.file(), "..", flags, Mode::empty());
    loop {
        let above = match parent {
            Ok(above) => above,
            // A process that may not read a directory has hardly made a name in it.
            Err(Errno::ACCESS | Errno::PERM) => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        let stat = rustix::fs::fstat(&above).map_err(failed)?;
        // The root is its own parent. Beyond a mount point lies another file system, which holds no name of ours.
        if stat.st_dev != below.st_dev || stat.st_ino == below.st_ino {
            return Ok(());
        }
        match rustix::io::retry_on_intr(|| rustix::fs::fsync(&above)) {
            // A file system whose directories cannot be synced, or are never written.
            Ok(()) | Err(Errno::INVAL | Errno::ROFS) => {}
            Err(e) => return Err(failed(e)),
        }
        parent = rustix::fs::openat(&above, "..", flags, Mode::empty());
        below = stat;
    }
}

/// What is in `dir`, sorted by name. A name that is not UTF-8 is none of ours and comes back with its
/// odd bytes replaced.
pub(super) fn list(dir: &Dir) -> Result<Vec<Entry>> {
    let failed = |e: Errno| Error::io("list directory", dir.path(), None, e.into());
    // Reads through a descriptor of its own: that of `dir` has no position of use to anyone.
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir.file()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = match entry.file_type() {
            FileType::RegularFile => true,
            // What a link leads to counts, and some file systems do not say what a name is.
            FileType::Symlink | FileType::Unknown => leads_to_file(dir, entry.file_name()),
            _ => false,
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            entries.push(Entry { name, is_file });
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn leads_to_file(dir: &Dir, name: &CStr) -> bool {
    let stat = rustix::fs::statat(dir.file(), name, AtFlags::empty());
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Opens a file of `dir`. The descriptor is not passed on to programs this process starts.
pub(super) fn open(dir: &Dir, name: &str, mode: OpenMode) -> Result<File> {
    let (operation, flags) = match mode {
        OpenMode::Read | OpenMode::ReadAtRandom => ("open", OFlags::RDONLY),
        OpenMode::Write => ("open for writing", OFlags::RDWR),
        OpenMode::Create => ("create", OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC),
        OpenMode::ReadDirect => ("open", OFlags::RDONLY | OFlags::DIRECT),
        OpenMode::Direct => ("open for direct writing", OFlags::RDWR | OFlags::DIRECT),
    };
    let call = |flags: OFlags| {
        let flags = flags | OFlags::CLOEXEC;
        let open = || rustix::io::retry_on_intr(|| rustix::fs::openat(dir.file(), name, flags, FILE_RIGHTS));
        match open() {
            Err(Errno::MFILE) if raise_limit_of_files() => open(),
            opened => opened,
        }
    };
    let descriptor = match call(flags) {
        // The file system has no direct I/O: alignment is harmless there, so go on without.
        Err(Errno::INVAL) if mode == OpenMode::Direct => call(flags - OFlags::DIRECT),
        Err(Errno::INVAL) if mode == OpenMode::ReadDirect => return open(dir, name, OpenMode::ReadAtRandom),
        other => other,
    };
    let descriptor = descriptor.map_err(|e| Error::io(operation, &dir.path_of(name), None, e.into()))?;
    if mode == OpenMode::ReadDirect {
        return match takes_sectors(&descriptor) {
            true => Ok(File::direct(dir.path_of(name), descriptor)),
            false => open(dir, name, OpenMode::ReadAtRandom),
        };
    }
    if mode == OpenMode::ReadAtRandom {
        // Advice: where there is no such thing, it changes nothing.
        let _advised = rustix::fs::fadvise(&descriptor, 0, None, Advice::Random);
        return Ok(File::at_random(dir.path_of(name), descriptor));
    }
    Ok(File::new(dir.path_of(name), descriptor))
}

/// Gives a file of `dir` another name, which stands for nothing, and opens it for writing, if it is a regular one that has
/// no further names. Fails where the file system cannot promise not to replace anything.
pub(super) fn take_over(dir: &Dir, name: &str, new_name: &str) -> Result<File> {
    let failed = |e: Errno| Error::io("take over", &dir.path_of(name), None, e.into());
    let is_sole = |stat: rustix::fs::Stat| {
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file && stat.st_nlink == 1 { Ok(()) } else { Err(failed(Errno::MLINK)) }
    };
    is_sole(rustix::fs::statat(dir.file(), name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?)?;
    let flags = RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(dir.file(), name, dir.file(), new_name, flags).map_err(failed)?;
    let file = open(dir, new_name, OpenMode::Write)?;
    // A name that was added since the first look leads to what is open now. By the old name none can be added any more.
    is_sole(rustix::fs::fstat(&file).map_err(failed)?)?;
    Ok(file)
}

/// Removes a name of `dir`. A missing one is not an error.
pub(super) fn remove(dir: &Dir, name: &str) -> Result<()> {
    unlink(dir, name).map_err(|e| Error::io("remove", &dir.path_of(name), None, e))
}

/// The same for who knows what to say of an error.
pub(super) fn unlink(dir: &Dir, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir.file(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Doubles the process's soft limit of open files, as far as the hard one permits; false if it does not. Every table is
/// open, and what a shell permits at first is often used up by some twenty gigabytes of them.
fn raise_limit_of_files() -> bool {
    // A thread that has read the limit before another raised it twice would lower it again.
    static RAISING: Mutex<()> = Mutex::new(());
    let _raising = RAISING.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let Some(current) = limit.current else { return false };
    let doubled = current.max(512).saturating_mul(2);
    let raised = limit.maximum.map_or(doubled, |maximum| maximum.min(doubled));
    let is_raised = raised > current
        && rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }).is_ok();
    if is_raised {
        tracing::info!(current, raised, "raised the limit of open files");
    }
    is_raised
}

/// Whether direct reads of whole sectors are possible, as far as the system says: before Linux 6.1 it does not.
pub(super) fn takes_sectors(descriptor: &OwnedFd) -> bool {
    let stat = rustix::fs::statx(descriptor, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN);
    let Ok(stat) = stat else { return true };
    let is_known = stat.stx_mask & StatxFlags::DIOALIGN.bits() != 0;
    let divides = |align: u32| align > 0 && (SECTOR as u32).is_multiple_of(align);
    !is_known || (divides(stat.stx_dio_mem_align) && divides(stat.stx_dio_offset_align))
}

/// Has the page cache forget a part of a file. Advice: where there is no such thing, it changes nothing.
pub(super) fn forget(file: &File, offset: u64, len: usize) {
    let _advised = rustix::fs::fadvise(file, offset, NonZero::new(len as u64), Advice::DontNeed);
}

/// Has the kernel begin to read a part of a file. Advice: where there is no such thing, it changes nothing.
pub(super) fn will_need(file: &File, offset: u64, len: usize) {
    let _advised = rustix::fs::fadvise(file, offset, NonZero::new(len as u64), Advice::WillNeed);
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

/// Whether a failed [`Op::Allocate`](super::Op::Allocate) means that the file system does not know
/// how to reserve space, as FUSE and ext3 do not.
pub(crate) fn cannot_reserve(e: &io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL))
}

/// Drawn by the kernel at its start; zero if it cannot be read.
pub(super) fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

/// Free space of the file system that holds `dir`.
pub(super) fn space(dir: &Dir) -> Result<Space> {
    let failed = |e: Errno| Error::io("find the free space of", dir.path(), None, e.into());
    let stat = rustix::fs::fstatvfs(dir.file()).map_err(failed)?;
    Ok(Space {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        // File systems that make inodes as they go (btrfs) report none at all.
        free_files: if stat.f_files == 0 { u64::MAX } else { stat.f_favail },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn nested_directories_are_made_once_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/c");
        assert!(open_dir(&path).unwrap().is_none());
        create_dir(&path).unwrap();
        let dir = create_dir(&path).unwrap();
        assert!(list(&dir).unwrap().is_empty());
        sync_parents(&dir).unwrap();
        for name in ["2.log", "10.log", "1.log"] {
            open(&dir, name, OpenMode::Create).unwrap();
        }
        fs::create_dir(path.join("3.log")).unwrap();
        symlink("1.log", path.join("4.log")).unwrap();
        symlink("3.log", path.join("5.log")).unwrap();
        symlink("absent", path.join("6.log")).unwrap();
        let expected = ["1.log", "10.log", "2.log", "3.log", "4.log", "5.log", "6.log"].map(|name| Entry {
            name: name.to_owned(),
            is_file: !["3.log", "5.log", "6.log"].contains(&name),
        });
        for _ in 0..2 {
            assert_eq!(list(&dir).unwrap(), expected);
        }
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_reported_by_its_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("taken");
        fs::write(&path, "").unwrap();
        let text = create_dir(&path).unwrap_err().to_string();
        assert!(text.starts_with("cannot create directory /"), "{text}");
        assert!(text.contains("/taken: File exists"), "{text}");
        let text = open_dir(&path).unwrap_err().to_string();
        assert!(text.contains("/taken: Not a directory"), "{text}");
        assert!(create_dir(&path.join("below")).is_err());
    }

    #[test]
    fn parents_are_synced_up_to_the_root_or_to_one_that_may_not_be_read() {
        sync_parents(&open_dir(Path::new("/")).unwrap().unwrap()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("closed/open");
        let dir = create_dir(&path).unwrap();
        let permit = |mode| {
            let closed = root.path().join("closed");
            fs::set_permissions(closed, fs::Permissions::from_mode(mode)).unwrap();
        };
        permit(0o300);
        sync_parents(&dir).unwrap();
        permit(0o700);
    }

    #[test]
    fn a_missing_file_is_not_made_by_any_mode_but_create() {
        let root = tempfile::tempdir().unwrap();
        let dir = open_dir(root.path()).unwrap().unwrap();
        for mode in [OpenMode::Read, OpenMode::ReadAtRandom, OpenMode::Direct] {
            let text = open(&dir, "absent", mode).unwrap_err().to_string();
            assert!(text.contains("absent: No such file"), "{text}");
        }
        let file = open(&dir, "absent", OpenMode::Create).unwrap();
        assert_eq!(file_len(&file).unwrap(), 0);
        assert!(!is_directory(&file));
        assert!(is_directory(dir.file()));
    }

    #[test]
    fn a_file_is_taken_over_unless_others_may_rely_on_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = open_dir(root.path()).unwrap().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("a"), "a").unwrap();
        assert_eq!(file_len(&take_over(&dir, "a", "b").unwrap()).unwrap(), 1);
        assert_eq!(fs::read(path("b")).unwrap(), b"a");
        fs::hard_link(path("b"), path("c")).unwrap();
        symlink("b", path("d")).unwrap();
        for name in ["a", "b", "c", "d"] {
            let text = take_over(&dir, name, "e").unwrap_err().to_string();
            assert!(text.starts_with("cannot take over /") && text.contains(&format!("/{name}: ")), "{text}");
        }
        remove(&dir, "c").unwrap();
        remove(&dir, "c").unwrap();
        take_over(&dir, "b", "e").unwrap();
        assert!(path("e").exists() && !path("b").exists());
    }

    #[test]
    fn space_is_counted() {
        let root = tempfile::tempdir().unwrap();
        let space = space(&open_dir(root.path()).unwrap().unwrap()).unwrap();
        assert!(space.free_bytes > 0);
        assert!(space.free_files > 0);
    }
}
