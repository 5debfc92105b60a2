//! How large a picture is, from its first bytes.

use super::ImageKind;

impl ImageKind {
    /// Width and height in pixels, where the bytes say so.
    #[must_use]
    pub fn pixels(self, bytes: &[u8]) -> Option<(u64, u64)> {
        let (width, height) = match self {
            // Portable Network Graphics, section 11.2.2.
            Self::Png => (big(bytes, 16, 4)?, big(bytes, 20, 4)?),
            // Graphics Interchange Format 89a, section 18.
            Self::Gif => (little(bytes, 6, 2)?, little(bytes, 8, 2)?),
            Self::Jpeg => jpeg(bytes)?,
            Self::WebP => webp(bytes)?,
        };
        (width > 0 && height > 0).then_some((width, height))
    }
}

fn big(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    Some(bytes.get(at..at + count)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

fn little(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    Some(bytes.get(at..at + count)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

/// From one marker to the next until a frame begins (ITU-T T.81, annex B).
fn jpeg(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut at = 2;
    loop {
        let (sign, marker) = (*bytes.get(at)?, *bytes.get(at + 1)?);
        if sign != 0xFF {
            return None;
        }
        match marker {
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Some((big(bytes, at + 7, 2)?, big(bytes, at + 5, 2)?)),
            _ => at += 2 + usize::try_from(big(bytes, at + 2, 2)?.max(2)).ok()?,
        }
    }
}

/// RFC 9649: the canvas of the extended form, or the frame of the lossy or the lossless one.
fn webp(bytes: &[u8]) -> Option<(u64, u64)> {
    match bytes.get(12..16)? {
        b"VP8X" => Some((little(bytes, 24, 3)? + 1, little(bytes, 27, 3)? + 1)),
        b"VP8 " => Some((little(bytes, 26, 2)? & 0x3FFF, little(bytes, 28, 2)? & 0x3FFF)),
        b"VP8L" => {
            let packed = little(bytes, 21, 4)?;
            Some(((packed & 0x3FFF) + 1, ((packed >> 14) & 0x3FFF) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_says_how_large_it_is() {
        let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[0, 0, 1, 2, 0, 0, 0, 9]].concat();
        assert_eq!(ImageKind::Png.pixels(&png), Some((258, 9)));
        assert_eq!(ImageKind::Gif.pixels(b"GIF89a\x10\0\x02\x01\0"), Some((16, 258)));
        let jpeg = [&[0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC2, 0, 17, 8, 0, 5, 0, 7][..], &[0; 9]].concat();
        assert_eq!(ImageKind::Jpeg.pixels(&jpeg), Some((7, 5)));
        let riff = |form: &[u8]| [b"RIFF\x24\0\0\0WEBP".as_slice(), form].concat();
        assert_eq!(ImageKind::WebP.pixels(&riff(b"VP8X\x0a\0\0\0\0\0\0\0\x07\0\0\x01\x01\0")), Some((8, 258)));
        assert_eq!(ImageKind::WebP.pixels(&riff(b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x08\0\x03\x40")), Some((8, 3)));
        assert_eq!(ImageKind::WebP.pixels(&riff(b"VP8L\x0a\0\0\0\x2f\x07\x80\0\0")), Some((8, 3)));
    }

    #[test]
    fn what_is_cut_short_says_nothing() {
        for (kind, bytes) in [
            (ImageKind::Png, &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x09"[..]),
            (ImageKind::Gif, b"GIF89a\x10\0\x02"),
            (ImageKind::Gif, b"GIF89a\0\0\0\0"),
            (ImageKind::Jpeg, b"\xff\xd8\xff"),
            (ImageKind::Jpeg, &[0xFF; 12]),
            (ImageKind::Jpeg, &[0; 40]),
            (ImageKind::WebP, b"RIFF0000WEBPVP8L0000/"),
            (ImageKind::WebP, b""),
        ] {
            assert_eq!(kind.pixels(bytes), None, "{kind:?} {bytes:?}");
        }
    }
}
