//! The common part of resources whose objects are generated from shapes.

use std::collections::BTreeMap;

use serde_json::{json, value::RawValue};

use super::transactions::embedded;
use crate::{
    amount::Amount,
    json::{Null, Object, Put, Raw},
    schema::{Body, retrievals},
    time::{Day, Timestamp},
    world::{
        Link, Place,
        catalogue::{
            Announced, CATALOGUE, Cell, Column, Drawn, EXACT, Holding, INTERVAL, Kind, ONE_OF, Read, Resource,
            Retrieval, Written,
        },
        shapes::{self, Field, Form, Generator},
    },
};

/// The members of a wild object that keep their typical values.
const TAME: [&str; 6] = ["id", "link", "link_id", "account", "created_at", "collected_at"];

pub(crate) const LINK: Column = by("link", Kind::Text, ONE_OF, |place| Cell::text(place.link.id.as_str()));
/// The column `link` of the list that has no `link__in`.
pub(crate) const LINK_ONLY: Column = Column { operators: EXACT, ..LINK };
pub(crate) const ID: Column = by("id", Kind::Text, ONE_OF, |place| Cell::text(place.located_id()));
pub(crate) const ACCOUNT: Column =
    by("account", Kind::Text, ONE_OF, |place| Cell::maybe(place.account().map(Place::located_id)));
pub(crate) const CREATED: Column =
    by("created_at", Kind::TimestampByDay, INTERVAL, |place| Cell::ordinal(place.created()));
pub(crate) const COLLECTED: Column =
    by("collected_at", Kind::Timestamp, INTERVAL, |place| Cell::ordinal(place.collected()));

/// Creates a column with a function that reads its value.
pub(crate) const fn by(
    name: &'static str,
    kind: Kind,
    operators: &'static [&'static str],
    read: for<'a> fn(Place<'a>) -> Cell<'a>,
) -> Column {
    Column { name, kind, operators, read: Read::By(read) }
}

/// Creates a column of a member of the object.
pub(crate) const fn its(name: &'static str, kind: Kind, operators: &'static [&'static str]) -> Column {
    Column { name, kind, operators, read: Read::Member }
}

/// Creates a resource with the default properties.
pub(crate) const fn resource(
    number: usize,
    webhook_type: &'static str,
    path: &'static str,
    shape: fn(Place<'_>) -> &'static str,
) -> Resource {
    Resource {
        number,
        webhook_type,
        path,
        holding: Holding::PerLink,
        country: None,
        required: None,
        projected: (true, true),
        columns: &[],
        in_account: false,
        retrieval: Retrieval::Synchronous(Body::One(&retrievals::PLAIN)),
        drawn: Some(Drawn { shape, special: |_, _| None }),
        id: |place| place.located_id(),
        write,
        announced: None,
    }
}

/// Creates the webhooks of a resource: totals, and the number of new objects.
pub(crate) const fn announced(
    historical: fn(&Link) -> Vec<(&'static str, String)>,
    new: (&'static str, fn(usize) -> String),
) -> Announced {
    Announced { historical, new, ids: false }
}

/// Returns the data of a `historical_update`, such as `{"total_owners":2}`.
pub(crate) fn totals(key: &str, link: &Link, resource: &Resource) -> Vec<(&'static str, String)> {
    vec![("historical_update", one_number(key, link.table(resource).present().count()))]
}

pub(crate) fn one_number(key: &str, number: usize) -> String {
    json!({ key: number }).to_string()
}

/// Returns the present objects.
pub(crate) fn present<'a>(link: &'a Link, resource: &'a Resource) -> impl Iterator<Item = Place<'a>> {
    link.table(resource).present().filter_map(|index| link.place(resource, index))
}

/// Returns the day of a date or timestamp of an object.
pub(crate) fn day(place: Place<'_>, name: &str) -> Option<Day> {
    let text = text(place, name)?;
    Day::parse(text.trim_matches('"').get(..10)?)
}

/// A member of the object, ready to be compared.
pub(crate) fn member<'a>(place: Place<'_>, name: &str, kind: Kind) -> Cell<'a> {
    let cell = || match kind {
        Kind::Amount => Amount::parse(&text(place, name)?).map(|amount| Cell::ordinal(amount.ordinal())),
        Kind::Day => day(place, name).map(|day| Cell::ordinal(day.0)),
        _ => serde_json::from_str::<String>(&text(place, name)?).ok().map(Cell::text),
    };
    cell().unwrap_or(Cell::Missing)
}

/// Returns a member of the object as JSON text.
pub(crate) fn text(place: Place<'_>, name: &str) -> Option<String> {
    let drawn = CATALOGUE[place.resource].drawn?;
    let fields = shapes::fields((drawn.shape)(place));
    draw(place, &drawn, fields.iter().find(|field| field.name == name)?)
}

fn write(place: Place<'_>, object: &mut Object<'_>, written: &mut Written) {
    let Some(drawn) = CATALOGUE[place.resource].drawn else {
        return;
    };
    for field in shapes::fields((drawn.shape)(place)) {
        if let Form::Account = field.form {
            match place.account() {
                Some(account) => object.put(field.name, Raw(embedded(account, place, written))),
                None => object.put(field.name, Null),
            }
        } else if let Some(text) = draw(place, &drawn, field) {
            object.put(field.name, Raw(&text));
        }
    }
}

/// Writes a wild object. Identifying members and columns of filters keep their typical values, so that lists stay consistent.
pub(crate) fn write_wild(
    resource: &Resource,
    shape: &str,
    place: Place<'_>,
    object: &mut Object<'_>,
    written: &mut Written,
) {
    let mut tame = String::new();
    Object::write(&mut tame, None, |object| (resource.write)(place, object, written));
    let tame: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&tame).unwrap_or_default();
    let stays = |key: &str| TAME.contains(&key) || resource.columns.iter().any(|column| column.name == key);
    for (key, value) in tame.iter().filter(|(key, _)| stays(key)) {
        object.put(key, Raw(value.get()));
    }
    let mut rng = fastrand::Rng::with_seed(place.revised_dice().bits("wild"));
    for (key, value) in shapes::wild_members(shapes::fields(shape), true, &mut rng) {
        if !stays(&key) {
            object.put_any(&key, Raw(&value));
        }
    }
}

/// Returns the value of a first-level field, or `None` if its key is absent.
fn draw(place: Place<'_>, drawn: &Drawn, field: &Field) -> Option<String> {
    let style = place.dice().bits("style");
    let known = match field.name {
        "id" => text_of(place.located_id()),
        "link" | "link_id" => text_of(&place.link.id),
        "created_at" => text_of(Timestamp::styled(place.created(), style)),
        "collected_at" => text_of(Timestamp::styled(place.collected(), style)),
        "last_updated_at" | "updated_at" => text_of(Timestamp::styled(place.row.collected, style)),
        name => return (drawn.special)(place, name).or_else(|| Generator::of(place).value(field)),
    };
    Some(known)
}

pub(crate) fn text_of(value: impl Put) -> String {
    let mut out = String::new();
    value.put(&mut out);
    out
}
