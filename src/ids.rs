//! Identifiers as types of their own, and the randomness they are made from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};

/// Where a room gets random bytes from: the operating system's generator, or a seeded one in tests.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn system() -> Result<Self, rand::rngs::SysError> {
        let mut seed = [0_u8; 32];
        SysRng.try_fill_bytes(&mut seed)?;
        Ok(Self(Arc::new(Mutex::new(StdRng::from_seed(seed)))))
    }

    /// The same bytes in every run: for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0_u8; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut out);
        out
    }

    /// `N` random bytes in lower-case hexadecimal.
    #[must_use]
    pub fn hex<const N: usize>(&self) -> String {
        HEXLOWER.encode(&self.bytes::<N>())
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// 80 random bits behind a prefix that says what is named.
            #[must_use]
            pub fn random(entropy: &Entropy) -> Self {
                Self(format!(concat!($prefix, "_{}"), entropy.hex::<10>()))
            }

            /// Takes back what was written down before: from the database, an entry or an address.
            #[must_use]
            pub fn known(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A person's account.
    AccountId "acc"
    /// The link with which somebody chooses their first password.
    InvitationId "inv"
    /// A reset of what somebody signs in with.
    ResetId "rst"
    /// A change proposed to somebody's role.
    RoleChangeId "rol"
    /// An agency whose people review source.
    AgencyId "agy"
    /// An agreement between the vendor and an agency.
    AgreementId "agr"
    /// A grant: what an agency may read under an agreement.
    EntitlementId "ent"
    /// Somebody proposed as one of the people an agreement names.
    NominationId "nom"
    /// A change proposed to a signed agreement.
    AmendmentId "amd"
    /// What was attached to an agreement.
    DocumentId "doc"
    /// A token with which an agency's directory provisions people.
    DirectoryTokenId "dtk"
    /// Somebody whom an agency's directory keeps here.
    DirectoryPersonId "usr"
    /// A suspension of a grant, an agreement, an agency or a product.
    SuspensionId "sus"
    /// A campaign in which grants are confirmed or lapse.
    CampaignId "cmp"
    /// A product of the vendor.
    ProductId "prd"
    /// A published version of a product.
    VersionId "ver"
    /// A search that somebody keeps under a name.
    SavedSearchId "sav"
    /// One request to the portal.
    RequestId "req"
    /// A piece of work in the queue.
    JobId "job"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_entropy_repeats_and_system_entropy_does_not() {
        let draw = |e: &Entropy| AccountId::random(e);
        assert_eq!(draw(&Entropy::seeded(7)), draw(&Entropy::seeded(7)));
        assert_ne!(draw(&Entropy::system().unwrap()), draw(&Entropy::system().unwrap()));
        assert!(draw(&Entropy::seeded(7)).as_str().starts_with("acc_"));
    }
}
