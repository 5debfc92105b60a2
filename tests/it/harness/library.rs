//! Two products in three versions, made object by object. Every file holds a canary: a string that stands nowhere else, in no
//! other file and no other version, so that whoever sees it saw that file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, Signature, Time};
use sha2::{Digest, Sha256};

pub(crate) const PRODUCTS: [&str; 2] = ["gateway", "ledger"];
/// Newest first, as the portal lists them.
pub(crate) const VERSIONS: [&str; 3] = ["v2.0", "v1.1", "v1.0"];
/// Bytes of a canary: a row of a hex page.
pub(crate) const CANARY: usize = 16;
/// The lines of `big/twelve_thousand_lines.c`.
pub(crate) const LONG: usize = 12_000;
/// The paths that the tests name.
pub(crate) const MAIN: &str = "src/gateway_main.c";
pub(crate) const SOCKET: &str = "src/net/socket_open.c";
pub(crate) const SEED: &str = "secret/keys/hsm_seed.txt";
pub(crate) const LOGO: &str = "assets/gateway_logo.png";
pub(crate) const BINARY: &str = "assets/firmware_blob.bin";
pub(crate) const BOTTOM: &str = "src/net/deep/level/one/rock_bottom.c";
pub(crate) const LINK_OUT: &str = "src/net/link_to_seed";
pub(crate) const SUBMODULE: &str = "vendor/crypto_submodule";
pub(crate) const ODD_NAME: &str = "odd/name with spaces #?%20 odd_one.c";
pub(crate) const ODD_BYTES: &[u8] = b"odd/caf\xe9_latin_name.c";
/// A commit of a repository that nobody mirrors.
pub(crate) const ELSEWHERE: &str = "0123456789abcdef0123456789abcdef01234567";

/// A file as it stands in one version.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) product: &'static str,
    pub(crate) version: &'static str,
    pub(crate) path: Vec<u8>,
    /// Blob, or the commit that a submodule pins.
    pub(crate) object: String,
    pub(crate) bytes: Vec<u8>,
    /// As it is shown and searched; none for binary files, images and submodules.
    pub(crate) text: Option<String>,
    pub(crate) mode: FileMode,
    pub(crate) canaries: Vec<String>,
}

impl Piece {
    pub(crate) fn path_text(&self) -> String {
        lectern::catalog::name_text(&self.path)
    }

    pub(crate) fn name(&self) -> String {
        let name = self.path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        lectern::catalog::name_text(name)
    }

    pub(crate) fn directory(&self) -> Vec<u8> {
        let end = self.path.iter().rposition(|&b| b == b'/').unwrap_or(0);
        self.path[..end].to_vec()
    }
}

pub(crate) struct Library {
    pub(crate) pieces: Vec<Piece>,
    /// Where each product's repository lies.
    home: PathBuf,
    /// A canary and the pieces that hold it.
    pub(crate) canaries: HashMap<String, Vec<usize>>,
    /// The commit of each version: product, version, id.
    pub(crate) commits: Vec<(&'static str, &'static str, String)>,
}

/// The string that marks this file of this version.
pub(crate) fn canary(product: &str, version: &str, path: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [product.as_bytes(), version.as_bytes(), path] {
        hash.update(part);
        hash.update([0]);
    }
    let hex = data_encoding::HEXLOWER.encode(&hash.finalize());
    format!("CANARY-{}", &hex[..CANARY - 7])
}

impl Library {
    /// Writes the repositories below `home`.
    pub(crate) fn write(home: &Path) -> Self {
        let mut pieces = Vec::new();
        let mut commits = Vec::new();
        for product in PRODUCTS {
            let repository = Repository::init_bare(home.join(format!("{product}.git"))).unwrap();
            let mut parent: Option<Oid> = None;
            for (age, version) in VERSIONS.iter().rev().enumerate() {
                let files = files(product, version);
                let commit = commit(&repository, &files, parent, 1_700_000_000 + 86_400 * i64::try_from(age).unwrap(), version);
                commits.push((product, *version, commit.to_string()));
                pieces.extend(files);
                parent = Some(commit);
            }
        }
        let mut canaries: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, piece) in pieces.iter().enumerate() {
            for canary in &piece.canaries {
                canaries.entry(canary.clone()).or_default().push(at);
            }
        }
        Self { pieces, home: home.to_owned(), canaries, commits }
    }

    pub(crate) fn source(&self, product: &str) -> String {
        self.home.join(format!("{product}.git")).display().to_string()
    }

    pub(crate) fn piece(&self, product: &str, version: &str, path: impl AsRef<[u8]>) -> &Piece {
        let path = path.as_ref();
        let found = self.pieces.iter().find(|p| p.product == product && p.version == version && p.path == path);
        found.unwrap_or_else(|| panic!("no {} in {product} {version}", String::from_utf8_lossy(path)))
    }

    pub(crate) fn commit(&self, product: &str, version: &str) -> &str {
        let found = self.commits.iter().find(|(p, v, _)| *p == product && *v == version);
        found.map_or_else(|| panic!("no {version} of {product}"), |(.., id)| id)
    }

    /// Whether this commit added or removed what the piece holds: its version's did, and the next one's.
    pub(crate) fn touches(&self, commit: &str, piece: &Piece) -> bool {
        let own = VERSIONS.iter().position(|version| *version == piece.version).unwrap();
        let versions = VERSIONS[own.saturating_sub(1)..=own].iter();
        versions.into_iter().any(|version| self.commit(piece.product, version) == commit)
    }

    pub(crate) fn of<'a>(&'a self, product: &'a str, version: &'a str) -> impl Iterator<Item = &'a Piece> {
        self.pieces.iter().filter(move |p| p.product == product && p.version == version)
    }
}

fn commit(repository: &Repository, files: &[Piece], parent: Option<Oid>, seconds: i64, version: &str) -> Oid {
    let mut tree = TreeUpdateBuilder::new();
    for file in files {
        let id = match file.mode {
            FileMode::Commit => Oid::from_str(&file.object).unwrap(),
            _ => repository.odb().unwrap().write(ObjectType::Blob, &file.bytes).unwrap(),
        };
        assert_eq!(id.to_string(), file.object);
        tree.upsert(file.path.clone(), id, file.mode);
    }
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    let tree = repository.find_tree(tree.create_updated(repository, &empty).unwrap()).unwrap();
    let who = Signature::new("A U Thor", "author@vendor.example", &Time::new(seconds, 0)).unwrap();
    let parents: Vec<_> = parent.iter().map(|id| repository.find_commit(*id).unwrap()).collect();
    let id = repository.commit(Some("refs/heads/main"), &who, &who, version, &tree, &parents.iter().collect::<Vec<_>>()).unwrap();
    let commit = repository.find_object(id, Some(ObjectType::Commit)).unwrap();
    if version == "v2.0" {
        repository.tag(version, &commit, &who, "the second", false).unwrap();
    } else {
        repository.tag_lightweight(version, &commit, false).unwrap();
    }
    id
}

struct Shelf {
    product: &'static str,
    version: &'static str,
    pieces: Vec<Piece>,
}

impl Shelf {
    fn canary(&self, path: impl AsRef<[u8]>) -> String {
        canary(self.product, self.version, path.as_ref())
    }

    fn put(&mut self, path: &[u8], bytes: Vec<u8>, text: Option<String>, mode: FileMode, canaries: Vec<String>) {
        let object = Oid::hash_object(ObjectType::Blob, &bytes).unwrap().to_string();
        let path = path.to_vec();
        self.pieces.push(Piece { product: self.product, version: self.version, path, object, bytes, text, mode, canaries });
    }

    fn text(&mut self, path: impl AsRef<[u8]>, write: impl FnOnce(&str) -> String) {
        let canary = self.canary(&path);
        let text = write(&canary);
        self.put(path.as_ref(), text.clone().into_bytes(), Some(text), FileMode::Blob, vec![canary]);
    }

    fn encoded(&mut self, path: &str, encode: impl FnOnce(&str) -> Vec<u8>, words: &str) {
        let canary = self.canary(path);
        let text = format!("{words}\n{canary}\n{words}\n");
        self.put(path.as_bytes(), encode(&text), Some(text), FileMode::Blob, vec![canary]);
    }

    fn link(&mut self, path: &str, target: &str) {
        self.put(path.as_bytes(), target.as_bytes().to_vec(), Some(target.to_owned()), FileMode::Link, Vec::new());
    }

    fn c(&mut self, path: impl AsRef<[u8]>, body: &str) {
        let version = self.version;
        self.text(path, |canary| format!("/* {canary} */\n/* of {version} */\nint value(void)\n{{\n    {body}\n}}\n"));
    }
}

fn files(product: &'static str, version: &'static str) -> Vec<Piece> {
    let mut shelf = Shelf { product, version, pieces: Vec::new() };
    match product {
        "gateway" => gateway(&mut shelf),
        _ => ledger(&mut shelf),
    }
    shelf.pieces
}

fn ledger(shelf: &mut Shelf) {
    shelf.text("README", |canary| format!("A ledger. {canary}\n"));
    shelf.text("src/ledger_main.rs", |canary| format!("// {canary}\nfn main() {{\n    strcpy();\n}}\n"));
    shelf.text("secret/ledger_keys.txt", |canary| format!("{canary}\nkeys\n"));
}

fn gateway(shelf: &mut Shelf) {
    shelf.text("README.md", |canary| {
        format!(
            "# Gateway\n\n{canary}\n\nSee [the guide](docs/user_guide.md), [the seed](secret/keys/hsm_seed.txt),\n\
             [outside](https://elsewhere.example/) and ![the logo](assets/gateway_logo.png).\n\n<script>alert(1)</script>\n"
        )
    });
    shelf.text("docs/user_guide.md", |canary| format!("Guide\n=====\n\n{canary}\n\n- [up](../README.md)\n"));
    shelf.text("secret/README.md", |canary| format!("# Secret\n\n{canary}\n"));
    shelf.text("src/README.md", |canary| format!("# Sources\n\n{canary}\n"));
    shelf.text(SEED, |canary| format!("{canary}\nseed = 42\nstrcpy\n"));
    shelf.c(MAIN, "return socket_open() + strcpy(a, b);");
    shelf.c(SOCKET, "return strcpy(buffer, \"naïve\");");
    shelf.c("src/net/socket_close.c", "goto fail;");
    shelf.c(BOTTOM, "return 3;");
    shelf.c("src/netx/other_side.c", "return strcpy(x, y);");
    shelf.c("src/netx_beside.c", "return 5;");
    shelf.c("include/gateway_api.h", "return 6;");
    shelf.c(ODD_NAME, "return 7;");
    shelf.c(ODD_BYTES, "return 8;");
    shelf.text("text/trojan_bidi.c", |canary| format!("/* {canary} \u{202e} }} \u{2066}if (admin)\u{2069} */\nint а\u{200b}dmin;\n"));
    shelf.text("big/twelve_thousand_lines.c", |canary| {
        let mut text = format!("/* {canary} */\n");
        for line in 2..=LONG {
            text.push_str(&format!("int line_{line} = {line};\n"));
        }
        text
    });
    shelf.text("text/empty_file.txt", |_| String::new());
    shelf.pieces.last_mut().unwrap().canaries.clear();
    shelf.encoded("text/utf16_words.txt", utf16, "naïve Grüße, мир");
    shelf.encoded(
        "text/latin1_words.txt",
        |text| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        "naïve Grüße à la carte",
    );
    shelf.encoded("text/shift_jis_words.txt", |text| encoding_rs::SHIFT_JIS.encode(text).0.into_owned(), "日本語の文字列とテスト");
    let canary = shelf.canary(BINARY);
    let mut bytes: Vec<u8> = (0..=255_u8).collect();
    bytes.extend_from_slice(canary.as_bytes());
    bytes.extend((0..6_000_u32).map(|n| u8::try_from(n % 251).unwrap()));
    shelf.put(BINARY.as_bytes(), bytes, None, FileMode::Blob, vec![canary]);
    let canary = shelf.canary(LOGO);
    shelf.put(LOGO.as_bytes(), png(&canary), None, FileMode::Blob, vec![canary]);
    shelf.link(LINK_OUT, "../../secret/keys/hsm_seed.txt");
    shelf.link("src/link_to_main", "gateway_main.c");
    let (own, url) = (shelf.canary(".gitmodules"), shelf.canary(SUBMODULE));
    let modules = format!("# {own}\n[submodule \"crypto\"]\n\tpath = {SUBMODULE}\n\turl = https://elsewhere.example/{url}.git\n");
    shelf.put(b".gitmodules", modules.clone().into_bytes(), Some(modules), FileMode::Blob, vec![own, url.clone()]);
    let (product, version) = (shelf.product, shelf.version);
    shelf.pieces.push(Piece {
        product,
        version,
        path: SUBMODULE.into(),
        object: ELSEWHERE.to_owned(),
        bytes: Vec::new(),
        text: None,
        mode: FileMode::Commit,
        canaries: vec![url],
    });
}

fn utf16(text: &str) -> Vec<u8> {
    [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// One grey pixel, with a comment (PNG specification, section 11.3.3.3). Nothing here looks at its checksums.
fn png(comment: &str) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        png.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        png.extend_from_slice(kind);
        png.extend_from_slice(data);
        png.extend_from_slice(&[0; 4]);
    };
    chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    chunk(b"tEXt", format!("Comment\0{comment}").as_bytes());
    chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1]);
    chunk(b"IEND", &[]);
    png
}
