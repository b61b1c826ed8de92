//! SHA-256, the only hash function of this project.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::ObjectId;

/// Returns the SHA-256 of some bytes as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the first eight bytes of an id's SHA-256, the same on every host and in every release.
///
/// In a listing of a million ids, the probability of a collision is about 3 in 100 million.
#[must_use]
pub fn fingerprint(id: &ObjectId) -> u64 {
    let digest = Sha256::digest(id.as_str());
    digest.iter().take(8).fold(0, |fingerprint, byte| fingerprint << 8 | u64::from(*byte))
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_beginning_of_the_digest() {
        assert_eq!(fingerprint(&ObjectId::parse("abc").unwrap()), 0xba78_16bf_8f01_cfea);
    }

    #[test]
    fn the_digest_is_the_published_test_vector() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
