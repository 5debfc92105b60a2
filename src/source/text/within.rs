//! The texts that lie within something that is no text: what a reader of a program's bytes looks at first.

/// Characters that make a text, at least.
const SHORTEST: usize = 4;

/// Every run of four or more printable characters of UTF-8, tabs among them, one a line, in order; then those of ASCII that are
/// written in UTF-16.
#[must_use]
pub fn texts_within(bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut take = |run: &str| {
        if run.chars().nth(SHORTEST - 1).is_some() {
            found.extend_from_slice(run.as_bytes());
            found.push(b'\n');
        }
    };
    for chunk in bytes.utf8_chunks() {
        chunk.valid().split(|c: char| c.is_control() && c != '\t').for_each(&mut take);
    }
    let is_text = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    // A text of wide characters may begin at an odd place.
    for start in [0, 1] {
        let mut run = String::new();
        for pair in bytes.get(start..).unwrap_or_default().chunks_exact(2) {
            match pair {
                [byte, 0] if is_text(*byte) => run.push(char::from(*byte)),
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

/// Whether most of these bytes are text: a source file with a few stray bytes in it, rather than a program or a picture.
#[must_use]
pub fn is_mostly_text(bytes: &[u8]) -> bool {
    let text: usize = bytes
        .utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars())
        .filter(|c| !c.is_control() || c.is_whitespace())
        .map(char::len_utf8)
        .sum();
    text / 9 >= bytes.len() / 10
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
        assert_eq!(
            found("\0\u{1}Gr\u{fc}\u{df}e\0\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}\0\u{e9}\u{e8}\0".as_bytes()),
            "Gr\u{fc}\u{df}e\n\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}\n"
        );
        assert_eq!(found(b"\0\0s\0e\0c\0r\0e\0t\0\0\0"), "secret\n");
        assert_eq!(found(b"\0s\0e\0c\0r\0e\0t\0"), "secret\n");
    }

    #[test]
    fn a_stray_byte_does_not_make_a_program_of_a_source_file() {
        let source = [b"int main(void)\n{\n\treturn 0;\n}\n".repeat(10), b"\0".to_vec()].concat();
        assert!(is_mostly_text(&source));
        assert!(!is_mostly_text(&[b"text".to_vec(), vec![0; 40]].concat()));
        assert!(!is_mostly_text(&(0..=255).collect::<Vec<u8>>()));
    }
}
