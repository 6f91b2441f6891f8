//! What becomes of changes, given what the store has: the same for every store. Pure.
//!
//! A store looks up what a batch of changes is about, has the outcomes decided here, and writes
//! what comes of it in the same transaction, while nobody else writes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::store::Error;
use super::task::{Condition, Edit, IdempotencyKey, NewTask, Task, TaskId};

/// How long a key is remembered: longer than anybody keeps trying.
const KEY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The oldest use of a key that is remembered at `now`, as the stores write times.
pub(super) fn oldest_use(now: Duration) -> i64 {
    milliseconds(now.saturating_sub(KEY_LIFETIME))
}

/// A time as the stores write it: milliseconds since 1970.
pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Something to change.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Add(NewTask),
    Edit(TaskId, Edit, Condition),
    Remove(TaskId, Condition),
}

/// What a key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// The task that it added.
    pub(super) task: TaskId,
    /// What that task was when it was added.
    pub(super) fingerprint: i64,
}

/// What the changes are about, as the store has it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The greatest number that was ever given; 0 before the first.
    pub(super) last: TaskId,
    /// The tasks that are named, and those that the keys added, as far as they exist.
    pub(super) tasks: BTreeMap<TaskId, Task>,
    /// The keys that are remembered, of those that are named.
    pub(super) keys: BTreeMap<IdempotencyKey, Use>,
}

/// What the store has to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Writes {
    /// The greatest number that was given, if that changed.
    pub(super) last: Option<TaskId>,
    /// Tasks that are new.
    pub(super) added: Vec<Task>,
    /// Tasks that are different now.
    pub(super) changed: Vec<Task>,
    /// Tasks that are gone.
    pub(super) removed: Vec<TaskId>,
    /// Keys to remember, in the place of a forgotten use of them.
    pub(super) keys: Vec<(IdempotencyKey, Use)>,
}

/// What one change came to.
pub(super) type Outcome = Result<Task, Error>;

/// The numbers of the tasks that the changes name.
pub(super) fn named(changes: &[Change]) -> Vec<TaskId> {
    let id = |change: &Change| match change {
        Change::Edit(id, ..) | Change::Remove(id, _) => Some(*id),
        Change::Add(_) => None,
    };
    changes.iter().filter_map(id).collect()
}

/// The keys that the changes name.
pub(super) fn keys(changes: &[Change]) -> Vec<&IdempotencyKey> {
    let key = |change| match change {
        &Change::Add(NewTask { key: Some(ref key), .. }) => Some(key),
        _ => None,
    };
    changes.iter().filter_map(key).collect()
}

/// What the changes come to, one after the other, and what is to be written for that.
pub(super) fn decide(changes: Vec<Change>, known: Known, now: Duration) -> (Vec<Outcome>, Writes) {
    let mut ledger =
        Ledger { now, next: known.last, known, fates: BTreeMap::new(), keys: Vec::new() };
    let outcomes = changes.into_iter().map(|change| ledger.apply(change)).collect();
    (outcomes, ledger.writes())
}

/// The batch so far.
struct Ledger {
    now: Duration,
    known: Known,
    /// The greatest number given so far.
    next: TaskId,
    /// What is to become of each task that was touched.
    fates: BTreeMap<TaskId, Fate>,
    keys: Vec<(IdempotencyKey, Use)>,
}

/// What is to become of a task.
enum Fate {
    Added,
    Changed,
    Removed,
    /// Added and removed in one batch.
    Never,
}

impl Ledger {
    fn apply(&mut self, change: Change) -> Outcome {
        match change {
            Change::Add(new) => self.add(new),
            Change::Edit(id, edit, condition) => self.edit(id, edit, &condition),
            Change::Remove(id, condition) => self.remove(id, &condition),
        }
    }

    fn add(&mut self, new: NewTask) -> Outcome {
        let fingerprint = fingerprint(&new);
        if let Some(used) = new.key.as_ref().and_then(|key| self.known.keys.get(key)) {
            if used.fingerprint != fingerprint {
                return Err(Error::KeyReused);
            }
            let task = self.known.tasks.get(&used.task).cloned();
            return task.ok_or(Error::AddedAndRemoved(used.task));
        }
        self.next = TaskId(self.next.0 + 1);
        let id = self.next;
        if let Some(key) = new.key {
            let used = Use { task: id, fingerprint };
            self.known.keys.insert(key.clone(), used.clone());
            self.keys.push((key, used));
        }
        let NewTask { text, done, .. } = new;
        let (text, now) = (text.into_string(), self.now);
        let task = Task { id, text, done, version: 1, created: now, updated: now };
        self.known.tasks.insert(id, task.clone());
        self.fates.insert(id, Fate::Added);
        Ok(task)
    }

    fn edit(&mut self, id: TaskId, edit: Edit, condition: &Condition) -> Outcome {
        let now = self.now;
        let Some(task) = self.known.tasks.get_mut(&id) else { return Err(self.missing(id)) };
        if !condition.holds(task) {
            return Err(Error::Different(task.tag()));
        }
        if let Some(text) = edit.text {
            task.text = text.into_string();
        }
        task.done = edit.done.unwrap_or(task.done);
        task.version += 1;
        // The calendar may have been set back; a task is not changed before it was added.
        task.updated = now.max(task.updated);
        self.fates.entry(id).or_insert(Fate::Changed);
        Ok(task.clone())
    }

    fn remove(&mut self, id: TaskId, condition: &Condition) -> Outcome {
        let Some(task) = self.known.tasks.get(&id) else { return Err(self.missing(id)) };
        if !condition.holds(task) {
            return Err(Error::Different(task.tag()));
        }
        let task = task.clone();
        self.known.tasks.remove(&id);
        let fate = match self.fates.get(&id) {
            Some(Fate::Added) => Fate::Never,
            _ => Fate::Removed,
        };
        self.fates.insert(id, fate);
        Ok(task)
    }

    fn missing(&self, id: TaskId) -> Error {
        absent(id, self.next)
    }

    fn writes(mut self) -> Writes {
        let last = Some(self.next).filter(|next| *next != self.known.last);
        let mut writes = Writes { last, keys: self.keys, ..Writes::default() };
        for (id, fate) in self.fates {
            match fate {
                Fate::Added => writes.added.extend(self.known.tasks.remove(&id)),
                Fate::Changed => writes.changed.extend(self.known.tasks.remove(&id)),
                Fate::Removed => writes.removed.push(id),
                Fate::Never => {}
            }
        }
        writes
    }
}

/// Why there is no task `id` when `last` was the last number given.
pub(super) fn absent(id: TaskId, last: TaskId) -> Error {
    if id > TaskId(0) && id <= last { Error::Removed(id) } else { Error::Missing(id) }
}

/// FNV-1a. Tells a key that was given to another task by mistake; it guards nothing.
fn fingerprint(new: &NewTask) -> i64 {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let text = new.text.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    // Without a byte for what is not done: the keys of older files hold the text alone.
    (if new.done { hash(text, 1) } else { text }).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::task::Text;

    const NOW: Duration = Duration::from_millis(1_000);

    fn text(text: &str) -> Text {
        Text::new(text.to_owned()).unwrap()
    }

    fn add(value: &str, key: &str) -> Change {
        let key = (!key.is_empty()).then(|| IdempotencyKey::new(key.as_bytes()).unwrap());
        Change::Add(NewTask { text: text(value), done: false, key })
    }

    fn edit(id: i64, value: &str) -> Change {
        Change::Edit(TaskId(id), Edit { text: Some(text(value)), done: None }, Condition::None)
    }

    fn remove(id: i64) -> Change {
        Change::Remove(TaskId(id), Condition::None)
    }

    fn known(last: i64, ids: &[i64]) -> Known {
        let task = |id: &i64| Task {
            id: TaskId(*id),
            text: format!("t{id}"),
            done: true,
            version: 3,
            created: Duration::from_millis(10),
            updated: Duration::from_millis(2_000),
        };
        let tasks = ids.iter().map(|id| (TaskId(*id), task(id))).collect();
        Known { last: TaskId(last), tasks, keys: BTreeMap::new() }
    }

    #[test]
    fn additions_are_numbered_on_from_the_last_number_ever_given() {
        let (outcomes, writes) = decide(vec![add("a", ""), add("b", "")], known(7, &[]), NOW);
        let ids: Vec<i64> = outcomes.into_iter().map(|task| task.unwrap().id.0).collect();
        assert_eq!((ids, writes.last, writes.added.len()), (vec![8, 9], Some(TaskId(9)), 2));
    }

    #[test]
    fn a_key_adds_once_also_within_one_batch() {
        let changes = vec![add("a", "k"), add("a", "k"), add("b", "k")];
        let (outcomes, writes) = decide(changes, known(0, &[]), NOW);
        assert_eq!(outcomes[0].as_ref().unwrap(), outcomes[1].as_ref().unwrap());
        assert!(matches!(outcomes[2], Err(Error::KeyReused)));
        assert_eq!((writes.added.len(), writes.keys.len(), writes.last), (1, 1, Some(TaskId(1))));
    }

    #[test]
    fn a_change_counts_versions_and_time_does_not_go_back() {
        let (outcomes, writes) = decide(vec![edit(2, "x"), edit(2, "y")], known(3, &[2]), NOW);
        let task = outcomes[1].as_ref().unwrap();
        assert_eq!((task.text.as_str(), task.done, task.version), ("y", true, 5));
        assert_eq!(task.updated, Duration::from_millis(2_000));
        assert_eq!((writes.changed.as_slice(), writes.last), (std::slice::from_ref(task), None));
    }

    #[test]
    fn what_was_removed_is_told_from_what_never_was() {
        let changes = vec![edit(2, "x"), edit(4, "x"), edit(0, "x"), remove(2)];
        let (outcomes, writes) = decide(changes, known(3, &[]), NOW);
        assert!(matches!(outcomes[0], Err(Error::Removed(TaskId(2)))));
        assert!(matches!(outcomes[1], Err(Error::Missing(TaskId(4)))));
        assert!(matches!(outcomes[2], Err(Error::Missing(TaskId(0)))));
        assert!(matches!(outcomes[3], Err(Error::Removed(TaskId(2)))));
        assert_eq!(writes, Writes::default());
    }

    #[test]
    fn what_was_added_and_removed_in_one_batch_leaves_its_number_behind() {
        let changes = vec![add("a", "k"), remove(1), add("a", "k")];
        let (outcomes, writes) = decide(changes, known(0, &[]), NOW);
        assert!(matches!(outcomes[2], Err(Error::AddedAndRemoved(TaskId(1)))));
        assert_eq!((writes.added, writes.removed, writes.last), (vec![], vec![], Some(TaskId(1))));
    }

    #[test]
    fn a_change_before_a_removal_is_not_written() {
        let changes = vec![edit(1, "x"), remove(1)];
        let (outcomes, writes) = decide(changes, known(1, &[1]), NOW);
        assert_eq!(outcomes[1].as_ref().unwrap().text, "x");
        assert_eq!((writes.changed, writes.removed), (vec![], vec![TaskId(1)]));
    }

    #[test]
    fn a_change_that_is_meant_for_another_state_is_not_made() {
        let known = known(1, &[1]);
        let condition = Condition::IsOneOf(vec![known.tasks[&TaskId(1)].tag()]);
        let edit = Edit { text: None, done: Some(false) };
        let edit = Change::Edit(TaskId(1), edit, condition.clone());
        let changes = vec![edit.clone(), edit, Change::Remove(TaskId(1), condition)];
        let (outcomes, writes) = decide(changes, known, NOW);
        assert!(outcomes[0].is_ok(), "it is as expected");
        assert!(matches!(outcomes[1], Err(Error::Different(_))), "it has changed since");
        assert!(matches!(outcomes[2], Err(Error::Different(_))));
        assert_eq!((writes.changed.len(), writes.removed.len()), (1, 0));
    }
}
