//! Golden plans: every `tests/plans/*.txt` tells a story of the fleet and is a test.
//!
//! A line at the margin is a command: something that happens, the time that passes, or a question.
//! The indented lines below it are the answer. `UPDATE_PLANS=1 cargo test --test plans` writes the
//! answers anew; read the diff before committing it. A bug report becomes a file here.
//!
//! `#[path]` keeps the modules beside the stories that they read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "plans/command.rs"]
mod command;
#[path = "plans/desired.rs"]
mod desired;
#[path = "plans/diff.rs"]
mod diff;
#[path = "plans/story.rs"]
mod story;

/// Writes a test for each story, so that a failure names its file.
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        const STORIES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

stories! {
    adoption,
    adoption_of_a_late_intent,
    adoption_of_the_ended,
    adoption_of_two_in_a_slot,
    backend_after_a_restart,
    backend_drained_by_order,
    backend_ghost_after_a_restart,
    backend_hangs,
    backend_hangs_while_paused,
    backend_killed,
    backend_launch_denied,
    backend_launch_unanswered,
    backend_leaves_while_paused,
    backend_moves_while_a_forwarder_hangs,
    backend_replaced_by_order,
    backend_revenant,
    backend_twice,
    backend_twice_and_both_serve,
    crash_before_the_answer,
    duplicate_in_a_slot,
    first_start,
    first_start_with_backend,
    flapping,
    flapping_and_a_spare,
    flapping_in_changing_ways,
    flapping_of_most,
    flapping_of_the_spare,
    flapping_on_suspicion,
    flapping_while_paused,
    hang,
    hang_that_recovers_in_time,
    hang_that_recovers_too_late,
    hung_and_then_dead,
    kill_again_and_again,
    kill_of_all,
    kill_of_one,
    launch_answered_twice,
    launch_denied,
    listing_fails,
    lost_answers_count,
    missing_from_a_list,
    newborn_never_serves,
    newborn_slower_than_the_others,
    newborns_all_slower_than_before,
    newborns_crash,
    no_surge,
    order_drain,
    order_replace,
    order_replace_twice,
    order_replace_twice_in_a_batch,
    overload,
    pause_and_resume,
    reclaimed,
    refused_once_by_traffic,
    replica_and_its_last_forwarder,
    replica_drained_by_order,
    replica_drained_past_its_time,
    replica_hangs,
    replica_killed,
    replica_replaced_by_order,
    replica_sheds,
    replicas_after_a_restart,
    replicas_all_hang,
    replicas_first_start,
    replicas_scaled_down,
    resume_thaws,
    revenant,
    room_for_the_empty_slot_first,
    scale,
    scale_down_during_a_launch,
    stale_listing_forgets_no_address,
    standby,
    standby_after_a_restart,
    standby_and_a_hang,
    standby_and_a_hang_that_ends,
    standby_and_orders,
    standby_and_scale,
    standby_in_doubt,
    standby_used_up,
    standby_while_paused,
    static_servers,
    static_servers_are_drained,
    static_servers_are_left_alone_by_stop,
    stop,
    stop_waits_for_the_unseen,
    surplus_newborn_on_trial,
    suspicion_while_frozen,
    suspicion,
    suspicion_and_a_spare,
    suspicion_of_all,
    suspicion_that_ends_after_the_successor_serves,
    suspicion_that_ends_at_once,
    suspicion_that_may_not_launch,
    terminated_stays_listed,
    three_hang_at_once,
    two_hang_in_a_slot,
    two_revenants,
}

#[test]
fn no_story_is_forgotten() {
    let listed: BTreeSet<String> = STORIES.iter().map(ToString::to_string).collect();
    let folder = std::fs::read_dir(folder()).expect("tests/plans is part of the repository");
    let files = folder.map(|entry| entry.expect("the folder can be read").path());
    let stories = files.filter(|path| path.extension().is_some_and(|name| name == "txt"));
    let found: BTreeSet<String> =
        stories.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    assert_eq!(found, listed, "tests/plans/*.txt (left) and `stories!` (right) differ");
}

#[test]
fn a_command_that_makes_no_sense_is_named_with_its_line_and_what_is_allowed() {
    for (script, expected) in [
        ("launch a\n", "story.txt:1: unknown command `launch`; allowed are at, after, spec,"),
        ("\nspec sizes=3\n", "story.txt:2: unknown setting `sizes`; allowed are instances, "),
        ("spec surge=many\n", "story.txt:1: `many` is not a number"),
        ("after 10\n", "story.txt:1: `10` is not a duration; allowed are `200ms`, `1.5s`, `2m`"),
        ("at 2s\nat 1s\n", "story.txt:2: time does not go back from 2.000s to 1.000s"),
        ("probe a well\n", "story.txt:1: no instance is called `a`; there are none yet"),
        ("launched instance-0 as a\n", "story.txt:1: no launch of instance-0 is unanswered"),
        ("exists a instance\n", "story.txt:1: `instance` is not a slot"),
        ("exists a instance-0\nprobe a fine\n", "story.txt:2: unknown finding `fine`; allowed are"),
        ("# a\n  answer\n", "story.txt:2: an answer without a command above it"),
    ] {
        let error = story::tell("story.txt", script).expect_err(script);
        assert!(error.contains(expected), "{script:?} gives {error:?}, expected {expected:?}");
    }
}

#[test]
fn a_wrong_answer_is_found() {
    let story = "listed\nplan\n  launch instance-9\n";
    let told = story::tell("story.txt", story).expect("the commands make sense");
    assert_ne!(told, story);
    let diff = diff::lines(story, &told);
    assert!(diff.contains("- 3:   launch instance-9"), "{diff}");
    assert!(diff.contains("+ 3:   launch instance-0"), "{diff}");
}

fn check(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let shown = format!("tests/plans/{name}.txt");
    let written = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(written.starts_with('#'), "{shown}:1: a story starts with a comment that tells it");
    let told = story::tell(&shown, &written).unwrap_or_else(|error| panic!("{error}"));
    if told == written {
        return;
    }
    if is_update() {
        std::fs::write(&path, told).unwrap_or_else(|error| panic!("{shown}: {error}"));
        return;
    }
    let diff = diff::lines(&written, &told);
    panic!(
        "{shown}: `-` is what it says, `+` what happens now.\n{diff}\
         If the new answers are right: UPDATE_PLANS=1 cargo test --test plans {name}"
    );
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn is_update() -> bool {
    std::env::var_os("UPDATE_PLANS").is_some_and(|value| value == "1")
}
