-- The contacts of the benchmark: :rows of them in bench.contacts, and the first
-- :some in bench.some_contacts for what would take too long on all. The same on
-- every machine: everything is picked by a hash of the row's number.

BEGIN;

CREATE SCHEMA bench;

-- pick(row, what, n): a number from 0 to n - 1, another for each `what`.
CREATE FUNCTION bench.pick(number bigint, what int, n int) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
    SELECT ((hashint8extended(number, what) & 1152921504606846975) % n)::int
$$;

-- Vocabularies, the commonest word first. n counts from 0.
CREATE TABLE bench.word (kind text, n int, word text, PRIMARY KEY (kind, n));

INSERT INTO bench.word
SELECT list.kind, item.n - 1, item.word
FROM (VALUES
    ('function', 'Marketing,Sales,Software,Product,Finance,Operations,Customer Success,Data,'
        'IT,HR,Procurement,Legal,Design,Content,Growth,Brand,Security,Infrastructure,'
        'Supply Chain,Logistics,Research,Quality,Compliance,Communications,Partnerships,'
        'Strategy,Analytics,Support,Training,Facilities'),
    ('role', 'Manager,Engineer,Specialist,Analyst,Consultant,Coordinator,Director,Executive,'
        'Architect,Associate,Advisor,Lead,Administrator,Assistant,Officer,Controller,Planner,'
        'Designer,Developer,Trainer'),
    ('rank', 'Senior,Junior,Head of,VP,Principal,Chief,International,Regional,Deputy,Global,'
        'Acting,Group,Interim,Executive Vice President,Divisional,Working Student'),
    ('top', 'CEO,CTO,CMO,CFO,Founder,Co-Founder,Managing Director,Owner,Partner,Geschäftsführer'),
    ('sector', 'Software,IT services,Retail,Manufacturing,Finance,Healthcare,Education,'
        'Logistics,Energy,Media,Insurance,Telecommunications,Automotive,Construction,'
        'Hospitality,Agriculture,Pharmaceuticals,Chemicals,Aerospace,Real estate,Legal services,'
        'Consulting,Advertising,Food production,Textiles,Mining,Utilities,Government,Nonprofit,'
        'Gaming,E-commerce,Biotechnology,Shipping,Railways,Publishing,Electronics,Furniture,'
        'Cosmetics,Sports,Travel'),
    ('segment', ',consumer,industrial,digital,wholesale'),
    ('country', 'US,DE,GB,FR,IN,NL,CA,ES,IT,AT,CH,PL,SE,BR,AU,BE,DK,NO,FI,IE,PT,CZ,TR,MX,JP,'
        'KR,SG,ZA,NG,AE,IL,AR,CL,CO,HU,RO,GR,BG,HR,SI,SK,EE,LV,LT,LU,UA,EG,KE,MA,TH,VN,ID,MY,PH,'
        'NZ,TW,HK,PE,SA,QA'),
    ('mailbox', 'gmail.com,yahoo.com,hotmail.com,outlook.com,icloud.com,web.de,gmx.de,aol.com,'
        'proton.me,mail.ru,qq.com,orange.fr'),
    ('company', 'nova,blue,alpen,north,delta,green,hyper,kern,atlas,vertex,lumen,ocean,pixel,'
        'quant,swift,terra,rhein,polar,solar,urban'),
    ('trade', 'works,soft,logic,trade,media,cloud,metrics,labs,systems,motion,foods,build,'
        'health,energy,bank,port,data,craft,ware,net'),
    ('ending', '.com,.de,.io,.co.uk,.net'),
    ('first', 'anna,ben,clara,david,elif,francois,grace,hannah,ipek,jan,katarzyna,lukas,maria,'
        'noah,olivia,pablo,priya,renee,soren,tomas'),
    ('last', 'mueller,schmidt,weiss,novak,nowak,garcia,nunez,lefevre,dubois,jensen,lindstroem,'
        'devries,smith,jones,obrien,patel,sharma,yilmaz,chen,kowalska')
) AS list (kind, words)
CROSS JOIN LATERAL string_to_table(list.words, ',') WITH ORDINALITY AS item (word, n);

-- What is made of several words: 200 industries, 2,000 domains of companies.
INSERT INTO bench.word
SELECT 'industry', sector.n + 40 * segment.n,
       concat_ws(', ', sector.word, nullif(segment.word, ''))
FROM bench.word AS sector, bench.word AS segment
WHERE sector.kind = 'sector' AND segment.kind = 'segment';
INSERT INTO bench.word
SELECT 'domain', n,
       (SELECT word FROM bench.word WHERE kind = 'company' AND word.n = i.n % 20) ||
       (SELECT word FROM bench.word WHERE kind = 'trade' AND word.n = i.n / 20 % 20) ||
       (SELECT word FROM bench.word WHERE kind = 'ending' AND word.n = i.n / 400)
FROM generate_series(0, 1999) AS i (n);

-- list(kind): its words in order.
CREATE FUNCTION bench.list(kind text) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(w.word ORDER BY w.n) FROM bench.word AS w WHERE w.kind = list.kind
$$;

CREATE TABLE bench.contacts (
    id           bigint PRIMARY KEY,
    email        text,
    first_name   text,
    last_name    text,
    title        text,
    company_name text,
    company_size int,
    industry     text,
    country      text,
    created_at   timestamptz
);

-- skewed: the first ones of a list come most often.
CREATE FUNCTION bench.skewed(number bigint, what int, n int) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
    SELECT (n * power(bench.pick(number, what, 100000) / 100000.0::float8, 2.5))::int % n
$$;

WITH l AS MATERIALIZED (
    SELECT bench.list('mailbox') AS mailboxes, bench.list('top') AS tops,
           bench.list('function') AS functions, bench.list('role') AS roles,
           bench.list('rank') AS ranks, bench.list('industry') AS industries,
           bench.list('country') AS countries, bench.list('domain') AS domains,
           bench.list('first') AS firsts, bench.list('last') AS lasts)
INSERT INTO bench.contacts
SELECT id,
       CASE WHEN bench.pick(id, 1, 50) > 0 THEN
           first || '.' || last || bench.pick(id, 2, 1000) || '@' ||
           CASE WHEN bench.pick(id, 3, 6) = 0
                THEN (l.mailboxes)[1 + bench.skewed(id, 4, 12)] ELSE domain END END,
       initcap(first),
       initcap(last),
       CASE bench.pick(id, 5, 16)
           WHEN 0 THEN NULL
           WHEN 1 THEN (l.tops)[1 + bench.skewed(id, 6, 10)]
           WHEN 2 THEN upper((l.functions)[f] || ' ' || (l.roles)[r])
           WHEN 3 THEN lower((l.functions)[f] || ' ' || (l.roles)[r])
           WHEN 4 THEN (l.ranks)[1 + bench.pick(id, 7, 16)] || ' ' || (l.functions)[f]
           WHEN 5 THEN (l.ranks)[1 + bench.pick(id, 7, 16)] || ' ' || (l.functions)[f]
           WHEN 6 THEN (l.ranks)[1 + bench.pick(id, 7, 16)] || ' ' || (l.functions)[f] ||
                       ' ' || (l.roles)[r]
           ELSE (l.functions)[f] || ' ' || (l.roles)[r] END,
       initcap(split_part(domain, '.', 1)) || ' ' ||
           (ARRAY['GmbH', 'Inc.', 'Ltd', 'SAS', 'B.V.'])[1 + bench.pick(id, 8, 5)],
       -- from 2 to 20,000 people, most of them few
       CASE WHEN bench.pick(id, 9, 20) > 0
            THEN (2 * exp(9.2 * power(bench.pick(id, 10, 10000) / 10000.0::float8, 1.5)))::int END,
       CASE WHEN bench.pick(id, 11, 25) > 0
            THEN (l.industries)[1 + bench.skewed(id, 12, 200)] END,
       CASE WHEN bench.pick(id, 13, 33) > 0 THEN (l.countries)[1 + bench.skewed(id, 14, 60)] END,
       timestamptz '2024-01-01 00:00:00+00' + bench.pick(id, 15, 1000000) * interval '1 minute'
FROM l
CROSS JOIN generate_series(1, :rows) AS id
CROSS JOIN LATERAL (
    SELECT 1 + bench.skewed(id, 16, 30) AS f, 1 + bench.skewed(id, 17, 20) AS r,
           (l.domains)[1 + bench.skewed(id, 18, 2000)] AS domain,
           (l.firsts)[1 + bench.pick(id, 19, 20)] AS first,
           (l.lasts)[1 + bench.pick(id, 20, 20)] AS last) AS p;

CREATE TABLE bench.some_contacts AS SELECT * FROM bench.contacts ORDER BY id LIMIT :some;

COMMIT;

VACUUM (FREEZE, ANALYZE) bench.contacts, bench.some_contacts;
