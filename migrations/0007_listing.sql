-- What auditors' filters look at moves out of the log's own rows: it is derived from them, and is made apart from the commits that make
-- entries durable. It begins empty; the portal fills it from the entries.

CREATE TABLE log_kept (
    idx BIGINT PRIMARY KEY NOT NULL,
    leaf BYTEA NOT NULL,          -- SHA256(0x00 || entry)
    entry BYTEA NOT NULL,         -- canonical JSON
    personal TEXT                 -- canonical JSON that the entry's "details" commits to; NULL when none, or erased
);
INSERT INTO log_kept (idx, leaf, entry, personal) SELECT idx, leaf, entry, personal FROM log_entries ORDER BY idx;
DROP TABLE log_entries;
ALTER TABLE log_kept RENAME TO log_entries;

-- A row for each entry, in their order. email, name and agency_name are in lower case, and erased with the entry's personal part.
CREATE TABLE log_listing (
    idx BIGINT PRIMARY KEY NOT NULL,
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
CREATE INDEX log_listing_at ON log_listing (at);
CREATE INDEX log_listing_kind ON log_listing (kind, idx);
CREATE INDEX log_listing_account ON log_listing (account, idx);
CREATE INDEX log_listing_agency ON log_listing (agency, idx);
CREATE INDEX log_listing_place ON log_listing (product, path, idx);

-- Filled anew with the rest of the listing.
DELETE FROM log_places;
