//! The texts that lie within something that is no text: what a reader of a program's bytes looks at first.

/// Characters that make a text, at least.
const SHORTEST: usize = 4;

/// Every run of four or more printable ASCII characters or tabs, one a line, in order; then those written in UTF-16, little endian.
#[must_use]
pub fn texts_within(bytes: &[u8]) -> Vec<u8> {
    let is_text = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    let mut found = Vec::new();
    let mut take = |run: &[u8]| {
        if run.len() >= SHORTEST {
            found.extend_from_slice(run);
            found.push(b'\n');
        }
    };
    bytes.split(|&byte| !is_text(byte)).for_each(&mut take);
    // A text of wide characters may begin at an odd place.
    for start in [0, 1] {
        let mut run = Vec::new();
        for pair in bytes.get(start..).unwrap_or_default().chunks_exact(2) {
            match pair {
                [byte, 0] if is_text(*byte) => run.push(*byte),
                _ => {
                    take(&run);
                    run.clear();
                }
            }
        }
        take(&run);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_text_are_found() {
        let found = |bytes: &[u8]| String::from_utf8(texts_within(bytes)).unwrap();
        assert_eq!(found(b""), "");
        assert_eq!(found(b"\0abc\0"), "");
        assert_eq!(found(b"\x7fELF\x02 /lib/ld.so\0abc\0password=1\xff"), " /lib/ld.so\npassword=1\n");
        assert_eq!(found(b"\0\0s\0e\0c\0r\0e\0t\0\0\0"), "secret\n");
        assert_eq!(found(b"\0s\0e\0c\0r\0e\0t\0"), "secret\n");
    }
}
