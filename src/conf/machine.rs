//! The memory and the processors of the machine that this process may use.

use std::path::{Component, Path};

/// Memory in bytes: the machine's, or the limit of a control group if that is less. `None` if
/// neither is known.
pub fn memory() -> Option<u64> {
    memory_in(Path::new("/"))
}

/// The number of processors that this process may use at once.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

fn memory_in(root: &Path) -> Option<u64> {
    let whole = figure(&root.join("proc/meminfo"), "MemTotal:");
    let group = control_groups(root).into_iter().flatten().min();
    whole.into_iter().chain(group).min()
}

/// The memory that can be used without taking it from other processes, in bytes.
pub fn available() -> Option<u64> {
    figure(Path::new("/proc/meminfo"), "MemAvailable:")
}

/// A line of `NAME: NUMBER kB`, in bytes.
fn figure(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()? * 1024)
}

/// The limits of the process's control group and of those above it, in both
/// versions of control groups.
fn control_groups(root: &Path) -> Vec<Option<u64>> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mount = root.join(mount);
        // the path of another namespace leads upwards, and is of no use here
        let inside = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_)));
        let group = mount.join(inside.collect::<std::path::PathBuf>());
        let above = group.ancestors().take_while(|folder| folder.starts_with(&mount));
        limits.extend(above.map(|folder| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()));
    }
    limits
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A root file system with these files, removed at the end of the test.
    struct Root(std::path::PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("runnel-machine-{}-{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A name, files, and the memory that they state.
    type Case = (&'static str, &'static [(&'static str, &'static str)], Option<u64>);
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:          61440 kB\nMemFree:           10 kB\n");

    #[test]
    fn the_smallest_limit_counts() {
        let cases: [Case; 6] = [
            ("none", &[], None),
            ("bare", &[MEMINFO], Some(60 << 20)),
            (
                "unlimited",
                &[MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")],
                Some(60 << 20),
            ),
            (
                "parent",
                &[
                    MEMINFO,
                    ("proc/self/cgroup", "0::/box/runnel\n"),
                    ("sys/fs/cgroup/box/runnel/memory.max", "max\n"),
                    ("sys/fs/cgroup/box/memory.max", "33554432\n"),
                ],
                Some(32 << 20),
            ),
            (
                "first version",
                &[
                    MEMINFO,
                    ("proc/self/cgroup", "4:cpu,cpuacct:/x\n3:memory:/x\n"),
                    ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "20971520\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(20 << 20),
            ),
            (
                "outside",
                &[MEMINFO, ("proc/self/cgroup", "0::/../../up\n"), ("sys/fs/cgroup/memory.max", "1048576\n")],
                Some(1 << 20),
            ),
        ];
        for (name, files, expected) in cases {
            assert_eq!(memory_in(&Root::new(name, files).0), expected, "{name}");
        }
    }
}
