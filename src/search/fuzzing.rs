//! A door for the fuzz targets, which have no portal and no permits. It is there in builds for fuzzing alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sha2::{Digest as _, Sha256};

use super::{
    BlobId, Budget, Corpus, CorpusError, Decoded, IndexWriter, PageRequest, ProductIndex, ProductScope, Query, Results, Scope, SearchError,
    Searcher, VersionKey, VersionScope,
};
use crate::catalog::RepoPath;

/// Indexes these files in an empty directory, as the one version of a product, and searches all of them.
///
/// # Errors
/// As [`IndexWriter::build`] and [`Searcher::run_scoped`].
pub fn search(
    directory: &Path,
    files: &BTreeMap<RepoPath, Vec<u8>>,
    decode: fn(&RepoPath, Vec<u8>) -> Decoded,
    query: &Query,
) -> Result<Results, SearchError> {
    let mut corpus = Files { files, decode };
    let _ = IndexWriter::begin(directory, None)?.build(&mut corpus, &mut |_| {}, &AtomicBool::new(false))?;
    let version = VersionScope { name: NAME.to_owned(), commit: NAME.to_owned(), includes: vec![RepoPath::root()], excludes: Vec::new() };
    let index = Some(Arc::new(ProductIndex::open(directory)?));
    let scope = Scope { products: vec![ProductScope { product: NAME.to_owned(), index, symbols: None, versions: vec![version] }] };
    let page = PageRequest { limit: 1_000, lines_per_file: 10_000, states_per_path: 1_000, ..PageRequest::default() };
    Searcher::new(2).run(query, &scope, page, &Budget::unlimited())
}

const NAME: &str = "fuzzed";

struct Files<'a> {
    files: &'a BTreeMap<RepoPath, Vec<u8>>,
    decode: fn(&RepoPath, Vec<u8>) -> Decoded,
}

fn blob(bytes: &[u8]) -> BlobId {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    BlobId::from_bytes(std::array::from_fn(|n| digest.get(n).copied().unwrap_or_default()))
}

impl Corpus for Files<'_> {
    fn versions(&self) -> Vec<VersionKey> {
        vec![VersionKey { name: NAME.to_owned(), commit: NAME.to_owned() }]
    }

    fn walk(&mut self, _: &VersionKey, visit: &mut dyn FnMut(&RepoPath, &BlobId, u64)) -> Result<(), CorpusError> {
        for (path, bytes) in self.files {
            visit(path, &blob(bytes), bytes.len() as u64);
        }
        Ok(())
    }

    fn read(&mut self, id: &BlobId, limit: u64) -> Result<Option<Vec<u8>>, CorpusError> {
        let bytes = self.files.values().find(|bytes| blob(bytes) == *id);
        Ok(bytes.filter(|bytes| bytes.len() as u64 <= limit).cloned())
    }

    fn decode(&self, path: &RepoPath, bytes: Vec<u8>) -> Decoded {
        (self.decode)(path, bytes)
    }
}
