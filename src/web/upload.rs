//! Forms with a file in them: read only after the anti-forgery checks, like any other, and never more than is taken.

use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use axum::http::Method;
use tower_sessions::Session;

use super::AppState;
use super::error::WebError;
use super::form::check_origin;
use super::guard::csrf_holds;
use crate::entitlements::LARGEST_DOCUMENT;

/// Bytes of such a form at most: a file that is somewhat too large is answered on its page.
pub(super) const LARGEST_UPLOAD: usize = 2 * LARGEST_DOCUMENT;
/// Bytes of a field that is no file.
const LARGEST_FIELD: usize = 4096;

/// A form with one file, sent by one of our own pages, in the session it was made for.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// As the browser calls the file; empty when none was chosen.
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    /// The field `replaces`.
    pub(super) replaces: String,
}

impl FromRequest<AppState> for Upload {
    type Rejection = WebError;

    async fn from_request(request: Request, portal: &AppState) -> Result<Self, WebError> {
        if request.method() != Method::POST {
            return Err(WebError::NotFound);
        }
        check_origin(request.headers(), portal.config.public_origin.as_deref())?;
        let session = request.extensions().get::<Session>().cloned();
        let session = session.ok_or_else(|| WebError::internal("a request without its session layer"))?;
        let unreadable = |why: &str| WebError::BadRequest(format!("The form could not be read: {why}. Nothing was kept of it."));
        let mut form = Multipart::from_request(request, portal).await.map_err(|rejection| unreadable(&rejection.body_text()))?;
        let broken = |error: MultipartError| unreadable(&error.body_text());
        let (mut upload, mut checked) = (Self::default(), false);
        while let Some(mut field) = form.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            // The token stands first: without it no file is read.
            if !checked && name != "csrf" {
                break;
            }
            let is_file = name == "document";
            if is_file {
                field.file_name().unwrap_or_default().clone_into(&mut upload.name);
                field.content_type().unwrap_or_default().clone_into(&mut upload.media_type);
            }
            let most = if is_file { LARGEST_DOCUMENT } else { LARGEST_FIELD };
            let mut bytes = Vec::new();
            while let Some(piece) = field.chunk().await.map_err(broken)? {
                // One byte too many is kept, so that it is told to be too large; the rest is only read.
                let room = (most + 1).saturating_sub(bytes.len()).min(piece.len());
                bytes.extend_from_slice(piece.get(..room).unwrap_or_default());
            }
            match name.as_str() {
                "csrf" => checked = csrf_holds(&session, &String::from_utf8_lossy(&bytes)).await?,
                "document" => upload.bytes = bytes,
                "replaces" => upload.replaces = String::from_utf8_lossy(&bytes).into_owned(),
                _ => {}
            }
        }
        if !checked {
            return Err(WebError::Forbidden("The form was made for another session, or it is too old.".to_owned()));
        }
        Ok(upload)
    }
}
