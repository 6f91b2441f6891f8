//! Sections of the page that one command writes and the others keep.

/// Whose section it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Failover,
    Tasks,
}

impl Kept {
    /// All of them, in the order in which they follow the page's own sections.
    pub(super) const ALL: [Self; 2] = [Self::Failover, Self::Tasks];

    /// What stands before and after it.
    const fn marks(self) -> (&'static str, &'static str) {
        match self {
            Self::Failover => ("<!-- failover -->\n", "<!-- /failover -->\n"),
            Self::Tasks => ("<!-- tasks -->\n", "<!-- /tasks -->\n"),
        }
    }

    /// The section with what marks it, if the page has one.
    pub(super) fn section(self, page: &str) -> Option<&str> {
        let (before, after) = self.marks();
        let begin = page.find(before)?;
        let end = page[begin..].find(after)? + begin + after.len();
        Some(&page[begin..end])
    }

    /// The page with another section in its place, or at its end.
    pub(super) fn replace(self, page: &str, text: &str) -> String {
        let (before, after) = self.marks();
        let marked = format!("{before}\n{}\n\n{after}", text.trim());
        match self.section(page) {
            Some(old) => page.replacen(old, &marked, 1),
            None if page.is_empty() => marked,
            None => format!("{}\n\n{marked}", page.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_put_at_the_end_and_then_replaced_where_it_is() {
        for kept in Kept::ALL {
            let (before, after) = kept.marks();
            let page = kept.replace("# Page\n\nText.\n", "## One\n");
            assert_eq!(page, format!("# Page\n\nText.\n\n{before}\n## One\n\n{after}"));
            let longer = format!("{page}\n## Last\n");
            let again = kept.replace(&longer, "## Two");
            assert_eq!(again, longer.replace("One", "Two"));
            assert_eq!(kept.section(&again).map(|section| section.contains("Two")), Some(true));
            assert_eq!(kept.section("# Page\n"), None);
            assert_eq!(kept.section(&kept.replace("", "a")), Some(&*kept.replace("", "a")));
        }
    }
}
