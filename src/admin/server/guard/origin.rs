//! Whether a request comes from our own page, or from another one in the same browser (cross-site
//! request forgery). Programs that are no browsers send none of these headers.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};

use super::Audience;
use crate::admin::server::problem::Problem;

/// Tells where the page is that sends a request (Fetch Metadata); no page can change it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Tells what a request is for; `navigate` if somebody followed a link.
const SEC_FETCH_MODE: &str = "sec-fetch-mode";

/// Refuses a request from a page of another origin. To what is public one may follow a link.
pub(super) fn check(request: &Request, audience: Audience) -> Result<(), Problem> {
    let headers = request.headers();
    let follows_link =
        audience == Audience::Anybody && text(headers, SEC_FETCH_MODE) == Some("navigate");
    if is_ours(headers) || follows_link {
        return Ok(());
    }
    let detail = "this request comes from a web page of another origin, and none but the page of \
                  this server may send one";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

fn is_ours(headers: &HeaderMap) -> bool {
    let is_same_site = !headers.contains_key(SEC_FETCH_SITE)
        || matches!(text(headers, SEC_FETCH_SITE), Some("same-origin" | "none"));
    is_same_site
        && headers.get_all(header::ORIGIN).iter().all(|origin| {
            let host = text(headers, header::HOST.as_str());
            origin.to_str().ok().zip(host).is_some_and(|(origin, host)| is_origin_of(origin, host))
        })
}

/// Whether the origin is that of this host. A proxy in front of us may speak TLS.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn admits(headers: &[(&str, &str)], audience: Audience) -> bool {
        let mut request = Request::builder().header("host", "127.0.0.1:5001");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(Body::empty()).unwrap(), audience).is_ok()
    }

    #[test]
    fn our_own_page_and_programs_are_admitted() {
        let ours: [&[(&str, &str)]; 4] = [
            &[],
            &[("origin", "http://127.0.0.1:5001"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://127.0.0.1:5001")],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
        ];
        for headers in ours {
            assert!(admits(headers, Audience::Machine), "{headers:?}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let others: [&[(&str, &str)]; 8] = [
            &[("origin", "http://127.0.0.1:5000")],
            &[("origin", "http://localhost:5001")],
            &[("origin", "http://127.0.0.1:5001.example.com")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://127.0.0.1:5001"), ("origin", "http://example.com")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ];
        for headers in others {
            assert!(!admits(headers, Audience::Machine), "{headers:?}");
            assert!(!admits(headers, Audience::Anybody), "{headers:?}");
        }
    }

    #[test]
    fn a_link_leads_to_what_is_public_and_to_nothing_else() {
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(admits(&link, Audience::Anybody));
        assert!(!admits(&link, Audience::Machine));
    }
}
