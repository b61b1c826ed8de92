//! Strings that fit the name of their field approximately.

use crate::{
    random::Dice,
    world::resources::vocabulary::{PAYERS, PEOPLE},
};

const WORDS: [&str; 12] = [
    "pago",
    "nómina",
    "crédito",
    "São Paulo",
    "revisión",
    "aplicação",
    "régimen",
    "general",
    "información",
    "título",
    "mensual",
    "☕ café",
];
const PLACES: [&str; 6] = ["Ciudad de México", "São Paulo", "Monterrey", "Brasília", "Santiago", "Bogotá"];
const COMPANIES: [&str; 5] =
    ["Comercializadora \"La Luz\" S.A.", "Peçanha & Filhos Ltda.", "Núñez Hnos.", "O'Higgins SpA", "Acme / México"];

/// Returns a string for a field, of at most `longest` characters.
pub(crate) fn text(name: &str, dice: Dice, longest: usize) -> String {
    let about = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let text = if about(&["currency"]) {
        (*dice.pick("currency", &["MXN", "BRL", "CLP", "USD"])).to_owned()
    } else if about(&["email"]) {
        email(dice)
    } else if about(&["employer", "company", "business", "trade", "institution", "product"]) {
        format!("{} {}", dice.pick("company", &COMPANIES), dice.digits("branch", 3))
    } else if about(&["name"]) {
        (*dice.pick("person", &PEOPLE)).to_owned()
    } else if about(&["address", "town", "city", "state", "municipality", "district", "place", "country"]) {
        format!("{} {}", dice.pick("place", &PLACES), dice.digits("house", 3))
    } else if is_identity(name) || about(&["rfc", "folio", "code", "version"]) {
        format!("{}{}", dice.pick("letters", &["ABC", "XAXX", "GNP", "Ñ"]), dice.digits("digits", 9))
    } else {
        let source = dice.pick("payer", &PAYERS).name;
        format!("{source} {} {} {}", dice.pick("one", &WORDS), dice.pick("two", &WORDS), dice.digits("three", 5))
    };
    text.chars().take(longest.max(1)).collect()
}

/// Returns `true` if the field identifies its object. Such a field never changes.
pub(crate) fn is_identity(name: &str) -> bool {
    name.contains("identif") || name.contains("number") || name.ends_with("_id") || name == "id"
}

pub(crate) fn email(dice: Dice) -> String {
    format!("user{}@mail.example", dice.digits("mailbox", 6))
}
