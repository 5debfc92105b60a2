//! What a tag or commit was signed over, and the signature: for whoever checks it.

use git2::{ObjectType, Odb, Oid};

use super::quarantine::open;
use super::{FetchError, Mirror};

/// A text and a signature over it, by OpenSSH or OpenPGP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub text: Vec<u8>,
    pub signature: Vec<u8>,
}

/// How signatures begin that are checked.
const BEGIN: [&[u8]; 3] = [b"-----BEGIN SSH SIGNATURE-----", b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----"];

impl Mirror {
    /// What each of these objects, tags or commits, is signed with; none where it bears no such signature, or is not in the mirror.
    ///
    /// # Errors
    /// When the mirror cannot be read.
    pub fn signed(&self, ids: &[String]) -> Result<Vec<Option<Signed>>, FetchError> {
        let damaged = |e: git2::Error| FetchError::Mirror { path: self.dir(), why: e.message().to_owned() };
        let repository = open(&self.dir())?;
        let odb = repository.odb().map_err(damaged)?;
        Ok(ids.iter().map(|id| one(&odb, id)).collect())
    }
}

fn one(odb: &Odb<'_>, id: &str) -> Option<Signed> {
    let object = odb.read(Oid::from_str(id).ok()?).ok()?;
    match object.kind() {
        ObjectType::Tag => of_tag(object.data()),
        ObjectType::Commit => of_commit(object.data()),
        _ => None,
    }
}

/// A tag's signature stands behind its message, and is over all that is before: where the last line begins one (git's `parse_signed_buffer`).
fn of_tag(tag: &[u8]) -> Option<Signed> {
    let (mut at, mut begins) = (0, None);
    for line in tag.split_inclusive(|&b| b == b'\n') {
        if begins_signature(line) {
            begins = Some(at);
        }
        at += line.len();
    }
    let (text, signature) = tag.split_at_checked(begins?)?;
    Some(Signed { text: text.to_vec(), signature: signature.to_vec() })
}

fn begins_signature(text: &[u8]) -> bool {
    BEGIN.iter().any(|begin| text.starts_with(begin))
}

/// A commit's signature is a header, and is over the commit without it (git's `parse_signed_commit`).
fn of_commit(commit: &[u8]) -> Option<Signed> {
    let (mut text, mut signature) = (Vec::new(), Vec::new());
    let (mut in_headers, mut in_signature) = (true, false);
    for line in commit.split_inclusive(|&b| b == b'\n') {
        if in_headers && line == b"\n" {
            in_headers = false;
        }
        in_signature = in_headers && (line.starts_with(b"gpgsig ") || in_signature && line.starts_with(b" "));
        if in_signature {
            signature.extend_from_slice(line.strip_prefix(b"gpgsig ").or_else(|| line.strip_prefix(b" ")).unwrap_or_default());
        } else {
            text.extend_from_slice(line);
        }
    }
    begins_signature(&signature).then_some(Signed { text, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_taken_apart_from_what_it_is_over() {
        let block = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
        let tag = format!("object 00\ntype commit\n\nthe first\n{block}");
        let signed = of_tag(tag.as_bytes()).unwrap();
        assert_eq!((signed.text, signed.signature), (b"object 00\ntype commit\n\nthe first\n".to_vec(), block.as_bytes().to_vec()));
        let header = block.trim_end().replace('\n', "\n ");
        let commit = format!("tree 00\ngpgsig {header}\nencoding UTF-8\n\nmessage\n gpgsig is said here\n");
        let signed = of_commit(commit.as_bytes()).unwrap();
        assert_eq!(signed.text, b"tree 00\nencoding UTF-8\n\nmessage\n gpgsig is said here\n");
        assert_eq!(signed.signature, block.as_bytes());
        let other = "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n";
        // A message may show a signature; the last is the tag's own.
        let signed = of_tag(format!("object 00\n\nas in\n{block}{other}").as_bytes()).unwrap();
        assert_eq!((signed.text, signed.signature), (format!("object 00\n\nas in\n{block}").into_bytes(), other.as_bytes().to_vec()));
        for unsigned in ["tree 00\n\ngpgsig -----BEGIN SSH SIGNATURE\n", "tree 00\ngpgsig -----BEGIN SIGNED MESSAGE-----\n x\n\nm\n", ""] {
            assert_eq!(of_commit(unsigned.as_bytes()), None, "{unsigned}");
            assert_eq!(of_tag(unsigned.as_bytes()), None, "{unsigned}");
        }
    }
}
