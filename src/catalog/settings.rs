//! What an administrator sets for a product.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Signers, Standing};
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

/// How often a product is synchronised without anybody asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(Duration);

impl Every {
    /// In minutes.
    const SHORTEST: u64 = 15;
    const LONGEST: u64 = 7 * 24 * 60;

    /// None outside of a quarter of an hour to seven days.
    #[must_use]
    pub fn minutes(minutes: u64) -> Option<Self> {
        (Self::SHORTEST..=Self::LONGEST).contains(&minutes).then(|| Self(Duration::from_secs(minutes * 60)))
    }

    #[must_use]
    pub fn span(self) -> Duration {
        self.0
    }

    /// "every 15 minutes", "every hour", "every 7 days".
    #[must_use]
    pub fn words(self) -> String {
        let minutes = self.0.as_secs() / 60;
        let (n, one, many) = match minutes {
            n if n % 1440 == 0 => (n / 1440, "day", "days"),
            n if n % 60 == 0 => (n / 60, "hour", "hours"),
            n => (n, "minute", "minutes"),
        };
        if n == 1 { format!("every {one}") } else { format!("every {n} {many}") }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub arrival: Arrival,
    /// None: only when somebody asks.
    pub every: Option<Every>,
    /// Whose signatures are trusted: lines that [`Signers::parse`] takes.
    pub signers: String,
}

impl Settings {
    /// As entries write them, by name.
    fn words(&self) -> [(&'static str, Value); 3] {
        let schedule = self.every.map_or_else(|| "when asked".to_owned(), Every::words);
        let signers = Signers::parse(&self.signers).map(|signers| signers.told()).unwrap_or_default();
        [("new_versions", json!(self.arrival.as_str())), ("synchronised", json!(schedule)), ("signers", json!(signers))]
    }

    /// Those that differ, before and after, as an entry says them; none when all are the same.
    pub(super) fn changes(&self, after: &Self) -> Option<(Value, Value)> {
        let both = self.words().into_iter().zip(after.words()).filter(|(old, new)| old != new);
        let (old, new): (Map<_, _>, Map<_, _>) =
            both.map(|((name, old), (_, new))| ((name.to_owned(), old), (name.to_owned(), new))).unzip();
        (!old.is_empty()).then_some((Value::Object(old), Value::Object(new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_differs_and_nothing_else() {
        let (published, quarantined) = (Settings::default(), Settings { arrival: Arrival::Quarantined, ..Settings::default() });
        assert_eq!(published.changes(&published), None);
        let said = (json!({"new_versions": "published"}), json!({"new_versions": "quarantined"}));
        assert_eq!(published.changes(&quarantined), Some(said));
        let hourly = Settings { every: Every::minutes(60), ..Settings::default() };
        let said = (json!({"synchronised": "when asked"}), json!({"synchronised": "every hour"}));
        assert_eq!(published.changes(&hourly), Some(said));
        for arrival in Arrival::ALL {
            assert_eq!(Arrival::parse(arrival.as_str()), Some(arrival));
        }
    }

    #[test]
    fn intervals_have_bounds_and_read_as_words() {
        for outside in [0, 1, 14, 10_081, u64::MAX] {
            assert_eq!(Every::minutes(outside), None, "{outside}");
        }
        for (minutes, words) in
            [(15, "every 15 minutes"), (60, "every hour"), (360, "every 6 hours"), (1440, "every day"), (10_080, "every 7 days")]
        {
            assert_eq!(Every::minutes(minutes).unwrap().words(), words);
        }
    }
}
