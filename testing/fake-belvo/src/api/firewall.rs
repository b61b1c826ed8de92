//! The firewall in front of the API: a limit on the length of the URL, and a check of each query parameter and each member of a
//! body against the API's schema. It responds with HTML.

use axum::{
    http::{Method, StatusCode},
    response::Response,
};

use crate::{
    api::bodies,
    call::{Call, Target},
    config::{IdIn, Settings},
    error::html,
    world::catalogue::{Kind, Retrieval},
};

/// The maximum length of a query, as the default header buffer of nginx.
const MAX_QUERY_BYTES: usize = 8_000;

/// Returns the response of the firewall if it rejects the request.
pub(crate) fn refusal(call: &Call, settings: &Settings) -> Option<Response> {
    if call.query.len() > MAX_QUERY_BYTES {
        return Some(html(StatusCode::URI_TOO_LONG));
    }
    let strange = call.parameters.iter().any(|(name, _)| !known(call, name, settings)) || !bodies::passes(call);
    strange.then(|| html(StatusCode::FORBIDDEN))
}

fn known(call: &Call, parameter: &str, settings: &Settings) -> bool {
    match call.target() {
        Target::List(resource) if call.method != Method::GET => {
            let retrieved = !matches!(resource.retrieval, Retrieval::Never);
            retrieved && resource.projected.0 && matches!(parameter, "fields" | "omit")
        }
        Target::List(resource) => {
            let undocumented = resource.filter(parameter).is_some_and(|(column, _)| column.kind == Kind::Undocumented);
            resource.knows(parameter) && !(undocumented && settings.id_in == IdIn::Refused)
        }
        Target::One(..) if call.method != Method::GET => false,
        Target::One(resource, _) => resource.projected.1 && matches!(parameter, "fields" | "omit"),
        Target::Root | Target::Token | Target::Refresh(_) => false,
        Target::Unknown => true,
    }
}
