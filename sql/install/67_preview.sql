-- What would happen?

CREATE FUNCTION lead_scoring.preview(
    model text, OUT what text, OUT label text, OUT contacts bigint
) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'ls_sql_preview'
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION lead_scoring.preview(text) IS
    'What activate(model, enrol_existing => true) would do, without doing it: numbers of contacts scored, outside of the population, excluded by hand or failing; in each band; by each move of a transition; of each action; by each problem. For who owns the contacts.';
