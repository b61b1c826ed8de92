//! Resources of social security: employments, employment records and metrics.

use super::shaped::{COLLECTED, CREATED, ID, LINK, announced, its, one_number, resource, totals};
use crate::{
    schema::{Body, retrievals},
    world::catalogue::{INTERVAL, Kind, ONE_OF, Resource, Retrieval},
};

/// `/api/br/employments/`.
pub(crate) static EMPLOYMENTS: Resource = Resource {
    required: Some("link"),
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::WITH_DAYS)),
    columns: &[LINK, ID, its("start_date", Kind::Day, INTERVAL), its("end_date", Kind::Day, INTERVAL), CREATED],
    announced: Some(announced(
        |link| totals("total_employments", link, &EMPLOYMENTS),
        ("new_employments_available", |added| one_number("new_employments", added)),
    )),
    ..resource(11, "EMPLOYMENTS", "br/employments", |_| "employments")
};

/// `/api/co/employments/`. Source: Belvo's OpenAPI description of November 2024 (1.176.0); that of 2026-04-23
/// leaves Colombia out.
pub(crate) static COLOMBIAN_EMPLOYMENTS: Resource = Resource {
    country: Some("CO"),
    required: Some("link"),
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::WITH_DAYS)),
    columns: &[LINK, ID, CREATED],
    announced: Some(announced(
        |link| totals("total_employments", link, &COLOMBIAN_EMPLOYMENTS),
        ("new_employments_available", |added| one_number("new_employments", added)),
    )),
    ..resource(12, "EMPLOYMENTS", "co/employments", |_| "employments_co")
};

/// `/api/employment-records/`.
pub(crate) static EMPLOYMENT_RECORDS: Resource = Resource {
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::WITH_PDF)),
    columns: &[LINK, ID, its("internal_identification", Kind::Text, ONE_OF), COLLECTED, CREATED],
    announced: Some(announced(
        |link| totals("total_employment_record_profiles", link, &EMPLOYMENT_RECORDS),
        ("employment_changes", |_| r#"{"employment_changes":["EMPLOYED","SALARY_INCREASED"]}"#.into()),
    )),
    ..resource(13, "EMPLOYMENT_RECORDS", "employment-records", |_| "employment_records")
};

/// `/api/employment-metrics/`.
pub(crate) static EMPLOYMENT_METRICS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::EMPLOYMENT_METRICS)),
    columns: &[LINK],
    announced: Some(announced(
        |link| totals("total_employment_metrics", link, &EMPLOYMENT_METRICS),
        ("new_employment_metrics_available", |added| one_number("new_employment_metrics", added)),
    )),
    ..resource(14, "EMPLOYMENT_METRICS", "employment-metrics", |_| "employment_metrics")
};

/// `/api/mx/current-employments/`. Belvo documents the resource and not its webhook.
pub(crate) static CURRENT_EMPLOYMENTS: Resource = Resource {
    projected: (false, false),
    columns: &[LINK, ID, COLLECTED, CREATED],
    announced: Some(announced(
        |link| totals("total_current_employments", link, &CURRENT_EMPLOYMENTS),
        ("new_current_employments_available", |added| one_number("new_current_employments", added)),
    )),
    ..resource(15, "CURRENT_EMPLOYMENTS", "mx/current-employments", |_| "current_employments")
};
