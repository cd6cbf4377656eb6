//! One process of a world: the [`Io`] of one database.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::caller_write::CallerWrite;
use super::handle::Handle;
use super::queue::SimulatedQueue;
use super::world::World;
use crate::base::error::{Error, Result};
use crate::base::limits::SECTOR;
use crate::base::metrics::IoCounters;
use crate::base::sync::Arc;
use crate::io::{
    Data, Dir, Entry, File, Io, Lock, OpenMode, Queue, SharedMap, Space, Thread, Through, sectors,
};

/// A process: alive until the world crashes.
pub(crate) struct Machine {
    world: World,
    process: u64,
    counters: Arc<IoCounters>,
}

impl Machine {
    /// A new process of the world.
    pub(crate) fn new(world: &World) -> Self {
        Self { world: world.clone(), process: world.state().process(), counters: Arc::default() }
    }

    fn file(&self, path: &Path, inode: u64, locks: bool) -> File {
        File::of_world(path.to_path_buf(), self.handle(inode, locks), OpenMode::Write)
    }

    fn handle(&self, inode: u64, locks: bool) -> Handle {
        Handle { world: self.world.clone(), inode, process: self.process, locks }
    }
}

fn failed(operation: &'static str, path: &Path, e: Errno) -> Error {
    Error::io(operation, path, None, e.into())
}

impl Io for Machine {
    fn backend(&self) -> String {
        "simulated".to_owned()
    }

    fn durable_way(&self) -> &'static str {
        "simulated"
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }

    fn open_dir(&self, path: &Path) -> Result<Option<Dir>> {
        let opened = self.world.state().open_dir(self.process, path);
        match opened {
            Ok(inode) => Ok(Some(Dir::new(self.file(path, inode, false)))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(failed("open directory", path, e)),
        }
    }

    fn create_dir(&self, path: &Path) -> Result<Dir> {
        let made = self.world.state().create_dir(self.process, path);
        let inode = made.map_err(|e| failed("create directory", path, e))?;
        Ok(Dir::new(self.file(path, inode, false)))
    }

    fn sync_parents(&self, dir: &Dir) -> Result<()> {
        let place = (dir.file().simulated().inode, dir.path());
        let synced = self.world.state().sync_parents(self.process, place);
        synced.map_err(|e| failed("sync the directories above", dir.path(), e))
    }

    fn list(&self, dir: &Dir) -> Result<Vec<Entry>> {
        let place = (dir.file().simulated().inode, dir.path());
        let listed = self.world.state().list(self.process, place);
        listed.map_err(|e| failed("list directory", dir.path(), e))
    }

    fn open(&self, dir: &Dir, name: &str, mode: OpenMode) -> Result<File> {
        let operation = match mode {
            OpenMode::Read | OpenMode::ReadAtRandom | OpenMode::ReadDirect => "open",
            OpenMode::Write => "open for writing",
            OpenMode::Create => "create",
            OpenMode::Direct => "open for direct writing",
        };
        let path = dir.path_of(name);
        let place = (dir.file().simulated().inode, name, path.as_path());
        let opened = self.world.state().open(self.process, place, mode);
        let inode = opened.map_err(|e| failed(operation, &path, e))?;
        Ok(File::of_world(path, self.handle(inode, false), mode))
    }

    fn take_over(&self, dir: &Dir, name: &str, new_name: &str) -> Result<File> {
        let path = dir.path_of(name);
        let place = (dir.file().simulated().inode, name, path.as_path());
        let renamed = self.world.state().rename(self.process, place, new_name);
        renamed.map_err(|e| failed("take over", &path, e))?;
        self.open(dir, new_name, OpenMode::Write)
    }

    fn remove(&self, dir: &Dir, name: &str) -> Result<()> {
        let path = dir.path_of(name);
        let place = (dir.file().simulated().inode, name, path.as_path());
        let removed = self.world.state().remove(self.process, place);
        removed.map_err(|e| failed("remove", &path, e))
    }

    fn file_len(&self, file: &File) -> Result<u64> {
        let place = (file.simulated().inode, file.path());
        let len = self.world.state().file_len(self.process, place);
        len.map_err(|e| failed("find the length of", file.path(), e))
    }

    fn lock(&self, dir: &Dir, name: &str) -> Result<Lock> {
        let path = dir.path_of(name);
        let place = (dir.file().simulated().inode, name, path.as_path());
        let locked = self.world.state().lock(self.process, place);
        match locked {
            Ok(inode) => Ok(Lock(self.file(&path, inode, true))),
            Err(Errno::WOULDBLOCK) => {
                let holder = format!("simulated process {}", self.process);
                Err(Error::Locked { dir: dir.path().to_path_buf(), holder })
            }
            Err(e) => Err(failed("open", &path, e)),
        }
    }

    fn space(&self, dir: &Dir) -> Result<Space> {
        let free = self.world.state().free(self.process, dir.path());
        let free_bytes = free.map_err(|e| failed("find the free space of", dir.path(), e))?;
        Ok(Space { free_bytes, free_files: 1 << 20 })
    }

    fn map(&self, file: &File, len: usize) -> Result<SharedMap> {
        let place = (file.simulated().inode, file.path());
        let map = self.world.state().map(self.process, place, len);
        map.map_err(|e| Error::io("map", file.path(), None, e))
    }

    fn may_map(&self, _file: &File) -> std::result::Result<(), String> {
        Ok(())
    }

    fn populate(&self, file: &File, map: &SharedMap, offset: usize, len: usize) -> Result<()> {
        let populated = self.world.state().populate(self.process, file.path(), (map, offset, len));
        populated.map_err(|e| Error::io("get memory of", file.path(), Some(offset as u64), e.into()))
    }

    fn write_now(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<()> {
        let place = (file.simulated().inode, file.path());
        let written = self.world.state().write_now(self.process, place, offset, bytes);
        written.map_err(|e| Error::io("write", file.path(), Some(offset), e.into()))
    }

    fn write_through(&self, file: &File, offset: u64, data: Data) -> Through {
        let counters = Arc::clone(&self.counters);
        Through::Begun(CallerWrite::begin(&self.world, self.process, counters, (file, offset, data)))
    }

    fn boot_id(&self) -> u128 {
        self.world.state().boot()
    }

    /// Of some places the page cache has nothing.
    fn way_past_page_cache(&self, file: &File, offset: u64, _len: usize) -> Option<File> {
        let inode = file.simulated().inode;
        let is_past = (offset / SECTOR as u64 + inode).is_multiple_of(3);
        let path = || file.path().to_path_buf();
        let open = |_: &File| Some(File::of_world(path(), self.handle(inode, false), OpenMode::ReadDirect));
        if is_past { file.past_page_cache(open) } else { None }
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.world.run_read_hook();
        let mut read = |world: &World| {
            let place = (file.simulated().inode, file.path());
            match file.is_direct() || self.way_past_page_cache(file, offset, buffer.len()).is_some() {
                true => sectors::read_at(offset, buffer, |start, room| {
                    world.state().read_at(self.process, place, start, room)
                }),
                false => world.state().read_at(self.process, place, offset, buffer),
            }
        };
        let len = read(&self.world)?;
        self.world.run_read_hook();
        self.counters.reads.add(1);
        self.counters.read_bytes.add(len as u64);
        Ok(len)
    }

    fn queue(&self, _core: usize, held: &File) -> Result<Box<dyn Queue>> {
        let counters = Arc::clone(&self.counters);
        Ok(Box::new(SimulatedQueue::new(&self.world, self.process, counters, held)))
    }

    fn start_thread(&self, name: String, _body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Thread>> {
        Err(failed("start thread", &PathBuf::from(name), Errno::PERM))
    }

    fn parallelism(&self) -> usize {
        2
    }

    fn now(&self) -> Duration {
        self.world.state().tick()
    }

    fn sleep(&self, _duration: Duration) -> bool {
        false
    }

    fn give_way(&self) {}

    fn random(&self) -> u64 {
        self.world.state().draw()
    }
}
