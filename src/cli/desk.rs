//! Somebody signed in for as long as a command takes, with their password as at the portal.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use tower_sessions::Session;

use crate::accounts::{Admission, Attempt, Password, Presence, Principal, StepUp};
use crate::audit::Context;
use crate::web::Portal;

pub(super) struct Desk {
    session: Session,
    pub(super) principal: Principal,
    pub(super) step_up: StepUp,
}

impl Desk {
    /// `code`: of their second factor, or a recovery code.
    ///
    /// # Errors
    /// When the password or the code is not theirs, or signing in cannot be recorded.
    pub(super) async fn open(
        portal: &Portal,
        email: &str,
        password: String,
        code: Option<&str>,
        context: &Context,
    ) -> anyhow::Result<Self> {
        let session = Session::new(None, Arc::new(portal.accounts.sessions()), None);
        let attempt = Attempt { email: email.to_owned(), password: Password::new(password), address: "this machine".to_owned() };
        let admitted = portal.accounts.sign_in(attempt, &session, context).await.with_context(|| format!("{email} cannot sign in"))?;
        if admitted == Admission::Factor {
            let code = code.ok_or_else(|| {
                anyhow!("{email} has a second factor. Give the code that the app shows now, or a recovery code, with --code")
            })?;
            let Presence::Waiting(waiting) = portal.accounts.presence(&session, None).await? else { bail!("the session was lost") };
            let given = portal.accounts.give_factor(&waiting, code, &session, context).await;
            given.with_context(|| format!("{email} cannot sign in with this code; each one works once"))?;
        }
        let principal = match portal.accounts.presence(&session, None).await? {
            Presence::Present(principal) => principal,
            Presence::Due(_) => bail!("{email} has to set up a second factor at the portal first"),
            Presence::Waiting(_) | Presence::Nobody => bail!("the session was lost"),
        };
        let step_up = portal.accounts.stepped_up(&principal).ok_or_else(|| anyhow!("the clock jumped while signing in"))?;
        Ok(Self { session, principal, step_up })
    }

    pub(super) async fn close(self, portal: &Portal, context: &Context) -> anyhow::Result<()> {
        Ok(portal.accounts.sign_out(&self.principal.admitted(), &self.session, context).await?)
    }
}
