//! How much of the tasks makes a page: the same for every store. Pure.

use std::ops::ControlFlow;

use super::store::{Listed, Page};
use super::task::{Task, TaskId};

/// Most texts of one page, in bytes, so that a page of long tasks does not fill the memory. The
/// first task is always in the page, so that a reader gets on.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Most tasks that one request searches: some 10 ms of work, however many there are.
const SEARCHED_MAX: usize = 10_000;

/// Most texts that one request searches, in bytes: as long as that takes to read.
const SEARCHED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A page that is being filled with the tasks after its beginning, in their order.
pub(super) struct Listing {
    page: Page,
    limits: Limits,
    listed: Vec<Task>,
    seen: usize,
    bytes: usize,
    last: Option<TaskId>,
    next: Option<TaskId>,
}

/// What a page may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Tasks to look at.
    pub(super) tasks: usize,
    /// Bytes of their texts, apart from the first.
    pub(super) bytes: usize,
}

impl Limits {
    /// Those of `page`.
    pub(super) const fn of(page: &Page) -> Self {
        match page.search {
            None => Self { tasks: page.limit, bytes: PAGE_BYTES_MAX },
            Some(_) => Self { tasks: SEARCHED_MAX, bytes: SEARCHED_BYTES_MAX },
        }
    }
}

impl Listing {
    pub(super) fn new(page: Page) -> Self {
        let limits = Limits::of(&page);
        Self { page, limits, listed: Vec::new(), seen: 0, bytes: 0, last: None, next: None }
    }

    /// Takes the next task. Breaks when the page is full and this task belongs to the next one.
    pub(super) fn take(&mut self, task: Task) -> ControlFlow<()> {
        self.bytes += task.text.len();
        let is_costly = self.seen >= self.limits.tasks || self.bytes > self.limits.bytes;
        if self.listed.len() == self.page.limit || (is_costly && self.seen > 0) {
            self.break_off();
            return ControlFlow::Break(());
        }
        self.seen += 1;
        self.last = Some(task.id);
        if self.page.search.as_ref().is_none_or(|search| search.finds(&task.text)) {
            self.listed.push(task);
        }
        ControlFlow::Continue(())
    }

    /// The list goes on after the last task that was taken.
    pub(super) fn break_off(&mut self) {
        self.next = self.last;
    }

    pub(super) fn finish(self) -> Listed {
        Listed { tasks: self.listed, next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tasks::task::Search;

    fn listed(page: &Page, texts: &[&str]) -> (Vec<i64>, Option<i64>) {
        let mut listing = Listing::new(page.clone());
        for (id, text) in (page.after.0 + 1..).zip(texts) {
            let (id, text, now) = (TaskId(id), (*text).to_owned(), Duration::ZERO);
            let task = Task { id, text, done: false, version: 1, created: now, updated: now };
            if listing.take(task).is_break() {
                break;
            }
        }
        let Listed { tasks, next } = listing.finish();
        (tasks.iter().map(|task| task.id.0).collect(), next.map(|id| id.0))
    }

    fn page(limit: usize, search: Option<&str>) -> Page {
        Page { after: TaskId(0), limit, search: search.map(|text| Search::new(text).unwrap()) }
    }

    #[test]
    fn a_page_goes_on_only_if_there_is_more() {
        assert_eq!(listed(&page(2, None), &["a", "b"]), (vec![1, 2], None));
        assert_eq!(listed(&page(2, None), &["a", "b", "c"]), (vec![1, 2], Some(2)));
        assert_eq!(listed(&page(2, None), &[]), (vec![], None));
    }

    #[test]
    fn a_page_of_long_texts_is_shorter_and_never_empty() {
        let long = "x".repeat(PAGE_BYTES_MAX);
        assert_eq!(listed(&page(9, None), &[&long, "b"]), (vec![1], Some(1)));
        let longer = "x".repeat(PAGE_BYTES_MAX + 1);
        assert_eq!(listed(&page(9, None), &[&longer, "b"]), (vec![1], Some(1)));
    }

    #[test]
    fn a_search_ends_after_so_many_tasks_and_goes_on_from_there() {
        let mut texts = vec!["no"; SEARCHED_MAX];
        texts.extend(["yes", "no"]);
        let search = page(5, Some("YES"));
        let max = SEARCHED_MAX as i64;
        assert_eq!(listed(&search, &texts), (vec![], Some(max)));
        let rest = Page { after: TaskId(max), ..search };
        assert_eq!(listed(&rest, &texts[SEARCHED_MAX..]), (vec![max + 1], None));
    }

    #[test]
    fn a_search_that_found_enough_goes_on_after_what_it_found() {
        assert_eq!(listed(&page(1, Some("a")), &["b", "a", "b", "a"]), (vec![2], Some(2)));
    }
}
