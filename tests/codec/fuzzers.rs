//! The fuzzers are not built by the tests: their build takes a C++ compiler. What they consist of
//! is, but for their list of crates.

use std::fs;
use std::path::Path;

#[test]
fn the_fuzzers_have_every_crate_that_the_codec_uses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (ours, theirs) = (dependencies(root), dependencies(&root.join("fuzz")));
    let files = fs::read_dir(root.join("src/http1")).expect("the codec is there");
    let texts = files.map(|file| fs::read_to_string(file.expect("readable").path()));
    let codec = texts.collect::<Result<String, _>>().expect("the codec is text");
    let is_used = |name: &&String| codec.contains(&format!("{}::", name.replace('-', "_")));
    let used: Vec<&String> = ours.iter().filter(is_used).collect();
    assert!(!used.is_empty(), "the codec uses thiserror at least");
    let missing: Vec<&&String> = used.iter().filter(|name| !theirs.contains(name)).collect();
    assert!(missing.is_empty(), "add to fuzz/Cargo.toml: {missing:?}");
}

/// The crates that the package in this folder depends on.
fn dependencies(folder: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("there is a manifest");
    let manifest: toml::Table = manifest.parse().expect("cargo can read it");
    let dependencies = manifest["dependencies"].as_table().expect("a table");
    dependencies.keys().cloned().collect()
}
