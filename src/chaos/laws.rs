//! What a fleet has to keep to, whatever is done to it.

use serde::Serialize;

use super::hands::Census;
use super::traffic::Tally;

/// What a run has shown.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) tally: Tally,
    pub(super) store: Store,
    /// The most that lived at a time, and the most that may.
    pub(super) most: Census,
    pub(super) allowed: Census,
    /// What still was not as it should be at the end; `None`: everything was.
    pub(super) unsettled: Option<String>,
    /// What could not be released.
    pub(super) unreleased: Vec<String>,
    /// Who lived at the end.
    pub(super) last: Census,
}

/// What the task service has, compared with what it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// There is none: nothing was posted.
    Absent,
    /// It could not be asked.
    Unknown(String),
    /// It answered.
    Compared {
        /// Tasks that are there more than once.
        twice: Vec<String>,
        /// Tasks that were acknowledged, and are not there.
        missing: Vec<String>,
    },
}

/// One law, and whether it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Ruling {
    pub(super) law: &'static str,
    pub(super) held: bool,
    /// What broke it.
    pub(super) because: Option<String>,
}

/// Judges a run.
pub(super) fn judge(evidence: &Evidence) -> Vec<Ruling> {
    vec![
        ruling("no request was lost that the retry table allows to save", lost(&evidence.tally)),
        ruling("no POST was carried out twice", twice(&evidence.store)),
        ruling("every POST that was acknowledged is stored", missing(&evidence.store)),
        ruling(
            "never more machines and backends than their number and surge allow",
            too_many(evidence),
        ),
        ruling(
            "in the end exactly as many serve as are wanted, and nothing is waited for",
            evidence.unsettled.clone(),
        ),
        ruling("nothing is left stopped or blocked", left(evidence)),
    ]
}

fn ruling(law: &'static str, because: Option<String>) -> Ruling {
    Ruling { law, held: because.is_none(), because }
}

fn lost(tally: &Tally) -> Option<String> {
    let lost = tally.gets.lost + tally.posts.lost;
    (lost > 0).then(|| format!("{lost} were: {}", tally.losses.join("; ")))
}

fn twice(store: &Store) -> Option<String> {
    match store {
        Store::Absent => None,
        Store::Unknown(reason) => Some(format!("not known: {reason}")),
        Store::Compared { twice, .. } => some_of(twice),
    }
}

fn missing(store: &Store) -> Option<String> {
    match store {
        Store::Absent => None,
        Store::Unknown(reason) => Some(format!("not known: {reason}")),
        Store::Compared { missing, .. } => some_of(missing),
    }
}

fn too_many(evidence: &Evidence) -> Option<String> {
    let (most, allowed) = (evidence.most, evidence.allowed);
    let broken = most.instances > allowed.instances || most.backends > allowed.backends;
    broken.then(|| {
        format!(
            "{} instances and {} backends lived at a time, allowed are {} and {}",
            most.instances, most.backends, allowed.instances, allowed.backends
        )
    })
}

fn left(evidence: &Evidence) -> Option<String> {
    let suspended = evidence.last.suspended;
    match (&evidence.unreleased[..], suspended) {
        ([], 0) => None,
        ([], some) => Some(format!("{some} processes are stopped")),
        (failed, _) => Some(failed.join("; ")),
    }
}

/// Enough of them to look for the others.
fn some_of(names: &[String]) -> Option<String> {
    const SHOWN_MAX: usize = 5;
    let shown = names.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("{} are not: {shown}", names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Census = Census { instances: 6, backends: 1, suspended: 0 };

    fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
        let mut evidence = Evidence {
            tally: Tally::default(),
            store: Store::Absent,
            most: ALLOWED,
            allowed: ALLOWED,
            unsettled: None,
            unreleased: Vec::new(),
            last: Census::default(),
        };
        change(&mut evidence);
        judge(&evidence).iter().filter(|ruling| !ruling.held).map(|ruling| ruling.law).collect()
    }

    fn compared(twice: &[&str], missing: &[&str]) -> Store {
        let [twice, missing] =
            [twice, missing].map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Store::Compared { twice, missing }
    }

    #[test]
    fn each_law_can_be_broken_by_itself() {
        assert_eq!(broken(|_| {}), [""; 0]);
        let laws = [
            broken(|of| of.tally.gets.lost = 1),
            broken(|of| of.store = compared(&["a"], &[])),
            broken(|of| of.store = compared(&[], &["a"])),
            broken(|of| of.most.backends = 2),
            broken(|of| of.unsettled = Some("instance-1 is empty".to_owned())),
            broken(|of| of.unreleased = vec!["instance-0".to_owned()]),
        ];
        assert!(laws.iter().all(|laws| laws.len() == 1), "{laws:?}");
        let mut each = laws.concat();
        each.sort_unstable();
        each.dedup();
        assert_eq!(each.len(), 6, "{each:?}");
        assert_eq!(broken(|of| of.tally.posts.lost = 1).len(), 1);
        assert_eq!(broken(|of| of.most.instances = 7).len(), 1);
        assert_eq!(broken(|of| of.last.suspended = 1).len(), 1);
        assert_eq!(broken(|of| of.tally.posts.unsavable = 1), [""; 0]);
    }

    #[test]
    fn a_store_that_cannot_be_asked_proves_nothing() {
        assert_eq!(broken(|of| of.store = Store::Unknown("no answer".into())).len(), 2);
    }
}
