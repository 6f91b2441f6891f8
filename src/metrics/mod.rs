//! What is counted, and how it becomes numbers that people look at.
//!
//! A thread that carries traffic counts in cells of its own ([`Cell`], [`Histogram`], [`Account`]):
//! a plain load and store, no atomic that another thread writes, no allocation. Whoever wants to
//! know adds the threads up ([`Distribution`], [`Tallied`]); from one such reading to the next
//! follows the [`History`]. Everything here is pure: the time is an argument.

mod account;
mod bounds;
mod cell;
mod histogram;
mod history;
mod pace;

pub use account::{Account, CLASSES, Tallied, class_of};
pub use bounds::{BOUNDS, is_exported};
pub use cell::Cell;
pub use histogram::{Distribution, Histogram, Took};
pub use history::{
    Class, History, HistoryView, MINUTES_MAX, Period, Reading, SECONDS_MAX, Step, Traffic,
};
pub use pace::{OTHERS, PACE_SECONDS, Pace, Paces, SLOTS_MAX};
