//! Accounts, in Belvo's open finance model. A transaction embeds its whole account, which is the largest part of a page of
//! transactions.

use crate::{
    amount::Amount,
    json::Object,
    random::Dice,
    schema::{Body, retrievals},
    time::{Day, Timestamp},
    world::{
        Place,
        catalogue::{
            Announced, Cell, Column, EXACT, Holding, INTERVAL, Kind, ONE_OF, Read, Resource, Retrieval, Written,
        },
        resources::{
            loans,
            shaped::{one_number, totals},
        },
    },
};

/// `/api/accounts/`.
pub(crate) static ACCOUNTS: Resource = Resource {
    number: 2,
    webhook_type: "ACCOUNTS",
    path: "accounts",
    holding: Holding::PerLink,
    country: None,
    required: None,
    projected: (true, true),
    columns: &[
        text("link", ONE_OF, |place| Cell::text(place.link.id.as_str())),
        text("id", ONE_OF, |place| Cell::text(place.located_id())),
        amount("balance__available", |place| Cell::ordinal(available(place).ordinal())),
        amount("balance__current", |place| Cell::ordinal(current(place).ordinal())),
        text("category", ONE_OF, |place| Cell::text(kind(place).category)),
        Column {
            name: "created_at",
            kind: Kind::TimestampByDay,
            operators: INTERVAL,
            read: Read::By(|place| Cell::ordinal(place.created())),
        },
        text("currency", ONE_OF, |place| Cell::text(place.link.institution.currency())),
        text("institution", ONE_OF, |place| Cell::text(place.link.institution.name)),
        text("name", &["", "icontains"], |place| Cell::text(name(place))),
        text("number", ONE_OF, |place| Cell::text(number(place))),
        text("public_identification_name", EXACT, |place| Cell::text(public_name(place))),
        text("public_identification_value", EXACT, |place| Cell::text(public_value(place))),
        text("type", EXACT, |place| Cell::text(kind(place).name)),
    ],
    in_account: false,
    retrieval: Retrieval::Synchronous(Body::One(&retrievals::WITH_TOKEN)),
    drawn: None,
    id: |place| place.located_id(),
    write,
    announced: Some(Announced {
        historical: |link| totals("total_accounts", link, &ACCOUNTS),
        new: ("new_accounts_available", |added| one_number("new_accounts", added)),
        ids: false,
    }),
};

/// A kind of account.
struct AccountKind {
    category: &'static str,
    balance_type: &'static str,
    name: &'static str,
    subtype: &'static str,
    label: &'static str,
}

const KINDS: [AccountKind; 5] = [
    account_kind("CHECKING_ACCOUNT", "ASSET", "CONTA_DEPOSITO_A_VISTA", "INDIVIDUAL", "Cuenta Perfiles"),
    account_kind("SAVINGS_ACCOUNT", "ASSET", "CONTA_POUPANCA", "INDIVIDUAL", "Poupança / Ahorro"),
    account_kind("CREDIT_CARD", "LIABILITY", "OUTROS", "GOLD", "Tarjeta Oro"),
    account_kind("LOAN_ACCOUNT", "LIABILITY", "FINANCIAMENTO", "FINANCIAMENTO_HABITACIONAL_SFH", "Crédito Hipotecario"),
    account_kind("INVESTMENT_ACCOUNT", "ASSET", "INVESTIMENTO", "RENDA_FIXA", "Inversión Plazo"),
];

fn kind(place: Place<'_>) -> &'static AccountKind {
    &KINDS[place.index % KINDS.len()]
}

pub(crate) fn is_card(place: Place<'_>) -> bool {
    kind(place).category == "CREDIT_CARD"
}

pub(crate) fn is_loan(place: Place<'_>) -> bool {
    kind(place).category == "LOAN_ACCOUNT"
}

pub(crate) fn type_of(place: Place<'_>) -> &'static str {
    kind(place).name
}

/// Returns the current balance, which changes with every refresh of the account.
pub(crate) fn current(place: Place<'_>) -> Amount {
    Amount::new(place.revised_dice().roll("current", 90_000_000), 2)
}

pub(crate) fn available(place: Place<'_>) -> Amount {
    Amount::new(place.revised_dice().roll("available", 80_000_000), 2)
}

pub(crate) fn card_number(place: Place<'_>) -> String {
    place.dice().digits("card", 4)
}

fn name(place: Place<'_>) -> String {
    let currency = place.link.institution.currency();
    format!("{} - {currency}-{}", kind(place).label, place.dice().digits("name", 3))
}

fn number(place: Place<'_>) -> String {
    place.dice().digits("number", 13)
}

fn public_name(place: Place<'_>) -> &'static str {
    if place.link.institution.brazilian() { "AGENCY/ACCOUNT" } else { "CLABE" }
}

fn public_value(place: Place<'_>) -> String {
    let dice = place.dice();
    if place.link.institution.brazilian() {
        format!("{}/{}-{}", dice.digits("agency", 4), dice.digits("public", 5), dice.digits("check", 1))
    } else {
        format!("{}{}", dice.digits("bank", 3), dice.digits("clabe", 15))
    }
}

pub(crate) fn write(place: Place<'_>, object: &mut Object<'_>, _: &mut Written) {
    let (dice, row, institution) = (place.dice(), place.row, place.link.institution);
    let brazilian = institution.brazilian();
    object.put("id", place.located_id());
    object.put("link", &place.link.id);
    object.nest("institution", |object| {
        object.put("name", institution.name);
        object.put("type", institution.kind);
    });
    object.put("collected_at", Timestamp::styled(place.collected(), place.seed));
    object.put("created_at", Timestamp::styled(place.created(), place.seed));
    object.put("last_accessed_at", (!dice.once_in("accessed", 8)).then(|| Timestamp::millis(row.collected)));
    object.put("category", kind(place).category);
    object.put("balance_type", kind(place).balance_type);
    object.nest_if("overdraft", brazilian && place.index.is_multiple_of(KINDS.len()), write_overdraft);
    object.put("type", kind(place).name);
    object.put("subtype", kind(place).subtype);
    object.put("name", name(place));
    object.put("number", number(place));
    object.put("agency", brazilian.then(|| dice.digits("agency", 4)));
    object.put("check_digit", brazilian.then(|| dice.digits("check", 1)));
    write_balance(place, object);
    object.put("currency", institution.currency());
    object.put("public_identification_name", public_name(place));
    object.put("public_identification_value", public_value(place));
    object.put("internal_identification", format!("{}{}", dice.digits("internal", 18), dice.digits("internal2", 18)));
    object.nest_if("credit_data", is_card(place), |credit| {
        write_credit(place, dice, credit);
    });
    object.nest_if("loan_data", is_loan(place), |loan| loans::write_contract(place, loan));
    object.nulls(&["funds_data"]);
}

fn write_overdraft(overdraft: &mut Object<'_>) {
    overdraft.put("arranged", Amount::new(500_050, 2));
    overdraft.put("used", Amount::new(100_050, 2));
    overdraft.put("unarranged", Amount::new(30_010, 2));
}

fn write_balance(place: Place<'_>, object: &mut Object<'_>) {
    object.nest("balance", |balance| {
        balance.put("current", current(place));
        balance.put("available", (!is_loan(place)).then(|| available(place)));
        if place.link.institution.brazilian() {
            balance.put("blocked", Amount::new(6032, 2));
            balance.put("automatically_invested", Amount::new(13_150, 2));
        }
    });
}

fn write_credit(place: Place<'_>, dice: Dice, credit: &mut Object<'_>) {
    let limit = Amount::new(100_000 * (1 + dice.roll("limit", 200)), 2);
    credit.put("collected_at", Timestamp::styled(place.collected(), place.seed));
    credit.put("credit_limit", limit);
    credit.list_of_one("limits", |object| {
        object.put("identification_number", card_number(place));
        object.put("credit_limit", limit);
        object.put("used_amount", Amount::new(dice.roll("used", 90_000), 2));
        object.put("available_amount", Amount::new(600, 0));
        object.put("is_limit_flexible", false);
        object.put("type", "TOTAL_LIMIT");
        object.put("consolidation_type", "INDIVIDUAL");
        object.put("line_name", "CREDITO_A_VISTA");
        object.nulls(&["line_name_additional_info"]);
    });
    credit.put("cutting_date", Day::of(place.row.created).plus(10));
    credit.put("minimum_payment", Amount::new(24_003, 1));
    credit.put("network", *dice.pick("network", &["VISA", "MASTERCARD", "ELO"]));
    credit.nulls(&["network_additional_info"]);
    credit.list_of_one("cards", |card| {
        card.put("is_multiple", false);
        card.put("identification_number", card_number(place));
    });
    credit.nulls(&[
        "next_payment_date",
        "no_interest_payment",
        "interest_rate",
        "monthly_payment",
        "last_payment_date",
    ]);
}

const fn account_kind(
    category: &'static str,
    balance_type: &'static str,
    name: &'static str,
    subtype: &'static str,
    label: &'static str,
) -> AccountKind {
    AccountKind { category, balance_type, name, subtype, label }
}

const fn text(
    name: &'static str,
    operators: &'static [&'static str],
    read: for<'a> fn(Place<'a>) -> Cell<'a>,
) -> Column {
    Column { name, kind: Kind::Text, operators, read: Read::By(read) }
}

const fn amount(name: &'static str, read: for<'a> fn(Place<'a>) -> Cell<'a>) -> Column {
    Column { name, kind: Kind::Amount, operators: INTERVAL, read: Read::By(read) }
}
