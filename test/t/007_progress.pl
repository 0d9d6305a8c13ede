# How far a rescore has come can be seen from elsewhere; one that was interrupted is
# gone on with, by whoever comes next, unless the rules are others by then.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $contacts = 8000;
my $node = make_node('progress');
$node->append_conf('postgresql.conf', "max_prepared_transactions = 2\n");
$node->start;
make_database($node, 'crm');
$node->safe_psql('crm', <<"SQL");
SET client_min_messages = warning;
CREATE ROLE analyst LOGIN;
CREATE ROLE stranger LOGIN;
CREATE TABLE people (id int PRIMARY KEY, title text, size int);
INSERT INTO people SELECT g, 'CEO', g % 100 FROM generate_series(1, $contacts) AS g;
CALL make_live('m', 'people');
GRANT SELECT ON people TO analyst;
-- Half a second for each batch of which all rows are written, where that is wanted.
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.0005) WHERE current_setting(''crm.slow'', true) = ''on''; RETURN new; END';
CREATE TRIGGER slow BEFORE UPDATE ON m_score FOR EACH ROW EXECUTE FUNCTION slow();
SQL

sub query { return $node->safe_psql('crm', $_[0]) }
sub change_rules { query(q{UPDATE lead_scoring.fit_rule SET points = points + 1 WHERE name = 'boss'}); return }

# start(CALL, OPTIONS): in another session; gives what stop() wants.
sub start
{
    my ($call, $options) = (@_, '');
    my %run = (out => '', error => '', in => $call);
    local $ENV{PGOPTIONS} = "-c crm.slow=on $options";
    $run{handle} = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-d', $node->connstr('crm'), '-c', $call ],
        '<', \undef, '>', \$run{out}, '2>', \$run{error});
    ok($node->poll_query_until('crm',
        "SELECT EXISTS (SELECT FROM lead_scoring.progress WHERE model = 'm' AND done >= 1000)"), "$call is under way");
    return \%run;
}

# stop(RUN, SQL): with a function of pg_stat_activity's pid.
sub stop
{
    my ($run, $function) = @_;
    query("SELECT $function(pid) FROM lead_scoring.progress");
    IPC::Run::finish($run->{handle});
    like($run->{error}, qr/cancel|terminat/, "stopped by $function");
    is(query('SELECT count(*) FROM lead_scoring.progress'), 0, 'and no longer shown');
    return query('SELECT done FROM lead_scoring.progress_row');
}

# resume(CALL): the number of contacts that were not looked at again, as it says.
sub resume
{
    my ($call) = @_;
    my ($out, $error);
    $node->psql('crm', $call, stdout => \$out, stderr => \$error);
    unlike($error, qr/ERROR/, "$call comes to its end");
    is(query('SELECT count(*) FROM lead_scoring.progress_row'), 0, 'and leaves nothing behind');
    my ($after) = $error =~ /goes on where a rescore was interrupted, after (\d+) contacts/;
    return ($after // 0, $out);
}

change_rules();
my $run = start(q{CALL lead_scoring.rescore('m')});
is(query('SELECT model, what, total, done < total, started_at < updated_at FROM lead_scoring.progress'),
    "m|rescore|$contacts|t|t", 'a rescore in progress');
for ([ 'analyst', 1 ], [ 'stranger', 0 ])
{
    my ($role, $n) = @$_;
    is(query("SET ROLE $role; SELECT count(*) FROM lead_scoring.progress"), $n, "$role sees $n");
}
my $done = stop($run, 'pg_cancel_backend');
cmp_ok($done, '<', $contacts, 'some are left');
is(query(q{SELECT count(*) FROM m_score WHERE stamp = lead_scoring.model_stamp('m')}), $done, 'the others are done');
my ($after, $counted) = resume(q{CALL lead_scoring.refresh('m', NULL)});
is($after, $done, 'a refresh goes on from there');
is($counted, $contacts - $done, 'and looks at the rest alone');
is_sound($node, 'crm', 'm', 'all is well');

# Nothing but the call itself said that all were to be looked at.
query('UPDATE m_score SET fit = -1');
$run = start(q{CALL lead_scoring.rescore('m')});
$done = stop($run, 'pg_terminate_backend');
($after) = resume(q{CALL lead_scoring.refresh('m')});
is($after, $done, 'a rescore for no reason is gone on with by a refresh, too');
is_sound($node, 'crm', 'm', 'all is well');

change_rules();
$run = start(q{CALL lead_scoring.refresh('m')});
is(query('SELECT what FROM lead_scoring.progress'), 'rescore', 'a refresh of everyone is a rescore');
$done = stop($run, 'pg_cancel_backend');
($after, $counted) = resume(q{CALL lead_scoring.rescore('m', false, NULL)});
is($after, $done, 'a rescore goes on where a refresh was interrupted');
is($counted, $contacts - $done, 'and looks at the rest');

# Whose actions are to fire must be looked at again.
change_rules();
stop(start(q{CALL lead_scoring.rescore('m')}), 'pg_cancel_backend');
($after) = resume(q{CALL lead_scoring.rescore('m', fire_actions => true)});
is($after, 0, 'with actions it begins anew');

# Other rules, or all said to be stale since: from the beginning.
change_rules();
stop(start(q{CALL lead_scoring.rescore('m')}), 'pg_cancel_backend');
change_rules();
($after) = resume(q{CALL lead_scoring.refresh('m')});
is($after, 0, 'by other rules it begins anew');
is_sound($node, 'crm', 'm', 'all is well');
change_rules();
stop(start(q{CALL lead_scoring.rescore('m')}), 'pg_cancel_backend');
query(q{SET lead_scoring.apply = 'off'; UPDATE people SET size = 60 WHERE id = 1});
($after) = resume(q{CALL lead_scoring.refresh('m')});
is($after, 0, 'also where all are stale since');
is_sound($node, 'crm', 'm', 'all is well');
# Said before, as the numbers go, but committed since.
change_rules();
query(q{BEGIN; SET LOCAL lead_scoring.apply = 'off'; UPDATE people SET size = 20 WHERE id = 1;
    PREPARE TRANSACTION 'late'});
query(q{SET lead_scoring.apply = 'off'; UPDATE people SET size = 20 WHERE id = 2});
stop(start(q{CALL lead_scoring.rescore('m')}), 'pg_cancel_backend');
query(q{COMMIT PREPARED 'late'});
($after) = resume(q{CALL lead_scoring.refresh('m')});
is($after, 0, 'also where who said so has committed since');
is_sound($node, 'crm', 'm', 'all is well');

change_rules();
$run = start(q{CALL lead_scoring.rescore('m')});
$done = query('SELECT done FROM lead_scoring.progress');
$node->stop('immediate');
IPC::Run::finish($run->{handle});
$node->start;
is(query('SELECT count(*) FROM lead_scoring.progress'), 0, 'after a crash it is not shown');
($after) = resume(q{CALL lead_scoring.refresh('m')});
cmp_ok($after, '>=', $done, 'and gone on with');
is_sound($node, 'crm', 'm', 'all is well');

# Two at once, one of them inside a transaction.
change_rules();
$run = start(q{CALL lead_scoring.rescore('m')});
is($node->psql('crm', q{BEGIN; CALL lead_scoring.rescore('m'); COMMIT}), 0, 'another one beside it');
IPC::Run::finish($run->{handle});
is($run->{error} =~ /ERROR/ ? $run->{error} : '', '', 'both come to their end');
query(q{CALL lead_scoring.refresh('m')});
is(query('SELECT count(*) FROM lead_scoring.progress_row'), 0, 'and nothing is left');
is_sound($node, 'crm', 'm', 'all is well');

# Whoever is due.
query('UPDATE m_score SET due_at = scored_at');
$run = start(q{CALL lead_scoring.refresh('m')});
is(query('SELECT what, total FROM lead_scoring.progress'), "refresh|$contacts", 'a refresh in progress');
stop($run, 'pg_cancel_backend');
($after, $counted) = resume(q{CALL lead_scoring.refresh('m', NULL)});
is($after, 0, 'is not gone on with');
cmp_ok($counted, '<', $contacts, 'as who was done is not due');

# What was interrupted after a run had begun is not over with that run.
sub leave_rescore
{
    query(q{INSERT INTO lead_scoring.progress_row (id, model, what, pid, done, started_at, updated_at, stamp, mark, fire_actions)
        VALUES (1, 'm', 'rescore', 1, 0, clock_timestamp(), clock_timestamp(), 0, 0, false)});
    return;
}
query('UPDATE m_score SET due_at = scored_at');
for (q{CALL lead_scoring.refresh('m')}, q{CALL lead_scoring.rescore('m', fire_actions => true)})
{
    $run = start($_);
    leave_rescore();
    IPC::Run::finish($run->{handle});
    is(query('SELECT string_agg(id::text, $$,$$) FROM lead_scoring.progress_row'), '1', "$_ leaves a later one alone");
    ($after, $counted) = resume(q{CALL lead_scoring.refresh('m', NULL)});
    is($counted, $contacts, 'and a refresh looks at everyone');
    change_rules();
}

# While a survey reads, nothing can be committed: what it is about is said before. Here it
# waits for a lock on the events.
query(<<"SQL");
SET client_min_messages = warning;
CREATE TABLE deed (person int, at timestamptz NOT NULL);
INSERT INTO deed SELECT g % $contacts + 1, now() - interval '1 day' FROM generate_series(1, 120000) AS g;
CREATE INDEX ON deed (person);
ANALYZE deed;
SELECT lead_scoring.create_model('deeds', 'people', 'id');
SELECT lead_scoring.add_event_source('deeds', 'deed', 'person', 'at');
INSERT INTO lead_scoring.engagement_rule (model, name, kind, points) VALUES ('deeds', 'any', 'each', 1);
SELECT lead_scoring.activate('deeds');
SQL
my $shown = q{SELECT what, done, total, surveying, started_at < updated_at FROM lead_scoring.progress WHERE model = 'deeds'};
for my $end ('cancelled', 'left alone')
{
    query(q{BEGIN; LOCK TABLE deed; PREPARE TRANSACTION 'gate'});
    my ($out, $error) = ('', '');
    my $rescore = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('crm'), '-c', q{CALL lead_scoring.rescore('deeds')} ],
        '<', \undef, '>', \$out, '2>', \$error);
    ok($node->poll_query_until('crm', $shown, "rescore|0|$contacts|$contacts|t"), 'a survey is shown while it reads');
    query('SELECT pg_cancel_backend(pid) FROM lead_scoring.progress') if $end eq 'cancelled';
    query(q{ROLLBACK PREPARED 'gate'});
    IPC::Run::finish($rescore);
    like($error, $end eq 'cancelled' ? qr/cancel/ : qr/\A\z/, $end);
    is(query('SELECT count(*) FROM lead_scoring.progress'), 0, 'and then no longer shown');
}
is(query('SELECT count(*) FROM lead_scoring.progress_row'), 0, 'nothing is left');
is(query(q{SELECT count(*) FROM m_score AS s JOIN deeds_score AS d USING (contact_id) WHERE d.total = 15}), $contacts,
    'all is well');

# In a run that has lasted, a small slice is said, too; and that it is over, with the next batch.
change_rules();
$run = start(q{CALL lead_scoring.rescore('m')}, '-c lead_scoring.rescore_slice=3000');
ok($node->poll_query_until('crm',
    'SELECT EXISTS (SELECT FROM lead_scoring.progress WHERE done BETWEEN 4000 AND 7000 AND surveying IS NULL)'), 'between surveys');
IPC::Run::finish($run->{handle});

# Of one that is over soon nobody is told.
my $written = q{SELECT pg_stat_force_next_flush(); SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'progress_row'};
my $before = query($written);
query(q{CALL lead_scoring.rescore('m'); SELECT pg_stat_force_next_flush()});
is(query($written), $before, 'a short one writes nothing');

# A model goes, and with it what is known of its runs.
change_rules();
stop(start(q{CALL lead_scoring.rescore('m')}), 'pg_cancel_backend');
query(q{SET client_min_messages = warning; SELECT lead_scoring.drop_model('m')});
is(query('SELECT count(*) FROM lead_scoring.progress_row'), 0, 'with the model, what is known of its runs is gone');

$node->stop;
done_testing();
