//! `/proc/PID/cgroup`: systemd unit or container of a process.

use loadline_protocol::PROCESS_TEXT_MAX;

use super::cgroups::cgroup_path;

/// Digits of a container's id, and of its short form, as docker shows it.
const ID_DIGITS: usize = 64;
const SHORT_ID_DIGITS: usize = 12;

/// Kinds of systemd units that run processes. Slices only group units.
const UNIT_KINDS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// Returns the innermost unit or container, or both as `CONTAINER/UNIT`. cgroup v2 and systemd's own
/// hierarchy come before other hierarchies of cgroup v1.
pub(crate) fn unit_of(list: &str) -> Option<String> {
    let first = ["", "name=systemd"].into_iter().filter_map(|name| cgroup_path(list, name));
    let others = list.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let unit = first.chain(others).find_map(unit_of_path)?;
    Some(unit.chars().take(PROCESS_TEXT_MAX).collect())
}

fn unit_of_path(path: &str) -> Option<String> {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let (mut container, mut unit, mut outer) = (None, None, "");
    for part in path.split('/') {
        // systemd escapes names that could be those of the kernel's own files.
        let part = part.strip_prefix('_').unwrap_or(part);
        if let Some(name) = container_of(outer, part) {
            (container, unit) = (Some(name), None);
        } else if UNIT_KINDS.iter().any(|kind| part.len() > kind.len() && part.ends_with(kind)) {
            unit = Some(part);
        }
        outer = part;
    }
    match (container, unit) {
        (Some(container), Some(unit)) => Some(format!("{container}/{unit}")),
        (container, unit) => container.or(unit.map(str::to_owned)),
    }
}

/// Returns the name of a container whose cgroup is `part`, inside of the cgroup `outer`.
fn container_of(outer: &str, part: &str) -> Option<String> {
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(format!("lxc-{name}"));
    }
    if matches!(outer, "lxc" | "lxc.payload") {
        return Some(format!("lxc-{}", short_id(part).unwrap_or(part)));
    }
    if part.starts_with("systemd-nspawn@") {
        return Some(part.to_owned());
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    if let Some(machine) = name.strip_prefix("machine-").filter(|name| name.len() < part.len()) {
        return Some(unescape(machine));
    }
    // `docker-ID.scope`, `crio-ID`, `kubepods-burstable-podUID.slice:cri-containerd:ID`
    let (runtime, id) = name.rsplit_once(['-', ':']).unwrap_or(("", name));
    let id = short_id(id)?;
    let runtime = runtime.rsplit(':').next().unwrap_or(runtime);
    let runtime = if runtime.is_empty() && outer == "docker" { outer } else { runtime };
    Some(if runtime.is_empty() { id.to_owned() } else { format!("{runtime}-{id}") })
}

fn short_id(id: &str) -> Option<&str> {
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| &id[..SHORT_ID_DIGITS])
}

/// Decodes `qemu\x2d1\x2dweb`: machines have other names for systemd than for `machinectl`. Units keep
/// their escapes, which `systemctl` needs.
fn unescape(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => bytes.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => bytes.extend([b"\\x", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the unit of a path, in which `ID` is a container's id.
    fn check(path: &str, expected: &str) {
        let id = "0123456789abcdef".repeat(4);
        let unit = unit_of(&format!("0::{}\n", path.replace("ID", &id)));
        assert_eq!(unit.unwrap_or_default(), expected, "{path}");
    }

    #[test]
    fn the_innermost_unit_counts() {
        check("/system.slice/nginx.service", "nginx.service");
        check("/system.slice/nginx.service/worker/1", "nginx.service");
        check("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service");
        check("/user.slice/user-1000.slice/session-3.scope", "session-3.scope");
        let user = "/user.slice/user-1000.slice/user@1000.service";
        check(user, "user@1000.service");
        check(
            &format!("{user}/app.slice/app-gnome-firefox-88.scope"),
            "app-gnome-firefox-88.scope",
        );
        check(&format!("{user}/session.slice/pipewire.service"), "pipewire.service");
        check("/init.scope", "init.scope");
        check("/system.slice/home.mount", "home.mount");
    }

    #[test]
    fn processes_outside_of_units_have_none() {
        for path in ["", "/", "/..", "/../..", "/user.slice/user-1000.slice", "/a/b", "/.service"] {
            check(path, "");
        }
        assert_eq!(unit_of(""), None);
        assert_eq!(unit_of("0::"), None);
        assert_eq!(unit_of("nonsense"), None);
    }

    #[test]
    fn containers_have_short_ids() {
        check("/docker/ID", "docker-0123456789ab");
        check("/system.slice/docker-ID.scope", "docker-0123456789ab");
        check("/machine.slice/libpod-ID.scope/container", "libpod-0123456789ab");
        check("/libpod_parent/libpod-ID", "libpod-0123456789ab");
        check("/machine.slice/libpod-conmon-ID.scope", "libpod-conmon-0123456789ab");
        check("/kubepods/burstable/pod1234-5678/ID", "0123456789ab");
        let pod = "kubepods-burstable-pod12_34.slice";
        let slices = format!("/kubepods.slice/kubepods-burstable.slice/{pod}");
        check(&format!("{slices}/cri-containerd-ID.scope"), "cri-containerd-0123456789ab");
        check(&format!("{slices}/crio-ID.scope"), "crio-0123456789ab");
        let nested = format!("/system.slice/containerd.service/{pod}:cri-containerd:ID");
        check(&nested, "cri-containerd-0123456789ab");
        check("/docker/0123/docker/ID", "docker-0123456789ab");
        check("/docker/ID/docker/ID/init.scope", "docker-0123456789ab/init.scope");
        check("/a/IDID", "");
    }

    #[test]
    fn units_inside_of_containers_name_both() {
        let inside = "system.slice/nginx.service";
        check(&format!("/docker/ID/{inside}"), "docker-0123456789ab/nginx.service");
        check(&format!("/lxc.payload.web/{inside}"), "lxc-web/nginx.service");
        check(&format!("/lxc/101/ns/{inside}"), "lxc-101/nginx.service");
        check("/lxc/ID", "lxc-0123456789ab");
        let nspawn = "systemd-nspawn@web.service";
        check(
            &format!("/machine.slice/{nspawn}/payload/{inside}"),
            &format!("{nspawn}/nginx.service"),
        );
    }

    #[test]
    fn names_are_those_of_systemctl_and_machinectl() {
        let fsck = r"systemd-fsck@dev-disk-by\x2duuid-12.service";
        check(&format!("/system.slice/system-systemd\\x2dfsck.slice/{fsck}"), fsck);
        check(r"/machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/emulator", "qemu-1-web");
        check(r"/machine.slice/machine-a\xff\xzz\x2.scope", "a\u{fffd}\\xzz\\x2");
        check("/system.slice/_cpu.service", "cpu.service");
        check("/system.slice/old.service (deleted)", "old.service");
        check("/../../system.slice/cron.service", "cron.service");
    }

    #[test]
    fn the_unit_is_that_of_any_hierarchy() {
        let id = "f".repeat(64);
        let v1 = format!("12:pids:/docker/{id}\n3:cpu,cpuacct:/docker/{id}\n");
        assert_eq!(unit_of(&v1).unwrap(), "docker-ffffffffffff");
        let hybrid = "4:memory:/\n1:name=systemd:/system.slice/a.service\n0::/\n";
        assert_eq!(unit_of(hybrid).unwrap(), "a.service");
        let both = "1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n";
        assert_eq!(unit_of(both).unwrap(), "b.service");
    }

    #[test]
    fn long_names_are_cut() {
        let path = format!("0::/{}.service\n", "ä".repeat(500));
        assert_eq!(unit_of(&path).unwrap().chars().count(), PROCESS_TEXT_MAX);
    }
}
