//! People as a file.

use std::collections::{BTreeMap, BTreeSet};

use super::super::agreements::{Agreement, Standing, sha256};
use super::super::{Agency, EntitlementError, Entitlements, NominationStage};
use super::table::{self, Row};
use super::{Outcome, Plan, PlannedLine, header, row};
use crate::accounts::{self, Account, Accounts, Link, NewAccount, Principal, Role, StepUp};
use crate::audit::Context;
use crate::clock::Timestamp;
use crate::database::DatabaseError;
use crate::ids::{AccountId, AgreementId};

/// The columns, of which the first two are needed. `agreements` has references, one a line; `state` is not read.
pub const PEOPLE_COLUMNS: [&str; 6] = ["email", "name", "role", "agency", "agreements", "state"];

/// Somebody whom a file invited, and their link.
#[derive(Debug)]
pub struct Invited {
    pub email: String,
    pub link: Link,
}

/// What is to be done for a line.
#[derive(Default)]
struct Work {
    account: Option<AccountId>,
    invite: Option<NewAccount>,
    nominate: Vec<AgreementId>,
}

/// When a file is read in, and whether without a second administrator.
#[derive(Clone, Copy)]
struct When {
    now: Timestamp,
    alone: bool,
}

/// What a line is held against.
struct Known {
    agencies: Vec<Agency>,
    agreements: Vec<Agreement>,
    accounts: BTreeMap<String, Account>,
    /// Who is nominated for an agreement, or named by it.
    standing: BTreeSet<(AgreementId, AccountId)>,
}

impl Entitlements {
    /// What reading in a file of people would do; `alone` for the command line, whose operator answers for what takes two.
    pub async fn plan_people(&self, accounts: &Accounts, file: &[u8], alone: bool) -> Result<Plan, EntitlementError> {
        Ok(self.people_work(accounts, file, alone).await?.0)
    }

    /// Does what a file of people says: invites and nominates, as one administrator or, without one, the command line does. All of it
    /// or nothing. `digest` is that of the file which was looked at.
    pub async fn import_people(
        &self,
        accounts: &Accounts,
        file: &[u8],
        digest: Option<&str>,
        by: Option<&Principal>,
        context: &Context,
    ) -> Result<(Plan, Vec<Invited>), EntitlementError> {
        let (plan, work) = self.people_work(accounts, file, by.is_none()).await?;
        plan.sound(digest)?;
        let mut invited = Vec::new();
        if plan.makes() == 0 {
            return Ok((plan, invited));
        }
        let mut tx = self.database.begin().await?;
        for one in work {
            let account = match one.invite {
                None => one.account,
                Some(new) => {
                    let email = new.email.clone();
                    let (id, link) = accounts.invite_in(&mut tx, new, by, context).await?;
                    invited.push(Invited { email, link });
                    Some(id)
                }
            };
            let Some(account) = account else { continue };
            for agreement in &one.nominate {
                self.enter_in(&mut tx, agreement, &account, by, context).await?;
            }
        }
        self.imported(&mut tx, "people", &plan, by, context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok((plan, invited))
    }

    /// Everybody as a file, after recording that it is written.
    pub async fn export_people(&self, accounts: &Accounts, by: Option<&StepUp>, context: &Context) -> Result<String, EntitlementError> {
        let known = self.known(accounts).await?;
        self.exported("people", known.accounts.len(), by.map(StepUp::principal), context).await?;
        let mut file = header(&PEOPLE_COLUMNS);
        for account in known.accounts.values() {
            let named = known.agreements.iter().filter(|of| known.standing.contains(&(of.id.clone(), account.id.clone())));
            file.push_str(&row(&[
                account.email.clone(),
                account.name.clone(),
                account.role.as_str().to_owned(),
                account.agency.as_ref().map(|agency| agency.name.clone()).unwrap_or_default(),
                named.map(|of| of.reference.clone()).collect::<Vec<_>>().join("\n"),
                account.standing().as_str().to_owned(),
            ]));
        }
        Ok(file)
    }

    async fn known(&self, accounts: &Accounts) -> Result<Known, EntitlementError> {
        let agreements = self.agreements().await?;
        let mut standing = BTreeSet::new();
        for agreement in &agreements {
            for nominee in self.nominees(&agreement.id).await? {
                if matches!(nominee.nomination.stage, NominationStage::Nominated | NominationStage::Approved) {
                    standing.insert((agreement.id.clone(), nominee.nomination.account));
                }
            }
        }
        let accounts = accounts.list().await?.into_iter().map(|account| (account.email.clone(), account)).collect();
        Ok(Known { agencies: self.agencies().await?, agreements, accounts, standing })
    }

    async fn people_work(&self, accounts: &Accounts, file: &[u8], alone: bool) -> Result<(Plan, Vec<Work>), EntitlementError> {
        let known = self.known(accounts).await?;
        let when = When { now: self.clock.now(), alone };
        let (mut lines, mut work, mut seen) = (Vec::new(), Vec::new(), BTreeMap::new());
        for line in table::read(file, &PEOPLE_COLUMNS, 2)? {
            let subject = line.get("email").to_lowercase();
            let planned = match seen.insert(subject.clone(), line.line) {
                Some(first) => Err(format!("Line {first} is about the same person.")),
                None => known.plan(&line, &subject, when),
            };
            let outcome = match planned {
                Err(sentence) => Outcome::Refuse(sentence),
                Ok((one, sentences)) => {
                    work.push(one);
                    if sentences.is_empty() { Outcome::Nothing } else { Outcome::Make(sentences) }
                }
            };
            lines.push(PlannedLine { line: line.line, subject, outcome });
        }
        Ok((Plan { digest: sha256(file), lines }, work))
    }
}

impl Known {
    /// What a line would do, or a sentence why it cannot.
    fn plan(&self, line: &Row, email: &str, when: When) -> Result<(Work, Vec<String>), String> {
        let role: Role = match line.get("role") {
            "" => Role::Reviewer,
            role => role.parse().map_err(|()| format!("There is no role {role:?}: reviewer, auditor, administrator."))?,
        };
        let agency = match line.get("agency") {
            "" => None,
            key => {
                let found = self.agencies.iter().find(|agency| agency.slug == key || agency.name == key);
                Some(found.ok_or_else(|| format!("There is no agency {key:?}."))?)
            }
        };
        let new =
            NewAccount { email: email.to_owned(), name: line.get("name").to_owned(), role, agency: agency.map(|agency| agency.id.clone()) };
        let mut work = Work::default();
        let mut sentences = Vec::new();
        match self.accounts.get(email) {
            None => {
                Accounts::check(&new).map_err(|error| error.to_string())?;
                sentences.push(match (agency, when.alone) {
                    (Some(agency), _) => format!("Invites {} as {} of {}.", new.name, role.noun(), agency.name),
                    (None, true) => format!("Invites {} as {}.", new.name, role.noun()),
                    (None, false) => format!("Invites {} as {}, which another administrator has to approve.", new.name, role.noun()),
                });
                work.invite = Some(new);
            }
            Some(there) => {
                same(there, &new)?;
                work.account = Some(there.id.clone());
            }
        }
        for reference in line.list("agreements") {
            let agreement = self.agreements.iter().find(|of| of.reference == reference);
            let agreement = agreement.ok_or_else(|| format!("There is no agreement {reference:?}."))?;
            if agency.is_none_or(|agency| agency.id != agreement.agency) {
                return Err(format!("The agreement {reference} is with another agency."));
            }
            let named = work.account.as_ref().is_some_and(|id| self.standing.contains(&(agreement.id.clone(), id.clone())));
            if named {
                continue;
            }
            if matches!(agreement.standing(when.now), Standing::Expired | Standing::Terminated) {
                return Err(format!("The agreement {reference} has ended."));
            }
            if !work.nominate.contains(&agreement.id) {
                work.nominate.push(agreement.id.clone());
                sentences.push(if when.alone {
                    format!("Names them in {reference}.")
                } else {
                    format!("Nominates them for {reference}, which another administrator has to approve.")
                });
            }
        }
        Ok((work, sentences))
    }
}

/// That somebody is here as a file says.
fn same(there: &Account, new: &NewAccount) -> Result<(), String> {
    if there.standing() == accounts::Standing::Locked {
        return Err("Their account is locked.".to_owned());
    }
    if there.role != new.role {
        return Err(format!("They are {} here. Propose another role on their page.", there.role.noun()));
    }
    let agency = there.agency.as_ref().map(|agency| &agency.id);
    if agency != new.agency.as_ref() {
        return Err(match &there.agency {
            Some(agency) => format!("They are of {} here. Propose another agency on their page.", agency.name),
            None => "They are of no agency here.".to_owned(),
        });
    }
    if !new.name.is_empty() && there.name != new.name {
        return Err(format!("Their name is {} here.", there.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_here_otherwise_is_refused() {
        let there = Account {
            id: AccountId::known("acc_1"),
            email: "a@b.example".to_owned(),
            name: "Ada".to_owned(),
            role: Role::Auditor,
            agency: None,
            created_at: Timestamp::from_seconds(0),
            joined: true,
            reset_at: None,
            second_factor: None,
            disabled_at: None,
            lock: crate::accounts::Lock::default(),
        };
        let new = NewAccount { email: "a@b.example".to_owned(), name: "Ada".to_owned(), role: Role::Auditor, agency: None };
        assert_eq!(same(&there, &new), Ok(()));
        assert!(same(&there, &NewAccount { role: Role::Administrator, ..new.clone() }).is_err());
        assert!(same(&there, &NewAccount { name: "Bea".to_owned(), ..new.clone() }).is_err());
        assert!(same(&Account { disabled_at: Some(Timestamp::from_seconds(1)), ..there }, &new).is_err());
    }
}
