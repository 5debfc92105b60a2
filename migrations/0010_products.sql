-- A version's life: who may read it depends on it before any grant does.
ALTER TABLE versions ADD COLUMN standing TEXT NOT NULL DEFAULT 'published';   -- quarantined, release asked, published, withdrawn, return asked
ALTER TABLE versions ADD COLUMN asked_by TEXT REFERENCES accounts (id);       -- who asked to open it
ALTER TABLE versions ADD COLUMN asked_at BIGINT;
ALTER TABLE versions ADD COLUMN ask_reason TEXT;
ALTER TABLE versions ADD COLUMN decided_by TEXT REFERENCES accounts (id);     -- who opened or withdrew it last; NULL with a time: the command line
ALTER TABLE versions ADD COLUMN decided_at BIGINT;
ALTER TABLE versions ADD COLUMN decide_reason TEXT;

-- Whether new versions wait in quarantine, 0 or 1.
ALTER TABLE products ADD COLUMN quarantine BIGINT NOT NULL DEFAULT 0;

-- Who has looked into where the reference was moved to; NULL again as soon as it is moved once more.
ALTER TABLE versions ADD COLUMN acknowledged_by TEXT REFERENCES accounts (id);
ALTER TABLE versions ADD COLUMN acknowledged_at BIGINT;
ALTER TABLE versions ADD COLUMN acknowledge_reason TEXT;

-- Seconds between synchronisations that nobody asks for, 0 for none, and when the last one was asked for.
ALTER TABLE products ADD COLUMN sync_every BIGINT NOT NULL DEFAULT 0;
ALTER TABLE products ADD COLUMN scheduled_at BIGINT;

-- What a mirror's origin is shown, and what a webhook's caller knows. Sealed with a key that is in a file.
CREATE TABLE mirror_secrets (
    product_id TEXT NOT NULL REFERENCES products (id),
    purpose TEXT NOT NULL,                -- credentials, webhook
    sealed BYTEA NOT NULL,
    told TEXT NOT NULL,                   -- what is shown of it, as in "token of fetcher"
    set_at BIGINT NOT NULL,
    set_by TEXT REFERENCES accounts (id), -- NULL: the command line
    PRIMARY KEY (product_id, purpose)
);

-- How far a job has come, while it runs: for the pages of every process, not only of the one that works.
ALTER TABLE jobs ADD COLUMN progress TEXT;
CREATE INDEX jobs_subject ON jobs (subject, state);

-- Whose signatures are trusted, as lines of allowed_signers, and what the signature of each version is worth by that.
ALTER TABLE products ADD COLUMN signers TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN verdict TEXT NOT NULL DEFAULT 'unchecked';    -- good, unknown key, bad, unchecked
ALTER TABLE versions ADD COLUMN signer TEXT;                                  -- who signed, or the unknown key's fingerprint
