//! What differs between two texts, line by line.

use std::fmt::Write;

/// The lines that only `old` (`-`) or only `new` (`+`) has, each with its number there.
pub(crate) fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let common = common_lengths(&old, &new);
    let (mut left, mut right, mut diff) = (0, 0, String::new());
    while left < old.len() || right < new.len() {
        if left < old.len() && right < new.len() && old[left] == new[right] {
            (left, right) = (left + 1, right + 1);
        } else if right == new.len()
            || left < old.len() && common[left + 1][right] >= common[left][right + 1]
        {
            writeln!(diff, "- {}: {}", left + 1, old[left]).expect("a string takes any text");
            left += 1;
        } else {
            writeln!(diff, "+ {}: {}", right + 1, new[right]).expect("a string takes any text");
            right += 1;
        }
    }
    diff
}

/// How many lines the rests of both texts have in common, from each pair of lines on.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for left in (0..old.len()).rev() {
        for right in (0..new.len()).rev() {
            common[left][right] = if old[left] == new[right] {
                common[left + 1][right + 1] + 1
            } else {
                common[left + 1][right].max(common[left][right + 1])
            };
        }
    }
    common
}
