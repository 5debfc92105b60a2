-- What the proposer of a grant was shown that it opens, in numbers, as JSON; NULL when nobody was shown anything (the command line).
ALTER TABLE entitlements ADD COLUMN foreseen TEXT;

-- A document is replaced by a newer one, and stays.
ALTER TABLE agreement_documents ADD COLUMN replaces TEXT REFERENCES agreement_documents (id);
CREATE UNIQUE INDEX agreement_documents_replaces_key ON agreement_documents (replaces) WHERE replaces IS NOT NULL;

-- Lists of grants are in this order, a page at a time.
CREATE INDEX entitlements_proposed_at ON entitlements (proposed_at, id);
