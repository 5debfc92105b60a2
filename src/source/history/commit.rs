//! What a commit says of itself, besides its links.

use crate::source::tree::split_at_byte;

/// Bytes of a message and of a name that are taken; nobody writes more by hand.
const LONGEST_MESSAGE: usize = 1 << 20;
const LONGEST_NAME: usize = 256;

/// Who wrote a commit, when, and what they said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The author's name, without an address; empty when there is none.
    pub author: String,
    /// When it was written: seconds since the epoch, as the author's clock had it.
    pub authored_at: i64,
    /// When it was committed, likewise.
    pub committed_at: i64,
    /// Subject and body, in UTF-8 as far as it is text at all.
    pub message: Vec<u8>,
}

impl Words {
    /// Reads a commit object. What is not understood is left empty: a commit that names its tree is never refused for its words.
    pub(super) fn of(commit: &[u8]) -> Self {
        let mut words = Self::default();
        let mut label: Option<&[u8]> = None;
        let mut rest = commit;
        let mut message: &[u8] = b"";
        while let Some((line, after)) = split_at_byte(rest, b'\n') {
            rest = after;
            if line.is_empty() {
                message = rest.get(..rest.len().min(LONGEST_MESSAGE)).unwrap_or_default();
                break;
            }
            if let Some(who) = line.strip_prefix(b"author ") {
                let (name, at) = signature(who);
                words.author = String::from_utf8_lossy(name).into_owned();
                words.authored_at = at;
            } else if let Some(who) = line.strip_prefix(b"committer ") {
                words.committed_at = signature(who).1;
            } else if let Some(name) = line.strip_prefix(b"encoding ") {
                label = Some(name);
            }
        }
        let stated = label.and_then(encoding_rs::Encoding::for_label).filter(|encoding| *encoding != encoding_rs::UTF_8);
        words.message = match stated {
            Some(encoding) => {
                if let Some((who, _)) = author_line(commit) {
                    words.author = encoding.decode_without_bom_handling(who).0.into_owned();
                }
                encoding.decode_without_bom_handling(message).0.into_owned().into_bytes()
            }
            None => message.to_vec(),
        };
        let end = (0..=words.author.len().min(LONGEST_NAME)).rev().find(|&at| words.author.is_char_boundary(at)).unwrap_or(0);
        words.author.truncate(end);
        words
    }
}

fn author_line(commit: &[u8]) -> Option<(&[u8], i64)> {
    let headers = commit.split(|&b| b == b'\n').take_while(|line| !line.is_empty());
    headers.into_iter().find_map(|line| line.strip_prefix(b"author ")).map(signature)
}

/// `Name <address> seconds zone`: the name and the seconds.
fn signature(who: &[u8]) -> (&[u8], i64) {
    let name = who.iter().position(|&b| b == b'<').map_or(who, |at| who.get(..at).unwrap_or_default());
    let behind = who.iter().rposition(|&b| b == b'>').and_then(|at| who.get(at + 1..)).unwrap_or_default();
    let seconds = behind.split(|&b| b == b' ').find(|part| !part.is_empty());
    let seconds = seconds.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
    (name.trim_ascii(), seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_the_encoding_they_state() {
        let plain =
            Words::of(b"tree 1\nparent 2\nauthor A U Thor <a@b> 1700000000 +0130\ncommitter C <c@d> 1700000001 -0800\n\nSubject\n\nBody\n");
        assert_eq!((plain.author.as_str(), plain.authored_at, plain.committed_at), ("A U Thor", 1_700_000_000, 1_700_000_001));
        assert_eq!(plain.message, b"Subject\n\nBody\n");
        let latin = Words::of(b"tree 1\nauthor Ren\xe9 <a@b> 5 +0000\ncommitter Ren\xe9 <a@b> 6 +0000\nencoding ISO-8859-1\n\ncaf\xe9\n");
        assert_eq!((latin.author.as_str(), latin.message.as_slice()), ("René", "café\n".as_bytes()));
        let odd = Words::of(b"tree 1\nauthor \xff <> x\nencoding no-such\n\n\xff\n");
        assert_eq!((odd.author.as_str(), odd.authored_at, odd.message.as_slice()), ("\u{fffd}", 0, &b"\xff\n"[..]));
        assert_eq!(Words::of(b"tree 1"), Words::default());
        // A signature or a mergetag goes on in lines that begin with a space; its words are not the commit's.
        let signed = Words::of(b"tree 1\nauthor A <a@b> 1 +0000\ngpgsig -----BEGIN\n author B <b@c> 2 +0000\n \n -----END\n\nM\n");
        assert_eq!((signed.author.as_str(), signed.message.as_slice()), ("A", &b"M\n"[..]));
    }
}
