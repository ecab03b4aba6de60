//! Parameters in the query of a URL.

use crate::wire::percent_decode;

/// The value of a parameter, percent codes decoded; `None` if it is missing, there twice, or damaged.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(own, _)| *own == name);
    let (_, value) = found.next()?;
    found.next().is_none().then(|| percent_decode(value)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once() {
        let of = |query| parameter(query, "a");
        assert_eq!((of("b=1&a=x%2By+z=&c").as_deref(), of("a=").as_deref()), (Some("x+y+z="), Some("")));
        for bad in ["", "a", "aa=1", "b=a=1", "a=1&a=2", "a=%zz", "a=%ff"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
