//! What is wrong with an `Authorization` header that does not match the secret.
//!
//! The words are for the log: they tell an operator what to correct in Belvo's dashboard. They repeat nothing of the header. The
//! response to the sender does not have them.

use runtime::Scheme;

/// A kind of wrong header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The header is missing or empty.
    NoHeader,
    /// The value begins with `Authorization:`. Belvo's dashboard takes the value alone.
    HeaderName,
    /// The value, or what follows the scheme, is in quotes.
    Quotes,
    /// The scheme is not one of the secret's, or is missing.
    Scheme,
    /// There is white space that does not belong there.
    WhiteSpace,
    /// The scheme is right, but the token, user or password is not.
    UnknownToken,
}

impl Mismatch {
    /// Returns what is wrong with a header that does not match.
    pub(crate) fn of(header: &str, allowed: &[Scheme]) -> Self {
        let trimmed = header.trim();
        if trimmed.is_empty() {
            return Self::NoHeader;
        }
        if has_header_name(trimmed) {
            return Self::HeaderName;
        }
        let (scheme, credentials) = parts(trimmed);
        if is_quoted(trimmed) || is_quoted(credentials.trim()) {
            return Self::Quotes;
        }
        if !Scheme::named(scheme).is_some_and(|scheme| allowed.contains(&scheme)) {
            return Self::Scheme;
        }
        if trimmed.len() != header.len() || credentials.starts_with(char::is_whitespace) {
            return Self::WhiteSpace;
        }
        Self::UnknownToken
    }

    /// Returns the value of the log field `mismatch`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoHeader => "no header",
            Self::HeaderName => "header name in the value",
            Self::Quotes => "quotes",
            Self::Scheme => "scheme",
            Self::WhiteSpace => "white space",
            Self::UnknownToken => "unknown token",
        }
    }
}

/// Splits a header at the first blank into scheme and credentials.
pub(crate) fn parts(header: &str) -> (&str, &str) {
    header.split_once(' ').unwrap_or((header, ""))
}

/// Returns `true` if the value begins with the name of the header, also in quotes as in `"Authorization": "Bearer ..."`.
fn has_header_name(header: &str) -> bool {
    const NAME: &str = "authorization";
    let header = header.trim_start_matches(|character: char| is_quote(character) || "{ ".contains(character));
    let (name, behind) = header.split_at_checked(NAME.len()).unwrap_or_default();
    name.eq_ignore_ascii_case(NAME) && !behind.starts_with(char::is_alphanumeric)
}

fn is_quoted(text: &str) -> bool {
    text.starts_with(is_quote) || text.ends_with(is_quote)
}

fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' | '«' | '»')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(header: &str) -> &'static str {
        Mismatch::of(header, &[Scheme::Bearer]).as_str()
    }

    #[test]
    fn each_way_to_mistake_the_header_has_its_word() {
        for (header, expected) in [
            ("", "no header"),
            ("  ", "no header"),
            ("Authorization: Bearer x", "header name in the value"),
            ("authorization:Bearer x", "header name in the value"),
            ("AUTHORIZATION : x", "header name in the value"),
            ("Authorization Bearer x", "header name in the value"),
            ("\"Authorization\": \"Bearer x\"", "header name in the value"),
            ("{ \"Authorization\": \"Bearer x\" }", "header name in the value"),
            ("\"Bearer x\"", "quotes"),
            ("Bearer \"x\"", "quotes"),
            ("Bearer “x”", "quotes"),
            ("x", "scheme"),
            ("Token x", "scheme"),
            ("Bearer: x", "scheme"),
            ("Bearer=x", "scheme"),
            ("Basic eA==", "scheme"),
            ("AuthorizationBearer x", "scheme"),
            ("Bearer  x", "white space"),
            (" Bearer x", "white space"),
            ("Bearer x ", "white space"),
            ("Bearer\tx", "scheme"),
            ("Bearer", "unknown token"),
            ("Bearer x", "unknown token"),
            ("bearer x", "unknown token"),
        ] {
            assert_eq!(word(header), expected, "{header:?}");
        }
    }

    #[test]
    fn the_secret_decides_which_scheme_is_right() {
        assert_eq!(Mismatch::of("Bearer x", &[Scheme::Basic]), Mismatch::Scheme);
        assert_eq!(Mismatch::of("Basic eA==", &[Scheme::Bearer, Scheme::Basic]), Mismatch::UnknownToken);
    }

    proptest! {
        #[test]
        fn any_header_has_a_word(header: String) {
            prop_assert!(!word(&header).is_empty());
        }
    }
}
