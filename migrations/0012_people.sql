-- Invitations: the link with which somebody who has no password yet chooses one. Of its secret only a hash is kept. Until it is
-- used, the account's password is the empty text, which no password has as its hash.
CREATE TABLE invitations (
    id TEXT PRIMARY KEY NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    secret TEXT NOT NULL UNIQUE,          -- SHA-256 of what stands in the link, in hexadecimal
    state TEXT NOT NULL,                  -- proposed, open, used, withdrawn
    invited_by TEXT REFERENCES accounts (id),     -- NULL: the command line
    invited_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,           -- the first instant at which it no longer opens anything
    decided_by TEXT REFERENCES accounts (id),     -- who approved it, where it takes two
    decided_at BIGINT,
    ended_by TEXT REFERENCES accounts (id),       -- who withdrew it, or used it
    ended_at BIGINT
);
CREATE UNIQUE INDEX invitations_account_id_key ON invitations (account_id) WHERE state IN ('proposed', 'open');
CREATE INDEX invitations_account ON invitations (account_id);
CREATE INDEX invitations_state ON invitations (state, invited_at);

-- A change of somebody's role: proposed by one administrator, in force when another approves it.
CREATE TABLE role_changes (
    id TEXT PRIMARY KEY NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    from_role TEXT NOT NULL,
    to_role TEXT NOT NULL,
    agency_id TEXT REFERENCES agencies (id),      -- of whoever becomes a reviewer
    reason TEXT NOT NULL,
    state TEXT NOT NULL,                  -- proposed, approved, refused
    proposed_by TEXT NOT NULL REFERENCES accounts (id),
    proposed_at BIGINT NOT NULL,
    decided_by TEXT REFERENCES accounts (id),
    decided_at BIGINT,
    refusal TEXT
);
CREATE UNIQUE INDEX role_changes_account_id_key ON role_changes (account_id) WHERE state = 'proposed';
CREATE INDEX role_changes_state ON role_changes (state, proposed_at);

-- Which account locked one, and why. NULL for what earlier versions disabled, and for the command line. No reference: a table that refers
-- to itself could not be restored row by row.
ALTER TABLE accounts ADD COLUMN disabled_by TEXT;
ALTER TABLE accounts ADD COLUMN disabled_reason TEXT;

-- What a session's browser called itself when it was opened.
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
