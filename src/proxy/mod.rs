//! TEMP
mod report;
mod settings;
pub use report::{Failure, Report};
pub use settings::{Hold, Limits, Retry, Settings, Timeouts};
