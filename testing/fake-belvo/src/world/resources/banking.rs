//! Other resources of banks: owners, bills, investments, balances, exchanges.

use serde_json::json;

use super::shaped::{
    ACCOUNT, COLLECTED, CREATED, ID, LINK, LINK_ONLY, announced, day, its, one_number, present, resource, text,
    text_of, totals,
};
use crate::{
    schema::{Body, retrievals},
    time::Day,
    world::{
        Link, Place,
        catalogue::{Column, Drawn, EXACT, INTERVAL, Kind, ONE_OF, Resource, Retrieval},
    },
};

/// `/api/owners/`. Brazil has other owners, people and companies.
pub(crate) static OWNERS: Resource = Resource {
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_TOKEN)),
    columns: &[LINK, ID, CREATED, its("email", Kind::Text, EXACT), its("display_name", Kind::Text, &["icontains"])],
    announced: Some(announced(
        |link| totals("total_owners", link, &OWNERS),
        ("new_owners_available", |added| one_number("new_owners", added)),
    )),
    ..resource(5, "OWNERS", "owners", owner)
};

fn owner(place: Place<'_>) -> &'static str {
    match (place.link.institution.brazilian(), place.dice().once_in("business", 2)) {
        (false, _) => "owners",
        (true, false) => "owners_br_individual",
        (true, true) => "owners_br_business",
    }
}

/// `/api/bills/`. Each embeds its whole account.
pub(crate) static BILLS: Resource = Resource {
    required: Some("link"),
    in_account: true,
    columns: &[
        LINK_ONLY,
        ID,
        ACCOUNT,
        its("due_date", Kind::Day, INTERVAL),
        Column { operators: &["gt", "gte", "lt", "lte", "range"], ..COLLECTED },
        CREATED,
    ],
    announced: Some(announced(
        |link| totals("total_bills", link, &BILLS),
        ("new_bills_available", |added| one_number("new_bills", added)),
    )),
    ..resource(6, "BILLS", "bills", |_| "bills")
};

/// `/api/br/investments/`. They carry no link.
pub(crate) static INVESTMENTS: Resource = Resource {
    required: Some("link"),
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::PLAIN)),
    columns: &[LINK, ID, its("type", Kind::Text, ONE_OF), CREATED],
    announced: Some(announced(
        |link| totals("total_investments", link, &INVESTMENTS),
        ("new_investments_available", |added| one_number("new_investments", added)),
    )),
    ..resource(7, "INVESTMENTS", "br/investments", |_| "investments")
};

/// `/api/br/investment-transactions/`.
pub(crate) static INVESTMENT_TRANSACTIONS: Resource = Resource {
    required: Some("link"),
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::WITH_DAYS)),
    columns: &[LINK, ID, its("type", Kind::Text, ONE_OF), CREATED],
    announced: Some(announced(
        investment_totals,
        ("new_investment_transactions_available", |added| one_number("new_investment_transactions", added)),
    )),
    ..resource(8, "INVESTMENT_TRANSACTIONS", "br/investment-transactions", |_| "investment_transactions")
};

/// Returns the totals of dated transactions: their number, by direction, and the first and last date.
fn investment_totals(link: &Link) -> Vec<(&'static str, String)> {
    let dated = || present(link, &INVESTMENT_TRANSACTIONS).filter_map(|place| Some((place, day(place, "value_date")?)));
    let flows = |wanted: &str| {
        let wanted = text_of(wanted);
        dated().filter(|(place, _)| text(*place, "type").is_some_and(|flow| flow == wanted)).count()
    };
    let date = |day: Option<Day>| day.map(|day| day.to_string());
    let sums = json!({
        "total_transactions": dated().count(),
        "total_inflow_transactions": flows("INFLOW"),
        "total_outflow_transactions": flows("OUTFLOW"),
        "first_transaction_date": date(dated().map(|(_, day)| day).min()),
        "last_transaction_date": date(dated().map(|(_, day)| day).max()),
    });
    vec![("historical_update", sums.to_string())]
}

/// `/api/br/balances/`. No webhook announces them.
pub(crate) static BALANCES: Resource = Resource {
    required: Some("link"),
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::BALANCES)),
    in_account: true,
    columns: &[LINK, ID, ACCOUNT, COLLECTED, CREATED],
    drawn: Some(Drawn {
        shape: |_| "balances",
        special: |place, name| {
            let account = place.account().filter(|_| name == "account_id")?;
            Some(text_of(account.located_id()))
        },
    }),
    ..resource(9, "BALANCES", "br/balances", |_| "balances")
};

/// `/api/br/exchanges/`. Belvo announces their webhooks as coming soon.
pub(crate) static EXCHANGES: Resource = Resource {
    required: Some("link"),
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_DAYS)),
    columns: &[LINK, ID, COLLECTED, CREATED],
    announced: Some(announced(
        |link| totals("total_exchanges", link, &EXCHANGES),
        ("new_exchanges_available", |added| one_number("new_exchanges", added)),
    )),
    ..resource(10, "EXCHANGES", "br/exchanges", |_| "exchanges")
};
