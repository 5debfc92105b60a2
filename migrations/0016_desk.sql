-- What is asked of campaigns for every grant that somebody reads by is found by the grant; what is due, by its day.
DROP INDEX campaign_grants_due;
DROP INDEX campaign_grants_entitlement;
CREATE INDEX campaign_grants_entitlement ON campaign_grants (entitlement_id, state, due_at);
CREATE INDEX campaign_grants_pending ON campaign_grants (due_at) WHERE state = 'pending';
CREATE INDEX campaign_grants_tally ON campaign_grants (campaign_id, state);
-- Few grants are given alone, and fewer wait to be reviewed.
CREATE INDEX entitlements_unreviewed ON entitlements (proposed_by) WHERE emergency = 1 AND reviewed_at IS NULL;
