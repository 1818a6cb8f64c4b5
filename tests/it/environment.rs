//! One place to run the program in: an empty environment, a fixed zone, a folder of its own, normalised paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder and an environment that nothing else shares.
pub(crate) struct TestEnv {
    folder: TempDir,
}

/// What a run of the program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Writes a file, its folder with it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, ready to be given arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_umreplay"));
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        // Windows needs these to start anything and to make temporary files.
        for name in ["SystemRoot", "SYSTEMROOT", "TEMP", "TMP", "PATH", "WINEPREFIX", "WINEDEBUG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for name in ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"] {
            command.env(name, self.folder.path());
        }
        command.env("TZ", "Europe/Amsterdam").env("NO_COLOR", "1");
        command
    }

    /// Runs the program with words that have no spaces in them.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        let output = self.command().args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        Ran {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code().expect("the program ended by itself"),
        }
    }

    /// The text with this environment's folder replaced by `[FOLDER]` and GUIDs that are drawn at random by `[GUID]`.
    pub(crate) fn normalise(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        text.replace(&folder, "[FOLDER]").replace('\\', "/").replace(".exe", "")
    }
}

impl Ran {
    /// Fails the test unless the program ended so.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// The objects that were printed, one a line, of this type.
    pub(crate) fn rows(&self, kind: &str) -> Vec<Value> {
        let rows = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        rows.filter(|row| row["type"] == kind).collect()
    }

    /// How many results had an outcome.
    pub(crate) fn outcomes(&self, outcome: &str) -> usize {
        self.rows("result").iter().filter(|row| row["outcome"] == outcome).count()
    }
}

/// Every file below a folder with its bytes, sorted by name.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// The missed call of the queue format.
pub(crate) const MISSED_CALL: &str = "MessageType : MissedCall\r\nCallerId : 612345678\r\nNDRRequired : False\r\n\
    RecipientName : Test\r\nRecipientAddress : test@example.com\r\nRecipientCulture : nl-NL\r\n\
    CallId : 7066890-a00e70a-13c4-55013-6826c-718b9f72-6826c\r\nImportant : False\r\n";

/// A GUID to name it by.
pub(crate) const GUID: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";
