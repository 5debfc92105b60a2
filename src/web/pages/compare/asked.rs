//! What the address of a comparison asks for, and the addresses that ask for something else.

use globset::{GlobBuilder, GlobMatcher};
use percent_encoding::percent_decode_str;

use crate::access::{Action, Wish};
use crate::catalog::RepoPath;
use crate::highlight::language_of;
use crate::search::{PathKind, is_build_script};
use crate::source::compare::{Asked, Fate, Look, Only, Order, Purpose, Selection};
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::views::links;

/// The filters and the order, which go along from page to page.
pub(super) const KEPT: [&str; 7] = ["dir", "path", "lang", "only", "kind", "vendored", "sort"];
/// How the lines of a file are shown, which goes along from file to file.
pub(super) const VIEW: [&str; 3] = ["view", "space", "context"];
/// Ranges of lines that one address opens.
const MOST_OPENED: usize = 100;
/// Lines of context at most; a page shows so many rows in any case.
const MOST_CONTEXT: u32 = 100_000;

/// Two versions, and what of them.
pub(super) struct Comparing {
    pub(super) product: String,
    pub(super) from: String,
    pub(super) to: String,
    /// Of the file; the root for the summary.
    pub(super) path: RepoPath,
    pub(super) directory: RepoPath,
    /// The parameters that go along, by [`KEPT`] and [`VIEW`]; `dir` is percent-encoded.
    given: Vec<(&'static str, String)>,
    page: usize,
    at: usize,
    opened: Vec<(u32, u32)>,
}

impl Comparing {
    /// The path is taken from the address itself, since it is bytes.
    pub(super) fn of(who: &Reader) -> Result<Self, WebError> {
        let mut components = who.visit.components().skip(1);
        let mut name = || percent_decode_str(components.next().unwrap_or_default()).decode_utf8_lossy().into_owned();
        let (product, _compare, from, to) = (name(), name(), name(), name());
        let path = components.collect::<Vec<_>>().join("/");
        let no_path = |problem| WebError::BadRequest(format!("This is no path of a file: {problem}."));
        let path = RepoPath::from_address(&path).map_err(no_path)?;
        let directory = RepoPath::parse(&raw(&who.visit.address, "dir")).map_err(no_path)?;
        let given = KEPT.iter().chain(&VIEW).map(|name| (*name, who.visit.parameter(name)));
        let given = given.map(|(name, value)| (name, if name == "dir" { address(&directory) } else { value })).collect();
        let number = |name: &str| match who.visit.parameter(name) {
            text if text.is_empty() => Ok(0),
            text => text.parse::<usize>().map_err(|_| WebError::BadRequest(format!("{name}={text} is no number."))),
        };
        let opened = ranges(&who.visit.parameter("open"))?;
        Ok(Self { product, from, to, path, directory, given, page: number("page")?, at: number("row")?, opened })
    }

    pub(super) fn wish(&self, old: bool, path: RepoPath, action: Action) -> Wish {
        let version = if old { &self.from } else { &self.to };
        Wish { product: self.product.clone(), version: version.clone(), path, action }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.given.iter().find(|(given, _)| *given == name).map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn is_split(&self) -> bool {
        self.get("view") == "split"
    }

    pub(super) fn is_loose(&self) -> bool {
        self.get("space") == "ignore"
    }

    pub(super) fn opened(&self) -> &[(u32, u32)] {
        &self.opened
    }

    /// Which files are asked for.
    pub(super) fn selection(&self) -> Result<Selection, WebError> {
        let unknown = |name: &str| WebError::BadRequest(format!("{name}={} is no filter of this page.", self.get(name)));
        let mut chosen = Selection::all(look);
        chosen.directory = self.directory.clone();
        chosen.glob = glob(self.get("path"))?;
        chosen.language = Some(self.get("lang")).filter(|lang| !lang.is_empty()).map(str::to_owned);
        match self.get("only") {
            "" => {}
            "binary" => chosen.only = Some(Only::Binary),
            word => {
                let fate = Fate::ALL.into_iter().find(|fate| fate.word() == word).ok_or_else(|| unknown("only"))?;
                chosen.only = Some(Only::Fate(fate));
            }
        }
        match self.get("kind") {
            "" => {}
            "build" => chosen.purpose = Some(Purpose::Build),
            "tests" => chosen.purpose = Some(Purpose::Test),
            _ => return Err(unknown("kind")),
        }
        match self.get("vendored") {
            "" => {}
            "no" => chosen.without_vendored = true,
            _ => return Err(unknown("vendored")),
        }
        match self.get("sort") {
            "" | "path" => {}
            "size" => chosen.order = Order::Size,
            _ => return Err(unknown("sort")),
        }
        chosen.page = self.page.saturating_sub(1);
        Ok(chosen)
    }

    /// What of the file is asked for.
    pub(super) fn part(&self) -> Result<Asked, WebError> {
        let context = match self.get("context") {
            "" => 3,
            "all" => MOST_CONTEXT,
            text => text.parse::<u32>().map_err(|_| WebError::BadRequest(format!("context={text} is no number.")))?.min(MOST_CONTEXT),
        };
        Ok(Asked { loose: self.is_loose(), context, opened: self.opened.clone(), at: self.at })
    }

    /// The parameters that go along, with others in place of some.
    pub(super) fn kept(&self, changed: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let value = |name: &'static str| changed.iter().find(|(other, _)| *other == name).map_or(self.get(name), |(_, value)| value);
        let pairs = KEPT.iter().map(|name| {
            // A form sends text, which the bytes of a path need not be.
            let value = value(name);
            (*name, if *name == "dir" { percent_decode_str(value).decode_utf8_lossy().into_owned() } else { value.to_owned() })
        });
        pairs.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn query(&self, base: &str, names: &[&'static str], changed: &[(&'static str, &str)]) -> String {
        let value = |name: &'static str| changed.iter().find(|(other, _)| *other == name).map_or(self.get(name), |(_, value)| value);
        let mut pairs: Vec<String> = Vec::new();
        for name in names {
            match value(name) {
                "" => {}
                directory if *name == "dir" => pairs.push(format!("dir={directory}")),
                text => pairs.push(format!("{name}={}", links::value(text))),
            }
        }
        for (name, text) in changed.iter().filter(|(name, text)| !names.contains(name) && !text.is_empty()) {
            pairs.push(format!("{name}={}", links::value(text)));
        }
        if pairs.is_empty() { base.to_owned() } else { format!("{base}?{}", pairs.join("&")) }
    }

    /// The summary, with some filters changed.
    pub(super) fn summary_href(&self, changed: &[(&'static str, &str)]) -> String {
        self.query(&links::compare(&self.product, &self.from, &self.to), &KEPT, changed)
    }

    /// The summary of a directory, with the filters.
    pub(super) fn directory_href(&self, directory: &RepoPath) -> String {
        self.summary_href(&[("dir", &address(directory))])
    }

    /// A file's page, with the filters it is one of.
    pub(super) fn file_href(&self, path: &RepoPath, changed: &[(&'static str, &str)]) -> String {
        let base = links::compare_file(&self.product, &self.from, &self.to, path.bytes());
        let names: Vec<&'static str> = KEPT.iter().chain(&VIEW).copied().collect();
        self.query(&base, &names, changed)
    }

    /// The same page with the versions the other way round.
    pub(super) fn swapped(&self) -> String {
        if self.path.is_root() {
            return self.query(&links::compare(&self.product, &self.to, &self.from), &KEPT, &[]);
        }
        let base = links::compare_file(&self.product, &self.to, &self.from, self.path.bytes());
        let names: Vec<&'static str> = KEPT.iter().chain(&VIEW).copied().collect();
        self.query(&base, &names, &[])
    }
}

/// For a query: every byte as it is, or percent-encoded; a plus sign means a space there.
fn address(path: &RepoPath) -> String {
    path.address().replace('+', "%2B")
}

/// The bytes of a parameter's value.
fn raw(address: &str, name: &str) -> Vec<u8> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.map(|value| percent_decode_str(&value.replace('+', " ")).collect()).unwrap_or_default()
}

/// `3-40,88-100`: lines that are shown besides.
fn ranges(text: &str) -> Result<Vec<(u32, u32)>, WebError> {
    let wrong = || WebError::BadRequest(format!("open={text} names no lines: write a first and a last one, as in 3-40."));
    let mut found = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()).take(MOST_OPENED) {
        let (first, last) = part.split_once('-').ok_or_else(wrong)?;
        let (first, last): (u32, u32) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if first == 0 || last < first {
            return Err(wrong());
        }
        found.push((first, last));
    }
    Ok(found)
}

/// Words are looked for anywhere in a path, a pattern without a slash in its last component, one with a slash from the top.
fn glob(text: &str) -> Result<Option<GlobMatcher>, WebError> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_pattern = text.contains(['*', '?', '[', '{']);
    let pattern = match (is_pattern, text.contains('/')) {
        (false, _) => format!("*{}*", globset::escape(text)),
        (true, false) => format!("**/{text}"),
        (true, true) => text.trim_start_matches('/').to_owned(),
    };
    let built = GlobBuilder::new(&pattern).literal_separator(is_pattern).backslash_escape(true).build();
    built.map(|glob| Some(glob.compile_matcher())).map_err(|problem| {
        WebError::BadRequest(format!("path={text} is no pattern of paths: {}. An example is src/**/*.c.", problem.kind()))
    })
}

/// What a path looks like.
pub(super) fn look(path: &RepoPath) -> Look {
    let kind = PathKind::of(path);
    Look {
        language: language_of(&path.to_string(), "").map(crate::highlight::Language::name),
        build: is_build_script(path),
        test: kind == PathKind::Test,
        vendored: kind == PathKind::Vendored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_people_mean_them() {
        let matches = |pattern: &str, path: &str| glob(pattern).unwrap().unwrap().is_match(path);
        assert!(matches("log", "builtin/log.c") && matches("builtin/l", "builtin/log.c") && !matches("log", "builtin/tag.c"));
        assert!(matches("*.c", "log.c") && matches("*.c", "builtin/log.c") && !matches("*.c", "builtin/log.h"));
        assert!(matches("builtin/*.c", "builtin/log.c") && !matches("builtin/*.c", "builtin/x/log.c"));
        assert!(matches("src/**/*.c", "src/a/b/c.c") && matches("/src/*.c", "src/a.c"));
        assert!(glob("[").is_err() && glob("").unwrap().is_none());
    }

    #[test]
    fn opened_lines_are_read_or_refused() {
        assert_eq!(ranges("3-40,88-100").unwrap(), [(3, 40), (88, 100)]);
        assert_eq!(ranges("").unwrap(), []);
        for wrong in ["3", "0-4", "5-4", "a-b", "1-99999999999"] {
            assert!(ranges(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn directories_are_bytes() {
        assert_eq!(raw("/x?dir=caf%E9/a+b%2Bc&dirs=1", "dir"), b"caf\xe9/a b+c");
        assert_eq!(raw("/x?other=1", "dir"), b"");
        assert_eq!(address(&RepoPath::parse(b"caf\xe9/a b+c").unwrap()), "caf%E9/a%20b%2Bc");
    }
}
