//! Puts the demo's samples into the program, and gives the Windows program a manifest: UTF-8 file names and arguments,
//! and paths over 260 characters.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use embed_manifest::manifest::{ActiveCodePage, Setting};
use embed_manifest::{embed_manifest, new_manifest};

fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os("CARGO_CFG_WINDOWS").is_some() {
        let manifest =
            new_manifest("umreplay").active_code_page(ActiveCodePage::Utf8).long_path_aware(Setting::Enabled);
        embed_manifest(manifest)?;
    }
    let samples = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("samples").join("demo");
    let mut list = String::new();
    list_samples(&samples, "", &mut list)?;
    let list = format!("/// The demo's samples: path and bytes.\nconst SAMPLES: &[(&str, &[u8])] = &[\n{list}];\n");
    #[allow(clippy::disallowed_methods, reason = "a build script has no fsx")]
    fs::write(Path::new(&env::var("OUT_DIR")?).join("demo_samples.rs"), list)?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=samples/demo");
    Ok(())
}

/// Lists a folder's files in the order of their names, so that the same samples make the same program.
fn list_samples(folder: &Path, prefix: &str, list: &mut String) -> Result<(), Box<dyn Error>> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list_samples(&entry.path(), &format!("{name}/"), list)?;
        } else if name.ends_with("expected.json") {
            // What tests expect of the samples is no part of a queue.
        } else {
            writeln!(list, "    ({name:?}, include_bytes!({:?})),", entry.path())?;
        }
    }
    Ok(())
}
