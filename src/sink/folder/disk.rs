//! The injection's changes of the disk, each a single step, so that a test can stop the program at every one.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::fsx::{self, PathContext, PathError};

/// Makes a file that was not there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    step()?;
    File::create_new(path)
}

/// Makes a file's content and times durable.
pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_all()
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), PathError> {
    step().path("flush", folder)?;
    fsx::sync_folder(folder)
}

/// Renames without replacing. On Windows a virus scanner may hold a new file open for a moment: that is waited out.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    let mut wait = Duration::from_millis(20);
    loop {
        match fsx::rename_new(from, to) {
            Err(error) if cfg!(windows) && is_held(&error) && wait < Duration::from_secs(1) => {
                std::thread::sleep(wait);
                wait *= 2;
            }
            result => return result,
        }
    }
}

/// Whether somebody else has the file open.
pub(in crate::sink) fn is_held(error: &io::Error) -> bool {
    const ERROR_SHARING_VIOLATION: i32 = 32;
    error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(ERROR_SHARING_VIOLATION)
}

/// Removes a file; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    step()?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    step()?;
    fs::remove_dir_all(path)
}

/// Makes renames into `target` durable.
pub(super) fn sync_renames(target: &Path, staging: &Path) -> Result<(), PathError> {
    step().path("flush", target)?;
    if cfg!(not(windows)) {
        return fsx::sync_folder(target);
    }
    // Windows flushes no folder. But NTFS logs all changes of names in one log, in their order: flushing a file that was
    // made after the renames flushes them with it.
    let marker = staging.join("flush");
    let _ = fs::remove_file(&marker);
    File::create_new(&marker).and_then(|file| file.sync_all()).path("flush", &marker)
}

/// Whether there is anything of that name.
///
/// # Errors
/// It cannot be told: the share is gone, or may not be looked into.
pub(super) fn is_present(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(test))]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use failing::{fail_in, step, steps_taken};

/// Makes steps fail: one as a bad disk does, or all from one on as a kill does, tidying up included.
#[cfg(test)]
mod failing {
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::ops::Range;

    thread_local! {
        static TAKEN: Cell<usize> = const { Cell::new(0) };
        static FAILING: RefCell<Range<usize>> = const { RefCell::new(0..0) };
    }

    /// Counts this thread's steps from here, and lets those in the range fail.
    pub(in super::super) fn fail_in(steps: Range<usize>) {
        TAKEN.set(0);
        FAILING.replace(steps);
    }

    /// The steps that this thread has taken, or tried to.
    pub(in super::super) fn steps_taken() -> usize {
        TAKEN.get()
    }

    pub(in super::super) fn step() -> io::Result<()> {
        let number = TAKEN.replace(TAKEN.get() + 1);
        match FAILING.with_borrow(|failing| failing.contains(&number)) {
            true => Err(io::Error::other("this step fails")),
            false => Ok(()),
        }
    }
}
