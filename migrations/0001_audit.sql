-- The transparency log. Entries are only ever added; the one column that may change is log_entries.personal, which is
-- erased when its retention ends. What can be computed from the entries is checked against them whenever the log is opened.

-- The tree's right edge, in one row. Whoever appends holds a lock on it until the transaction ends.
CREATE TABLE log_head (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    frontier BYTEA NOT NULL       -- roots of the perfect subtrees that size splits into, largest first, 32 bytes each
);

CREATE TABLE log_entries (
    idx BIGINT PRIMARY KEY NOT NULL,
    leaf BYTEA NOT NULL,          -- SHA256(0x00 || entry)
    entry BYTEA NOT NULL,         -- canonical JSON
    personal TEXT,                -- canonical JSON that the entry's "details" commits to; NULL when none, or erased
    -- What the auditor's filters look at; taken from the two above. email, name and agency_name are in lower case.
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    account TEXT,
    email TEXT,
    name TEXT,
    agency TEXT,
    agency_name TEXT,
    product TEXT,
    version TEXT,
    path TEXT,
    blob TEXT,
    request TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX log_entries_at ON log_entries (at);
CREATE INDEX log_entries_kind ON log_entries (kind, idx);
CREATE INDEX log_entries_account ON log_entries (account, idx);
CREATE INDEX log_entries_agency ON log_entries (agency, idx);
CREATE INDEX log_entries_place ON log_entries (product, path, idx);

-- The places that one entry says were shown together, as by a search, so that they are found by the same filters.
CREATE TABLE log_places (
    idx BIGINT NOT NULL,
    position BIGINT NOT NULL,
    product TEXT NOT NULL,
    path TEXT NOT NULL,
    blob TEXT,
    PRIMARY KEY (idx, position)
);
CREATE INDEX log_places_place ON log_places (product, path, idx);

-- Hashes of the complete subtrees of 256^level leaves, level 1 and up; level 0 is log_entries.leaf.
CREATE TABLE log_tree (
    level BIGINT NOT NULL,
    n BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, n)
);
