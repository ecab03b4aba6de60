//! Reading the values of a file. One function reads each kind, and tables are a series of calls: the code that serde
//! derives for them is many times as large in the program.

use std::net::IpAddr;

use super::Wrong;
use crate::net::Network;

/// A type that is read from a value in a file.
pub(super) trait Value: Sized {
    /// Its keys, if it is a table; empty for a value that is replaced as a whole.
    const KEYS: &'static [Key] = &[];

    /// Reads a value, or returns the reason why it cannot.
    fn read(value: toml::Value) -> Result<Self, Wrong>;
}

/// A key of a table.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// True if a running server applies a new value.
    pub(super) is_live: bool,
    /// The keys of its value.
    pub(super) below: &'static [Key],
}

/// The place of a value that is read.
pub(super) trait Slot {
    /// Reads a value into it.
    fn fill(&mut self, value: toml::Value) -> Result<(), Wrong>;

    fn is_empty(&self) -> bool;
}

impl<T: Value> Slot for Option<T> {
    fn fill(&mut self, value: toml::Value) -> Result<(), Wrong> {
        *self = Some(T::read(value)?);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

/// Reads a table, which must have no other keys than `known`, into the slots of these. A slot that is filled already may
/// be left out. A wrong value is reported before a missing key.
#[inline(never)]
pub(super) fn fill(
    value: toml::Value,
    known: &'static [&'static str],
    slots: &mut [&mut dyn Slot],
) -> Result<(), Wrong> {
    let toml::Value::Table(mut table) = value else { return Err(Wrong::of_type(&value, "a table")) };
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Wrong::Unknown { key: key.clone(), known });
    }
    for (key, slot) in known.iter().zip(slots.iter_mut()) {
        table.remove(*key).map_or(Ok(()), |value| slot.fill(value))?;
    }
    let missing = known.iter().zip(slots).find(|(_, slot)| slot.is_empty());
    missing.map_or(Ok(()), |(key, _)| Err(Wrong::Missing(key)))
}

/// Tables with these keys. One with a default may be left out, and one with `live` may change in a running server.
macro_rules! tables {
    (@is live) => { true };
    (@is) => { false };
    ($($(#[$of_table:meta])* pub struct $name:ident {
        $($(#[$of_key:meta])* pub $key:ident: $type:ty $(= $otherwise:expr)? $(=> $live:ident)?,)+
    })+) => { $(
        $(#[$of_table])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "conf/reference.toml documents every key")]
        pub struct $name { $($(#[$of_key])* pub $key: $type,)+ }

        impl $crate::conf::value::Value for $name {
            const KEYS: &'static [$crate::conf::value::Key] = &[$($crate::conf::value::Key {
                name: stringify!($key),
                is_live: $crate::conf::value::tables!(@is $($live)?),
                below: <$type as $crate::conf::value::Value>::KEYS,
            }),+];

            fn read(value: toml::Value) -> Result<Self, $crate::conf::Wrong> {
                const KNOWN: &[&str] = &[$(stringify!($key)),+];
                $(let mut $key: Option<$type> = None$(.or(Some($otherwise)))?;)+
                $crate::conf::value::fill(value, KNOWN, &mut [$(&mut $key),+])?;
                // each is there, as otherwise a key was missing
                let ($(Some($key),)+) = ($($key,)+) else { return Err($crate::conf::Wrong::Missing("")) };
                Ok(Self { $($key,)+ })
            }
        }
    )+ };
}
pub(super) use tables;

impl Value for String {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        match value {
            toml::Value::String(text) => Ok(text),
            other => Err(Wrong::of_type(&other, "a string")),
        }
    }
}

impl Value for bool {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        value.as_bool().ok_or_else(|| Wrong::of_type(&value, "true or false"))
    }
}

impl Value for usize {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let number = value.as_integer().ok_or_else(|| Wrong::of_type(&value, "a whole number"))?;
        Self::try_from(number).map_err(|_| Wrong::of_value(&value, "a whole number that is not below 0"))
    }
}

impl Value for u8 {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let number = value.as_integer().ok_or_else(|| Wrong::of_type(&value, "a whole number"))?;
        Self::try_from(number).map_err(|_| Wrong::of_value(&value, "a whole number from 0 to 255"))
    }
}

impl Value for IpAddr {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| Wrong::of_value(&value, "an address such as \"192.0.2.1\""))
    }
}

impl Value for Network {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let network = value.as_str().and_then(|text| text.parse().ok());
        network.ok_or_else(|| Wrong::of_value(&value, "a network such as \"192.168.0.0/16\", or an address"))
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        match value {
            toml::Value::Array(list) => list.into_iter().map(T::read).collect(),
            other => Err(Wrong::of_type(&other, "a list")),
        }
    }
}
