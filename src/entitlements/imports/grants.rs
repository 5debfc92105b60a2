//! Grants as a file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::agreements::{Agreement, sha256};
use super::super::{Entitlement, EntitlementError, Entitlements, Line, PathScope, Proposal, Readers, State, Window};
use super::table::{self, Row};
use super::{Outcome, Plan, PlannedLine, header, row};
use crate::accounts::{Principal, StepUp};
use crate::audit::Context;
use crate::catalog::{Product, RepoPath};
use crate::clock::Timestamp;
use crate::database::DatabaseError;

/// The columns, of which the first six are needed. `versions`, `include`, `exclude` and `people` have one a line, paths as addresses write
/// them; `from` and `until` are days, the last one included, or instants. `state` and `grant` are not read.
pub const GRANT_COLUMNS: [&str; 12] =
    ["agreement", "product", "versions", "from", "until", "purpose", "include", "exclude", "people", "needed", "state", "grant"];
const NEEDED: usize = 6;

const DAY: Duration = Duration::from_secs(86_400);

/// What a line is held against.
struct Known<'a> {
    agreements: Vec<Agreement>,
    products: &'a [Product],
    lines: Vec<Line>,
}

impl Entitlements {
    /// What reading in a file of grants would do. `products` are all there are.
    pub async fn plan_grants(&self, products: &[Product], file: &[u8], by: &Principal) -> Result<Plan, EntitlementError> {
        Ok(self.grants_work(products, file, by).await?.0)
    }

    /// Proposes what a file of grants says, all of it or nothing. `digest` is that of the file which was looked at.
    pub async fn import_grants(
        &self,
        products: &[Product],
        file: &[u8],
        digest: Option<&str>,
        by: &Principal,
        context: &Context,
    ) -> Result<Plan, EntitlementError> {
        let (plan, work) = self.grants_work(products, file, by).await?;
        plan.sound(digest)?;
        if plan.makes() == 0 {
            return Ok(plan);
        }
        let mut tx = self.database.begin().await?;
        for (new, product) in &work {
            self.propose_in(&mut tx, new, product, None, by, context).await?;
        }
        self.imported(&mut tx, "grants", &plan, Some(by), context).await?;
        tx.commit().await.map_err(DatabaseError::from)?;
        Ok(plan)
    }

    /// Every grant as a file, newest proposal first, after recording that it is written.
    pub async fn export_grants(&self, by: Option<&StepUp>, context: &Context) -> Result<String, EntitlementError> {
        let lines = self.list().await?;
        self.exported("grants", lines.len(), by.map(StepUp::principal), context).await?;
        let mut emails = BTreeMap::new();
        let mut file = header(&GRANT_COLUMNS);
        for line in lines {
            let grant = &line.entitlement;
            if let Readers::These(_) = &grant.readers
                && !emails.contains_key(&grant.agreement)
            {
                let named = self.nominees(&grant.agreement).await?;
                let named: BTreeMap<_, _> = named.into_iter().map(|of| (of.nomination.account, of.email)).collect();
                emails.insert(grant.agreement.clone(), named);
            }
            let people = match &grant.readers {
                Readers::Everybody => Vec::new(),
                Readers::These(accounts) => {
                    let of = emails.get(&grant.agreement);
                    accounts.iter().map(|id| of.and_then(|of| of.get(id)).cloned().unwrap_or_else(|| id.to_string())).collect()
                }
            };
            file.push_str(&row(&[
                line.agreement_reference.clone(),
                line.product_name.clone(),
                grant.versions.join("\n"),
                grant.window.from.to_string(),
                grant.window.until.to_string(),
                grant.purpose.clone(),
                written(&grant.scope.includes),
                written(&grant.scope.excludes),
                people.join("\n"),
                grant.needed.to_string(),
                grant.state.as_str().to_owned(),
                grant.id.to_string(),
            ]));
        }
        Ok(file)
    }

    async fn grants_work(
        &self,
        products: &[Product],
        file: &[u8],
        by: &Principal,
    ) -> Result<(Plan, Vec<(Entitlement, Product)>), EntitlementError> {
        let known = Known { agreements: self.agreements().await?, products, lines: self.list().await? };
        let (mut lines, mut work): (_, Vec<(Entitlement, Product)>) = (Vec::new(), Vec::new());
        for line in table::read(file, &GRANT_COLUMNS, NEEDED)? {
            let subject = format!("{} under {}", line.get("product"), line.get("agreement"));
            let outcome = match self.grant_of(&known, &line, by).await? {
                Err(sentence) => Outcome::Refuse(sentence),
                Ok((new, _)) if known.lines.iter().any(|line| stands(line) && equal(&line.entitlement, &new)) => Outcome::Nothing,
                Ok((new, _)) if work.iter().any(|(other, _)| equal(other, &new)) => {
                    Outcome::Refuse("An earlier line proposes the same.".to_owned())
                }
                Ok((new, product)) => {
                    let sentence = format!("Proposes {} of {}, which others have to approve.", new.versions.join(", "), product.title);
                    work.push((new, product));
                    Outcome::Make(vec![sentence])
                }
            };
            lines.push(PlannedLine { line: line.line, subject, outcome });
        }
        Ok((Plan { digest: sha256(file), lines }, work))
    }

    /// The grant that a line proposes, or a sentence why it cannot be.
    async fn grant_of(
        &self,
        known: &Known<'_>,
        line: &Row,
        by: &Principal,
    ) -> Result<Result<(Entitlement, Product), String>, EntitlementError> {
        let (agreement, product) = (line.get("agreement"), line.get("product"));
        let Some(agreement) = known.agreements.iter().find(|of| of.reference == agreement) else {
            return Ok(Err(format!("There is no agreement {agreement:?}.")));
        };
        let Some(product) = known.products.iter().find(|of| of.name == product) else {
            return Ok(Err(format!("There is no product {product:?}.")));
        };
        let mut accounts = Vec::new();
        let people = line.list("people");
        if !people.is_empty() {
            let named = self.nominees(&agreement.id).await?;
            for email in people {
                match named.iter().find(|of| of.email == email.to_lowercase()) {
                    Some(of) => accounts.push(of.nomination.account.clone()),
                    None => return Ok(Err(format!("The agreement does not name {email}."))),
                }
            }
            accounts.sort_unstable();
        }
        let proposal = match proposal(line, agreement) {
            Ok(proposal) if accounts.is_empty() => proposal,
            Ok(proposal) => Proposal { readers: Readers::These(accounts), ..proposal },
            Err(sentence) => return Ok(Err(sentence)),
        };
        match self.checked(proposal, product, by).await {
            Ok(new) => Ok(Ok((new, product.clone()))),
            Err(EntitlementError::Invalid { problem, .. }) => Ok(Err(problem)),
            Err(error) => Err(error),
        }
    }
}

/// What a line says, for everybody whom the agreement names.
fn proposal(line: &Row, agreement: &Agreement) -> Result<Proposal, String> {
    let paths = |column: &str| -> Result<Vec<RepoPath>, String> {
        let read = |text: &String| match text.as_str() {
            "/" => Ok(RepoPath::root()),
            text => RepoPath::from_address(text).map_err(|problem| format!("{text}: {problem}.")),
        };
        line.list(column).iter().map(read).collect()
    };
    let includes = paths("include")?;
    let instant = |column: &str| {
        let text = line.get(column);
        Timestamp::parse(text).ok_or_else(|| format!("{column}: {text:?} is no day, as in 2027-03-31, and no instant."))
    };
    let (from, until) = (instant("from")?, instant("until")?);
    let needed = match line.get("needed") {
        "" => 1,
        text => text.parse().map_err(|_| format!("needed: {text:?} is no number."))?,
    };
    Ok(Proposal {
        agreement: agreement.id.clone(),
        versions: line.list("versions"),
        scope: PathScope { includes: if includes.is_empty() { vec![RepoPath::root()] } else { includes }, excludes: paths("exclude")? },
        readers: Readers::Everybody,
        // A last day counts whole.
        window: Window { from, until: if line.get("until").len() == 10 { until.plus(DAY) } else { until } },
        purpose: line.get("purpose").to_owned(),
        needed,
    })
}

fn written(paths: &[RepoPath]) -> String {
    let one = |path: &RepoPath| if *path == RepoPath::root() { "/".to_owned() } else { path.address() };
    paths.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Proposed, or approved and not revoked.
fn stands(line: &Line) -> bool {
    matches!(line.entitlement.state, State::Proposed | State::Approved { .. })
}

/// Whether two grants say the same, whoever proposed them.
fn equal(one: &Entitlement, other: &Entitlement) -> bool {
    let said =
        |of: &Entitlement| (of.agreement.clone(), of.product.clone(), of.versions.clone(), of.scope.clone(), of.window, of.purpose.clone());
    let readers = |of: &Entitlement| match &of.readers {
        Readers::Everybody => None,
        Readers::These(accounts) => {
            let mut accounts = accounts.clone();
            accounts.sort_unstable();
            Some(accounts)
        }
    };
    said(one) == said(other) && readers(one) == readers(other)
}
