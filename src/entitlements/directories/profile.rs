//! What a directory says of a person, in the words of the SCIM core schema (RFC 7643, section 4.1). It is kept as it was written.

use serde::{Deserialize, Serialize};

use crate::accounts::is_address;

/// Characters of a name or a title at most.
const LONGEST_TEXT: usize = 200;
/// Characters of a user name, an id or an address at most.
const LONGEST_NAME: usize = 254;
/// E-mail addresses of one person at most.
const MOST_EMAILS: usize = 10;

/// As JSON, with the attributes' names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    pub user_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Email>,
    /// The agency says that they are its, and nominates them.
    pub active: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Name {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formatted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Email {
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

/// What cannot be kept of somebody: the attribute, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attribute}: {problem}")]
pub struct ProfileError {
    pub attribute: &'static str,
    pub problem: String,
}

impl Profile {
    /// That it can be kept, and that somebody could be invited by it.
    ///
    /// # Errors
    /// The first attribute that cannot be kept, and why.
    pub fn check(&self) -> Result<(), ProfileError> {
        text("userName", Some(&self.user_name), LONGEST_NAME)?;
        text("externalId", self.external_id.as_deref(), LONGEST_NAME)?;
        if let Some(name) = &self.name {
            text("name.formatted", name.formatted.as_deref(), LONGEST_TEXT)?;
            text("name.familyName", name.family_name.as_deref(), LONGEST_TEXT)?;
            text("name.givenName", name.given_name.as_deref(), LONGEST_TEXT)?;
        }
        text("displayName", self.display_name.as_deref(), LONGEST_TEXT)?;
        text("title", self.title.as_deref(), LONGEST_TEXT)?;
        if self.emails.len() > MOST_EMAILS {
            return Err(wrong("emails", format!("{MOST_EMAILS} are the most that are kept.")));
        }
        for email in &self.emails {
            text("emails.value", Some(&email.value), LONGEST_NAME)?;
            text("emails.display", email.display.as_deref(), LONGEST_TEXT)?;
            text("emails.type", email.kind.as_deref(), LONGEST_TEXT)?;
        }
        if self.emails.iter().filter(|email| email.primary == Some(true)).count() > 1 {
            return Err(wrong("emails", "One of them can be the primary one."));
        }
        match self.address() {
            Some(_) => Ok(()),
            None => Err(wrong("emails", "A person needs an e-mail address: one here, or one that is the userName.")),
        }
    }

    /// The address that somebody signs in with: the primary one, or the first; else the user name, if that is one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        let primary = self.emails.iter().filter(|email| email.primary == Some(true));
        let all = primary.chain(&self.emails).map(|email| email.value.as_str());
        all.chain([self.user_name.as_str()]).map(str::trim).find(|text| is_address(text))
    }

    /// The name by which people are called here.
    #[must_use]
    pub fn called(&self) -> String {
        let name = self.name.as_ref();
        let parts = [name.and_then(|name| name.given_name.as_deref()), name.and_then(|name| name.family_name.as_deref())];
        let joined = parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let all = [self.display_name.as_deref(), name.and_then(|name| name.formatted.as_deref()), Some(&joined), Some(&self.user_name)];
        let found = all.into_iter().flatten().map(str::trim).find(|text| !text.is_empty()).unwrap_or_default();
        found.chars().take(LONGEST_TEXT).collect()
    }

    /// What tells one user from another within a directory, whatever the case (RFC 7643, section 4.1.1).
    #[must_use]
    pub fn key(&self) -> String {
        self.user_name.to_lowercase()
    }
}

fn wrong(attribute: &'static str, problem: impl Into<String>) -> ProfileError {
    ProfileError { attribute, problem: problem.into() }
}

fn text(attribute: &'static str, text: Option<&str>, most: usize) -> Result<(), ProfileError> {
    match text {
        Some(text) if text.trim().is_empty() => Err(wrong(attribute, "This cannot be empty.")),
        Some(text) if text.chars().count() > most => Err(wrong(attribute, format!("{most} characters are the most that are kept."))),
        Some(text) if text.chars().any(char::is_control) => Err(wrong(attribute, "Control characters are not kept.")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(value: &str, primary: Option<bool>) -> Email {
        Email { value: value.to_owned(), primary, ..Email::default() }
    }

    fn named(user_name: &str, emails: Vec<Email>) -> Profile {
        Profile { user_name: user_name.to_owned(), emails, ..Profile::default() }
    }

    #[test]
    fn somebody_signs_in_with_the_primary_address_or_what_there_is() {
        let two = vec![email("first@one.example", None), email("main@one.example", Some(true))];
        assert_eq!(named("ada@one.example", two.clone()).address(), Some("main@one.example"));
        assert_eq!(named("ada@one.example", two[..1].to_vec()).address(), Some("first@one.example"));
        assert_eq!(named("ada@one.example", vec![email("no address", Some(true))]).address(), Some("ada@one.example"));
        let none = named("ada", Vec::new());
        assert_eq!(none.address(), None);
        assert_eq!(none.check().unwrap_err().attribute, "emails");
    }

    #[test]
    fn somebody_is_called_what_the_directory_shows() {
        let mut of = named("ada@one.example", Vec::new());
        assert_eq!(of.called(), "ada@one.example");
        of.name = Some(Name { given_name: Some("Ada".to_owned()), family_name: Some("Byron".to_owned()), formatted: None });
        assert_eq!(of.called(), "Ada Byron");
        of.name.as_mut().unwrap().formatted = Some("Ada King".to_owned());
        assert_eq!(of.called(), "Ada King");
        of.display_name = Some("Countess".to_owned());
        assert_eq!(of.called(), "Countess");
    }

    #[test]
    fn what_is_too_long_too_many_or_unreadable_is_refused_by_name() {
        let good = named("ada@one.example", Vec::new());
        good.check().unwrap();
        let cases: [(&str, Profile); 6] = [
            ("userName", named(" ", Vec::new())),
            ("userName", named(&"a".repeat(LONGEST_NAME + 1), Vec::new())),
            ("title", Profile { title: Some("a\nb".to_owned()), ..good.clone() }),
            ("displayName", Profile { display_name: Some("a".repeat(LONGEST_TEXT + 1)), ..good.clone() }),
            ("emails", named("ada@one.example", vec![email("a@one.example", Some(true)), email("b@one.example", Some(true))])),
            ("emails", named("ada@one.example", vec![email("a@one.example", None); MOST_EMAILS + 1])),
        ];
        for (attribute, profile) in cases {
            assert_eq!(profile.check().unwrap_err().attribute, attribute);
        }
    }
}
