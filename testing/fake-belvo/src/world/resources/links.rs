//! Links: one user's connection to one institution.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};

use crate::{
    ids::uuid_from,
    json::Object,
    time::Timestamp,
    world::{
        Link, Place,
        catalogue::{Cell, Column, EXACT, Holding, INTERVAL, Kind, ONE_OF, Read, Resource, Retrieval, Written},
    },
};

/// The id of the API keys that created every link.
const CREATED_BY: &str = "bcef7f35-67f2-4b19-b009-cb38795faf09";

/// `/api/links/`.
pub(crate) static LINKS: Resource = Resource {
    number: 0,
    webhook_type: "LINK",
    path: "links",
    holding: Holding::Links,
    country: None,
    required: None,
    projected: (true, false),
    columns: &[
        text("id", ONE_OF, |place| Cell::text(place.link.id.as_str())),
        text("institution", ONE_OF, |place| Cell::text(place.link.institution.name)),
        text("access_mode", EXACT, |place| Cell::text(access_mode(place.link))),
        text("created_by", &["not_in"], |_| Cell::text(CREATED_BY)),
        text("external_id", ONE_OF, |place| Cell::maybe(place.link.external_id.as_deref())),
        text("institution_user_id", ONE_OF, |place| Cell::text(institution_user_id(place.link))),
        text("refresh_rate", EXACT, |place| Cell::maybe(refresh_rate(place.link))),
        text("status", ONE_OF, |place| Cell::text(place.link.status)),
        Column {
            name: "created_at",
            kind: Kind::TimestampByDay,
            operators: INTERVAL,
            read: Read::By(|place| Cell::ordinal(place.row.created)),
        },
    ],
    in_account: false,
    retrieval: Retrieval::Never,
    drawn: None,
    id: |place| place.link.id.clone(),
    write,
    announced: None,
};

fn write(place: Place<'_>, object: &mut Object<'_>, _: &mut Written) {
    let link = place.link;
    object.put("id", &link.id);
    object.put("institution", link.institution.name);
    object.put("access_mode", access_mode(link));
    object.put("last_accessed_at", Timestamp::millis(place.row.collected));
    object.put("created_at", Timestamp::styled(place.row.created, link.seed));
    object.put("external_id", link.external_id.as_ref());
    object.put("institution_user_id", institution_user_id(link));
    object.put("status", link.status);
    object.put("created_by", CREATED_BY);
    object.put("refresh_rate", refresh_rate(link));
    object.put("credentials_storage", if link.recurrent { "store" } else { "365d" });
    object.put("fetch_resources", link.fetch_resources.as_slice());
    object.put("stale_in", "365d");
}

fn access_mode(link: &Link) -> &'static str {
    if link.recurrent { "recurrent" } else { "single" }
}

fn refresh_rate(link: &Link) -> Option<&'static str> {
    link.recurrent.then_some(link.refresh_rate)
}

/// Returns 44 characters of URL-safe Base64, the same for the same link.
fn institution_user_id(link: &Link) -> String {
    let hex = uuid_from(link.seed).replace('-', "");
    URL_SAFE.encode(hex)
}

const fn text(
    name: &'static str,
    operators: &'static [&'static str],
    read: for<'a> fn(Place<'a>) -> Cell<'a>,
) -> Column {
    Column { name, kind: Kind::Text, operators, read: Read::By(read) }
}
