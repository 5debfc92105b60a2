//! What surrounds every page: its title, who is signed in, where they are, and what happened just before.

/// What surrounds every page.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// The page's own title, without the portal's name.
    pub title: String,
    /// Who is signed in; `None` on the pages anyone may see (the masthead then shows the name alone).
    pub person: Option<Person>,
    /// No room is open to them yet: the masthead names them and lets them sign out, and leads nowhere.
    pub closed: bool,
    /// Which navigation item the page belongs to.
    pub place: Place,
    /// The anti-forgery token for the sign-out form in the masthead.
    pub csrf: String,
    /// The text standing in the search box; usually empty.
    pub query: String,
    /// What the form sent just before has done.
    pub flash: Option<Notice>,
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub role: Role,
    /// The agency's name, for reviewers.
    pub agency: Option<String>,
}

impl Person {
    /// The line under the name: the agency, or the role of those who have none.
    pub fn standing(&self) -> &str {
        self.agency.as_deref().unwrap_or_else(|| self.role.words())
    }
}

/// One account has one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Reviewer,
    Auditor,
    Administrator,
}

impl Role {
    /// "Reviewer", "Auditor", "Administrator".
    pub fn words(self) -> &'static str {
        match self {
            Self::Reviewer => "Reviewer",
            Self::Auditor => "Auditor",
            Self::Administrator => "Administrator",
        }
    }

    /// The navigation of this role: place, address, words.
    pub fn nav(self) -> &'static [(Place, &'static str, &'static str)] {
        match self {
            Self::Reviewer => &[
                (Place::Desk, "/", "Desk"),
                (Place::Products, "/p", "Products"),
                (Place::Search, "/search", "Search"),
                (Place::Receipts, "/transparency/receipts", "Receipts"),
            ],
            Self::Auditor => &[(Place::Desk, "/", "Desk"), (Place::Log, "/audit", "Log"), (Place::Exports, "/audit/export", "Exports")],
            Self::Administrator => &[
                (Place::Desk, "/", "Desk"),
                (Place::Grants, "/admin/grants", "Grants"),
                (Place::Agencies, "/admin/agencies", "Agencies"),
                (Place::People, "/admin/people", "People"),
                (Place::Products, "/admin/products", "Products"),
            ],
        }
    }

    /// The search box of this role: address, name of the parameter, what it finds.
    pub fn find(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Reviewer => Some(("/search", "q", "Search source you may read")),
            Self::Auditor => Some(("/audit", "path", "Find entries by path")),
            Self::Administrator => None,
        }
    }
}

/// A navigation item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    Desk,
    Products,
    Search,
    Receipts,
    Log,
    Exports,
    Grants,
    Agencies,
    People,
    Account,
    /// Nothing in the navigation is current.
    #[default]
    Elsewhere,
}

/// A sentence that stands out, with links to what it speaks of.
#[derive(Clone, Debug)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
    pub links: Vec<Link>,
}

impl Notice {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into(), links: Vec::new() }
    }

    /// With one more link.
    #[must_use]
    pub fn link(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.links.push(Link { label: label.into(), href: href.into() });
        self
    }
}

/// Green for what is done and holds, brass for what to look at, oxblood for refusals and danger, none for what is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Done,
    Look,
    Danger,
    Quiet,
}

impl Tone {
    /// The CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Look => "look",
            Self::Danger => "danger",
            Self::Quiet => "quiet",
        }
    }
}

/// Words that lead somewhere.
#[derive(Clone, Debug)]
pub struct Link {
    pub label: String,
    pub href: String,
}
