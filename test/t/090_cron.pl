# The line of README.md that refreshes scores every minute, run by pg_cron for real: a score
# changes, a stage moves and an action happens although nobody writes anything.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my ($schedule) = $readme =~ /^```text cron\n(.*?)^```$/ms;
my $node = make_node('cron');
my $library = `pg_config --pkglibdir`;
chomp $library;
plan skip_all => 'the schedule of README.md is NOT TESTED: there is no pg_cron (Debian: postgresql-' . ($ENV{PG_MAJOR} // 15) . '-cron)'
  unless -e "$library/pg_cron.so";

$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'crm'
cron.use_background_workers = on
max_worker_processes = 20
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE seller LOGIN');
make_database($node, 'crm');
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE EXTENSION pg_cron;
GRANT USAGE ON SCHEMA cron TO seller;
CREATE SCHEMA crm AUTHORIZATION seller;
SET ROLE seller;
CREATE TABLE crm.contacts (id int PRIMARY KEY, stage text DEFAULT 'lead', since timestamptz);
CREATE TABLE crm.visits (contact int, at timestamptz);
CREATE INDEX ON crm.visits (contact);
SELECT lead_scoring.create_model('b2b', 'crm.contacts', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('b2b', 'crm.visits', 'contact', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, condition, points, within, max_count) VALUES ('b2b', 'visit', 'each', NULL, 60, '30 days', 1);
INSERT INTO lead_scoring.transition (model, from_stage, to_stage, condition) VALUES ('b2b', 'mql', 'lead', 'total < 30');
INSERT INTO lead_scoring.action (model, name, condition, on_edge) VALUES ('b2b', 'cooled off', 'total < 30', 'enter');
SELECT lead_scoring.activate('b2b');
-- The visit will be 30 days old in three seconds; another is of today.
INSERT INTO crm.visits VALUES (1, clock_timestamp() - interval '30 days' + interval '3 seconds'), (2, now());
INSERT INTO crm.contacts (id) VALUES (1), (2);
SQL
my $stored = q{SELECT string_agg(format('%s %s %s', contact_id, total, stage), ', ' ORDER BY contact_id) FROM crm.b2b_score};
is($node->safe_psql('crm', $stored), '1 60 mql, 2 60 mql', 'both have their points');

my ($job) = $node->safe_psql('crm', "SET ROLE seller;\n$schedule") =~ /(\d+)/;
ok($job, 'scheduled as README.md says');
my $deadline = time + 90;
sleep 1 until $node->safe_psql('crm', q{SELECT total < 30 FROM crm.b2b_score WHERE contact_id = 1}) eq 't' || time > $deadline;
is($node->safe_psql('crm', $stored), '1 0 lead, 2 60 mql', 'within a minute one has lost them, and only that one');
is($node->safe_psql('crm', 'SELECT string_agg(stage, $$ $$ ORDER BY id) FROM crm.contacts'), 'lead mql', 'and its stage');
is($node->safe_psql('crm', q{SELECT contact_id, type, payload ->> 'cause' FROM crm.b2b_outbox}), '1|cooled off|time', 'and an action has happened');
is($node->safe_psql('crm', q{SELECT DISTINCT username, status FROM cron.job_run_details WHERE status <> 'running'}), 'seller|succeeded', 'by a role of no special rights')
  or diag($node->safe_psql('crm', 'SELECT * FROM cron.job_run_details'));
is_sound($node, 'crm', 'b2b', 'all is well');

$node->stop;
done_testing();
