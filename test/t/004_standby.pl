# A physical standby: functions and view work there, what writes says that it
# cannot; promoted, it goes on.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use LiveNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = make_node('primary', allows_streaming => 1);
$primary->start;
make_database($primary, 'crm');
$primary->safe_psql('crm', <<'SQL');
SET client_min_messages = warning;
CREATE TABLE people (id int PRIMARY KEY, title text, size int, note text);
INSERT INTO people SELECT g, CASE WHEN g % 2 = 0 THEN 'CEO' END, g FROM generate_series(1, 100) AS g;
CALL make_live('people', 'people');
SQL

my $standby = PostgreSQL::Test::Cluster->new('standby');
$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub catch_up { return $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) }

# both(QUERY): what it gives on the primary, and the same on the standby?
sub same
{
    my ($query, $what) = @_;
    return is($standby->safe_psql('crm', $query), $primary->safe_psql('crm', $query), $what);
}

my $scores = 'SELECT p.id, lead_scoring.fit_score(p, $$people$$) FROM people AS p ORDER BY 1';
my $view = 'SELECT contact_id, fit, total, band, grade, reasons, scored_at FROM people_scored ORDER BY 1';
$primary->safe_psql('crm', 'UPDATE people SET size = size + 20 WHERE id < 50; DELETE FROM people WHERE id = 70');
catch_up();
same($scores, 'fit_score');
same($view, 'the view');
same('SELECT * FROM people_score ORDER BY 1', 'the score table');
same('SELECT e.* FROM people AS p, lead_scoring.explain_fit(p, $$people$$) AS e WHERE p.id = 2', 'explain_fit');
same('SELECT lead_scoring.to_sql($$people$$)', 'to_sql');
same('SELECT * FROM lead_scoring.check_model($$people$$) WHERE severity <> $$advice$$', 'check_model');
is_sound($standby, 'crm', 'people', 'scores there');

# fails_with(SQL, SQLSTATE): on the standby.
sub fails_with
{
    my ($sql, $state) = @_;
    my ($out, $error);
    $standby->psql('crm', "\\set VERBOSITY sqlstate\n$sql", stdout => \$out, stderr => \$error);
    return like($error, qr/ERROR:  $state\b/, "$sql fails with $state");
}
fails_with(q{CALL lead_scoring.refresh('people');}, '25006');
fails_with(q{CALL lead_scoring.rescore('people');}, '25006');
# These want a lock that a standby does not give.
fails_with(q{SELECT lead_scoring.activate('people');}, '55000');
fails_with(q{SELECT lead_scoring.deactivate('people');}, '55000');
is($standby->psql('crm', 'SELECT lead_scoring.flush()'), 0, 'flush() has nothing to do');

# A session of the standby that has compiled the rules sees them change.
my $session = $standby->background_psql('crm');
my $first = $session->query_safe($scores);
$primary->safe_psql('crm', q{UPDATE lead_scoring.fit_rule SET points = 100 WHERE name = 'boss'});
catch_up();
my $second = $session->query_safe($scores);
isnt($second, $first, 'new rules reach a session of the standby');
is($second, $primary->safe_psql('crm', $scores), 'and are those of the primary');
same($view, 'in the view too, though stored scores are behind');
is(unsound($standby, 'crm', 'people', 0), '', 'which verify knows');
$session->quit;

$primary->safe_psql('crm', q{SET lead_scoring.apply = queue; UPDATE people SET size = 1 WHERE id = 4});
catch_up();
is(unsound($standby, 'crm', 'people', 0), '', 'contacts wait in the queue');
$primary->stop;
$standby->promote;
$standby->safe_psql('crm', q{INSERT INTO people VALUES (200, 'CEO', 60); UPDATE people SET size = 2 WHERE id = 6;
    DELETE FROM people WHERE id = 8});
is_sound_after_refresh($standby, 'crm', 'people', 'promoted and written to');
$standby->safe_psql('crm', q{SELECT lead_scoring.activate('people'); INSERT INTO people VALUES (201, NULL, 2)});
is_sound($standby, 'crm', 'people', 'and activated again');

$standby->stop;
done_testing();
