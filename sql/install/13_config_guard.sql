-- What every configuration table has: checks, row-level security, invalidation, dump.

CREATE FUNCTION lead_scoring.check_config() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_check_config'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.check_config() IS
    'Trigger: refuses rows of the configuration that cannot work, with the place of the fault and what to do.';

CREATE FUNCTION lead_scoring.config_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_config_changed'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.config_changed() IS
    'Trigger: tells all sessions that rules have changed.';

CREATE FUNCTION lead_scoring.check_rules() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_check_rules'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.check_rules() IS
    'Trigger: refuses an engagement rule that requires one that cannot be required, or with which states could exceed 8 kB.';

CREATE FUNCTION lead_scoring.config_restored() RETURNS trigger
    AS 'MODULE_PATHNAME', 'ls_sql_config_restored'
    LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lead_scoring.config_restored() IS
    'Trigger: lets a superuser''s restore bring the rows of the configuration in any order.';

REVOKE ALL ON FUNCTION lead_scoring.check_config(), lead_scoring.check_rules(),
    lead_scoring.config_changed(), lead_scoring.config_restored() FROM PUBLIC;

CREATE TRIGGER check_rules AFTER INSERT OR UPDATE ON lead_scoring.engagement_rule
    FOR EACH ROW
    EXECUTE FUNCTION lead_scoring.check_rules();

CREATE TYPE lead_scoring.score AS (
    fit float8,
    engagement float8,
    intent float8,
    total float8,
    band text,
    stage text,
    stage_age interval,
    milestones text[]
);
COMMENT ON TYPE lead_scoring.score IS
    'What conditions of transitions and actions see as score.';
COMMENT ON COLUMN lead_scoring.score.fit IS 'Fit score, in points.';
COMMENT ON COLUMN lead_scoring.score.engagement IS 'Engagement score, in points.';
COMMENT ON COLUMN lead_scoring.score.intent IS 'Intent score, in points.';
COMMENT ON COLUMN lead_scoring.score.total IS 'Total, in points.';
COMMENT ON COLUMN lead_scoring.score.band IS 'Label of the total. NULL: below all thresholds.';
COMMENT ON COLUMN lead_scoring.score.stage IS 'Lifecycle stage. NULL: none yet.';
COMMENT ON COLUMN lead_scoring.score.stage_age IS
    'Time since the stage was entered. NULL: no stage yet.';
COMMENT ON COLUMN lead_scoring.score.milestones IS 'Names of the milestones reached.';

DO $$
DECLARE
    tab text;
BEGIN
    FOREACH tab IN ARRAY ARRAY['model', 'lookup', 'event_source', 'rule_group', 'fit_rule',
        'engagement_rule', 'threshold', 'stage', 'transition', 'action', 'milestone',
        'deal_source']
    LOOP
        EXECUTE format('CREATE TRIGGER check_config BEFORE INSERT OR UPDATE OR DELETE
            ON lead_scoring.%I FOR EACH ROW EXECUTE FUNCTION lead_scoring.check_config()', tab);
        EXECUTE format('CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE
            ON lead_scoring.%I FOR EACH ROW EXECUTE FUNCTION lead_scoring.config_changed()', tab);
        EXECUTE format('CREATE TRIGGER config_truncated AFTER TRUNCATE
            ON lead_scoring.%I FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.config_changed()', tab);
        EXECUTE format('ALTER TABLE lead_scoring.%I ENABLE ALWAYS TRIGGER config_changed', tab);
        EXECUTE format('ALTER TABLE lead_scoring.%I ENABLE ALWAYS TRIGGER config_truncated', tab);
        EXECUTE format('ALTER TABLE lead_scoring.%I ENABLE ROW LEVEL SECURITY', tab);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON lead_scoring.%I TO PUBLIC', tab);
        EXECUTE format('SELECT pg_extension_config_dump(%L, %L)', 'lead_scoring.' || tab, '');
        CONTINUE WHEN tab = 'model';
        EXECUTE format('CREATE TRIGGER config_restored BEFORE INSERT
            ON lead_scoring.%I FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.config_restored()', tab);
        EXECUTE format('CREATE TRIGGER config_was_restored AFTER INSERT
            ON lead_scoring.%I FOR EACH STATEMENT EXECUTE FUNCTION lead_scoring.config_restored()', tab);
        EXECUTE format('ALTER TABLE lead_scoring.%I ENABLE ALWAYS TRIGGER config_restored', tab);
        EXECUTE format('ALTER TABLE lead_scoring.%I ENABLE ALWAYS TRIGGER config_was_restored', tab);
        EXECUTE format('CREATE POLICY read ON lead_scoring.%I FOR SELECT
            USING (lead_scoring.may_read(model))', tab);
        EXECUTE format('CREATE POLICY change ON lead_scoring.%I
            USING (lead_scoring.may_change(model))', tab);
        EXECUTE format('COMMENT ON POLICY read ON lead_scoring.%I IS %L', tab,
            'Who may read the contacts may read their model.');
        EXECUTE format('COMMENT ON POLICY change ON lead_scoring.%I IS %L', tab,
            'Who owns the contacts may change their model.');
    END LOOP;
END
$$;

CREATE POLICY read ON lead_scoring.model FOR SELECT
    USING (lead_scoring.may_read(name, contacts));
CREATE POLICY change ON lead_scoring.model
    USING (lead_scoring.may_change(name, contacts));
COMMENT ON POLICY read ON lead_scoring.model IS
    'Who may read the contacts may read their model.';
COMMENT ON POLICY change ON lead_scoring.model IS
    'Who owns the contacts may change their model.';
