//! Writing what one answer of Belvo's holds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{ObjectId, Record, sha256_hex};
use serde_json::value::RawValue;
use store::{Known, Pass, StoreTrouble, Table};

use crate::failure::Failure;
use crate::joined;
use crate::tally::Tally;

/// Writes of one page that are under way at once. One link is one partition of the table, about 1,000 writes a second.
pub(crate) const WRITES_AT_ONCE: usize = 16;

/// Writes the objects of a page under a pass's stamp, once it is certain that no other pass has begun. A record that
/// would only change its stamp is not written. Gives the digest of the page's ids.
pub(crate) async fn write_page(
    table: &Table,
    pass: &Pass,
    objects: &[Box<RawValue>],
    tally: &Mutex<Tally>,
) -> Result<String, Failure> {
    let records: Vec<Record> = objects.iter().filter_map(|raw| read(pass, raw, tally)).collect();
    let digest = digest(records.iter().map(|record| &record.id));
    let known = known(table, pass, &records).await?;
    fence(table, pass).await?;
    let is_unchanged = |record: &Record| known.get(&record.id).is_some_and(|known| known.makes_unchanged(record));
    let (unchanged, changed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_unchanged);
    tally.lock().unwrap_or_else(PoisonError::into_inner).counts.unchanged += unchanged.len() as u64;
    let writes = changed.into_iter().map(|record| write(table, pass, record, tally));
    joined::all(writes, WRITES_AT_ONCE, |()| ()).await?;
    Ok(digest)
}

/// One digest for the ids of a page, in their order.
pub(crate) fn digest<'a>(ids: impl Iterator<Item = &'a ObjectId>) -> String {
    sha256_hex(ids.map(ObjectId::as_str).collect::<Vec<_>>().join(",").as_bytes())
}

/// Stops a pass that has been overtaken.
pub(crate) async fn fence(table: &Table, pass: &Pass) -> Result<(), Failure> {
    if table.is_newest(pass).await? { Ok(()) } else { Err(Failure::Overtaken) }
}

/// What stands in the table. On a resource's first load nothing does: then the question is not worth its price, and
/// the conditions of the writes hold all the same.
async fn known(table: &Table, pass: &Pass, records: &[Record]) -> Result<HashMap<ObjectId, Known>, StoreTrouble> {
    if pass.before.last_pass_at.is_none() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
    table.known(&pass.link, pass.resource, &ids).await
}

fn read(pass: &Pass, raw: &RawValue, tally: &Mutex<Tally>) -> Option<Record> {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok((record, account)) = Record::read(pass.resource, raw) {
        tally.note(&record, account);
        return Some(record);
    }
    tally.unreadable();
    None
}

async fn write(table: &Table, pass: &Pass, record: Record, tally: &Mutex<Tally>) -> Result<(), Failure> {
    let id = record.id.clone();
    let upsert = table.upsert(&pass.link, pass.resource, record, pass.stamp).await?;
    tally.lock().unwrap_or_else(PoisonError::into_inner).stored(id, upsert);
    Ok(())
}
