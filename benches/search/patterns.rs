//! What is searched for.

/// One expression, as every program is asked for it. Case is heeded unless `ignore_case`.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    pub(crate) expression: &'static str,
    /// As Lectern is asked, without `case:`.
    pub(crate) query: &'static str,
    pub(crate) ignore_case: bool,
    /// A match may go over the end of a line.
    pub(crate) over_lines: bool,
    /// What it is like, for the goals: a literal, an expression with one, or neither.
    pub(crate) kind: Cost,
    /// Milliseconds of zoekt and of livegrep, measured elsewhere on another fifth of Linux 6.1 (15,805 files, 230 MB).
    pub(crate) quoted: Option<(f64, f64)>,
    /// It is in ripgrep's benchsuite for the kernel.
    pub(crate) suite: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    Literal,
    Expression,
    Scan,
}

impl Cost {
    /// Milliseconds on the whole kernel that are the goal.
    pub(crate) fn goal(self) -> f64 {
        match self {
            Self::Literal => 20.0,
            Self::Expression => 100.0,
            Self::Scan => 1_500.0,
        }
    }
}

impl Pattern {
    pub(crate) fn query(&self) -> String {
        format!("{} case:{}", self.query, if self.ignore_case { "no" } else { "yes" })
    }

    /// For a table.
    pub(crate) fn name(&self) -> String {
        let case = if self.ignore_case { ", any case" } else { "" };
        format!("`{}`{case}", self.expression.replace('|', "\\|"))
    }
}

const PLAIN: Pattern =
    Pattern { expression: "", query: "", ignore_case: false, over_lines: false, kind: Cost::Expression, quoted: None, suite: true };

const ALTERNATES: &str = "ERR_SYS|PME_TURN_OFF|LINK_REQ_RST|CFG_BME_EVT";

pub(crate) const PATTERNS: [Pattern; 13] = [
    Pattern { expression: "PM_RESUME", query: "PM_RESUME", kind: Cost::Literal, quoted: Some((1.3, 0.3)), ..PLAIN },
    Pattern { expression: "PM_RESUME", query: "PM_RESUME", kind: Cost::Literal, ignore_case: true, quoted: Some((2.4, 1.5)), ..PLAIN },
    Pattern { expression: "[A-Z]+_RESUME", query: "/[A-Z]+_RESUME/", quoted: Some((239.0, 14.0)), ..PLAIN },
    Pattern { expression: ALTERNATES, query: "/ERR_SYS|PME_TURN_OFF|LINK_REQ_RST|CFG_BME_EVT/", quoted: Some((0.7, 0.9)), ..PLAIN },
    Pattern {
        expression: "copy_from_user",
        query: "copy_from_user",
        kind: Cost::Literal,
        quoted: Some((5.4, 24.0)),
        suite: false,
        ..PLAIN
    },
    Pattern { expression: r"memcpy\(.*,.*,.*len", query: r"/memcpy\(.*,.*,.*len/", quoted: Some((84.0, 49.0)), suite: false, ..PLAIN },
    Pattern { expression: r"strcpy\s*\(", query: r"/strcpy\s*\(/", over_lines: true, quoted: Some((11.0, 10.0)), suite: false, ..PLAIN },
    Pattern { expression: r"\wAh", query: r"/\wAh/", quoted: Some((10_000.0, 0.8)), kind: Cost::Scan, ..PLAIN },
    Pattern { expression: r"\bPM_RESUME\b", query: r"/\bPM_RESUME\b/", ..PLAIN },
    Pattern { expression: ALTERNATES, query: "/ERR_SYS|PME_TURN_OFF|LINK_REQ_RST|CFG_BME_EVT/", ignore_case: true, ..PLAIN },
    Pattern { expression: r"\p{Greek}", query: r"/\p{Greek}/", kind: Cost::Scan, ..PLAIN },
    Pattern { expression: r"\p{Greek}", query: r"/\p{Greek}/", ignore_case: true, kind: Cost::Scan, ..PLAIN },
    Pattern {
        expression: r"\w{5}\s+\w{5}\s+\w{5}\s+\w{5}\s+\w{5}",
        query: r"/\w{5}\s+\w{5}\s+\w{5}\s+\w{5}\s+\w{5}/",
        over_lines: true,
        kind: Cost::Scan,
        ..PLAIN
    },
];

/// Asked of the releases of git, in one version and in all.
pub(crate) const OVER_VERSIONS: [&str; 6] = [
    "strbuf_addf case:yes",
    "hash_object_file case:yes",
    "die_errno case:no",
    r"/memcpy\(.*,.*,.*len/ case:yes",
    r"/strcpy\s*\(/ case:yes",
    r"/\wAh/ case:yes",
];

/// What readers ask for in between.
pub(crate) const SHORT: [&str; 8] = [
    "PM_RESUME case:yes",
    "spin_lock_bh case:yes",
    "kfree_rcu case:yes",
    "usb_submit_urb",
    "MODULE_DEVICE_TABLE case:yes",
    "file:Kconfig DEBUG_FS",
    r"/strcpy\s*\(/ case:yes",
    "/ERR_SYS|PME_TURN_OFF/ case:yes",
];

/// What one reader asks for beside them: each text must be read, with automata as large as are taken, and larger.
pub(crate) const HEAVY: [&str; 3] = [
    r"/\w{5}\s+\w{5}\s+\w{5}\s+\w{5}\s+\w{5}/ case:yes",
    r"/(?:\w{1,9}[\s,;]+){4}\d{5}[^\w\s]{7}/ case:no",
    r"/(?:\w{1,20}[\s,;]+){12}\d{9}[^\w\s]{7}/ case:no",
];
