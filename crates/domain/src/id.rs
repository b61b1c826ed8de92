//! Belvo's identifiers.
//!
//! Ids are opaque: Belvo's examples (`0284557b-df47-450a-po09e-7875195c2259`) are not valid UUIDs. The parsers check only
//! that a URL path, a key of the table and a message group can contain the id without escaping.

use std::fmt;

/// The maximum length of an id, in bytes: SQS allows 128 characters in a message group id.
const MAX_BYTES: usize = 128;

/// The error for a text that is not 1 to 128 characters of `A-Z a-z 0-9 _ -`.
///
/// It does not repeat the text, which is untrusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 128 characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidId;

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses an id.
            ///
            /// # Errors
            /// [`InvalidId`] if the text is empty, too long or contains another character.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                is_opaque_id(text).then(|| Self(text.into())).ok_or(InvalidId)
            }

            /// Returns the id as Belvo wrote it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// The id of a Belvo link: a user's connection to an institution.
    LinkId
}
opaque_id! {
    /// The id of a Belvo object: an account, a transaction, an owner ...
    ObjectId
}

/// The id of an asynchronous request, without dashes and in lower case: Belvo writes the same id both ways.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// Parses an id, with or without dashes.
    ///
    /// # Errors
    /// [`InvalidId`] if the text is not an id, or consists of dashes.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let plain = text.replace('-', "").to_ascii_lowercase();
        (is_opaque_id(text) && !plain.is_empty()).then(|| Self(plain.into())).ok_or(InvalidId)
    }

    /// Returns the id without dashes, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_opaque_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn belvos_own_non_hexadecimal_examples_are_ids() {
        for id in ["0284557b-df47-450a-po09e-7875195c2259", "7d0afe4c-373d-490c-90e4-06xx4cdd4a17"] {
            assert_eq!(LinkId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn nothing_that_needs_escaping_is_an_id() {
        for text in ["", "a/b", "a b", "..", "a#b", "é", "a\n", &"x".repeat(129)] {
            assert_eq!(ObjectId::parse(text), Err(InvalidId), "{text:?}");
        }
        assert!(ObjectId::parse(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn both_spellings_of_a_request_id_are_the_same_request() {
        let dashed = RequestId::parse("4363B08B-51eb-4350-9c74-5df5ac92a7f6").unwrap();
        assert_eq!(dashed, RequestId::parse("4363b08b51eb43509c745df5ac92a7f6").unwrap());
        assert_eq!(RequestId::parse("---"), Err(InvalidId));
    }
}
