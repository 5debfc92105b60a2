//! Tiles and entry bundles as they are published: C2SP tlog-tiles 0.1.0. Names, bytes, and which of them a tree has.

use std::fmt;
use std::str::FromStr;

use super::checkpoint::decimal;
use super::merkle::Hash;

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;
/// The longest entry a bundle can hold.
pub const LONGEST_ENTRY: usize = u16::MAX as usize;
/// The longest bundle: 256 entries, each behind two bytes of length.
pub const LONGEST_BUNDLE: usize = 256 * (LONGEST_ENTRY + 2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    #[error("a tile is named tile/<level>/<number> or tile/entries/<number>, with .p/<width> when it is partial")]
    Name,
    #[error("a tile's bytes are not a whole number of hashes, or not as many as its name says")]
    Hashes,
    #[error("an entry bundle ends within an entry")]
    Cut,
    #[error("an entry bundle does not hold as many entries as its name says")]
    Count,
}

/// What is published under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    Checkpoint,
    /// Hashes of the subtrees of `256^level` leaves. `width` is `None` when the tile is full.
    Tile {
        level: u8,
        number: u64,
        width: Option<u8>,
    },
    Entries {
        number: u64,
        width: Option<u8>,
    },
}

impl Resource {
    /// The tile at this place in a tree that has `count` nodes at its level, as wide as it is; `None` beyond the end.
    #[must_use]
    pub fn tile(level: u8, number: u64, count: u64) -> Option<Self> {
        width_in(number, count).map(|width| Self::Tile { level, number, width })
    }

    /// The entry bundle at this place in a tree of `size` leaves, as wide as it is; `None` beyond the end.
    #[must_use]
    pub fn entries(number: u64, size: u64) -> Option<Self> {
        width_in(number, size).map(|width| Self::Entries { number, width })
    }

    /// The same place with all its 256 parts, which may exist where the partial one no longer does.
    #[must_use]
    pub fn full(self) -> Self {
        match self {
            Self::Checkpoint => self,
            Self::Tile { level, number, .. } => Self::Tile { level, number, width: None },
            Self::Entries { number, .. } => Self::Entries { number, width: None },
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, width) = match *self {
            Self::Checkpoint => return f.write_str("checkpoint"),
            Self::Tile { level, number, width } => {
                write!(f, "tile/{level}/")?;
                (number, width)
            }
            Self::Entries { number, width } => {
                f.write_str("tile/entries/")?;
                (number, width)
            }
        };
        let mut groups = vec![format!("{:03}", number % 1000)];
        let mut rest = number / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        width.map_or(Ok(()), |w| write!(f, ".p/{w}"))
    }
}

impl FromStr for Resource {
    type Err = TileError;

    fn from_str(name: &str) -> Result<Self, TileError> {
        if name == "checkpoint" {
            return Ok(Self::Checkpoint);
        }
        let rest = name.strip_prefix("tile/").ok_or(TileError::Name)?;
        let (level, rest) = rest.split_once('/').ok_or(TileError::Name)?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, Some(decimal(width).ok_or(TileError::Name)?)),
            None => (rest, None),
        };
        let width = match width.map(u8::try_from) {
            Some(Ok(0) | Err(_)) => return Err(TileError::Name),
            Some(Ok(w)) => Some(w),
            None => None,
        };
        let number = parse_number(number).ok_or(TileError::Name)?;
        let resource = if level == "entries" {
            Self::Entries { number, width }
        } else {
            let level = decimal(level).and_then(|l| u8::try_from(l).ok()).filter(|l| *l < 64);
            Self::Tile { level: level.ok_or(TileError::Name)?, number, width }
        };
        // One name for one thing: leading groups of zeros are another spelling, and refused.
        if resource.to_string() == name { Ok(resource) } else { Err(TileError::Name) }
    }
}

/// How many nodes a tree of `size` leaves has at a tile level.
#[must_use]
pub fn nodes_at(level: u32, size: u64) -> u64 {
    size.checked_shr(level.saturating_mul(super::merkle::TILE_HEIGHT)).unwrap_or(0)
}

/// The hashes of a tile, which must be `expected` many.
///
/// # Errors
/// When the bytes are not that many hashes.
pub fn decode_tile(bytes: &[u8], expected: usize) -> Result<&[Hash], TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && hashes.len() == expected { Ok(hashes) } else { Err(TileError::Hashes) }
}

/// Appends an entry to a bundle. `None` when it is too long for one.
#[must_use]
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Option<()> {
    let length = u16::try_from(entry.len()).ok()?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Some(())
}

/// The entries of a bundle, which must be `expected` many.
///
/// # Errors
/// When the bundle ends within an entry or holds another number of them.
pub fn decode_bundle(bundle: &[u8], expected: usize) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(expected.min(256));
    let mut rest = bundle;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(TileError::Cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(TileError::Cut)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() == expected { Ok(entries) } else { Err(TileError::Count) }
}

/// `Some(None)` for a full tile, `Some(Some(width))` for a partial one, `None` for one that would be empty.
#[expect(clippy::option_option, reason = "beyond the end, full, and partial are three answers")]
fn width_in(number: u64, count: u64) -> Option<Option<u8>> {
    let before = number.checked_mul(WIDTH)?;
    match count.checked_sub(before)? {
        0 => None,
        left => Some(u8::try_from(left).ok()),
    }
}

fn parse_number(text: &str) -> Option<u64> {
    let mut groups = text.split('/').peekable();
    let mut number = 0_u64;
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use tlog_tiles::Tile;

    use super::*;

    #[test]
    fn the_names_of_the_specification() {
        let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/transparency-log.json")).unwrap();
        for (number, name) in vectors["tile_names"].as_object().unwrap() {
            let tile = Resource::Tile { level: 0, number: number.parse().unwrap(), width: None };
            assert_eq!(tile.to_string(), format!("tile/0/{}", name.as_str().unwrap()));
            assert_eq!(tile.to_string().parse(), Ok(tile));
        }
        let partial = Resource::Entries { number: 1_234_067, width: Some(1) };
        assert_eq!(partial.to_string(), "tile/entries/x001/x234/067.p/1");
        assert_eq!(partial.full().to_string(), "tile/entries/x001/x234/067");
        assert_eq!("checkpoint".parse(), Ok(Resource::Checkpoint));
    }

    #[test]
    fn the_tiles_of_70000() {
        let tile = |level: u8, number| Resource::tile(level, number, nodes_at(level.into(), 70_000)).map(|t| t.to_string());
        assert_eq!(tile(0, 272).unwrap(), "tile/0/272");
        assert_eq!(tile(0, 273).unwrap(), "tile/0/273.p/112");
        assert_eq!(tile(0, 274), None);
        assert_eq!(tile(1, 0).unwrap(), "tile/1/000");
        assert_eq!(tile(1, 1).unwrap(), "tile/1/001.p/17");
        assert_eq!(tile(2, 0).unwrap(), "tile/2/000.p/1");
        assert_eq!(tile(3, 0), None);
        assert_eq!(Resource::tile(0, 1, 256), None, "there is no empty tile");
    }

    #[test]
    fn other_spellings_are_refused() {
        for name in [
            "",
            "checkpoint/",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "tile/0/+01",
            "tile/8/0/000",
            "tile/entries/000.p/256",
            "tile/data/000",
            "/tile/0/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(name.parse::<Resource>(), Err(TileError::Name), "{name}");
        }
    }

    #[test]
    fn bundles_that_do_not_add_up_are_refused() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"").unwrap();
        push_entry(&mut bundle, &vec![7; LONGEST_ENTRY]).unwrap();
        assert_eq!(push_entry(&mut bundle, &vec![7; LONGEST_ENTRY + 1]), None);
        assert_eq!(decode_bundle(&bundle, 2).unwrap()[1].len(), LONGEST_ENTRY);
        assert_eq!(decode_bundle(&bundle, 3), Err(TileError::Count));
        assert_eq!(decode_bundle(&bundle[..bundle.len() - 1], 2), Err(TileError::Cut));
        assert_eq!(decode_bundle(&[0], 1), Err(TileError::Cut));
        assert_eq!(decode_tile(&[0; 64], 2).unwrap().len(), 2);
        assert_eq!(decode_tile(&[0; 64], 3), Err(TileError::Hashes));
        assert_eq!(decode_tile(&[0; 63], 2), Err(TileError::Hashes));
    }

    proptest! {
        /// tlog_tiles writes an older form of the paths: the tile height stands in front of the level.
        #[test]
        fn names_are_those_of_tlog_tiles_without_the_height(level in 0_u8..64, number in any::<u64>(), width in 1_u32..=256) {
            let ours = Resource::Tile { level, number, width: u8::try_from(width).ok() };
            let theirs = Tile::new(8, level, number, width, false).path();
            prop_assert_eq!(format!("tile/8/{}", ours.to_string().strip_prefix("tile/").unwrap()), theirs);
            prop_assert_eq!(ours.to_string().parse(), Ok(ours));
        }

        #[test]
        fn a_tree_has_the_tiles_that_tlog_tiles_publishes(size in 0_u64..300_000) {
            let theirs = Tile::new_tiles(8, 0, size);
            let mut ours = Vec::new();
            for level in 0..8_u8 {
                let count = nodes_at(level.into(), size);
                ours.extend((0..).map_while(|n| Resource::tile(level, n, count)));
            }
            let theirs: Vec<_> = theirs.iter().map(|t| t.path().replacen("tile/8/", "tile/", 1)).collect();
            prop_assert_eq!(ours.iter().map(ToString::to_string).collect::<Vec<_>>(), theirs);
        }

        #[test]
        fn what_is_parsed_is_written_the_same(name in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(resource) = name.parse::<Resource>() {
                prop_assert_eq!(resource.to_string(), name);
            }
        }

        #[test]
        fn no_bundle_from_outside_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), count in 0_usize..300) {
            let _ = decode_bundle(&bytes, count);
            let _ = decode_tile(&bytes, count);
        }
    }
}
