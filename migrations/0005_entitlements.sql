CREATE TABLE agreements (
    id TEXT PRIMARY KEY NOT NULL,
    agency_id TEXT NOT NULL REFERENCES agencies (id),
    reference TEXT NOT NULL UNIQUE,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,              -- the first instant at which it no longer holds
    created_at BIGINT NOT NULL,
    ended_at BIGINT,                      -- ended before its term
    ended_by TEXT REFERENCES accounts (id),
    end_reason TEXT
);
CREATE INDEX agreements_agency ON agreements (agency_id);

-- The people an agreement names. Nobody else of the agency reads under it.
CREATE TABLE agreement_people (
    agreement_id TEXT NOT NULL REFERENCES agreements (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    named_at BIGINT NOT NULL,
    PRIMARY KEY (agreement_id, account_id)
);
CREATE INDEX agreement_people_account ON agreement_people (account_id);

CREATE TABLE entitlements (
    id TEXT PRIMARY KEY NOT NULL,
    agreement_id TEXT NOT NULL REFERENCES agreements (id),
    product_id TEXT NOT NULL REFERENCES products (id),
    versions TEXT NOT NULL,               -- patterns, one a line
    includes TEXT NOT NULL,               -- paths as in addresses, one a line; an empty line is the whole tree
    excludes TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,                  -- proposed, approved, refused, revoked
    proposed_by TEXT NOT NULL REFERENCES accounts (id),
    proposed_at BIGINT NOT NULL,
    decided_by TEXT REFERENCES accounts (id),
    decided_at BIGINT,
    revoked_by TEXT REFERENCES accounts (id),
    revoked_at BIGINT,
    reason TEXT                           -- of the refusal or revocation
);
CREATE INDEX entitlements_agreement ON entitlements (agreement_id);
CREATE INDEX entitlements_state ON entitlements (state, proposed_at);
