//! The OpenAPI document as a page to read: one file, with nothing from elsewhere in it.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use super::openapi::DOCUMENT;

/// The page, made once.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    // The document is made of nothing but strings and maps.
    page(&serde_json::to_value(&*DOCUMENT).unwrap_or_default())
});

/// Nothing but the page's own style may be loaded or run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "
    :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
    body { margin: 0 auto; max-width: 56rem; padding: 1rem }
    code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
    section { border-top: 1px solid #8886; margin-top: 1.5rem }
    table { border-collapse: collapse; width: 100% }
    td, th { border-bottom: 1px solid #8883; padding: .25rem .5rem; text-align: left }
    td, th { vertical-align: top }
    .method { background: #2563eb; border-radius: .25rem; color: #fff; padding: 0 .4rem }
";

/// `GET /docs`
pub(super) async fn answer() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE.as_str())).into_response()
}

fn page(document: &Value) -> String {
    let mut html = String::new();
    let title = text(&document["info"]["title"]);
    let about = text(&document["info"]["description"]);
    let version = text(&document["info"]["version"]);
    html += "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">";
    html += "<meta name=\"viewport\" content=\"width=device-width\">";
    add(&mut html, format_args!("<title>{title}</title><style>{STYLE}</style>"));
    add(&mut html, format_args!("<h1>{title} {version}</h1><p>{about}</p>"));
    html += "<p>The same for programs: <a href=\"/openapi.json\">openapi.json</a></p>";
    for (path, item) in entries(&document["paths"]) {
        for (method, operation) in entries(item) {
            add_operation(&mut html, method, path, operation);
        }
    }
    for (name, schema) in entries(&document["components"]["schemas"]) {
        add_schema(&mut html, name, schema);
    }
    html + "</html>"
}

fn add_operation(html: &mut String, method: &str, path: &str, operation: &Value) {
    let (method, path) = (escaped(&method.to_uppercase()), escaped(path));
    add(
        html,
        format_args!(
            "<section><h2><span class=\"method\">{method}</span> <code>{path}</code></h2>"
        ),
    );
    for paragraph in [&operation["summary"], &operation["description"]] {
        add(html, format_args!("<p>{}</p>", text(paragraph)));
    }
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    table(
        html,
        ["Parameter", "In", "What it is"],
        parameters.iter().map(|parameter| {
            [&parameter["name"], &parameter["in"], &parameter["description"]].map(text)
        }),
    );
    table(
        html,
        ["Body", "", "Schema"],
        entries(&operation["requestBody"]["content"]).map(|(media, content)| {
            [escaped(media), String::new(), schema_name(&content["schema"])]
        }),
    );
    table(
        html,
        ["Answer", "", "What it means"],
        entries(&operation["responses"]).map(|(status, response)| {
            [escaped(status), String::new(), text(&response["description"])]
        }),
    );
    *html += "</section>";
}

fn add_schema(html: &mut String, name: &str, schema: &Value) {
    let about = text(&schema["description"]);
    add(html, format_args!("<section><h2>{}</h2><p>{about}</p>", escaped(name)));
    table(
        html,
        ["Member", "Type", "What it is"],
        entries(&schema["properties"]).map(|(name, property)| {
            [escaped(name), type_of(property), text(&property["description"])]
        }),
    );
    *html += "</section>";
}

/// A table, if there is anything in it.
fn table(html: &mut String, head: [&str; 3], rows: impl Iterator<Item = [String; 3]>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let [first, second, third] = head;
    add(html, format_args!("<table><tr><th>{first}<th>{second}<th>{third}"));
    for [first, second, third] in rows {
        add(html, format_args!("<tr><td><code>{first}</code><td>{second}<td>{third}"));
    }
    *html += "</table>";
}

/// The names of the schemas that `schema` refers to.
fn schema_name(schema: &Value) -> String {
    match (schema["$ref"].as_str(), schema["oneOf"].as_array()) {
        (Some(reference), _) => escaped(reference.rsplit('/').next().unwrap_or_default()),
        (None, Some(one_of)) => one_of.iter().map(schema_name).collect::<Vec<_>>().join(" or "),
        (None, None) => type_of(schema),
    }
}

fn type_of(schema: &Value) -> String {
    match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    }
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flatten()
}

/// A string of the document, for a page.
fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn add(html: &mut String, piece: std::fmt::Arguments<'_>) {
    html.write_fmt(piece).expect("a string takes whatever is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_route_and_loads_nothing() {
        for words in ["/Tarefa/{id}", "/tasks/", "Idempotency-Key", "TaskInput", "503", "PATCH"] {
            assert!(PAGE.contains(words), "{words}");
        }
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("src="));
    }

    #[test]
    fn what_the_document_says_is_text_and_not_html() {
        let document = serde_json::json!({"info": {"title": "<a & \"b\">"}, "paths": {}});
        assert!(page(&document).contains("<title>&lt;a &amp; &quot;b&quot;&gt;</title>"));
    }
}
