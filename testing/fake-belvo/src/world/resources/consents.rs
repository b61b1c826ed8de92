//! Consents of Brazilian users, with an expiry. Lists filter them by the user's document, not by the link.

use serde_json::{Value, json};

use super::shaped::{by, resource, text_of};
use crate::{
    time::{Day, Timestamp},
    world::{
        Link, Place,
        catalogue::{Cell, Drawn, EXACT, Kind, Resource, Retrieval},
    },
};

/// The validity of a consent in days.
const DAYS: i64 = 365;
const LOGO: &str = "https://logos.example/bank.svg";

/// `/api/consents/`.
pub(crate) static CONSENTS: Resource = Resource {
    required: Some("user_document"),
    projected: (true, false),
    columns: &[by("user_document", Kind::Text, EXACT, |place| Cell::text(document(place)))],
    retrieval: Retrieval::Never,
    drawn: Some(Drawn { shape: |_| "consents", special: consent }),
    ..resource(4, "CONSENT", "consents", |_| "consents")
};

fn consent(place: Place<'_>, name: &str) -> Option<String> {
    let institution = place.link.institution;
    Some(match name {
        "document_number" => text_of(document(place)),
        "belvo_institution_name" => text_of(institution.name),
        "institution_display_name" => text_of(institution.display_name),
        "institution_icon_logo" => text_of(LOGO),
        "expired_at" => text_of(Timestamp::millis(due(place.link).midnight())),
        "status" => text_of(if place.link.consent_expired { "EXPIRED" } else { "AUTHORISED" }),
        "undefined_consent_expiration" => text_of(false),
        "consent_duration" => text_of(12_u64),
        _ => return None,
    })
}

/// Returns the data of the webhooks about the link's consent, or `None` if it has none.
pub(crate) fn announcement(link: &Link, with_due_date: bool) -> Option<Value> {
    let id = link.place(&CONSENTS, 0)?.located_id();
    let mut data = json!({
        "consent_id": id,
        "action": "renew",
        "institution": link.institution.name,
        "institution_display_name": link.institution.display_name,
        "institution_icon_logo": LOGO,
    });
    if with_due_date {
        data["consent_due_date"] = due(link).to_string().into();
    }
    Some(data)
}

fn due(link: &Link) -> Day {
    Day::of(link.row.created).plus(DAYS)
}

fn document(place: Place<'_>) -> String {
    place.dice().digits("document", 11)
}
