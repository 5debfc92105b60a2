//! Configuration: one TOML file, or the defaults for a data directory. Every error names the key, what is wrong with it
//! and what to write instead.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {path} cannot be read: {cause}. Write one with `lectern init --config {path}`")]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("the configuration file {path} is not valid: {cause}")]
    Syntax { path: PathBuf, cause: String },
    #[error("the configuration key `{key}` {problem}; {remedy}")]
    Value { key: &'static str, problem: String, remedy: &'static str },
    /// The same of what a command was given.
    #[error("{name} {problem}; {remedy}")]
    Option { name: &'static str, problem: String, remedy: &'static str },
}

/// What a portal is configured to do. Made only by [`Config::load`] and [`Config::for_data`], which check it.
#[derive(Clone, Debug)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// The origin that browsers see, `https://reading-room.example`; forms sent from any other are refused.
    pub public_origin: Option<String>,
    /// How many proxies in front may be believed about the client's address in `X-Forwarded-For`.
    pub trusted_proxies: usize,
    pub database: String,
    /// Whether a PostgreSQL that may lose commits with the power will do. Only for databases that hold nothing of value.
    pub allow_unsafe_database: bool,
    pub log: LogConfig,
    pub password: PasswordConfig,
    pub session: SessionConfig,
    pub reading: ReadingConfig,
    pub search: SearchConfig,
    pub grants: GrantsConfig,
    pub accounts: AccountsConfig,
}

/// What accounts must have.
#[derive(Clone, Copy, Debug)]
pub struct AccountsConfig {
    pub second_factor: FactorPolicy,
}

/// Whose accounts must have a second factor. Everybody's may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorPolicy {
    Nobody,
    /// Administrators and auditors.
    Staff,
    Everybody,
}

impl FactorPolicy {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "optional" => Some(Self::Nobody),
            "staff" => Some(Self::Staff),
            "everyone" => Some(Self::Everybody),
            _ => None,
        }
    }
}

/// What grants take.
#[derive(Clone, Copy, Debug)]
pub struct GrantsConfig {
    /// How many administrators besides the proposer have to approve a grant, at least.
    pub approvals: i64,
}

/// The transparency log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The log's name in its checkpoints.
    pub origin: String,
    /// How long a page waits for its entry to be durable before it is refused.
    pub deadline: Duration,
    /// A trust policy (C2SP tlog-policy) that says which witnesses must cosign the log.
    pub policy: Option<PathBuf>,
    /// How old an entry may be that they have not cosigned, before no more source is shown.
    pub witness_lag: Duration,
    /// How many such entries there may be.
    pub witness_lag_entries: u64,
}

/// Argon2id's cost. Passwords hashed with less are hashed again at the next sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordConfig {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    pub idle: Duration,
    pub absolute: Duration,
    /// How long signing in, or confirming the password again, opens what asks for a fresh confirmation.
    pub step_up: Duration,
}

/// Limits of what one page shows.
#[derive(Clone, Copy, Debug)]
pub struct ReadingConfig {
    /// Bytes of a file beyond which it is shown without highlighting.
    pub highlight_bytes: usize,
    /// Lines a page holds.
    pub page_lines: usize,
    /// How long highlighting may take before the rest is shown plain.
    pub highlight_deadline: Duration,
    /// How long an answer about a file's past may take before it is given up.
    pub history_deadline: Duration,
}

/// What searching may cost.
#[derive(Clone, Copy, Debug)]
pub struct SearchConfig {
    /// How long one search may take; what it found until then is the answer.
    pub deadline: Duration,
    /// How long a page waits for the whole answer before it is sent piece by piece, as it is found.
    pub stream_after: Duration,
    /// Bytes looked through once a page is full, to count the rest. What is found in so many is ranked and sent together.
    pub count_bytes: u64,
    /// Searches that one person may have running.
    pub at_once: usize,
    /// How long a further one waits for its turn.
    pub patience: Duration,
    /// Work that one person may ask for at a stretch.
    pub budget: Duration,
    /// How much of it comes back in a minute.
    pub refill: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data: Option<PathBuf>,
    listen: Option<String>,
    public_origin: Option<String>,
    trusted_proxies: Option<usize>,
    database: FileDatabase,
    log: FileLog,
    password: FilePassword,
    session: FileSession,
    reading: FileReading,
    search: FileSearch,
    grants: FileGrants,
    accounts: FileAccounts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileAccounts {
    second_factor: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileGrants {
    approvals: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileDatabase {
    url: Option<String>,
    allow_unsafe: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLog {
    origin: Option<String>,
    deadline_ms: Option<u64>,
    policy: Option<PathBuf>,
    witness_lag_seconds: Option<u64>,
    witness_lag_entries: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FilePassword {
    memory_kib: Option<u32>,
    passes: Option<u32>,
    lanes: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileSession {
    idle_minutes: Option<u64>,
    absolute_hours: Option<u64>,
    step_up_minutes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileReading {
    highlight_bytes: Option<usize>,
    highlight_deadline_ms: Option<u64>,
    history_deadline_seconds: Option<u64>,
    page_lines: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileSearch {
    deadline_seconds: Option<u64>,
    stream_after_ms: Option<u64>,
    count_megabytes: Option<u64>,
    at_once: Option<u64>,
    patience_seconds: Option<u64>,
    budget_seconds: Option<u64>,
    refill_seconds: Option<u64>,
}

impl Config {
    /// Reads and checks a configuration file. A relative `data` directory is relative to the file, and so is `log.policy`.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, holds an unknown key, or a value is out of its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        let mut file: File =
            toml::from_str(&text).map_err(|cause| ConfigError::Syntax { path: path.to_owned(), cause: cause.to_string() })?;
        let beside = path.parent().unwrap_or(Path::new(""));
        let data = file.data.clone().ok_or(ConfigError::Value {
            key: "data",
            problem: "is missing".to_owned(),
            remedy: "name the directory that holds mirrors, index and keys, as in data = \"/var/lib/lectern\"",
        })?;
        file.log.policy = file.log.policy.map(|policy| beside.join(policy));
        Self::check(file, beside.join(data))
    }

    /// The defaults, for everything kept below `data`.
    ///
    /// # Errors
    /// None in practice: the defaults are within their ranges.
    pub fn for_data(data: &Path) -> Result<Self, ConfigError> {
        Self::check(File::default(), data.to_owned())
    }

    fn check(file: File, data: PathBuf) -> Result<Self, ConfigError> {
        let listen = file.listen.as_deref().unwrap_or("127.0.0.1:8420");
        let listen = listen.parse().map_err(|_| ConfigError::Value {
            key: "listen",
            problem: format!("is {listen:?}, which is no address and port"),
            remedy: "write an address and a port, as in listen = \"127.0.0.1:8420\"",
        })?;
        let database = match file.database.url {
            None => crate::database::Database::sqlite_url(&data.join("lectern.db")),
            Some(url) if ["sqlite:", "postgres:", "postgresql:"].iter().any(|kind| url.starts_with(kind)) => url,
            Some(url) => {
                return Err(ConfigError::Value {
                    key: "database.url",
                    problem: format!("begins with {:?}", url.split(':').next().unwrap_or("")),
                    remedy: "write sqlite:///path/to/file?mode=rwc or postgres://user@host/name",
                });
            }
        };
        Ok(Self {
            public_origin: file.public_origin.map(check_origin).transpose()?,
            trusted_proxies: file.trusted_proxies.unwrap_or(0),
            log: LogConfig {
                origin: check_log_origin(file.log.origin.unwrap_or_else(|| "lectern.example/audit".to_owned()))?,
                deadline: Duration::from_millis(within("log.deadline_ms", file.log.deadline_ms, 2_000, 100, 60_000)?),
                policy: file.log.policy,
                witness_lag: Duration::from_secs(within("log.witness_lag_seconds", file.log.witness_lag_seconds, 60, 1, 604_800)?),
                witness_lag_entries: within("log.witness_lag_entries", file.log.witness_lag_entries, 10_000, 1, 10_000_000)?,
            },
            password: PasswordConfig {
                memory_kib: narrow(within("password.memory_kib", file.password.memory_kib.map(u64::from), 19_456, 8_192, 4_194_304)?),
                passes: narrow(within("password.passes", file.password.passes.map(u64::from), 2, 1, 64)?),
                lanes: narrow(within("password.lanes", file.password.lanes.map(u64::from), 1, 1, 64)?),
            },
            session: SessionConfig {
                idle: minutes(within("session.idle_minutes", file.session.idle_minutes, 15, 1, 1_440)?),
                absolute: minutes(60 * within("session.absolute_hours", file.session.absolute_hours, 12, 1, 24)?),
                step_up: minutes(within("session.step_up_minutes", file.session.step_up_minutes, 10, 1, 60)?),
            },
            reading: ReadingConfig {
                highlight_bytes: size(within(
                    "reading.highlight_bytes",
                    file.reading.highlight_bytes.map(|n| n as u64),
                    2_000_000,
                    0,
                    64_000_000,
                )?),
                highlight_deadline: Duration::from_millis(within(
                    "reading.highlight_deadline_ms",
                    file.reading.highlight_deadline_ms,
                    250,
                    0,
                    30_000,
                )?),
                history_deadline: Duration::from_secs(within(
                    "reading.history_deadline_seconds",
                    file.reading.history_deadline_seconds,
                    20,
                    0,
                    600,
                )?),
                page_lines: size(within("reading.page_lines", file.reading.page_lines.map(|n| n as u64), 5_000, 100, 50_000)?),
            },
            search: check_search(&file.search)?,
            grants: GrantsConfig { approvals: i64::from(narrow(within("grants.approvals", file.grants.approvals, 1, 1, 5)?)) },
            accounts: AccountsConfig { second_factor: check_factors(file.accounts.second_factor.as_deref())? },
            allow_unsafe_database: file.database.allow_unsafe.unwrap_or(false),
            listen,
            database,
            data,
        })
    }

    #[must_use]
    pub fn mirrors(&self) -> PathBuf {
        self.data.join("mirrors")
    }

    #[must_use]
    pub fn pasts(&self) -> PathBuf {
        self.data.join("past")
    }

    #[must_use]
    pub fn indexes(&self) -> PathBuf {
        self.data.join("index")
    }

    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.data.join("keys")
    }
}

fn check_factors(text: Option<&str>) -> Result<FactorPolicy, ConfigError> {
    let text = text.unwrap_or("optional");
    FactorPolicy::parse(text).ok_or_else(|| ConfigError::Value {
        key: "accounts.second_factor",
        problem: format!("is {text:?}"),
        remedy: "write \"optional\", \"staff\" (administrators and auditors must have one) or \"everyone\"",
    })
}

fn check_search(file: &FileSearch) -> Result<SearchConfig, ConfigError> {
    let seconds = Duration::from_secs;
    Ok(SearchConfig {
        deadline: seconds(within("search.deadline_seconds", file.deadline_seconds, 15, 1, 600)?),
        stream_after: Duration::from_millis(within("search.stream_after_ms", file.stream_after_ms, 300, 0, 60_000)?),
        count_bytes: within("search.count_megabytes", file.count_megabytes, 1_000, 1, 1_000_000)? * 1_000_000,
        at_once: size(within("search.at_once", file.at_once, 2, 1, 16)?),
        patience: seconds(within("search.patience_seconds", file.patience_seconds, 10, 0, 60)?),
        budget: seconds(within("search.budget_seconds", file.budget_seconds, 120, 1, 86_400)?),
        refill: seconds(within("search.refill_seconds", file.refill_seconds, 30, 1, 3_600)?),
    })
}

fn within(key: &'static str, given: Option<u64>, default: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
    let value = given.unwrap_or(default);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::Value {
        key,
        problem: format!("is {value}, outside {least} to {most}"),
        remedy: "choose a number in that range, or leave the key out for the default",
    })
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// An origin is a scheme and an authority and nothing behind them (RFC 6454).
fn check_origin(origin: String) -> Result<String, ConfigError> {
    let authority = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://127.0.0.1"))
        .or_else(|| origin.strip_prefix("http://localhost"));
    match authority {
        Some(rest) if !rest.contains(['/', ' ', '?', '#']) => Ok(origin),
        _ => Err(ConfigError::Value {
            key: "public_origin",
            problem: format!("is {origin:?}"),
            remedy: "write https:// and the host as browsers see it, without a path, as in \"https://reading-room.example\"",
        }),
    }
}

/// A key name in a signed note: not empty, no white space, no plus sign (C2SP signed-note).
fn check_log_origin(origin: String) -> Result<String, ConfigError> {
    if origin.is_empty() || origin.contains('+') || origin.chars().any(char::is_whitespace) {
        return Err(ConfigError::Value {
            key: "log.origin",
            problem: format!("is {origin:?}"),
            remedy: "write a name without spaces or plus signs that you own, as in \"reading-room.example/audit\"",
        });
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        Config::check(file, "d".into()).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_security_requirements() {
        let config = load("").unwrap();
        assert_eq!(config.password, PasswordConfig { memory_kib: 19_456, passes: 2, lanes: 1 });
        assert_eq!(config.session.absolute, Duration::from_secs(12 * 3600));
        assert_eq!(config.database, "sqlite://d/lectern.db?mode=rwc");
        assert_eq!(config.accounts.second_factor, FactorPolicy::Nobody);
        assert_eq!(load("[accounts]\nsecond_factor = \"staff\"").unwrap().accounts.second_factor, FactorPolicy::Staff);
    }

    #[test]
    fn errors_name_the_key_the_problem_and_the_remedy() {
        for (text, expected) in [
            ("listen = \"8420\"", "the configuration key `listen` is \"8420\""),
            ("[database]\nurl = \"mysql://x\"", "the configuration key `database.url` begins with \"mysql\""),
            ("[password]\npasses = 0", "the configuration key `password.passes` is 0, outside 1 to 64"),
            ("[search]\nat_once = 0", "the configuration key `search.at_once` is 0, outside 1 to 16"),
            ("[log]\norigin = \"a b\"", "the configuration key `log.origin` is \"a b\""),
            ("[log]\nwitness_lag_seconds = 0", "the configuration key `log.witness_lag_seconds` is 0, outside 1 to 604800"),
            ("public_origin = \"http://evil.example\"", "the configuration key `public_origin`"),
            ("[accounts]\nsecond_factor = \"some\"", "the configuration key `accounts.second_factor` is \"some\""),
            ("listne = 1", "unknown field `listne`"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
