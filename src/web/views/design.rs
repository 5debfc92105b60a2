//! `/design`: every token and component of the design system on one page.

use askama::Template;

use super::format::filters;
use super::reading::Seal;
use super::shell::{Notice, Shell, Tone};

/// `/design`.
#[derive(Debug, Template)]
#[template(path = "pages/design.html")]
pub struct DesignPage {
    pub shell: Shell,
}

impl DesignPage {
    /// A seal like those on every page that shows source.
    pub fn seal(&self) -> Seal {
        Seal { entry: 18_204 }
    }

    /// One notice of each tone.
    pub fn notices(&self) -> [Notice; 4] {
        [
            Notice::new(Tone::Done, "Done: what was asked for has happened and holds."),
            Notice::new(Tone::Look, "Look: something here changes how the text reads.").link("Show it", "#notices"),
            Notice::new(Tone::Danger, "Danger: this was refused, and nothing was changed."),
            Notice::new(Tone::Quiet, "Quiet: this is as it should be, and good to know."),
        ]
    }
}
