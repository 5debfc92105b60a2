//! Numbers as the tables of histories hold them: seven bits a byte, the lowest first; the highest bit says that more follow (LEB128).

pub fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7F).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// The number that `rest` begins with, which is then gone from it. `None` when it ends before the number does, or that has more than 64 bits.
pub fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(first & 0x7F);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The bytes that `rest` begins with, likewise.
pub fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_as_they_were_put() {
        let numbers = [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let mut out = Vec::new();
        for number in numbers {
            put(&mut out, number);
        }
        let mut rest = out.as_slice();
        for number in numbers {
            assert_eq!(take(&mut rest), Some(number));
        }
        assert_eq!((rest, take(&mut rest), array::<1>(&mut rest)), (&b""[..], None, None));
    }

    #[test]
    fn what_is_cut_off_or_too_large_is_no_number() {
        let mut most = Vec::new();
        put(&mut most, u64::MAX);
        for end in 0..most.len() {
            assert_eq!(take(&mut &most[..end]), None, "{end}");
        }
        *most.last_mut().unwrap() = 2;
        assert_eq!(take(&mut most.as_slice()), None);
        assert_eq!(take(&mut [0x80; 11].as_slice()), None);
        assert_eq!(array::<3>(&mut [1, 2].as_slice()), None);
    }
}
