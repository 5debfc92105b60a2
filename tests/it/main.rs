//! The portal from outside: through HTTP and the command line.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where something is not as it should be"
)]

/// The portal in process, the library with its canaries, and what is checked when a test is over.
mod harness;

/// Who imports whom, and what stands where: read from the source itself.
mod architecture;
/// Agreements and how far they reach, whom they name, what is suspended, and what is given alone.
mod agreements;
/// The log as auditors, readers and third parties meet it.
mod audit;
/// Backups: taken while people read, restored into either database, refused when anything is amiss.
mod backup;
/// The check at the end of each test finds what it is for.
mod campaigns;
mod canaries;
/// Two versions side by side: what differs, cut to what may be read of each, recorded, and the lines of a file.
mod compare;
/// The contract with programs, `docs/openapi.json`, held against routes and answers.
mod contract;
/// `lectern demo` and the commands about the log, as their users meet them.
mod demo;
/// What is attached to agreements.
mod documents;
/// Second factors: set up, asked for, replaced by recovery codes, and due; passwords changed by those whose they are.
mod factors;
/// Kills, power cuts, disks that fail, clocks that jump, readers that leave: what must hold in all of them.
mod faults;
/// Files found by their names, parts of pages, and texts in other ways than line by line.
mod finder;
/// Nobody acts alone, and access lapses by itself.
mod grants;
/// Search in history over HTTP: changed lines and messages, cut to what may be read, and recorded.
mod history_search;
/// People and grants as files, at the portal and by `lectern admin`.
mod imports;
/// Long lists: filtered and paged by the database.
mod lists;
/// A log that cannot be written: 503, no source, and no repair.
mod log_unavailable;
/// Several processes at one installation, and commands beside a portal that runs.
mod nodes;
/// Histories, blame and commits: known from how their repository was made, cut to what may be read, and recorded.
mod past;
/// People: invitations, roles, locks, sessions.
mod people;
/// What a grant opens, shown before anybody proposes or approves it.
mod previews;
/// Products as administrators tend them: quarantine, withdrawal, moved tags, mirrors and their credentials, signatures.
mod products;
/// Products, directories and files as a reviewer sees them, and the JSON that programs get.
mod reading;
/// Resets of passwords and second factors by two administrators.
mod resets;
/// The table of routes: who may go where, and how everybody else is turned away.
mod routes;
/// Agencies' identity directories (SCIM): what they are told, and what never follows of what they say.
mod scim;
/// Precise symbols, from indexes that indexers made.
mod scip;
/// Search over HTTP, held against a plain scan of the same files.
mod search;
/// An index on disk that meets with accidents: killed builders, damaged files, a full disk.
mod search_index;
/// The page of results: coverage, facets, versions, next steps, arrival in parts, limits.
mod search_page;
/// Completion, saved searches and exports.
mod search_work;
/// Whatever administrators do, in whatever order: what can be read is what the rules say.
mod sequences;
/// Who somebody is: passwords, sessions, forms.
mod sign_in;
/// Symbols of hostile sources, and an index of symbols that meets with accidents.
mod symbol_accidents;
/// Symbols over HTTP: what is defined and used where, within what may be read.
mod symbols;
/// What one may not read does not exist: the same answer as for what was never there, and an entry.
mod unentitled;
/// A portal and those who cosign its log, as processes: down, slow, lying, killed, and set against an old copy.
mod witness;
