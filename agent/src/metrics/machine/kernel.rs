//! Load average, kernel version and system time.

use prometheus_client::metrics::MetricType::Gauge;
use rustix::time::{ClockId, clock_gettime};

use super::label;
use crate::kernel::loadavg;
use crate::kernel::root::Root;
use crate::metrics::family::Family;

pub(super) fn load_averages(root: &mut Root) -> Option<Vec<Family>> {
    let family = |(minutes, load)| {
        let (name, help) = (format!("node_load{minutes}"), format!("{minutes}m load average."));
        Family::unlabelled(Gauge, name, help, Some(load))
    };
    Some([1, 5, 15].into_iter().zip(loadavg::read(root)?).map(family).collect())
}

pub(super) fn uname() -> Family {
    let uname = rustix::system::uname();
    let labels = [
        ("domainname", uname.domainname()),
        ("machine", uname.machine()),
        ("nodename", uname.nodename()),
        ("release", uname.release()),
        ("sysname", uname.sysname()),
        ("version", uname.version()),
    ];
    let labels = labels.map(|(name, text)| label(name, &text.to_string_lossy()));
    let help = "Labeled system information as provided by the uname system call.";
    Family::info("node_uname", help, labels)
}

pub(super) fn time() -> Family {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    let help = "System time in seconds since epoch (1970).";
    Family::unlabelled(Gauge, "node_time_seconds", help, Some(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn load_averages_are_exported_if_they_are_plausible() {
        let files = TestRoot::with(&[("proc/loadavg", "0.52 0.44 12.40 1/123 4567\n")]);
        let expected = "node_load1 0.52\nnode_load5 0.44\nnode_load15 12.4\n";
        assert_eq!(samples(load_averages(&mut files.root())).as_deref(), Some(expected));
        files.write("proc/loadavg", "0.52 nan 12.40 1/123 4567\n");
        assert_eq!(samples(load_averages(&mut files.root())), None);
    }

    #[test]
    fn kernel_and_time_are_those_of_this_machine() {
        let uname = samples(Some(vec![uname()])).unwrap();
        let sysname = rustix::system::uname().sysname().to_string_lossy().into_owned();
        assert!(uname.starts_with("node_uname_info{domainname=\""), "{uname}");
        assert!(uname.contains(&format!(",sysname=\"{sysname}\",")), "{uname}");
        let time = samples(Some(vec![time()])).unwrap();
        let seconds: f64 = time.trim().strip_prefix("node_time_seconds ").unwrap().parse().unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!((now - 60.0..=now).contains(&seconds), "{seconds} {now}");
    }
}
