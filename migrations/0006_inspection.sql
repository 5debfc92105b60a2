-- Searches that people keep under a name. What they found is kept nowhere.
CREATE TABLE saved_searches (
    id TEXT PRIMARY KEY NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    query TEXT NOT NULL,                  -- as typed
    saved_at BIGINT NOT NULL,
    ran_at BIGINT NOT NULL,               -- when it was last run, or saved
    newest TEXT NOT NULL,                 -- the newest version of each product then: name, a space, version; one a line
    UNIQUE (account_id, name)
);
