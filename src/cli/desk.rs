//! Somebody signed in for as long as a command takes, with their password as at the portal.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tower_sessions::Session;

use crate::accounts::{Attempt, Password, Principal, StepUp};
use crate::audit::Context;
use crate::web::Portal;

pub(super) struct Desk {
    session: Session,
    pub(super) principal: Principal,
    pub(super) step_up: StepUp,
}

impl Desk {
    /// # Errors
    /// When the password is not theirs, or signing in cannot be recorded.
    pub(super) async fn open(portal: &Portal, email: &str, password: String, context: &Context) -> anyhow::Result<Self> {
        let session = Session::new(None, Arc::new(portal.accounts.sessions()), None);
        let attempt = Attempt { email: email.to_owned(), password: Password::new(password), address: "this machine".to_owned() };
        portal.accounts.sign_in(attempt, &session, context).await.with_context(|| format!("{email} cannot sign in"))?;
        let principal = portal.accounts.principal(&session, None).await?.ok_or_else(|| anyhow!("the session was lost"))?;
        let step_up = portal.accounts.stepped_up(&principal).ok_or_else(|| anyhow!("the clock jumped while signing in"))?;
        Ok(Self { session, principal, step_up })
    }

    pub(super) async fn close(self, portal: &Portal, context: &Context) -> anyhow::Result<()> {
        Ok(portal.accounts.sign_out(&self.principal, &self.session, context).await?)
    }
}
