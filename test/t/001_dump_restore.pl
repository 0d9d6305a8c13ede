# A database with active models is dumped and restored: everything is as it was,
# and live at once.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = make_node('old');
my $new = make_node('new');
$_->start for $old, $new;
$_->safe_psql('postgres', 'CREATE ROLE owner; CREATE ROLE analyst') for $old, $new;
make_database($old, 'crm');

# ------------------------------------------------------------ what is dumped

$old->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE plain (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO plain SELECT g, CASE g % 3 WHEN 0 THEN 'CEO' WHEN 1 THEN 'clerk' END, g
  FROM generate_series(1, 120) AS g;
CALL make_live('plain', 'plain', 'id', 'size <> 7');
INSERT INTO lead_scoring.rule_group (model, name, dimension, max_points) VALUES ('plain', 'capped', 'fit', 5);
INSERT INTO lead_scoring.fit_rule (model, name, group_name, condition, points) VALUES
    ('plain', 'seven', 'capped', 'size % 7 = 0', 4),
    ('plain', 'five', 'capped', 'size % 5 = 0', 4);
CALL lead_scoring.refresh('plain');
GRANT SELECT ON plain, plain_scored, plain_score, plain_adjustment TO analyst;
INSERT INTO plain_adjustment (contact_id, kind, points, reason, valid_until) VALUES
    (20, 'points', 7.5, 'said by hand', '2999-01-01'), (21, 'exclude', NULL, NULL, NULL), (22, 'reset', NULL, NULL, NULL);

CREATE SCHEMA "My Schema" AUTHORIZATION owner;
SET ROLE owner;
CREATE TABLE "My Schema"."Con""tacts" (title text, "The Key" text PRIMARY KEY, size int)
    PARTITION BY LIST ("The Key");
CREATE TABLE "My Schema".aa PARTITION OF "My Schema"."Con""tacts" FOR VALUES IN ('a', 'b', 'c');
CREATE TABLE "My Schema".zz PARTITION OF "My Schema"."Con""tacts" DEFAULT;
RESET ROLE;
INSERT INTO "My Schema"."Con""tacts" VALUES ('CEO', 'a', 60), ('it''s', 'b', 1), (NULL, 'ü 🚀', 2);
CALL make_live('Model of "x"', '"My Schema"."Con""tacts"', 'The Key');

-- Companies of contacts, in partitions.
CREATE TABLE company (id int PRIMARY KEY, size int) PARTITION BY RANGE (id);
CREATE TABLE company_low PARTITION OF company FOR VALUES FROM (0) TO (5);
CREATE TABLE company_high PARTITION OF company DEFAULT;
CREATE TABLE employee (id int PRIMARY KEY, title text, company_id int);
CREATE INDEX ON employee (company_id);
INSERT INTO company SELECT g, 20 * g FROM generate_series(1, 8) AS g;
INSERT INTO employee SELECT g, 'CEO', g % 10 FROM generate_series(1, 30) AS g;
SELECT lead_scoring.create_model('employee', 'employee', 'id');
SELECT lead_scoring.add_lookup('employee', 'company', 'company', 'id', 'company_id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES
    ('employee', 'big', 'company.size > 50', 10), ('employee', 'none', 'company.id IS NULL', -3);
SELECT lead_scoring.activate('employee');

CREATE TABLE draft (id int PRIMARY KEY, title text);
SELECT lead_scoring.create_model('draft', 'draft', 'id');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('draft', 'boss', $$title = 'CEO'$$, 1);

-- States of what they did.
SELECT lead_scoring.create_model('behaviour', 'draft', 'id');
CREATE TABLE event (contact_id int, occurred_at timestamptz, type text, mail text, minutes float8);
SELECT lead_scoring.add_event_source('behaviour', 'event', 'contact_id', 'occurred_at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, half_life, value, max_count, distinct_by)
VALUES ('behaviour', 'opened', 'each', $$type = 'open'$$, 2, '14 days', NULL, 30, 'mail'),
       ('behaviour', 'minutes', 'each', NULL, 3, '30 days', 'minutes', NULL, NULL);
INSERT INTO lead_scoring.engagement_rule (model, name, kind, steps, points, within)
VALUES ('behaviour', 'path', 'sequence', ARRAY[$$type = 'open'$$, $$type = 'order'$$], 4, '7 days');
INSERT INTO event SELECT g % 20, timestamptz '2026-01-01 UTC' + g * interval '1 hour', (ARRAY['open', 'page', 'order'])[1 + g * g % 3],
                         g % 17, g % 7 / 3.0 FROM generate_series(1, 2000) AS g;
CREATE TABLE state (id int PRIMARY KEY, inline lead_scoring.engagement, outside lead_scoring.engagement, many lead_scoring.engagement[]);
ALTER TABLE state ALTER inline SET STORAGE main, ALTER outside SET STORAGE external;
INSERT INTO state SELECT contact_id, s, s, ARRAY[s, NULL, s]
  FROM (SELECT contact_id, lead_scoring.engagement_agg(e, 'behaviour', NULL, '2026-06-01 UTC') AS s FROM event AS e GROUP BY 1) AS x;
CREATE VIEW read AS
SELECT id, lead_scoring.engagement_score(inline, t) AS a, lead_scoring.engagement_score(outside, t) AS b,
       lead_scoring.next_change(many[3], t) AS c
  FROM state, (VALUES (timestamptz '2026-06-01 UTC'), ('2026-09-01 UTC')) AS v (t);

SET lead_scoring.apply = queue;
UPDATE plain SET size = size + 1 WHERE id IN (10, 11);
SQL
is_sound($old, 'crm', 'Model of "x"', 'before the dump');
is(unsound($old, 'crm', 'plain', 0), '', 'before the dump, with contacts in the queue');

# fingerprint(NODE, DATABASE): all that must be the same, as lines.
sub fingerprint
{
    my ($node, $database) = @_;
    my $tables = $node->safe_psql($database, <<'SQL');
SELECT format('SELECT %L, count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '''')) FROM %s AS t;',
              c.oid::regclass, c.oid::regclass)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
 WHERE relkind IN ('r', 'v') AND nspname !~ '^(pg_|information_schema)'
 ORDER BY c.oid::regclass::text COLLATE "C"
SQL
    return $node->safe_psql($database, $tables . <<'SQL');
SELECT 'trigger', tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger
 WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text COLLATE "C", tgname;
SELECT 'policy', polrelid::regclass, polname, polcmd, pg_get_expr(polqual, polrelid) FROM pg_policy ORDER BY 2, 3;
SELECT 'relation', c.oid::regclass, relkind, relowner::regrole, relrowsecurity, relacl, reloptions
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
 WHERE nspname !~ '^(pg_|information_schema)' ORDER BY c.oid::regclass::text COLLATE "C";
-- Once read again, columns of the later parts of a UNION have names; nothing uses them.
SELECT 'view', c.oid::regclass, regexp_replace(pg_get_viewdef(c.oid),
           '(::[a-z ]+) AS (text|int8|float8|bool|timestamptz|"interval")(,?)$', '\1\3', 'gn')
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
 WHERE relkind = 'v' AND nspname !~ '^(pg_|information_schema)' ORDER BY c.oid::regclass::text COLLATE "C";
SELECT 'sequence', schemaname, sequencename, last_value FROM pg_sequences ORDER BY 2, 3;
SELECT 'comment', c.oid::regclass, objsubid, description
  FROM pg_description JOIN pg_class AS c ON c.oid = objoid AND classoid = 'pg_class'::regclass
  JOIN pg_namespace AS n ON n.oid = relnamespace
 WHERE nspname !~ '^(pg_|information_schema)' ORDER BY c.oid::regclass::text COLLATE "C", objsubid;
SQL
}

my $expected = fingerprint($old, 'crm');
cmp_ok(length $expected, '>', 10_000, 'there is something to compare');

# ------------------------------------------------------------- the whole of it

my $directory = PostgreSQL::Test::Utils::tempdir;
my $from = $old->connstr('crm');

# changes(DATABASE): lines of the fingerprint that are not as they were.
sub changes
{
    my ($database) = @_;
    my @before = split /\n/, $expected;
    my @now = split /\n/, fingerprint($new, $database);
    my %before = map { $_ => 1 } @before;
    my %now = map { $_ => 1 } @now;
    return join "\n", (map { "- $_" } grep { !$now{$_} } @before),
      (map { "+ $_" } grep { !$before{$_} } @now);
}

sub restore_and_look
{
    my ($database, $what, @command) = @_;
    $new->safe_psql('postgres', "CREATE DATABASE $database");
    ok(run_log([@command]), "$what is restored without an error") or return;
    is(changes($database), '', "$what: all is as it was");
    is(unsound($new, $database, 'plain', 0), '', "$what: scores are right");
    is_sound($new, $database, 'Model of "x"', "$what: those of the other model too");
    $new->safe_psql($database, <<'SQL');
INSERT INTO plain VALUES (1000, 'CEO', 60), (1001, 'CEO', 7);
UPDATE plain SET size = 2 * size WHERE id < 5;
INSERT INTO plain_adjustment (contact_id, points) VALUES (30, 3);
DELETE FROM plain_adjustment WHERE contact_id = 21;
DELETE FROM plain WHERE id BETWEEN 20 AND 30;
INSERT INTO "My Schema"."Con""tacts" VALUES ('CEO', 'c', 60);
UPDATE "My Schema"."Con""tacts" SET size = 70, "The Key" = 'zzz' WHERE "The Key" = 'a';
BEGIN;
TRUNCATE "My Schema".zz;
COMMIT;
UPDATE lead_scoring.fit_rule SET points = 21 WHERE model = 'plain' AND name = 'boss';
SELECT lead_scoring.activate('draft');
INSERT INTO draft VALUES (1, 'CEO');
SQL
    is_sound_after_refresh($new, $database, 'plain', "$what: writes and a rule change");
    is_sound($new, $database, 'Model of "x"', "$what: writes to partitions");
    $new->safe_psql($database, 'UPDATE company SET size = 120 - size');
    is_sound($new, $database, 'employee', "$what: writes to a lookup");
    is_sound($new, $database, 'draft', "$what: a draft is activated");
    return;
}

command_ok([ 'pg_dump', '-Fc', '-f', "$directory/custom", '-d', $from ], 'pg_dump -Fc');
restore_and_look('custom', 'a custom dump', 'pg_restore', '--exit-on-error', '-d',
    $new->connstr('custom'), "$directory/custom");
command_ok([ 'pg_dump', '-Fp', '-f', "$directory/plain.sql", '-d', $from ], 'pg_dump -Fp');
restore_and_look('plain', 'a plain dump', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o',
    "$directory/out", '-d', $new->connstr('plain'), '-f', "$directory/plain.sql");
command_ok([ 'pg_dump', '-Fd', '-j', '4', '-f', "$directory/parts", '-d', $from ], 'pg_dump -Fd -j 4');
restore_and_look('parallel', 'a parallel dump', 'pg_restore', '--exit-on-error', '-j', '4', '-d',
    $new->connstr('parallel'), "$directory/parts");

# Parallel workers bring the tables in any order; here it is the worst.
command_ok([ 'pg_restore', '-l', '-f', "$directory/list", "$directory/custom" ], 'pg_restore -l');
my @list = split /\n/, slurp_file("$directory/list");
my ($data) = grep { $list[$_] =~ / TABLE DATA / } 0 .. $#list;
my @model = grep { / TABLE DATA lead_scoring model / } @list;
my @before = grep { !/ TABLE DATA lead_scoring model / } @list[ $data .. $#list ];
my ($end) = grep { $before[$_] !~ / TABLE DATA / } 0 .. $#before;
append_to_file("$directory/model_last", join "\n", @list[ 0 .. $data - 1 ],
    reverse(@before[ 0 .. $end - 1 ]), @model, @before[ $end .. $#before ], '');
is(@model, 1, 'the data of the models is found');
restore_and_look('model_last', 'the models after their rules', 'pg_restore', '--exit-on-error', '-L',
    "$directory/model_last", '-d', $new->connstr('model_last'), "$directory/custom");

# ---------------------------------------------------------------- parts of it

my $rules = q{SELECT model, count(*), sum(points) FROM lead_scoring.fit_rule GROUP BY 1 ORDER BY 1};
command_ok([ 'pg_dump', '-Fc', '-T', 'plain', '-f', "$directory/without", '-d', $from ],
    'pg_dump without a table of contacts');
$new->safe_psql('postgres', 'CREATE DATABASE without');
# The view on the table cannot be restored; everything else can.
run_log([ 'pg_restore', '-d', $new->connstr('without'), "$directory/without" ]);
is($new->safe_psql('without', $rules), $old->safe_psql('crm', $rules), 'no rule of any model is lost');
is_sound($new, 'without', 'Model of "x"', 'the other model is right');
$new->safe_psql('without', q{INSERT INTO "My Schema"."Con""tacts" VALUES ('CEO', 'c', 60)});
is_sound($new, 'without', 'Model of "x"', 'and live');
like($new->safe_psql('without', q{SELECT problem FROM lead_scoring.check_model('plain')}),
    qr/relation public\.plain does not exist/, 'check_model says what the first one misses');

# Contacts alone, into a database whose model is live.
for my $disabled (0, 1)
{
    my $name = $disabled ? 'past_triggers' : 'through_triggers';
    $new->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE custom");
    $new->safe_psql($name, 'TRUNCATE plain');
    is_sound($new, $name, 'plain', "$name: no contact");
    command_ok([ 'pg_dump', '-a', '-t', 'plain', '-Fc', '-f', "$directory/$name", '-d', $from ],
        "$name: pg_dump of the contacts alone");
    command_ok([ 'pg_restore', '-a', ($disabled ? '--disable-triggers' : ()), '-d',
            $new->connstr($name), "$directory/$name" ], "$name: restored");
    if ($disabled)
    {
        is($new->safe_psql($name, q{SELECT count(*) > 0 FROM lead_scoring.verify('plain')}), 't',
            "$name: verify finds what the triggers did not see");
        $new->safe_psql($name, q{CALL lead_scoring.rescore('plain')});
    }
    is_sound($new, $name, 'plain', "$name: scores are right");
}

# ----------------------------------------------------- nothing of one cluster

is($old->safe_psql('crm', <<'SQL'), '', 'no column of the configuration is of an OID type');
SELECT attrelid::regclass, attname, atttypid::regtype
  FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
 WHERE relnamespace = 'lead_scoring'::regnamespace AND relkind = 'r' AND attnum > 0
   AND (atttypid::regtype::text LIKE 'reg%' OR atttypid IN ('oid'::regtype, 'pg_node_tree'::regtype))
SQL
my $oids = $old->safe_psql('crm', <<'SQL');
SELECT string_agg(DISTINCT oid::text, '|') FROM (
    SELECT oid FROM pg_class WHERE oid >= 16384 UNION SELECT oid FROM pg_type WHERE oid >= 16384
    UNION SELECT oid FROM pg_proc WHERE oid >= 16384) AS o
SQL
my @found;
for my $table (split /\n/, $old->safe_psql('crm',
        q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'lead_scoring'::regnamespace AND relkind = 'r'}))
{
    push @found, grep { /\b(?:$oids)\b/ || /\{[A-Z]+ :/ }
      split /\n/, $old->safe_psql('crm', "SELECT t::text FROM $table AS t");
}
is(join("\n", @found), '', 'nor is there an OID or a node tree in a text');

$_->stop for $old, $new;
done_testing();
