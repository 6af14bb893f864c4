//! The disk below the data folder: how much room is free, room that is reserved before it is
//! needed, and which errors say that there is none.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

/// Bytes that this process may still write below a folder.
pub fn free(folder: &Path) -> io::Result<u64> {
    let stat = statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Reserves room of a file, so that writing there cannot fail for want of it. Where the file system
/// cannot reserve, nothing is: the write itself will tell.
pub fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    let bytes = to.saturating_sub(from);
    if bytes == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, from, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => Ok(done?),
    }
}

/// Whether an error says that there is no room.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
