//! Gives the Windows program a manifest: UTF-8 file names and arguments, and paths over 260 characters.

use embed_manifest::manifest::{ActiveCodePage, Setting};
use embed_manifest::{embed_manifest, new_manifest};

fn main() {
    if std::env::var_os("CARGO_CFG_WINDOWS").is_some() {
        let manifest =
            new_manifest("umreplay").active_code_page(ActiveCodePage::Utf8).long_path_aware(Setting::Enabled);
        if let Err(error) = embed_manifest(manifest) {
            println!("cargo::error=the Windows manifest could not be embedded: {error}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
}
