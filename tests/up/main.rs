//! End to end: the real binary, real processes, real `kill -9`, and every request counted.

mod system;
mod traffic;

mod backend;
mod faults;
mod operator;
mod own_server;
mod restart;
mod start;
