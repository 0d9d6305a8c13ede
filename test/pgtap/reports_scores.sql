-- Reports: distribution, freshness, rising; snapshot().

\ir reports.psql

SELECT plan(1);

-- Totals by now: Anna 70, Ben 0, Cleo 60, Dan 10, Eve 60, Finn 70.
SELECT pg_temp.shows(
    $$SELECT score, label, from_points, to_points, country, contacts, share FROM crm.b2b_distribution
       WHERE score IN ('total', 'fit') ORDER BY country, score, from_points$$,
    ARRAY['(fit,C,0,10,DE,1,0.5)', '(fit,A,40,50,DE,1,0.5)',
          '(total,cold,10,20,DE,1,0.5)', '(total,hot,60,70,DE,1,0.5)',
          '(fit,C,0,10,FR,1,0.25)', '(fit,A,40,50,FR,3,0.75)',
          '(total,cold,0,10,FR,1,0.25)', '(total,hot,60,70,FR,1,0.25)', '(total,hot,70,80,FR,2,0.5)'],
    'distribution');
SELECT * FROM finish();
