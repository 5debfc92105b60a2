//! Long lists, a page at a time. A page begins behind a row, or ends before one, and not so many rows from the top: it is found as quickly
//! at the end of a list as at its beginning, and stays what it is while others add to the list.

mod store;

pub(super) use store::{Conditions, List, Searched};

/// Rows on a page.
pub const PAGE: usize = 50;
/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    #[default]
    First,
    /// Behind the row of this id.
    After(String),
    /// Before the row of this id.
    Before(String),
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Rows in the whole list.
    pub total: u64,
    /// The ids between which this page lies: of its first row when there are rows before it, of its last when there are more behind it.
    pub before: Option<String>,
    pub after: Option<String>,
}

impl<T> Page<T> {
    /// The same page with what stands in these rows: those of the page, in whatever order.
    pub(super) fn filled<U>(self, mut rows: Vec<U>, id: impl Fn(&U) -> &str) -> Page<U>
    where
        T: AsRef<str>,
    {
        let place = |row: &U| self.rows.iter().position(|known| known.as_ref() == id(row));
        rows.sort_by_key(place);
        Page { rows, total: self.total, before: self.before, after: self.after }
    }
}
