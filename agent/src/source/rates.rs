//! How fast counters go up.

use std::time::Instant;

/// The most devices that are told apart; on a machine with more of them, the rest are not counted.
const DEVICES_MAX: usize = 4096;

/// How fast two counters go up, summed over the devices that are meant.
///
/// A device that appears adds nothing until it was read twice. A counter that goes back makes a gap:
/// nobody knows how far it had come before.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// In the order in which they were read the last time.
    devices: Vec<DeviceCounters>,
    /// How many of them were read this time.
    read_count: usize,
    /// Whether there are other devices than the last time.
    has_changed: bool,
    /// What the counters of all that is meant have gone up by; `None` if one went back.
    sums: Option<[u64; 2]>,
    last: Option<Instant>,
}

/// A device at its last reading.
#[derive(Debug)]
struct DeviceCounters {
    name: String,
    counts: [u64; 2],
    is_counted: bool,
}

impl Rates {
    /// Begins a reading.
    pub(super) fn begin(&mut self) {
        (self.read_count, self.has_changed, self.sums) = (0, false, Some([0; 2]));
    }

    /// Takes the counters of a device, each device once a reading.
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
        // Devices keep their order, and then there is nothing to move.
        self.devices[self.read_count..=self.read_count + offset].rotate_right(1);
        let device = &mut self.devices[self.read_count];
        self.read_count += 1;
        let last = std::mem::replace(&mut device.counts, counts);
        if device.is_counted {
            self.sums = self.sums.and_then(|[one, two]| {
                let more = |at: usize| counts[at].checked_sub(last[at]);
                Some([one.checked_add(more(0)?)?, two.checked_add(more(1)?)?])
            });
        }
    }

    /// Ends a reading: how much a second since the last one. If there are other devices than then,
    /// `choose` is asked which of them are meant.
    pub(super) fn finish(
        &mut self,
        at: Instant,
        choose: impl Fn(&[&str]) -> Vec<bool>,
    ) -> [f64; 2] {
        self.has_changed |= self.devices.len() > self.read_count;
        self.devices.truncate(self.read_count);
        // What is meant from now on adds nothing to the sums of before.
        let is_any = self.devices.iter().any(|device| device.is_counted);
        if self.has_changed {
            let names: Vec<&str> = self.devices.iter().map(|device| device.name.as_str()).collect();
            let selected = choose(&names);
            for (device, is_counted) in self.devices.iter_mut().zip(selected) {
                device.is_counted = is_counted;
            }
        }
        let last = self.last.replace(at);
        let passed = last.map(|last| at.saturating_duration_since(last).as_secs_f64());
        match (self.sums, passed.filter(|seconds| *seconds > 0.0)) {
            (Some(sums), Some(seconds)) if is_any => sums.map(|sum| sum as f64 / seconds),
            _ => [f64::NAN; 2],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// The devices of a reading with their counters, and the rate that is made of them.
    type Reading<'a> = (&'a [(&'a str, u64)], Option<f64>);

    /// Readings two seconds apart, and what is made of each.
    fn check(readings: &[Reading<'_>]) {
        let mut rates = Rates::default();
        let mut at = Instant::now();
        for (number, (devices, expected)) in readings.iter().enumerate() {
            at += Duration::from_secs(2);
            rates.begin();
            for (name, count) in *devices {
                rates.add_device(name, [*count, count / 2]);
            }
            let choose = |names: &[&str]| names.iter().map(|name| *name != "lo").collect();
            let [rate, _] = rates.finish(at, choose);
            assert_eq!(Some(rate).filter(|rate| !rate.is_nan()), *expected, "{number}: {rates:?}");
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
            readings in prop::collection::vec(
                prop::collection::btree_map("[abc]", any::<[u64; 2]>(), 0..4), 1..9),
        ) {
            let mut rates = Rates::default();
            let mut at = Instant::now();
            for devices in readings {
                at += Duration::from_millis(200);
                rates.begin();
                for (name, counts) in &devices {
                    rates.add_device(name, *counts);
                }
                let both = rates.finish(at, |names| vec![true; names.len()]);
                prop_assert!(both.iter().all(|rate| rate.is_nan() || *rate >= 0.0));
                prop_assert_eq!(rates.devices.len(), devices.len());
            }
        }
    }
}
