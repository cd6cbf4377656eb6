//! What an open file of a world holds on to.

use super::names::Inode;
use super::world::World;

/// A file that is open in a process of a world; closed when dropped.
pub(crate) struct Handle {
    pub(super) world: World,
    pub(super) inode: Inode,
    /// The process that opened it: once that is dead, so is the handle.
    pub(super) process: u64,
    /// Whether it holds the file's lock.
    pub(super) locks: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.world.state().close(self.inode, self.process, self.locks);
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({} of process {})", self.inode, self.process)
    }
}
