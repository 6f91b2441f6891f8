//! Tasks as they are sent, and what the OpenAPI document says of them.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::task::{Tag, Task};

/// The last second of the year 9999, beyond which RFC 3339 has no words.
const LAST_SECOND: u64 = 253_402_300_799;

/// A task.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
pub(super) struct TaskBody {
    /// Its number, counted from 1. No task ever gets the number of a removed one.
    #[schema(minimum = 1)]
    id: i64,
    /// Its text.
    text: String,
    /// Whether it is done.
    done: bool,
    /// When it was added, in UTC.
    #[schema(format = DateTime)]
    created: String,
    /// When it was last changed, in UTC; when it was added, if never.
    #[schema(format = DateTime)]
    updated: String,
}

/// A task to be added, or what one is to be from now on. Other members are ignored, so that a task
/// can be sent back as it was received; `value` is an older name of `text`.
#[derive(ToSchema)]
#[schema(as = TaskInput)]
#[expect(dead_code, reason = "it describes what `input` reads by hand, in more forms than one")]
pub(super) struct TaskInput {
    /// At most 65536 bytes, not only spaces, without U+0000.
    #[schema(min_length = 1, max_length = 65536, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")]
    text: String,
    /// Whether it is done; as it was if left out, and not for a new task.
    #[schema(required = false)]
    done: bool,
}

/// What of a task is to become something else.
#[derive(ToSchema)]
#[schema(as = TaskPatch)]
#[expect(dead_code, reason = "it describes what `input` reads by hand, in more forms than one")]
pub(super) struct TaskPatch {
    /// At most 65536 bytes, not only spaces, without U+0000.
    #[schema(
        required = false,
        min_length = 1,
        max_length = 65536,
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*$"
    )]
    text: String,
    /// Whether it is done.
    #[schema(required = false)]
    done: bool,
}

/// The answer with one task, and its state in the header `ETag`.
pub(super) fn tagged(task: Task) -> Response {
    let tag = [(header::ETAG, etag(task.tag()))];
    (tag, Json(TaskBody::from(task))).into_response()
}

/// The header `ETag` of a task in this state.
pub(super) fn etag(tag: Tag) -> HeaderValue {
    HeaderValue::try_from(format!("\"{tag}\"")).expect("a tag is digits and a dash")
}

impl From<Task> for TaskBody {
    fn from(task: Task) -> Self {
        let time = |since_1970| {
            // What a damaged or foreign row holds need not be a time that can be written.
            let time = UNIX_EPOCH + Duration::from_secs(LAST_SECOND).min(since_1970);
            humantime::format_rfc3339_millis(time).to_string()
        };
        let (created, updated) = (time(task.created), time(task.updated));
        Self { id: task.id.0, text: task.text, done: task.done, created, updated }
    }
}
