-- Work to be done apart from a request. The payload is the id of what it is about, never the thing itself.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,          -- waiting, running, done, failed
    attempts BIGINT NOT NULL,
    run_after BIGINT NOT NULL,    -- microseconds since 1970, UTC
    updated_at BIGINT NOT NULL,
    problem TEXT
);
CREATE INDEX jobs_waiting ON jobs (state, run_after);
