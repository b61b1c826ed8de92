//! What a partition takes. (Source: DynamoDB developer guide, "Burst and adaptive capacity" and "Best practices for
//! partition keys": 1,000 write units a second; that it splits a partition which stays hot is not played here, nor are five
//! minutes of unused capacity, nor the partitions of indexes.)

use std::collections::HashMap;
use std::time::Instant;

/// A token bucket for each partition key. It holds at most the write units of one second. A write is rejected while the bucket is
/// empty. Its cost is known only afterwards, so the level may become negative.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    units_per_second: u32,
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    units: f64,
    at: Instant,
}

impl Throttle {
    /// 0 is no limit.
    pub(crate) fn limit(&mut self, units_per_second: u32) {
        *self = Self { units_per_second, buckets: HashMap::new() };
    }

    /// Returns `true` if the bucket of the partition is not empty.
    pub(super) fn admits(&mut self, pk: &str, now: Instant) -> bool {
        self.units_per_second == 0 || self.filled(pk, now).units > 0.0
    }

    pub(super) fn spend(&mut self, pk: &str, units: u64, now: Instant) {
        if self.units_per_second > 0 {
            self.filled(pk, now).units -= f64::from(u32::try_from(units).unwrap_or(u32::MAX));
        }
    }

    fn filled(&mut self, pk: &str, now: Instant) -> &mut Bucket {
        let rate = f64::from(self.units_per_second);
        let bucket = self.buckets.entry(pk.to_owned()).or_insert(Bucket { units: rate, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        *bucket = Bucket { units: (bucket.units + passed * rate).min(rate), at: now };
        bucket
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_partition_takes_its_units_a_second_and_no_more_and_no_other_one_pays_for_it() {
        let (mut throttle, begin) = (Throttle::default(), Instant::now());
        throttle.limit(100);
        let taken_until = |throttle: &mut Throttle, pk: &str, now: Instant| {
            let mut taken = 0;
            while throttle.admits(pk, now) {
                throttle.spend(pk, 2, now);
                taken += 1;
            }
            taken
        };
        assert_eq!(taken_until(&mut throttle, "a", begin), 50, "what it holds");
        assert_eq!(taken_until(&mut throttle, "a", begin), 0);
        assert_eq!(taken_until(&mut throttle, "a", begin + Duration::from_millis(500)), 25, "what has come since");
        assert_eq!(taken_until(&mut throttle, "b", begin + Duration::from_millis(500)), 50);
        assert_eq!(taken_until(&mut throttle, "a", begin + Duration::from_mins(1)), 50, "it holds one second's");
    }

    #[test]
    fn without_a_limit_nothing_is_throttled() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        throttle.spend("a", 1_000_000, now);
        assert!(throttle.admits("a", now));
    }
}
