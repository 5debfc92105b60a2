//! One version of a product, as administrators see it: how it stands, and deciding on it. Nothing of what is in it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::products::{address, find, signature, tag_kind};
use super::{Because, Nothing, Trouble, again, confirmed, done};
use crate::catalog::{Act, CatalogError, Deed, Product, Standing, Version};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Protected;
use crate::web::guard::{Administering, SignedIn};
use crate::web::page::html;
use crate::web::views::admin::grants::{Step, StepState};
use crate::web::views::admin::products::{VersionPage, VersionState};
use crate::web::views::format::moment;
use crate::web::views::products::MovedTag;
use crate::web::views::shell::Place;

type Answer = Result<Response, WebError>;
type Named = Path<(String, String)>;

pub(super) async fn show(who: Administering, State(portal): State<AppState>, Path(named): Named) -> Answer {
    let (product, version) = locate(&portal, &named).await?;
    let trouble = Trouble::none(&who, &at(&product, &version)).await?;
    page(&who, &portal, &product, version, trouble).await
}

pub(super) async fn withdraw(who: Administering, State(portal): State<AppState>, Path(named): Named, form: Protected<Because>) -> Answer {
    let (product, version) = locate(&portal, &named).await?;
    let reason = form.into_inner().reason;
    let by = confirmed(&who, &portal, &at(&product, &version), "withdraw this version", &reason).await?;
    let decided = portal.catalog.withdraw(&version, &reason, &by, &who.visit.context).await;
    portal.jobs.hurry();
    answer(&who, &portal, &named, (decided, "Withdrawn. Nobody can read it from the next request on.", reason)).await
}

pub(super) async fn ask(who: Administering, State(portal): State<AppState>, Path(named): Named, form: Protected<Because>) -> Answer {
    let (_, version) = locate(&portal, &named).await?;
    let reason = form.into_inner().reason;
    let decided = portal.catalog.ask_to_open(&version, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &named, (decided, "Asked. Another administrator has to approve it.", reason)).await
}

pub(super) async fn approve(who: Administering, State(portal): State<AppState>, Path(named): Named, _: Protected<Nothing>) -> Answer {
    let (product, version) = locate(&portal, &named).await?;
    let by = confirmed(&who, &portal, &at(&product, &version), "open this version", "").await?;
    let decided = portal.catalog.approve(&version, &by, &who.visit.context).await;
    portal.jobs.hurry();
    answer(&who, &portal, &named, (decided, "Published. Whom a grant opens it to can read it now.", String::new())).await
}

pub(super) async fn refuse(who: Administering, State(portal): State<AppState>, Path(named): Named, form: Protected<Because>) -> Answer {
    let (_, version) = locate(&portal, &named).await?;
    let reason = form.into_inner().reason;
    let decided = portal.catalog.refuse(&version, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &named, (decided, "Refused. It stays closed.", reason)).await
}

#[derive(Deserialize)]
pub(super) struct Acknowledged {
    #[serde(default)]
    reason: String,
    /// The commit that the page said it was moved to.
    #[serde(default)]
    moved_to: String,
}

pub(super) async fn acknowledge(
    who: Administering,
    State(portal): State<AppState>,
    Path(named): Named,
    form: Protected<Acknowledged>,
) -> Answer {
    let (_, version) = locate(&portal, &named).await?;
    let Acknowledged { reason, moved_to } = form.into_inner();
    let decided = portal.catalog.acknowledge_move(&version, &moved_to, &reason, &who.principal, &who.visit.context).await;
    answer(&who, &portal, &named, (decided, "Acknowledged. It is no alarm any more, and the version stays as it is.", reason)).await
}

/// Onward when it was decided; otherwise the version as it is now, with what stood in the way.
async fn answer(
    who: &SignedIn,
    portal: &AppState,
    named: &(String, String),
    (result, sentence, reason): (Result<(), CatalogError>, &str, String),
) -> Answer {
    let (product, version) = locate(portal, named).await?;
    let (status, field, problem) = match result {
        Ok(()) => return done(who, sentence, &at(&product, &version)).await,
        Err(CatalogError::Invalid { field, problem }) => (StatusCode::UNPROCESSABLE_ENTITY, field, problem),
        Err(CatalogError::Conflict) => {
            (StatusCode::CONFLICT, "", "Another administrator decided on it at the same moment. This is how it stands now.".to_owned())
        }
        Err(CatalogError::Standing(problem)) => (StatusCode::CONFLICT, "", problem.to_string()),
        Err(other) => return Err(other.into()),
    };
    Ok(again(status, page(who, portal, &product, version, Trouble::at(reason, field, problem)).await?))
}

async fn locate(portal: &AppState, (product, version): &(String, String)) -> Result<(Product, Version), WebError> {
    let product = find(portal, product).await?;
    let version = portal.catalog.tended(&product.id, version).await?.ok_or(WebError::NotFound)?;
    Ok((product, version))
}

fn at(product: &Product, version: &Version) -> String {
    format!("{}/versions/{}", address(product), version.name)
}

async fn page(who: &SignedIn, portal: &AppState, product: &Product, version: Version, trouble: Trouble) -> Answer {
    let shell = who.shell(portal, &format!("{} of {}", version.name, product.title), Place::Products).await?;
    let signature = signature(&version);
    let own = version.life.asked.as_ref().is_some_and(|asked| asked.by.as_ref() == Some(who.principal.account()));
    html(&VersionPage {
        csrf: shell.csrf.clone(),
        shell,
        state: state(version.life.standing),
        steps: steps(&version),
        sentence: sentence(&version),
        deeds: [(Deed::Withdraw, "withdraw"), (Deed::Ask, "ask"), (Deed::Approve, "approve"), (Deed::Refuse, "refuse")]
            .into_iter()
            .filter(|(deed, _)| version.life.standing.after(*deed).is_some() && !(own && *deed == Deed::Approve))
            .map(|(_, name)| name)
            .collect(),
        own,
        here: format!("{}/versions/", address(product)),
        product: product.name.clone(),
        product_title: product.title.clone(),
        reference: version.reference.clone(),
        tag: tag_kind(&version),
        signature: signature.0,
        signature_class: signature.1,
        authored_at: version.authored_at.micros(),
        moved: version.moved_to.clone().zip(version.moved_at).map(|(to_commit, at)| MovedTag { to_commit, seen_at: at.micros() }),
        acknowledged: version.acknowledged.as_ref().map(acknowledged),
        name: version.name,
        commit: version.commit,
        reason: trouble.reason,
        errors: trouble.errors,
    })
}

pub(super) fn state(standing: Standing) -> VersionState {
    match standing {
        Standing::Quarantined => VersionState::Quarantined,
        Standing::ReleaseAsked => VersionState::ReleaseAsked,
        Standing::Published => VersionState::Published,
        Standing::Withdrawn => VersionState::Withdrawn,
        Standing::ReturnAsked => VersionState::ReturnAsked,
    }
}

/// "First administrator, 21 Nov 2026, 09:12:40 UTC".
fn by(act: &Act) -> String {
    let name = match (&act.name, &act.by) {
        (Some(name), _) => name,
        (None, Some(_)) => "an administrator",
        (None, None) => "the operator",
    };
    format!("{name}, {}", moment(act.at.micros()))
}

fn acknowledged(act: &Act) -> String {
    format!("Acknowledged by {}. The reason: {}", by(act), act.reason)
}

fn steps(version: &Version) -> Vec<Step> {
    let step = |text: String, state| Step { text, state };
    let life = &version.life;
    let did = |what: &str, act: &Option<Act>| act.as_ref().map_or_else(|| what.to_owned(), |act| format!("{what} by {}", by(act)));
    let asked = || step(did("Asked for", &life.asked), StepState::Done);
    let approval = || step("Approval by a second administrator".to_owned(), StepState::Now);
    let fetched = || step("Fetched and checked".to_owned(), StepState::Done);
    let open = || step("Readable by whom a grant opens it to".to_owned(), StepState::Later);
    let withdrawn = || step(did("Withdrawn", &life.decided), StepState::Stopped);
    match life.standing {
        Standing::Quarantined => {
            let waits = step("In quarantine until an administrator asks to release it and another approves".to_owned(), StepState::Now);
            vec![fetched(), waits, open()]
        }
        Standing::ReleaseAsked => vec![fetched(), asked(), approval(), open()],
        Standing::Published => {
            let mut steps = vec![fetched()];
            steps.extend(life.decided.as_ref().map(|act| step(format!("Opened by {}", by(act)), StepState::Done)));
            steps.push(step(format!("Published since {}", moment(version.published_at.micros())), StepState::Now));
            steps
        }
        Standing::Withdrawn => vec![fetched(), withdrawn()],
        Standing::ReturnAsked => vec![withdrawn(), asked(), approval(), open()],
    }
}

/// How it stands and what follows.
fn sentence(version: &Version) -> String {
    let reason = |act: &Option<Act>| act.as_ref().map(|act| act.reason.clone()).unwrap_or_default();
    let (asked, decided) = (reason(&version.life.asked), reason(&version.life.decided));
    match version.life.standing {
        Standing::Quarantined => {
            "It was fetched and checked, and nobody can read it before two administrators have released it.".to_owned()
        }
        Standing::ReleaseAsked => {
            format!("Nobody can read it yet. Approving publishes it to whom a grant opens it. The reason given: {asked}")
        }
        Standing::Published => "Whom a grant opens it to can read it.".to_owned(),
        Standing::Withdrawn => format!("It was withdrawn, and nobody can read it. The reason: {decided}"),
        Standing::ReturnAsked => {
            format!("It was withdrawn: {decided} Approving publishes it again to whom a grant opens it. The reason given: {asked}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::products::tests::version;
    use super::*;
    use crate::catalog::Life;
    use crate::clock::Timestamp;
    use crate::ids::AccountId;

    fn act(by: Option<&str>, reason: &str) -> Act {
        let name = by.map(|_| "First administrator".to_owned());
        Act { by: by.map(AccountId::known), name, at: Timestamp::from_seconds(1), reason: reason.to_owned() }
    }

    #[test]
    fn each_standing_is_told_by_its_steps_and_in_a_sentence() {
        let (asked, decided) = (Some(act(Some("one"), "Checked.")), Some(act(None, "Holds a key.")));
        for (standing, asked, decided, last, says) in [
            (Standing::Quarantined, None, None, "Readable by whom", "before two administrators"),
            (Standing::ReleaseAsked, asked.clone(), None, "Readable by whom", "The reason given: Checked."),
            (Standing::Published, None, None, "Published since", "can read it."),
            (Standing::Withdrawn, None, decided.clone(), "Withdrawn by the operator", "The reason: Holds a key."),
            (Standing::ReturnAsked, asked, decided, "Readable by whom", "It was withdrawn: Holds a key. Approving"),
        ] {
            let version = crate::catalog::Version { life: Life { standing, asked, decided }, ..version("refs/tags/v1", None, None) };
            let steps = steps(&version);
            assert!(steps.last().unwrap().text.starts_with(last), "{standing:?}: {steps:?}");
            assert!(sentence(&version).contains(says), "{}", sentence(&version));
            assert_eq!(steps.iter().filter(|step| step.state == StepState::Now).count(), usize::from(standing != Standing::Withdrawn));
        }
    }
}
