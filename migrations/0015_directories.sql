-- Tokens with which an agency's identity directory provisions its people (SCIM). Of the secret only a hash is kept.
CREATE TABLE directory_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    agency_id TEXT NOT NULL REFERENCES agencies (id),
    name TEXT NOT NULL,
    secret TEXT NOT NULL UNIQUE,          -- SHA-256 of the token, in hexadecimal
    made_by TEXT NOT NULL REFERENCES accounts (id),
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,           -- the first instant at which it no longer holds
    used_at BIGINT,                       -- last, to the minute
    revoked_by TEXT REFERENCES accounts (id),
    revoked_at BIGINT
);
CREATE INDEX directory_tokens_agency ON directory_tokens (agency_id, made_at);

-- Whom a directory keeps here, in its own words: what it wrote is what it reads again. The account is another thing, made or taken up
-- when the directory first nominates somebody; NULL where there is none that it may speak for.
CREATE TABLE directory_people (
    id TEXT PRIMARY KEY NOT NULL,
    agency_id TEXT NOT NULL REFERENCES agencies (id),
    account_id TEXT REFERENCES accounts (id),
    user_name_key TEXT NOT NULL,          -- lower case
    external_id TEXT,
    profile TEXT NOT NULL,                -- what the directory wrote, as JSON
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE UNIQUE INDEX directory_people_agency_id_key ON directory_people (agency_id, user_name_key);
CREATE UNIQUE INDEX directory_people_account_id_key ON directory_people (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX directory_people_external ON directory_people (agency_id, external_id);
CREATE INDEX directory_people_order ON directory_people (agency_id, created_at, id);

-- Through which token an account was made and nobody at the vendor has touched since, or was locked; through which a nomination was made or
-- ended. Whoever made the token stands in nominated_by: they are the first
-- of the two that a nomination takes. No reference in accounts, to which tokens refer: a circle could not be restored.
ALTER TABLE accounts ADD COLUMN made_via TEXT;
ALTER TABLE accounts ADD COLUMN disabled_via TEXT;
ALTER TABLE nominations ADD COLUMN nominated_via TEXT REFERENCES directory_tokens (id);
ALTER TABLE nominations ADD COLUMN ended_via TEXT REFERENCES directory_tokens (id);
