//! Institutions: a short, fixed list of sandbox banks, one fiscal and one employment institution.

use crate::{
    json::Object,
    world::{
        Place,
        catalogue::{Cell, Column, EXACT, Holding, Kind, ONE_OF, Read, Resource, Retrieval, Written},
    },
};

/// A bank or an authority.
#[derive(Debug)]
pub(crate) struct Institution {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) kind: &'static str,
    website: &'static str,
    color: &'static str,
    integration: &'static str,
    resources: &'static [&'static str],
}

impl Institution {
    pub(crate) fn currency(&self) -> &'static str {
        match self.country {
            "BR" => "BRL",
            "CL" => "CLP",
            "CO" => "COP",
            _ => "MXN",
        }
    }

    /// Returns `true` if its users give a consent, which can expire.
    pub(crate) fn open_finance(&self) -> bool {
        self.integration == "openfinance"
    }

    pub(crate) fn brazilian(&self) -> bool {
        self.country == "BR"
    }
}

const BANK: &[&str] =
    &["ACCOUNTS", "BALANCES", "INCOMES", "OWNERS", "RECURRING_EXPENSES", "RISK_INSIGHTS", "TRANSACTIONS"];
const OPEN_FINANCE: &[&str] = &[
    "ACCOUNTS",
    "BALANCES",
    "BILLS",
    "EXCHANGES",
    "INCOMES",
    "INVESTMENTS",
    "INVESTMENT_TRANSACTIONS",
    "OWNERS",
    "RECURRING_EXPENSES",
    "RISK_INSIGHTS",
    "TRANSACTIONS",
];
const FISCAL: &[&str] =
    &["FINANCIAL_STATEMENTS", "INVOICES", "TAX_COMPLIANCE_STATUS", "TAX_RETENTIONS", "TAX_RETURNS", "TAX_STATUS"];
const MEXICAN_EMPLOYMENT: &[&str] = &["CURRENT_EMPLOYMENTS", "EMPLOYMENT_METRICS", "EMPLOYMENT_RECORDS", "OWNERS"];

/// All institutions. The first is the default of a new link.
pub(crate) static BANKS: [Institution; 10] = [
    bank(1003, "erebor_mx_retail", "Erebor Mexico", "MX", "#056dae"),
    bank(1006, "gringotts_mx_retail", "Gringotts Mexico", "MX", "#7a5c1e"),
    bank(1012, "moria_mx_retail", "Moria Mexico", "MX", "#1f2d3d"),
    open_finance(1101, "ofmockbank_br_retail", "Mock Bank Brasil", "#0b7a3b"),
    open_finance(1102, "erebor_br_retail", "Erebor Brasil", "#056dae"),
    authority(1201, "tatooine_mx_fiscal", "Tatooine Mexico", "MX", "fiscal", FISCAL),
    authority(1301, "planet_mx_employment", "Planet Mexico", "MX", "employment", MEXICAN_EMPLOYMENT),
    authority(1202, "tatooine_cl_fiscal", "Tatooine Chile", "CL", "fiscal", &["INVOICES", "TAX_STATUS"]),
    authority(1302, "planet_br_employment", "Planet Brasil", "BR", "employment", &["EMPLOYMENTS"]),
    authority(1303, "planet_co_employment", "Planet Colombia", "CO", "employment", &["EMPLOYMENTS"]),
];

/// `/api/institutions/`.
pub(crate) static INSTITUTIONS: Resource = Resource {
    number: 1,
    webhook_type: "INSTITUTIONS",
    path: "institutions",
    holding: Holding::Shared,
    country: None,
    required: None,
    projected: (false, false),
    columns: &[
        text("country_code", ONE_OF, |place| Cell::text(of(place).country)),
        text("display_name", EXACT, |place| Cell::text(of(place).display_name)),
        text("name", ONE_OF, |place| Cell::text(of(place).name)),
        text("resources", &["allin"], |place| Cell::List(of(place).resources)),
        text("status", ONE_OF, |_| Cell::text("healthy")),
        text("type", ONE_OF, |place| Cell::text(of(place).kind)),
        text("website", EXACT, |place| Cell::text(of(place).website)),
    ],
    in_account: false,
    retrieval: Retrieval::Never,
    drawn: None,
    id: |place| of(place).id.to_string(),
    write,
    announced: None,
};

pub(crate) fn by_name(name: &str) -> Option<&'static Institution> {
    BANKS.iter().find(|institution| institution.name == name)
}

fn of(place: Place<'_>) -> &'static Institution {
    &BANKS[place.index]
}

fn write(place: Place<'_>, object: &mut Object<'_>, _: &mut Written) {
    let institution = of(place);
    object.put("id", institution.id);
    object.put("name", institution.name);
    object.put("type", institution.kind);
    object.put("website", institution.website);
    object.put("display_name", institution.display_name);
    object.put("country_codes", [institution.country].as_slice());
    object.put("primary_color", institution.color);
    object.nulls(&["logo", "icon_logo", "text_logo", "code"]);
    object.list_of_one("form_fields", |field| {
        field.put("name", "username");
        field.put("type", "text");
        field.put("label", "Document");
        field.put("validation", "^.{1,}$");
        field.put("placeholder", "ABC333333A33");
        field.put("validation_message", "Invalid document");
    });
    object.put("features", [""; 0].as_slice());
    object.put("resources", institution.resources);
    object.put("integration_type", institution.integration);
    object.put("status", "healthy");
    object.nulls(&["openbanking_information"]);
}

const fn text(
    name: &'static str,
    operators: &'static [&'static str],
    read: for<'a> fn(Place<'a>) -> Cell<'a>,
) -> Column {
    Column { name, kind: Kind::Text, operators, read: Read::By(read) }
}

const fn bank(
    id: u64,
    name: &'static str,
    display_name: &'static str,
    country: &'static str,
    color: &'static str,
) -> Institution {
    let website = "https://www.bank.example/";
    Institution {
        id,
        name,
        display_name,
        country,
        kind: "bank",
        website,
        color,
        integration: "credentials",
        resources: BANK,
    }
}

const fn open_finance(id: u64, name: &'static str, display_name: &'static str, color: &'static str) -> Institution {
    let bank = bank(id, name, display_name, "BR", color);
    Institution { integration: "openfinance", resources: OPEN_FINANCE, ..bank }
}

const fn authority(
    id: u64,
    name: &'static str,
    display_name: &'static str,
    country: &'static str,
    kind: &'static str,
    resources: &'static [&'static str],
) -> Institution {
    let bank = bank(id, name, display_name, country, "#444444");
    Institution { kind, resources, website: "https://www.authority.example/", ..bank }
}
