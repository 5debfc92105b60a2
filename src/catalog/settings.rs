//! What an administrator sets for a product.

use serde_json::{Map, Value, json};

use super::Standing;
use crate::audit::Kind;

/// What becomes of a version that a fetch brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// It can be read at once by whom a grant opens it to.
    #[default]
    Published,
    /// It waits until two administrators release it.
    Quarantined,
}

impl Arrival {
    pub const ALL: [Self; 2] = [Self::Published, Self::Quarantined];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.standing().as_str()
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arrival| arrival.as_str() == text)
    }

    pub(super) fn standing(self) -> Standing {
        match self {
            Self::Published => Standing::Published,
            Self::Quarantined => Standing::Quarantined,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Published => Kind::VersionPublished,
            Self::Quarantined => Kind::VersionQuarantined,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub arrival: Arrival,
}

impl Settings {
    /// As entries write them, by name.
    fn words(&self) -> [(&'static str, Value); 1] {
        [("new_versions", json!(self.arrival.as_str()))]
    }

    /// Those that differ, before and after, as an entry says them; none when all are the same.
    pub(super) fn changes(&self, after: &Self) -> Option<(Value, Value)> {
        let both = self.words().into_iter().zip(after.words()).filter(|(old, new)| old != new);
        let (old, new): (Map<_, _>, Map<_, _>) =
            both.map(|((name, old), (_, new))| ((name.to_owned(), old), (name.to_owned(), new))).unzip();
        (!old.is_empty()).then(|| (Value::Object(old), Value::Object(new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_differs_and_nothing_else() {
        let (published, quarantined) = (Settings::default(), Settings { arrival: Arrival::Quarantined });
        assert_eq!(published.changes(&published), None);
        let said = (json!({"new_versions": "published"}), json!({"new_versions": "quarantined"}));
        assert_eq!(published.changes(&quarantined), Some(said));
        for arrival in Arrival::ALL {
            assert_eq!(Arrival::parse(arrival.as_str()), Some(arrival));
        }
    }
}
