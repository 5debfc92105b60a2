//! Pages of reviewers, auditors, verifiers and operators, and those of everyone.

mod audit;
mod compare;
mod desk;
mod everyone;
mod export;
mod factors;
mod find;
mod history_search;
mod inside;
mod invitations;
mod one_time;
mod operators;
mod past;
mod place;
mod reading;
mod receipts;
mod resets;
mod search;
mod shelves;
mod symbol;
mod terms;
mod text_page;
mod text_views;
mod transparency;

use super::error::WebError;
use super::guard::{Anyone, Auditing, Awaited, Entered, Public, Reader, SignedIn, Verifying, Witnessing};
use super::routes::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get::<Public, _, _>("/static/{*name}", operators::static_file)
        .get::<Public, _, _>("/healthz", operators::alive)
        .get::<Public, _, _>("/readyz", operators::ready)
        .get::<Public, _, _>("/metrics", operators::metrics)
        .get::<Anyone, _, _>("/sign-in", everyone::sign_in_form)
        .post::<Anyone, _, _>("/sign-in", everyone::sign_in)
        .get::<Awaited, _, _>("/sign-in/second-factor", everyone::factor_form)
        .post::<Awaited, _, _>("/sign-in/second-factor", everyone::give_factor)
        .get::<Anyone, _, _>("/invitation/{secret}", invitations::form)
        .post::<Anyone, _, _>("/invitation/{secret}", invitations::accept)
        .get::<Anyone, _, _>("/reset/{secret}", resets::form)
        .post::<Anyone, _, _>("/reset/{secret}", resets::choose)
        .get::<Public, _, _>("/transparency/key", transparency::key)
        .get::<Entered, _, _>("/transparency", transparency::overview)
        .get::<Witnessing, _, _>("/transparency/checkpoint", transparency::checkpoint)
        .get::<Witnessing, _, _>("/transparency/handovers", transparency::handovers)
        .get::<Witnessing, _, _>("/transparency/tile/{*tile}", transparency::tile)
        .get::<Verifying, _, _>("/transparency/tile/entries/{*bundle}", transparency::entries)
        .get::<SignedIn, _, _>("/transparency/receipt/{index}", transparency::receipt)
        .get::<SignedIn, _, _>("/transparency/receipts", receipts::list)
        .get::<SignedIn, _, _>("/transparency/receipts/bundle", receipts::bundle)
        .get::<SignedIn, _, _>("/api/openapi.json", operators::contract)
        .get::<SignedIn, _, _>("/", desk::desk)
        .post::<Entered, _, _>("/sign-out", everyone::sign_out)
        .get::<SignedIn, _, _>("/account", everyone::account)
        .get::<SignedIn, _, _>("/terms", terms::form)
        .post::<SignedIn, _, _>("/terms", terms::accept)
        .get::<Entered, _, _>("/reauthenticate", everyone::confirm_form)
        .post::<Entered, _, _>("/reauthenticate", everyone::confirm)
        .post::<SignedIn, _, _>("/account/password", everyone::change_password)
        .get::<Entered, _, _>("/account/second-factor", factors::show)
        .post::<Entered, _, _>("/account/second-factor/begin", factors::begin)
        .post::<Entered, _, _>("/account/second-factor/confirm", factors::confirm)
        .post::<SignedIn, _, _>("/account/second-factor/recovery", factors::renew)
        .post::<SignedIn, _, _>("/account/second-factor/off", factors::turn_off)
        .post::<SignedIn, _, _>("/account/sessions/end", everyone::end_session)
        .get::<SignedIn, _, _>("/design", everyone::design)
        .get::<Reader, _, _>("/p", shelves::products)
        .get::<Reader, _, _>("/p/{product}", shelves::product)
        .get::<Reader, _, _>("/p/{product}/{version}/tree", reading::tree)
        .get::<Reader, _, _>("/p/{product}/{version}/tree/", reading::tree)
        .get::<Reader, _, _>("/p/{product}/{version}/tree/{*path}", reading::tree)
        .get::<Reader, _, _>("/p/{product}/{version}/file/{*path}", reading::file)
        .get::<Reader, _, _>("/p/{product}/{version}/image/{*path}", reading::image)
        .get::<Reader, _, _>("/p/{product}/compare", compare::choose)
        .get::<Reader, _, _>("/p/{product}/compare/{from}/{to}", compare::summary)
        .get::<Reader, _, _>("/p/{product}/compare/{from}/{to}/{*path}", compare::file)
        .get::<Reader, _, _>("/p/{product}/{version}/history", past::history)
        .get::<Reader, _, _>("/p/{product}/{version}/history/", past::history)
        .get::<Reader, _, _>("/p/{product}/{version}/history/{*path}", past::history)
        .get::<Reader, _, _>("/p/{product}/{version}/blame/{*path}", past::blame)
        .get::<Reader, _, _>("/p/{product}/{version}/commit/{id}", past::commit)
        .get::<Reader, _, _>("/symbol/{product}/{version}", symbol::symbol)
        .get::<Reader, _, _>("/p/{product}/{version}/find", find::find)
        .get::<Reader, _, _>("/p/{product}/{version}/find/", find::find)
        .get::<Reader, _, _>("/search", search::search)
        .get::<Reader, _, _>("/search/suggest", search::suggest)
        .get::<Reader, _, _>("/search/export", search::export)
        .post::<Reader, _, _>("/search/saved", search::save)
        .post::<Reader, _, _>("/search/saved/{id}/rename", search::rename)
        .post::<Reader, _, _>("/search/saved/{id}/remove", search::remove)
        .get::<Auditing, _, _>("/audit", audit::list)
        .get::<Auditing, _, _>("/audit/entries/{index}", audit::entry)
        .get::<Auditing, _, _>("/audit/export", export::export)
}

/// Whatever no route is for.
pub(super) async fn nothing(_: SignedIn) -> Result<(), WebError> {
    Err(WebError::NotFound)
}
