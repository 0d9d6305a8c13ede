# Whatever takes long can be cancelled or terminated at any moment: it stops at once, and
# leaves nothing wrong behind.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $rounds = $ENV{ROUNDS} // 50;
srand($ENV{SEED} // 1);
my $node = make_node('cancelled');
$node->append_conf('postgresql.conf', "synchronous_commit = off\njit = off\n");
$node->start;
make_database($node, 'crm');
run_log([ 'psql', '-X', '-q', '-d', $node->connstr('crm'), '-v', 'ON_ERROR_STOP=1', '-f', "$FindBin::RealBin/../pgtap/life.psql" ])
  or BAIL_OUT('life.psql does not load');
$node->safe_psql('crm', <<'SQL');
SET client_min_messages = error;
CREATE TABLE company (id int PRIMARY KEY, size int);
INSERT INTO company SELECT g, 20 * g FROM generate_series(1, 10) AS g;
CREATE TABLE person (id int PRIMARY KEY, title text, size int, company int, stage text DEFAULT 'lead');
CREATE INDEX ON person (company);
INSERT INTO person SELECT g, CASE WHEN g % 3 = 0 THEN 'CEO' END, g % 100, 1 + g % 10 FROM generate_series(1, 8000) AS g;
CREATE TABLE deed (contact int, what text, at timestamptz DEFAULT clock_timestamp(), worth float8);
CREATE INDEX ON deed (contact);
INSERT INTO deed SELECT 1 + g * 7919 % 8000, (ARRAY['view', 'open', 'asked', 'basket', 'order'])[1 + g % 5], now() - g * interval '20 seconds' FROM generate_series(1, 60000) AS g;
SELECT lead_scoring.create_model('m', 'person', 'id', stage_column => 'stage');
SELECT lead_scoring.add_event_source('m', 'deed', 'contact', 'at');
SELECT lead_scoring.add_lookup('m', 'company', 'company', 'id', 'company');
INSERT INTO lead_scoring.fit_rule (model, name, condition, points) VALUES ('m', 'boss', $$title = 'CEO'$$, 15), ('m', 'big', 'size > 50', 10), ('m', 'firm', 'company.size > 100', 8);
CALL add_behaviour('m');
CALL add_transition('m', 'mql', 'lead', 'total < 20');
INSERT INTO lead_scoring.action (model, name, condition, on_edge, repeat_after, channel) VALUES ('m', 'hot', 'total >= 50', 'change', '0', 'hot');
SELECT lead_scoring.activate('m');
SQL

sub query { return $node->safe_psql('crm', "SET client_min_messages = error; $_[0]") }

# What is done before, and what is interrupted.
my $other_size = 'UPDATE person SET size = (size * 7 + 3) % 100';
my @long = (
    [ 'rescore', q{UPDATE lead_scoring.fit_rule SET points = 31 - points WHERE name = 'boss'}, q{CALL lead_scoring.rescore('m')} ],
    [ 'refresh', 'UPDATE m_score SET due_at = scored_at', q{CALL lead_scoring.refresh('m')} ],
    [ 'refresh of the queue', "SET lead_scoring.apply = queue; $other_size", q{CALL lead_scoring.refresh('m')} ],
    [ 'events', '', q{INSERT INTO deed (contact, what) SELECT g, 'view' FROM generate_series(1, 8000) AS g} ],
    [ 'events that go', '', 'DELETE FROM deed WHERE contact % 3 = 1 AND what = $$view$$' ],
    [ 'contacts', '', $other_size ],
    [ 'contacts in statement mode', '', "SET lead_scoring.apply = statement; $other_size" ],
    [ 'a lookup', '', 'UPDATE company SET size = 220 - size' ],
    [ 'activate', q{SELECT lead_scoring.deactivate('m')}, q{SELECT lead_scoring.activate('m')} ],
    [ 'verify', '', q{SELECT count(*) FROM lead_scoring.verify('m')} ],
    [ 'the view', '', q{SET lead_scoring.as_of = '2026-11-01'; SELECT sum(total) FROM m_scored} ]);

my ($stopped, $slowest) = (0, 0);
for my $round (0 .. $rounds - 1)
{
    my ($what, $before, $call) = @{ $long[ $round % @long ] };
    query($before) if $before;
    my ($out, $error) = ('', '');
    my $run = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-d', $node->connstr('crm'), '-c', q{SET application_name = 'long'}, '-c', $call ],
        '<', \undef, '>', \$out, '2>', \$error);
    for (1 .. 50) { last if query(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'long' AND state = 'active'}) }
    usleep rand() ** 2 * 200_000;
    my $function = rand() < 0.5 ? 'pg_cancel_backend' : 'pg_terminate_backend';
    my $began = time;
    query("SELECT count($function(pid)) FROM pg_stat_activity WHERE application_name = 'long'");
    IPC::Run::finish($run);
    if ($error =~ /canceling|terminating/)
    {
        $stopped++;
        $slowest = time - $began if time - $began > $slowest;
    }
    elsif ($error =~ /ERROR|FATAL/) { fail("$what: $error") }
    query(q{SELECT lead_scoring.activate('m')}) if $what eq 'activate';
    my $wrong = query(q{SELECT * FROM lead_scoring.verify('m') LIMIT 5});
    is($wrong, '', "$what: $function") if $wrong ne '' || $round >= $rounds - @long;
}
cmp_ok($stopped, '>', $rounds / 3, "of $rounds calls enough were stopped");
cmp_ok($slowest, '<', 5, 'each at once');
is_sound_after_refresh($node, 'crm', 'm', 'in the end');
is(query(q{SELECT * FROM unlawful('m') LIMIT 5}), '', 'the records');
is(query('SELECT count(*) FROM lead_scoring.progress_row'), '0', 'nothing is left of the runs');
is(query(q{SELECT * FROM lead_scoring.check_model('m') WHERE severity <> 'advice'}), '', 'no problem');

$node->stop;
done_testing();
