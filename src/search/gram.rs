//! Grams: three bytes at a time, and what a text has of them.

/// Three bytes, the first in the highest place; at most 24 bits. Or one byte that is not ASCII, by itself: what is written in
/// other scripts is told by these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Gram(u32);

impl Gram {
    pub(super) fn of_byte(byte: u8) -> Self {
        Self(1 << 24 | u32::from(byte))
    }

    pub(super) fn of(bytes: [u8; 3]) -> Self {
        let [a, b, c] = bytes.map(u32::from);
        Self(a << 16 | b << 8 | c)
    }

    /// Itself in every case of the letters A to Z in it.
    pub(super) fn cases(self) -> Vec<Self> {
        let mut cases = vec![self];
        if self.0 >> 24 != 0 {
            return cases;
        }
        for shift in [0, 8, 16] {
            let byte = u8::try_from(self.0 >> shift & 0xFF).unwrap_or(0);
            if byte.is_ascii_alphabetic() {
                // Upper and lower case differ in this bit.
                cases.extend(cases.clone().into_iter().map(|gram| Self(gram.0 ^ 0x20 << shift)));
            }
        }
        cases
    }

    /// As four characters of six bits each, since terms of the index are text; the first tells single bytes apart.
    pub(super) fn term(self) -> [u8; 4] {
        [18, 12, 6, 0].map(|shift| b'0' + u8::try_from(self.0 >> shift & 0x7F & if shift == 18 { 0x7F } else { 0x3F }).unwrap_or(0))
    }
}

/// Finds the distinct grams of texts.
#[derive(Debug)]
pub(super) struct Grams {
    /// A bit for each gram there can be.
    seen: Vec<u64>,
    found: Vec<Gram>,
}

impl Grams {
    pub(super) fn new() -> Self {
        Self { seen: vec![0; (1 << 18) + 4], found: Vec::new() }
    }

    /// Each gram of a text once, in order of first appearance.
    pub(super) fn of(&mut self, text: &[u8]) -> &[Gram] {
        for gram in self.found.drain(..) {
            if let Some(word) = self.seen.get_mut(gram.0 as usize >> 6) {
                *word = 0;
            }
        }
        let mut gram = 0_u32;
        for (at, byte) in text.iter().enumerate() {
            gram = (gram << 8 | u32::from(*byte)) & 0x00FF_FFFF;
            if !byte.is_ascii() {
                self.note(Gram::of_byte(*byte));
            }
            if at >= 2 {
                self.note(Gram(gram));
            }
        }
        &self.found
    }

    fn note(&mut self, gram: Gram) {
        let bit = 1_u64 << (gram.0 & 63);
        if let Some(word) = self.seen.get_mut(gram.0 as usize >> 6)
            && *word & bit == 0
        {
            *word |= bit;
            self.found.push(gram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gram_once() {
        let mut grams = Grams::new();
        let found = |text: &str, grams: &mut Grams| grams.of(text.as_bytes()).len();
        assert_eq!(found("", &mut grams), 0);
        assert_eq!(found("ab", &mut grams), 0);
        assert_eq!(found("aBcaBcaBC", &mut grams), 4);
        // What an earlier text had is forgotten.
        assert_eq!(found("aBcaBcaBC", &mut grams), 4);
        assert_eq!(grams.of(b"aBc"), [Gram::of(*b"aBc")]);
        assert_eq!(Gram::of(*b"a-b").cases(), [*b"a-b", *b"a-B", *b"A-b", *b"A-B"].map(Gram::of));
        assert_eq!(Gram::of(*b"[@9").cases(), [Gram::of(*b"[@9")]);
        assert_eq!(Gram::of([0, 0, 0]).term(), *b"0000");
        assert_ne!(Gram::of([0xFF, 0xFE, 0xFD]).term(), Gram::of([0xFF, 0xFE, 0xFC]).term());
    }
}
