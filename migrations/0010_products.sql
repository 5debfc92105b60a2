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
