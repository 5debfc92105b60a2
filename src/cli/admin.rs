//! `lectern admin`: people, agencies, agreements and grants, for scripts. Done twice, it changes nothing the second time and says so.
//!
//! The operator of the machine answers for what is done here: whom a command invites, names or resets needs no second administrator, and
//! reads what is granted afterwards. A grant is never given here: an administrator proposes it with their password, and another approves it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::audit::Installation;
use super::desk::Desk;
use super::operate::{context, existing, open, say};
use crate::accounts::{Account, ResetOf};
use crate::audit::{Context, csv_field};
use crate::clock::Timestamp;
use crate::entitlements::{EntitlementError, ImportPlan, Invited, NewAgency, NewAgreement, PEOPLE_COLUMNS, Window};
use crate::web::Portal;

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// People: invite, name, list
    #[command(subcommand)]
    People(PeopleCommand),
    /// Agencies
    #[command(subcommand)]
    Agencies(AgenciesCommand),
    /// Agreements with agencies
    #[command(subcommand)]
    Agreements(AgreementsCommand),
    /// Grants: list, and propose
    #[command(subcommand)]
    Grants(GrantsCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum PeopleCommand {
    /// List everybody, by role and e-mail address
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Invite somebody, and show their link once; name them in agreements
    Add {
        email: String,
        #[arg(long)]
        name: String,
        /// reviewer, auditor or administrator
        #[arg(long, default_value = "reviewer")]
        role: String,
        /// The agency of a reviewer, by name or as addresses write it
        #[arg(long, default_value = "")]
        agency: String,
        /// The reference of an agreement that is to name them; may be given several times
        #[arg(long, value_name = "REFERENCE")]
        agreement: Vec<String>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Invite and name whom a file of CSV lists, all or none
    Import {
        #[command(flatten)]
        file: CsvFile,
        #[command(flatten)]
        form: Form,
    },
    /// Write everybody to the output, as CSV
    Export {
        #[command(flatten)]
        at: Installation,
    },
    /// Lock an account at once; unlocking takes an administrator at the portal
    Lock {
        email: String,
        /// Why; it stands in the record
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        form: Form,
    },
    /// Reset somebody's password and second factor at once, without a second administrator, and show once what they need to choose
    /// another one. For when no two administrators are left who could do it at the portal
    Reset {
        email: String,
        /// Why; it stands in the record
        #[arg(long)]
        reason: String,
        /// Only remove the second factor; the password stays
        #[arg(long)]
        factor_only: bool,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AgenciesCommand {
    /// List agencies, by name
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Add an agency
    Add {
        name: String,
        #[arg(long)]
        country: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum AgreementsCommand {
    /// List agreements, by the end of their terms
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Enter a signed agreement
    Add {
        /// The agency, by name or as addresses write it
        agency: String,
        reference: String,
        /// Its first day, as in 2027-01-01
        #[arg(long)]
        from: String,
        /// Its last day
        #[arg(long)]
        until: String,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum GrantsCommand {
    /// List grants, the newest proposal first
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Propose the grants that a file of CSV lists, all or none, as one administrator; another has to approve each
    Import {
        #[command(flatten)]
        file: CsvFile,
        /// The e-mail address of the administrator who proposes
        #[arg(long = "as", value_name = "EMAIL")]
        proposer: String,
        /// A file with their password
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
        /// The code that their authenticator app shows now, or a recovery code, when they have a second factor
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Write every grant to the output, as CSV
    Export {
        #[command(flatten)]
        at: Installation,
    },
}

#[derive(Debug, Args)]
pub(super) struct Form {
    /// JSON instead of fields with tabs between them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Installation,
}

#[derive(Debug, Args)]
pub(super) struct CsvFile {
    file: PathBuf,
    /// Only say line by line what would be done; exit code 1 when a line cannot be
    #[arg(long)]
    dry_run: bool,
    /// The SHA-256 of the file that a dry run told: nothing is done with another
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,
}

impl CsvFile {
    fn read(&self) -> anyhow::Result<Vec<u8>> {
        fs::read(&self.file).with_context(|| format!("{} cannot be read", self.file.display()))
    }
}

pub(super) async fn run(command: AdminCommand) -> anyhow::Result<ExitCode> {
    let at = match &command {
        AdminCommand::People(PeopleCommand::Export { at }) | AdminCommand::Grants(GrantsCommand::Export { at }) => at,
        AdminCommand::People(
            PeopleCommand::List { form }
            | PeopleCommand::Add { form, .. }
            | PeopleCommand::Import { form, .. }
            | PeopleCommand::Lock { form, .. }
            | PeopleCommand::Reset { form, .. },
        )
        | AdminCommand::Agencies(AgenciesCommand::List { form } | AgenciesCommand::Add { form, .. })
        | AdminCommand::Agreements(AgreementsCommand::List { form } | AgreementsCommand::Add { form, .. })
        | AdminCommand::Grants(GrantsCommand::List { form } | GrantsCommand::Import { form, .. }) => &form.at,
    };
    let portal = open(existing(at)?).await?;
    let context = context(&portal.entropy);
    let done = match command {
        AdminCommand::People(command) => people(&portal, command, &context).await,
        AdminCommand::Agencies(command) => agencies(&portal, command, &context).await,
        AdminCommand::Agreements(command) => agreements(&portal, command, &context).await,
        AdminCommand::Grants(command) => grants(&portal, command, &context).await,
    };
    portal.log.close().await;
    done
}

async fn people(portal: &Portal, command: PeopleCommand, context: &Context) -> anyhow::Result<ExitCode> {
    let rooms = &portal.entitlements;
    match command {
        PeopleCommand::List { form } => {
            let rows = portal.accounts.list().await?;
            print(&form, rows.iter().map(person).collect())?;
        }
        PeopleCommand::Add { email, name, role, agency, agreement, dry_run, form } => {
            // One line of a file, so that it is done in the same way.
            let fields = [email, name, role, agency, agreement.join("\n"), String::new()];
            let fields: Vec<String> = fields.iter().map(|field| csv_field(field)).collect();
            let file = format!("{}\n{}\n", PEOPLE_COLUMNS.join(","), fields.join(","));
            return bring_people(portal, file.as_bytes(), (dry_run, None), &form, context).await;
        }
        PeopleCommand::Import { file, form } => {
            return bring_people(portal, &file.read()?, (file.dry_run, file.digest.as_deref()), &form, context).await;
        }
        PeopleCommand::Export { .. } => say(rooms.export_people(&portal.accounts, None, context).await?.trim_end())?,
        PeopleCommand::Lock { email, reason, form } => {
            let key = email.to_lowercase();
            let account = portal.accounts.find(&key).await?.ok_or_else(|| anyhow!("there is no account of {email}"))?;
            let (outcome, says) = if account.disabled_at.is_some() {
                ("nothing", "It is locked already.")
            } else {
                portal.accounts.lock_by_operator(&account.id, &reason, context).await?;
                ("make", "Locked, and their sessions have ended.")
            };
            print(&form, vec![vec![("email", account.email), ("outcome", outcome.to_owned()), ("says", says.to_owned())]])?;
        }
        PeopleCommand::Reset { email, reason, factor_only, form } => {
            let account = portal.accounts.find(&email.to_lowercase()).await?.ok_or_else(|| anyhow!("there is no account of {email}"))?;
            let what = if factor_only { ResetOf::Factor } else { ResetOf::Password };
            let (link, code) = match portal.accounts.reset_by_operator(&account.id, what, &reason, context).await? {
                Some((link, code)) => (link.address(portal.config.public_origin.as_deref(), portal.config.listen), code.reveal()),
                None => (String::new(), String::new()),
            };
            let says = match what {
                ResetOf::Password => "Reset by one hand, which the record says. They need link and code within a day.",
                ResetOf::Factor => "The second factor is removed by one hand, which the record says. Their sessions have ended.",
            };
            let outcome = ("outcome", "make".to_owned());
            print(&form, vec![vec![("email", account.email), outcome, ("says", says.to_owned()), ("link", link), ("code", code)]])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn bring_people(
    portal: &Portal,
    file: &[u8],
    (dry_run, digest): (bool, Option<&str>),
    form: &Form,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let plan = portal.entitlements.plan_people(&portal.accounts, file, true).await?;
    if dry_run || plan.refuses() > 0 {
        return planned(portal, form, &plan, &[]);
    }
    let (plan, invited) = portal.entitlements.import_people(&portal.accounts, file, digest, None, context).await?;
    planned(portal, form, &plan, &invited)
}

/// Prints a plan, or what was done of it; exit code 1 when a line was refused, and so all were.
fn planned(portal: &Portal, form: &Form, plan: &ImportPlan, invited: &[Invited]) -> anyhow::Result<ExitCode> {
    let rows = plan.lines.iter().map(|line| {
        let link = invited.iter().find(|one| one.email == line.subject);
        let origin = portal.config.public_origin.as_deref();
        vec![
            ("line", line.line.to_string()),
            ("about", line.subject.clone()),
            ("outcome", line.outcome.word().to_owned()),
            ("says", line.outcome.says()),
            ("link", link.map(|one| one.link.address(origin, portal.config.listen)).unwrap_or_default()),
            ("digest", plan.digest.clone()),
        ]
    });
    print(form, rows.collect())?;
    Ok(ExitCode::from(u8::from(plan.refuses() > 0)))
}

fn person(account: &Account) -> Vec<(&'static str, String)> {
    vec![
        ("email", account.email.clone()),
        ("name", account.name.clone()),
        ("role", account.role.as_str().to_owned()),
        ("agency", account.agency.as_ref().map(|agency| agency.name.clone()).unwrap_or_default()),
        ("state", account.standing().as_str().to_owned()),
        ("second_factor", if account.second_factor.is_some() { "yes" } else { "no" }.to_owned()),
    ]
}

async fn agencies(portal: &Portal, command: AgenciesCommand, context: &Context) -> anyhow::Result<ExitCode> {
    let rooms = &portal.entitlements;
    match command {
        AgenciesCommand::List { form } => {
            let rows = rooms.agencies().await?.into_iter().map(|agency| {
                let eligible = if agency.ineligible.is_none() { "yes" } else { "no" };
                vec![("agency", agency.slug), ("name", agency.name), ("country", agency.country), ("eligible", eligible.to_owned())]
            });
            print(&form, rows.collect())?;
        }
        AgenciesCommand::Add { name, country, dry_run, form } => {
            let there = rooms.agencies().await?.into_iter().find(|agency| agency.name == name.trim());
            let (outcome, says) = match there {
                Some(there) if there.country == country.trim() => ("nothing", "It is so already."),
                Some(there) => bail!("{} is of {} here; change it at the portal", there.name, there.country),
                None if dry_run => ("make", "Adds the agency."),
                None => {
                    rooms.add_agency(NewAgency::named(&name, &country), None, context).await?;
                    ("make", "Adds the agency.")
                }
            };
            print(&form, vec![vec![("name", name), ("outcome", outcome.to_owned()), ("says", says.to_owned())]])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn agreements(portal: &Portal, command: AgreementsCommand, context: &Context) -> anyhow::Result<ExitCode> {
    let rooms = &portal.entitlements;
    match command {
        AgreementsCommand::List { form } => {
            let agencies = rooms.agencies().await?;
            let now = portal.clock.now();
            let rows = rooms.agreements().await?.into_iter().map(|of| {
                let agency = agencies.iter().find(|agency| agency.id == of.agency).map(|agency| agency.name.clone());
                vec![
                    ("reference", of.reference.clone()),
                    ("agency", agency.unwrap_or_default()),
                    ("from", of.term.from.to_string()),
                    ("until", of.term.until.to_string()),
                    ("in_force", of.in_force(now).to_string()),
                ]
            });
            print(&form, rows.collect())?;
        }
        AgreementsCommand::Add { agency, reference, from, until, dry_run, form } => {
            let found =
                rooms.agency(&agency).await?.ok_or_else(|| anyhow!("there is no agency {agency}. lectern admin agencies add makes one"))?;
            let day = |text: &str| {
                Timestamp::parse(text).filter(|_| text.len() == 10).ok_or_else(|| anyhow!("{text:?} is no day, as in 2027-03-31"))
            };
            let term = Window { from: day(&from)?, until: day(&until)?.plus(Duration::from_secs(86_400)) };
            let (outcome, says) = match rooms.agreement(&reference).await? {
                Some(there) if there.agency == found.id && there.term == term => ("nothing", "It is so already."),
                Some(_) => bail!("there is an agreement {reference} already, of another agency or term; change it at the portal"),
                None if dry_run => ("make", "Enters the agreement as signed."),
                None => {
                    rooms.add_agreement(NewAgreement::signed(found.id, &reference, term), None, context).await?;
                    ("make", "Enters the agreement as signed.")
                }
            };
            print(&form, vec![vec![("reference", reference), ("outcome", outcome.to_owned()), ("says", says.to_owned())]])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn grants(portal: &Portal, command: GrantsCommand, context: &Context) -> anyhow::Result<ExitCode> {
    let rooms = &portal.entitlements;
    match command {
        GrantsCommand::List { form } => {
            let rows = rooms.list().await?.into_iter().map(|line| {
                vec![
                    ("grant", line.entitlement.id.to_string()),
                    ("agreement", line.agreement_reference),
                    ("agency", line.agency_name),
                    ("product", line.product_name),
                    ("versions", line.entitlement.versions.join(" ")),
                    ("from", line.entitlement.window.from.to_string()),
                    ("until", line.entitlement.window.until.to_string()),
                    ("state", line.entitlement.state.as_str().to_owned()),
                ]
            });
            print(&form, rows.collect())?;
            Ok(ExitCode::SUCCESS)
        }
        GrantsCommand::Export { .. } => {
            say(rooms.export_grants(None, context).await?.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        GrantsCommand::Import { file, proposer, password_file, code, form } => {
            let bytes = file.read()?;
            let password = fs::read_to_string(&password_file).with_context(|| format!("{} cannot be read", password_file.display()))?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            let desk = Desk::open(portal, &proposer, password, code.as_deref(), context).await?;
            let done = propose(portal, (&file, &bytes), &desk, context).await;
            desk.close(portal, context).await?;
            planned(portal, &form, &done?, &[])
        }
    }
}

async fn propose(
    portal: &Portal,
    (file, bytes): (&CsvFile, &[u8]),
    desk: &Desk,
    context: &Context,
) -> Result<ImportPlan, EntitlementError> {
    let products = portal.catalog.products().await.map_err(|error| crate::entitlements::invalid("csv", &error.to_string()))?;
    let plan = portal.entitlements.plan_grants(&products, bytes, &desk.principal).await?;
    if file.dry_run || plan.refuses() > 0 {
        return Ok(plan);
    }
    portal.entitlements.import_grants(&products, bytes, file.digest.as_deref(), &desk.principal, context).await
}

/// Rows as lines with tabs between the fields, or as an array of JSON. Neither a tab nor the end of a line stands within a field.
fn print(form: &Form, rows: Vec<Vec<(&'static str, String)>>) -> anyhow::Result<()> {
    if form.json {
        let object = |row: Vec<(&'static str, String)>| -> Map<String, Value> {
            row.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
        };
        return say(&serde_json::to_string_pretty(&rows.into_iter().map(object).collect::<Vec<_>>())?);
    }
    for row in rows {
        let fields: Vec<String> = row.into_iter().map(|(_, value)| value.replace(['\t', '\r', '\n'], " ")).collect();
        say(&fields.join("\t"))?;
    }
    Ok(())
}
