//! The check list, as data: one file for each part of a message.

pub(crate) mod chunks;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod hops;
pub(crate) mod request_line;
pub(crate) mod resources;
pub(crate) mod responses;
pub(crate) mod rows;
pub(crate) mod tunnels;
