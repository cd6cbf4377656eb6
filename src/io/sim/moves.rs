//! What others do to the names on the disk while processes run: directories are made, renamed and
//! copied, and the process changes its current directory. Paths begin at the root.

use std::path::Path;

use rustix::io::Errno;

use super::disk::Disk;
use super::names::Inode;
use super::world::World;

impl World {
    /// Makes a directory, as `mkdir` does: its name is not durable. Returns whether it is there.
    pub fn make_dir(&self, path: impl AsRef<Path>) -> bool {
        self.state().disk.make_dir(path.as_ref()).is_ok()
    }

    /// Gives a file or directory another name, for good; returns whether that was possible. What has
    /// it open does not notice.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> bool {
        self.state().disk.rename(from.as_ref(), to.as_ref()).is_ok()
    }

    /// Copies a file, for good; returns whether that was possible.
    pub fn copy_file(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> bool {
        self.state().disk.copy_file(from.as_ref(), to.as_ref()).is_ok()
    }

    /// Changes the current directory of the process that lives; returns whether there is one.
    pub fn change_dir(&self, path: impl AsRef<Path>) -> bool {
        let mut state = self.state();
        let found = state.disk.find(path.as_ref());
        found.map(|inode| state.current_dir = inode).is_ok()
    }
}

impl Disk {
    fn make_dir(&mut self, path: &Path) -> Result<Inode, Errno> {
        self.create_dir(super::disk::ROOT, path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        let ((from_dir, from), (to_dir, to)) = (self.place_of(from)?, self.place_of(to)?);
        let inode = self.look_up(from_dir, from)?;
        if self.look_up(to_dir, to).is_ok() {
            return Err(Errno::EXIST);
        }
        let order = self.next_order();
        // The new name first: without any, it would be gone.
        self.name(to_dir, to, order, Some(inode))?;
        self.name(from_dir, from, order, None)?;
        self.sync_parents(inode);
        self.sync(from_dir, order);
        Ok(())
    }

    fn copy_file(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        let source = self.find(from)?;
        let bytes = self.file(source).ok_or(Errno::ISDIR)?.read(0, usize::MAX >> 1);
        let (directory, name) = self.place_of(to)?;
        let inode = self.create(directory, name)?;
        let order = self.next_order();
        self.file(inode).ok_or(Errno::ISDIR)?.write(order, 0, &bytes, true);
        self.sync_parents(inode);
        Ok(())
    }
}
