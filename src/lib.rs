//! Lectern, a reading room for source code. The rooms, lowest first; a room imports only from rooms listed before it.

// The floor.
pub mod clock;
pub mod ids;
pub mod database;
pub mod config;
pub mod queue;
pub mod sealing;
// The log.
pub mod audit;
// People.
pub mod accounts;
pub mod catalog;
pub mod entitlements;
// The gate.
pub mod access;
// Guarded.
pub mod source;
pub mod mirrors;
pub mod highlight;
pub mod symbols;
pub mod search;
// The work.
pub mod inspection;
// Hands.
pub mod jobs;
pub mod web;
pub mod cli;
