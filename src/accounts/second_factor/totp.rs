//! Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, six digits, thirty seconds.

use data_encoding::BASE32_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use totp_rs::{Algorithm, Builder, Secret as Shared, Totp};

use crate::clock::Timestamp;
use crate::ids::Entropy;
use crate::sealing::Secret;

/// Seconds of a time step.
const STEP: u64 = 30;
/// Steps before and after the present one whose codes are taken: clocks differ, and typing takes a while (RFC 6238, section 5.2).
const WINDOW: u16 = 1;
const DIGITS: u8 = 6;

/// The number of a time step since 1970.
pub(super) type StepNumber = i64;

/// What the portal and an authenticator app share: 160 bits (RFC 4226, section 4).
pub(super) struct Seed([u8; 20]);

impl Seed {
    pub(super) fn random(entropy: &Entropy) -> Self {
        Self(entropy.bytes::<20>())
    }

    /// As apps take it, in base32.
    pub(super) fn text(&self) -> String {
        BASE32_NOPAD.encode(&self.0)
    }

    /// To be sealed.
    pub(super) fn secret(&self) -> Secret {
        Secret::new(self.text())
    }

    /// What was sealed; none when it is no seed.
    pub(super) fn of(secret: &Secret) -> Option<Self> {
        BASE32_NOPAD.decode(secret.reveal().as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// What the picture says to an app (the key URI format that they have in common).
    pub(super) fn uri(&self, issuer: &str, email: &str) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (name, issuer) = (encoded(email), encoded(issuer));
        format!("otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}", self.text())
    }

    /// The step whose code this is, among those around `now` that are newer than `last`: no code is taken twice, and none before one
    /// that was (RFC 6238, section 5.2).
    pub(super) fn accepts(&self, typed: &str, now: Timestamp, last: StepNumber) -> Option<StepNumber> {
        let code: String = typed.chars().filter(|c| !c.is_whitespace()).take(20).collect();
        if code.len() != usize::from(DIGITS) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let found = self.generator(DIGITS)?.check(&code, u64::try_from(now.seconds()).ok()?)?;
        i64::try_from(found).ok().filter(|step| *step > last)
    }

    /// The code is compared in constant time by the library.
    fn generator(&self, digits: u8) -> Option<Totp> {
        let shared = Shared::new_stack(self.0);
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_secret(shared)
            .with_digits(digits)
            .with_skew(WINDOW)
            .with_step_duration(STEP)
            .build()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: seconds since 1970 and the eight digits of SHA-1, of the shared secret "12345678901234567890".
    const VECTORS: &str = include_str!("../../../tests/vectors/totp.txt");

    fn seed() -> Seed {
        Seed(*b"12345678901234567890")
    }

    fn vectors() -> Vec<(i64, String)> {
        let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split_once(' ').map(|(at, code)| (at.parse().unwrap(), code.to_owned())).unwrap()).collect()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        assert_eq!(vectors().len(), 6);
        for (at, code) in vectors() {
            let made = seed().generator(8).unwrap().generate(u64::try_from(at).unwrap()).to_string();
            assert_eq!(made, code, "{at}");
            // Six digits are the last six of eight (RFC 4226, section 5.3).
            assert_eq!(seed().accepts(&code[2..], Timestamp::from_seconds(at), 0), Some(at / 30), "{at}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_before_and_after_and_never_twice() {
        for (at, code) in vectors() {
            let (step, code) = (at / 30, &code[2..]);
            let taken = |offset: i64, last| seed().accepts(code, Timestamp::from_seconds((step + offset) * 30), last);
            assert_eq!([-1, 0, 1].map(|offset| taken(offset, step - 1)), [Some(step); 3], "{at}");
            assert_eq!([-1, 0, 1].map(|offset| taken(offset, step)), [None; 3], "{at}");
            assert_eq!([-2, 2].map(|offset| taken(offset, 0)), [None; 2], "{at}");
            // To the last microsecond of the step after its own.
            let end = Timestamp::from_micros((step + 2) * 30_000_000);
            assert_eq!(seed().accepts(code, end, 0), None, "{at}");
            assert_eq!(seed().accepts(code, Timestamp::from_micros(end.micros() - 1), 0), Some(step), "{at}");
        }
    }

    #[test]
    fn what_is_no_code_is_never_taken() {
        let now = Timestamp::from_seconds(59);
        assert_eq!(seed().accepts(" 287 082 ", now, 0), Some(1));
        for typed in ["", "28708", "2870820", "94287082", "287O82", "２８７０８２", "-87082", "287083"] {
            assert_eq!(seed().accepts(typed, now, 0), None, "{typed:?}");
        }
        assert_eq!(seed().accepts("287082", Timestamp::from_seconds(-59), 0), None);
    }

    #[test]
    fn a_seed_is_written_as_apps_read_it() {
        let seed = seed();
        assert_eq!(seed.text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Seed::of(&seed.secret()).unwrap().0, seed.0);
        assert!(Seed::of(&Secret::new("GEZDGNBV".to_owned())).is_none());
        assert_eq!(
            seed.uri("Lectern", "ada@one.example"),
            "otpauth://totp/Lectern:ada%40one%2Eexample?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Lectern&algorithm=SHA1&digits=6&period=30"
        );
    }
}
