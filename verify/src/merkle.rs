//! The Merkle tree of RFC 6962, section 2.1: hashes, appending, and both kinds of proof, made and checked.
//!
//! Pure: where hashes are kept is the caller's business. Appending needs only the [`Frontier`], making a proof only a
//! source of the hashes of perfect subtrees, checking one only the proof.

use sha2::{Digest, Sha256};

/// A SHA-256 hash in the tree.
pub type Hash = [u8; 32];

/// Tile nodes are the perfect subtrees whose height is a multiple of this (C2SP tlog-tiles).
pub const TILE_HEIGHT: u32 = 8;

/// The hash of a leaf: `SHA256(0x00 || entry)`.
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// The hash of a node over two others: `SHA256(0x01 || left || right)`.
#[must_use]
pub fn inner(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of the empty tree: `SHA256("")`.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A perfect subtree: the `index`-th run of `2^height` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub height: u32,
    pub index: u64,
}

impl Node {
    /// The tile level that holds this subtree's hash, when one does.
    #[must_use]
    pub fn tile_level(self) -> Option<u32> {
        self.height.is_multiple_of(TILE_HEIGHT).then_some(self.height / TILE_HEIGHT)
    }
}

/// The right edge of a tree: all that is needed to append to it and to know its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the perfect subtrees that `size` splits into, largest (leftmost) first: one for each bit set in `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks).unwrap_or_else(empty_root)
    }

    /// Appends a leaf and tells of each perfect subtree that it completes, smallest first, the leaf itself not among them.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Node, &Hash)) {
        let mut hash = leaf;
        let mut height = 0;
        let mut rest = self.size;
        while rest & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = inner(&left, &hash);
            height += 1;
            rest >>= 1;
            completed(Node { height, index: rest }, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The peaks one after the other, largest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// Takes back [`Frontier::to_bytes`]; `None` when these cannot be the peaks of a tree of that size.
    #[must_use]
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (peaks, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        fits.then(|| Self { size, peaks: peaks.to_vec() })
    }
}

/// Folds the roots of neighbouring subtrees, largest first, into the hash over all of them.
#[must_use]
pub fn fold(peaks: &[Hash]) -> Option<Hash> {
    peaks.iter().rev().copied().reduce(|right, left| inner(&left, &right))
}

/// The hash of a tree with these leaves.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for hash in leaves {
        frontier.push(*hash, |_, _| {});
    }
    frontier.root()
}

/// Leaves `from..to`, as the recursion of RFC 6962 meets them: `from` is a multiple of a power of two not smaller than
/// their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

impl Span {
    /// The perfect subtrees this splits into, leftmost and largest first; their hashes [`fold`] into the span's.
    #[must_use]
    pub fn nodes(self) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut at = self.from;
        while at < self.to {
            let height = (self.to - at).ilog2();
            nodes.push(Node { height, index: at >> height });
            at += 1 << height;
        }
        nodes
    }
}

/// The spans whose hashes are the inclusion proof of a leaf, from its sibling up. `None` when the tree has no such leaf.
#[must_use]
pub fn inclusion_spans(index: u64, size: u64) -> Option<Vec<Span>> {
    if index >= size {
        return None;
    }
    let mut spans = Vec::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            spans.push(Span { from: middle, to });
            to = middle;
        } else {
            spans.push(Span { from, to: middle });
            from = middle;
        }
    }
    spans.reverse();
    Some(spans)
}

/// The spans whose hashes prove that the tree of `size` leaves begins with the tree of `old`. `None` when `old` is larger.
#[must_use]
pub fn consistency_spans(old: u64, size: u64) -> Option<Vec<Span>> {
    if old > size {
        return None;
    }
    let mut spans = Vec::new();
    if old == 0 || old == size {
        return Some(spans);
    }
    let (mut from, mut to) = (0, size);
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            spans.push(Span { from: middle, to });
            to = middle;
        } else {
            spans.push(Span { from, to: middle });
            from = middle;
        }
    }
    // The old tree's own root is known to whoever checks; only a part of it has to be given.
    if from > 0 {
        spans.push(Span { from, to });
    }
    spans.reverse();
    Some(spans)
}

/// Hashes of the spans, from a source of the hashes of perfect subtrees.
///
/// # Errors
/// The source's own.
pub fn hashes<E>(spans: &[Span], mut source: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
    let mut out = Vec::with_capacity(spans.len());
    for span in spans {
        let parts = span.nodes().into_iter().map(&mut source).collect::<Result<Vec<_>, E>>()?;
        out.push(fold(&parts).unwrap_or_else(empty_root));
    }
    Ok(out)
}

/// Whether `proof` shows that `leaf` is the entry `index` of the tree with this size and root (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn includes(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut fn_, mut sn) = (index, size - 1);
    let mut hash = *leaf;
    for step in proof {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            hash = inner(step, &hash);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            hash = inner(&hash, step);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && hash == *root
}

/// Whether `proof` shows that the tree (`size`, `root`) begins with the tree (`old`, `old_root`) (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn extends(old: u64, size: u64, old_root: &Hash, root: &Hash, proof: &[Hash]) -> bool {
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    if old > size {
        return false;
    }
    let mut steps = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let (Some(first), false) = (first, proof.is_empty()) else {
        return false;
    };
    let (mut fn_, mut sn) = (old - 1, size - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in steps {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            old_hash = inner(step, &old_hash);
            new_hash = inner(step, &new_hash);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            new_hash = inner(&new_hash, step);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && old_hash == *old_root && new_hash == *root
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;

    use data_encoding::{BASE64, HEXLOWER};
    use proptest::prelude::*;
    use serde_json::Value;
    use tlog_tiles::HashReader;

    use super::*;

    fn vectors(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// The leaves of the specification's vectors.
    pub(crate) fn vector_leaf(i: u64) -> Vec<u8> {
        let (actor, file) = (i % 7, i % 91);
        format!(r#"{{"v":1,"seq":{i},"actor":"reviewer{actor}","act":"file.open","path":"src/m{file}.rs"}}"#).into_bytes()
    }

    /// A tree with the hashes of all its perfect subtrees, and the same tree in the other implementation's numbering.
    struct Tree {
        nodes: HashMap<Node, Hash>,
        roots: Vec<Hash>,
        leaves: Vec<Hash>,
        theirs: Vec<tlog_tiles::Hash>,
    }

    struct Theirs<'t>(&'t [tlog_tiles::Hash]);

    impl HashReader for Theirs<'_> {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
            Ok(indexes.iter().map(|i| self.0[usize::try_from(*i).unwrap()]).collect())
        }
    }

    impl Tree {
        fn of(size: u64) -> Self {
            let mut tree = Self { nodes: HashMap::new(), roots: vec![empty_root()], leaves: vec![], theirs: vec![] };
            let mut frontier = Frontier::new();
            for i in 0..size {
                let entry = vector_leaf(i);
                let hash = leaf(&entry);
                tree.nodes.insert(Node { height: 0, index: i }, hash);
                frontier.push(hash, |node, hash| assert_eq!(tree.nodes.insert(node, *hash), None));
                tree.roots.push(frontier.root());
                tree.leaves.push(hash);
                let more = tlog_tiles::stored_hashes(i, &entry, &Theirs(&tree.theirs)).unwrap();
                tree.theirs.extend(more);
            }
            tree
        }

        fn prove(&self, spans: Option<Vec<Span>>) -> Vec<Hash> {
            hashes::<()>(&spans.unwrap(), |node| Ok(self.nodes[&node])).unwrap()
        }

        fn root(&self, size: u64) -> Hash {
            self.roots[usize::try_from(size).unwrap()]
        }
    }

    fn plain(theirs: &[tlog_tiles::Hash]) -> Vec<Hash> {
        theirs.iter().map(|h| h.0).collect()
    }

    /// The definition itself, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            more => {
                let k = more.len().next_power_of_two() / 2;
                inner(&by_definition(&more[..k]), &by_definition(&more[k..]))
            }
        }
    }

    #[test]
    fn the_roots_of_the_reference_implementation() {
        let vectors = vectors(include_str!("../../tests/vectors/rfc6962-tree.json"));
        let hex = |v: &Value| HEXLOWER.decode(v.as_str().unwrap().as_bytes()).unwrap();
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root().to_vec(), hex(&vectors["empty"]));
        for (entry, root) in vectors["leaves"].as_array().unwrap().iter().zip(vectors["roots"].as_array().unwrap()) {
            frontier.push(leaf(&hex(entry)), |_, _| {});
            assert_eq!(frontier.root().to_vec(), hex(root));
        }
    }

    #[test]
    fn the_roots_of_the_specification() {
        let vectors = vectors(include_str!("../../tests/vectors/transparency-log.json"));
        let mut frontier = Frontier::new();
        let mut met = 0;
        for i in 0..70_000 {
            frontier.push(leaf(&vector_leaf(i)), |_, _| {});
            if let Some(root) = vectors["roots"].get(frontier.size().to_string()) {
                assert_eq!(BASE64.encode(&frontier.root()), root.as_str().unwrap());
                met += 1;
            }
        }
        assert_eq!(met, 4);
    }

    #[test]
    fn every_size_to_600_agrees_with_the_definition_and_with_tlog_tiles() {
        let tree = Tree::of(600);
        for size in 0..=600_u64 {
            let leaves = &tree.leaves[..usize::try_from(size).unwrap()];
            let root = tree.root(size);
            assert_eq!(root, by_definition(leaves));
            if size > 0 {
                assert_eq!(root, tlog_tiles::tree_hash(size, &Theirs(&tree.theirs)).unwrap().0);
            }
            for index in 0..size {
                let proof = tree.prove(inclusion_spans(index, size));
                let theirs = tlog_tiles::prove_record(size, index, &Theirs(&tree.theirs)).unwrap();
                assert_eq!(proof, plain(&theirs), "inclusion of {index} in {size}");
                let own = tree.leaves[usize::try_from(index).unwrap()];
                assert!(includes(index, size, &own, &proof, &root));
            }
            for old in 1..=size {
                let proof = tree.prove(consistency_spans(old, size));
                let theirs = tlog_tiles::prove_tree(size, old, &Theirs(&tree.theirs)).unwrap();
                assert_eq!(proof, plain(&theirs), "consistency of {old} with {size}");
                assert!(extends(old, size, &tree.root(old), &root, &proof));
            }
        }
    }

    #[test]
    fn a_frontier_read_back_goes_on_as_it_was() {
        let tree = Tree::of(70);
        let mut frontier = Frontier::new();
        for (size, hash) in (0..).zip(&tree.leaves) {
            frontier = Frontier::from_bytes(size, &frontier.to_bytes()).unwrap();
            frontier.push(*hash, |_, _| {});
            assert_eq!(frontier.root(), tree.root(size + 1));
        }
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), None);
        assert_eq!(Frontier::from_bytes(1, &[0; 33]), None);
        assert_eq!(Frontier::from_bytes(0, &[]), Some(Frontier::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn sizes_beyond_agree_and_a_changed_proof_proves_nothing(
            size in 600_u64..5000, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(),
            part in any::<prop::sample::Index>(), bit in 0_usize..256,
        ) {
            let tree = Tree::of(size);
            let index = a.index(usize::try_from(size).unwrap()) as u64;
            let old = b.index(usize::try_from(size).unwrap()) as u64 + 1;
            let reader = Theirs(&tree.theirs);
            let root = tree.root(size);

            let proof = tree.prove(inclusion_spans(index, size));
            prop_assert_eq!(&proof, &plain(&tlog_tiles::prove_record(size, index, &reader).unwrap()));
            let own = tree.leaves[usize::try_from(index).unwrap()];
            prop_assert!(includes(index, size, &own, &proof, &root));
            let mut bent = proof.clone();
            let at = part.index(bent.len());
            bent[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!includes(index, size, &own, &bent, &root));
            prop_assert!(!includes(index, size, &own, &proof[1..], &root));
            prop_assert!(!includes(index, size, &own, &[proof.clone(), vec![root]].concat(), &root));
            prop_assert!(!includes(index ^ 1, size, &own, &proof, &root));
            prop_assert!(!includes(index, index, &own, &proof, &root));

            let proof = tree.prove(consistency_spans(old, size));
            prop_assert_eq!(&proof, &plain(&tlog_tiles::prove_tree(size, old, &reader).unwrap()));
            let old_root = tree.root(old);
            prop_assert!(extends(old, size, &old_root, &root, &proof));
            if !proof.is_empty() {
                let mut bent = proof.clone();
                let at = part.index(bent.len());
                bent[at][bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!extends(old, size, &old_root, &root, &bent));
                prop_assert!(!extends(old, size, &old_root, &root, &proof[..proof.len() - 1]));
                prop_assert!(!extends(old, size, &root, &old_root, &proof));
            }
        }

        #[test]
        fn no_proof_from_outside_makes_it_panic(
            index in any::<u64>(), old in any::<u64>(), size in any::<u64>(),
            proof in prop::collection::vec(any::<Hash>(), 0..70), root in any::<Hash>(),
        ) {
            prop_assert!(!includes(index, size, &root, &proof, &[0; 32]));
            prop_assert!(old == size || !extends(old, size, &root, &[0; 32], &proof));
        }
    }
}
