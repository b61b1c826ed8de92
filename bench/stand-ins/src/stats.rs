//! Counters of calls, and of the capacity units that DynamoDB would charge.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counters since the start or the last reset.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Stats {
    /// Calls, by service and operation.
    calls: BTreeMap<String, u64>,
    /// Rejected calls, by operation and exception.
    refused: BTreeMap<String, u64>,
    /// The bytes of all request bodies.
    bytes_received: u64,
    /// The peak of concurrent calls to DynamoDB.
    dynamodb_in_flight_peak: u64,
    #[serde(skip)]
    dynamodb_in_flight: u64,
    /// Capacity units of DynamoDB.
    units: Units,
}

/// Capacity units of DynamoDB.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Units {
    /// Write units of the table: one for each KB begun of an item; twice that in a transaction.
    pub(crate) write: u64,
    /// Write units of the index `gsi1`.
    pub(crate) index_write: u64,
    /// Read units: one for each 4 KB begun. All reads here are strongly consistent.
    pub(crate) read: u64,
}

impl Stats {
    pub(crate) fn called(&mut self, service: &str, operation: &str, bytes: usize) {
        *self.calls.entry(format!("{service}.{operation}")).or_default() += 1;
        self.bytes_received += bytes as u64;
    }

    pub(crate) fn refused(&mut self, service: &str, operation: &str, exception: &str) {
        *self.refused.entry(format!("{service}.{operation} {exception}")).or_default() += 1;
    }

    pub(crate) fn dynamodb_began(&mut self) {
        self.dynamodb_in_flight += 1;
        self.dynamodb_in_flight_peak = self.dynamodb_in_flight_peak.max(self.dynamodb_in_flight);
    }

    pub(crate) fn dynamodb_ended(&mut self) {
        self.dynamodb_in_flight = self.dynamodb_in_flight.saturating_sub(1);
    }

    pub(crate) fn charge(&mut self, units: Units) {
        self.units.write += units.write;
        self.units.index_write += units.index_write;
        self.units.read += units.read;
    }

    /// Resets the counters, except the calls in flight.
    pub(crate) fn clear(&mut self) {
        *self = Self { dynamodb_in_flight: self.dynamodb_in_flight, ..Self::default() };
    }
}
