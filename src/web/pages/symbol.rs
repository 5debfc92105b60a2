//! Where a name is defined and used, as a page, as JSON, and as the few definitions that a click at a name shows.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::place::line_href;
use crate::access::{AccessError, Action, Wish};
use crate::audit::Receipt;
use crate::catalog::RepoPath;
use crate::highlight::{Limits, Snippet, SourceHtml};
use crate::symbols::{Answer, Ask, Defined, Elsewhere, ReferenceKind, Sealed, Use, UsedIn, UsedLine, Wanted};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::guard::Reader;
use crate::web::page::html;
use crate::web::views::format::{count, counted};
use crate::web::views::links;
use crate::web::views::reading::Seal;
use crate::web::views::shell::{Link, Notice, Place, Tone};
use crate::web::views::symbol::{DefinitionRow, ElsewhereRows, FileRows, Found, Peek, SymbolPage, Tab, UseRow};

/// Bytes of a name at most.
const LONGEST: usize = 200;

pub(super) async fn symbol(who: Reader, State(portal): State<AppState>) -> Result<Response, WebError> {
    let ask = ask(&who)?;
    if ask.name.is_empty() {
        return form(&who, &portal, ask).await;
    }
    let turn = portal.allowance.turn(who.principal.account()).await?;
    let scoped = portal.gate.scope(&who.principal, ask.clone()).await?;
    let symbols = Arc::clone(&portal.symbols);
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        symbols.find(&scoped)
    });
    let Some(sealed) = work.await?.map_err(WebError::internal)? else { return Err(refusal(&who, &portal, &ask).await) };
    let (answer, receipt) = Sealed::open(portal.log.record(sealed, &who.visit.context).await?);
    if who.visit.wants_json {
        return Ok(Json(answer_json(&ask, &answer, &receipt)).into_response());
    }
    let painted = painted(&portal, &answer).await;
    let shown = Shown { portal: &portal, ask: &ask, answer: &answer };
    let rows = shown.rows(painted);
    if ask.wanted == Wanted::Peek {
        return html(&shown.peek(rows, receipt));
    }
    let mut page = blank(&who, &portal, &ask).await?;
    page.notices = shown.notices();
    page.found = Some(shown.found(rows, receipt));
    html(&page)
}

/// What the address asks for.
fn ask(who: &Reader) -> Result<Ask, WebError> {
    let mut components = who.visit.components().skip(1).map(|one| percent_decode_str(one).decode_utf8_lossy().into_owned());
    let (product, version) = (components.next().unwrap_or_default(), components.next().unwrap_or_default());
    let parameter = |name: &str| who.visit.parameter(name);
    let name = parameter("name").trim().to_owned();
    if name.len() > LONGEST {
        return Err(WebError::BadRequest(format!("A name has at most {LONGEST} bytes here.")));
    }
    let path = |name: &str| {
        let text = parameter(name);
        RepoPath::from_address(text.trim().trim_matches('/'))
            .map_err(|problem| WebError::BadRequest(format!("{name} is no path: {problem}.")))
    };
    let from = Some(path("from")?).filter(|path| !path.is_root());
    let kind = parameter("kind");
    let wanted = match (kind.as_str(), parameter("fragment").is_empty()) {
        (_, false) => Wanted::Peek,
        ("", _) => Wanted::All,
        ("definition", _) => Wanted::Definitions,
        (word, _) => Wanted::References(ReferenceKind::named(word).ok_or_else(|| {
            let known: Vec<&str> = ReferenceKind::ALL.iter().map(|kind| kind.word()).collect();
            WebError::BadRequest(format!("{word} is no kind. There are definition, {}.", known.join(", ")))
        })?),
    };
    let page = match parameter("page").as_str() {
        "" => 1,
        text => text
            .parse()
            .ok()
            .filter(|page| (1..=100_000).contains(page))
            .ok_or_else(|| WebError::BadRequest("A page is a number from 1 to 100,000.".to_owned()))?,
    };
    let at = parameter("at");
    let at = at.split_once(':').and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    Ok(Ask { product, version, name, from, at, wanted, below: path("path")?, page })
}

/// The answer for what may not be read, and for what is not there.
async fn refusal(who: &Reader, portal: &AppState, ask: &Ask) -> WebError {
    let wish = Wish { product: ask.product.clone(), version: ask.version.clone(), path: RepoPath::root(), action: Action::List };
    let refused: AccessError = match portal.gate.entitle(&who.principal, wish, &who.visit.context).await {
        Ok(sought) => portal.gate.missing(sought, &who.visit.context).await,
        Err(refused) => refused,
    };
    refused.into()
}

/// The page before anything was asked.
async fn form(who: &Reader, portal: &AppState, ask: Ask) -> Result<Response, WebError> {
    let versions = portal.gate.versions(&who.principal, &ask.product).await?;
    if !versions.contains(&ask.version) {
        return Err(refusal(who, portal, &ask).await);
    }
    if who.visit.wants_json || ask.wanted == Wanted::Peek {
        return Err(WebError::BadRequest("Say which name, as in ?name=main.".to_owned()));
    }
    html(&blank(who, portal, &ask).await?)
}

async fn blank(who: &Reader, portal: &AppState, ask: &Ask) -> Result<SymbolPage, WebError> {
    let title = if ask.name.is_empty() { "Find a symbol" } else { &ask.name };
    let product = portal.catalog.product(&ask.product).await?.map(|product| product.title);
    Ok(SymbolPage {
        shell: who.shell(portal, title, Place::Products).await?,
        product: product.unwrap_or_else(|| ask.product.clone()),
        product_href: links::product(&ask.product),
        version: ask.version.clone(),
        root_href: links::tree(&ask.product, &ask.version, b""),
        action: links::symbol(&ask.product, &ask.version, &[]),
        name: ask.name.clone(),
        below: ask.below.address(),
        from: ask.from.as_ref().map(RepoPath::address).unwrap_or_default(),
        back: ask.from.as_ref().map(|path| Link { label: path.to_string(), href: links::file(&ask.product, &ask.version, path.bytes()) }),
        found: None,
        notices: Vec::new(),
    })
}

/// Every line shown, highlighted as far as that is done in time: those of definitions, here and elsewhere, then those of references.
async fn painted(portal: &AppState, answer: &Answer) -> Vec<SourceHtml> {
    let snippet = |path: &RepoPath, line: &UsedLine| {
        let found = line.uses.iter().map(|one| one.range.0..one.range.1).collect();
        Snippet { path: path.to_string(), text: line.text.clone(), found }
    };
    // A definition stands alone: how far it is indented where it is says nothing here.
    let alone = |line: &UsedLine| {
        let text = line.text.trim_start();
        let cut = line.text.len() - text.len();
        let uses = line.uses.iter().map(|one| Use { range: (one.range.0.saturating_sub(cut), one.range.1.saturating_sub(cut)), ..*one });
        UsedLine { number: line.number, text: text.to_owned(), uses: uses.collect() }
    };
    let defined = answer.definitions.iter().chain(answer.elsewhere.iter().flat_map(|other| &other.definitions));
    let defined = defined.map(|one| snippet(&one.path, &alone(&one.line)));
    let used = answer.files.iter().flat_map(|file| file.lines.iter().map(|line| snippet(&file.path, line)));
    let patience = portal.config.reading.highlight_deadline / 25;
    portal.painter.snippets(defined.chain(used).collect(), Limits::default(), patience).await
}

struct Shown<'a> {
    portal: &'a AppState,
    ask: &'a Ask,
    answer: &'a Answer,
}

struct Rows {
    definitions: Vec<DefinitionRow>,
    elsewhere: Vec<ElsewhereRows>,
    files: Vec<FileRows>,
}

impl Shown<'_> {
    /// The address of this page with another kind and page.
    fn href(&self, kind: &str, page: usize) -> String {
        let from = self.ask.from.as_ref().map(RepoPath::address).unwrap_or_default();
        let page = if page > 1 { page.to_string() } else { String::new() };
        let below = self.ask.below.address();
        let at = self.ask.at.map(|(line, column)| format!("{line}:{column}")).unwrap_or_default();
        let pairs = [("name", self.ask.name.as_str()), ("kind", kind), ("path", &below), ("from", &from), ("at", &at), ("page", &page)];
        links::symbol(&self.ask.product, &self.ask.version, &pairs)
    }

    fn line(&self, (product, version): (&str, &str), path: &RepoPath, line: u64) -> String {
        line_href(product, version, path, line, self.portal.config.reading.page_lines as u64)
    }

    fn here(&self) -> (&str, &str) {
        (&self.ask.product, &self.ask.version)
    }

    fn rows(&self, painted: Vec<SourceHtml>) -> Rows {
        let mut painted = painted.into_iter();
        let mut next = |line: &UsedLine| painted.next().unwrap_or_else(|| crate::highlight::plain_line(&line.text));
        let near = |one: &Defined| match &self.ask.from {
            Some(from) if *from == one.path => "this file".to_owned(),
            Some(from) if from.parent() == one.path.parent() => "this directory".to_owned(),
            _ => String::new(),
        };
        let definitions = self.answer.definitions.iter().map(|one| self.definition(self.here(), near(one), one, next(&one.line))).collect();
        let elsewhere = self.answer.elsewhere.iter().map(|other| self.other(other, &mut next)).collect();
        let files = self.answer.files.iter().map(|file| self.file(file, &mut next)).collect();
        Rows { definitions, elsewhere, files }
    }

    fn other(&self, other: &Elsewhere, next: &mut impl FnMut(&UsedLine) -> SourceHtml) -> ElsewhereRows {
        let (product, version) = (other.product.as_str(), other.version.as_str());
        let place = format!("{product} {version}");
        let row = |one: &Defined| self.definition((product, version), place.clone(), one, next(&one.line));
        let definitions: Vec<DefinitionRow> = other.definitions.iter().map(row).collect();
        let label = match other.total {
            1 => format!("The symbol in {place}"),
            n => format!("All {} definitions in {place}", count(n)),
        };
        ElsewhereRows { definitions, page: Link { label, href: links::symbol(product, version, &[("name", &self.ask.name)]) } }
    }

    fn definition(&self, of: (&str, &str), near: String, one: &Defined, html: SourceHtml) -> DefinitionRow {
        let (directory, file) = parts(&one.path);
        DefinitionRow {
            kind: one.definition.kind.word(),
            href: self.line(of, &one.path, one.line.number),
            line: one.line.number,
            container: one.definition.container.clone(),
            directory,
            file,
            near,
            html,
        }
    }

    fn file(&self, file: &UsedIn, next: &mut impl FnMut(&UsedLine) -> SourceHtml) -> FileRows {
        let (directory, name) = parts(&file.path);
        let href = links::file(&self.ask.product, &self.ask.version, file.path.bytes());
        let lines: Vec<UseRow> = file
            .lines
            .iter()
            .map(|line| {
                let mut kinds: Vec<&str> = line.uses.iter().filter_map(|one| one.kind).map(kind_words).collect();
                kinds.sort_unstable();
                kinds.dedup();
                UseRow {
                    number: line.number,
                    href: self.line(self.here(), &file.path, line.number),
                    html: next(line),
                    kinds: kinds.join(", "),
                }
            })
            .collect();
        let last = file.lines.last().map(|line| line.number);
        FileRows {
            path: file.path.to_string(),
            directory,
            name,
            total: file.total,
            more: (file.more > 0).then(|| Link {
                label: format!("{} in this file", counted(file.more, "more reference", "more references")),
                href: last.map_or_else(|| href.clone(), |line| self.line(self.here(), &file.path, line)),
            }),
            href,
            lines,
        }
    }

    fn notices(&self) -> Vec<Notice> {
        let damaged = "The precise symbols that were imported for this version are damaged and have to be imported again. \
                       What is told here comes from the texts alone.";
        let damaged = self.answer.damaged.then(|| Notice::new(Tone::Look, damaged));
        let missing = (!self.answer.indexed).then(|| self.missing());
        damaged.into_iter().chain(missing).collect()
    }

    fn missing(&self) -> Notice {
        Notice::new(Tone::Look, "The symbols of this version are not extracted yet. Search finds the name as a text meanwhile.").link(
            "Search for it",
            links::query("/search", &[("q", &format!("\"{}\" product:{} version:{}", self.ask.name, self.ask.product, self.ask.version))]),
        )
    }

    fn references(&self) -> String {
        let answer = self.answer;
        match (answer.total_uses(), answer.total_files) {
            (0, _) => "no reference".to_owned(),
            (uses, 0) => counted(uses, "reference", "references"),
            (uses, files) => format!("{} in {}", counted(uses, "reference", "references"), counted(files, "file", "files")),
        }
    }

    fn found(&self, rows: Rows, receipt: Receipt) -> Found {
        let answer = self.answer;
        let all = answer.total_definitions;
        let words = match self.ask.wanted {
            Wanted::References(_) => counted(answer.total_uses(), "reference", "references"),
            _ => self.references(),
        };
        let defined = if all == 0 { "No definition that you may read".to_owned() } else { counted(all, "definition", "definitions") };
        let shows = matches!(self.ask.wanted, Wanted::Definitions) || (self.ask.wanted == Wanted::All && self.ask.page == 1);
        let uses_title = match self.ask.wanted {
            Wanted::References(kind) => format!("{} in {}", kind_title(kind), counted(answer.total_files, "file", "files")),
            _ => "References".to_owned(),
        };
        let kind = match self.ask.wanted {
            Wanted::References(kind) => kind.word(),
            Wanted::Definitions => "definition",
            _ => "",
        };
        Found {
            seal: Seal { entry: receipt.index },
            words: match answer.total_elsewhere {
                0 => format!("{defined}, and {words}."),
                n => format!("{defined}, and {words}. {} in other products.", counted(n, "definition", "definitions")),
            },
            precise: answer.precise,
            tabs: self.tabs(),
            definitions_title: shows.then(|| if all == 1 { "Definition".to_owned() } else { "Definitions".to_owned() }),
            all_definitions: (self.ask.wanted == Wanted::All && all > rows.definitions.len() as u64)
                .then(|| Link { label: format!("All {} definitions", count(all)), href: self.href("definition", 1) }),
            definitions: rows.definitions,
            elsewhere: rows.elsewhere,
            references_title: (!rows.files.is_empty()).then_some(uses_title),
            files: rows.files,
            page: self.ask.page,
            previous: (self.ask.page > 1).then(|| self.href(kind, self.ask.page - 1)),
            next: answer.next.map(|next| self.href(kind, next)),
        }
    }

    fn tabs(&self) -> Vec<Tab> {
        let answer = self.answer;
        let wanted = self.ask.wanted;
        let mut tabs = vec![
            Tab { label: "All", count: answer.total_definitions + answer.total_uses(), href: self.href("", 1), on: wanted == Wanted::All },
            Tab {
                label: "Definitions",
                count: answer.total_definitions,
                href: self.href("definition", 1),
                on: wanted == Wanted::Definitions,
            },
        ];
        for kind in ReferenceKind::ALL {
            let on = wanted == Wanted::References(kind);
            if on || answer.uses_of(kind) > 0 {
                tabs.push(Tab { label: kind_title(kind), count: answer.uses_of(kind), href: self.href(kind.word(), 1), on });
            }
        }
        tabs
    }

    fn peek(&self, rows: Rows, receipt: Receipt) -> Peek {
        let uses = self.answer.total_uses();
        Peek {
            name: self.ask.name.clone(),
            seal: Seal { entry: receipt.index },
            more: self.answer.total_definitions.saturating_sub(rows.definitions.len() as u64),
            words: match uses {
                0 => "Open its page".to_owned(),
                1 => "1 reference".to_owned(),
                _ => format!("All {}", counted(uses, "reference", "references")),
            },
            page: self.href("", 1),
            definitions_page: self.href("definition", 1),
            notices: self.notices(),
            definitions: rows.definitions,
            elsewhere: rows.elsewhere.into_iter().flat_map(|other| other.definitions).collect(),
            total_elsewhere: self.answer.total_elsewhere,
        }
    }
}

fn parts(path: &RepoPath) -> (String, String) {
    let path = path.to_string();
    let (directory, name) = path.rfind('/').map_or(("", path.as_str()), |slash| path.split_at(slash + 1));
    (directory.to_owned(), name.to_owned())
}

fn kind_words(kind: ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Call => "call",
        ReferenceKind::Type => "as a type",
        ReferenceKind::Implementation => "implements it",
        ReferenceKind::Declaration => "declaration",
        ReferenceKind::Other => "",
    }
}

fn kind_title(kind: ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Call => "Calls",
        ReferenceKind::Type => "As a type",
        ReferenceKind::Implementation => "Implementations",
        ReferenceKind::Declaration => "Declarations",
        ReferenceKind::Other => "Other uses",
    }
}

fn answer_json(ask: &Ask, answer: &Answer, receipt: &Receipt) -> Value {
    let line = |line: &UsedLine| {
        let uses: Vec<Value> = line
            .uses
            .iter()
            .map(|one| json!({"range": [one.range.0, one.range.1], "kind": one.kind.map_or("definition", ReferenceKind::word)}))
            .collect();
        json!({"number": line.number, "text": line.text, "uses": uses})
    };
    let definition = |one: &Defined| {
        json!({
            "path": one.path.to_string(), "blob": one.blob.to_string(), "kind": one.definition.kind.word(), "line": one.definition.line,
            "column": one.definition.column, "container": one.definition.container,
            "whole": [one.definition.whole.0, one.definition.whole.1], "text": one.line.text,
        })
    };
    let other = |other: &Elsewhere| {
        json!({
            "product": other.product, "version": other.version, "commit": other.commit, "total": other.total,
            "definitions": other.definitions.iter().map(definition).collect::<Vec<_>>(),
        })
    };
    let file = |file: &UsedIn| {
        json!({
            "path": file.path.to_string(), "blob": file.blob.to_string(), "total": file.total, "more": file.more,
            "lines": file.lines.iter().map(line).collect::<Vec<_>>(),
        })
    };
    let uses: serde_json::Map<String, Value> =
        ReferenceKind::ALL.iter().map(|kind| (kind.word().to_owned(), json!(answer.uses_of(*kind)))).collect();
    json!({
        "product": answer.product, "version": answer.version, "commit": answer.commit, "name": answer.name, "indexed": answer.indexed,
        "precise": answer.precise, "damaged": answer.damaged, "total_definitions": answer.total_definitions, "uses": uses, "total_files": answer.total_files,
        "definitions": answer.definitions.iter().map(definition).collect::<Vec<_>>(),
        "elsewhere": answer.elsewhere.iter().map(other).collect::<Vec<_>>(), "total_elsewhere": answer.total_elsewhere,
        "files": answer.files.iter().map(file).collect::<Vec<_>>(), "page": ask.page, "next": answer.next, "receipt": receipt,
    })
}
