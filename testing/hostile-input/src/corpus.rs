//! The corpus: a folder for each target, a file for each input.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Returns the folder of a target.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Returns the names and contents of a target's files, sorted by name.
///
/// # Errors
/// An error of the file system.
pub fn files(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = fs::read_dir(folder(target))?
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
