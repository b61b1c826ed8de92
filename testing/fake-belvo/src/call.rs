//! A parsed request to `/api/`.

use axum::{
    body::{Bytes, to_bytes},
    extract::{Query, Request},
    http::{Method, header},
};

use crate::world::catalogue::{Resource, by_path};

/// The maximum size of a body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The target of a path.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// `/api/`, which SDKs request to log in.
    Root,
    Token,
    List(&'static Resource),
    One(&'static Resource, &'a str),
    /// The refresh of the link with this id.
    Refresh(&'a str),
    Unknown,
}

/// A parsed request.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The raw query.
    pub(crate) query: String,
    /// The decoded query parameters, in their order.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) host: Option<String>,
    pub(crate) authorization: Option<String>,
    /// Whether `X-Belvo-Request-Mode` is exactly `async`.
    pub(crate) asynchronous: bool,
    /// `None` if it was too large or incomplete.
    pub(crate) body: Option<Bytes>,
}

impl Call {
    pub(crate) async fn read(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let mode = parts.headers.get("x-belvo-request-mode");
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            parameters: Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default(),
            host: header(header::HOST),
            authorization: header(header::AUTHORIZATION),
            asynchronous: mode.is_some_and(|mode| mode == "async"),
            method: parts.method,
            body: to_bytes(body, MAX_BODY_BYTES).await.ok(),
        }
    }

    /// Returns the last value of a query parameter, as Django does.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the target of the path. Every path of Belvo's API ends with a slash.
    pub(crate) fn target(&self) -> Target<'_> {
        let Some(rest) = self.path.strip_prefix("/api/") else {
            return Target::Unknown;
        };
        if rest.is_empty() {
            return Target::Root;
        }
        let Some(rest) = rest.strip_suffix('/') else {
            return Target::Unknown;
        };
        if rest == "token" {
            return Target::Token;
        }
        if let Some(resource) = by_path(rest) {
            return Target::List(resource);
        }
        if let Some(id) = rest.strip_prefix("links/").and_then(|rest| rest.strip_suffix("/refresh")) {
            return Target::Refresh(id);
        }
        let one = rest.rsplit_once('/').and_then(|(path, id)| Some(Target::One(by_path(path)?, id)));
        one.filter(|_| !rest.ends_with('/')).unwrap_or(Target::Unknown)
    }

    /// Returns the path with `{id}` in place of ids, for the request log.
    pub(crate) fn template(&self) -> String {
        match self.target() {
            Target::Root => "/api/".into(),
            Target::Token => "/api/token/".into(),
            Target::List(resource) => format!("/api/{}/", resource.path),
            Target::One(resource, _) => format!("/api/{}/{{id}}/", resource.path),
            Target::Refresh(_) => "/api/links/{id}/refresh/".into(),
            Target::Unknown => "(unknown)".into(),
        }
    }

    /// Returns the requested page; 0 if it is not a number.
    pub(crate) fn page(&self) -> usize {
        self.parameter("page").map_or(1, |page| page.parse().unwrap_or(0))
    }
}
