-- The memory of one process, by how much it has scored: it must not grow with
-- the rows. The peak of each step shows what is given back at its end, too.

SET max_parallel_workers_per_gather = 0;
SET enable_material = off;
SET jit = off; -- it loads a library of 50 MB

CREATE TABLE bench.memory (
    step  int,
    rows  bigint,
    peak  bigint, -- all in bytes; resident, in this step, shared buffers included
    own   bigint, -- resident, private
    total bigint, -- in memory contexts
    ours  bigint  -- of them, those of lead_scoring
);

-- status(what): a line of Linux's account of this process.
CREATE FUNCTION bench.status(what text) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT 1024 * substring(pg_read_file('/proc/self/status') FROM what || ':\s*(\d+)')::bigint
$$;

CREATE FUNCTION bench.note_memory(step int, n_rows bigint) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO bench.memory
    SELECT step, n_rows, bench.status('VmHWM'), bench.status('RssAnon'), sum(total_bytes),
           coalesce(sum(total_bytes) FILTER (WHERE name LIKE 'lead\_scoring%'), 0)
    FROM pg_backend_memory_contexts
$$;

-- Linux forgets the peak when it is told 5.
\set forget_peak 'COPY (SELECT 5) TO \'/proc/self/clear_refs\';'

-- Once for nothing, and all contacts: what that takes is there from then on.
SELECT bench.note_memory(0, 0) \g /dev/null
TRUNCATE bench.memory;
SELECT count(c) FROM bench.contacts AS c \g /dev/null

:forget_peak
SELECT bench.note_memory(0, 0) \g /dev/null
:forget_peak
SELECT lead_scoring.fit_score(c, 'fit1000') FROM bench.contacts AS c LIMIT 1 \g /dev/null
SELECT bench.note_memory(1, 1) \g /dev/null
:forget_peak
SELECT sum(lead_scoring.fit_score(c, 'fit1000')) FROM bench.contacts AS c \g /dev/null
SELECT bench.note_memory(2, :rows) \g /dev/null
:forget_peak
SELECT sum(lead_scoring.fit_score(c, 'fit1000'))
FROM generate_series(1, 10), bench.contacts AS c \g /dev/null
SELECT bench.note_memory(3, 10 * :rows) \g /dev/null

DO $$
BEGIN
    IF (SELECT max(peak) - min(peak) > 256 * 1024 OR
               max(own) - min(own) > 256 * 1024 OR max(total) > min(total)
        FROM bench.memory WHERE step > 1) THEN
        RAISE EXCEPTION 'memory grows with the number of rows'
            USING DETAIL = (SELECT json_agg(m) FROM bench.memory AS m);
    END IF;
END
$$;
