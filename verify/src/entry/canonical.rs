//! Whether JSON is plainly in its canonical form (RFC 8785), found in one pass without taking it apart. What an entry is made of
//! nearly always is: names in ASCII, whole numbers, texts. All else is left to the library, which takes many times as long.

/// Integers up to here are exact in JSON as RFC 8785 writes it.
pub(super) const EXACT: u64 = (1 << 53) - 1;
/// Deeper nesting is not plain.
const DEEPEST: usize = 32;

/// Whether this is certainly canonical JSON. When not, it may still be.
pub(super) fn is_plainly(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && value(bytes, 0).is_some_and(<[u8]>::is_empty)
}

/// What stands behind a value that is plainly canonical.
fn value(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    match bytes.first()? {
        b'"' => Some(text(bytes)?.1),
        b'{' if depth < DEEPEST => object(bytes.get(1..)?, depth),
        b'[' if depth < DEEPEST => array(bytes.get(1..)?, depth),
        b'-' | b'0'..=b'9' => number(bytes),
        _ => ["true", "false", "null"].iter().find_map(|word| bytes.strip_prefix(word.as_bytes())),
    }
}

fn object(mut rest: &[u8], depth: usize) -> Option<&[u8]> {
    if let Some(after) = rest.strip_prefix(b"}") {
        return Some(after);
    }
    let mut last: Option<&[u8]> = None;
    loop {
        let (name, after) = text(rest)?;
        // In ASCII the order of bytes is the order of UTF-16 that is asked for.
        if !name.is_ascii() || name.contains(&b'\\') || last.is_some_and(|last| last >= name) {
            return None;
        }
        last = Some(name);
        rest = value(after.strip_prefix(b":")?, depth + 1)?;
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b'}', after) => return Some(after),
            _ => return None,
        }
    }
}

fn array(mut rest: &[u8], depth: usize) -> Option<&[u8]> {
    if let Some(after) = rest.strip_prefix(b"]") {
        return Some(after);
    }
    loop {
        rest = value(rest, depth + 1)?;
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b']', after) => return Some(after),
            _ => return None,
        }
    }
}

/// A text as it stands between its quotation marks, and what is behind them. Nothing is escaped that need not be, and all else
/// in the one way there is.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = bytes.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += inner.get(at..)?.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
        match inner.get(at)? {
            b'"' => return Some((inner.get(..at)?, inner.get(at + 1..)?)),
            b'\\' => {
                at += match inner.get(at + 1)? {
                    b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' if is_control(inner.get(at + 2..at + 6)?) => 6,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
}

/// A control character that has no shorter escape, in lower-case hexadecimal.
fn is_control(digits: &[u8]) -> bool {
    match digits {
        [b'0', b'0', b'0', low] => matches!(low, b'0'..=b'7' | b'b' | b'e' | b'f'),
        [b'0', b'0', b'1', low] => matches!(low, b'0'..=b'9' | b'a'..=b'f'),
        _ => false,
    }
}

/// A whole number that JSON states exactly, without a sign before zero.
fn number(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let zero = digits.first()? == &b'0';
    let plain = number <= EXACT && (!zero || (length == 1 && !bytes.starts_with(b"-")));
    let whole = !matches!(rest.first(), Some(b'.' | b'e' | b'E'));
    (plain && whole).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::canonical;
    use super::*;

    fn really(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Value>(bytes).is_ok_and(|value| serde_json_canonicalizer::to_vec(&value).unwrap() == bytes)
    }

    #[test]
    fn what_is_plainly_canonical_and_what_is_not() {
        for good in [
            r#"{"a":[1,-2,{}],"b":"x\n\u0000\u001f","c":null}"#,
            r#""é😀\"\\""#,
            "0",
            "-1",
            "9007199254740991",
            "[]",
            "{}",
            "true",
            "[false,null]",
        ] {
            assert!(is_plainly(good.as_bytes()) && really(good.as_bytes()), "{good}");
        }
        for bad in [
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1,}"#,
            r#""\/""#,
            r#""\u000a""#,
            r#""\u001F""#,
            r#""\u0041""#,
            "\"\u{1}\"",
            "-0",
            "01",
            "1.0",
            "1e3",
            "9007199254740993",
            "tru",
            "",
            "[1",
            "{}x",
            "\u{feff}{}",
        ] {
            assert!(!is_plainly(bad.as_bytes()), "{bad}");
        }
        assert!(!is_plainly(b"\"\xff\""));
        assert!(!is_plainly("[".repeat(100_000).as_bytes()));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(|n| Value::from(n >> 12)),
            any::<String>().prop_map(Value::from),
            "[ -~\u{0}-\u{1f}]{0,12}".prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z_]{0,6}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_library_agrees(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3) {
            let good = canonical(&value).into_bytes();
            let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
            prop_assert_eq!(std::str::from_utf8(&good).unwrap(), theirs);
            prop_assert!(is_plainly(&good), "{}", String::from_utf8_lossy(&good));
            let mut bent = good;
            let place = at.index(bent.len());
            match how {
                0 => bent[place] = byte,
                1 => bent.insert(place, b' '),
                _ => { bent.remove(place); }
            }
            prop_assert!(!is_plainly(&bent) || really(&bent), "{}", String::from_utf8_lossy(&bent));
        }
    }
}
