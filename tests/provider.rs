//! The providers, with real processes.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support {
    pub(crate) mod contract;
}

mod provider {
    mod adoption;
    mod contract;
    mod ending;
    mod exits;
    mod logs;
    mod state;
    mod victims;
    mod world;
}
