//! Transactions, each with its whole account embedded.
//!
//! Every property is a function of the position, so a filter over a million rows generates only the property it needs.

use crate::{
    amount::Amount,
    json::{Object, Raw},
    schema::{Body, retrievals},
    time::{Day, Timestamp},
    world::{
        Link, Place,
        catalogue::{Announced, Cell, Column, Holding, INTERVAL, Kind, ONE_OF, Read, Resource, Retrieval, Written},
        resources::{
            accounts, loans,
            shaped::one_number,
            vocabulary::{BRAZILIAN_SHOPS, MEXICAN_SHOPS, Merchant, OPERATIONS, PAYERS, PEOPLE},
        },
    },
};

/// `/api/transactions/`.
pub(crate) static TRANSACTIONS: Resource = Resource {
    number: 3,
    webhook_type: "TRANSACTIONS",
    path: "transactions",
    holding: Holding::PerLink,
    country: None,
    required: Some("link"),
    projected: (true, true),
    columns: COLUMNS,
    in_account: true,
    retrieval: Retrieval::Asynchronous(Body::One(&retrievals::TRANSACTIONS)),
    drawn: None,
    id: |place| place.located_id(),
    write,
    announced: Some(Announced {
        historical: |link| vec![("historical_update", totals(link))],
        new: ("new_transactions_available", |added| one_number("new_transactions", added)),
        ids: true,
    }),
};

const COLUMNS: &[Column] = &[
    column("link", Kind::Text, ONE_OF, |place| Cell::text(place.link.id.as_str())),
    column("id", Kind::Undocumented, ONE_OF, |place| Cell::text(place.located_id())),
    column("account", Kind::Text, ONE_OF, |place| Cell::maybe(place.account().map(Place::located_id))),
    column("account__balance__available", Kind::Amount, INTERVAL, |place| {
        place.account().map_or(Cell::Missing, |account| Cell::ordinal(accounts::available(account).ordinal()))
    }),
    column("account__balance__current", Kind::Amount, INTERVAL, |place| {
        place.account().map_or(Cell::Missing, |account| Cell::ordinal(accounts::current(account).ordinal()))
    }),
    column("account_type", Kind::Text, ONE_OF, |place| Cell::maybe(place.account().map(accounts::type_of))),
    column("accounting_date", Kind::Day, INTERVAL, |place| {
        accounting_date(place).map_or(Cell::Missing, |day| Cell::ordinal(day.0))
    }),
    column("amount", Kind::Amount, INTERVAL, |place| Cell::ordinal(amount(place).ordinal())),
    column("collected_at", Kind::Timestamp, INTERVAL, |place| Cell::ordinal(place.collected())),
    column("created_at", Kind::TimestampByDay, INTERVAL, |place| Cell::ordinal(place.created())),
    column("currency", Kind::Text, ONE_OF, |place| Cell::text(place.link.institution.currency())),
    column("credit_card_data__bill_name", Kind::Text, &["in"], |place| {
        if on_card(place) { Cell::text(bill_name(place)) } else { Cell::Missing }
    }),
    column("reference", Kind::Text, ONE_OF, |place| Cell::maybe(reference(place))),
    column("status", Kind::Text, ONE_OF, |place| Cell::text(status(place))),
    column("type", Kind::Text, ONE_OF, |place| Cell::maybe(flow(place))),
    column("value_date", Kind::Day, INTERVAL, |place| Cell::ordinal(value_date(place).0)),
];

/// The first row that may have rare values. Small, documented sets have none.
const TAME: usize = 40;

/// Returns the direction: alternating, and for one in 512 of the later rows none.
pub(crate) fn flow(place: Place<'_>) -> Option<&'static str> {
    if place.index >= TAME && place.dice().once_in("flow", 512) {
        return None;
    }
    Some(if place.index.is_multiple_of(2) { "INFLOW" } else { "OUTFLOW" })
}

/// Returns the value date. The first load spreads evenly over the link's history, first and last day included; later rows are a few days old.
pub(crate) fn value_date(place: Place<'_>) -> Day {
    let (first, last) = place.link.history;
    let loaded = place.link.table(&TRANSACTIONS).loaded;
    if place.index >= loaded {
        let days_ago = i64::try_from(place.dice().roll("late", 4)).unwrap_or_default();
        return Day::of(place.row.created).plus(-days_ago);
    }
    let steps = i64::try_from(loaded.max(2) - 1).unwrap_or(i64::MAX);
    let step = i64::try_from(place.index).unwrap_or_default();
    first.plus((last.0 - first.0) * step / steps)
}

/// Returns the amount: mostly cents, also integers and four decimals. Rows 40 to 42 have the extremes.
pub(crate) fn amount(place: Place<'_>) -> Amount {
    let dice = place.revised_dice();
    let magnitude = 10_u64.pow(2 + u32::try_from(dice.roll("magnitude", 5)).unwrap_or_default());
    let units = magnitude + dice.roll("units", magnitude * 9);
    match (place.index, place.row.revision, dice.roll("notation", 40)) {
        (TAME, 0, _) => Amount::MAX,
        (41, 0, _) => Amount::new(1, 2),
        (42, 0, _) => Amount::new(1050, 2),
        (_, _, 0 | 1) => Amount::new(units, 4),
        (_, _, 2) => Amount::new(units, 3),
        (_, _, 3 | 4) => Amount::new(units, 0),
        (_, _, 5) => Amount::new(units * 10, 2),
        _ => Amount::new(units, 2),
    }
}

/// Returns the status. A change settles a pending transaction.
pub(crate) fn status(place: Place<'_>) -> &'static str {
    if place.row.revision == 0 && place.dice().once_in("pending", 20) { "PENDING" } else { "PROCESSED" }
}

fn accounting_date(place: Place<'_>) -> Option<Day> {
    let dice = place.dice();
    let later = i64::try_from(dice.roll("settled", 3)).unwrap_or_default();
    (!dice.once_in("unsettled", 8)).then(|| value_date(place).plus(later))
}

fn reference(place: Place<'_>) -> Option<String> {
    let dice = place.dice();
    dice.once_in("referenced", 2).then(|| dice.digits("reference", 18))
}

fn merchant(place: Place<'_>) -> &'static Merchant {
    let dice = place.dice();
    match flow(place) {
        Some("INFLOW") => dice.pick("payer", &PAYERS),
        _ if place.link.institution.brazilian() => dice.pick("shop", &BRAZILIAN_SHOPS),
        _ => dice.pick("shop", &MEXICAN_SHOPS),
    }
}

/// Returns the description. The number at its end increases with each revision, so that a change is visible.
fn description(place: Place<'_>) -> Option<String> {
    let dice = place.dice();
    if place.index >= TAME && place.row.revision == 0 && dice.once_in("undescribed", 200) {
        return None;
    }
    let number = 100_000 + dice.roll("folio", 800_000) + u64::from(place.row.revision);
    Some(format!("{} {} {number}", merchant(place).name, dice.pick("person", &PEOPLE)))
}

fn on_card(place: Place<'_>) -> bool {
    place.account().is_some_and(accounts::is_card)
}

fn bill_name(place: Place<'_>) -> String {
    let month = value_date(place).to_string();
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let number: usize = month.get(5..7).and_then(|month| month.parse().ok()).unwrap_or(1);
    format!("{}-{}", names[(number - 1) % 12], month.get(..4).unwrap_or("2024"))
}

/// Returns the documented totals: the number of transactions, by direction, and the first and last value date.
fn totals(link: &Link) -> String {
    let places = || link.table(&TRANSACTIONS).present().filter_map(|index| link.place(&TRANSACTIONS, index));
    let flows = |wanted| places().filter(|place| flow(*place) == Some(wanted)).count();
    let mut out = String::new();
    Object::write(&mut out, None, |data| {
        data.put("total_transactions", places().count());
        data.put("total_inflow_transactions", flows("INFLOW"));
        data.put("total_outflow_transactions", flows("OUTFLOW"));
        data.put("first_transaction_date", places().map(value_date).min());
        data.put("last_transaction_date", places().map(value_date).max());
    });
    out
}

fn write(place: Place<'_>, object: &mut Object<'_>, written: &mut Written) {
    let dice = place.dice();
    let style = dice.bits("style");
    object.put("id", place.located_id());
    object.put("internal_identification", format!("{:016x}{:016x}", dice.bits("internal"), style));
    match place.account() {
        Some(account) => object.put("account", Raw(embedded(account, place, written))),
        None => object.nulls(&["account"]),
    }
    object.put("collected_at", Timestamp::styled(place.collected(), style));
    object.put("created_at", Timestamp::styled(place.created(), style));
    write_dates(place, object);
    write_money(place, object);
    write_meaning(place, object);
    object.nest_if("credit_card_data", on_card(place), |card| write_card(place, card));
    object.nest_if("counterparty", dice.once_in("counterparty", 2), |party| {
        write_counterparty(place, party);
    });
    let on_loan = place.account().is_some_and(accounts::is_loan);
    object.nest_if("loan_data", on_loan, |loan| loans::write_payment(place, loan));
    object.put("payment_type", on_card(place).then(|| *dice.pick("payment", &["FULL", "INSTALLMENT"])));
    object.put("operation_type", *dice.pick("operation", &OPERATIONS));
    object.nulls(&["operation_type_additional_info"]);
    object.put("mcc", on_card(place).then(|| merchant(place).mcc));
}

/// Returns the JSON text of an embedded account, which is rendered once for each page and variant.
pub(crate) fn embedded<'w>(account: Place<'_>, by: Place<'_>, written: &'w mut Written) -> &'w str {
    let variant = by.index % account.variants().max(1);
    written.entry((account.link.number, account.index, variant)).or_insert_with(|| {
        let mut text = String::new();
        Object::write(&mut text, None, |object| {
            accounts::ACCOUNTS.write_copy(account, variant, object, &mut Written::new());
        });
        text
    })
}

fn write_dates(place: Place<'_>, object: &mut Object<'_>) {
    let day = value_date(place);
    let second = i64::try_from(place.dice().roll("second", 86_400_000)).unwrap_or_default() * 1_000;
    object.put("value_date", day);
    object.put("transacted_at", Timestamp::millis(day.midnight() + second));
    object.put("accounting_date", accounting_date(place));
    object.put("inferred_accounting_date", accounting_date(place).unwrap_or(day));
}

fn write_money(place: Place<'_>, object: &mut Object<'_>) {
    let dice = place.dice();
    object.put("amount", amount(place));
    object.put("local_currency_amount", dice.once_in("local", 16).then(|| amount(place)));
    let balance = Amount::new(dice.roll("balance", 100_000_000), 2);
    object.put("balance", (!dice.once_in("no balance", 3)).then_some(balance));
    object.put("currency", place.link.institution.currency());
}

fn write_meaning(place: Place<'_>, object: &mut Object<'_>) {
    let (dice, merchant) = (place.dice(), merchant(place));
    let unknown = dice.once_in("unknown", 12);
    object.put("description", description(place));
    object.put("observations", dice.once_in("observed", 10).then_some("Sujeito a confirmação"));
    object.nest_if("merchant", !unknown, |object| {
        object.nulls(&["logo"]);
        object.put("website", merchant.website);
        object.put("merchant_name", merchant.name);
    });
    object.put("category", (!unknown).then_some(merchant.category));
    object.put("subcategory", merchant.subcategory.filter(|_| !unknown));
    object.put("reference", reference(place));
    object.put("type", flow(place));
    object.put("status", status(place));
}

fn write_card(place: Place<'_>, card: &mut Object<'_>) {
    let dice = place.dice();
    card.put("collected_at", Timestamp::styled(place.collected(), dice.bits("style")));
    card.put("bill_name", bill_name(place));
    card.put("bill_due_date", value_date(place).plus(20));
    card.put("bill_internal_identification", dice.digits("bill", 18));
    card.nulls(&["bill_status"]);
    card.put("previous_bill_total", dice.once_in("previous", 2).then(|| amount(place).to_string()));
    card.put("bill_amount", Amount::new(300, 0));
    card.put("card_number", place.account().map(accounts::card_number));
    card.nulls(&["fee_type", "fee_type_additional_info", "credits_type", "credits_type_additional_info"]);
    card.put("installment_identifier", format!("PARCELA_{}", dice.digits("installment", 3)));
    card.put("number_of_installments", dice.once_in("installments", 2).then_some(4_u64));
    card.nulls(&["credit_card_bill"]);
}

fn write_counterparty(place: Place<'_>, party: &mut Object<'_>) {
    let dice = place.dice();
    let brazilian = place.link.institution.brazilian();
    party.put("type", *dice.pick("party", &["INDIVIDUAL", "COMPANY"]));
    party.put("document_number", brazilian.then(|| dice.digits("document", 11)));
    party.put("clearing_code", dice.digits("clearing", 3));
    party.put("agency", brazilian.then(|| dice.digits("their agency", 4)));
    party.put("check_digit", brazilian.then(|| dice.digits("their check", 1)));
    party.put("number", dice.digits("their number", 8));
}

const fn column(
    name: &'static str,
    kind: Kind,
    operators: &'static [&'static str],
    read: for<'a> fn(Place<'a>) -> Cell<'a>,
) -> Column {
    Column { name, kind, operators, read: Read::By(read) }
}
