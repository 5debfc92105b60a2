-- Agencies: what they are, whom to ask, and whether the programme takes them.
ALTER TABLE agencies ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE agencies ADD COLUMN contacts TEXT NOT NULL DEFAULT '';      -- one a line
ALTER TABLE agencies ADD COLUMN ineligible_since BIGINT;                -- struck from the list of eligible agencies
ALTER TABLE agencies ADD COLUMN ineligible_reason TEXT;

-- Agreements: what was signed. A draft opens nothing. starts_at is the day it takes effect.
ALTER TABLE agreements ADD COLUMN draft BIGINT NOT NULL DEFAULT 0;
ALTER TABLE agreements ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE agreements ADD COLUMN signed_at BIGINT;                     -- the day both sides signed
ALTER TABLE agreements ADD COLUMN renewal TEXT NOT NULL DEFAULT '';     -- how it is renewed, in words
ALTER TABLE agreements ADD COLUMN handling TEXT NOT NULL DEFAULT '';    -- handling rules, in words
ALTER TABLE agreements ADD COLUMN export_class TEXT NOT NULL DEFAULT '';
ALTER TABLE agreements ADD COLUMN sites TEXT NOT NULL DEFAULT '';       -- one a line
ALTER TABLE agreements ADD COLUMN addresses TEXT NOT NULL DEFAULT '';   -- networks that reading is allowed from, one a line; empty is any
ALTER TABLE agreements ADD COLUMN covers TEXT NOT NULL DEFAULT '';      -- names of products it covers, one a line; empty is any

-- What was attached to an agreement, the signed paper above all.
CREATE TABLE agreement_documents (
    id TEXT PRIMARY KEY NOT NULL,
    agreement_id TEXT NOT NULL REFERENCES agreements (id),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    content BYTEA NOT NULL,
    attached_by TEXT REFERENCES accounts (id),
    attached_at BIGINT NOT NULL
);
CREATE INDEX agreement_documents_agreement ON agreement_documents (agreement_id);

-- A change of a signed agreement that could open more: it takes effect when a second administrator approves it.
CREATE TABLE amendments (
    id TEXT PRIMARY KEY NOT NULL,
    agreement_id TEXT NOT NULL REFERENCES agreements (id),
    ends_at BIGINT NOT NULL,              -- the term, the networks and the products it would then have
    addresses TEXT NOT NULL,
    covers TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,                  -- proposed, approved, refused
    proposed_by TEXT NOT NULL REFERENCES accounts (id),
    proposed_at BIGINT NOT NULL,
    decided_by TEXT REFERENCES accounts (id),
    decided_at BIGINT,
    refusal TEXT
);
CREATE UNIQUE INDEX amendments_agreement_id_key ON amendments (agreement_id) WHERE state = 'proposed';
CREATE INDEX amendments_agreement ON amendments (agreement_id);

-- Terms that each person accepts before reading under an agreement; asked again when there is a newer version.
CREATE TABLE agreement_terms (
    agreement_id TEXT NOT NULL REFERENCES agreements (id),
    version BIGINT NOT NULL,              -- 1, 2, 3 …
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    published_by TEXT REFERENCES accounts (id),
    published_at BIGINT NOT NULL,
    PRIMARY KEY (agreement_id, version)
);
CREATE TABLE terms_accepted (
    agreement_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    accepted_at BIGINT NOT NULL,
    PRIMARY KEY (agreement_id, version, account_id)
);
CREATE INDEX terms_accepted_account ON terms_accepted (account_id);

-- The people of an agency who may read under an agreement: nominated by one administrator, approved by another. Whom the command
-- line named (decided_by is NULL), or one administrator in earlier versions, reads only what was granted afterwards.
CREATE TABLE nominations (
    id TEXT PRIMARY KEY NOT NULL,
    agreement_id TEXT NOT NULL REFERENCES agreements (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    state TEXT NOT NULL,                  -- nominated, approved, refused, withdrawn
    nominated_by TEXT REFERENCES accounts (id),
    nominated_at BIGINT NOT NULL,
    decided_by TEXT REFERENCES accounts (id),
    decided_at BIGINT,
    ended_by TEXT REFERENCES accounts (id),
    ended_at BIGINT,
    reason TEXT                           -- of the refusal or withdrawal
);
CREATE UNIQUE INDEX nominations_agreement_id_key ON nominations (agreement_id, account_id) WHERE state IN ('nominated', 'approved');
CREATE INDEX nominations_account ON nominations (account_id);
CREATE INDEX nominations_state ON nominations (state, nominated_at);
INSERT INTO nominations (id, agreement_id, account_id, state, nominated_at, decided_at)
    SELECT 'nom_' || substr(agreement_id, 5) || '_' || substr(account_id, 5), agreement_id, account_id, 'approved', named_at, named_at
    FROM agreement_people;
DROP TABLE agreement_people;

-- Grants: to everybody the agreement names, or to some of them; by as many approvals as were asked for when it was proposed;
-- or by one administrator alone for a few hours, to be reviewed afterwards.
ALTER TABLE entitlements ADD COLUMN everybody BIGINT NOT NULL DEFAULT 1;
ALTER TABLE entitlements ADD COLUMN needed BIGINT NOT NULL DEFAULT 1;
ALTER TABLE entitlements ADD COLUMN emergency BIGINT NOT NULL DEFAULT 0;
ALTER TABLE entitlements ADD COLUMN reviewed_by TEXT REFERENCES accounts (id);
ALTER TABLE entitlements ADD COLUMN reviewed_at BIGINT;
ALTER TABLE entitlements ADD COLUMN review TEXT;

CREATE TABLE entitlement_people (
    entitlement_id TEXT NOT NULL REFERENCES entitlements (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (entitlement_id, account_id)
);
CREATE TABLE entitlement_approvals (
    entitlement_id TEXT NOT NULL REFERENCES entitlements (id),
    approved_by TEXT NOT NULL REFERENCES accounts (id),
    approved_at BIGINT NOT NULL,
    PRIMARY KEY (entitlement_id, approved_by)
);
INSERT INTO entitlement_approvals (entitlement_id, approved_by, approved_at)
    SELECT id, decided_by, decided_at FROM entitlements WHERE state IN ('approved', 'revoked');

-- What is suspended: a grant, an agreement, an agency or a product. One administrator suspends at once; two lift it.
CREATE TABLE suspensions (
    id TEXT PRIMARY KEY NOT NULL,
    subject TEXT NOT NULL,                -- id of the agency, agreement, grant or product
    reason TEXT NOT NULL,
    placed_by TEXT NOT NULL REFERENCES accounts (id),
    placed_at BIGINT NOT NULL,
    state TEXT NOT NULL,                  -- placed, lift_asked, lifted
    asked_by TEXT REFERENCES accounts (id),
    asked_at BIGINT,
    lift_reason TEXT,
    lifted_by TEXT REFERENCES accounts (id),
    lifted_at BIGINT
);
CREATE UNIQUE INDEX suspensions_subject_key ON suspensions (subject) WHERE state <> 'lifted';
