//! A link as Belvo has it, as far as it matters here.

use crate::Error;
use crate::links::external_id;
use crate::members::{decoded, members, text};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Belvo's word for whether it can use the link: `valid`, `invalid`, `unconfirmed`, `token_required`.
    pub status: Option<String>,
    /// The institution's name.
    pub institution: Option<String>,
    /// The id that the customer gave it.
    pub external_id: Option<String>,
}

impl Link {
    /// Reads a link. A member of another type than documented counts as absent.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let body = decoded(body);
        let [status, institution, id] =
            members(&body, ["status", "institution", "external_id"]).ok_or(Error::Malformed("not a link"))?;
        let institution = text(institution).filter(|name| is_name(name));
        Ok(Self { status: text(status), institution, external_id: external_id(id) })
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
        for body in ["[]", r#"["valid","sat_mx_fiscal"]"#, r#"{"status":"valid""#, "<html>"] {
            assert_eq!(Link::read(body.as_bytes()), Err(Error::Malformed("not a link")), "{body}");
        }
    }

    #[test]
    fn an_odd_member_counts_as_absent_and_costs_only_itself() {
        let absent = Link { status: None, institution: None, external_id: None };
        for odd in ["12345", "1e999", "true", "null", "[null]", r#"{"name":"x"}"#, r#""\ud800""#, r#""""#] {
            let body = format!(r#"{{"id":7,"status":"valid","external_id":{odd},"institution":{odd}}}"#);
            let valid = Link { status: Some("valid".to_owned()), ..absent.clone() };
            assert_eq!(Link::read(body.as_bytes()), Ok(valid), "{odd}");
        }
        for body in [r#"{"status":null}"#, r#"{"status":{}}"#, r#"{"status":"valid","status":"invalid"}"#] {
            assert_eq!(Link::read(body.as_bytes()), Ok(absent.clone()), "{body}");
        }
        let latin = b"{\"external_id\":\"caf\xe9\",\"status\":\"valid\"}";
        assert_eq!(
            Link::read(latin),
            Ok(Link { status: Some("valid".to_owned()), ..absent }),
            "no id that was not sent"
        );
    }

    #[test]
    fn what_is_no_name_is_no_institution() {
        let body = br#"{"institution":"Banco do Brasil, S.A.","status":"valid"}"#;
        assert_eq!(Link::read(body).unwrap().institution, None);
    }
}
