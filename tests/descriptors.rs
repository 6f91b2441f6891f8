//! The engine without a descriptor left: a program of its own, since the limit is the process's.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod proxy {
    mod descriptors;
    #[expect(dead_code, reason = "the other tests of the engine need more of it")]
    mod world;
}
