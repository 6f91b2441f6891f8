//! The OpenAPI document. Each route describes what it takes and answers; what the guard and the
//! limits before all routes answer is added here, once.

use axum::http::{Method, StatusCode};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Content, InfoBuilder, OpenApi, Ref, RefOr, Response, Tag};
use utoipa::{PartialSchema, ToSchema};

use super::guard::Audience;
use super::problem;

/// The security scheme's name.
const BEARER: &str = "bearer";

/// What the tags are about, in this order.
const TAGS: [(&str, &str); 5] = [
    ("fleet", "The fleet as it is, and what became of it."),
    ("traffic", "What the balancer does."),
    ("orders", "What changes the fleet. Each takes the token."),
    ("health", "For supervisors and other balancers. Anybody may ask."),
    ("chaos", "Faults of the controller itself, for a test of how the fleet copes."),
];

/// Adds what all routes have in common.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("CloudAPS admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Shows the fleet and steers it. Whatever changes something, and all reading from \
             another machine, takes the token in `admin.token` of the state directory.",
        ))
        .build();
    document.tags = Some(TAGS.map(tag).to_vec());
    let components = document.components.get_or_insert_default();
    components.schemas.insert(problem::Body::name().into_owned(), problem::Body::schema());
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        complete_path(path, item);
    }
    document
}

fn tag((name, description): (&str, &str)) -> Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

fn complete_path(path: &str, item: &mut PathItem) {
    for (method, operation) in [(Method::GET, &mut item.get), (Method::POST, &mut item.post)] {
        if let Some(operation) = operation {
            complete_operation(operation, Audience::of(&method, path));
        }
    }
}

fn complete_operation(operation: &mut Operation, audience: Audience) {
    let mut add = |status: StatusCode, description: &str| {
        let responses = &mut operation.responses.responses;
        let response = || RefOr::T(Response::new(description));
        responses.entry(status.as_str().to_owned()).or_insert_with(response);
    };
    add(StatusCode::FORBIDDEN, "It is addressed to another host, or sent by another page.");
    add(StatusCode::REQUEST_TIMEOUT, "It did not arrive in time.");
    if audience != Audience::Anybody {
        add(StatusCode::UNAUTHORIZED, "It does not show the token.");
    }
    if audience == Audience::Owner {
        add(StatusCode::CONFLICT, "It cannot be done as the fleet is now.");
        add(StatusCode::SERVICE_UNAVAILABLE, "The controller takes no command now.");
        add(StatusCode::GATEWAY_TIMEOUT, "The controller did not answer in time.");
    }
    if operation.request_body.is_some() {
        add(StatusCode::BAD_REQUEST, "The body is not understood.");
        add(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
        add(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is no JSON.");
    }
    let bearer = SecurityRequirement::new(BEARER, [""; 0]);
    operation.security = Some(match audience {
        Audience::Anybody => vec![SecurityRequirement::default()],
        Audience::Machine => vec![SecurityRequirement::default(), bearer],
        Audience::Owner => vec![bearer],
    });
    operation.responses.responses.iter_mut().for_each(explain);
}

/// Whatever is no success is explained by a problem.
fn explain((status, response): (&String, &mut RefOr<Response>)) {
    if let RefOr::T(response) = response
        && !status.starts_with('2')
    {
        let problem = Content::new(Some(Ref::from_schema_name(problem::Body::name())));
        response.content.entry(problem::MEDIA_TYPE.to_owned()).or_insert(problem.into());
    }
}
