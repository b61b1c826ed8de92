//! A link as Belvo has it, as far as it matters here.

use serde::Deserialize;

use crate::Error;
use crate::links::MAX_EXTERNAL_ID;
use crate::page::object;

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Link {
    /// Belvo's word for whether it can use the link: `valid`, `invalid`, `unconfirmed`, `token_required`.
    pub status: Option<String>,
    /// The institution's name.
    pub institution: Option<String>,
    /// The id that the customer gave it.
    pub external_id: Option<String>,
}

impl Link {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let link: Self = object(body).ok_or(Error::Malformed("not a link"))?;
        let institution = link.institution.filter(|name| is_name(name));
        let external_id = link.external_id.filter(|id| (1..=MAX_EXTERNAL_ID).contains(&id.len()));
        Ok(Self { institution, external_id, ..link })
    }
}

/// An institution's name goes into the table: one that is none of Belvo's does not.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_whatever_else_it_says() {
        let body = br#"{"id":"l","institution":"sat_mx_fiscal","status":"valid","new":[1.10],"external_id":"u"}"#;
        let text = |text: &str| Some(text.to_owned());
        let link = Link { status: text("valid"), institution: text("sat_mx_fiscal"), external_id: text("u") };
        assert_eq!(Link::read(body), Ok(link));
        assert_eq!(Link::read(b"{}"), Ok(Link { status: None, institution: None, external_id: None }));
        for body in ["[]", r#"["valid","sat_mx_fiscal"]"#, r#"{"status":"valid","status":"invalid"}"#, "<html>"] {
            assert_eq!(Link::read(body.as_bytes()), Err(Error::Malformed("not a link")), "{body}");
        }
    }

    #[test]
    fn what_is_no_name_is_no_institution() {
        let body = br#"{"institution":"Banco do Brasil, S.A.","status":"valid"}"#;
        assert_eq!(Link::read(body).unwrap().institution, None);
    }
}
