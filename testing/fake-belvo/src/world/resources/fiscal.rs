//! Resources of tax authorities: invoices, returns, retentions, status.

use serde_json::{Value, json};

use super::shaped::{CREATED, ID, LINK, announced, by, day, its, one_number, present, resource, text_of, totals};
use crate::{
    amount::Amount,
    schema::{Body, retrievals},
    time::Day,
    world::{
        Link, Place,
        catalogue::{Cell, Drawn, INTERVAL, Kind, ONE_OF, Resource, Retrieval},
        shapes,
    },
};

/// The number of days in the `initial_*` webhooks. Each `historical_*` webhook is about a year before them.
const INITIAL_DAYS: i64 = 30;
const YEAR_DAYS: i64 = 365;
const MAX_YEARS: i64 = 5;

/// `/api/invoices/`.
pub(crate) static INVOICES: Resource = Resource {
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::INVOICES)),
    columns: &[
        LINK,
        ID,
        CREATED,
        its("invoice_date", Kind::Day, INTERVAL),
        its("invoice_identification", Kind::Text, ONE_OF),
        its("status", Kind::Text, ONE_OF),
        its("type", Kind::Text, ONE_OF),
        its("total_amount", Kind::Amount, INTERVAL),
    ],
    drawn: Some(Drawn { shape: |_| "invoices", special: invoice }),
    announced: Some(announced(
        |link| invoice_totals(link, &INVOICES, "invoice_date"),
        ("new_invoices_available", |added| one_number("new_invoices", added)),
    )),
    ..resource(19, "INVOICES", "invoices", |_| "invoices")
};

/// `/api/cl/invoices/`.
pub(crate) static CHILEAN_INVOICES: Resource = Resource {
    country: Some("CL"),
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::CHILEAN_INVOICES)),
    columns: &[LINK, ID, CREATED],
    drawn: Some(Drawn { shape: |_| "invoices_cl", special: invoice }),
    announced: Some(announced(
        |link| invoice_totals(link, &CHILEAN_INVOICES, "issue_date"),
        ("new_invoices_available", |added| one_number("new_invoices", added)),
    )),
    ..resource(20, "INVOICES", "cl/invoices", |_| "invoices_cl")
};

/// Returns the direction, which alternates, or the date, which spreads over the history of the link.
fn invoice(place: Place<'_>, name: &str) -> Option<String> {
    match name {
        "type" => Some(text_of(if place.index.is_multiple_of(2) { "INFLOW" } else { "OUTFLOW" })),
        "invoice_date" | "issue_date" => {
            let loaded = place.link.tables[place.resource].loaded;
            let (first, last) = (shapes::first_day(place), place.link.history.1);
            let steps = i64::try_from(loaded.max(2) - 1).unwrap_or(i64::MAX);
            let step = i64::try_from(place.index).unwrap_or_default();
            let days_ago = i64::try_from(place.dice().roll("late", 4)).unwrap_or_default();
            let loaded_day = first.plus((last.0 - first.0) * step / steps);
            let late_day = Day::of(place.row.created).plus(-days_ago);
            Some(text_of(if place.index < loaded { loaded_day } else { late_day }))
        }
        _ => None,
    }
}

/// Returns the webhooks of the last thirty days, then of each year, for each direction.
fn invoice_totals(link: &Link, resource: &Resource, date: &str) -> Vec<(&'static str, String)> {
    let recent = link.history.1.plus(-INITIAL_DAYS);
    let directions = [
        ("INFLOW", "initial_inflow_update", "historical_inflow_update"),
        ("OUTFLOW", "initial_outflow_update", "historical_outflow_update"),
    ];
    let (mut initial, mut historical) = (Vec::new(), Vec::new());
    for (direction, initial_code, historical_code) in directions {
        let of_direction = |place: &Place<'_>| invoice(*place, "type").is_some_and(|text| text.contains(direction));
        let found = present(link, resource).filter(of_direction).filter_map(|place| day(place, date));
        let (young, old): (Vec<Day>, Vec<Day>) = found.partition(|day| *day > recent);
        initial.push((initial_code, invoice_data(&young)));
        for year in 0..MAX_YEARS {
            let (after, until) = (recent.plus(-YEAR_DAYS * (year + 1)), recent.plus(-YEAR_DAYS * year));
            let days: Vec<Day> = old.iter().copied().filter(|day| *day > after && *day <= until).collect();
            if year == 0 || !days.is_empty() {
                historical.push((historical_code, invoice_data(&days)));
            }
        }
    }
    initial.extend(historical);
    initial
}

fn invoice_data(days: &[Day]) -> String {
    let text = |day: Option<&Day>| day.map(Day::to_string);
    json!({
        "total_invoices": days.len(),
        "first_invoice_date": text(days.iter().min()),
        "last_invoice_date": text(days.iter().max()),
    })
    .to_string()
}

/// `/api/tax-returns/`: yearly and monthly ones in turn; people or companies, which the link decides.
pub(crate) static TAX_RETURNS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::By(retrievals::tax_returns)),
    columns: &[
        LINK,
        ID,
        CREATED,
        by("ejercicio", Kind::Amount, INTERVAL, |place| {
            Amount::parse(&tax_year(place).to_string()).map_or(Cell::Missing, |year| Cell::ordinal(year.ordinal()))
        }),
        by("tipo_declaracion", Kind::Text, ONE_OF, |place| Cell::text(declaration(place))),
    ],
    drawn: Some(Drawn {
        shape: tax_return,
        special: |place, name| (name == "informacion_general").then(|| general_information(place).to_string()),
    }),
    announced: Some(announced(
        tax_return_totals,
        ("new_tax_returns_available", |added| one_number("new_tax_returns", added)),
    )),
    ..resource(21, "TAX_RETURNS", "tax-returns", tax_return)
};

fn yearly(place: Place<'_>) -> bool {
    place.index.is_multiple_of(2)
}

fn tax_return(place: Place<'_>) -> &'static str {
    match (place.link.seed.is_multiple_of(2), yearly(place)) {
        (true, true) => "tax_returns_personal_yearly",
        (true, false) => "tax_returns_personal_monthly",
        (false, true) => "tax_returns_business_yearly",
        (false, false) => "tax_returns_business_monthly",
    }
}

/// Returns the tax year: one earlier for each yearly return, for ten years.
fn tax_year(place: Place<'_>) -> i64 {
    let last: i64 = place.link.history.1.to_string().get(..4).and_then(|year| year.parse().ok()).unwrap_or(2024);
    let back = if yearly(place) { 1 + place.index / 2 % 10 } else { place.index / 24 % 10 };
    last - i64::try_from(back).unwrap_or_default()
}

fn declaration(place: Place<'_>) -> &'static str {
    if place.dice().once_in("complementary", 5) { "Complementaria" } else { "Normal" }
}

fn general_information(place: Place<'_>) -> Value {
    json!({
        "ejercicio": tax_year(place).to_string(),
        "tipo_declaracion": declaration(place),
        "numero_operacion": place.revised_dice().digits("operation", 12),
        "periodo": if yearly(place) { "Del Ejercicio" } else { "Mensual" },
    })
}

fn tax_return_totals(link: &Link) -> Vec<(&'static str, String)> {
    let of = |name: &str, wanted: bool| {
        let years: Vec<i64> =
            present(link, &TAX_RETURNS).filter(|place| yearly(*place) == wanted).map(tax_year).collect();
        let data = json!({
            "type": name,
            "total_tax_returns": years.len(),
            "first_tax_return_year": years.iter().min(),
            "last_tax_return_year": years.iter().max(),
        });
        ("historical_update", data.to_string())
    };
    vec![of("yearly", true), of("monthly", false)]
}

/// `/api/tax-status/`.
pub(crate) static TAX_STATUS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_PDF)),
    columns: &[LINK, ID, CREATED],
    announced: Some(announced(
        |link| status_totals(link, &TAX_STATUS),
        ("new_tax_status_available", |added| one_number("new_tax_status", added)),
    )),
    ..resource(22, "TAX_STATUS", "tax-status", |_| "tax_status")
};

/// `/api/cl/tax-status/`.
pub(crate) static CHILEAN_TAX_STATUS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_PDF)),
    country: Some("CL"),
    columns: &[LINK, ID, CREATED],
    announced: Some(announced(
        |link| status_totals(link, &CHILEAN_TAX_STATUS),
        ("new_tax_status_available", |added| one_number("new_tax_status", added)),
    )),
    ..resource(23, "TAX_STATUS", "cl/tax-status", |_| "tax_status_cl")
};

fn status_totals(link: &Link, resource: &Resource) -> Vec<(&'static str, String)> {
    let data = json!({
        "total_tax_status": link.table(resource).present().count(),
        "last_status_change_date": link.history.0.to_string(),
    });
    vec![("historical_update", data.to_string())]
}

/// `/api/tax-compliance-status/`. They carry no link.
pub(crate) static TAX_COMPLIANCE_STATUS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_PDF)),
    columns: &[LINK, ID, CREATED],
    announced: Some(announced(
        |link| totals("total_tax_compliance_status", link, &TAX_COMPLIANCE_STATUS),
        ("new_tax_compliance_status_available", |added| one_number("new_tax_compliance_status", added)),
    )),
    ..resource(24, "TAX_COMPLIANCE_STATUS", "tax-compliance-status", |_| "tax_compliance_status")
};

/// `/api/tax-retentions/`.
pub(crate) static TAX_RETENTIONS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::TAX_RETENTIONS)),
    columns: &[LINK, CREATED],
    announced: Some(announced(
        retention_totals,
        ("new_tax_retentions_available", |added| one_number("new_tax_retentions", added)),
    )),
    ..resource(25, "TAX_RETENTIONS", "tax-retentions", |_| "tax_retentions")
};

fn retention_totals(link: &Link) -> Vec<(&'static str, String)> {
    let days: Vec<Day> = present(link, &TAX_RETENTIONS).filter_map(|place| day(place, "issued_at")).collect();
    let text = |day: Option<&Day>| day.map(Day::to_string);
    let data = json!({
        "total_tax_retentions": link.table(&TAX_RETENTIONS).present().count(),
        "first_tax_retention_date": text(days.iter().min()),
        "last_tax_retention_date": text(days.iter().max()),
    });
    vec![("historical_update", data.to_string())]
}

/// `/api/financial-statements/`. Its `historical_update` counts new ones, not a total.
pub(crate) static FINANCIAL_STATEMENTS: Resource = Resource {
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::PLAIN)),
    columns: &[LINK, ID, CREATED],
    drawn: Some(Drawn {
        shape: |_| "financial_statements",
        special: |place, name| (name == "year").then(|| text_of(tax_year(place).to_string())),
    }),
    announced: Some(announced(
        |link| totals("new_financial_statements", link, &FINANCIAL_STATEMENTS),
        ("new_financial_statements_available", |added| one_number("new_financial_statements", added)),
    )),
    ..resource(26, "FINANCIAL_STATEMENTS", "financial-statements", |_| "financial_statements")
};
