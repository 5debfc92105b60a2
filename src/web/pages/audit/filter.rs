//! Which entries an auditor asks for: the parameters of an address, read or refused in words, and turned back into addresses.

use crate::audit::{Draft, Filter, Kind};
use crate::clock::Timestamp;
use crate::web::admin::fields::{ending, starting};
use crate::web::views::audit::{Chip, LogFilter};
use crate::web::views::forms::Choice;
use crate::web::views::links;

/// Characters of a filter at most.
const LONGEST: usize = 1_000;

/// The parameters as they were sent.
#[derive(Clone, Debug, Default)]
pub(in crate::web::pages) struct Wanted {
    pub(super) values: LogFilter,
    /// Only entries older than this one.
    pub(super) before: String,
}

/// The parameters understood.
#[derive(Debug)]
pub(in crate::web::pages) struct Chosen {
    pub(in crate::web::pages) filter: Filter,
}

impl Wanted {
    /// Of a name that comes twice the first counts; names that mean nothing here are left alone.
    pub(in crate::web::pages) fn of(parameters: Vec<(String, String)>) -> Self {
        let mut wanted = Self::default();
        for (name, value) in parameters {
            let Some(field) = wanted.field(&name) else { continue };
            if field.is_empty() {
                value.trim().clone_into(field);
            }
        }
        wanted
    }

    pub(in crate::web::pages) fn into_values(self) -> LogFilter {
        self.values
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        let values = &mut self.values;
        Some(match name {
            "person" => &mut values.person,
            "agency" => &mut values.agency,
            "product" => &mut values.product,
            "path" => &mut values.path,
            "kind" => &mut values.kind,
            "from" => &mut values.from,
            "until" => &mut values.until,
            "before" => &mut self.before,
            _ => return None,
        })
    }

    /// Names and values in the order of the page.
    fn pairs(&self) -> [(&'static str, &str); 7] {
        let values = &self.values;
        [
            ("person", &values.person),
            ("agency", &values.agency),
            ("product", &values.product),
            ("path", &values.path),
            ("kind", &values.kind),
            ("from", &values.from),
            ("until", &values.until),
        ]
    }

    /// # Errors
    /// A sentence that names the filter which cannot be understood, and what to write instead.
    pub(in crate::web::pages) fn read(&self) -> Result<Chosen, String> {
        let values = &self.values;
        if let Some((name, _)) = self.pairs().iter().find(|(_, value)| value.chars().count() > LONGEST) {
            return Err(format!("The filter “{name}” is longer than {LONGEST} characters. Write a part of it."));
        }
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let kind = some(&values.kind).map(|text| kind(&text)).transpose()?;
        let from = time("from", &values.from, starting)?;
        let until = time("until", &values.until, ending)?;
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            return Err("The filter “until” ends before “from” begins, so nothing could match.".to_owned());
        }
        let before = match self.before.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| "The parameter “before” must be the number of an entry.".to_owned())?),
        };
        let filter = Filter {
            account: None,
            person: some(&values.person),
            agency: some(&values.agency),
            product: some(&values.product),
            path: some(&values.path),
            kind,
            from,
            until,
            before,
        };
        Ok(Chosen { filter })
    }

    /// The address of the page of entries older than `before`.
    pub(super) fn older(&self, before: u64) -> String {
        self.address(None, &before.to_string())
    }

    /// The address of the first page of the same entries.
    pub(super) fn newest(&self) -> String {
        self.address(None, "")
    }

    fn address(&self, without: Option<&str>, before: &str) -> String {
        let mut pairs: Vec<(&str, &str)> = self.pairs().into_iter().filter(|(name, _)| without != Some(*name)).collect();
        pairs.push(("before", before));
        links::query("/audit", &pairs)
    }

    /// The filters in force, each with the address of the page without it; `choices` are the agencies and products by their labels.
    pub(super) fn chips(&self, choices: &[Choice]) -> Vec<Chip> {
        let set = self.pairs().into_iter().filter(|(_, value)| !value.is_empty());
        set.map(|(name, value)| {
            let shown: String = value.chars().take(60).collect();
            let words = match name {
                "kind" => value.parse().map_or(shown, |kind: Kind| kind.words().to_owned()),
                "agency" | "product" => choices.iter().find(|choice| choice.value == value).map_or(shown, |choice| choice.label.clone()),
                _ => shown,
            };
            let mut label = name.to_owned();
            if let Some(first) = label.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            Chip { label: format!("{label}: {words}"), remove_href: self.address(Some(name), "") }
        })
        .collect()
    }
}

impl Chosen {
    /// Says in an entry what was looked for. Names of people belong to the part that can be erased.
    pub(in crate::web::pages) fn describe(&self, mut draft: Draft, wanted: &Wanted) -> Draft {
        for (name, value) in wanted.pairs() {
            if !value.is_empty() && name != "person" {
                draft = draft.fact(name, value);
            }
        }
        if let Some(before) = self.filter.before.filter(|before| *before < 1 << 53) {
            draft = draft.fact("before", before);
        }
        match wanted.values.person.as_str() {
            "" => draft,
            person => draft.query(format!("person: {person}")),
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        format!("There is no kind of entry called “{shown}”. Write one such as source.file.opened, or choose it from the list.")
    })
}

fn time(name: &str, text: &str, read: fn(&str) -> Option<Timestamp>) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let problem = || format!("The filter “{name}” is no time. Write a day such as 2026-11-21, or a time such as 2026-11-21T10:44:51Z.");
    read(text).map(Some).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Wanted {
        Wanted::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn filters_are_read() {
        let chosen = wanted(&[
            ("person", " r@one.example "),
            ("product", "git"),
            ("path", "builtin/"),
            ("kind", "source.file.opened"),
            ("from", "2026-11-20"),
            ("until", "2026-11-21"),
            ("before", "400"),
            ("agency", ""),
            ("colour", "blue"),
        ]);
        let filter = chosen.read().unwrap().filter;
        assert_eq!(filter.person.as_deref(), Some("r@one.example"));
        assert_eq!(filter.agency, None);
        assert_eq!(filter.product.as_deref(), Some("git"));
        assert_eq!(filter.path.as_deref(), Some("builtin/"));
        assert_eq!(filter.kind, Some(Kind::FileOpened));
        assert_eq!((filter.from, filter.until), (Some(at("2026-11-20")), Some(at("2026-11-22"))));
        assert_eq!(filter.before, Some(400));
        assert_eq!(wanted(&[]).read().unwrap().filter, Filter::default());
        let instant = wanted(&[("until", "2026-11-21T10:00:00Z")]).read().unwrap().filter;
        assert_eq!(instant.until, Some(at("2026-11-21T10:00:00Z")));
    }

    #[test]
    fn each_filter_that_cannot_be_understood_is_named() {
        let long = "x".repeat(1_001);
        for (name, value) in [
            ("kind", "source.file"),
            ("from", "yesterday"),
            ("until", "2026-02-30"),
            ("before", "-1"),
            ("before", "newest"),
            ("path", long.as_str()),
            ("person", long.as_str()),
        ] {
            let problem = wanted(&[(name, value)]).read().unwrap_err();
            assert!(problem.contains(name) || problem.contains("source.file"), "{problem}");
            assert!(problem.len() < 300);
        }
        assert!(wanted(&[("from", "2026-11-21"), ("until", "2026-11-20")]).read().is_err());
        assert!(wanted(&[("from", "2026-11-21"), ("until", "2026-11-21")]).read().is_ok());
    }

    #[test]
    fn addresses_keep_the_filter_and_chips_take_one_away() {
        let wanted = wanted(&[("agency", "agy_1"), ("kind", "access.denied"), ("before", "9")]);
        assert_eq!(wanted.older(5), "/audit?agency=agy_1&kind=access.denied&before=5");
        assert_eq!(wanted.newest(), "/audit?agency=agy_1&kind=access.denied");
        let agency = Choice { value: "agy_1".to_owned(), label: "Agency One".to_owned() };
        let chips: Vec<(String, String)> = wanted.chips(&[agency]).into_iter().map(|chip| (chip.label, chip.remove_href)).collect();
        assert_eq!(
            chips,
            [
                ("Agency: Agency One".to_owned(), "/audit?kind=access.denied".to_owned()),
                ("Kind: access denied".to_owned(), "/audit?agency=agy_1".to_owned()),
            ]
        );
    }

    #[test]
    fn whom_an_auditor_looked_for_can_be_erased() {
        let wanted = wanted(&[("person", "Jane"), ("path", "net")]);
        let draft = wanted.read().unwrap().describe(Draft::new(Kind::AuditViewed, crate::audit::Outcome::Permitted), &wanted);
        assert_eq!(draft.personal.query.as_deref(), Some("person: Jane"));
        assert_eq!(draft.facts.get("path").and_then(|path| path.as_str()), Some("net"));
        assert!(!draft.facts.contains_key("person"));
    }
}
