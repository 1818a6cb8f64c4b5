//! The arrows of `docs/architecture.md`: who imports whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A module of `src` and the modules that it may import.
const ARROWS: &[(&str, &[&str])] = &[
    ("fsx", &[]),
    ("message", &["fsx"]),
    ("source", &["fsx", "message"]),
    ("check", &["fsx", "message"]),
    ("edit", &["fsx", "message"]),
    ("sink", &["fsx", "message"]),
    ("ledger", &["fsx", "message"]),
    ("select", &["message"]),
    ("lab", &["fsx", "message"]),
    ("report", &["fsx", "ledger", "message"]),
    ("replay", &["check", "edit", "fsx", "ledger", "message", "report", "sink", "source"]),
    ("ui", &["check", "cli", "error", "fsx", "ledger", "message", "places", "replay", "report"]),
    ("places", &["error", "fsx", "message"]),
    ("merge", &["message"]),
    ("config", &["cli", "edit", "error", "fsx", "message", "sink", "source"]),
    ("profile", &["cli", "error", "fsx"]),
    ("error", &[]),
    ("cli", &[]),
];

/// The library's modules that a file imports, its tests apart.
fn imports(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let after = code.split("crate::").skip(1);
    after
        .map(|rest| rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect())
        .collect()
}

#[test]
fn imports_follow_the_arrows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for (module, allowed) in ARROWS {
        let files = walkdir::WalkDir::new(&src).into_iter().map(|entry| entry.unwrap().into_path()).filter(|path| {
            let below = path.strip_prefix(&src).unwrap();
            let first = below.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing");
            let is_its = first.is_some_and(|first| first == *module || first == format!("{module}.rs"));
            path.is_file() && is_its && !is_test
        });
        for file in files {
            seen += 1;
            for import in imports(&file) {
                let is_fine = import == *module || import.is_empty() || allowed.contains(&import.as_str());
                assert!(is_fine, "{} imports {import}, and {module} may not", file.display());
            }
        }
    }
    assert!(seen > 60, "only {seen} files were looked at");
}
