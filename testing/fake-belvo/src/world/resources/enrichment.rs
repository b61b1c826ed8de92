//! Resources that Belvo derives from a link's transactions.

use serde_json::json;

use super::shaped::{ACCOUNT, ID, LINK, announced, one_number, present, resource, totals};
use crate::{
    schema::{Body, retrievals},
    world::{
        Link,
        catalogue::{Drawn, Resource, Retrieval},
        shapes::Generator,
    },
};

/// `/api/incomes/`.
pub(crate) static INCOMES: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::INCOMES)),
    in_account: true,
    columns: &[LINK, ACCOUNT],
    drawn: Some(Drawn {
        shape: |_| "incomes",
        special: |place, name| {
            (name == "number_of_income_streams").then(|| Generator::of(place).length("income_streams").to_string())
        },
    }),
    announced: Some(announced(income_totals, ("new_incomes_available", |added| one_number("new_incomes", added)))),
    ..resource(16, "INCOMES", "incomes", |_| "incomes")
};

fn income_totals(link: &Link) -> Vec<(&'static str, String)> {
    let streams: usize = present(link, &INCOMES).map(|place| Generator::of(place).length("income_streams")).sum();
    let total = link.table(&INCOMES).present().count();
    vec![("historical_update", json!({ "total_incomes": total, "number_of_income_streams": streams }).to_string())]
}

/// `/api/recurring-expenses/`. Each embeds its whole account.
pub(crate) static RECURRING_EXPENSES: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::RECURRING_EXPENSES)),
    in_account: true,
    columns: &[LINK, ID, ACCOUNT],
    announced: Some(announced(
        |link| totals("total_recurring_expenses", link, &RECURRING_EXPENSES),
        ("new_recurring_expenses_available", |added| one_number("new_recurring_expenses", added)),
    )),
    ..resource(17, "RECURRING_EXPENSES", "recurring-expenses", |_| "recurring_expenses")
};

/// `/api/risk-insights/`.
pub(crate) static RISK_INSIGHTS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_TOKEN)),
    in_account: true,
    columns: &[LINK, ID, ACCOUNT],
    announced: Some(announced(
        |link| totals("total_risk_insights", link, &RISK_INSIGHTS),
        ("new_risk_insights_available", |added| one_number("new_risk_insights", added)),
    )),
    ..resource(18, "RISK_INSIGHTS", "risk-insights", |_| "risk_insights")
};
