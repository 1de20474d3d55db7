//! What the program fetches, from servers of the tests' own on loopback.

mod loopback;
mod models;
mod pictures;
