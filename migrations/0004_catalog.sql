CREATE TABLE products (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,            -- slug, as addresses show it
    title TEXT NOT NULL,
    source TEXT NOT NULL,                 -- where it is fetched from
    tags TEXT NOT NULL,                   -- patterns of tags published as versions, one a line
    branches TEXT NOT NULL,               -- the same for branches
    created_at BIGINT NOT NULL,
    synced_at BIGINT,
    problem TEXT                          -- why the last synchronisation failed
);

-- A version pins a commit for good: its row is never pointed at another one.
CREATE TABLE versions (
    id TEXT PRIMARY KEY NOT NULL,
    product_id TEXT NOT NULL REFERENCES products (id),
    name TEXT NOT NULL,                   -- slug
    ref TEXT NOT NULL,                    -- refs/tags/v2.1
    commit_id TEXT NOT NULL,
    tag_id TEXT,                          -- the tag object of an annotated tag
    signature TEXT NOT NULL,              -- none, openpgp, ssh, x509: present, not checked
    authored_at BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    rank BIGINT NOT NULL,                 -- 0 is the newest of its product
    moved_to TEXT,                        -- where upstream has pointed the ref since
    moved_at BIGINT
);
CREATE UNIQUE INDEX versions_product_id_name_key ON versions (product_id, name);
CREATE INDEX versions_order ON versions (product_id, rank);
