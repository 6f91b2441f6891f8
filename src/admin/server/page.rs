//! The dashboard's parts, embedded in the program. They hold no secret: what the page shows it asks
//! the API for, as anybody would.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::routes::Api;
use crate::hexadecimal::hexadecimal;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// A browser keeps a part and asks each time whether it is still the same: another version of the
/// program may answer at the same address.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// One part of the page.
#[derive(Clone, Copy, Debug)]
struct Part {
    path: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

macro_rules! part {
    ($file:literal, $media_type:expr) => {
        Part {
            path: concat!("/page/", $file),
            media_type: $media_type,
            content: include_bytes!(concat!("../page/", $file)),
        }
    };
}

/// The page itself.
const INDEX: Part =
    Part { path: "/", media_type: HTML, content: include_bytes!("../page/index.html") };

/// What it consists of.
const PARTS: [Part; 28] = [
    part!("actions.js", SCRIPT),
    part!("api.js", SCRIPT),
    part!("charts.js", SCRIPT),
    part!("dialog.css", CSS),
    part!("dom.js", SCRIPT),
    part!("fleet.css", CSS),
    part!("fleet.js", SCRIPT),
    part!("format.js", SCRIPT),
    part!("frame.css", CSS),
    part!("headline.js", SCRIPT),
    part!("icon.svg", IMAGE),
    part!("incidents.css", CSS),
    part!("incidents.js", SCRIPT),
    part!("language.js", SCRIPT),
    part!("link.js", SCRIPT),
    part!("main.js", SCRIPT),
    part!("settings.js", SCRIPT),
    part!("steps.js", SCRIPT),
    part!("store.js", SCRIPT),
    part!("stream.js", SCRIPT),
    part!("theme.js", SCRIPT),
    part!("tokens.css", CSS),
    part!("traffic.css", CSS),
    part!("vendor/uPlot.LICENSE", TEXT),
    part!("vendor/uPlot.iife.min.js", SCRIPT),
    part!("vendor/uPlot.min.css", CSS),
    part!("words/en.js", SCRIPT),
    part!("words/pt.js", SCRIPT),
];

/// The routes of the page.
pub(super) fn routes() -> Router<Arc<Api>> {
    let parts = std::iter::once(INDEX).chain(PARTS);
    parts.fold(Router::new(), |router, part| {
        let tag = tag_of(part.content);
        router.route(part.path, get(async move |headers: HeaderMap| part.answer(&tag, &headers)))
    })
}

/// Names the content: another content has another tag.
fn tag_of(content: &[u8]) -> HeaderValue {
    let digest = hexadecimal(&Sha256::digest(content)[..16]);
    HeaderValue::from_str(&format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

impl Part {
    fn answer(self, tag: &HeaderValue, headers: &HeaderMap) -> Response {
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let is_known = known.zip(tag.to_str().ok()).is_some_and(|(tags, tag)| tags.contains(tag));
        let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let content = if is_known { &[][..] } else { self.content };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::CACHE_CONTROL, CACHE),
            (header::ETAG, tag.clone()),
        ];
        (status, headers, content).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Every file under the folder, relative to it.
    fn files(folder: &Path, prefix: &str) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let found = entries.flat_map(|entry| {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let is_folder = entry.file_type().unwrap().is_dir();
            if is_folder { files(&entry.path(), &format!("{name}/")) } else { vec![name] }
        });
        found.collect()
    }

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
        for file in files(&folder, "").iter().filter(|file| *file != "index.html") {
            let path = format!("/page/{file}");
            assert!(PARTS.iter().any(|part| part.path == path), "{file} is not in PARTS");
        }
    }

    #[test]
    fn a_part_that_the_browser_has_is_not_sent_again() {
        let tag = tag_of(INDEX.content);
        let mut headers = HeaderMap::new();
        assert_eq!(INDEX.answer(&tag, &headers).status(), StatusCode::OK);
        headers.insert(header::IF_NONE_MATCH, tag.clone());
        assert_eq!(INDEX.answer(&tag, &headers).status(), StatusCode::NOT_MODIFIED);
        assert_ne!(tag_of(b"another"), tag);
    }
}
