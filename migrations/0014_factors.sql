-- Second factors: what an authenticator app shares with the portal, sealed with a key that is in a file.
CREATE TABLE second_factors (
    account_id TEXT PRIMARY KEY NOT NULL REFERENCES accounts (id),
    sealed BYTEA,                         -- of the factor in use; NULL until the first one was confirmed
    since BIGINT,
    last_step BIGINT NOT NULL,            -- of the newest code that was taken: no code of this step or an earlier one is
    next_sealed BYTEA,                    -- of one that is being set up
    next_at BIGINT
);

-- What stands in for a code, once each. Of each only a hash is kept.
CREATE TABLE recovery_codes (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    hash TEXT NOT NULL,                   -- SHA-256 in hexadecimal
    made_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (account_id, hash)
);

-- Whose second factor a session awaits. Such a session has no account and opens nothing.
ALTER TABLE sessions ADD COLUMN waiting_id TEXT REFERENCES accounts (id);
CREATE INDEX sessions_waiting ON sessions (waiting_id);

-- A reset of what somebody signs in with: asked for by one administrator, carried out by another. Whoever has lost a password then needs
-- two parts to choose a new one: the code that the first administrator was shown and the link that the second one was. Of both only
-- hashes are kept.
CREATE TABLE account_resets (
    id TEXT PRIMARY KEY NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    what TEXT NOT NULL,                   -- password (and the second factor with it), factor
    reason TEXT NOT NULL,
    state TEXT NOT NULL,                  -- proposed, open, used, done, refused, withdrawn, lapsed
    code TEXT NOT NULL,
    secret TEXT,                          -- NULL until it is open, and for a factor
    proposed_by TEXT REFERENCES accounts (id),    -- NULL: the command line
    proposed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,           -- the first instant at which it can be decided on, or used, no longer
    decided_by TEXT REFERENCES accounts (id),
    decided_at BIGINT,
    refusal TEXT,
    ended_by TEXT REFERENCES accounts (id),       -- who withdrew it, or used it
    ended_at BIGINT
);
CREATE UNIQUE INDEX account_resets_account_id_key ON account_resets (account_id) WHERE state IN ('proposed', 'open');
CREATE UNIQUE INDEX account_resets_secret_key ON account_resets (secret) WHERE secret IS NOT NULL;
CREATE INDEX account_resets_state ON account_resets (state, proposed_at);

-- Since when an account's password is reset: it has none, and did.
ALTER TABLE accounts ADD COLUMN reset_at BIGINT;
