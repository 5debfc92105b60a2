//! What an entry can be about. The dotted names stand in entries that can never be changed, so a name is never reused.

use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($($name:ident $dotted:literal $words:literal)*) => {
        /// What happened. Dotted, subject first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = $words] $name),* }

        impl Kind {
            /// All of them, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in an entry, `source.file.opened`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $dotted),* }
            }

            /// The name in words, `file opened`.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }
        }
    };
}

kinds! {
    LogOpened "log.opened" "log opened"
    LogKeyChanged "log.key_changed" "key of the log changed"
    SessionOpened "session.opened" "signed in"
    SessionRefused "session.refused" "sign-in refused"
    SessionClosed "session.closed" "signed out"
    TreeListed "source.tree.listed" "directory listed"
    FileOpened "source.file.opened" "file opened"
    HistoryViewed "source.history.viewed" "history viewed"
    BlameViewed "source.blame.viewed" "blame viewed"
    DiffViewed "source.diff.viewed" "difference viewed"
    Searched "source.searched" "source searched"
    SearchSaved "search.saved" "search saved"
    SearchRemoved "search.removed" "saved search removed"
    SymbolViewed "source.symbol.viewed" "symbol viewed"
    AccessDenied "access.denied" "access denied"
    EntitlementProposed "entitlement.proposed" "entitlement proposed"
    EntitlementApproved "entitlement.approved" "entitlement approved"
    EntitlementRefused "entitlement.refused" "entitlement refused"
    EntitlementRevoked "entitlement.revoked" "entitlement revoked"
    EntitlementEmergency "entitlement.given_alone" "entitlement given by one administrator alone"
    EntitlementReviewed "entitlement.reviewed" "entitlement given alone reviewed"
    EntitlementPreviewed "entitlement.previewed" "what an entitlement opens previewed"
    EntitlementExamined "entitlement.examined" "use of an entitlement examined"
    EntitlementConfirmed "entitlement.confirmed" "entitlement confirmed in a campaign"
    EntitlementLapsed "entitlement.lapsed" "entitlement lapsed, not confirmed in time"
    CampaignOpened "campaign.opened" "campaign of confirmation opened"
    CampaignViewed "campaign.viewed" "use of the grants in a campaign viewed"
    CampaignEndAsked "campaign.end_asked" "calling off of a campaign asked for"
    CampaignKept "campaign.kept" "calling off of a campaign refused"
    CampaignCalledOff "campaign.called_off" "campaign called off"
    SuspensionPlaced "suspension.placed" "suspended"
    SuspensionLiftAsked "suspension.lift_asked" "lifting of a suspension asked for"
    SuspensionKept "suspension.kept" "lifting of a suspension refused"
    SuspensionLifted "suspension.lifted" "suspension lifted"
    AgreementDrafted "agreement.drafted" "agreement drafted"
    AgreementSigned "agreement.signed" "agreement signed"
    AgreementAmended "agreement.amended" "agreement amended"
    AgreementEnded "agreement.ended" "agreement ended"
    AmendmentProposed "agreement.amendment_proposed" "amendment of an agreement proposed"
    AmendmentRefused "agreement.amendment_refused" "amendment of an agreement refused"
    TermsPublished "agreement.terms_published" "terms of an agreement published"
    TermsAccepted "agreement.terms_accepted" "terms of an agreement accepted"
    DocumentAttached "agreement.document_attached" "document attached to an agreement"
    AgreementPersonNamed "agreement.person_named" "person named in an agreement"
    PersonNominated "agreement.person_nominated" "person nominated for an agreement"
    PersonApproved "agreement.person_approved" "nomination of a person approved"
    PersonRefused "agreement.person_refused" "nomination of a person refused"
    PersonWithdrawn "agreement.person_withdrawn" "person withdrawn from an agreement"
    AgencyCreated "agency.created" "agency created"
    AgencyChanged "agency.changed" "agency changed"
    AccountCreated "account.created" "account created"
    AccountInvited "account.invited" "person invited"
    AccountInvitationApproved "account.invitation_approved" "invitation approved"
    AccountInvitationUsed "account.invitation_used" "invitation used"
    AccountInvitationWithdrawn "account.invitation_withdrawn" "invitation withdrawn"
    RoleChangeProposed "account.role_proposed" "change of a role proposed"
    RoleChanged "account.role_changed" "role changed"
    RoleChangeRefused "account.role_refused" "change of a role refused"
    AccountChanged "account.changed" "account changed"
    AccountDisabled "account.disabled" "account locked"
    AccountEnabled "account.enabled" "account unlocked"
    AccountPasswordChanged "account.password_changed" "password changed"
    AccountSecondFactorChanged "account.second_factor_changed" "second factor changed"
    AccountResetProposed "account.reset_proposed" "reset of an account proposed"
    AccountResetApproved "account.reset_approved" "account reset"
    AccountResetRefused "account.reset_refused" "reset of an account refused"
    AccountResetWithdrawn "account.reset_withdrawn" "reset of an account withdrawn"
    AccountResetUsed "account.reset_used" "password chosen after a reset"
    AccountSessionsEnded "account.sessions_ended" "all sessions ended"
    DirectoryTokenMade "directory.token_made" "token made for an agency's directory"
    DirectoryTokenRevoked "directory.token_revoked" "token of an agency's directory revoked"
    DirectoryPersonEntered "directory.person_entered" "person entered by their agency's directory"
    DirectoryPersonChanged "directory.person_changed" "person changed by their agency's directory"
    DirectoryPersonRemoved "directory.person_removed" "person removed by their agency's directory"
    ListImported "list.imported" "file of people or grants read in"
    ListExported "list.exported" "people or grants written to a file"
    ProductCreated "product.created" "product created"
    ProductChanged "product.changed" "product changed"
    MirrorAdded "mirror.added" "mirror added"
    MirrorSynced "mirror.synced" "mirror synced"
    MirrorRefused "mirror.refused" "mirror fetch refused"
    MirrorTagMoved "mirror.tag_moved" "tag moved at its origin"
    MirrorTagMoveAcknowledged "mirror.tag_move_acknowledged" "moved tag acknowledged"
    VersionPublished "version.published" "version published"
    VersionQuarantined "version.quarantined" "version quarantined"
    VersionReleaseAsked "version.release_asked" "opening of a version asked for"
    VersionReleaseRefused "version.release_refused" "opening of a version refused"
    VersionReleased "version.released" "version opened"
    SymbolsImported "symbols.imported" "precise symbols imported"
    VersionWithdrawn "version.withdrawn" "version withdrawn"
    AuditViewed "audit.viewed" "audit trail viewed"
    AuditExported "audit.exported" "audit trail exported"
    AuditDetailsErased "audit.details_erased" "personal details erased"
    BackupTaken "backup.taken" "backup taken"
    ConfigurationChanged "configuration.changed" "configuration changed"
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of audit entry")]
pub struct UnknownKind(String);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let found = Self::ALL.iter().find(|k| k.as_str() == text);
        found.copied().ok_or_else(|| UnknownKind(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_dotted_lower_case_and_read_back_as_itself() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert!(kind.as_str().contains('.'));
            assert!(kind.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_'));
        }
        assert!("source.file".parse::<Kind>().is_err());
    }
}
