-- Campaigns: every grant in one is confirmed by an administrator before its day, with what the log says of its use, or lapses.
CREATE TABLE campaigns (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    agency_id TEXT REFERENCES agencies (id),      -- what it was opened for: one of these, or everything
    agreement_id TEXT REFERENCES agreements (id),
    product_id TEXT REFERENCES products (id),
    due_at BIGINT NOT NULL,               -- the first instant at which what is not confirmed opens nothing
    counted_to BIGINT NOT NULL,           -- entries of the log that were counted when it was opened
    opened_by TEXT NOT NULL REFERENCES accounts (id),
    opened_at BIGINT NOT NULL,
    state TEXT NOT NULL,                  -- open, end_asked, called_off
    asked_by TEXT REFERENCES accounts (id),       -- who asks that it be called off
    asked_at BIGINT,
    ask_reason TEXT,
    decided_by TEXT REFERENCES accounts (id),     -- who called it off
    decided_at BIGINT
);
CREATE INDEX campaigns_opened_at ON campaigns (opened_at, id);

-- A grant in a campaign, and what the log said of its use when the campaign was opened.
CREATE TABLE campaign_grants (
    campaign_id TEXT NOT NULL REFERENCES campaigns (id),
    entitlement_id TEXT NOT NULL REFERENCES entitlements (id),
    due_at BIGINT NOT NULL,               -- the campaign's
    state TEXT NOT NULL,                  -- pending, confirmed, lapsed, released (the campaign was called off, or the grant ended before)
    last_used_at BIGINT,                  -- NULL: never
    files BIGINT NOT NULL,                -- distinct files opened under it
    opens BIGINT,                         -- files it opened when it was proposed; NULL: nobody counted
    refusals BIGINT NOT NULL,             -- of its product, to people it is for, since it was approved
    unused BIGINT NOT NULL,               -- 0 or 1: what is pointed out
    broad BIGINT NOT NULL,
    decided_by TEXT REFERENCES accounts (id),     -- who confirmed it
    decided_at BIGINT,
    reason TEXT,
    examined BIGINT,                      -- the entry that says what whoever confirmed it was shown
    PRIMARY KEY (campaign_id, entitlement_id)
);
-- No grant waits in two campaigns.
CREATE UNIQUE INDEX campaign_grants_entitlement_id_key ON campaign_grants (entitlement_id) WHERE state = 'pending';
CREATE INDEX campaign_grants_entitlement ON campaign_grants (entitlement_id);
CREATE INDEX campaign_grants_due ON campaign_grants (state, due_at);

-- The listing says under which grant something was read. It is filled anew from the entries.
ALTER TABLE log_listing ADD COLUMN entitlement TEXT;
DELETE FROM log_places;
DELETE FROM log_listing;
CREATE INDEX log_listing_entitlement ON log_listing (entitlement, kind) WHERE entitlement IS NOT NULL;

-- Pages of administrators look these up.
CREATE INDEX accounts_agency ON accounts (agency_id);
CREATE INDEX nominations_agreement ON nominations (agreement_id);
