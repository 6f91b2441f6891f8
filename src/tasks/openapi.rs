//! The OpenAPI document. Each route describes what it takes and answers; what every route may
//! answer, the forms of a body besides JSON, and the English names are added here, once.

use std::sync::LazyLock;

use axum::Json;
use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, OneOfBuilder, Ref, RefOr, Response};
use utoipa::{OpenApi, PartialSchema, ToSchema};

use super::body::{TaskInput, TaskPatch};
use super::problem::{Details, MEDIA_TYPE};
use super::routes;

/// The document, made once.
pub(super) static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> =
    LazyLock::new(|| complete(Described::openapi()));

/// What the routes say of themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "CloudAPS tasks",
        description = "Tasks that are kept: a write that was answered is on the disk. `/Tarefa/` \
            and `/tasks/` are the same resource.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        routes::list,
        routes::add,
        routes::show,
        routes::replace,
        routes::patch,
        routes::remove,
        routes::alive,
        routes::healthcheck,
    )
)]
struct Described;

/// `GET /openapi.json`
pub(super) async fn answer() -> Json<&'static utoipa::openapi::OpenApi> {
    Json(&DOCUMENT)
}

/// What a form says that it is.
const FORM: &str = "application/x-www-form-urlencoded";

/// What any request may come to, whatever it asks for.
const ANYWHERE: [(StatusCode, &str); 4] = [
    (StatusCode::BAD_REQUEST, "It cannot be understood: a parameter, a header or the body."),
    (StatusCode::INTERNAL_SERVER_ERROR, "The store stopped; a write may or may not be done."),
    (StatusCode::SERVICE_UNAVAILABLE, "The store cannot do it now; nothing was done."),
    (StatusCode::GATEWAY_TIMEOUT, "It took longer than 30 s; a write may or may not be done."),
];

/// What a request about one task may come to.
const ABOUT_ONE: [(StatusCode, &str); 2] = [
    (StatusCode::NOT_FOUND, "There has never been such a task."),
    (StatusCode::GONE, "The task was removed."),
];

/// What a request with a body may come to.
const WITH_BODY: [(StatusCode, &str); 3] = [
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than any task's."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is neither JSON nor a form."),
    (StatusCode::UNPROCESSABLE_ENTITY, "The body is understood, and is no task."),
];

fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert(Details::name().into_owned(), Details::schema());
    let paths = &mut document.paths.paths;
    for (path, item) in paths.iter_mut() {
        for operation in operations(item) {
            complete_operation(operation, path);
        }
    }
    // The original's client adds at the root.
    let mut add = paths.get("/Tarefa/").and_then(|item| item.post.clone());
    if let Some(add) = &mut add {
        add.operation_id = Some("add_at_root".to_owned());
    }
    if let Some(root) = paths.get_mut("/") {
        root.post = add;
    }
    let english: Vec<(String, PathItem)> = paths
        .iter()
        .filter_map(|(path, item)| Some((path.strip_prefix("/Tarefa")?, item.clone())))
        .map(|(rest, item)| (format!("/tasks{rest}"), renamed(item)))
        .collect();
    paths.extend(english);
    document
}

fn complete_operation(operation: &mut Operation, path: &str) {
    let mut possible: Vec<(StatusCode, &str)> = ANYWHERE.into();
    if path.contains("{id}") {
        possible.extend(ABOUT_ONE);
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        possible.extend(WITH_BODY);
        // Everything else takes a whole task.
        let is_patch = operation.operation_id.as_deref() == Some("patch");
        let task = if is_patch { TaskPatch::schema() } else { TaskInput::schema() };
        body.content.values_mut().for_each(accept_string);
        body.content.insert(FORM.to_owned(), form(task));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in possible {
        let response = || RefOr::T(Response::new(description));
        responses.entry(status.as_str().to_owned()).or_insert_with(response);
    }
    responses.iter_mut().for_each(explain);
}

/// Besides the object, the JSON string that the original's client sends.
fn accept_string(content: &mut RefOr<Content>) {
    let RefOr::T(content) = content else { return };
    let Some(object) = content.schema.take() else { return };
    let string = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^[^:\x00]*:[^\x00]*[^\s\x00][^\x00]*$"))
        .description(Some("The original client's `value\":TEXT`: what follows the first colon."))
        .build();
    let either = OneOfBuilder::new().item(object).item(Schema::Object(string)).build();
    content.schema = Some(Schema::OneOf(either).into());
}

/// The same members as a form, which takes no others: what follows a `&` is easily meant to be
/// part of the text.
fn form(task: RefOr<Schema>) -> RefOr<Content> {
    let strict = match task {
        RefOr::T(Schema::Object(mut object)) => {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            Schema::Object(object).into()
        }
        other => other,
    };
    Content::new(Some(strict)).into()
}

/// Whatever is no success is explained by a problem.
fn explain((status, response): (&String, &mut RefOr<Response>)) {
    if let RefOr::T(response) = response
        && status.as_str() >= "400"
    {
        let problem = Content::new(Some(Ref::from_schema_name(Details::name())));
        response.content.insert(MEDIA_TYPE.to_owned(), problem.into());
    }
}

/// The same under its English name.
fn renamed(mut item: PathItem) -> PathItem {
    for operation in operations(&mut item) {
        operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_in_english"));
    }
    item
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, post, put, patch, delete].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_of_openapi_3_1_and_names_every_path_twice() {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(
            paths,
            ["/", "/Tarefa/", "/Tarefa/{id}", "/healthcheck/", "/tasks/", "/tasks/{id}"]
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = serde_json::to_value(&*DOCUMENT).unwrap();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
