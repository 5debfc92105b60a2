//! The route table. A route cannot be registered without its guard: the handler's first argument must be it, or the code
//! does not compile. The table that this fills is what tests walk.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::AppState;

/// An extractor that decides who may run a handler.
pub(super) trait Guard {
    /// As the route table calls it.
    const NAME: &'static str;
}

/// That a handler's first argument is the guard `G`. The last extractor's marker `M` comes first in axum's tuples.
#[diagnostic::on_unimplemented(message = "this handler's first argument is not the guard `{G}`")]
pub(super) trait FirstIs<G> {}

impl<M, G: Guard> FirstIs<G> for (M, G) {}
impl<M, G: Guard, A> FirstIs<G> for (M, G, A) {}
impl<M, G: Guard, A, B> FirstIs<G> for (M, G, A, B) {}
impl<M, G: Guard, A, B, C> FirstIs<G> for (M, G, A, B, C) {}
impl<M, G: Guard, A, B, C, D> FirstIs<G> for (M, G, A, B, C, D) {}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub guard: &'static str,
}

/// A router, and the table of what it holds.
pub(super) struct Routes {
    router: Router<AppState>,
    table: Vec<Route>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    pub(super) fn get<G: Guard, H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("GET", path, routing::get(handler))
    }

    pub(super) fn post<G: Guard, H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("POST", path, routing::post(handler))
    }

    pub(super) fn put<G: Guard, H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("PUT", path, routing::put(handler))
    }

    pub(super) fn patch<G: Guard, H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("PATCH", path, routing::patch(handler))
    }

    pub(super) fn delete<G: Guard, H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("DELETE", path, routing::delete(handler))
    }

    /// Every method of this path that no other route takes.
    pub(super) fn others<G: Guard, H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("*", path, MethodRouter::new().fallback(handler))
    }

    fn with<G: Guard>(mut self, method: &'static str, path: &'static str, to: MethodRouter<AppState>) -> Self {
        self.table.push(Route { method, path, guard: G::NAME });
        self.router = self.router.route(path, to);
        self
    }

    /// As [`Routes::post`], for a form of so many bytes at most.
    pub(super) fn post_large<G: Guard, H, T>(self, path: &'static str, most: usize, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: FirstIs<G> + 'static,
    {
        self.with::<G>("POST", path, routing::post(handler).layer(DefaultBodyLimit::max(most)))
    }

    pub(super) fn fallback<G: Guard, H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, AppState> + Clone,
        T: FirstIs<G> + 'static,
    {
        self.router = self.router.fallback(handler.clone()).method_not_allowed_fallback(handler);
        self
    }

    pub(super) fn into_parts(self) -> (Router<AppState>, Vec<Route>) {
        (self.router, self.table)
    }
}
