//! The forms in which the original's own client (the script `tarefa`) sends a text.
//!
//! It adds with a JSON *string* that was meant to be an object, `"value\":TEXT"`, and replaces
//! with a form whose only name is the task's number, `ID=TEXT`. Both are for good: that client
//! must work unchanged.

use super::task::TaskId;

/// The text in the original's string: everything after the first colon.
///
/// The original took what lies between the first and the second colon, and lost the rest.
pub(super) fn text_of_string(sent: &str) -> Option<&str> {
    sent.split_once(':').map(|(_, text)| text)
}

/// Whether `name` is the one that the original's form has for task `id`.
pub(super) fn is_form_name(name: &str, id: TaskId) -> bool {
    name.parse() == Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_the_string_is_everything_after_the_first_colon() {
        assert_eq!(text_of_string("value\":comprar pao"), Some("comprar pao"));
        assert_eq!(text_of_string("value\":às 8:30"), Some("às 8:30"));
        assert_eq!(text_of_string("value\":"), Some(""));
        assert_eq!(text_of_string("comprar pao"), None);
    }

    #[test]
    fn the_forms_name_is_the_number_of_the_task() {
        assert!(is_form_name("7", TaskId(7)) && is_form_name("07", TaskId(7)));
        assert!(!is_form_name("8", TaskId(7)) && !is_form_name("value", TaskId(7)));
    }
}
