//! Changes to a user with fewer rights.

use std::io;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use super::Error;
use crate::disk::read_small;

/// A user of `/etc/passwd`, or the numbers of a user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Finds a user by `NAME`, `NAME:GROUP` or `UID:GID`.
    pub fn find(text: &str) -> Result<Self, Error> {
        let read = |file: &str| match read_small(file.as_ref()) {
            // numbers need neither file
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::File(file.into(), error)),
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Self::find_in(text, &read("/etc/passwd")?, &read("/etc/group")?)
    }

    /// `passwd` has lines name:password:uid:gid:..., `group` has lines name:password:gid:...
    fn find_in(text: &str, passwd: &str, group: &str) -> Result<Self, Error> {
        let (name, group_name) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
        let user = entry(passwd, name);
        let number = |entry: &[&str], field: usize| entry.get(field).and_then(|text| text.parse().ok());
        let uid = user.as_deref().and_then(|user| number(user, 2)).or_else(|| name.parse().ok());
        let gid = match group_name {
            Some(name) => entry(group, name).and_then(|group| number(&group, 2)).or_else(|| name.parse().ok()),
            None => user.as_deref().and_then(|user| number(user, 3)),
        };
        match (uid, gid) {
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            (None, _) => Err(Error::User(text.into())),
            (_, None) => Err(Error::Group(text.into())),
        }
    }

    /// Makes the user the owner of `file`.
    pub fn own(self, file: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(file, Some(self.uid), Some(self.gid))
    }

    /// The group number.
    pub fn group(self) -> u32 {
        self.gid
    }

    /// True if this process may change its user.
    pub fn is_within_reach() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Changes to the user. The system calls affect one thread, so there must be no other thread yet.
    pub fn become_it(self) -> io::Result<()> {
        set_thread_groups(&[])?;
        set_thread_gid(Gid::from_raw(self.gid))?;
        set_thread_uid(Uid::from_raw(self.uid))?;
        Ok(())
    }
}

/// The fields of the line that begins with `name`.
fn entry<'a>(file: &'a str, name: &str) -> Option<Vec<&'a str>> {
    file.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nrunnel:x:990:991::/:/bin/false\n";
        let group = "root:x:0:\nvideo:x:44:runnel\n";
        let find = |text| User::find_in(text, passwd, group);
        assert_eq!(find("runnel").unwrap(), User { uid: 990, gid: 991 });
        assert_eq!(find("runnel:video").unwrap(), User { uid: 990, gid: 44 });
        assert_eq!(find("1000:44").unwrap(), User { uid: 1000, gid: 44 });
        assert_eq!(find("nobody").unwrap_err().to_string(), "\"nobody\": no such user");
        for text in ["runnel:audio", "1000"] {
            let why = format!("{text:?}: no such group: write UID:GID");
            assert_eq!(find(text).unwrap_err().to_string(), why);
        }
    }
}
