//! Where the program may write: not among the messages that it reads, and nothing beside messages in UM's folder.

use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::message::Guid;

/// Makes sure that messages are not put where they are read.
///
/// UM would deliver the message that lies there and its copy as well, and the next run would find both.
///
/// # Errors
/// The target is a source, or lies within one.
pub(crate) fn target_apart_from(sources: &[PathBuf], target: &Path) -> Result<(), CommandError> {
    let real_target = real(target);
    let is_in = |source: &&PathBuf| {
        let real_source = real(source);
        if source.is_dir() {
            return real_target.starts_with(real_source);
        }
        let is_archive = source.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
        !is_archive && real_source.parent() == Some(&real_target)
    };
    let Some(source) = sources.iter().find(is_in) else {
        return Ok(());
    };
    let message = format!(
        "the target {} lies in the source {}: every message would be there twice, and be delivered twice",
        target.display(),
        source.display()
    );
    Err(CommandError::usage(message).hint(
        "move the messages to another folder first and inject from there; \
         umreplay edit changes header files where they are",
    ))
}

/// Makes sure that a file of the program's own does not come to lie among messages.
///
/// UM deletes what it does not know there, and `target` is such a folder even while it is empty.
///
/// # Errors
/// It would.
pub(crate) fn file_apart_from_messages(what: &str, file: &Path, target: Option<&Path>) -> Result<(), CommandError> {
    let folder = crate::fsx::folder_of(file);
    if target.is_none_or(|target| real(target) != real(&folder)) && !holds_messages(&folder) {
        return Ok(());
    }
    let message = format!("the {what} {} would lie among voicemail messages", file.display());
    Err(CommandError::usage(message).hint(format!("give the {what} a place in another folder")))
}

/// Whether files of messages lie in this very folder.
pub(crate) fn holds_messages(folder: &Path) -> bool {
    let is_of_message = |path: PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let known = ["txt", "wav", "tif", "msg"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        known && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| Guid::parse(stem).is_some())
    };
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|e| is_of_message(e.path()))))
}

/// The path without links and detours, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let known = |ancestor: &Path| {
        let rest = absolute.strip_prefix(ancestor).ok()?;
        let real = ancestor.canonicalize().ok()?;
        // Joining an empty rest would add a separator.
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    };
    absolute.ancestors().find_map(known).unwrap_or_else(|| absolute.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.TXT";

    #[test]
    fn a_target_is_found_in_its_source_by_any_way() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("queue");
        std::fs::create_dir_all(queue.join("inner")).unwrap();
        crate::fsx::write_atomically(&queue.join(HEADER), b"").unwrap();
        let apart = |source: PathBuf, target: PathBuf| target_apart_from(&[source], &target).is_ok();
        assert!(!apart(queue.clone(), queue.clone()));
        assert!(!apart(queue.join("inner").join(".."), queue.clone()));
        assert!(!apart(queue.clone(), queue.join("inner").join("..").join("inner")));
        assert!(!apart(queue.join(HEADER), queue.clone()));
        assert!(!apart(folder.path().to_path_buf(), queue.join("not there yet")));
        assert!(apart(queue.join("inner"), queue.clone()));
        assert!(apart(queue.clone(), folder.path().join("queue2")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&queue, folder.path().join("link")).unwrap();
            assert!(!apart(queue.clone(), folder.path().join("link")));
        }
    }

    #[test]
    fn a_report_stays_out_of_queues() {
        let folder = tempfile::tempdir().unwrap();
        let (queue, empty) = (folder.path().join("queue"), folder.path().join("empty"));
        std::fs::create_dir_all(&queue).unwrap();
        std::fs::create_dir_all(&empty).unwrap();
        crate::fsx::write_atomically(&queue.join(HEADER), b"").unwrap();
        let apart = |file: PathBuf, target: Option<&Path>| file_apart_from_messages("report", &file, target).is_ok();
        assert!(!apart(queue.join("report.csv"), None));
        assert!(!apart(empty.join("report.csv"), Some(&empty)));
        assert!(apart(empty.join("report.csv"), None));
        assert!(apart(folder.path().join("report.csv"), Some(&empty)));
    }
}
