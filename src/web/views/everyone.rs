//! Pages of everyone, whatever their role: signing in and out, the account, confirming who it is, and errors.

use askama::Template;

use super::format::filters;
use super::forms::FieldErrors;
use super::shell::{Notice, Role, Shell, Tone};

/// `GET /sign-in`; posts `email`, `password`, `csrf`, `next` to `/sign-in`.
#[derive(Debug, Template)]
#[template(path = "pages/sign_in.html")]
pub struct SignIn {
    pub shell: Shell,
    pub csrf: String,
    /// Where to go after signing in; a path of this portal, or empty.
    pub next: String,
    /// The address typed before, kept when signing in failed.
    pub email: String,
    /// One sentence when signing in failed; the same for every reason.
    pub error: Option<String>,
}

impl SignIn {
    /// While sessions cannot be kept: nothing that is sent from here is taken.
    #[must_use]
    pub fn closed() -> Self {
        let shell = Shell { title: "Sign in".to_owned(), ..Shell::default() };
        let sentence = "Nobody can sign in at the moment, because the portal cannot write. Try again in a while.".to_owned();
        Self { shell, csrf: String::new(), next: String::new(), email: String::new(), error: Some(sentence) }
    }
}

/// `GET /sign-in/second-factor`, after the password; posts `code`, `csrf`, `next` to the same address.
#[derive(Debug, Template)]
#[template(path = "pages/sign_in_factor.html")]
pub struct SignInFactor {
    pub shell: Shell,
    pub csrf: String,
    pub next: String,
    /// One sentence when the code was not taken; the same for every reason.
    pub error: Option<String>,
}

/// After `POST /sign-out`.
#[derive(Debug, Template)]
#[template(path = "pages/signed_out.html")]
pub struct SignedOut {
    pub shell: Shell,
}

/// `GET /reauthenticate`; posts `password`, `csrf`, `next`, and `code` of a second factor, to the same address.
#[derive(Debug, Template)]
#[template(path = "pages/reauthenticate.html")]
pub struct Reauthenticate {
    pub shell: Shell,
    pub csrf: String,
    /// Where to go once confirmed.
    pub next: String,
    /// What is about to be done, to finish "Before you …": "approve this grant". May be empty.
    pub purpose: String,
    /// They have a second factor.
    pub factor: bool,
    pub error: Option<String>,
}

/// `GET /account`; each session posts `session` and `csrf` to `/account/sessions/end`, which ends all others when `session` is empty;
/// the password is changed by posting `current`, `password`, `again` and `csrf` to `/account/password`.
#[derive(Debug, Template)]
#[template(path = "pages/account.html")]
pub struct Account {
    pub shell: Shell,
    pub csrf: String,
    pub email: String,
    /// The agreement a reviewer reads under; `None` for other roles, or when none is in force.
    pub agreement: Option<AgreementTerm>,
    /// What may be read, one sentence each: "Aurora Gateway: net/ and tests/, versions 4.*, until 31 March 2027".
    pub readable: Vec<String>,
    /// Live sessions, the present one first.
    pub sessions: Vec<SessionRow>,
    pub factor: Option<FactorLine>,
    /// Of the form that changes the password.
    pub errors: FieldErrors,
}

/// A second factor that is set up.
#[derive(Clone, Copy, Debug)]
pub struct FactorLine {
    /// Microseconds since the epoch, UTC.
    pub since: i64,
    /// Recovery codes that were not used.
    pub codes_left: u64,
}

/// The agreement that a reviewer reads under.
#[derive(Clone, Debug)]
pub struct AgreementTerm {
    pub reference: String,
    pub agency: String,
    /// Microseconds since the epoch, UTC.
    pub from: i64,
    /// Microseconds since the epoch, UTC; the first moment that no longer counts.
    pub until: i64,
    pub days_left: u64,
    /// Of the whole term, how much has passed, 0 to 100.
    pub passed_percent: u8,
}

/// One live session.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// The short hash that names it.
    pub id: String,
    pub current: bool,
    /// Microseconds since the epoch, UTC.
    pub opened_at: i64,
    pub last_seen_at: i64,
    /// Ends by itself at this time.
    pub ends_at: i64,
    /// "Firefox on Windows".
    pub browser: String,
    /// The network address.
    pub address: String,
}

/// Any error, also for visitors who are not signed in.
#[derive(Debug, Template)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    pub shell: Shell,
    /// The HTTP status.
    pub status: u16,
    /// The page's heading, a sentence.
    pub heading: String,
    /// What happened and what was kept, a sentence or two.
    pub text: String,
    /// What to do next.
    pub next: Vec<String>,
    /// Shown on internal errors so that an operator finds them in the log.
    pub request: Option<String>,
}

impl ErrorPage {
    fn new(mut shell: Shell, status: u16, heading: &str, text: &str, next: &[&str]) -> Self {
        heading.clone_into(&mut shell.title);
        Self {
            shell,
            status,
            heading: heading.to_owned(),
            text: text.to_owned(),
            next: next.iter().map(ToString::to_string).collect(),
            request: None,
        }
    }

    /// 400: `problem` names what is wrong and what to do.
    pub fn bad_request(shell: Shell, problem: &str) -> Self {
        Self::new(
            shell,
            400,
            "This request could not be understood.",
            problem,
            &["Go back, mend what is named above and send it again. Nothing was changed."],
        )
    }

    /// 403: `problem` says what was refused.
    pub fn forbidden(shell: Shell, problem: &str) -> Self {
        Self::new(
            shell,
            403,
            "This was refused.",
            problem,
            &["Nothing was changed. If the page had been open for long, go back, reload it and try again."],
        )
    }

    /// 404: one constant page for everything that is not there or may not be read.
    pub fn not_found(shell: Shell) -> Self {
        Self::new(
            shell,
            404,
            "There is nothing here that you can read.",
            "The address may be mistyped, or it may name something your agreement does not cover. The portal does not say which.",
            &[
                "Go to your desk and start from what you may read.",
                "If you expected to read this, ask your agency's contact about the agreement.",
            ],
        )
    }

    /// 429: `problem` says of what there was too much, `wait_seconds` when it makes sense to try again.
    pub fn too_many(shell: Shell, problem: &str, wait_seconds: u64) -> Self {
        let wait = super::format::counted(wait_seconds.max(1), "second", "seconds");
        Self::new(shell, 429, "Too much at once.", problem, &[&format!("Nothing is lost. Wait {wait} and load this page again.")])
    }

    /// 503: the answer took longer than it may.
    pub fn not_ready(shell: Shell) -> Self {
        Self::new(
            shell,
            503,
            "This took longer than an answer may.",
            "The history of this product is still being prepared, or this part of it is very large. Nothing of it has left the server.",
            &["Try again in a minute. If this lasts, ask the people who run the portal to index the product again."],
        )
    }

    /// 503: the audit log cannot take the entry.
    pub fn unrecordable(shell: Shell) -> Self {
        Self::new(
            shell,
            503,
            "The record cannot be written, so no source is shown.",
            "This portal shows source only when the log has said so first. Nothing you asked for has left the server.",
            &["Try again in a moment. If this lasts, tell the people who run the portal."],
        )
    }

    /// 503: too much of the log has not been cosigned by its witnesses.
    pub fn unwitnessed(shell: Shell) -> Self {
        Self::new(
            shell,
            503,
            "The record has not been witnessed, so no source is shown.",
            "What is read here is recorded in a log that others witness, and they have not confirmed it for longer than is allowed. \
             Nothing you asked for has left the server.",
            &[
                "Try again in a moment: source is shown again by itself once the witnesses confirm the log.",
                "If this lasts, tell the people who run the portal. Everything but source can be used meanwhile.",
            ],
        )
    }

    /// 500: the person sees the request id, the operator's log has the cause.
    pub fn internal(shell: Shell, request: &str) -> Self {
        let mut page = Self::new(
            shell,
            500,
            "Something went wrong on our side.",
            "The request was not completed. What happened is in the operator's log.",
            &["Try again in a moment. If it happens again, pass on the request number below."],
        );
        page.request = Some(request.to_owned());
        page
    }
}

impl SignIn {
    /// The failure as a notice.
    pub fn problem(&self) -> Option<Notice> {
        self.error.as_ref().map(|sentence| Notice::new(Tone::Danger, sentence))
    }
}

impl SignInFactor {
    /// The failure as a notice.
    pub fn problem(&self) -> Option<Notice> {
        self.error.as_ref().map(|sentence| Notice::new(Tone::Danger, sentence))
    }
}

impl Reauthenticate {
    /// The failure as a notice.
    pub fn problem(&self) -> Option<Notice> {
        self.error.as_ref().map(|sentence| Notice::new(Tone::Danger, sentence))
    }
}

/// `/terms?next=`: what a reviewer accepts before reading under an agreement; posts `agreement`, `version`, `next`, `csrf` to the same
/// address.
#[derive(Debug, Template)]
#[template(path = "pages/terms.html")]
pub struct TermsToAccept {
    pub shell: Shell,
    pub csrf: String,
    pub next: String,
    pub agreement: String,
    pub reference: String,
    pub version: i64,
    /// Microseconds since the epoch, UTC.
    pub published_at: i64,
    /// An earlier version was accepted.
    pub changed: bool,
    pub text: String,
    /// Agreements whose terms are to be accepted after these.
    pub more: usize,
    pub problem: Option<String>,
}

/// `/invitation/{secret}`: whoever was invited chooses a password; posts `password`, `again`, `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "pages/invitation.html")]
pub struct Invitation {
    pub shell: Shell,
    pub csrf: String,
    /// The address of the page itself.
    pub action: String,
    pub name: String,
    pub email: String,
    pub role: Role,
    /// The agency's name, of reviewers; may be empty.
    pub agency: String,
    pub errors: FieldErrors,
}

/// The same for every link that does not work.
#[derive(Debug, Template)]
#[template(path = "pages/invitation_closed.html")]
pub struct InvitationClosed {
    pub shell: Shell,
}

/// `/reset/{secret}`: whoever lost their password chooses another one; posts `code`, `password`, `again`, `csrf` to the same address.
#[derive(Debug, Template)]
#[template(path = "pages/reset.html")]
pub struct ResetForm {
    pub shell: Shell,
    pub csrf: String,
    /// The address of the page itself.
    pub action: String,
    pub name: String,
    pub email: String,
    /// As it was typed.
    pub code: String,
    pub errors: FieldErrors,
}

/// The same for every link that does not work.
#[derive(Debug, Template)]
#[template(path = "pages/reset_closed.html")]
pub struct ResetClosed {
    pub shell: Shell,
}
