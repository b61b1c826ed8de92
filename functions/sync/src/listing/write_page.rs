//! Writing the objects of one response.

use domain::{ObjectId, Record, sha256_hex};
use serde_json::value::RawValue;

use crate::concurrency;
use crate::error::JobError;
use crate::listing::findings::Place;
use crate::listing::reader::Reader;
use crate::listing::seen_ids::Row;
use crate::write::{WRITES_AT_ONCE, ensure_current};

impl Reader<'_> {
    /// Writes the objects of a response, once it is certain that no later pass has begun. Returns their ids in their order.
    ///
    /// If the mode skips unchanged records, a record is written only if more than its fencing token would change. Of an id that the
    /// response has twice the first row is written.
    pub(super) async fn write_objects(
        &self,
        place: Place,
        objects: Vec<Box<RawValue>>,
    ) -> Result<Vec<ObjectId>, JobError> {
        let skips_unchanged = self.mode.skips_unchanged;
        let mut ids = Vec::with_capacity(objects.len());
        let records = objects.into_iter().filter_map(|raw| {
            let (record, row) = self.read_record(place, &raw)?;
            ids.push(record.id.clone());
            // Of an object that the response has twice, the comparison below keeps the same row in each pass.
            (skips_unchanged || row != Row::Doubled).then_some(record)
        });

        if skips_unchanged {
            let records = domain::deduplicate(records);
            self.write_changed(records, &ids).await?;
        } else {
            // The first load of a resource: the table is empty, so reading it would only cost. The conditions of the writes
            // hold all the same.
            ensure_current(self.pass).await?;
            // Each record is parsed just before it is written, while it is in the processor's cache.
            self.write_all(records).await?;
        }
        Ok(ids)
    }

    /// Writes the records whose content differs from the stored one.
    async fn write_changed(&self, records: Vec<Record>, ids: &[ObjectId]) -> Result<(), JobError> {
        let stored = self.pass.stored_records(ids).await?;
        ensure_current(self.pass).await?;

        let is_unchanged =
            |record: &Record| stored.get(&record.id).is_some_and(|stored| stored.is_unchanged_by(record));
        let (unchanged, changed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_unchanged);
        self.findings().counts.unchanged += unchanged.len() as u64;
        self.write_all(changed.into_iter()).await
    }

    async fn write_all(&self, records: impl Iterator<Item = Record>) -> Result<(), JobError> {
        concurrency::for_each(records.map(|record| self.write(record)), WRITES_AT_ONCE, |()| ()).await
    }

    async fn write(&self, record: Record) -> Result<(), JobError> {
        let id = record.id.clone();
        let result = self.pass.upsert(record).await?;
        self.findings().note_upsert(id, result);
        Ok(())
    }

    fn read_record(&self, place: Place, raw: &RawValue) -> Option<(Record, Row)> {
        let mut findings = self.findings();
        let Ok((record, account)) = Record::read(self.pass.resource, raw) else {
            findings.note_unreadable(place.page);
            return None;
        };
        let row = findings.note_record(place, &record, account);
        Some((record, row))
    }
}

/// Returns one digest for the ids of a page, in their order.
pub(super) fn digest(ids: &[ObjectId]) -> String {
    sha256_hex(ids.iter().map(ObjectId::as_str).collect::<Vec<_>>().join(",").as_bytes())
}
