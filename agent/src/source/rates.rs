//! Rates of counters.

use std::mem;
use std::time::Duration;

use tokio::time::Instant;

/// Highest number of tracked devices. Further devices are not counted.
const DEVICES_MAX: usize = 4096;

/// Time after which devices are selected again, although the list is the same: a device may become
/// a part of another one some time after it appeared.
const SELECTION_AGE_MAX: Duration = Duration::from_secs(10);

/// Name of a device, and its counters.
pub(super) type Device<'a> = (&'a str, [u64; 2]);

/// Rates of two counters, summed over the selected devices.
///
/// A new device counts from its second sample on. A counter that goes back makes a gap, because its
/// increase is unknown.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Devices read in this sample, then the others in the order of the previous one.
    devices: Vec<DeviceCounters>,
    /// Number of devices read in this sample.
    read_count: usize,
    /// True if the devices differ from the previous sample.
    has_changed: bool,
    /// Increase of the counters of all selected devices. `None` if a counter went back.
    sums: Option<[u64; 2]>,
    last: Option<Instant>,
    selected_at: Option<Instant>,
}

/// Counters of a device at the last sample.
#[derive(Debug)]
struct DeviceCounters {
    name: String,
    counts: [u64; 2],
    is_counted: bool,
}

impl Rates {
    /// Adds the counters of a device. Call once for each device and sample.
    pub(super) fn add_device(&mut self, name: &str, counts: [u64; 2]) {
        let offset = self.devices[self.read_count..].iter().position(|device| device.name == name);
        let Some(offset) = offset else {
            if self.devices.len() < DEVICES_MAX {
                let device = DeviceCounters { name: name.to_owned(), counts, is_counted: false };
                self.devices.insert(self.read_count, device);
                self.has_changed = true;
                self.read_count += 1;
            }
            return;
        };
        // Devices usually keep their order, so that nothing moves.
        self.devices[self.read_count..=self.read_count + offset].rotate_right(1);
        let device = &mut self.devices[self.read_count];
        self.read_count += 1;
        let last = mem::replace(&mut device.counts, counts);
        if device.is_counted {
            self.sums = self.sums.and_then(|[one, two]| {
                let more = |at: usize| counts[at].checked_sub(last[at]);
                Some([one.checked_add(more(0)?)?, two.checked_add(more(1)?)?])
            });
        }
    }

    /// Ends a sample and returns the increase per second since the previous one, `None` without
    /// devices. `select` returns which devices count, if they may have changed.
    pub(super) fn finish(
        &mut self,
        at: Instant,
        select: impl Fn(&[Device<'_>]) -> Vec<bool>,
    ) -> Option<[f64; 2]> {
        let read_count = mem::take(&mut self.read_count);
        let has_changed = mem::take(&mut self.has_changed) || self.devices.len() > read_count;
        self.devices.truncate(read_count);
        // The sums include only devices selected in the previous sample.
        let any_counted = self.devices.iter().any(|device| device.is_counted);
        let sums = self.sums.replace([0; 2]).filter(|_| any_counted);
        let age = self.selected_at.map(|selected| at.saturating_duration_since(selected));
        if has_changed || age.is_none_or(|age| age >= SELECTION_AGE_MAX) {
            self.selected_at = Some(at);
            self.select(select);
        }
        let last = self.last.replace(at);
        let passed = last.map(|last| at.saturating_duration_since(last).as_secs_f64());
        let rates = sums.zip(passed.filter(|seconds| *seconds > 0.0));
        let rates = rates.map(|(sums, seconds)| sums.map(|sum| sum as f64 / seconds));
        (read_count > 0).then_some(rates.unwrap_or([f64::NAN; 2]))
    }

    fn select(&mut self, select: impl Fn(&[Device<'_>]) -> Vec<bool>) {
        let devices: Vec<Device<'_>> =
            self.devices.iter().map(|device| (device.name.as_str(), device.counts)).collect();
        let selected = select(&devices);
        for (device, is_counted) in self.devices.iter_mut().zip(selected) {
            device.is_counted = is_counted;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Devices of a sample with their counters, and the expected rate.
    type Sample<'a> = (&'a [(&'a str, u64)], Option<f64>);

    /// Checks the rates of samples that are two seconds apart.
    fn check(samples: &[Sample<'_>]) {
        let mut rates = Rates::default();
        let mut at = Instant::now();
        for (number, (devices, expected)) in samples.iter().enumerate() {
            at += Duration::from_secs(2);
            for (name, count) in *devices {
                rates.add_device(name, [*count, count / 2]);
            }
            let select = |all: &[Device<'_>]| all.iter().map(|(name, _)| *name != "lo").collect();
            let both = rates.finish(at, select);
            assert_eq!(both.is_none(), devices.is_empty());
            let rate = both.map(|[rate, _]| rate).filter(|rate| !rate.is_nan());
            assert_eq!(rate, *expected, "{number}: {rates:?}");
        }
    }

    #[test]
    fn a_rate_is_the_increase_per_second() {
        check(&[
            (&[("a", 100), ("lo", 5)], None),
            (&[("a", 200), ("lo", 900)], Some(50.0)),
            (&[("lo", 901), ("a", 204)], Some(2.0)),
            (&[("a", 204), ("lo", 901)], Some(0.0)),
        ]);
    }

    #[test]
    fn a_device_counts_from_its_second_to_its_last_reading() {
        check(&[
            (&[("a", 100)], None),
            (&[("b", 1000), ("a", 110)], Some(5.0)),
            (&[("b", 1010), ("a", 120)], Some(10.0)),
            (&[("b", 1020)], Some(5.0)),
            (&[], None),
            (&[("b", 5000)], None),
            (&[("b", 5002)], Some(1.0)),
        ]);
    }

    #[test]
    fn a_counter_that_goes_back_is_a_gap_and_no_spike() {
        check(&[
            (&[("a", 100), ("b", 100)], None),
            (&[("a", 50), ("b", 110)], None),
            (&[("a", 60), ("b", 120)], Some(10.0)),
            (&[("a", u64::MAX), ("b", 120)], Some((u64::MAX - 60) as f64 / 2.0)),
            (&[("a", 0), ("b", u64::MAX)], None),
        ]);
    }

    proptest! {
        #[test]
        fn rates_are_never_negative(
            samples in prop::collection::vec(
                prop::collection::btree_map("[abc]", any::<[u64; 2]>(), 0..4), 1..9),
        ) {
            let mut rates = Rates::default();
            let mut at = Instant::now();
            for devices in samples {
                at += Duration::from_millis(200);
                    for (name, counts) in &devices {
                    rates.add_device(name, *counts);
                }
                let both = rates.finish(at, |devices| vec![true; devices.len()]);
                prop_assert!(both.iter().flatten().all(|rate| rate.is_nan() || *rate >= 0.0));
                prop_assert_eq!(rates.devices.len(), devices.len());
            }
        }
    }
}
