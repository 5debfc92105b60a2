//! Walks through the portal in a real browser: the program itself, on a repository made for the walk, in headless Chromium.
//! Every page that a walk comes to is inspected in light and in dark, wide and narrow (`inspection.rs`).
//!
//! Without Chromium and its driver a walk is left out, unless `LECTERN_REQUIRE_BROWSER=1` says that it must not be.
#![expect(clippy::indexing_slicing, clippy::print_stderr, reason = "a test ends where something is not as it should be, and says why")]

mod administrators; // one proposes, another approves, revokes: the reader loses the page at the next click
mod auditor; // finds the reader's opening in the log, follows it to its proof and receipt
mod browser; // a browser of one's own, and what one does with it
mod comparing; // two versions: what differs, a file, from change to change, from file to file
mod factors; // a second factor set up and asked for, another password, and a reset by two
mod first_day; // from an empty installation to a reviewer's first page of source, through the pages
mod inspection; // what must hold of every page
mod keyboard; // everything without a mouse
mod moving; // finder, tree, breadcrumb, keys, long files, and what helps with reading
mod past; // how a file came about: history, commit, blame, lines
mod pictures; // the pictures in the README, when LECTERN_SCREENSHOTS says where they go
mod portal; // the program under test and the repository it shows
mod reviewer; // desk, product, tree, file, search, what is not there
mod searching; // narrowing, versions, completion, saving, by keyboard
mod second_agency; // one directory, and no trace of the rest
mod symbols; // from a name to where it is defined and used
mod walk; // one way through the house by keyboard alone
mod without_scripts; // the same with JavaScript switched off
