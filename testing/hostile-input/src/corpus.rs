//! The kept corpus: one folder for each target, one file for each input that is of interest.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where the files of a target are.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The files of a target with their names, in the order of these.
///
/// # Errors
/// When they cannot be read.
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
