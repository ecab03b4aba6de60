//! Pages of lists: `?page=0&per_page=100`.

use super::reply::number;

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    skipped: usize,
    most: usize,
}

/// The items of a page where the client says no number, and the most that it may ask for.
const USUAL: usize = 100;
const MOST: usize = 1000;

impl Page {
    /// The page that a query asks for.
    pub(super) fn asked(query: &str) -> Result<Self, &'static str> {
        let page = number(query, "page").map_err(|_| "page is not a number from 0")?.unwrap_or(0);
        let most = number(query, "per_page").map_err(|_| "per_page is not a number from 1 to 1000")?.unwrap_or(USUAL);
        if !(1..=MOST).contains(&most) {
            return Err("per_page is not a number from 1 to 1000");
        }
        Ok(Self { skipped: page.saturating_mul(most), most })
    }

    /// The items of the page.
    pub(super) fn of<T>(self, items: Vec<T>) -> impl Iterator<Item = T> {
        items.into_iter().skip(self.skipped).take(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_part_of_a_list() {
        let part = |query| Page::asked(query).map(|page| page.of((0..250).collect()).collect::<Vec<_>>());
        assert_eq!(part("").unwrap(), (0..100).collect::<Vec<_>>());
        assert_eq!(part("page=2").unwrap(), (200..250).collect::<Vec<_>>());
        assert_eq!(part("page=1&per_page=3").unwrap(), [3, 4, 5]);
        assert_eq!(part("page=99999999").unwrap(), [0; 0]);
        for wrong in ["page=-1", "page=x", "per_page=0", "per_page=1001", "page=99999999999999999999"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
