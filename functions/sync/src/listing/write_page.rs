//! Writing what one answer of Belvo's holds.

use std::sync::{Mutex, PoisonError};

use domain::{ObjectId, Record, sha256_hex};
use serde_json::value::RawValue;
use store::{Pass, Table};

use crate::concurrency;
use crate::error::JobError;
use crate::listing::findings::{Findings, Place};
use crate::listing::seen_ids::Row;

/// Writes of one page that are under way at once, of up to four pages. As many as it takes to keep a core busy when each takes
/// the 5 ms that it takes in a region: measured in docs/performance.md.
pub(crate) const WRITES_AT_ONCE: usize = 24;

/// Writes objects of a page under a pass's fencing token, once it is certain that no other pass has begun. When it `compares`, a
/// record that would only change its fencing token is not written. Of an id that comes twice in one answer the first row is written.
/// Gives the ids, in their order.
pub(crate) async fn write_objects(
    table: &Table,
    pass: &Pass,
    place: Place,
    objects: Vec<Box<RawValue>>,
    compares: bool,
    findings: &Mutex<Findings>,
) -> Result<Vec<ObjectId>, JobError> {
    let mut ids = Vec::with_capacity(objects.len());
    let records = objects.into_iter().filter_map(|raw| {
        let (record, row) = read(pass, place, &raw, findings)?;
        ids.push(record.id.clone());
        // Of an object that an answer has twice, the comparison below keeps the same one in each pass.
        (compares || row != Row::Doubled).then_some(record)
    });
    // On a resource's first load nothing stands in the table: then the question is not worth its price, and the
    // conditions of the writes hold all the same.
    if compares {
        let records = domain::one_of_each(records);
        let known = table.stored_records(&pass.link, pass.resource, &ids).await?;
        fence(table, pass).await?;
        let is_unchanged = |record: &Record| known.get(&record.id).is_some_and(|known| known.is_unchanged_by(record));
        let (unchanged, changed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_unchanged);
        findings.lock().unwrap_or_else(PoisonError::into_inner).counts.unchanged += unchanged.len() as u64;
        write_all(table, pass, changed.into_iter(), findings).await?;
    } else {
        fence(table, pass).await?;
        // Each is read when its turn to be written comes, while the processor still has it at hand.
        write_all(table, pass, records, findings).await?;
    }
    Ok(ids)
}

async fn write_all(
    table: &Table,
    pass: &Pass,
    records: impl Iterator<Item = Record>,
    findings: &Mutex<Findings>,
) -> Result<(), JobError> {
    concurrency::for_each(records.map(|record| write(table, pass, record, findings)), WRITES_AT_ONCE, |()| ()).await
}

/// One digest for the ids of a page, in their order.
pub(crate) fn digest<'a>(ids: impl Iterator<Item = &'a ObjectId>) -> String {
    sha256_hex(ids.map(ObjectId::as_str).collect::<Vec<_>>().join(",").as_bytes())
}

/// Stops a pass that has been overtaken.
pub(crate) async fn fence(table: &Table, pass: &Pass) -> Result<(), JobError> {
    if table.is_current(pass).await? { Ok(()) } else { Err(JobError::Overtaken) }
}

fn read(pass: &Pass, place: Place, raw: &RawValue, findings: &Mutex<Findings>) -> Option<(Record, Row)> {
    let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
    if let Ok((record, account)) = Record::read(pass.resource, raw) {
        let row = findings.note(place, &record, account);
        return Some((record, row));
    }
    findings.unreadable(place.page);
    None
}

async fn write(table: &Table, pass: &Pass, record: Record, findings: &Mutex<Findings>) -> Result<(), JobError> {
    let id = record.id.clone();
    let upsert = table.upsert(&pass.link, pass.resource, record, pass.token).await?;
    findings.lock().unwrap_or_else(PoisonError::into_inner).stored(id, upsert);
    Ok(())
}
