-- Agencies come first, since a reviewer's account belongs to one.
CREATE TABLE agencies (
    id TEXT PRIMARY KEY NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE accounts (
    id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL UNIQUE,          -- lower case
    name TEXT NOT NULL,
    role TEXT NOT NULL,                  -- reviewer, auditor, administrator
    agency_id TEXT REFERENCES agencies (id),
    password TEXT NOT NULL,              -- PHC string
    -- Who at the beginning of the line opened it: an account that the command line opened names itself, one that an
    -- administrator opened names that administrator's. Two accounts of one line are one hand.
    lineage TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

-- A session is known by the SHA-256 of its id, so that a copy of this table opens nothing. Once revoked it stays so:
-- saving a session updates only rows that are not.
CREATE TABLE sessions (
    hash TEXT PRIMARY KEY NOT NULL,
    account_id TEXT REFERENCES accounts (id),
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    confirmed_at BIGINT,                 -- when the person last proved who they are in it
    address TEXT,
    revoked BIGINT NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Failed attempts to sign in, by account, by address and by both together.
CREATE TABLE sign_in_attempts (
    subject TEXT PRIMARY KEY NOT NULL,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    not_before BIGINT NOT NULL
);
